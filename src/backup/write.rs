//! A backup: one snapshot into one file.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

use super::format::{Header, Lines, NAME, TableHeader, VERSION};
use super::{BackupError, Progress, Watch};
use crate::clock::Timestamp;
use crate::store::dump::{self, TABLES};
use crate::store::statement::Arg;
use crate::store::{self, Conn, Db, SCHEMA_VERSION, StoreError, give_to_owner_of};

/// Rows that are compressed at a time.
const ROWS_MAX: usize = 1024;
/// Bytes after which there are enough of them.
const BYTES_MAX: usize = 1024 * 1024;
/// How the name of a file ends that is not whole yet.
pub(super) const PART_END: &str = ".part";

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
    let mut lines = Lines::new(BufWriter::new(begin(file).map_err(io)?));
    let mut reader = db.snapshot().await?;
    let header = header(&mut reader.conn(), now).await?;
    let mut progress = Progress::new(watch, header.rows());
    lines.header(&header).map_err(io)?;
    for table in &TABLES {
        let mut conn = reader.conn();
        let mut rows = dump::rows(&mut conn, table)?;
        let mut page = Page::default();
        while let Some(row) = rows.try_next().await? {
            page.add(row);
            progress.step()?;
            if page.is_full() {
                lines = std::mem::take(&mut page).put(lines).await.map_err(io)?;
            }
        }
        lines = page.put(lines).await.map_err(io)?;
    }
    drop(reader);
    let name = file.to_owned();
    let (bytes, sha256) = aside(move || end(lines, &name, replace)).await.map_err(io)?;
    Ok(Written { file: file.to_owned(), bytes, rows: header.rows(), seq: header.seq, sha256 })
}

type Out = BufWriter<NamedTempFile>;

/// Rows that are to be compressed together: that takes a thread for a while, and the
/// runtime's threads are for those who wait for answers.
#[derive(Debug, Default)]
struct Page {
    rows: Vec<Vec<Arg>>,
    bytes: usize,
}

impl Page {
    fn add(&mut self, row: Vec<Arg>) {
        self.bytes += row.iter().map(Arg::bytes).sum::<usize>();
        self.rows.push(row);
    }

    const fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    async fn put(self, mut lines: Lines<Out>) -> io::Result<Lines<Out>> {
        aside(move || {
            for row in &self.rows {
                lines.row(row)?;
            }
            Ok(lines)
        })
        .await
    }
}

/// Does what takes a thread for a while on one that may.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A file beside the one that is to be: readable by its owner only, who is that of the
/// folder, and gone when this fails.
fn begin(file: &Path) -> io::Result<NamedTempFile> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let folder = folder_of(file);
    let mut making = tempfile::Builder::new();
    let out = making.prefix(&format!(".{name}.")).suffix(PART_END).tempfile_in(folder)?;
    give_to_owner_of(folder, out.as_file());
    Ok(out)
}

/// Brings a file to the disk and gives it its name; its length and checksum.
fn end(lines: Lines<Out>, file: &Path, replace: bool) -> io::Result<(u64, String)> {
    let (out, sha256) = lines.finish()?;
    let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    out.as_file().sync_all()?;
    let bytes = out.as_file().metadata()?.len();
    let kept = if replace { out.persist(file) } else { out.persist_noclobber(file) };
    kept.map_err(|error| error.error)?;
    // The name is as durable as the content.
    File::open(folder_of(file))?.sync_all()?;
    Ok((bytes, sha256))
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
