//! Orders: what is bought, what is taken back, and what stock moves by it.

use std::collections::BTreeMap;

use super::state::{Policy, State};

/// Whether an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Financial {
    /// The money is awaited.
    Pending,
    /// It is reserved.
    Authorized,
    /// It is there.
    Paid,
    /// Some of it was given back.
    PartiallyRefunded,
    /// All of it was given back.
    Refunded,
    /// It will never come.
    Voided,
}

impl Financial {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Authorized => "AUTHORIZED",
            Self::Paid => "PAID",
            Self::PartiallyRefunded => "PARTIALLY_REFUNDED",
            Self::Refunded => "REFUNDED",
            Self::Voided => "VOIDED",
        }
    }
}

/// What becomes of units that are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restock {
    /// They never left, and can be sold again.
    Cancel,
    /// They came back, and can be sold again.
    Return,
    /// They cannot be sold again.
    None,
}

impl Restock {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Cancel => "CANCEL",
            Self::Return => "RETURN",
            Self::None => "NO_RESTOCK",
        }
    }
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number, as people say it.
    pub number: i64,
    /// When it was placed, whole seconds.
    pub created: i64,
    /// When it last changed.
    pub updated: i64,
    /// When it was cancelled.
    pub cancelled: Option<i64>,
    /// Why, in the shop's own words.
    pub cancel_reason: Option<String>,
    /// Whether it is paid.
    pub financial: Financial,
    /// Whether its lines were changed after it was placed.
    pub is_edited: bool,
    /// Its lines.
    pub lines: Vec<Line>,
    /// What is to leave, one for each location: the fulfilment orders.
    pub work: Vec<Work>,
    /// What has left: the fulfilments.
    pub parcels: Vec<Parcel>,
    /// What was taken back.
    pub refunds: Vec<Refund>,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: u64,
    /// What was bought.
    pub variant: u64,
    /// What that is counted as.
    pub item: u64,
    /// Its SKU when it was bought.
    pub sku: String,
    /// What it was called.
    pub title: String,
    /// Units that were ordered, those that were removed among them.
    pub quantity: i64,
    /// Units that are still ordered.
    pub current: i64,
    /// The price of one, in hundredths.
    pub price: i64,
}

/// What is to leave from one location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its id.
    pub id: u64,
    /// Where from.
    pub location: u64,
    /// Of which lines.
    pub lines: Vec<WorkLine>,
}

/// What is to leave of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkLine {
    /// Its id.
    pub id: u64,
    /// The line of the order.
    pub line: u64,
    /// Units that were to leave.
    pub total: i64,
    /// Units that have not left.
    pub remaining: i64,
}

/// What has left together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its id.
    pub id: u64,
    /// When it left, whole seconds.
    pub created: i64,
    /// Where from.
    pub location: u64,
    /// Whether it was taken back before it was on its way.
    pub is_cancelled: bool,
    /// Who carries it, where that was said.
    pub company: Option<String>,
    /// By which number, where that was said.
    pub number: Option<String>,
    /// What is in it.
    pub lines: Vec<ParcelLine>,
}

/// What has left of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParcelLine {
    /// Its id.
    pub id: u64,
    /// The line of the order.
    pub line: u64,
    /// Units.
    pub units: i64,
}

/// What was taken back together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: u64,
    /// When, whole seconds.
    pub created: i64,
    /// Of which lines.
    pub lines: Vec<RefundLine>,
}

/// What was taken back of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundLine {
    /// Its id.
    pub id: u64,
    /// The line of the order.
    pub line: u64,
    /// Units.
    pub units: i64,
    /// What became of them.
    pub restock: Restock,
    /// Where they were put, where they were.
    pub location: Option<u64>,
}

impl Order {
    /// Units of a line that have not left, and are to.
    pub fn unfulfilled(&self, line: u64) -> i64 {
        let lines = self.work.iter().flat_map(|work| &work.lines);
        lines.filter(|one| one.line == line).map(|one| one.remaining).sum()
    }

    /// What a line is about.
    pub fn line(&self, id: u64) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id)
    }

    /// Whether something has left.
    pub(super) fn has_left(&self) -> bool {
        self.parcels.iter().any(|parcel| !parcel.is_cancelled)
    }

    fn place_of(&self, line: u64) -> Option<u64> {
        let work = self.work.iter().find(|work| work.lines.iter().any(|one| one.line == line))?;
        Some(work.location)
    }
}

impl State {
    /// Whether units of a variant are sold at a location.
    fn may_sell(&self, item: u64, location: u64, units: i64) -> bool {
        let Some(one) = self.items.get(&item) else { return false };
        let policy = self.variants.get(&one.variant).map(|variant| variant.policy);
        let level = self.levels.get(&(item, location)).filter(|level| level.is_active);
        let goes_below = self.quirks.oversells || policy == Some(Policy::Continue);
        !one.is_tracked || level.is_some_and(|level| goes_below || level.available >= units)
    }

    /// Somebody buys units of variants, each from a location; one variant may be on two
    /// lines. The id of the order, where it is taken.
    pub fn buy(&mut self, lines: &[(u64, u64, i64)], financial: Financial) -> Option<u64> {
        let mut wanted: BTreeMap<(u64, u64), i64> = BTreeMap::new();
        for &(variant, location, units) in lines {
            *wanted.entry((self.item_of(variant)?, location)).or_default() += units;
        }
        let mut all = wanted.iter();
        if !all.all(|(&(item, location), &units)| self.may_sell(item, location, units)) {
            return None;
        }
        let now = self.seconds();
        let id = self.large_id();
        let number = 1001 + i64::try_from(self.orders.len()).unwrap_or_default();
        let (mut bought, mut work) = (Vec::new(), Vec::new());
        for &(variant, location, units) in lines {
            let line = self.large_id();
            bought.push(self.line_of(line, variant, units)?);
            self.add_work(&mut work, location, (line, units));
        }
        for (key, units) in wanted {
            self.move_stock(key, -units, units);
        }
        let order = Order {
            number,
            created: now,
            updated: now,
            cancelled: None,
            cancel_reason: None,
            financial,
            is_edited: false,
            lines: bought,
            work,
            parcels: Vec::new(),
            refunds: Vec::new(),
        };
        self.orders.insert(id, order);
        let mut topics = ["ORDERS_CREATE", "ORDERS_UPDATED"];
        if self.quirks.updates_first {
            topics.reverse();
        }
        for topic in topics {
            self.order_happened(topic, id);
        }
        Some(id)
    }

    fn line_of(&self, id: u64, variant: u64, quantity: i64) -> Option<Line> {
        let sold = self.variants.get(&variant)?;
        let title = self.products.get(&sold.product)?.title.clone();
        let (item, sku, price) = (sold.item, sold.sku.clone(), sold.price);
        Some(Line { id, variant, item, sku, title, quantity, current: quantity, price })
    }

    /// Adds units of a line to what is to leave from a location.
    pub(super) fn add_work(
        &mut self,
        work: &mut Vec<Work>,
        location: u64,
        (line, units): (u64, i64),
    ) {
        let added = WorkLine { id: self.large_id(), line, total: units, remaining: units };
        let open = |one: &&mut Work| one.location == location;
        match work.iter_mut().find(open) {
            Some(one) => one.lines.push(added),
            None => work.push(Work { id: self.large_id(), location, lines: vec![added] }),
        }
    }

    /// Marks an order as changed now, and tells of it.
    pub(super) fn touch(&mut self, id: u64, topics: &[&str]) {
        let now = self.seconds();
        if let Some(order) = self.orders.get_mut(&id) {
            order.updated = now;
        }
        for topic in topics {
            self.order_happened(topic, id);
        }
        self.order_happened("ORDERS_UPDATED", id);
    }

    /// Units of a line will not leave: where they were taken from. Nothing, where fewer are
    /// left.
    fn release(&mut self, id: u64, line: u64, units: i64, is_restocked: bool) -> Option<u64> {
        let order = self.orders.get_mut(&id)?;
        let item = order.line(line)?.item;
        let place = order.place_of(line)?;
        if units < 0 || order.unfulfilled(line) < units {
            return None;
        }
        let (mut left, mut freed) = (units, Vec::new());
        for work in &mut order.work {
            for one in work.lines.iter_mut().filter(|one| one.line == line) {
                let some = left.min(one.remaining);
                one.remaining -= some;
                one.total -= some;
                left -= some;
                freed.push((work.location, some));
            }
        }
        for (location, some) in freed {
            self.move_stock((item, location), if is_restocked { some } else { 0 }, -some);
        }
        Some(place)
    }

    /// A clerk edits a line to so many units. Fewer are put back at once; more are taken
    /// from where the line leaves. Whether that could be done.
    pub fn edit_line(&mut self, id: u64, line: u64, quantity: i64) -> bool {
        let Some(order) = self.orders.get(&id).filter(|order| order.cancelled.is_none()) else {
            return false;
        };
        let (Some(one), Some(place)) = (order.line(line), order.place_of(line)) else {
            return false;
        };
        let (item, change) = (one.item, quantity - one.current);
        let is_done = if change <= 0 {
            quantity >= 0 && self.release(id, line, -change, true).is_some()
        } else {
            self.may_sell(item, place, change)
        };
        if !is_done {
            return false;
        }
        if let Some(order) = self.orders.get_mut(&id) {
            order.is_edited = true;
            for one in order.lines.iter_mut().filter(|one| one.id == line) {
                one.current = quantity;
                one.quantity += change.max(0);
            }
            let mut lines = order.work.iter_mut().flat_map(|work| &mut work.lines);
            if let Some(one) = lines.find(|one| one.line == line) {
                one.total += change.max(0);
                one.remaining += change.max(0);
            }
        }
        if change > 0 {
            self.move_stock((item, place), -change, change);
        }
        self.touch(id, &["ORDERS_EDITED"]);
        true
    }

    /// An order is cancelled whole; the units are put back or not. Not where it was
    /// cancelled before, or where something has left.
    pub fn cancel(&mut self, id: u64, reason: &str, is_restocked: bool) -> bool {
        let Some(order) = self.orders.get(&id) else { return false };
        if order.cancelled.is_some() || order.has_left() {
            return false;
        }
        let restock = if is_restocked { Restock::Cancel } else { Restock::None };
        let lines: Vec<(u64, i64)> =
            order.lines.iter().map(|line| (line.id, line.current)).collect();
        let mut refunded = Vec::new();
        for (line, units) in lines.into_iter().filter(|(_, units)| *units > 0) {
            let place = self.release(id, line, units, is_restocked);
            let location = place.filter(|_| is_restocked);
            refunded.push(RefundLine { id: self.large_id(), line, units, restock, location });
        }
        let now = self.seconds();
        if let Some(order) = self.orders.get_mut(&id) {
            order.cancelled = Some(now);
            order.cancel_reason = Some(reason.to_owned());
            order.lines.iter_mut().for_each(|line| line.current = 0);
            order.financial = match order.financial {
                Financial::Pending | Financial::Authorized => Financial::Voided,
                _ => Financial::Refunded,
            };
        }
        if !refunded.is_empty() {
            self.add_refund(id, refunded);
        }
        self.touch(id, &["ORDERS_CANCELLED"]);
        true
    }

    fn add_refund(&mut self, id: u64, lines: Vec<RefundLine>) -> u64 {
        let (refund, created) = (self.large_id(), self.seconds());
        if let Some(order) = self.orders.get_mut(&id) {
            order.updated = created;
            order.refunds.push(Refund { id: refund, created, lines });
        }
        self.refund_happened(id, refund);
        refund
    }

    /// Units of a line are taken back: such as never left, such as came back, or such as are
    /// lost, of which those that have not left go first. The refund, where there are so many.
    pub fn refund(&mut self, id: u64, line: u64, units: i64, restock: Restock) -> Option<u64> {
        let order = self.orders.get(&id)?;
        let one = order.line(line)?;
        let (item, waiting) = (one.item, order.unfulfilled(line));
        let left = one.current - waiting;
        let freed = match restock {
            Restock::Cancel => units,
            Restock::Return => 0,
            Restock::None => units.min(waiting),
        };
        if units <= 0 || freed > waiting || units - freed > left {
            return None;
        }
        let place = self.release(id, line, freed, restock == Restock::Cancel)?;
        if restock == Restock::Return {
            self.move_stock((item, place), units, 0);
        }
        if let Some(order) = self.orders.get_mut(&id) {
            order
                .lines
                .iter_mut()
                .filter(|one| one.id == line)
                .for_each(|one| one.current -= units);
            let is_all = order.lines.iter().all(|line| line.current == 0);
            order.financial = match (order.financial, is_all) {
                (Financial::Paid | Financial::PartiallyRefunded, true) => Financial::Refunded,
                (Financial::Paid, false) => Financial::PartiallyRefunded,
                (other, _) => other,
            };
        }
        let location = (restock != Restock::None).then_some(place);
        let lines = vec![RefundLine { id: self.large_id(), line, units, restock, location }];
        let refund = self.add_refund(id, lines);
        self.touch(id, &[]);
        Some(refund)
    }

    /// Somebody pays, or will never.
    pub fn pay(&mut self, id: u64, financial: Financial) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.financial = financial;
        }
        self.touch(id, &[]);
    }
}
