//! Why a backup cannot be made or used.

use std::path::PathBuf;

use thiserror::Error;

use crate::reports::ReportError;
use crate::secret::KeyFileError;
use crate::store::StoreError;

/// A failure of a backup, a restore or a move; nothing of it is left behind unless it
/// says so.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The proof afterwards.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The instance key's file.
    #[error("{0}\nhint: put the instance key of the shop there first; backups do not contain it")]
    KeyFile(#[from] KeyFileError),
    /// A file or its folder.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is a file of the name.
    #[error("{0} exists")]
    Exists(PathBuf),
    /// The file is none of ours.
    #[error("{0} is no backup of invshop")]
    Foreign(PathBuf),
    /// It is ours, and not whole.
    #[error("{path} is damaged: {why}; nothing was written")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// It was made by another version of the program.
    #[error(
        "the backup has format {format} and schema version {schema}, this program has {own_format} and {own_schema}\nhint: restore it with the invshop version that wrote it{hint}"
    )]
    Version {
        /// The format of the file.
        format: i64,
        /// The schema of its tables.
        schema: i64,
        /// The format of this program.
        own_format: i64,
        /// The schema of this program.
        own_schema: i64,
        /// How it goes on from there.
        hint: &'static str,
    },
    /// It was made with another instance key.
    #[error("the backup belongs to the instance key {wanted}, and {given} is configured")]
    WrongKey {
        /// Public id of the key of the configuration.
        given: String,
        /// Public id of the key of the backup.
        wanted: String,
    },
    /// There is a shop already.
    #[error("there is a shop in {0} already")]
    HasShop(String),
    /// A daemon works on the database.
    #[error("a daemon ({node}) works on {place}\nhint: stop it first")]
    DaemonRuns {
        /// The database.
        place: String,
        /// Its name.
        node: String,
    },
    /// Only one direction is possible.
    #[error(
        "a shop is moved from SQLite to PostgreSQL, not from {from} to {to}\nhint: `invshop db backup` and `invshop db restore` carry it anywhere"
    )]
    Direction {
        /// Where it is.
        from: &'static str,
        /// Where it was to go.
        to: &'static str,
    },
    /// What arrived is not what was sent.
    #[error("{0}; the shop stays where it was, and what arrived there is of no use")]
    Differs(String),
    /// Somebody stopped it.
    #[error("interrupted; nothing was written")]
    Interrupted,
}
