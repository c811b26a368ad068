//! A database: SQLite or PostgreSQL, and the only way to begin a transaction.
//!
//! sqlx 0.9 leaves a pooled PostgreSQL connection inside a transaction when the
//! future of its `begin` is dropped half-way; later acknowledged writes on that
//! connection are lost. So [`Db::begin`] runs in a task of its own that nobody
//! can cancel, and clippy forbids every other `begin`. The task is the reason
//! why this module may use `tokio::spawn`.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::Ordering;

use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Sqlite, Transaction};

use super::postgres::PostgresDb;
use super::postgres_tx::{PostgresTx, SILENT_MAX, in_time};
use super::sqlite::{SqliteDb, WriterGuard};
use super::{Checkpointer, Conn, SchemaState, StoreError, migrate};

/// The schema version that nodes first held leases in.
const LEASES_SINCE: i64 = 2;

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A `postgres://` URL; it may hold a password and is never shown.
    Postgres(String),
}

/// An open database.
#[derive(Clone, Debug)]
pub enum Db {
    /// SQLite.
    Sqlite(SqliteDb),
    /// PostgreSQL.
    Postgres(PostgresDb),
}

/// How the rows of reads are found.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Any,
    ByKey,
}

/// Work done inside one transaction.
pub(crate) type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 't>>;

impl Db {
    /// Opens a database whose schema is the one this program knows, and asserts
    /// that what it acknowledges survives a crash.
    pub async fn open(place: &Place) -> Result<Self, StoreError> {
        let db = Self::connect(place, false).await?;
        let state = db.schema_state().await?;
        migrate::check(state, &db.place())?;
        Ok(db)
    }

    /// Creates the schema in a new SQLite file or an empty PostgreSQL database, or
    /// goes on where somebody else died before the first table.
    pub async fn create(place: &Place) -> Result<Self, StoreError> {
        let db = Self::connect(place, true).await?;
        match db.schema_state().await? {
            SchemaState::Empty | SchemaState::Unfinished => {}
            SchemaState::Foreign => return Err(StoreError::Foreign(db.place())),
            SchemaState::Version(_) => return Err(StoreError::Exists(db.place())),
        }
        migrate::run(&db).await?;
        Ok(db)
    }

    /// Opens a database of this or an older schema version and migrates it.
    /// The versions before and after.
    pub async fn migrate(place: &Place) -> Result<(Self, i64, i64), StoreError> {
        let db = Self::connect(place, false).await?;
        let state = db.schema_state().await?;
        let before = match state {
            SchemaState::Version(version) => version,
            SchemaState::Empty | SchemaState::Unfinished | SchemaState::Foreign => 0,
        };
        match migrate::check(state, &db.place()) {
            Ok(()) | Err(StoreError::Older { .. }) => {}
            Err(error) => return Err(error),
        }
        if (LEASES_SINCE..migrate::SCHEMA_VERSION).contains(&before) {
            let mut reader = db.read().await?;
            let now = super::shop::server_time(&mut reader.conn()).await?;
            if let Some(node) = super::leases::holder(&mut reader.conn(), now).await? {
                return Err(StoreError::NodeRuns { place: db.place(), node });
            }
        }
        migrate::run(&db).await?;
        Ok((db, before, migrate::SCHEMA_VERSION))
    }

    async fn connect(place: &Place, create: bool) -> Result<Self, StoreError> {
        match place {
            Place::Sqlite(path) => Self::connect_sqlite(path, create)
                .await
                .map_err(|error| error.in_file(|| path.display().to_string())),
            Place::Postgres(url) => {
                let postgres = PostgresDb::open(url).await?;
                postgres.assert_durable().await?;
                Ok(Self::Postgres(postgres))
            }
        }
    }

    async fn connect_sqlite(path: &Path, create: bool) -> Result<Self, StoreError> {
        let sqlite = SqliteDb::open(path, create).await?;
        sqlite.assert_durable().await?;
        Ok(Self::Sqlite(sqlite))
    }

    /// What the schema of the database is.
    pub async fn schema_state(&self) -> Result<SchemaState, StoreError> {
        let mut reader = self.read().await?;
        migrate::state(&mut reader.conn()).await
    }

    /// The file, or the server without credentials.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite(sqlite) => sqlite.path().display().to_string(),
            Self::Postgres(postgres) => postgres.place().to_owned(),
        }
    }

    /// The SQLite file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(sqlite) => Some(sqlite.path()),
            Self::Postgres(_) => None,
        }
    }

    /// The write-ahead log of the SQLite file, where it is one.
    pub(crate) fn log_path(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite(sqlite) => Some(sqlite.log_path()),
            Self::Postgres(_) => None,
        }
    }

    /// A connection for reads, each statement on its own.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        Ok(match self {
            Self::Sqlite(sqlite) => Reader::Sqlite(sqlite.readers().acquire().await?),
            Self::Postgres(postgres) => Reader::Postgres(postgres.pool().acquire().await?),
        })
    }

    /// A read-only transaction: all reads see one moment. Keep it short, it pins the WAL.
    pub async fn snapshot(&self) -> Result<Reader, StoreError> {
        let db = self.clone();
        in_own_task(async move { db.begin_snapshot(Shape::Any).await }).await
    }

    /// The same for reads that find a few rows by their keys: PostgreSQL plans them so, whatever
    /// it knows of the tables.
    pub(crate) async fn lookup(&self) -> Result<Reader, StoreError> {
        let db = self.clone();
        in_own_task(async move { db.begin_snapshot(Shape::ByKey).await }).await
    }

    #[expect(clippy::disallowed_methods, reason = "runs in a task of its own, see the module")]
    async fn begin_snapshot(self, shape: Shape) -> Result<Reader, StoreError> {
        Ok(match self {
            Self::Sqlite(sqlite) => {
                Reader::SqliteSnapshot(sqlite.readers().begin_with("begin deferred").await?)
            }
            Self::Postgres(postgres) => {
                const BEGIN: &str = "begin isolation level repeatable read read only";
                let pool = match shape {
                    Shape::Any => postgres.pool(),
                    Shape::ByKey => postgres.lookups(),
                };
                Reader::PostgresSnapshot(pool.begin_with(BEGIN).await?)
            }
        })
    }

    /// Begins a transaction that writes. On SQLite it waits for its turn first.
    pub async fn begin(&self) -> Result<WriteTx, StoreError> {
        let db = self.clone();
        let begun = in_own_task(async move { db.begin_write().await }).await;
        begun.map_err(|error| error.in_file(|| self.place()))
    }

    async fn begin_write(self) -> Result<WriteTx, StoreError> {
        let inner = match self {
            Self::Sqlite(sqlite) => {
                let mut guard = sqlite.lock_writer().await?;
                guard.begin().await?;
                Inner::Sqlite(guard)
            }
            Self::Postgres(postgres) => {
                Inner::Postgres(PostgresTx::begin(postgres.writers().acquire().await?).await?)
            }
        };
        Ok(WriteTx { inner: Some(inner) })
    }

    /// Waits for work on a transaction, on PostgreSQL no longer than a server may be
    /// silent; then the transaction is to be dropped.
    pub(crate) async fn bounded<T, E: From<StoreError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match self {
            Self::Sqlite(_) => work.await,
            Self::Postgres(_) => in_time(SILENT_MAX, work).await,
        }
    }

    /// Runs work in one transaction and commits it. It runs to its end whether
    /// or not the caller waits for it.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(Conn<'t>) -> Work<'t, T> + Send + 'static,
    {
        let db = self.clone();
        let written = in_own_task(async move {
            let bounds = db.clone();
            let mut tx = db.begin_write().await?;
            match bounds.bounded(work(tx.conn()?)).await {
                Ok(value) => tx.commit().await.map(|()| value),
                Err(error) if error.is_lost() => Err(error),
                Err(error) => {
                    tx.rollback().await;
                    Err(error)
                }
            }
        })
        .await;
        written.map_err(|error| error.in_file(|| self.place()))
    }

    /// Who folds the write-ahead log from now on, in place of commits, and all of it
    /// when it is longer than so many bytes; only SQLite has one.
    pub async fn checkpointer(
        &self,
        log_bytes_max: u64,
    ) -> Result<Option<Checkpointer>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => Checkpointer::start(sqlite, log_bytes_max).await.map(Some),
            Self::Postgres(_) => Ok(None),
        }
    }

    /// Something was erased: SQLite's write-ahead log still has the pages as they were, and
    /// the checkpointer of this process is to cut it off.
    pub(crate) fn want_log_cut_off(&self) {
        if let Self::Sqlite(sqlite) = self {
            sqlite.cut_off_wanted().store(true, Ordering::Relaxed);
        }
    }

    /// Cuts off SQLite's write-ahead log, which has pages as they were before something was
    /// erased. Whether it could be, in so many tries of a tenth of a second: it cannot while
    /// somebody reads an old state.
    pub async fn cut_off_log(&self, tries: u32) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => super::checkpoint::cut_off_now(sqlite, tries).await,
            Self::Postgres(_) => Ok(true),
        }
    }

    /// Leaves nothing in the files of the database of what was sealed once and is no more:
    /// SQLite's log is cut off (its file was overwritten at once, by programs since schema 14),
    /// PostgreSQL's tables of it are written anew, each locked meanwhile; the server passes
    /// over those of another owner. Whether it could be, in so many tries. The server's own
    /// log keeps what was written for as long as it is kept.
    pub async fn scrub(&self, tries: u32) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(_) => self.cut_off_log(tries).await,
            Self::Postgres(_) => {
                super::sealed::rewrite(&mut self.read().await?.conn()).await.map(|()| true)
            }
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(postgres) => postgres.close().await,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a begin must not be cancelled, see the module")]
async fn in_own_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(work).await.map_err(|_| StoreError::Closed)?
}

/// A connection for reads.
#[derive(Debug)]
pub enum Reader {
    /// SQLite, each statement on its own.
    Sqlite(PoolConnection<Sqlite>),
    /// SQLite, one moment.
    SqliteSnapshot(Transaction<'static, Sqlite>),
    /// PostgreSQL, each statement on its own.
    Postgres(PoolConnection<Postgres>),
    /// PostgreSQL, one moment.
    PostgresSnapshot(Transaction<'static, Postgres>),
}

impl Reader {
    /// The connection for a statement.
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::SqliteSnapshot(tx) => Conn::Sqlite(tx),
            Self::Postgres(conn) => Conn::Postgres(conn),
            Self::PostgresSnapshot(tx) => Conn::Postgres(tx),
        }
    }
}

#[derive(Debug)]
enum Inner {
    Sqlite(WriterGuard),
    Postgres(PostgresTx),
}

/// A transaction that writes. Dropped without a commit it rolls back.
#[derive(Debug)]
pub struct WriteTx {
    inner: Option<Inner>,
}

impl WriteTx {
    /// The connection for a statement.
    pub(crate) fn conn(&mut self) -> Result<Conn<'_>, StoreError> {
        match self.inner.as_mut() {
            Some(Inner::Sqlite(guard)) => Ok(Conn::Sqlite(guard.connection()?)),
            Some(Inner::Postgres(tx)) => Ok(tx.conn()),
            None => Err(StoreError::Closed),
        }
    }

    /// Commits. An error of kind `Connection` leaves the outcome unknown.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        match self.inner.take() {
            Some(Inner::Sqlite(mut guard)) => guard.commit().await,
            Some(Inner::Postgres(tx)) => tx.commit().await,
            None => Err(StoreError::Closed),
        }
    }

    /// Rolls back; a connection that cannot is given up.
    pub async fn rollback(mut self) {
        match self.inner.take() {
            Some(Inner::Sqlite(mut guard)) => guard.rollback().await,
            Some(Inner::Postgres(tx)) => tx.rollback().await,
            None => {}
        }
    }
}

impl Drop for WriteTx {
    fn drop(&mut self) {
        // On PostgreSQL the connection goes, and the server rolls back.
        if let Some(Inner::Sqlite(mut guard)) = self.inner.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let _detached = runtime.spawn(async move { guard.rollback().await });
        }
    }
}
