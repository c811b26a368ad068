//! A restore: a backup into a database, whole or not at all.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::format::{Header, Reading, VERSION};
use super::{BackupError, Progress, Watch};
use crate::clock::Timestamp;
use crate::secret::KeyFile;
use crate::store::dump::{self, Filling, TABLES};
use crate::store::{self, Conn, DaemonLock, Db, Place, SCHEMA_VERSION, StoreError, WriteTx};

/// Where a backup is to go.
#[derive(Debug)]
pub struct Restoring<'a> {
    /// The backup.
    pub file: &'a Path,
    /// The database.
    pub place: &'a Place,
    /// The instance key that belongs to it.
    pub key_file: &'a KeyFile,
    /// Whether a shop that is there may be replaced.
    pub replace: bool,
    /// The present moment.
    pub now: Timestamp,
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The backup.
    pub file: PathBuf,
    /// The database, without credentials.
    pub database: String,
    /// Rows.
    pub rows: u64,
    /// The newest entry of the journal.
    pub seq: i64,
    /// Whether a shop was replaced.
    pub replaced: bool,
}

/// Reads a backup from its first line to its checksum, and says what is in it.
pub fn inspect(file: &Path, watch: Watch<'_>) -> Result<Header, BackupError> {
    let (header, mut reading) = open(file)?;
    let mut progress = Progress::new(watch, header.rows());
    for (table, theirs) in TABLES.iter().zip(&header.tables) {
        for _ in 0..theirs.rows {
            reading.row(table).map_err(|why| damaged(file, why))?;
            progress.step()?;
        }
    }
    reading.finish().map_err(|why| damaged(file, why))?;
    Ok(header)
}

/// Restores a backup. It is read whole before anything is written, and read again into
/// one transaction. The place may be empty, or hold a shop that is to be replaced. The
/// caller proves it afterwards.
pub async fn restore(given: Restoring<'_>, watch: Watch<'_>) -> Result<Restored, BackupError> {
    let header = inspect(given.file, watch)?;
    let key_id = given.key_file.read()?.id().to_string();
    if key_id != header.key_id {
        return Err(BackupError::WrongKey { given: key_id, wanted: header.key_id });
    }
    let _lock = match given.place {
        Place::Sqlite(file) => Some(DaemonLock::take(file)?),
        Place::Postgres(_) => None,
    };
    let (db, created) = open_or_create(given.place).await?;
    let result = replace(&db, &given, &header, watch).await;
    db.close().await;
    if let (Err(_), true, Place::Sqlite(file)) = (&result, created, given.place) {
        // An empty database would look like a shop that was lost.
        remove(file);
    }
    Ok(Restored {
        file: given.file.to_owned(),
        database: db.place(),
        rows: header.rows(),
        seq: header.seq,
        replaced: result?,
    })
}

/// Opens a database, or makes one where there is none; whether it was made.
pub(super) async fn open_or_create(place: &Place) -> Result<(Db, bool), StoreError> {
    match Db::open(place).await {
        Ok(db) => Ok((db, false)),
        Err(StoreError::Missing(_) | StoreError::Unfinished(_)) => {
            Ok((Db::create(place).await?, true))
        }
        Err(error) => Err(error),
    }
}

/// Whether a shop was there, after everything of it was replaced.
async fn replace(
    db: &Db,
    given: &Restoring<'_>,
    header: &Header,
    watch: Watch<'_>,
) -> Result<bool, BackupError> {
    let mut tx = db.begin().await?;
    match fill(&mut tx, given, header, watch).await {
        Ok(replaced) => {
            tx.commit().await?;
            Ok(replaced)
        }
        Err(error) => {
            tx.rollback().await;
            Err(match error {
                BackupError::HasShop(_) => BackupError::HasShop(db.place()),
                BackupError::DaemonRuns { node, .. } => {
                    BackupError::DaemonRuns { place: db.place(), node }
                }
                other => other,
            })
        }
    }
}

async fn fill(
    tx: &mut WriteTx,
    given: &Restoring<'_>,
    header: &Header,
    watch: Watch<'_>,
) -> Result<bool, BackupError> {
    let mut conn = tx.conn()?;
    let has_shop = prepare(&mut conn, given.now, given.replace).await?;
    let (again, mut reading) = open(given.file)?;
    if again != *header {
        return Err(damaged(given.file, "it changed meanwhile".to_owned()));
    }
    let mut progress = Progress::new(watch, header.rows());
    for (table, theirs) in TABLES.iter().zip(&header.tables) {
        let mut filling = Filling::of(table);
        for _ in 0..theirs.rows {
            let row = reading.row(table).map_err(|why| damaged(given.file, why))?;
            filling.add(&mut conn, row).await?;
            progress.step()?;
        }
        filling.end(&mut conn).await?;
    }
    reading.finish().map_err(|why| damaged(given.file, why))?;
    dump::resume_ids(&mut conn).await?;
    Ok(has_shop)
}

/// Makes room for a shop, with everybody else kept out; whether there was one.
pub(super) async fn prepare(
    conn: &mut Conn<'_>,
    now: Timestamp,
    replace: bool,
) -> Result<bool, BackupError> {
    dump::lock(conn).await?;
    if let Some(node) = store::leases::holder(conn, now.as_millis()).await? {
        return Err(BackupError::DaemonRuns { place: String::new(), node });
    }
    let has_shop = store::shop::key_id(conn).await?.is_some();
    if has_shop && !replace {
        return Err(BackupError::HasShop(String::new()));
    }
    dump::clear(conn).await?;
    Ok(has_shop)
}

fn open(file: &Path) -> Result<(Header, Reading<File>), BackupError> {
    let input =
        File::open(file).map_err(|source| BackupError::Io { path: file.to_owned(), source })?;
    let mut reading = Reading::new(input);
    let header = reading.header().ok_or_else(|| BackupError::Foreign(file.to_owned()))?;
    if (header.version, header.schema) != (VERSION, SCHEMA_VERSION) {
        let is_older = header.version <= VERSION && header.schema < SCHEMA_VERSION;
        let hint = if is_older { ", then run `invshop db migrate` of this one" } else { "" };
        return Err(BackupError::Version {
            format: header.version,
            schema: header.schema,
            own_format: VERSION,
            own_schema: SCHEMA_VERSION,
            hint,
        });
    }
    if !header.has_our_tables() {
        return Err(damaged(file, "its tables are others".to_owned()));
    }
    Ok((header, reading))
}

fn damaged(file: &Path, why: String) -> BackupError {
    BackupError::Damaged { path: file.to_owned(), why }
}

/// Removes a database that was made and not filled.
fn remove(file: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(end);
        // What is not there need not be removed, and what cannot be is seen by the next.
        std::fs::remove_file(path).ok();
    }
}
