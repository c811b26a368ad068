//! A move: a stopped shop from its SQLite file into an empty PostgreSQL database.

use futures_util::TryStreamExt as _;
use serde::Serialize;

use super::restore::{open_or_create, prepare};
use super::{BackupError, Progress, Watch};
use crate::clock::Timestamp;
use crate::reports;
use crate::store::dump::{self, Filling, TABLES};
use crate::store::{self, Conn, DaemonLock, Db, Place, StoreError};

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Where from.
    pub from: String,
    /// Where to, without credentials.
    pub to: String,
    /// Rows.
    pub rows: u64,
    /// The newest entry of the journal, there as here.
    pub seq: i64,
}

/// Moves a shop: every row with its ids and numbers, from one moment in which nobody
/// writes. Both sides are proven and compared; then the file refuses to be written to
/// and says where its shop went. The same instance key belongs to it there.
///
/// Should this die after the other side was committed, both are whole and the shop is
/// still here: empty the other side and begin again.
pub async fn copy(
    from: &Place,
    to: &Place,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<Copied, BackupError> {
    let (Place::Sqlite(file), Place::Postgres(_)) = (from, to) else {
        return Err(BackupError::Direction { from: kind(from), to: kind(to) });
    };
    let source = Db::open(from).await?;
    let _lock = DaemonLock::take(file)?;
    let mut here = source.begin().await?;
    let result = send(&mut here.conn()?, &source, to, now, watch).await;
    match result {
        Ok(copied) => {
            dump::mark_moved(&mut here.conn()?, &copied.to).await?;
            here.commit().await?;
            source.close().await;
            Ok(copied)
        }
        Err(error) => {
            here.rollback().await;
            source.close().await;
            Err(error)
        }
    }
}

const fn kind(place: &Place) -> &'static str {
    match place {
        Place::Sqlite(_) => "SQLite",
        Place::Postgres(_) => "PostgreSQL",
    }
}

async fn send(
    here: &mut Conn<'_>,
    source: &Db,
    to: &Place,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<Copied, BackupError> {
    if let Some(to) = dump::moved_to(here).await? {
        return Err(StoreError::Moved { place: source.place(), to }.into());
    }
    prove(source, "the shop here").await?;
    let (target, _) = open_or_create(to).await?;
    let sent = fill(here, &target, now, watch).await;
    let sent = match sent {
        Ok(rows) => compare(here, &target).await.map(|seq| (rows, seq)),
        Err(error) => Err(error),
    };
    target.close().await;
    let (rows, seq) = sent?;
    Ok(Copied { from: source.place(), to: target.place(), rows, seq })
}

/// Writes all rows in one transaction; how many.
async fn fill(
    here: &mut Conn<'_>,
    target: &Db,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<u64, BackupError> {
    let mut total = 0;
    for table in &TABLES {
        total += u64::try_from(dump::count(here, table).await?).unwrap_or(0);
    }
    let mut progress = Progress::new(watch, total);
    let mut there = target.begin().await?;
    match pour(here, &mut there.conn()?, now, &mut progress).await {
        Ok(()) => {
            there.commit().await?;
            Ok(progress.done)
        }
        Err(error) => {
            there.rollback().await;
            Err(match error {
                BackupError::HasShop(_) => BackupError::HasShop(target.place()),
                BackupError::DaemonRuns { node, .. } => {
                    BackupError::DaemonRuns { place: target.place(), node }
                }
                other => other,
            })
        }
    }
}

async fn pour(
    here: &mut Conn<'_>,
    there: &mut Conn<'_>,
    now: Timestamp,
    progress: &mut Progress<'_>,
) -> Result<(), BackupError> {
    prepare(there, now, false).await?;
    for table in &TABLES {
        let mut cells = dump::rows(here, table)?;
        let mut filling = Filling::of(table);
        while let Some(row) = cells.try_next().await? {
            filling.add(there, row).await?;
            progress.step()?;
        }
        filling.end(there).await?;
    }
    dump::resume_ids(there).await?;
    Ok(())
}

async fn prove(db: &Db, what: &str) -> Result<(), BackupError> {
    let verified = reports::verify(db, &mut |_| {}).await?;
    if verified.is_clean() {
        return Ok(());
    }
    let first = verified.findings.first().map(ToString::to_string).unwrap_or_default();
    let total = verified.findings_total;
    Err(BackupError::Differs(format!("{what} has {total} broken invariants ({first})")))
}

/// Proves the other side and compares it; the newest entry of both.
async fn compare(here: &mut Conn<'_>, target: &Db) -> Result<i64, BackupError> {
    prove(target, "what arrived").await?;
    let mut reader = target.snapshot().await?;
    let mut there = reader.conn();
    for table in &TABLES {
        let (sent, arrived) =
            (dump::count(here, table).await?, dump::count(&mut there, table).await?);
        if sent != arrived {
            let name = table.name;
            let why = format!("{arrived} of {sent} rows of {name} arrived");
            return Err(BackupError::Differs(why));
        }
    }
    let (sent, arrived) =
        (store::journal::newest(here).await?, store::journal::newest(&mut there).await?);
    if sent != arrived {
        return Err(BackupError::Differs("the journals end differently".to_owned()));
    }
    Ok(sent.0)
}
