//! Movements of shelves, filling what is owed, and taking holds.

use std::cmp::Reverse;

use super::{Auditor, Key, Outcome, Verdict};
use crate::model::act::Move;

impl Auditor {
    pub(super) fn stock(
        &mut self,
        (name, at): (&str, usize),
        what: Move,
        when: Option<i64>,
        if_version: Option<i64>,
    ) -> Verdict {
        // Goods may have come, gone or been counted before; nothing is asked for before.
        if when.is_some() && matches!(what, Move::Adjust(_) | Move::Transfer(..) | Move::Safety(_))
        {
            return Err("invalid");
        }
        let item = self.item(name)?;
        if !self.items[item].recipe.is_empty() {
            return Err("bundle_has_no_stock");
        }
        let key = (item, at);
        let version = i64::try_from(self.shelf(key).moves.len()).unwrap();
        if if_version.is_some_and(|expected| expected != version) {
            return Err("version_conflict");
        }
        match what {
            Move::Receive(units) => {
                let history = self.is_history(key, when);
                self.post(key, [if history { 0 } else { units }, 0, 0, 0], when);
                if !history {
                    self.fill(key);
                }
            }
            Move::Adjust(units) => {
                if -units > self.shelf(key).free() {
                    return Err("insufficient_stock");
                }
                self.post(key, [units, 0, 0, 0], when);
            }
            Move::Count(units) => self.count(key, units, when),
            Move::CountAvailable(units) => {
                // What was promised at that moment stood on the shelf, too.
                let shelf = self.shelf(key);
                let (_, since) = self.later(key, when);
                self.count(key, units + shelf.reserved + shelf.shortfall - since, when);
            }
            Move::Transfer(units, to) => {
                if to == at {
                    return Err("invalid");
                }
                if units > self.shelf(key).free() {
                    return Err("insufficient_stock");
                }
                self.post(key, [-units, 0, 0, 0], when);
                self.post((item, to), [units, 0, 0, 0], when);
                self.fill((item, to));
            }
            Move::WriteOff(units) => {
                if self.is_history(key, when) {
                    self.post(key, [0; 4], when);
                } else {
                    self.make_room(key, units, when);
                    self.post(key, [-units, 0, 0, 0], when);
                }
            }
            Move::Safety(units) => {
                let change = units - self.shelf(key).safety;
                if change != 0 {
                    self.post(key, [0, 0, 0, change], when);
                }
            }
        }
        Ok(Outcome::Done)
    }

    /// A count of N observed at T sets on hand to N plus what was recorded
    /// with a later effect; below 0 it ends at 0.
    fn count(&mut self, key: Key, units: i64, when: Option<i64>) {
        if self.is_history(key, when) {
            self.post(key, [0; 4], when);
            return;
        }
        let observed_at = when.unwrap_or(self.now).min(self.now);
        let shelf = self.shelf(key);
        let on_hand = (units + self.later(key, when).0).max(0);
        self.take_holds(key, shelf.reserved - on_hand);
        self.post(key, [on_hand - shelf.on_hand, 0, 0, 0], when);
        self.shelves.entry(key).or_default().fixed_at = Some(observed_at);
    }

    /// What moved and what was promised with an effect later than that.
    fn later(&self, key: Key, when: Option<i64>) -> (i64, i64) {
        let observed_at = when.unwrap_or(self.now).min(self.now);
        let shelf = self.shelf(key);
        let later = shelf.moves.iter().filter(|one| observed_at < self.now && one.0 > observed_at);
        later.fold((0, 0), |sums, one| (sums.0 + one.1, sums.1 + one.2))
    }

    /// Makes units free to leave: free ones, then others' holds, then what the
    /// books lack is added as a correction.
    pub(super) fn make_room(&mut self, key: Key, units: i64, when: Option<i64>) {
        self.take_holds(key, units - self.shelf(key).free());
        let missing = units - self.shelf(key).free();
        if missing > 0 {
            self.post(key, [missing, 0, 0, 0], when);
        }
    }

    /// Unpaid before paid, the youngest first; accepted ones only when no others are left.
    pub(super) fn take_holds(&mut self, key: Key, units: i64) {
        let mut left = units.min(self.shelf(key).reserved);
        let mut victims = Vec::new();
        for (age, order) in self.orders.iter().enumerate() {
            for (&line, found) in &order.lines {
                let accepted =
                    order.accepted || found.parts.values().any(|part| part.counts().shipped > 0);
                for (&part, found) in &found.parts {
                    if found.item == Some(key.0) && found.at(key.1).held > 0 {
                        victims.push((accepted, order.is_settled(), Reverse((age, line, part))));
                    }
                }
            }
        }
        victims.sort_unstable();
        for (_, _, Reverse((order, line, part))) in victims {
            let stand = self.stand(order, line, part, key.1);
            let lost = stand.held.min(left);
            if lost <= 0 {
                break;
            }
            stand.held -= lost;
            stand.owed += lost;
            left -= lost;
            self.post(key, [0, -lost, lost, 0], None);
        }
    }

    /// Fills what is owed, oldest order first: here, then of orders that may use this location.
    pub(super) fn fill(&mut self, key: Key) {
        let (item, at) = key;
        let sells = self.spots[at].sells;
        let mut owed = Vec::new();
        for (age, order) in self.orders.iter().enumerate() {
            let may_come = sells && order.own.is_none_or(|own| own == at);
            for (&line, found) in &order.lines {
                for (&part, found) in &found.parts {
                    for (&from, stand) in &found.stands {
                        let here = from == at;
                        if found.item == Some(item) && stand.owed > 0 && (here || may_come) {
                            owed.push((!here, age, line, part, from));
                        }
                    }
                }
            }
        }
        owed.sort_unstable();
        for (elsewhere, order, line, part, from) in owed {
            let room = self.shelf(key).free();
            let stand = self.stand(order, line, part, from);
            let units = stand.owed.min(room);
            if units <= 0 {
                break;
            }
            stand.owed -= units;
            self.stand(order, line, part, at).held += units;
            if elsewhere {
                self.post((item, from), [0, 0, -units, 0], None);
                self.post(key, [0, units, 0, 0], None);
            } else {
                self.post(key, [0, units, -units, 0], None);
            }
        }
    }

    /// Fills levels that were freed, each once, by item and preference.
    pub(super) fn fill_all(&mut self, mut freed: Vec<Key>) {
        let preference = self.by_preference();
        let rank = |at: usize| preference.iter().position(|&one| one == at);
        freed.sort_unstable_by_key(|&(item, at)| (item, rank(at)));
        freed.dedup();
        for key in freed {
            self.fill(key);
        }
    }

    pub(super) fn fill_item(&mut self, name: &str) -> Verdict {
        let item = self.item(name)?;
        if !self.items[item].recipe.is_empty() {
            return Err("bundle_has_no_stock");
        }
        for at in self.by_preference() {
            self.fill((item, at));
        }
        Ok(Outcome::Done)
    }
}
