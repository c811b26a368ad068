//! `db …`: the database itself.

use clap::Subcommand;
use invshop::store::Db;
use serde_json::json;

use crate::app::{App, place};
use crate::failure::Failure;
use crate::output::Reply;

/// What can be done.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Verb {
    /// Bring the schema to this program's version
    Migrate,
    /// Prove every invariant; exit 1 names what is broken
    Verify,
}

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, verb: Verb) -> Result<Reply, Failure> {
    match verb {
        Verb::Migrate => migrate(app).await,
        Verb::Verify => {
            app.with_shop(async |_shop| Ok(Reply::one("", json!({}))))
                .await
        }
    }
}

async fn migrate(app: &App<'_>) -> Result<Reply, Failure> {
    let (db, before, after) = Db::migrate(&place(app.config()?)).await?;
    let name = db.place();
    db.close().await;
    let line = if before == after {
        format!("{name} is at schema version {after} already")
    } else {
        format!("migrated {name} from schema version {before} to {after}")
    };
    Ok(Reply::one(
        line,
        json!({ "database": name, "before": before, "after": after }),
    ))
}
