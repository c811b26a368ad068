//! The running totals of one item at one location, and how they may change.

use thiserror::Error;

use super::{ItemId, LocationId, QUANTITY_MAX};

/// Which level: levels are locked and compared in this order everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LevelKey {
    /// The item.
    pub item: ItemId,
    /// Where it is.
    pub location: LocationId,
}

/// Four counts of units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Units physically there.
    pub on_hand: i64,
    /// Units promised to open orders, not yet shipped.
    pub reserved: i64,
    /// Units owed to accepted orders that could not be held.
    pub shortfall: i64,
    /// Units withheld from sale.
    pub safety: i64,
}

/// A change of the four counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deltas {
    /// Change of `on_hand`.
    pub on_hand: i64,
    /// Change of `reserved`.
    pub reserved: i64,
    /// Change of `shortfall`.
    pub shortfall: i64,
    /// Change of `safety`.
    pub safety: i64,
}

/// A change that would break `0 ≤ reserved ≤ on_hand` or a bound.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a level would become {after:?}")]
pub struct LevelBroken {
    /// The totals that are not allowed.
    pub after: Totals,
}

impl Deltas {
    /// A change of `on_hand` alone.
    pub fn on_hand(units: i64) -> Self {
        Self { on_hand: units, ..Self::default() }
    }

    /// A change of `reserved` and `shortfall`, as holds make it.
    pub fn hold(reserved: i64, shortfall: i64) -> Self {
        Self { reserved, shortfall, ..Self::default() }
    }
}

impl Totals {
    /// What a request may take: `max(0, on_hand − reserved − safety − shortfall)`.
    pub fn available_to_promise(self) -> i64 {
        (self.on_hand - self.reserved - self.safety - self.shortfall).max(0)
    }

    /// What a fact may hold: safety does not bind what is already sold.
    pub fn room_for_fact(self) -> i64 {
        (self.on_hand - self.reserved - self.shortfall).max(0)
    }

    /// What fills shortfall, leaves by transfer or is adjusted away: `on_hand − reserved`.
    pub fn unreserved(self) -> i64 {
        self.on_hand - self.reserved
    }

    /// The totals after a change, unless they would break an invariant.
    pub fn plus(self, deltas: Deltas) -> Result<Self, LevelBroken> {
        let after = Self {
            on_hand: self.on_hand.saturating_add(deltas.on_hand),
            reserved: self.reserved.saturating_add(deltas.reserved),
            shortfall: self.shortfall.saturating_add(deltas.shortfall),
            safety: self.safety.saturating_add(deltas.safety),
        };
        let bounded = |units: i64| (0..=QUANTITY_MAX).contains(&units);
        let sound =
            [after.on_hand, after.reserved, after.shortfall, after.safety].into_iter().all(bounded)
                && after.reserved <= after.on_hand;
        if sound { Ok(after) } else { Err(LevelBroken { after }) }
    }
}

/// A level as read under lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Its totals.
    pub totals: Totals,
    /// Grows by one per movement; 0 means no movement yet.
    pub version: i64,
    /// When its last fixed point (count or opening stock) was observed, in UTC milliseconds.
    pub counted_at: Option<i64>,
}

impl Level {
    /// A level that has no movement yet.
    pub const EMPTY: Self = Self {
        totals: Totals { on_hand: 0, reserved: 0, shortfall: 0, safety: 0 },
        version: 0,
        counted_at: None,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r18_what_is_offered_is_net_of_holds_safety_and_what_is_owed() {
        let totals = Totals { on_hand: 10, reserved: 3, shortfall: 2, safety: 1 };
        assert_eq!(totals.available_to_promise(), 4);
        assert_eq!(totals.room_for_fact(), 5);
        assert_eq!(totals.unreserved(), 7);
        let owed = Totals { on_hand: 5, reserved: 5, shortfall: 2, safety: 0 };
        assert_eq!(owed.available_to_promise(), 0);
    }

    #[test]
    fn no_change_may_reserve_more_than_is_there() {
        let totals = Totals { on_hand: 1, reserved: 1, shortfall: 0, safety: 0 };
        assert!(totals.plus(Deltas::hold(1, 0)).is_err());
        assert!(totals.plus(Deltas::on_hand(-1)).is_err());
        assert!(totals.plus(Deltas::on_hand(QUANTITY_MAX)).is_err());
        assert!(totals.plus(Deltas { on_hand: -1, reserved: -1, ..Deltas::default() }).is_ok());
    }
}
