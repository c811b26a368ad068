//! A backup: one snapshot into one file.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use serde::Serialize;
use tempfile::NamedTempFile;

use super::format::{Header, Lines, NAME, TableHeader, VERSION};
use super::{BackupError, Progress, Watch};
use crate::clock::Timestamp;
use crate::store::dump::{self, TABLES};
use crate::store::{self, Conn, Db, SCHEMA_VERSION, StoreError};

/// What a backup has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The file.
    pub file: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// The newest entry of the journal in it.
    pub seq: i64,
    /// The checksum of its lines.
    pub sha256: String,
}

/// Writes a backup of what is committed now into a file, which comes to be whole or not
/// at all, for its owner alone. A file that is there is replaced only if that is wanted.
///
/// Nobody waits for it. SQLite's log cannot be folded meanwhile and grows by what is
/// written.
pub async fn write(
    db: &Db,
    file: &Path,
    (now, replace): (Timestamp, bool),
    watch: Watch<'_>,
) -> Result<Written, BackupError> {
    if !replace && file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let io = |source| BackupError::Io { path: file.to_owned(), source };
    let folder = folder_of(file);
    // Readable by its owner only, and gone when this fails.
    let out = NamedTempFile::new_in(folder).map_err(io)?;
    let mut reader = db.snapshot().await?;
    let header = header(&mut reader.conn(), now).await?;
    let mut progress = Progress::new(watch, header.rows());
    let mut lines = Lines::new(BufWriter::new(out));
    lines.header(&header).map_err(io)?;
    for table in &TABLES {
        let mut conn = reader.conn();
        let mut rows = dump::rows(&mut conn, table)?;
        while let Some(row) = rows.try_next().await? {
            lines.row(&row).map_err(io)?;
            progress.step()?;
        }
    }
    drop(reader);
    let (out, sha256) = lines.finish().map_err(io)?;
    let out = out.into_inner().map_err(|error| io(error.into_error()))?;
    out.as_file().sync_all().map_err(io)?;
    let bytes = out.as_file().metadata().map_err(io)?.len();
    let kept = if replace { out.persist(file) } else { out.persist_noclobber(file) };
    kept.map_err(|error| io(error.error))?;
    // The name is as durable as the content.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    Ok(Written { file: file.to_owned(), bytes, rows: header.rows(), seq: header.seq, sha256 })
}

pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What a backup of a snapshot begins with.
async fn header(conn: &mut Conn<'_>, now: Timestamp) -> Result<Header, StoreError> {
    let (seq, _) = store::journal::newest(conn).await?;
    let key_id = store::shop::key_id(conn).await?;
    let mut tables = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        let rows = dump::count(conn, table).await?;
        tables.push(TableHeader {
            name: table.name.to_owned(),
            columns: table.columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
            rows: u64::try_from(rows).unwrap_or(0),
        });
    }
    Ok(Header {
        format: NAME.to_owned(),
        version: VERSION,
        schema: SCHEMA_VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        at: now.as_millis(),
        seq,
        key_id: key_id.ok_or(StoreError::Closed)?,
        tables,
    })
}
