//! Orders that are taken now and decided later.

use std::collections::BTreeMap;

use super::lines::{Decided, Paid};
use super::orders::Want;
use super::{Auditor, Outcome, Verdict};

impl Auditor {
    /// An order waits: its units are nowhere.
    pub(super) fn queue(&mut self, order: usize, wants: &[Want], backorder: bool) {
        for want in wants {
            let part = self.part(order, want.line, want.part);
            (part.cancelled, part.expired) = (want.units, want.units);
        }
        let found = &mut self.orders[order];
        let hold_ms = found.expires_at.take().map(|at| at - self.now);
        found.decided = Decided::Waits(backorder, hold_ms);
        self.wrote = true;
    }

    /// Held whole, owed where it may be, or refused whole.
    pub(super) fn decide(&mut self, order: &str) -> Verdict {
        let order = self.known(order)?;
        let Decided::Waits(backorder, hold_ms) = self.orders[order].decided else {
            return Ok(Outcome::Replayed);
        };
        self.wrote = true;
        let mut wants = Vec::new();
        for (&line, found) in &self.orders[order].lines {
            let closed = found.bundle && found.item.is_some_and(|item| !self.is_offered(item));
            for (&part, found) in found.parts.iter().filter(|(_, found)| found.expired > 0) {
                let (item, units) = (found.item.unwrap(), found.expired);
                wants.push(Want { closed, line, part, item, units });
            }
        }
        let plan = self.plan(&wants, self.orders[order].own, false);
        let refused = self.is_refused(&wants, &plan, backorder);
        let now = self.now;
        let found = &mut self.orders[order];
        let accepted = !refused || found.counts().shipped > 0;
        found.decided = if accepted { Decided::Yes } else { Decided::Refused };
        for part in found.lines.values_mut().flat_map(|line| line.parts.values_mut()) {
            if accepted {
                part.cancelled -= part.expired;
            }
            part.expired = 0;
        }
        if accepted {
            let paid = found.paid == Paid::Yes;
            found.expires_at =
                hold_ms.filter(|_| !paid && !wants.is_empty()).map(|hold_ms| now + hold_ms);
            self.hold(order, &wants, &plan);
        }
        Ok(Outcome::Done)
    }

    /// What its source says of it stands, whether it waits or was refused.
    pub(super) fn overrule(&mut self, order: usize) {
        let found = &mut self.orders[order];
        if found.waits() {
            for part in found.lines.values_mut().flat_map(|line| line.parts.values_mut()) {
                part.cancelled -= part.expired;
                part.expired = 0;
            }
        }
        found.decided = Decided::Yes;
    }

    pub(super) fn cancel_waiting(&mut self, order: usize, lines: Option<&[(i64, i64)]>) -> Verdict {
        let found = &self.orders[order].lines;
        let mut sums: BTreeMap<i64, i64> = BTreeMap::new();
        match lines {
            None => sums.extend(found.iter().map(|(&number, line)| (number, line.waiting()))),
            Some(lines) => {
                for &(line, units) in lines {
                    *sums.entry(line).or_default() += units;
                }
            }
        }
        sums.retain(|line, units| *units > 0 && found[line].waiting() > 0);
        if sums.iter().any(|(line, &units)| units > found[line].waiting()) {
            return Err("invalid");
        }
        if sums.is_empty() {
            return Ok(Outcome::Replayed);
        }
        self.cancel_waiting_units(order, &sums, "requested");
        Ok(Outcome::Done)
    }

    pub(super) fn cancel_waiting_units(
        &mut self,
        order: usize,
        lines: &BTreeMap<i64, i64>,
        why: &'static str,
    ) {
        self.wrote = true;
        let found = &mut self.orders[order];
        for (number, units) in lines {
            let line = found.lines.get_mut(number).unwrap();
            let keep = line.waiting() - units;
            for part in line.parts.values_mut() {
                part.expired = part.expired.min(keep * part.per_unit);
            }
        }
        if found.lines.values().all(|line| line.waiting() == 0) {
            found.decided = Decided::Yes;
            let counts = found.counts();
            if counts.cancelled == counts.ordered {
                found.reason = Some(why);
            }
        }
    }
}
