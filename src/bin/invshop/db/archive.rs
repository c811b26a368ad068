//! `db backup`, `db restore`, `db copy`: whole shops.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use invshop::backup::{self, BackupError, Restoring, Watch};
use invshop::clock::{Clock as _, SystemClock};
use invshop::config::Config;
use invshop::reports;
use invshop::shop::{Opening, Shop};
use serde_json::json;

use crate::app::{App, place, place_of};
use crate::failure::Failure;
use crate::output::Reply;

/// What to back up into.
#[derive(Clone, Debug, Args)]
pub(crate) struct Backup {
    /// The file; one that exists is replaced after a yes
    file: PathBuf,
}

/// What to restore from.
#[derive(Clone, Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
}

/// Where to move to.
#[derive(Clone, Debug, Args)]
pub(crate) struct Copy {
    #[arg(
        long,
        value_name = "URL",
        help = "An empty PostgreSQL database; env:NAME and file:PATH keep a password to yourself"
    )]
    to: String,
}

fn watch<'a>(app: &App<'a>, show: &'a (dyn Fn(u64, u64) + Sync)) -> Watch<'a> {
    Watch { rows: show, stop: app.interruption() }
}

fn showing(bar: &ProgressBar) -> impl Fn(u64, u64) + Sync {
    let bar = bar.clone();
    move |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    }
}

/// Writes a backup while everybody works on.
pub(crate) async fn backup(app: &App<'_>, shop: &Shop, given: &Backup) -> Result<Reply, Failure> {
    let replace = given.file.exists();
    if replace {
        app.confirm(&format!("replace {}", given.file.display())).await?;
    }
    let bar = app.output.progress(0, "backing up");
    let show = showing(&bar);
    let now = shop.clock.now();
    let written = backup::write(&shop.db, &given.file, (now, replace), watch(app, &show)).await;
    bar.finish_and_clear();
    let written = written?;
    let line = format!(
        "{} rows up to entry {} in {} ({} bytes)",
        written.rows,
        written.seq,
        written.file.display(),
        written.bytes
    );
    super::done_by_hand(shop, "backup", &line).await;
    Ok(Reply::one(line, json!(written)))
}

/// Restores a backup into the database of the configuration, and proves it.
pub(crate) async fn restore(app: &App<'_>, given: &Restore) -> Result<Reply, Failure> {
    let config = app.config()?;
    let restored = match restore_once(app, config, &given.file, app.global.yes).await {
        Err(BackupError::HasShop(place)) => {
            app.confirm(&format!("replace the shop in {place} and all that is in it")).await?;
            restore_once(app, config, &given.file, true).await?
        }
        other => other?,
    };
    let shop = Shop::open(Opening::of(config)).await?;
    let verified = reports::verify(&shop.db, &mut |_| {}).await;
    shop.close().await;
    let verified = verified?;
    let file = restored.file.display();
    let line = format!(
        "restored {} rows up to entry {} from {file} into {}",
        restored.rows, restored.seq, restored.database
    );
    let mut document = json!(restored);
    document["clean"] = json!(verified.is_clean());
    document["findings"] = json!(verified.findings);
    if verified.is_clean() {
        return Ok(Reply::one(format!("{line}; sound"), document));
    }
    let total = verified.findings_total;
    let line = format!("{line}; {total} broken invariants: run `invshop db verify`");
    Ok(Reply::one(line, document).with_findings(true))
}

async fn restore_once(
    app: &App<'_>,
    config: &Config,
    file: &Path,
    replace: bool,
) -> Result<backup::Restored, BackupError> {
    let bar = app.output.progress(0, "restoring");
    let show = showing(&bar);
    let place = place(config);
    let key_file = &config.database.key_file;
    let now = SystemClock.now();
    let given = Restoring { file, place: &place, key_file, replace, now };
    let restored = backup::restore(given, watch(app, &show)).await;
    bar.finish_and_clear();
    restored
}

/// Moves the shop into an empty PostgreSQL database.
pub(crate) async fn copy(app: &App<'_>, given: &Copy) -> Result<Reply, Failure> {
    let config = app.config()?;
    let to = place_of(&given.to)?;
    app.confirm("move the shop; this database takes no more writes then").await?;
    let bar = app.output.progress(0, "moving");
    let show = showing(&bar);
    let now = SystemClock.now();
    let copied = backup::copy(&place(config), &to, now, watch(app, &show)).await;
    bar.finish_and_clear();
    let copied = copied?;
    let line = format!(
        "moved {} rows up to entry {} from {} to {}, and proved both\nset database.url to the new \
         place, and database.key = \"file:{}\": the instance key stays the same",
        copied.rows,
        copied.seq,
        copied.from,
        copied.to,
        config.database.key_file.path().display()
    );
    Ok(Reply::one(line, json!(copied)))
}
