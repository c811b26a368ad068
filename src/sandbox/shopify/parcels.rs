//! What leaves: parcels of what is to leave from one location.

use super::orders::{Parcel, ParcelLine, Work, WorkLine};
use super::state::State;

/// Units of a line of what is to leave, by the id of that line.
pub(super) type Picked = Vec<(u64, i64)>;

/// Who carries a parcel, and by which number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tracking {
    pub(super) company: Option<String>,
    pub(super) number: Option<String>,
}

impl State {
    /// Lets units leave that are there to leave, all from one location; the parcel.
    pub(super) fn pack(&mut self, id: u64, picked: &Picked, tracking: Tracking) -> Option<u64> {
        let (parcel, created) = (self.large_id(), self.seconds());
        let ids: Vec<u64> = picked.iter().map(|_| self.large_id()).collect();
        let order = self.orders.get_mut(&id)?;
        let (mut lines, mut moved, mut from) = (Vec::new(), Vec::new(), None);
        for work in &mut order.work {
            for one in &mut work.lines {
                let mut all = picked.iter().zip(&ids);
                let Some((&(_, units), &id)) = all.find(|((picked, _), _)| *picked == one.id)
                else {
                    continue;
                };
                one.remaining -= units;
                from = Some(work.location);
                lines.push(ParcelLine { id, line: one.line, units });
            }
        }
        let location = from?;
        for line in &lines {
            if let Some(item) = order.line(line.line).map(|line| line.item) {
                moved.push((item, line.units));
            }
        }
        let Tracking { company, number } = tracking;
        let is_cancelled = false;
        order.parcels.push(Parcel {
            id: parcel,
            created,
            location,
            is_cancelled,
            company,
            number,
            lines,
        });
        for (item, units) in moved {
            self.move_stock((item, location), 0, -units);
        }
        self.touch(id, &[]);
        Some(parcel)
    }

    /// A clerk lets units of lines leave, from wherever they are to leave and may: a parcel
    /// for each fulfilment order. None, where not so many may leave of one of them.
    pub fn fulfil(&mut self, id: u64, lines: &[(u64, i64)]) -> Vec<u64> {
        let now = self.seconds();
        let Some(order) = self.orders.get(&id) else { return Vec::new() };
        let ready: Vec<&Work> = order.work.iter().filter(|work| work.is_ready(now)).collect();
        let may_leave = |line: u64| -> i64 {
            let lines = ready.iter().flat_map(|work| &work.lines);
            lines.filter(|one| one.line == line).map(|one| one.remaining).sum()
        };
        if lines.iter().any(|&(line, units)| units <= 0 || may_leave(line) < units) {
            return Vec::new();
        }
        let mut wanted = lines.to_vec();
        let mut parcels: Vec<Picked> = Vec::new();
        for work in ready {
            let mut picked = Vec::new();
            for one in &work.lines {
                let Some((_, left)) = wanted.iter_mut().find(|(line, _)| *line == one.line) else {
                    continue;
                };
                let some = one.remaining.min(*left);
                *left -= some;
                if some > 0 {
                    picked.push((one.id, some));
                }
            }
            if !picked.is_empty() {
                parcels.push(picked);
            }
        }
        let all = parcels.iter();
        all.filter_map(|picked| self.pack(id, picked, Tracking::default())).collect()
    }

    /// A parcel is taken back before it is on its way: its units are to leave again.
    pub fn unfulfil(&mut self, id: u64, parcel: u64) -> bool {
        let Some(order) = self.orders.get_mut(&id) else { return false };
        let mut parcels = order.parcels.iter_mut();
        let Some(one) = parcels.find(|one| one.id == parcel && !one.is_cancelled) else {
            return false;
        };
        one.is_cancelled = true;
        let (lines, location, mut moved) = (one.lines.clone(), one.location, Vec::new());
        for line in lines {
            let mut work = order.work.iter_mut().filter(|work| work.location == location);
            let is_it = |one: &&mut WorkLine| {
                one.line == line.line && one.total - one.remaining >= line.units
            };
            let one = work.find_map(|work| work.lines.iter_mut().find(is_it));
            if let Some(one) = one {
                one.remaining += line.units;
            }
            moved.extend(order.line(line.line).map(|one| (one.item, line.units)));
        }
        for (item, units) in moved {
            self.move_stock((item, location), 0, units);
        }
        self.touch(id, &[]);
        true
    }
}
