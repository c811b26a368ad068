//! How a decision ends when it does not simply succeed.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::domain::{ItemId, LevelBroken, LevelKey, LocationId, OrderId, Refusal};

/// The result of a decision.
pub type Decided<T> = Result<T, Stop>;

/// Rows a decision must see and that were not loaded. The batch is redone with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Items with all of their levels, and the components of bundles.
    pub items: BTreeSet<ItemId>,
    /// Orders.
    pub orders: BTreeSet<OrderId>,
    /// Levels that have no row yet: made as zeros in a transaction of their own.
    pub levels: BTreeSet<LevelKey>,
    /// Items whose oldest shortfall must be seen, with the location that fills it
    /// and how many lines.
    pub shorts: BTreeSet<(ItemId, LocationId, i64)>,
    /// Levels whose holds are to be taken, and at least how many units of them.
    pub victims: BTreeSet<(LevelKey, i64)>,
    /// Levels whose later movements a count must add: (level, observed at).
    pub later: BTreeSet<(LevelKey, i64)>,
}

impl Need {
    /// Adds what another decision needs.
    pub fn merge(&mut self, other: Self) {
        self.items.extend(other.items);
        self.orders.extend(other.orders);
        self.levels.extend(other.levels);
        self.shorts.extend(other.shorts);
        self.victims.extend(other.victims);
        self.later.extend(other.later);
    }

    /// One item.
    pub fn item(item: ItemId) -> Self {
        Self { items: BTreeSet::from([item]), ..Self::default() }
    }
}

/// Why a decision stopped.
#[derive(Clone, Debug, Error)]
pub enum Stop {
    /// The request cannot be done; nothing of it stays.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// More rows are needed under lock.
    #[error("more rows are needed")]
    Need(Box<Need>),
    /// The order of others' holds may have changed earlier in this batch: the
    /// command must be the first of its batch.
    #[error("the command must be decided first in its batch")]
    MustBeFirst,
    /// The change would break an invariant that the decision should have kept: a bug.
    #[error("broken invariant: {0}")]
    Broken(#[from] LevelBroken),
}

impl From<Need> for Stop {
    fn from(need: Need) -> Self {
        Self::Need(Box::new(need))
    }
}
