//! The order's life up to the door: placed, imported, paid, cancelled, expired.

use std::collections::BTreeMap;

use super::lines::{Decided, Line, NOWHERE, Order, Paid, Part, Stand};
use super::{Act, Auditor, Key, Outcome, State, Units, Verdict, Wish};
use crate::model::act::{Known, StateLine};

/// Units of a part that are to be held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    /// Of a discontinued bundle: a request gets nothing.
    pub(super) closed: bool,
    pub(super) line: i64,
    pub(super) part: i64,
    pub(super) item: usize,
    pub(super) units: i64,
}

/// (want, location, units) held, and what is missing of each want.
pub(super) type Plan = (Vec<(usize, usize, i64)>, Vec<i64>);

impl Auditor {
    pub(super) fn stand(&mut self, order: usize, line: i64, part: i64, at: usize) -> &mut Stand {
        self.part(order, line, part).stands.entry(at).or_default()
    }

    pub(super) fn part(&mut self, order: usize, line: i64, part: i64) -> &mut Part {
        let line = self.orders[order].lines.get_mut(&line).unwrap();
        line.parts.get_mut(&part).unwrap()
    }

    pub(super) fn place(&mut self, wish: &Wish, later: bool) -> Verdict {
        let content = Act::Place(wish.clone());
        if let Some(order) = self.find(&wish.order) {
            let same = self.orders[order].content == content;
            return if same { Ok(Outcome::Replayed) } else { Err("idempotency_mismatch") };
        }
        if wish.at.is_some_and(|at| !self.spots[at].sells) {
            return Err("invalid");
        }
        let mut lines = BTreeMap::new();
        let mut units = Vec::new();
        for (number, (name, count)) in (1..).zip(&wish.lines) {
            self.item(name)?;
            lines.insert(number, self.line(name, false));
            units.push((number, *count));
        }
        let hold_ms = wish.hold_ms.or(wish.pay.then_some(self.hold_ms));
        self.orders.push(Order {
            decided: Decided::Yes,
            id: wish.order.clone(),
            paid: if wish.pay { Paid::Awaited } else { Paid::NotAsked },
            accepted: false,
            own: wish.at,
            expires_at: hold_ms.map(|hold_ms| self.now + hold_ms),
            reason: None,
            content,
            version: None,
            lines,
            facts: BTreeMap::new(),
        });
        let order = self.orders.len() - 1;
        let wants = self.wants(order, &units);
        if later {
            self.queue(order, &wants, wish.backorder);
            return Ok(Outcome::Done);
        }
        let plan = self.plan(&wants, wish.at, false);
        if self.is_refused(&wants, &plan, wish.backorder) {
            return Err("insufficient_stock");
        }
        self.hold(order, &wants, &plan);
        self.wrote = true;
        Ok(Outcome::Done)
    }

    fn line(&self, name: &str, by_channel: bool) -> Line {
        let item = self.names.get(name).copied();
        let recipe = item.map(|item| self.items[item].recipe.clone()).unwrap_or_default();
        let parts: BTreeMap<i64, Part> = if recipe.is_empty() {
            BTreeMap::from([(0, Part::new(item, 1))])
        } else {
            (1..).zip(recipe).map(|(n, (item, units))| (n, Part::new(Some(item), units))).collect()
        };
        Line { item, bundle: parts.len() > 1 || !parts.contains_key(&0), by_channel, parts }
    }

    /// What lines want of shelves; what is on no shelf is counted at once.
    fn wants(&mut self, order: usize, units: &[(i64, i64)]) -> Vec<Want> {
        let mut wants = Vec::new();
        for &(line, count) in units {
            let found = &self.orders[order].lines[&line];
            let by_channel = found.by_channel;
            let closed = found.bundle && found.item.is_some_and(|item| !self.is_offered(item));
            for (&part, found) in &mut self.orders[order].lines.get_mut(&line).unwrap().parts {
                let units = count * found.per_unit;
                match found.item {
                    Some(item) if !by_channel => {
                        wants.push(Want { closed, line, part, item, units });
                    }
                    _ if by_channel => found.stands.entry(NOWHERE).or_default().held += units,
                    _ => found.stands.entry(NOWHERE).or_default().owed += units,
                }
            }
        }
        wants
    }

    /// What is not offered is not owed either.
    pub(super) fn is_refused(&self, wants: &[Want], plan: &Plan, backorder: bool) -> bool {
        let mut missing = wants.iter().zip(&plan.1).filter(|(_, missing)| **missing > 0);
        missing.any(|(want, _)| !backorder || want.closed || !self.is_offered(want.item))
    }

    fn room(&self, key: Key, fact: bool) -> i64 {
        match fact {
            true => self.shelf(key).room_for_fact(),
            false if !self.is_offered(key.0) => 0,
            false => self.shelf(key).promise(),
        }
    }

    /// One location for all, else whole lines, else split; without splitting, the best one.
    pub(super) fn plan(&self, wants: &[Want], own: Option<usize>, fact: bool) -> Plan {
        let spots = self.usable(own);
        let mut room: BTreeMap<Key, i64> = BTreeMap::new();
        for want in wants {
            for &at in &spots {
                room.insert((want.item, at), self.room((want.item, at), fact));
            }
        }
        let mut missing: Vec<i64> = wants.iter().map(|want| want.units).collect();
        let mut placed = Vec::new();
        let mut take = |indexes: &[usize], at: usize, room: &mut BTreeMap<Key, i64>| {
            for &index in indexes {
                let left = room.entry((wants[index].item, at)).or_default();
                let units = missing[index].min(*left);
                if units > 0 {
                    *left -= units;
                    missing[index] -= units;
                    placed.push((index, at, units));
                }
            }
        };
        let all: Vec<usize> =
            (0..wants.len()).filter(|&index| fact || !wants[index].closed).collect();
        if let Some(&at) = spots.iter().find(|&&at| serves(wants, &all, at, &room)) {
            take(&all, at, &mut room);
        } else if fact || self.split {
            let mut rest = Vec::new();
            for line in all.chunk_by(|&one, &two| wants[one].line == wants[two].line) {
                match spots.iter().find(|&&at| serves(wants, line, at, &room)) {
                    Some(&at) => take(line, at, &mut room),
                    None => rest.push(line),
                }
            }
            for line in rest {
                for &at in &spots {
                    take(line, at, &mut room);
                }
            }
        } else {
            let served = |at: usize| {
                demand(wants, &all).iter().map(|(item, units)| room[&(*item, at)].min(*units)).sum()
            };
            let best: Option<(i64, usize)> = spots.iter().map(|&at| (served(at), at)).fold(
                None,
                |best: Option<(i64, usize)>, one| {
                    if best.is_none_or(|best| one.0 > best.0) { Some(one) } else { best }
                },
            );
            if let Some((_, at)) = best {
                take(&all, at, &mut room);
            }
        }
        (placed, missing)
    }

    pub(super) fn hold(&mut self, order: usize, wants: &[Want], (placed, missing): &Plan) {
        let owed_at = self.owed_at(self.orders[order].own);
        let mut moves: BTreeMap<(i64, i64, usize, usize), (i64, i64)> = BTreeMap::new();
        for &(index, at, units) in placed {
            let Want { line, part, item, .. } = wants[index];
            moves.entry((line, part, item, at)).or_default().0 += units;
        }
        for (want, &units) in wants.iter().zip(missing).filter(|(_, units)| **units > 0) {
            moves.entry((want.line, want.part, want.item, owed_at)).or_default().1 += units;
        }
        for ((line, part, item, at), (held, owed)) in moves {
            let stand = self.stand(order, line, part, at);
            stand.held += held;
            stand.owed += owed;
            self.post((item, at), [0, held, owed, 0], None);
        }
    }

    pub(super) fn import(&mut self, state: &State) -> Outcome {
        let unversioned = State { version: None, when: None, ..state.clone() };
        let content = Act::Import(unversioned);
        let Some(order) = self.find(&state.order) else {
            let fresh = |line: &StateLine| (line.number, self.line(&line.item, line.by_channel));
            let lines = state.lines.iter().map(fresh).collect();
            self.orders.push(Order {
                decided: Decided::Yes,
                id: state.order.clone(),
                paid: known(state.pay),
                accepted: false,
                own: state.at,
                expires_at: None,
                reason: None,
                content,
                version: state.version,
                lines,
                facts: BTreeMap::new(),
            });
            self.wrote = true;
            self.follow(self.orders.len() - 1, state);
            return Outcome::Done;
        };
        let stored = self.orders[order].version;
        let same = self.orders[order].content == content;
        let seen = match (state.version, stored) {
            (Some(new), Some(stored)) => new <= stored,
            (Some(_), None) => false,
            (None, _) => same,
        };
        if seen {
            return Outcome::Replayed;
        }
        self.wrote = true;
        if same {
            // Nothing changed but the version, which what comes late must find.
            self.orders[order].version = state.version;
            return Outcome::Done;
        }
        self.overrule(order);
        for line in &state.lines {
            let fresh = self.line(&line.item, line.by_channel);
            self.orders[order].lines.entry(line.number).or_insert(fresh);
        }
        let found = &mut self.orders[order];
        found.content = content;
        found.version = state.version.or(found.version);
        let paid_here = found.facts.keys().any(|fact| fact.starts_with("payment "));
        if !(paid_here && found.paid == Paid::Yes) {
            found.paid = known(state.pay);
        }
        self.follow(order, state);
        Outcome::Done
    }

    /// Moves lines to a state: what left leaves, what is less is cancelled, what
    /// is more is held or owed.
    fn follow(&mut self, order: usize, state: &State) {
        let own = self.orders[order].own;
        for line in &state.lines {
            let left = line.shipped - self.orders[order].lines[&line.number].counts().shipped;
            if left > 0 {
                let units = Units { line: line.number, part: None, units: left };
                self.ship_units(order, &[units], own, state.when);
            }
        }
        let (mut less, mut more) = (Vec::new(), Vec::new());
        for line in &state.lines {
            let counts = self.orders[order].lines[&line.number].counts();
            let change = line.units.max(counts.shipped) - counts.open() - counts.shipped;
            match change {
                0 => {}
                1.. => more.push((line.number, change)),
                _ => less.push((line.number, -change)),
            }
        }
        more.sort_unstable();
        for (&number, line) in &self.orders[order].lines {
            if !state.lines.iter().any(|one| one.number == number) && line.counts().open() > 0 {
                less.push((number, line.counts().open()));
            }
        }
        if !less.is_empty() {
            self.cancel_units(order, &less, "changed at the source");
        }
        if !more.is_empty() {
            let wants = self.wants(order, &more);
            let plan = self.plan(&wants, own, true);
            self.hold(order, &wants, &plan);
        }
    }

    pub(super) fn pay(&mut self, order: &str, id: &str, act: &Act) -> Verdict {
        let order = self.known(order)?;
        if self.recorded(order, "payment", id, act)? {
            return Ok(Outcome::Replayed);
        }
        let counts = self.orders[order].counts();
        if counts.cancelled < counts.ordered || self.orders[order].waits() {
            self.settle(order);
            return Ok(Outcome::Done);
        }
        let mut wants = Vec::new();
        for (&line, found) in &self.orders[order].lines {
            for (&part, found) in found.parts.iter().filter(|(_, found)| found.expired > 0) {
                let Some(item) = found.item else { return Ok(Outcome::Done) };
                wants.push(Want { closed: false, line, part, item, units: found.expired });
            }
        }
        let plan = self.plan(&wants, self.orders[order].own, true);
        if wants.is_empty() || plan.1.iter().any(|&missing| missing > 0) {
            return Ok(Outcome::Done);
        }
        self.settle(order);
        self.orders[order].reason = None;
        for part in self.orders[order].lines.values_mut().flat_map(|line| line.parts.values_mut()) {
            part.cancelled -= part.expired;
            part.expired = 0;
        }
        self.hold(order, &wants, &plan);
        Ok(Outcome::Done)
    }

    fn settle(&mut self, order: usize) {
        self.orders[order].paid = Paid::Yes;
        self.orders[order].expires_at = None;
    }

    /// Whether a fact was recorded before; other content under its id is refused.
    pub(super) fn recorded(
        &mut self,
        order: usize,
        kind: &str,
        id: &str,
        act: &Act,
    ) -> Result<bool, &'static str> {
        let key = format!("{kind} {id}");
        match self.orders[order].facts.get(&key) {
            Some(known) if known == act => return Ok(true),
            Some(_) => return Err("idempotency_mismatch"),
            None => {}
        }
        self.orders[order].facts.insert(key, act.clone());
        self.wrote = true;
        Ok(false)
    }

    pub(super) fn accept(&mut self, order: &str) -> Verdict {
        let order = self.known(order)?;
        if self.orders[order].accepted {
            return Ok(Outcome::Replayed);
        }
        self.orders[order].accepted = true;
        self.wrote = true;
        Ok(Outcome::Done)
    }

    pub(super) fn cancel(&mut self, order: &str, lines: Option<&[(i64, i64)]>) -> Verdict {
        let order = self.known(order)?;
        let counts = self.orders[order].counts();
        for (line, _) in lines.unwrap_or_default() {
            self.orders[order].lines.get(line).ok_or("unknown_line")?;
        }
        if self.orders[order].waits() {
            return self.cancel_waiting(order, lines);
        }
        if counts.open() == 0 && counts.shipped > 0 && counts.cancelled == 0 {
            return Err("already_shipped");
        }
        if counts.open() == 0 {
            return Ok(Outcome::Replayed);
        }
        let all = self.orders[order].lines.iter();
        let open: BTreeMap<i64, i64> =
            all.map(|(&number, line)| (number, line.counts().open())).collect();
        let mut sums: BTreeMap<i64, i64> = BTreeMap::new();
        for &(line, units) in lines.unwrap_or_default() {
            *sums.entry(line).or_default() += units;
        }
        let sums = if lines.is_some() { sums } else { open.clone() };
        let left = |line: &i64, units: i64| units > 0 && open[line] > 0;
        let lines: Vec<_> = sums.into_iter().filter(|(line, units)| left(line, *units)).collect();
        if lines.is_empty() {
            return Ok(Outcome::Replayed);
        }
        for &(line, units) in &lines {
            if units > open[&line] {
                return Err("invalid");
            }
        }
        self.cancel_units(order, &lines, "requested");
        Ok(Outcome::Done)
    }

    /// Cancels units of lines: owed ones first, so that holds stay.
    pub(super) fn cancel_units(&mut self, order: usize, lines: &[(i64, i64)], why: &'static str) {
        let mut freed = Vec::new();
        let mut cuts = Vec::new();
        for &(line, units) in lines.iter().filter(|(_, units)| *units > 0) {
            let found = &self.orders[order].lines[&line];
            let keep = found.counts().open() - units;
            for (&part, found) in &found.parts {
                cuts.push((line, part, (found.counts().open() - keep * found.per_unit).max(0)));
            }
        }
        for (line, part, units) in cuts {
            let mut left = units;
            let mut moves: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
            let found = self.part(order, line, part);
            for (&at, stand) in &mut found.stands {
                let owed = stand.owed.min(left);
                stand.owed -= owed;
                left -= owed;
                moves.entry(at).or_default().1 = owed;
            }
            for (&at, stand) in &mut found.stands {
                let held = stand.held.min(left);
                stand.held -= held;
                left -= held;
                moves.entry(at).or_default().0 = held;
            }
            found.cancelled += units;
            let item = found.item;
            for (at, (held, owed)) in moves {
                if let Some(item) = item.filter(|_| held + owed > 0 && at != NOWHERE) {
                    self.post((item, at), [0, -held, -owed, 0], None);
                    if held > 0 {
                        freed.push((item, at));
                    }
                }
            }
        }
        self.wrote = true;
        let counts = self.orders[order].counts();
        if counts.open() == 0 {
            self.orders[order].expires_at = None;
        }
        if counts.cancelled == counts.ordered {
            self.orders[order].reason = Some(why);
        }
        self.fill_all(freed);
    }
}

fn known(pay: Known) -> Paid {
    match pay {
        Known::Nothing => Paid::NotAsked,
        Known::Awaited => Paid::Awaited,
        Known::Paid => Paid::Yes,
    }
}

fn demand(wants: &[Want], indexes: &[usize]) -> BTreeMap<usize, i64> {
    let mut demand = BTreeMap::new();
    for &index in indexes {
        *demand.entry(wants[index].item).or_insert(0) += wants[index].units;
    }
    demand
}

/// Whether one location has all that the wants sum up to.
fn serves(wants: &[Want], indexes: &[usize], at: usize, room: &BTreeMap<Key, i64>) -> bool {
    demand(wants, indexes).iter().all(|(item, units)| room[&(*item, at)] >= *units)
}
