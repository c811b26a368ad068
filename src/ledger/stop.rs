//! How a decision ends when it does not simply succeed.

use std::collections::BTreeSet;

use thiserror::Error;

use super::Working;
use crate::domain::{ItemId, LevelBroken, LevelKey, LocationId, OrderId, OrderRef, Refusal};

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
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another decision needs; whether any of it is new.
    pub fn merge(&mut self, other: Self) -> bool {
        let before = self.len();
        self.items.extend(other.items);
        self.orders.extend(other.orders);
        self.levels.extend(other.levels);
        self.shorts.extend(other.shorts);
        self.victims.extend(other.victims);
        self.later.extend(other.later);
        self.len() > before
    }

    fn len(&self) -> usize {
        let rows = self.items.len() + self.orders.len() + self.levels.len();
        rows + self.shorts.len() + self.victims.len() + self.later.len()
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
    Broken(Box<Broken>),
}

/// Which level a change would have left unsound, by its ids and its names, and
/// for which order.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{sku} at {location} (item {}, location {}){}: {level}",
    .key.item.get(), .key.location.get(), for_order(.order.as_ref())
)]
pub struct Broken {
    /// The level.
    pub key: LevelKey,
    /// The item's SKU.
    pub sku: String,
    /// The location's code.
    pub location: String,
    /// The order the movement was for.
    pub order: Option<OrderRef>,
    /// What the level would have become.
    pub level: LevelBroken,
}

fn for_order(order: Option<&OrderRef>) -> String {
    order.map(|order| format!(" for order {order}")).unwrap_or_default()
}

impl From<Need> for Stop {
    fn from(need: Need) -> Self {
        Self::Need(Box::new(need))
    }
}

/// Does a step for each of several things and gathers what they miss, so that it
/// is asked for at once: one redo, where one a step might never settle.
pub fn each<T>(
    set: &mut Working,
    things: impl IntoIterator<Item = T>,
    mut step: impl FnMut(&mut Working, T) -> Decided<()>,
) -> Decided<()> {
    let mut need = Need::default();
    for thing in things {
        match step(set, thing) {
            Err(Stop::Need(more)) => {
                need.merge(*more);
            }
            // What follows a need is decided over a half-done set: it only looks
            // for further needs, and what else it ends in does not count.
            Err(stop) if need.is_empty() => return Err(stop),
            Ok(()) | Err(_) => {}
        }
    }
    if need.is_empty() { Ok(()) } else { Err(need.into()) }
}
