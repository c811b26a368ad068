//! `db …`: the database itself.

mod archive;

use std::fmt::Write as _;

use clap::Subcommand;
use invshop::rekey::{self, Rotated};
use invshop::reports::{self, Verified};
use invshop::shop::{Opening, Shop};
use invshop::store::{DaemonLock, Db, Place};
use serde_json::{Value, json};

use crate::app::{App, place};
use crate::failure::Failure;
use crate::output::{Reply, Table, Text};

/// Tries of a tenth of a second to leave nothing in the files.
const SCRUB_TRIES: u32 = 50;
/// What is said where that was in vain.
const REMAINS: &str = "the database's log still has what was erased, sealed as it was, because \
                       somebody reads an old state: run db scrub when that is over";

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// Bring the schema to this program's version
    Migrate,
    /// Prove every invariant; exit 1 names what is broken
    Verify,
    /// Write everything into one checksummed file, while everybody works on
    Backup(archive::Backup),
    /// Put a backup into the database of the configuration, and prove it
    Restore(archive::Restore),
    /// Move a stopped shop from SQLite into an empty PostgreSQL database
    Copy(archive::Copy),
    /// Seal everything anew with a new instance key, while nothing runs
    RotateKey,
    /// Leave nothing in the database's files of what was erased or sealed with a former key
    Scrub,
    /// How large the database is, and what it is full of
    Stats,
}

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, verb: Verb) -> Result<Reply, Failure> {
    match verb {
        Verb::Migrate => migrate(app).await,
        Verb::Verify => app.with_shop(async |shop| verify(app, shop).await).await,
        Verb::Backup(backup) => {
            app.with_shop(async |shop| archive::backup(app, shop, &backup).await).await
        }
        Verb::Restore(restore) => archive::restore(app, &restore).await,
        Verb::Copy(copy) => archive::copy(app, &copy).await,
        Verb::RotateKey => rotate_key(app).await,
        Verb::Scrub => app.with_shop(async |shop| scrub(app, shop).await).await,
        Verb::Stats => app.with_shop(async |shop| stats(shop).await).await,
    }
}

async fn migrate(app: &App<'_>) -> Result<Reply, Failure> {
    // What runs would go on writing as it knows the tables.
    let _lock = match place(app.config()?) {
        Place::Sqlite(file) if file.exists() => Some(DaemonLock::take(&file)?),
        Place::Sqlite(_) | Place::Postgres(_) => None,
    };
    let (db, before, after) = Db::migrate(&place(app.config()?)).await?;
    let name = db.place();
    db.close().await;
    let line = if before == after {
        format!("{name} is at schema version {after} already")
    } else {
        format!("migrated {name} from schema version {before} to {after}")
    };
    Ok(Reply::one(line, json!({ "database": name, "before": before, "after": after })))
}

async fn rotate_key(app: &App<'_>) -> Result<Reply, Failure> {
    let config = app.config()?;
    let opening = Opening::of(config);
    // What runs would go on sealing with the old key: the database refuses that.
    let _lock = match &opening.place {
        Place::Sqlite(file) if file.exists() => Some(DaemonLock::take(file)?),
        Place::Sqlite(_) | Place::Postgres(_) => None,
    };
    app.confirm("seal everything anew with a new instance key").await?;
    let bar = app.output.progress(0, "sealing");
    let rotated = rekey::rotate(&opening, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
    .await?;
    bar.finish_and_clear();
    let Rotated { before, now, rows, file, kept, is_scrubbed } = &rotated;
    let line = format!(
        "sealed {rows} records anew: {} has the key {now}\nthe key of before, {before}, is in {}: \
         backups of before need it; remove it when they are gone",
        file.display(),
        kept.display()
    );
    if !is_scrubbed {
        app.output.note(REMAINS);
    }
    let document = json!({ "before": before.to_string(), "now": now.to_string(), "rows": rows,
                           "key_file": file, "kept": kept, "scrubbed": is_scrubbed });
    Ok(Reply::one(line, document))
}

async fn scrub(app: &App<'_>, shop: &Shop) -> Result<Reply, Failure> {
    if let Place::Postgres(_) = place(app.config()?) {
        app.confirm("write the tables of what is sealed anew; whoever needs them waits").await?;
    }
    if !shop.db.scrub(SCRUB_TRIES).await? {
        return Err(Failure::refused("log_remains", REMAINS));
    }
    let name = shop.db.place();
    let line = format!("{name} keeps no more what was erased, or sealed with a former key");
    Ok(Reply::one(line, json!({ "database": name })))
}

async fn verify(app: &App<'_>, shop: &Shop) -> Result<Reply, Failure> {
    let newest = reports::newest(&shop.db).await?;
    let entries = newest.map_or(0, |(seq, _)| u64::try_from(seq.get()).unwrap_or(0));
    // Each entry is looked at once, a movement twice: most are movements.
    let bar = app.output.progress(entries.saturating_mul(2), "proving");
    let verified = reports::verify(&shop.db, &mut |examined| bar.set_position(examined)).await?;
    bar.finish_and_clear();
    let Verified { entries, levels, orders, findings_total, findings } = &verified;
    let examined = format!("{entries} entries, {levels} levels, {orders} orders");
    if verified.is_clean() {
        done_by_hand(shop, "verify", &format!("sound: {examined}")).await;
        return Ok(Reply::one(format!("sound: {examined}"), document(&verified)));
    }
    let mut table = Table::new(&["finding", "about"], "");
    for finding in findings {
        let text = finding.to_string();
        let (name, about) = text.split_once(' ').unwrap_or((&text, ""));
        table.row(vec![name.trim_end_matches(':').to_owned(), about.to_owned()]);
    }
    let line = format!("{findings_total} broken invariants in {examined}");
    Ok(Reply::one(Text::Both(line, table), document(&verified)).with_findings(true))
}

/// What was asked for is done, whether this can be written down or not.
async fn done_by_hand(shop: &Shop, job: &'static str, detail: &str) {
    if let Err(error) = shop.done_by_hand(job, detail.to_owned()).await {
        tracing::warn!(job, error = %error, "that it was done by hand cannot be recorded");
    }
}

async fn stats(shop: &Shop) -> Result<Reply, Failure> {
    let stats = reports::stats(&shop.db).await?;
    let mut line = format!(
        "{}: schema version {}, entry {}, {} bytes",
        stats.database, stats.schema_version, stats.seq, stats.bytes
    );
    if let Some(free) = stats.free_bytes {
        let _infallible = write!(line, ", {free} of them free");
    }
    if let Some(log) = stats.log_bytes {
        let _infallible = write!(line, ", {log} bytes of log");
    }
    let mut table = Table::new(&["table", "rows"], "");
    for one in &stats.tables {
        table.row(vec![one.table.to_owned(), one.rows.to_string()]);
    }
    Ok(Reply::one(Text::Both(line, table), json!(stats)))
}

fn document(verified: &Verified) -> Value {
    let mut document = json!(verified);
    document["clean"] = json!(verified.is_clean());
    document
}
