//! What is taken back of orders: lines that are edited, refunds, cancellations.

use super::orders::{Financial, Refund, RefundLine, Restock};
use super::state::State;

/// Where units are put that will not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    /// Nowhere: they are lost.
    Nowhere,
    /// To where they were to leave from.
    Home,
    /// To this location.
    To(u64),
}

/// Units that were taken off an order, and where they were put.
type Put = Vec<(Option<u64>, i64)>;

impl State {
    /// Whether an item is stocked at a location.
    pub(super) fn is_stocked(&self, item: u64, location: u64) -> bool {
        self.levels.get(&(item, location)).is_some_and(|level| level.is_active)
    }

    /// Units of a line will not leave: where they were put. Nothing, where fewer are to leave.
    fn release(&mut self, id: u64, (line, units): (u64, i64), back: Back) -> Option<Put> {
        let order = self.orders.get_mut(&id)?;
        let item = order.line(line)?.item;
        if units < 0 || order.unfulfilled(line) < units {
            return None;
        }
        let (mut left, mut freed) = (units, Vec::new());
        for work in &mut order.work {
            for one in work.lines.iter_mut().filter(|one| one.line == line && one.remaining > 0) {
                let some = left.min(one.remaining);
                one.remaining -= some;
                one.total -= some;
                left -= some;
                if some > 0 {
                    freed.push((work.location, some));
                }
            }
        }
        for &(location, some) in &freed {
            let units = if back == Back::Home { some } else { 0 };
            self.move_stock((item, location), units, -some);
        }
        Some(match back {
            Back::Nowhere => vec![(None, units)],
            Back::Home => freed.into_iter().map(|(place, some)| (Some(place), some)).collect(),
            Back::To(place) => {
                self.move_stock((item, place), units, 0);
                vec![(Some(place), units)]
            }
        })
    }

    /// A clerk edits a line to so many units. Fewer are put back at once; more are taken
    /// from where the line leaves. Whether that could be done.
    pub fn edit_line(&mut self, id: u64, line: u64, quantity: i64) -> bool {
        self.edit(id, (line, quantity), Back::Home)
    }

    /// A clerk edits a line to fewer units, and puts those that are left over to a location
    /// where the item is stocked: `orderEditSetQuantity` has a `locationId` for where a
    /// `restocked item will be made available` (schema of 2026-10). Whether that could be
    /// done.
    pub fn edit_line_to(&mut self, id: u64, (line, quantity): (u64, i64), location: u64) -> bool {
        let one = self.orders.get(&id).and_then(|order| order.line(line));
        let Some((item, current)) = one.map(|one| (one.item, one.current)) else { return false };
        let may_be = quantity < current && self.is_stocked(item, location);
        may_be && self.edit(id, (line, quantity), Back::To(location))
    }

    fn edit(&mut self, id: u64, (line, quantity): (u64, i64), back: Back) -> bool {
        let Some(order) = self.orders.get(&id).filter(|order| order.cancelled.is_none()) else {
            return false;
        };
        let (Some(one), Some(place)) = (order.line(line), order.place_of(line)) else {
            return false;
        };
        let (item, change) = (one.item, quantity - one.current);
        let is_done = if change <= 0 {
            quantity >= 0 && self.release(id, (line, -change), back).is_some()
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
            let works = order.work.iter_mut().filter(|work| work.location == place);
            let mut lines = works.flat_map(|work| &mut work.lines);
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
        let (restock, back) = if is_restocked {
            (Restock::Cancel, Back::Home)
        } else {
            (Restock::None, Back::Nowhere)
        };
        let lines: Vec<(u64, i64)> =
            order.lines.iter().map(|line| (line.id, line.current)).collect();
        let mut refunded = Vec::new();
        for (line, units) in lines.into_iter().filter(|(_, units)| *units > 0) {
            // All of them are there: nothing has left.
            let put = self.release(id, (line, units), back).unwrap_or_default();
            refunded.extend(self.refund_lines(line, restock, put));
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
        let work = self.orders.get(&id).into_iter().flat_map(|one| &one.work);
        let work: Vec<u64> = work.map(|one| one.id).collect();
        for work in work {
            self.work_happened("FULFILLMENT_ORDERS_CANCELLED", id, work);
        }
        self.touch(id, &["ORDERS_CANCELLED"]);
        true
    }

    /// What a refund says of a line: one entry for each place where units were put.
    fn refund_lines(&mut self, line: u64, restock: Restock, put: Put) -> Vec<RefundLine> {
        let one = |(location, units)| {
            let id = self.large_id();
            RefundLine { id, line, units, restock, location }
        };
        put.into_iter().map(one).collect()
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
    /// lost, of which those that have not left go first. They are put where they were to
    /// leave from, or where they left from. The refund, where there are so many.
    pub fn refund(&mut self, id: u64, line: u64, units: i64, restock: Restock) -> Option<u64> {
        self.take_back(id, (line, units), (restock, None))
    }

    /// The same, and they are put to a location where the item is stocked, whichever they
    /// were to leave from: a refund has a `locationId` for each of its lines, which is empty
    /// for units that are lost (schema of 2026-10, `RefundLineItemInput`).
    pub fn refund_to(
        &mut self,
        id: u64,
        (line, units): (u64, i64),
        restock: Restock,
        location: u64,
    ) -> Option<u64> {
        let item = self.orders.get(&id)?.line(line)?.item;
        let may_be = restock != Restock::None && self.is_stocked(item, location);
        self.take_back(id, (line, units), (restock, Some(may_be.then_some(location)?)))
    }

    fn take_back(
        &mut self,
        id: u64,
        (line, units): (u64, i64),
        (restock, to): (Restock, Option<u64>),
    ) -> Option<u64> {
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
        let came_from = order.left_from(line).or_else(|| order.place_of(line))?;
        let put = match restock {
            Restock::Cancel => self.release(id, (line, freed), to.map_or(Back::Home, Back::To))?,
            Restock::Return => {
                let place = to.unwrap_or(came_from);
                self.move_stock((item, place), units, 0);
                vec![(Some(place), units)]
            }
            Restock::None => {
                self.release(id, (line, freed), Back::Nowhere)?;
                vec![(None, units)]
            }
        };
        if let Some(order) = self.orders.get_mut(&id) {
            let lines = order.lines.iter_mut().filter(|one| one.id == line);
            lines.for_each(|one| one.current -= units);
            let is_all = order.lines.iter().all(|line| line.current == 0);
            order.financial = match (order.financial, is_all) {
                (Financial::Paid | Financial::PartiallyRefunded, true) => Financial::Refunded,
                (Financial::Paid, false) => Financial::PartiallyRefunded,
                (other, _) => other,
            };
        }
        let lines = self.refund_lines(line, restock, put);
        let refund = self.add_refund(id, lines);
        self.touch(id, &[]);
        Some(refund)
    }
}
