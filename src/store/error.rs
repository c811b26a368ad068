//! What can go wrong with the database, and what each failure means.

use std::path::PathBuf;

use sqlx::error::DatabaseError;
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
    #[error("{}: the disk is full; nothing of this was written", .0.place())]
    Full(#[source] OnDisk),
    /// The database may not be written to.
    #[error("{} is read-only: {on_disk}", .0.place(), on_disk = .0)]
    ReadOnly(#[source] OnDisk),
    /// The file is not a database, or it is damaged.
    #[error("{} is not a sound SQLite database: {on_disk}", .0.place(), on_disk = .0)]
    Damaged(#[source] OnDisk),
    /// The system refused to open, read or write the file; nothing of the
    /// transaction was written.
    #[error("{} cannot be read or written; nothing of this was written: {on_disk}", .0.place(), on_disk = .0)]
    Io(#[source] OnDisk),
    /// The system could not bring what was written to the disk, or failed after
    /// it: like a lost connection, the outcome of a commit is unknown.
    #[error("{} cannot be brought to the disk: {on_disk}", .0.place(), on_disk = .0)]
    Unsynced(#[source] OnDisk),
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
    /// Whoever created the database died before its first table.
    #[error(
        "the database at {0} was not created to its end\nhint: run `invshop init` again; where it is a file, remove it first"
    )]
    Unfinished(String),
    /// The database exists and was to be created.
    #[error("there is already a database at {0}")]
    Exists(String),
    /// The database belongs to another program.
    #[error("{0} is not an invshop database")]
    Foreign(String),
    /// The shop went elsewhere.
    #[error(
        "the shop in {place} was moved to {to} by `invshop db copy`; nothing is done here any more\nhint: set database.url to the new place"
    )]
    Moved {
        /// The database.
        place: String,
        /// Where it went, without credentials.
        to: String,
    },
    /// Orders of a channel and of a key holder would be one another's.
    #[error(
        "the name '{0}' is a key holder's, whose orders would be the channel's\nhint: give the [[channel]] another name; `invshop key list` shows who has which"
    )]
    SourceTaken(String),
    /// A daemon runs on the database, and would go on as it knows its tables.
    #[error(
        "the daemon {node} runs on {place}\nhint: stop every daemon first; the new ones go on from there"
    )]
    NodeRuns {
        /// The database.
        place: String,
        /// Its name.
        node: String,
    },
    /// A daemon has the SQLite file already.
    #[error(
        "a daemon (process {pid}) runs on {place} already\nhint: stop it first; several daemons need PostgreSQL"
    )]
    DaemonRuns {
        /// The database.
        place: String,
        /// Its process id, as it wrote it.
        pid: String,
    },
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
    /// The instance key took another's place while this program ran.
    #[error("the instance key was exchanged meanwhile: start this program again")]
    KeyExchanged,
    /// SQLite's locks are not safe on a network file system.
    #[error("{path} is on {kind}, a network file system; SQLite needs a local disk")]
    NetworkDisk {
        /// The file.
        path: PathBuf,
        /// The file system.
        kind: String,
    },
    /// A new database file cannot be created.
    #[error("{path} cannot be created: {source}")]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A lock file beside the database cannot be used.
    #[error("the lock file {path} cannot be used: {source}")]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A batch was done again and again, and always needed more or met another.
    #[error("a batch of {0} commands did not settle; nothing of it was written")]
    Unsettled(usize),
    /// The runtime is shutting down, or a task of the store died.
    #[error("the store is shutting down")]
    Closed,
}

/// What the database said of its file, and which file it is where that is known.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct OnDisk {
    file: Option<String>,
    #[source]
    error: sqlx::Error,
}

impl OnDisk {
    fn place(&self) -> &str {
        self.file.as_deref().unwrap_or("the database")
    }

    /// Whether the index of the log, which is in shared memory, could not grow.
    fn is_of_the_index(&self) -> bool {
        let code = self.error.as_database_error().and_then(DatabaseError::code);
        let code = code.and_then(|code| code.parse::<i64>().ok());
        matches!(code, Some(IOERR_SHMSIZE | IOERR_SHMMAP))
    }
}

impl From<sqlx::Error> for OnDisk {
    fn from(error: sqlx::Error) -> Self {
        Self { file: None, error }
    }
}

impl StoreError {
    /// Says which file it was, where the failure is about one.
    pub(crate) fn in_file(mut self, name: impl FnOnce() -> String) -> Self {
        if let Self::Full(on_disk)
        | Self::ReadOnly(on_disk)
        | Self::Damaged(on_disk)
        | Self::Io(on_disk)
        | Self::Unsynced(on_disk) = &mut self
        {
            on_disk.file.get_or_insert_with(name);
        }
        self
    }

    /// What the failure means as that of a commit on SQLite: the frame that makes
    /// it one is on the disk before it is entered into the index of the log, so
    /// that a crash would bring back what was not committed.
    pub(super) fn of_commit(self) -> Self {
        match self {
            Self::Full(on_disk) | Self::Io(on_disk) if on_disk.is_of_the_index() => {
                Self::Unsynced(on_disk)
            }
            other => other,
        }
    }

    /// Whether nobody knows what became of a commit that was under way.
    pub(crate) const fn is_lost(&self) -> bool {
        matches!(self, Self::Connection(_) | Self::Unsynced(_))
    }

    /// Says which server it was, where that is not known from the error.
    pub(crate) fn at(self, place: String) -> Self {
        Self::Unreachable { place, source: Box::new(self) }
    }

    /// Whether it is the statement or its rows that are wrong: a bug, and not a
    /// database that cannot be used for a while.
    pub const fn is_of_the_statement(&self) -> bool {
        matches!(self, Self::Constraint(_) | Self::Statement(_) | Self::Decode { .. })
    }

    /// Whether the same work may be done again as a whole.
    pub const fn is_transient(&self) -> bool {
        self.is_lost()
            || matches!(self, Self::Conflict(_) | Self::Unique(_) | Self::RowsAffected { .. })
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            return classify_transport(error);
        };
        if database.message().contains(KEY_EXCHANGED) {
            return Self::KeyExchanged;
        }
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

/// What the database says to whoever seals with another key than the shop's: the triggers
/// of migration 14.
const KEY_EXCHANGED: &str = "it is sealed with another instance key";

/// The file of SQLite's shared memory cannot grow: the disk is full.
const IOERR_SHMSIZE: i64 = 4874;
/// It cannot be mapped into memory.
const IOERR_SHMMAP: i64 = 5386;

/// Extended result codes of SQLite (sqlite.org/rescode.html).
fn classify_sqlite(code: i64, error: sqlx::Error) -> StoreError {
    const CONSTRAINT_PRIMARYKEY: i64 = 1555;
    const CONSTRAINT_UNIQUE: i64 = 2067;
    const CONSTRAINT_ROWID: i64 = 2579;
    // Written, but perhaps not on the disk. Every other I/O error of a commit
    // comes before the frame that makes it one, but for those of the index.
    const IOERR_FSYNC: i64 = 1034;
    const IOERR_DIR_FSYNC: i64 = 1290;
    match (code, code & 0xff) {
        (CONSTRAINT_PRIMARYKEY | CONSTRAINT_UNIQUE | CONSTRAINT_ROWID, _) => {
            StoreError::Unique(error)
        }
        (_, 19) => StoreError::Constraint(error),
        (_, 5 | 6) => StoreError::Conflict(error),
        (IOERR_SHMSIZE, _) | (_, 13) => StoreError::Full(error.into()),
        (_, 8) => StoreError::ReadOnly(error.into()),
        (_, 11 | 26) => StoreError::Damaged(error.into()),
        (IOERR_FSYNC | IOERR_DIR_FSYNC, _) => StoreError::Unsynced(error.into()),
        (_, 10 | 14) => StoreError::Io(error.into()),
        _ => StoreError::Statement(error),
    }
}

/// SQLSTATE classes of PostgreSQL (appendix A of its manual).
fn classify_postgres(code: &str, error: sqlx::Error) -> StoreError {
    match code {
        "23505" => StoreError::Unique(error),
        "40001" | "40P01" | "55P03" => StoreError::Conflict(error),
        "53100" => StoreError::Full(error.into()),
        "25006" => StoreError::ReadOnly(error.into()),
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P02" => StoreError::Connection(error),
        _ if code.starts_with("08") || code.starts_with("53") => StoreError::Connection(error),
        _ if code.starts_with("23") => StoreError::Constraint(error),
        _ => StoreError::Statement(error),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::error::Error as StdError;

    use sqlx::error::ErrorKind;

    use super::*;

    /// An error of SQLite with an extended result code.
    #[derive(Debug, Error)]
    #[error("code {0}")]
    struct Code(i64);

    impl DatabaseError for Code {
        fn message(&self) -> &'static str {
            "disk I/O error"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.to_string().into())
        }

        fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn failure(code: i64) -> StoreError {
        sqlx::Error::Database(Box::new(Code(code))).into()
    }

    #[test]
    fn a_commit_that_the_index_failed_after_has_an_unknown_outcome() {
        assert!(matches!(failure(IOERR_SHMSIZE), StoreError::Full(_)));
        assert!(matches!(failure(IOERR_SHMMAP), StoreError::Io(_)));
        for code in [IOERR_SHMSIZE, IOERR_SHMMAP] {
            assert!(!failure(code).is_lost(), "nothing was to be committed");
            assert!(failure(code).of_commit().is_lost(), "{code}");
        }
    }

    #[test]
    fn a_commit_that_failed_before_its_frame_was_not_written() {
        const FULL: i64 = 13;
        const IOERR_WRITE: i64 = 778;
        assert!(matches!(failure(FULL).of_commit(), StoreError::Full(_)));
        assert!(matches!(failure(IOERR_WRITE).of_commit(), StoreError::Io(_)));
    }
}
