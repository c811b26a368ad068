//! Whole shops as files and from database to database.
//!
//! A backup is one file from one snapshot, taken while everybody works on; it restores
//! into either database. What is restored or moved is proven afterwards. Above the shop
//! and beside its writer: a restore replaces what the writer wrote, under the locks that
//! keep everybody else out, in one transaction.

mod copy;
mod error;
mod format;
mod restore;
mod scheduled;
mod write;

use std::sync::atomic::{AtomicBool, Ordering};

pub use copy::{Copied, copy};
pub use error::BackupError;
pub use format::Header;
pub use restore::{Restored, Restoring, inspect, restore};
pub use scheduled::{Folder, scheduled};
pub use write::{Written, write};

/// Rows between two looks at whether somebody stopped it, and two reports.
const LOOK_EVERY: u64 = 1_000;

/// Who watches long work: told of rows done and rows in all, asked whether to go on.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Hears of progress.
    pub rows: &'a (dyn Fn(u64, u64) + Sync),
    /// Whether somebody wants it to end.
    pub stop: &'a AtomicBool,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// How far long work is.
#[derive(Debug)]
struct Progress<'a> {
    watch: Watch<'a>,
    done: u64,
    total: u64,
}

impl<'a> Progress<'a> {
    fn new(watch: Watch<'a>, total: u64) -> Self {
        Self { watch, done: 0, total }
    }

    /// One more row is done.
    fn step(&mut self) -> Result<(), BackupError> {
        self.done += 1;
        if self.done.is_multiple_of(LOOK_EVERY) || self.done == self.total {
            (self.watch.rows)(self.done, self.total);
            if self.watch.stop.load(Ordering::Relaxed) {
                return Err(BackupError::Interrupted);
            }
        }
        Ok(())
    }
}
