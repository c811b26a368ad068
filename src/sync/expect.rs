//! What a channel may show, for all that is known: the arithmetic of a baseline.
//!
//! A sale that came in between a write and the first pull after it may have been made on
//! either side of the write; what it took is in the number or not. So what may be shown is
//! a range (semantics: "how a number is written safely").

use crate::store::pushes::{Flow, Known};

/// Numbers that are explained, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Expected {
    /// What may be shown now, with what came in by now.
    pub(super) fn of(known: &Known, now: Flow) -> Self {
        let until = known.until.unwrap_or(now);
        let surely = known.baseline - (now.taken - until.taken) + (now.given - until.given);
        Self {
            low: surely - (until.taken - known.from.taken),
            high: surely + (until.given - known.from.given),
        }
    }

    /// Whether a number is explained.
    pub(super) const fn has(self, number: i64) -> bool {
        self.low <= number && number <= self.high
    }

    /// Whether only one number is.
    pub(super) const fn is_exact(self) -> bool {
        self.low == self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn flow(taken: i64, given: i64) -> Flow {
        Flow { taken, given }
    }

    #[test]
    fn what_came_in_around_a_write_may_be_in_it_or_not() {
        // The race of the scenarios: 9 was written, a sale of 2 came in with the pull after.
        let known =
            Known { baseline: 9, from: flow(0, 0), until: Some(flow(2, 0)), confirmed_at: 1 };
        assert_eq!(Expected::of(&known, flow(2, 0)), Expected { low: 7, high: 9 });
        // What comes in later was later.
        assert_eq!(Expected::of(&known, flow(5, 0)), Expected { low: 4, high: 6 });
        assert_eq!(Expected::of(&known, flow(5, 1)), Expected { low: 5, high: 7 });
    }

    #[test]
    fn until_the_pull_after_it_ends_everything_may_be_either() {
        let known = Known { baseline: 9, from: flow(3, 0), until: None, confirmed_at: 1 };
        assert_eq!(Expected::of(&known, flow(3, 0)), Expected { low: 9, high: 9 });
        assert_eq!(Expected::of(&known, flow(5, 1)), Expected { low: 7, high: 10 });
        let settled = Known { until: Some(flow(3, 0)), ..known };
        assert!(Expected::of(&settled, flow(3, 0)).is_exact());
        assert!(Expected::of(&settled, flow(4, 0)).has(8));
        assert!(!Expected::of(&settled, flow(4, 0)).has(9));
    }
}
