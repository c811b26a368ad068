//! What only SQLite has: pragmas, the one writing connection, the turn.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::owner::give_to_owner_of;
use super::statement::{args, statement};
use super::turn::{Turn, TurnGuard};
use super::{Conn, SchemaState, Statement, StoreError, migrate};

/// Readers a process keeps open; each is a thread.
const READERS_MAX: u32 = 4;
/// How long SQLite itself waits for a lock. Writers take turns before, so only
/// a foreign program or a checkpoint is ever waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The writer runs some sixty different statements, and those that write many rows
/// in six texts each; none may fall out of the cache.
const STATEMENT_CACHE: usize = 256;
/// Rows that wait for their reader: with sqlx's 50 the two threads stop for each
/// other again and again in long reads.
const ROW_BUFFER: usize = 1024;
/// Page cache of the writing connection, in KiB (negative is SQLite's way to say KiB).
const CACHE_KIB: &str = "-12288";
/// The same of each connection that reads: what it misses the system has in memory.
const READER_CACHE_KIB: &str = "-4096";
/// Pages in the WAL before a commit folds them into the file (32 MiB): a batch
/// writes hundreds, and pages that change in every batch are folded once.
const CHECKPOINT_PAGES: &str = "8192";

statement!(BEGIN, "begin immediate");
statement!(COMMIT, "commit");
// The file remembers it, so that only the first connection of a process says it.
statement!(SET_JOURNAL_MODE, "pragma journal_mode = wal");
statement!(ROLLBACK, "rollback");
statement!(LEAVE_LOG_ALONE, "pragma wal_autocheckpoint = 0");
statement!(JOURNAL_MODE, sqlite "select journal_mode from pragma_journal_mode", postgres "select 'wal'");
statement!(SYNCHRONOUS, sqlite "select synchronous from pragma_synchronous", postgres "select 2::bigint");
statement!(FOREIGN_KEYS, sqlite "select foreign_keys from pragma_foreign_keys", postgres "select 1::bigint");

pub(super) const STATEMENTS: &[&Statement] = &[&JOURNAL_MODE, &SYNCHRONOUS, &FOREIGN_KEYS];

/// A SQLite database: one connection that writes, and a pool that reads.
#[derive(Clone, Debug)]
pub struct SqliteDb {
    path: PathBuf,
    readers: SqlitePool,
    writer: Arc<Mutex<Writer>>,
    turn: Arc<Turn>,
    /// Whether the log has pages of what was erased.
    cut_off_wanted: Arc<AtomicBool>,
}

/// The writing connection; opened again after it broke.
#[derive(Debug)]
struct Writer {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

/// The right to write, with the connection to do it on.
#[derive(Debug)]
pub(crate) struct WriterGuard {
    // Declared first so that it is dropped first; the transaction is over by then.
    // Were the connection free before, another task of this process could take the
    // lock files while they are still locked (one open file is one holder), and
    // lose them to this guard under its transaction.
    _turn: TurnGuard,
    writer: OwnedMutexGuard<Writer>,
}

impl SqliteDb {
    /// Opens a file. `create` makes a new one and refuses one that exists.
    pub(crate) async fn open(path: &Path, create: bool) -> Result<Self, StoreError> {
        let exists = path.exists();
        match (create, exists) {
            (true, true) => return Err(StoreError::Exists(path.display().to_string())),
            (false, false) => return Err(StoreError::Missing(path.display().to_string())),
            _ => {}
        }
        refuse_network_disk(path)?;
        let turn = Arc::new(Turn::open(path)?);
        if create {
            create_private(path)
                .map_err(|source| StoreError::Create { path: path.to_owned(), source })?;
        }
        let options = options(path).create_if_missing(false);
        let guard = turn.take().await?;
        let mut connection = options.connect().await?;
        if !create {
            // A file of another program is left as it is, its journal mode too; and
            // so is an empty one.
            let state = migrate::state(&mut Conn::Sqlite(&mut connection)).await?;
            if matches!(state, SchemaState::Foreign | SchemaState::Unfinished) {
                migrate::check(state, &path.display().to_string())?;
            }
        }
        Conn::Sqlite(&mut connection).execute(&SET_JOURNAL_MODE, args![]).await?;
        drop(guard);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(
                options.clone().read_only(true).pragma("cache_size", READER_CACHE_KIB),
            );
        let writer = Arc::new(Mutex::new(Writer { options, connection: Some(connection) }));
        let cut_off_wanted = Arc::default();
        Ok(Self { path: path.to_owned(), readers, writer, turn, cut_off_wanted })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its write-ahead log, where there is one.
    pub(crate) fn log_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push("-wal");
        path.into()
    }

    /// Whether the log is to be cut off as soon as nobody reads what is in it.
    pub(crate) fn cut_off_wanted(&self) -> &AtomicBool {
        &self.cut_off_wanted
    }

    /// How the writing connection is opened.
    pub(crate) async fn options(&self) -> SqliteConnectOptions {
        self.writer.lock().await.options.clone()
    }

    /// Has commits fold nothing any more: somebody else does it from now on.
    pub(crate) async fn leave_log_alone(&self) -> Result<(), StoreError> {
        let mut guard = self.lock_writer().await?;
        Conn::Sqlite(guard.connection()?).execute(&LEAVE_LOG_ALONE, args![]).await?;
        // The connection that follows a broken one, too.
        let options = guard.writer.options.clone().pragma("wal_autocheckpoint", "0");
        guard.writer.options = options;
        Ok(())
    }

    pub(crate) const fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Waits for the connection among the tasks of this process (first come, first
    /// served), then for the turn among processes.
    pub(crate) async fn lock_writer(&self) -> Result<WriterGuard, StoreError> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        let turn = self.turn.take().await?;
        if writer.connection.is_none() {
            writer.connection = Some(writer.options.connect().await?);
        }
        Ok(WriterGuard { _turn: turn, writer })
    }

    /// An acknowledged order must survive a crash: WAL, `synchronous=FULL`, and
    /// foreign keys that are really checked.
    pub(crate) async fn assert_durable(&self) -> Result<(), StoreError> {
        let mut guard = self.lock_writer().await?;
        let mut conn = Conn::Sqlite(guard.connection()?);
        let mode = conn.one(&JOURNAL_MODE, args![]).await?.text(0)?;
        let synchronous = conn.one(&SYNCHRONOUS, args![]).await?.int(0)?;
        let foreign_keys = conn.one(&FOREIGN_KEYS, args![]).await?.int(0)?;
        if mode != "wal" {
            return Err(StoreError::NotDurable {
                setting: "journal_mode",
                found: mode,
                wanted: "wal",
            });
        }
        if synchronous < 2 {
            let found = synchronous.to_string();
            return Err(StoreError::NotDurable {
                setting: "synchronous",
                found,
                wanted: "2 (FULL)",
            });
        }
        if foreign_keys != 1 {
            let found = foreign_keys.to_string();
            return Err(StoreError::NotDurable { setting: "foreign_keys", found, wanted: "1" });
        }
        Ok(())
    }

    /// Closes all connections; the last one folds the WAL back into the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        let mut writer = self.writer.lock().await;
        if let Some(connection) = writer.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(error = %error, "the database did not close cleanly");
        }
    }
}

impl WriterGuard {
    /// The connection, unless it was given up after a failure.
    pub(crate) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.writer.connection.as_mut().ok_or(StoreError::Closed)
    }

    /// Begins a transaction that writes: immediate, because a deferred one
    /// fails at its first write whatever the timeout.
    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        Conn::Sqlite(self.connection()?).execute(&BEGIN, args![]).await.map(drop)
    }

    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        let result = Conn::Sqlite(self.connection()?).execute(&COMMIT, args![]).await;
        if result.is_err() {
            self.rollback().await;
        }
        result.map(drop).map_err(StoreError::of_commit)
    }

    /// Rolls back; a connection that cannot is given up and opened again by the next writer.
    pub(crate) async fn rollback(&mut self) {
        let Some(connection) = self.writer.connection.as_mut() else {
            return;
        };
        let failed = Conn::Sqlite(connection).execute(&ROLLBACK, args![]).await.is_err();
        if failed && let Some(broken) = self.writer.connection.take() {
            // SQLite rolls back by itself after some errors; closing settles either case.
            let _already_broken = broken.close().await;
        }
    }
}

/// An empty file that its owner alone may use, the owner of the folder; SQLite gives
/// those beside it the same rights.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(folder) = path.parent() {
        give_to_owner_of(folder, &file);
    }
    Ok(())
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENT_CACHE)
        .row_buffer_size(ROW_BUFFER)
        .pragma("cache_size", CACHE_KIB)
        .pragma("temp_store", "memory")
        // What is erased leaves no bytes in free pages.
        .pragma("secure_delete", "on")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .disable_statement_logging()
}

/// SQLite's locks do not hold on network file systems (sqlite.org/howtocorrupt.html §2.1).
fn refuse_network_disk(path: &Path) -> Result<(), StoreError> {
    const NETWORK: [&str; 7] = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs"];
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let (Ok(folder), Ok(mounts)) =
        (folder.canonicalize(), std::fs::read_to_string("/proc/self/mounts"))
    else {
        return Ok(()); // Not Linux, or no such folder: opening the file will tell.
    };
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((PathBuf::from(fields.next()?), fields.next()?))
        })
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.as_os_str().len());
    match mount {
        Some((_, kind)) if NETWORK.contains(&kind) => {
            Err(StoreError::NetworkDisk { path: path.to_owned(), kind: kind.to_owned() })
        }
        _ => Ok(()),
    }
}
