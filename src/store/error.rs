//! What can go wrong with the database, and what each failure means.

use std::path::PathBuf;

use thiserror::Error;

/// A failure of the database or of reaching it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The connection could not be made or was lost; the outcome of a commit in
    /// flight is unknown.
    #[error("the database cannot be reached: {0}")]
    Connection(#[source] sqlx::Error),
    /// The server could not be reached when the database was opened.
    #[error("the database at {place} cannot be reached: {source}")]
    Unreachable {
        /// Host, port and database, without credentials.
        place: String,
        /// Why.
        source: Box<StoreError>,
    },
    /// A concurrent transaction was in the way; the whole of it may be repeated.
    #[error("a concurrent transaction was in the way: {0}")]
    Conflict(#[source] sqlx::Error),
    /// Somebody else was first with a unique key.
    #[error("a unique key is taken: {0}")]
    Unique(#[source] sqlx::Error),
    /// A constraint of the schema refused a write: a broken invariant.
    #[error("a constraint refused a write: {0}")]
    Constraint(#[source] sqlx::Error),
    /// The disk or the file's quota is full; nothing of the transaction was written.
    #[error("the disk is full; nothing of this was written")]
    Full(#[source] sqlx::Error),
    /// The database may not be written to.
    #[error("the database is read-only: {0}")]
    ReadOnly(#[source] sqlx::Error),
    /// The file is not a database, or it is damaged.
    #[error("the file is not a sound SQLite database: {0}")]
    Damaged(#[source] sqlx::Error),
    /// Any other error of the database.
    #[error("the database refused a statement: {0}")]
    Statement(#[source] sqlx::Error),
    /// A row did not have the shape the program expects.
    #[error("a row of {statement} cannot be read: {message}")]
    Decode {
        /// The statement.
        statement: &'static str,
        /// What was wrong.
        message: String,
    },
    /// An import is not in the state a command found it in.
    #[error("import {0} was gone on with by somebody else meanwhile; nothing of this was written")]
    Overtaken(i64),
    /// A write changed another number of rows than it was about.
    #[error("{statement} changed {changed} rows instead of {expected}")]
    RowsAffected {
        /// The statement.
        statement: &'static str,
        /// Rows changed.
        changed: u64,
        /// Rows it was about.
        expected: u64,
    },
    /// The database does not exist yet.
    #[error("there is no database at {0}\nhint: `invshop init` creates one")]
    Missing(String),
    /// The database exists and was to be created.
    #[error("there is already a database at {0}")]
    Exists(String),
    /// The database belongs to another program.
    #[error("{0} is not an invshop database")]
    Foreign(String),
    /// The schema is newer than this program.
    #[error(
        "the database has schema version {found}, this program knows {known}\nhint: use the invshop version that wrote it, or a newer one"
    )]
    Newer {
        /// Version in the database.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
    /// The schema is older than this program.
    #[error(
        "the database has schema version {found}, this program needs {known}\nhint: run `invshop db migrate`"
    )]
    Older {
        /// Version in the database.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
    /// A migration differs from the one that was applied, or failed.
    #[error("the schema cannot be migrated: {0}")]
    Migration(String),
    /// The database would lose acknowledged writes in a crash.
    #[error(
        "{setting} is {found}, and must be {wanted}: an acknowledged order would not survive a crash"
    )]
    NotDurable {
        /// The setting at fault.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// The instance key is not the one the database was made with.
    #[error("the instance key {given} is not the one of this database ({wanted})")]
    WrongKey {
        /// Public id of the key given.
        given: String,
        /// Public id the database was made with.
        wanted: String,
    },
    /// SQLite's locks are not safe on a network file system.
    #[error("{path} is on {kind}, a network file system; SQLite needs a local disk")]
    NetworkDisk {
        /// The file.
        path: PathBuf,
        /// The file system.
        kind: String,
    },
    /// A lock file beside the database cannot be used.
    #[error("the lock file {path} cannot be used: {source}")]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The runtime is shutting down, or a task of the store died.
    #[error("the store is shutting down")]
    Closed,
}

impl StoreError {
    /// Says which server it was, where that is not known from the error.
    pub(crate) fn at(self, place: String) -> Self {
        Self::Unreachable { place, source: Box::new(self) }
    }

    /// Whether the same work may be done again as a whole.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Connection(_) | Self::Conflict(_) | Self::Unique(_))
            || matches!(self, Self::RowsAffected { .. })
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            return classify_transport(error);
        };
        let code = database.code().unwrap_or_default().into_owned();
        if let Ok(number) = code.parse::<i64>()
            && database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_none()
        {
            return classify_sqlite(number, error);
        }
        classify_postgres(&code, error)
    }
}

fn classify_transport(error: sqlx::Error) -> StoreError {
    use sqlx::Error as E;
    match error {
        E::Io(_)
        | E::Tls(_)
        | E::Protocol(_)
        | E::PoolTimedOut
        | E::PoolClosed
        | E::WorkerCrashed
        | E::BeginFailed => StoreError::Connection(error),
        other => StoreError::Statement(other),
    }
}

/// Extended result codes of SQLite (sqlite.org/rescode.html).
fn classify_sqlite(code: i64, error: sqlx::Error) -> StoreError {
    const CONSTRAINT_PRIMARYKEY: i64 = 1555;
    const CONSTRAINT_UNIQUE: i64 = 2067;
    const CONSTRAINT_ROWID: i64 = 2579;
    // The file of the shared memory cannot grow: the disk is full.
    const IOERR_SHMSIZE: i64 = 4874;
    match (code, code & 0xff) {
        (CONSTRAINT_PRIMARYKEY | CONSTRAINT_UNIQUE | CONSTRAINT_ROWID, _) => {
            StoreError::Unique(error)
        }
        (_, 19) => StoreError::Constraint(error),
        (_, 5 | 6) => StoreError::Conflict(error),
        (IOERR_SHMSIZE, _) | (_, 13) => StoreError::Full(error),
        (_, 8) => StoreError::ReadOnly(error),
        (_, 11 | 26) => StoreError::Damaged(error),
        (_, 10 | 14) => StoreError::Connection(error),
        _ => StoreError::Statement(error),
    }
}

/// SQLSTATE classes of PostgreSQL (appendix A of its manual).
fn classify_postgres(code: &str, error: sqlx::Error) -> StoreError {
    match code {
        "23505" => StoreError::Unique(error),
        "40001" | "40P01" | "55P03" => StoreError::Conflict(error),
        "53100" => StoreError::Full(error),
        "25006" => StoreError::ReadOnly(error),
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P02" => StoreError::Connection(error),
        _ if code.starts_with("08") || code.starts_with("53") => StoreError::Connection(error),
        _ if code.starts_with("23") => StoreError::Constraint(error),
        _ => StoreError::Statement(error),
    }
}
