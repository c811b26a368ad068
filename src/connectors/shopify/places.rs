//! Where a shop took units of a line off its numbers, and where it put them back.
//!
//! An order takes its units off `available` at the locations that its fulfilment orders are
//! assigned to, and a move of these moves them along. What is put back is put back at the
//! location that its refund names (schema 2026-10, `FulfillmentOrder.assignedLocation`,
//! `RefundLineItem.location`).

use std::collections::BTreeMap;

use crate::domain::RemoteId;

/// The locations of one line.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Units that leave or left, by location.
    leave: BTreeMap<RemoteId, i64>,
    /// Where they were to leave from, also where they are not to any more, in that order.
    homes: Vec<RemoteId>,
    /// Units that were put back before they left, and all that were put back, by location.
    kept_back: BTreeMap<RemoteId, i64>,
    back: BTreeMap<RemoteId, i64>,
}

impl Places {
    /// So many units leave from a location; none where a fulfilment order was given up.
    pub(super) fn leave(&mut self, location: &RemoteId, units: i64) {
        if !self.homes.contains(location) {
            self.homes.push(location.clone());
        }
        if units > 0 {
            *self.leave.entry(location.clone()).or_default() += units;
        }
    }

    /// Units were put back, where that is said at a location.
    pub(super) fn come_back(&mut self, location: Option<RemoteId>, units: i64, has_left: bool) {
        let Some(location) = location.or_else(|| self.main().cloned()) else { return };
        *self.back.entry(location.clone()).or_default() += units;
        if !has_left && self.leave.is_empty() && !self.homes.contains(&location) {
            // What was given up whole is listed no more: it was put back where it was.
            self.homes.push(location.clone());
        }
        if !has_left {
            *self.kept_back.entry(location).or_default() += units;
        }
    }

    /// Where units are from of which nothing else is said.
    pub(super) fn main(&self) -> Option<&RemoteId> {
        self.leave.keys().next().or_else(|| self.homes.first())
    }

    /// What the shop took off each of its numbers for so many units of a line: what leaves from
    /// there, without what it put back there, and how many more it took of which it does not
    /// say where: of the `gone` units that will not leave and were not put back. What leaves
    /// from a location that is not shown is at none. `main` is where units are from of which
    /// nothing else is said.
    pub(super) fn deducted(
        &self,
        main: &RemoteId,
        (quantity, gone): (i64, i64),
    ) -> (BTreeMap<RemoteId, i64>, i64) {
        let mut taken = self.leave.clone();
        let mut add = |location: &RemoteId, units| {
            *taken.entry(location.clone()).or_default() += units;
        };
        // Whether what will not leave is still counted by what leaves is nowhere written: it is
        // no more than the line has.
        let all = |units: &BTreeMap<RemoteId, i64>| units.values().sum::<i64>();
        let mut twice = (all(&self.leave) + all(&self.kept_back) + gone - quantity).max(0);
        let mut once = |units: i64| {
            let less = twice.min(units);
            twice -= less;
            units - less
        };
        for (location, units) in &self.kept_back {
            let from = if self.homes.contains(location) { location } else { main };
            add(from, once(*units));
        }
        let gone = once(gone);
        for (location, units) in &self.back {
            add(location, -units);
        }
        (taken, gone)
    }

    /// The one location that all of it leaves from.
    pub(super) fn only(&self) -> Option<&RemoteId> {
        (self.leave.len() < 2).then(|| self.main()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64) -> RemoteId {
        RemoteId::of_numbers(&[number])
    }

    /// Units of five by location, without those that are none.
    fn taken(places: &Places, gone: i64) -> Vec<(String, i64)> {
        let main = places.main().unwrap();
        let (mut all, unsaid) = places.deducted(main, (5, gone));
        *all.entry(main.clone()).or_default() += unsaid;
        let some = all.into_iter().filter(|(_, units)| *units != 0);
        some.map(|(location, units)| (location.to_string(), units)).collect()
    }

    fn row(location: u64, units: i64) -> (String, i64) {
        (location.to_string(), units)
    }

    #[test]
    fn units_of_two_locations_are_taken_at_both() {
        let mut places = Places::default();
        places.leave(&at(1), 2);
        places.leave(&at(2), 3);
        assert_eq!(taken(&places, 0), [row(1, 2), row(2, 3)]);
        assert_eq!(places.only(), None);
        // One of the second is refunded before it leaves, and its fulfilment order has less.
        let mut places = Places::default();
        places.leave(&at(1), 2);
        places.leave(&at(2), 2);
        places.come_back(Some(at(2)), 1, false);
        assert_eq!(taken(&places, 0), [row(1, 2), row(2, 2)]);
    }

    #[test]
    fn what_is_put_back_elsewhere_was_taken_where_it_left() {
        let mut places = Places::default();
        places.leave(&at(1), 5);
        places.come_back(Some(at(2)), 2, true);
        assert_eq!(taken(&places, 0), [row(1, 5), row(2, -2)]);
        assert_eq!(places.only(), Some(&at(1)));
        let mut places = Places::default();
        places.leave(&at(1), 3);
        places.come_back(Some(at(2)), 2, false);
        assert_eq!(taken(&places, 0), [row(1, 5), row(2, -2)]);
    }

    #[test]
    fn what_will_not_leave_and_was_not_put_back_stays_taken() {
        let mut places = Places::default();
        places.leave(&at(1), 3);
        assert_eq!(taken(&places, 2), [row(1, 5)]);
        assert_eq!(taken(&places, 0), [row(1, 3)], "two leave from where nobody shows us");
        // A cancelled order's fulfilment orders leave nothing.
        let mut places = Places::default();
        places.leave(&at(7), 0);
        places.come_back(Some(at(7)), 4, false);
        assert_eq!(taken(&places, 1), [row(7, 1)]);
        places.come_back(None, 1, false);
        assert_eq!(taken(&places, 0), []);
        let mut places = Places::default();
        places.come_back(Some(at(1)), 1, false);
        places.come_back(Some(at(2)), 2, false);
        assert_eq!(taken(&places, 0), []);
        // Of one that left from two, each gets its own back.
        let mut places = Places::default();
        places.leave(&at(1), 0);
        places.leave(&at(2), 0);
        places.come_back(Some(at(1)), 1, false);
        places.come_back(Some(at(2)), 2, false);
        assert_eq!(taken(&places, 0), []);
        assert_eq!(Places::default().main(), None);
    }

    #[test]
    fn what_will_not_leave_is_counted_once_where_it_is_still_to_leave_by_the_document() {
        let mut places = Places::default();
        places.leave(&at(1), 5);
        places.come_back(Some(at(1)), 1, false);
        assert_eq!(taken(&places, 0), [row(1, 4)]);
        assert_eq!(taken(&places, 2), [row(1, 4)]);
    }

    #[test]
    fn a_moved_line_is_taken_where_it_is_now() {
        let mut places = Places::default();
        places.leave(&at(1), 0);
        places.leave(&at(2), 5);
        assert_eq!(taken(&places, 0), [row(2, 5)]);
        assert_eq!(places.only(), Some(&at(2)));
    }
}
