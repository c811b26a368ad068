//! Orders: lines, the parts they are made of, and where each unit stands.
//!
//! A plain line has exactly one part, number 0, which is the item itself. A
//! bundle line has its frozen recipe as parts 1, 2, …. All counts live on the
//! parts; a line's counts are derived, so the two cannot disagree.

use std::collections::BTreeMap;
use std::fmt;

use super::{ExternalId, FactId, ItemId, LocationId, OrderId, Sku};

/// How an order is named outside: unique for ever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderRef {
    /// A channel's name, a key holder's account, or `cli`.
    pub source: String,
    /// The id the source gave it.
    pub external_id: ExternalId,
}

impl fmt::Display for OrderRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.external_id)
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name used in the database and in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the name; `None` when it is not one.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named! {
    /// Whether the order has been decided.
    Decision {
        /// It counts.
        Accepted = "accepted",
        /// It waits in the queue.
        Undecided = "undecided",
        /// It was refused after the answer.
        Rejected = "rejected",
    }
}

named! {
    /// What is known of an order's payment.
    Payment {
        /// No payment is waited for.
        None = "none",
        /// The hold runs out unless it is paid.
        Required = "required",
        /// It was paid.
        Paid = "paid",
    }
}

named! {
    /// Who ships a line.
    FulfilledBy {
        /// We do: it takes our stock.
        Ledger = "ledger",
        /// The channel does, from its own stock: no allocation, no movement.
        Channel = "channel",
    }
}

named! {
    /// A fact about an order that its sender numbers.
    FactKind {
        /// Money came.
        Payment = "payment",
        /// Goods left.
        Shipment = "shipment",
        /// Goods came back.
        Return = "return",
        /// Money went back.
        Refund = "refund",
    }
}

named! {
    /// An order's status, always derived from its counts.
    OrderStatus {
        /// Unpaid or undecided.
        Pending = "pending",
        /// Held.
        Open = "open",
        /// Owed units that could not be held.
        Backordered = "backordered",
        /// Some of it left, some has not.
        PartiallyShipped = "partially_shipped",
        /// All that was not cancelled has left.
        Shipped = "shipped",
        /// All of it was cancelled.
        Cancelled = "cancelled",
        /// Refused after it was queued.
        Rejected = "rejected",
        /// All that had left came back.
        Returned = "returned",
    }
}

/// What the decision of an order that waits needs beyond the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecisionTerms {
    /// Whether it is accepted beyond ATP.
    pub allow_backorder: bool,
    /// How long its holds live from the decision on, in milliseconds; for ever when left out.
    pub hold_ms: Option<i64>,
}

/// A fact recorded under its sender's id: the same id again is a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Hash of its content.
    pub content_hash: [u8; 32],
    /// What came of it, a JSON object.
    pub data: String,
}

/// Where the units of a line or part stand.
/// `held + shipped + shortfall + cancelled = ordered`, `returned ≤ shipped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Units asked for; never shrinks.
    pub ordered: i64,
    /// Units promised and set aside.
    pub held: i64,
    /// Units that left.
    pub shipped: i64,
    /// Units owed.
    pub shortfall: i64,
    /// Units given up.
    pub cancelled: i64,
    /// Units that came back, of those shipped.
    pub returned: i64,
}

impl Counts {
    /// Adds the counts of another line.
    pub fn add(&mut self, other: Self) {
        self.ordered += other.ordered;
        self.held += other.held;
        self.shipped += other.shipped;
        self.shortfall += other.shortfall;
        self.cancelled += other.cancelled;
        self.returned += other.returned;
    }

    /// Units neither shipped nor cancelled.
    pub const fn open(self) -> i64 {
        self.held + self.shortfall
    }

    /// Whether the line equation holds.
    pub const fn is_sound(self) -> bool {
        self.held >= 0
            && self.shipped >= 0
            && self.shortfall >= 0
            && self.cancelled >= 0
            && self.returned >= 0
            && self.held + self.shipped + self.shortfall + self.cancelled == self.ordered
            && self.returned <= self.shipped
    }
}

/// What of a part stands at one location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The location.
    pub location: LocationId,
    /// Units held there.
    pub held: i64,
    /// Units that left from there.
    pub shipped: i64,
    /// Units owed there.
    pub shortfall: i64,
}

/// One item of an order line: the item itself, or a component of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// 0 for a plain line, 1, 2, … for the components of a bundle.
    pub number: i64,
    /// The item; `None` while the line is unmapped.
    pub item: Option<ItemId>,
    /// Units of it in one unit of the line.
    pub per_unit: i64,
    /// Units given up.
    pub cancelled: i64,
    /// Units that came back, of those shipped.
    pub returned: i64,
    /// Of the cancelled units, those that ran out and may be held again by a late payment.
    pub expired: i64,
    /// Where its units stand, one entry a location, by location as they are stored:
    /// what a command leads to must not depend on what shared its batch.
    pub allocations: Vec<Allocation>,
    /// Held, shipped and owed units on no level: channel-fulfilled and unmapped lines.
    pub loose: Allocation,
}

impl Part {
    /// The location of counts that stand nowhere.
    pub const NOWHERE: LocationId = LocationId::new(0);

    /// A part with nothing yet.
    pub const fn new(number: i64, item: Option<ItemId>, per_unit: i64) -> Self {
        Self {
            number,
            item,
            per_unit,
            cancelled: 0,
            returned: 0,
            expired: 0,
            allocations: Vec::new(),
            loose: Allocation { location: Self::NOWHERE, held: 0, shipped: 0, shortfall: 0 },
        }
    }

    /// The counts over all locations.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            held: self.loose.held,
            shipped: self.loose.shipped,
            shortfall: self.loose.shortfall,
            cancelled: self.cancelled,
            returned: self.returned,
            ordered: 0,
        };
        for allocation in &self.allocations {
            counts.held += allocation.held;
            counts.shipped += allocation.shipped;
            counts.shortfall += allocation.shortfall;
        }
        counts.ordered = counts.held + counts.shipped + counts.shortfall + counts.cancelled;
        counts
    }

    /// What stands at a location, if anything ever did.
    pub fn at(&self, location: LocationId) -> Option<&Allocation> {
        self.allocations.iter().find(|allocation| allocation.location == location)
    }

    /// What stands at a location, made when it is the first to stand there.
    pub fn at_mut(&mut self, location: LocationId) -> &mut Allocation {
        let found = self.allocations.binary_search_by_key(&location, |entry| entry.location);
        let index = found.unwrap_or_else(|index| {
            let entry = Allocation { location, held: 0, shipped: 0, shortfall: 0 };
            self.allocations.insert(index, entry);
            index
        });
        &mut self.allocations[index]
    }
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number within the order, from 1.
    pub number: i64,
    /// The item sold; `None` while the SKU is unknown.
    pub item: Option<ItemId>,
    /// The SKU as it came.
    pub sku: Sku,
    /// Whether the item was a bundle when the order was placed.
    pub bundle: bool,
    /// Price of one unit in the order's currency, minor units.
    pub unit_price: Option<i64>,
    /// Who ships it.
    pub fulfilled_by: FulfilledBy,
    /// What it is made of.
    pub parts: Vec<Part>,
}

impl Line {
    /// The line's counts in units of the line. Of a bundle, a unit is short if
    /// any of its parts is, else held if any is, else shipped if any is, else
    /// cancelled; a unit has come back when all of its parts have.
    pub fn counts(&self) -> Counts {
        if !self.bundle {
            return self.parts.first().map(Part::counts).unwrap_or_default();
        }
        let widest = |units: fn(Counts) -> i64| {
            self.parts
                .iter()
                .map(|part| div_ceil(units(part.counts()), part.per_unit))
                .max()
                .unwrap_or(0)
        };
        let shortfall = widest(|counts| counts.shortfall);
        let held = widest(|counts| counts.shortfall + counts.held) - shortfall;
        let shipped =
            widest(|counts| counts.shortfall + counts.held + counts.shipped) - shortfall - held;
        let ordered = widest(|counts| counts.ordered);
        let returned =
            self.parts.iter().map(|part| part.returned / part.per_unit).min().unwrap_or(0);
        let cancelled = ordered - shortfall - held - shipped;
        Counts { ordered, held, shipped, shortfall, cancelled, returned }
    }

    /// Of an undecided order the units that wait for the decision: they stand among
    /// the cancelled ones until then.
    pub fn waiting(&self) -> i64 {
        self.parts.iter().map(|part| div_ceil(part.expired, part.per_unit)).max().unwrap_or(0)
    }
}

fn div_ceil(units: i64, per_unit: i64) -> i64 {
    (units + per_unit - 1) / per_unit
}

/// An order with everything that decisions about it need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its id here.
    pub id: OrderId,
    /// Its name outside.
    pub reference: OrderRef,
    /// Whether it counts.
    pub decision: Decision,
    /// What is known of its payment.
    pub payment: Payment,
    /// Fulfilment was accepted: its holds are not taken while others exist.
    pub accepted: bool,
    /// The one location it may use, where it names one.
    pub location: Option<LocationId>,
    /// When its holds run out, UTC milliseconds.
    pub expires_at: Option<i64>,
    /// Why it was cancelled: `expired`, or the caller's words.
    pub cancel_reason: Option<String>,
    /// When it was placed, UTC milliseconds.
    pub placed_at: i64,
    /// Currency of its prices.
    pub currency: Option<String>,
    /// Hash of what was asked for, where replays are told by it.
    pub content_hash: Option<[u8; 32]>,
    /// The source's own version of a channel order, growing.
    pub source_version: Option<i64>,
    /// Seq of its first journal entry; `i64::MAX` while it has none.
    pub age: i64,
    /// Grows by one with each change; 0 while it is not stored.
    pub version: i64,
    /// Its lines by number.
    pub lines: Vec<Line>,
    /// Facts recorded under their senders' ids.
    pub facts: BTreeMap<(FactKind, FactId), Fact>,
}

impl Order {
    /// The counts summed over the lines.
    pub fn counts(&self) -> Counts {
        let mut total = Counts::default();
        for line in &self.lines {
            total.add(line.counts());
        }
        total
    }

    /// The status that the counts give; the database derives the same.
    pub fn status(&self) -> OrderStatus {
        let counts = self.counts();
        match self.decision {
            Decision::Rejected => return OrderStatus::Rejected,
            Decision::Accepted | Decision::Undecided => {}
        }
        if counts.cancelled == counts.ordered && self.decision == Decision::Accepted {
            OrderStatus::Cancelled
        } else if counts.open() == 0 && counts.shipped > 0 && counts.returned == counts.shipped {
            OrderStatus::Returned
        } else if counts.open() == 0 && counts.shipped > 0 {
            OrderStatus::Shipped
        } else if counts.shipped > 0 {
            OrderStatus::PartiallyShipped
        } else if counts.shortfall > 0 {
            OrderStatus::Backordered
        } else if self.payment == Payment::Required || self.decision == Decision::Undecided {
            OrderStatus::Pending
        } else {
            OrderStatus::Open
        }
    }

    /// Whether its holds may be taken only when no others exist: fulfilment was
    /// accepted for the order, or a unit of the line left.
    pub fn is_line_accepted(&self, line: &Line) -> bool {
        self.accepted || line.parts.iter().any(|part| part.counts().shipped > 0)
    }

    /// Whether fulfilment of any of it was accepted: such an order is extended, not expired (R20).
    pub fn is_fulfilment_accepted(&self) -> bool {
        self.accepted || self.lines.iter().any(|line| self.is_line_accepted(line))
    }

    /// Units of a line that wait for the order's decision: of a bundle, part of which left
    /// already, no more than count as cancelled.
    pub fn waiting(&self, line: &Line) -> i64 {
        if self.decision == Decision::Undecided {
            line.waiting().min(line.counts().cancelled)
        } else {
            0
        }
    }

    /// Price of all that was not cancelled, minor units; `None` where a price is unknown.
    pub fn total(&self) -> Option<i64> {
        self.lines.iter().try_fold(0_i64, |sum, line| {
            let counts = line.counts();
            let units = counts.ordered - counts.cancelled + self.waiting(line);
            let price = line.unit_price?.checked_mul(units)?;
            sum.checked_add(price)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: i64, per_unit: i64, held: i64, shipped: i64, shortfall: i64) -> Part {
        let mut part = Part::new(number, Some(ItemId::new(number)), per_unit);
        part.allocations.push(Allocation {
            location: LocationId::new(1),
            held,
            shipped,
            shortfall,
        });
        part
    }

    fn bundle(parts: Vec<Part>) -> Line {
        Line {
            number: 1,
            item: Some(ItemId::new(9)),
            sku: Sku::new("SET").unwrap(),
            bundle: true,
            unit_price: None,
            fulfilled_by: FulfilledBy::Ledger,
            parts,
        }
    }

    #[test]
    fn allocations_stay_in_the_order_in_which_they_are_read_back() {
        let mut part = Part::new(0, Some(ItemId::new(1)), 1);
        for location in [3, 1, 2, 1] {
            part.at_mut(LocationId::new(location)).held += 1;
        }
        let order: Vec<i64> = part.allocations.iter().map(|one| one.location.get()).collect();
        assert_eq!(order, [1, 2, 3]);
        assert_eq!(part.at(LocationId::new(1)).map(|one| one.held), Some(2));
    }

    #[test]
    fn a_unit_of_a_bundle_is_short_if_any_part_is() {
        let line = bundle(vec![part(1, 1, 3, 0, 0), part(2, 2, 3, 0, 3)]);
        let counts = line.counts();
        assert_eq!((counts.shortfall, counts.held, counts.ordered), (2, 1, 3));
        assert!(counts.is_sound());
    }

    #[test]
    fn a_bundle_has_come_back_when_all_of_its_parts_have() {
        let mut line = bundle(vec![part(1, 1, 0, 1, 0), part(2, 1, 0, 1, 0)]);
        line.parts[1].returned = 1;
        assert_eq!(line.counts().returned, 0);
        line.parts[0].returned = 1;
        assert_eq!(line.counts().returned, 1);
        assert!(line.counts().is_sound());
    }
}
