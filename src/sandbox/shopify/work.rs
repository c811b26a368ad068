//! What is to leave: fulfilment orders, which are held, put off, and moved between locations.

use super::orders::{Order, Readiness, Work, WorkLine};
use super::state::State;

/// What was moved between two locations, by the ids of fulfilment orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// The one that units were taken off.
    pub(super) original: u64,
    /// The one that they are on now; the same, where all of it was moved.
    pub(super) new: u64,
    pub(super) source: u64,
    pub(super) destination: u64,
    /// The line of the original that units were taken off, and how many.
    pub(super) line: (u64, i64),
}

impl State {
    /// The order that a piece of work belongs to.
    pub(super) fn order_of_work(&self, work: u64) -> Option<u64> {
        let mut all = self.orders.iter();
        all.find(|(_, order)| order.work.iter().any(|one| one.id == work)).map(|(id, _)| *id)
    }

    /// Adds units of a line to what is to leave from a location.
    pub(super) fn add_work(
        &mut self,
        work: &mut Vec<Work>,
        location: u64,
        (line, units): (u64, i64),
    ) {
        let added = WorkLine { id: self.large_id(), line, total: units, remaining: units };
        if let Some(one) = work.iter_mut().find(|one| one.location == location) {
            one.lines.push(added);
        } else {
            let (id, readiness, lines) = (self.large_id(), Readiness::Open, vec![added]);
            work.push(Work { id, location, readiness, lines });
        }
    }

    /// Somebody holds a fulfilment order of an order: what has not left of it may not leave
    /// before it is released. One that is held may be held again (schema of 2026-10,
    /// `fulfillmentOrderHold`). Whether there is something to hold.
    pub fn hold_work(&mut self, id: u64, work: u64) -> bool {
        self.set_readiness(id, work, Readiness::OnHold)
    }

    /// What was held or put off may leave from now on (schema of 2026-10,
    /// `fulfillmentOrderReleaseHold` and `fulfillmentOrderOpen`). Whether it was.
    pub fn release_work(&mut self, id: u64, work: u64) -> bool {
        let found = super::nodes::work(self, id, work);
        let is_kept = found.is_some_and(|one| !one.is_ready(self.seconds()));
        is_kept && self.set_readiness(id, work, Readiness::Open)
    }

    /// What has not left of a fulfilment order may leave from a time on, whole seconds: until
    /// then it is `SCHEDULED`, and from then on open by itself (schema of 2026-10,
    /// `FulfillmentOrder.fulfillAt`). Whether there is something to put off.
    pub fn schedule_work(&mut self, id: u64, work: u64, at: i64) -> bool {
        self.set_readiness(id, work, Readiness::Scheduled(at))
    }

    fn set_readiness(&mut self, id: u64, work: u64, readiness: Readiness) -> bool {
        let order = self.orders.get_mut(&id).filter(|order| order.cancelled.is_none());
        let works = order.into_iter().flat_map(|order| &mut order.work);
        let Some(one) = works.into_iter().find(|one| one.id == work && one.remaining() > 0) else {
            return false;
        };
        let before = std::mem::replace(&mut one.readiness, readiness);
        match (before, readiness) {
            (Readiness::OnHold, Readiness::OnHold) => {}
            (_, Readiness::OnHold) => {
                self.work_happened("FULFILLMENT_ORDERS_PLACED_ON_HOLD", id, work);
            }
            (Readiness::OnHold, _) => {
                self.work_happened("FULFILLMENT_ORDERS_HOLD_RELEASED", id, work);
            }
            _ => {}
        }
        self.touch(id, &[]);
        true
    }

    /// Units of a line that have not left are to leave from another location, where the item
    /// is stocked. Whether there are so many.
    ///
    /// As `fulfillmentOrderMove` has it (schema of 2026-10): a fulfilment order that is moved
    /// whole and of which nothing has left stays the same one, elsewhere. Of another, the
    /// units are on a new one; where one is open already at the new location, that is closed,
    /// and the new one has its lines as well.
    pub fn move_work(&mut self, id: u64, line: u64, units: i64, to: u64) -> bool {
        let Some(order) = self.orders.get(&id) else { return false };
        let Some(item) = order.line(line).map(|line| line.item) else { return false };
        let found = order.work.iter().position(|work| {
            let mut lines = work.lines.iter();
            work.location != to && lines.any(|one| one.line == line && one.remaining >= units)
        });
        let Some(at) = found.filter(|_| units > 0 && self.is_stocked(item, to)) else {
            return false;
        };
        let mut work = order.work.clone();
        let moved = self.reassign(&mut work, (at, to), (line, units));
        if let Some(order) = self.orders.get_mut(&id) {
            order.work = work;
        }
        self.move_stock((item, moved.source), units, -units);
        self.move_stock((item, to), -units, units);
        self.move_happened(id, moved);
        if self.quirks.moves_quietly {
            self.event_ends();
        } else {
            self.touch(id, &[]);
        }
        true
    }

    /// Moves units of a line of one of the pieces of work to a location.
    fn reassign(
        &mut self,
        work: &mut Vec<Work>,
        (at, to): (usize, u64),
        (line, units): (u64, i64),
    ) -> Moved {
        let is_open = |one: &&mut Work| one.location == to && one.remaining() > 0;
        let mut joined = work.iter_mut().find(is_open).map(close).unwrap_or_default();
        let from = &mut work[at];
        let (source, original, readiness) = (from.location, from.id, from.readiness);
        let is_whole = from.remaining() == units && from.total() == units;
        let mut lines = from.lines.iter_mut();
        let one = lines.find(|one| one.line == line && one.remaining >= units);
        let taken = one.map_or(0, |one| one.id);
        let new = if is_whole && joined.is_empty() {
            from.location = to;
            original
        } else {
            for one in from.lines.iter_mut().filter(|one| one.id == taken) {
                one.total -= units;
                one.remaining -= units;
            }
            match joined.iter_mut().find(|(joined, _)| *joined == line) {
                Some((_, more)) => *more += units,
                None => joined.push((line, units)),
            }
            let one = |(line, units)| {
                let id = self.large_id();
                WorkLine { id, line, total: units, remaining: units }
            };
            let lines = joined.into_iter().map(one).collect();
            // What was held or put off is so elsewhere: our reading, it is not written down.
            let id = self.large_id();
            work.push(Work { id, location: to, readiness, lines });
            id
        };
        Moved { original, new, source, destination: to, line: (taken, units) }
    }
}

/// Closes a piece of work: what has not left of it is taken off it, by line.
fn close(work: &mut Work) -> Vec<(u64, i64)> {
    let lines = work.lines.iter_mut().filter(|one| one.remaining > 0);
    let off = lines.map(|one| {
        let units = std::mem::take(&mut one.remaining);
        one.total -= units;
        (one.line, units)
    });
    off.collect()
}

/// The status of a fulfilment order at a time (schema of 2026-10, `FulfillmentOrderStatus`).
pub(super) fn status(order: &Order, work: &Work, now: i64) -> &'static str {
    let remaining = work.remaining();
    match work.readiness {
        _ if order.cancelled.is_some() => "CANCELLED",
        _ if remaining == 0 => "CLOSED",
        Readiness::OnHold => "ON_HOLD",
        Readiness::Scheduled(_) if !work.is_ready(now) => "SCHEDULED",
        _ if work.total() == remaining => "OPEN",
        _ => "IN_PROGRESS",
    }
}
