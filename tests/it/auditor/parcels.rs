//! What goes out of the door and comes back; holds moved on purpose.

use std::collections::BTreeMap;

use super::lines::{Decided, NOWHERE, Part};
use super::{Act, Auditor, Key, Outcome, Units, Verdict};
use crate::model::act::Fate;

/// Units of a part leaving one place.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    line: i64,
    part: i64,
    from: usize,
    units: i64,
}

impl Auditor {
    pub(super) fn ship(
        &mut self,
        (order, id, act): (&str, &str, &Act),
        lines: Option<&[Units]>,
        at: Option<usize>,
        when: Option<i64>,
    ) -> Verdict {
        let order = self.known(order)?;
        if self.recorded(order, "shipment", id, act)? {
            return Ok(Outcome::Replayed);
        }
        let leaving = match lines {
            Some(lines) => self.named(order, lines, at)?,
            None => self.all_held(order, at),
        };
        if leaving.is_empty() {
            return Err("invalid");
        }
        for one in leaving {
            self.leave(order, one, when);
        }
        self.close_hold(order);
        Ok(Outcome::Done)
    }

    /// What is done with holds nothing that could run out.
    fn close_hold(&mut self, order: usize) {
        if self.orders[order].counts().open() == 0 {
            self.orders[order].expires_at = None;
        }
    }

    pub(super) fn ship_units(
        &mut self,
        order: usize,
        lines: &[Units],
        at: Option<usize>,
        when: Option<i64>,
    ) {
        for one in self.named(order, lines, at).unwrap() {
            self.leave(order, one, when);
        }
    }

    fn all_held(&self, order: usize, at: Option<usize>) -> Vec<Leaving> {
        let mut leaving: Vec<Leaving> = Vec::new();
        for (&line, found) in &self.orders[order].lines {
            for (&part, found) in &found.parts {
                for (&held_at, stand) in found.stands.iter().filter(|(_, stand)| stand.held > 0) {
                    let from = if held_at == NOWHERE { NOWHERE } else { at.unwrap_or(held_at) };
                    // One parcel leaves one door once, wherever its units were held.
                    let same =
                        |one: &&mut Leaving| (one.line, one.part, one.from) == (line, part, from);
                    match leaving.iter_mut().find(same) {
                        Some(one) => one.units += stand.held,
                        None => leaving.push(Leaving { line, part, from, units: stand.held }),
                    }
                }
            }
        }
        leaving
    }

    /// From where they are held; the rest where they are owed, else the first
    /// place the order may use. Walks the order, not the list: what the list says
    /// of a part at any place of it is one number.
    fn named(
        &self,
        order: usize,
        lines: &[Units],
        at: Option<usize>,
    ) -> Result<Vec<Leaving>, &'static str> {
        let said: Vec<&Units> = lines.iter().filter(|one| one.units > 0).collect();
        for one in &said {
            let line = self.orders[order].lines.get(&one.line).ok_or("unknown_line")?;
            if one.part.is_some_and(|part| !line.parts.contains_key(&part)) {
                return Err("unknown_line");
            }
        }
        let mut leaving = Vec::new();
        for (&number, line) in &self.orders[order].lines {
            for (&part_number, part) in &line.parts {
                let of_it = said.iter().filter(|one| one.line == number);
                let left: i64 = of_it
                    .map(|one| match one.part {
                        None => one.units * part.per_unit,
                        Some(wanted) if wanted == part_number => one.units,
                        Some(_) => 0,
                    })
                    .sum();
                if left > 0 {
                    let stocked = !line.by_channel && part.item.is_some();
                    let door = if stocked { at } else { Some(NOWHERE) };
                    let own = self.orders[order].own;
                    for (from, units) in self.doors(part, own, left, door) {
                        leaving.push(Leaving { line: number, part: part_number, from, units });
                    }
                }
            }
        }
        Ok(leaving)
    }

    /// Through which doors units of a part leave.
    fn doors(
        &self,
        part: &Part,
        own: Option<usize>,
        units: i64,
        door: Option<usize>,
    ) -> Vec<(usize, i64)> {
        if let Some(door) = door {
            return vec![(door, units)];
        }
        let mut left = units;
        let mut doors = Vec::new();
        for (&from, stand) in part.stands.iter().filter(|(_, stand)| stand.held > 0) {
            let units = stand.held.min(left);
            if units > 0 {
                doors.push((from, units));
                left -= units;
            }
        }
        if left > 0 {
            let owed = part.stands.iter().find(|(_, stand)| stand.owed > 0);
            let from = owed.map_or_else(|| self.owed_at(own), |(&from, _)| from);
            match doors.iter_mut().find(|(one, _)| *one == from) {
                Some((_, units)) => *units += left,
                None => doors.push((from, left)),
            }
        }
        doors
    }

    /// Its own hold, then its owed, then its cancelled units; beyond that the line grows.
    fn leave(&mut self, order: usize, leaving: Leaving, when: Option<i64>) {
        let Leaving { line, part, from, units } = leaving;
        let found = self.part(order, line, part);
        let mut left = units;
        let mut use_up = |count: &mut i64| {
            let used = left.min(*count);
            *count -= used;
            left -= used;
            used
        };
        let held_here = use_up(&mut found.stands.entry(from).or_default().held);
        let mut elsewhere = Vec::new();
        for (&at, stand) in found.stands.iter_mut().filter(|(at, _)| **at != from) {
            elsewhere.push((at, use_up(&mut stand.held), 0));
        }
        let owed_here = use_up(&mut found.stands.entry(from).or_default().owed);
        let others = found.stands.iter_mut().filter(|(at, _)| **at != from);
        for ((_, stand), one) in others.zip(&mut elsewhere) {
            one.2 = use_up(&mut stand.owed);
        }
        use_up(&mut found.cancelled);
        found.expired = found.expired.min(found.cancelled);
        found.stands.entry(from).or_default().shipped += units;
        let item = found.item;
        self.wrote = true;
        let counts = self.orders[order].counts();
        if counts.cancelled < counts.ordered {
            self.orders[order].reason = None; // What left was not cancelled, nor refused.
            if self.orders[order].decided == Decided::Refused {
                self.orders[order].decided = Decided::Yes;
            }
        }
        let Some(item) = item.filter(|_| from != NOWHERE) else { return };
        let mut freed: Vec<Key> = Vec::new();
        for (at, held, owed) in elsewhere.into_iter().filter(|(_, held, owed)| held + owed > 0) {
            self.post((item, at), [0, -held, -owed, 0], None);
            if held > 0 {
                freed.push((item, at));
            }
        }
        let key = (item, from);
        let history = self.is_history(key, when);
        if !history {
            self.make_room(key, units - held_here, when);
        }
        self.post(key, [if history { 0 } else { -units }, -held_here, -owed_here, 0], when);
        if history && held_here > 0 {
            freed.push(key);
        }
        self.fill_all(freed);
    }

    pub(super) fn take_back(
        &mut self,
        (order, id, act): (&str, &str, &Act),
        lines: &[(Units, Fate)],
        at: Option<usize>,
        when: Option<i64>,
    ) -> Verdict {
        let order = self.known(order)?;
        if self.recorded(order, "return", id, act)? {
            return Ok(Outcome::Replayed);
        }
        if lines.iter().all(|(units, _)| units.units == 0) {
            return Err("invalid");
        }
        for &(units, fate) in lines {
            self.come_back(order, units, fate, at, when)?;
        }
        Ok(Outcome::Done)
    }

    fn come_back(
        &mut self,
        order: usize,
        units: Units,
        fate: Fate,
        at: Option<usize>,
        when: Option<i64>,
    ) -> Result<(), &'static str> {
        let line = self.orders[order].lines.get(&units.line).ok_or("unknown_line")?;
        let parts: Vec<i64> = match units.part {
            Some(part) if line.parts.contains_key(&part) => vec![part],
            Some(_) => return Err("unknown_line"),
            None => line.parts.keys().copied().collect(),
        };
        let by_channel = line.by_channel;
        let own = self.orders[order].own;
        let aside = self.by_preference().into_iter().find(|&spot| self.spots[spot].sets_aside);
        let owed_at = self.owed_at(own);
        for number in parts {
            let part = self.part(order, units.line, number);
            let count = units.units * if units.part.is_some() { 1 } else { part.per_unit };
            part.returned = (part.returned + count).min(part.counts().shipped);
            let left_from = part.stands.iter().find(|(_, stand)| stand.shipped > 0);
            let left_from = left_from.map(|(&from, _)| from);
            let Some(item) = part.item.filter(|_| !by_channel) else { continue };
            let to = match (at, fate) {
                (Some(at), Fate::SetAside) if self.spots[at].sells => return Err("invalid"),
                (Some(at), _) => at,
                (None, Fate::SetAside) => aside.ok_or("invalid")?,
                (None, _) => left_from.unwrap_or(owed_at),
            };
            let key = (item, to);
            let history = self.is_history(key, when);
            let moved = if history { 0 } else { count };
            self.post(key, [moved, 0, 0, 0], when);
            match fate {
                Fate::Throw => self.post(key, [-moved, 0, 0, 0], when),
                Fate::Restock if !history => self.fill(key),
                Fate::Restock | Fate::SetAside => {}
            }
        }
        Ok(())
    }

    /// Units put back on sale are cancelled as far as they did not leave, else returned.
    pub(super) fn refund(
        &mut self,
        (order, id, act): (&str, &str, &Act),
        lines: &[(i64, i64, bool)],
    ) -> Verdict {
        let order = self.known(order)?;
        if self.recorded(order, "refund", id, act)? {
            return Ok(Outcome::Replayed);
        }
        for &(line, units, _) in lines.iter().filter(|(_, _, restock)| *restock) {
            let counts = self.orders[order].lines.get(&line).ok_or("unknown_line")?.counts();
            let waits = self.orders[order].waits();
            let waiting = self.orders[order].lines[&line].waiting();
            let cancelled = units.min(if waits { waiting } else { counts.open() });
            let returned = (units - cancelled).min(counts.shipped - counts.returned);
            if cancelled > 0 && waits {
                let units = BTreeMap::from([(line, cancelled)]);
                self.cancel_waiting_units(order, &units, "refunded");
            } else if cancelled > 0 {
                self.cancel_units(order, &[(line, cancelled)], "refunded");
            }
            if returned > 0 {
                let units = Units { line, part: None, units: returned };
                self.come_back(order, units, Fate::Restock, None, None)?;
            }
        }
        Ok(Outcome::Done)
    }

    /// Fills what an order is owed from whatever is unreserved where it may stand.
    pub(super) fn allocate(&mut self, order: &str) -> Verdict {
        let order = self.known(order)?;
        let spots = self.usable(self.orders[order].own);
        let mut owed = Vec::new();
        for (&line, found) in &self.orders[order].lines {
            for (&part, found) in &found.parts {
                for (&from, stand) in found.stands.iter().filter(|(_, stand)| stand.owed > 0) {
                    owed.extend(found.item.map(|item| (line, part, item, from, stand.owed)));
                }
            }
        }
        let mut outcome = Outcome::Replayed;
        for (line, part, item, from, mut left) in owed {
            for &at in &spots {
                let units = left.min(self.shelf((item, at)).free());
                if units <= 0 {
                    continue;
                }
                left -= units;
                outcome = Outcome::Done;
                self.stand(order, line, part, from).owed -= units;
                self.stand(order, line, part, at).held += units;
                if from == at {
                    self.post((item, at), [0, units, -units, 0], None);
                } else {
                    self.post((item, from), [0, 0, -units, 0], None);
                    self.post((item, at), [0, units, 0, 0], None);
                }
            }
        }
        Ok(outcome)
    }

    /// Moves holds, whole or not at all; bounded by what is unreserved there.
    pub(super) fn reassign(
        &mut self,
        order: &str,
        line: Option<i64>,
        from: usize,
        to: usize,
    ) -> Verdict {
        let order = self.known(order)?;
        let elsewhere = self.orders[order].own.is_some_and(|own| own != to);
        if from == to || elsewhere || !self.spots[to].sells {
            return Err("invalid");
        }
        let mut moves = Vec::new();
        for (&number, found) in &self.orders[order].lines {
            for (&part, found) in &found.parts {
                let held = found.at(from).held;
                if held > 0 && line.is_none_or(|line| line == number) {
                    moves.extend(found.item.map(|item| (number, part, item, held)));
                }
            }
        }
        if moves.is_empty() {
            return Ok(Outcome::Replayed);
        }
        let mut freed = Vec::new();
        for (line, part, item, units) in moves {
            if units > self.shelf((item, to)).free() {
                return Err("insufficient_stock");
            }
            self.stand(order, line, part, from).held -= units;
            self.stand(order, line, part, to).held += units;
            self.post((item, from), [0, -units, 0, 0], None);
            self.post((item, to), [0, units, 0, 0], None);
            freed.push((item, from));
        }
        self.fill_all(freed);
        Ok(Outcome::Done)
    }
}
