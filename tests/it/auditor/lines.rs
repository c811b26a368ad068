//! What an order is made of, and what follows from its counts.

use std::collections::BTreeMap;

use crate::model::act::Act;

/// Where counts stand that are on no shelf.
pub(crate) const NOWHERE: usize = usize::MAX;

/// What is known of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paid {
    NotAsked,
    Awaited,
    Yes,
}

/// Whether an order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    Yes,
    /// It waits: whether it may be owed, and how long its holds live.
    Waits(bool, Option<i64>),
    Refused,
}

/// Units of a part at one place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stand {
    pub(crate) held: i64,
    pub(crate) shipped: i64,
    pub(crate) owed: i64,
}

/// One item of a line.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) item: Option<usize>,
    pub(crate) per_unit: i64,
    pub(crate) cancelled: i64,
    pub(crate) returned: i64,
    /// Of the cancelled, those that ran out.
    pub(crate) expired: i64,
    pub(crate) stands: BTreeMap<usize, Stand>,
}

/// Counts of a line or part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ordered: i64,
    pub(crate) held: i64,
    pub(crate) shipped: i64,
    pub(crate) owed: i64,
    pub(crate) cancelled: i64,
    pub(crate) returned: i64,
}

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) item: Option<usize>,
    pub(crate) bundle: bool,
    pub(crate) by_channel: bool,
    pub(crate) parts: BTreeMap<i64, Part>,
}

/// An order; its place in the list is its age.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) decided: Decided,
    pub(crate) id: String,
    pub(crate) paid: Paid,
    pub(crate) accepted: bool,
    pub(crate) own: Option<usize>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) reason: Option<&'static str>,
    pub(crate) content: Act,
    pub(crate) version: Option<i64>,
    pub(crate) lines: BTreeMap<i64, Line>,
    /// What was recorded under a sender's id.
    pub(crate) facts: BTreeMap<String, Act>,
}

impl Part {
    pub(super) fn new(item: Option<usize>, per_unit: i64) -> Self {
        let stands = BTreeMap::new();
        Self { item, per_unit, cancelled: 0, returned: 0, expired: 0, stands }
    }

    pub(crate) fn at(&self, at: usize) -> Stand {
        self.stands.get(&at).copied().unwrap_or_default()
    }

    pub(crate) fn counts(&self) -> Counts {
        let sum = |count: fn(&Stand) -> i64| self.stands.values().map(count).sum::<i64>();
        let (held, shipped, owed) = (sum(|s| s.held), sum(|s| s.shipped), sum(|s| s.owed));
        let Self { cancelled, returned, .. } = *self;
        Counts {
            ordered: held + shipped + owed + cancelled,
            held,
            shipped,
            owed,
            cancelled,
            returned,
        }
    }
}

impl Line {
    /// A unit of a bundle is short if any part of it is, else held, else shipped, else cancelled.
    pub(crate) fn counts(&self) -> Counts {
        if !self.bundle {
            return self.parts.values().next().map(Part::counts).unwrap_or_default();
        }
        let most = |units: fn(Counts) -> i64| {
            let parts = self.parts.values();
            parts.map(|p| (units(p.counts()) + p.per_unit - 1) / p.per_unit).max().unwrap_or(0)
        };
        let owed = most(|c| c.owed);
        let held = most(|c| c.owed + c.held) - owed;
        let shipped = most(|c| c.owed + c.held + c.shipped) - owed - held;
        let ordered = most(|c| c.ordered);
        let returned = self.parts.values().map(|p| p.returned / p.per_unit).min().unwrap_or(0);
        let cancelled = ordered - owed - held - shipped;
        Counts { ordered, held, shipped, owed, cancelled, returned }
    }
}

impl Line {
    /// Units that wait with their order.
    pub(crate) fn waiting(&self) -> i64 {
        let units = |p: &Part| (p.expired + p.per_unit - 1) / p.per_unit;
        self.parts.values().map(units).max().unwrap_or(0)
    }
}

impl Counts {
    pub(crate) const fn open(self) -> i64 {
        self.held + self.owed
    }
}

impl Order {
    pub(crate) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for line in self.lines.values() {
            let counts = line.counts();
            sum.ordered += counts.ordered;
            sum.held += counts.held;
            sum.shipped += counts.shipped;
            sum.owed += counts.owed;
            sum.cancelled += counts.cancelled;
            sum.returned += counts.returned;
        }
        sum
    }

    pub(crate) fn is_due(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.paid != Paid::Awaited
    }

    pub(crate) fn waits(&self) -> bool {
        matches!(self.decided, Decided::Waits(..))
    }

    pub(crate) fn status(&self) -> &'static str {
        let counts = self.counts();
        if self.decided == Decided::Refused {
            "rejected"
        } else if counts.cancelled == counts.ordered && !self.waits() {
            "cancelled"
        } else if counts.open() == 0 && counts.shipped > 0 && counts.returned == counts.shipped {
            "returned"
        } else if counts.open() == 0 && counts.shipped > 0 {
            "shipped"
        } else if counts.shipped > 0 {
            "partially_shipped"
        } else if counts.owed > 0 {
            "backordered"
        } else if self.paid == Paid::Awaited || self.waits() {
            "pending"
        } else {
            "open"
        }
    }
}
