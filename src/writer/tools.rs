//! What a writer works with, and where a test may interfere with it.

use std::fmt;
use std::sync::Arc;

use super::batch::Failed;
use crate::clock::Clock;
use crate::ledger::OrderPolicy;
use crate::secret::Random;
use crate::store::{Db, StoreError};
use crate::telemetry::Counters;

/// A point inside a batch where a test may intervene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The transaction has begun.
    Begun,
    /// Everything is read and locked.
    Loaded,
    /// Items, accounts and imports are written.
    CatalogueWritten,
    /// Levels and orders are written.
    RowsWritten,
    /// The journal is written.
    JournalWritten,
    /// The commit is about to be sent.
    Committing,
    /// The commit has succeeded; nobody has been answered.
    Committed,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 7] = [
        Self::Begun,
        Self::Loaded,
        Self::CatalogueWritten,
        Self::RowsWritten,
        Self::JournalWritten,
        Self::Committing,
        Self::Committed,
    ];
}

/// What a test does at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected {
    /// Nothing.
    Nothing,
    /// The writer dies: what is not committed is lost, nobody is answered.
    Crash,
    /// Another transaction is in the way: what is not committed is lost.
    Conflict,
    /// The commit succeeds, but its reply does not arrive. Only at [`Step::Committing`].
    LoseReply,
}

/// Decides at each step what goes wrong there.
pub type Faults = Arc<dyn Fn(Step) -> Injected + Send + Sync>;

/// What a writer works with.
#[derive(Clone)]
pub struct Tools {
    /// The database.
    pub db: Db,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where keys of commands without one come from.
    pub random: Arc<dyn Random>,
    /// How orders are decided.
    pub orders: OrderPolicy,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// What goes wrong on purpose; `None` outside tests.
    pub faults: Option<Faults>,
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tools").field("db", &self.db.place()).finish_non_exhaustive()
    }
}

impl Tools {
    pub(super) fn step(&self, step: Step) -> Result<Injected, Failed> {
        match self.faults.as_ref().map_or(Injected::Nothing, |faults| faults(step)) {
            Injected::Crash => Err(Failed::Crashed),
            Injected::Conflict => {
                let error = sqlx::Error::Protocol("another transaction is in the way".to_owned());
                Err(Failed::Store(StoreError::Conflict(error)))
            }
            other => Ok(other),
        }
    }
}
