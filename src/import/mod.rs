//! Importing and exporting CSV files: items, stock, orders and listings.
//!
//! An import looks at the whole file first and writes nothing then: [`plan()`]
//! reports every bad row with its line and column. [`apply`] writes it in chunks
//! under one batch, through the same writer as everything else; what is in
//! memory at any time are a few chunks. The rows of a file have fixed numbers,
//! so an interrupted batch goes on with [`resume`] exactly where it stopped.
//!
//! A row says something about what it names and nothing about anything else:
//! no import touches what its file leaves out.

mod batches;
mod check;
mod export;
mod finding;
mod guard;
mod items;
mod listings;
mod mangled;
mod options;
mod orders;
mod plan;
mod repeats;
mod stock;
mod table;
mod write;

use std::io;
use std::ops::ControlFlow;

use thiserror::Error;

use crate::domain::BatchId;
use crate::store::StoreError;
use crate::writer::WriteError;

pub use crate::ledger::catalogue::BatchRecord;
pub use crate::store::batches::RevertLevel;
pub use batches::{BATCHES_MAX, RevertPlan, Reverted, find, list, plan_revert, revert};
pub use export::{Exported, export};
pub use finding::{FINDINGS_MAX, Finding, Findings};
pub use listings::{
    LISTING_ROWS_MAX, ListingFile, ListingRow, RuleCell, export_listings, read_listings,
};
pub use options::{Job, Kind, StockOptions};
pub use plan::{Figures, Plan, plan};
pub use table::Source;
pub use write::{Applied, apply, resume};

/// Why an import, an export or a revert did not come to its end.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file cannot be read or written.
    #[error("{file}: {error}")]
    Io {
        /// The file.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// The file as a whole cannot be used.
    #[error("{file} {message}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// The file has bad rows; nothing was written.
    #[error("{} of {} rows are bad; nothing was written\nhint: --skip-bad imports the others", .0.bad_rows, .0.rows)]
    BadRows(Box<Plan>),
    /// Applying the file again would count it twice.
    #[error(
        "this file was imported before as batch {0}; nothing was written\nhint: --again imports it once more"
    )]
    AppliedBefore(BatchId),
    /// An import of this very file was interrupted.
    #[error(
        "an import of this file was interrupted as batch {0}; nothing was written\nhint: `invshop batch resume {0} FILE` goes on with it"
    )]
    Unfinished(BatchId),
    /// The batch cannot be gone on with.
    #[error("batch {batch} {message}")]
    Batch {
        /// The batch.
        batch: BatchId,
        /// Why.
        message: String,
    },
    /// It was stopped between two chunks; what was written stays.
    #[error("interrupted{}", .0.map(|batch| format!("\nhint: `invshop batch resume {batch} FILE` goes on")).unwrap_or_default())]
    Interrupted(Option<BatchId>),
    /// A chunk was not written; the chunks before it were.
    #[error(
        "batch {batch} stopped at row {row}: {error}\nhint: `invshop batch resume {batch} FILE` goes on, `invshop batch revert {batch}` takes it back"
    )]
    Stopped {
        /// The batch.
        batch: BatchId,
        /// Rows that are dealt with.
        row: i64,
        /// Why.
        error: WriteError,
    },
    /// A command was not done.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far a long job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Looking at the file: bytes read, of how many.
    Checking(u64, u64),
    /// Writing: rows dealt with, of how many.
    Writing(u64, u64),
}

/// Told about progress between two steps; [`ControlFlow::Break`] stops there.
pub type Watch<'w> = &'w (dyn Fn(Progress) -> ControlFlow<()> + Sync);

/// Rows looked at, looked up or written at a time.
const CHUNK: usize = crate::writer::CHUNK_ROWS_MAX;

fn go_on(watch: Watch<'_>, progress: Progress, batch: Option<BatchId>) -> Result<(), ImportError> {
    match watch(progress) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ImportError::Interrupted(batch)),
    }
}
