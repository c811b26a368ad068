//! The auditor: the rules of stock and orders written a second time, in memory,
//! from the words of the contract and not from the ledger's code. It says what
//! every command must lead to; the model test holds the database against it.
//!
//! Where the contract leaves a choice, the auditor makes the ledger's:
//! - `none` counts as paid when holds are taken;
//! - what stands at several locations is used up in the order the locations were
//!   created, owed units before held ones in a cancellation, held ones here,
//!   held ones elsewhere, then owed ones in a shipment;
//! - a fact without a time of its own is never history, even in the millisecond
//!   of the count;
//! - an expiry of owed units alone fills at its level too, a cancellation of
//!   owed units alone does not;
//! - a command that changes nothing writes nothing, and its key is not kept.

mod expiry;
mod goods;
mod lines;
mod orders;
mod page;
mod parcels;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::act::{Act, State, Units, Wish};

pub(crate) use lines::{Decided, Order, Paid};
pub(crate) use page::read as read_page;

/// What a command must lead to: done, nothing left to do, or the code of a refusal.
pub(crate) type Verdict = Result<Outcome, &'static str>;

/// A command that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Replayed,
}

/// A location.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) code: &'static str,
    pub(crate) priority: i64,
    pub(crate) sells: bool,
    pub(crate) sets_aside: bool,
}

/// An item, by its newest name.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    /// (item, units in one bundle); empty where it is no bundle.
    pub(crate) recipe: Vec<(usize, i64)>,
    pub(crate) discontinued: bool,
    pub(crate) stopped: bool,
}

/// What is at a location.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    pub(crate) shortfall: i64,
    pub(crate) safety: i64,
    /// When the last fixed point was observed.
    pub(crate) fixed_at: Option<i64>,
    /// (took effect at, change of `on_hand`, change of what is promised) of every movement.
    pub(crate) moves: Vec<(i64, i64, i64)>,
}

impl Shelf {
    pub(crate) const fn free(&self) -> i64 {
        self.on_hand - self.reserved
    }

    fn promise(&self) -> i64 {
        (self.on_hand - self.reserved - self.safety - self.shortfall).max(0)
    }

    fn room_for_fact(&self) -> i64 {
        (self.on_hand - self.reserved - self.shortfall).max(0)
    }
}

/// A change of a shelf: on hand, reserved, shortfall, safety.
pub(crate) type Change = [i64; 4];

/// An item at a location.
pub(crate) type Key = (usize, usize);

/// The whole of what must be true.
#[derive(Clone, Debug)]
pub(crate) struct Auditor {
    pub(crate) now: i64,
    pub(crate) hold_ms: i64,
    pub(crate) split: bool,
    pub(crate) spots: Vec<Spot>,
    pub(crate) items: Vec<Item>,
    pub(crate) names: BTreeMap<String, usize>,
    pub(crate) shelves: BTreeMap<Key, Shelf>,
    pub(crate) orders: Vec<Order>,
    keys: BTreeMap<String, Act>,
    wrote: bool,
}

impl Auditor {
    /// An empty ledger.
    pub(crate) fn new(now: i64, hold_ms: i64, split: bool, spots: Vec<Spot>) -> Self {
        Self {
            now,
            hold_ms,
            split,
            spots,
            items: Vec::new(),
            names: BTreeMap::new(),
            shelves: BTreeMap::new(),
            orders: Vec::new(),
            keys: BTreeMap::new(),
            wrote: false,
        }
    }

    /// Adds an item.
    pub(crate) fn add_item(&mut self, name: &str, recipe: Vec<(usize, i64)>) {
        self.names.insert(name.to_owned(), self.items.len());
        self.items.push(Item {
            name: name.to_owned(),
            recipe,
            discontinued: false,
            stopped: false,
        });
    }

    /// Before commands are decided together: what is due on their items expires.
    pub(crate) fn begin(&mut self, acts: &[&Act]) {
        let mut items = BTreeSet::new();
        let mut all = false;
        for act in acts {
            all |= **act == Act::ExpireDue;
            items.extend(act.names().iter().filter_map(|name| self.names.get(*name)));
            if let Some(order) = act.order().and_then(|id| self.find(id)) {
                for line in self.orders[order].lines.values() {
                    items.extend(line.item);
                    items.extend(line.parts.values().filter_map(|part| part.item));
                }
            }
        }
        // What expires there touches the other items of its order, where more may be due.
        loop {
            let count = items.len();
            let recipes = items.iter().flat_map(|&item| &self.items[item].recipe);
            let mut more: Vec<usize> = recipes.map(|&(part, _)| part).collect();
            for order in self.orders.iter().filter(|one| one.is_due(self.now)) {
                let parts = || order.lines.values().flat_map(|line| line.parts.values());
                let touched = |part: &lines::Part| part.item.is_some_and(|it| items.contains(&it));
                if parts().any(|part| part.counts().open() > 0 && touched(part)) {
                    more.extend(order.lines.values().filter_map(|line| line.item));
                    more.extend(parts().filter_map(|part| part.item));
                }
            }
            items.extend(more);
            if items.len() == count {
                break;
            }
        }
        self.expire(|part| all || part.item.is_some_and(|item| items.contains(&item)));
    }

    /// What a command leads to.
    pub(crate) fn apply(&mut self, key: Option<&str>, act: &Act) -> Verdict {
        if let Some(known) = key.and_then(|key| self.keys.get(key)) {
            return if known.is_as(act) {
                Ok(Outcome::Replayed)
            } else {
                Err("idempotency_mismatch")
            };
        }
        let before = self.clone();
        self.wrote = false;
        let verdict = self.act(act);
        if verdict.is_err() {
            *self = before;
        } else if let (Some(key), true) = (key, self.wrote) {
            self.keys.insert(key.to_owned(), act.clone());
        }
        verdict
    }

    fn act(&mut self, act: &Act) -> Verdict {
        match act {
            Act::Stock { item, at, move_, when, if_version } => {
                self.stock((item, *at), *move_, *when, *if_version)
            }
            Act::Place(wish) => self.place(wish, false),
            Act::Later(wish) => self.place(wish, true),
            Act::Decide { order, .. } => self.decide(order),
            Act::Import(state) => Ok(self.import(state)),
            Act::Pay { order, id } => self.pay(order, id, act),
            Act::Accept { order } => self.accept(order),
            Act::Ship { order, id, lines, at, when } => {
                self.ship((order, id, act), lines.as_deref(), *at, *when)
            }
            Act::Cancel { order, lines } => self.cancel(order, lines.as_deref()),
            Act::Return { order, id, lines, at, when } => {
                self.take_back((order, id, act), lines, *at, *when)
            }
            Act::Refund { order, id, lines } => self.refund((order, id, act), lines),
            Act::Allocate { order } => self.allocate(order),
            Act::FillItem { item } => self.fill_item(item),
            Act::Reassign { order, line, from, to } => self.reassign(order, *line, *from, *to),
            Act::ExpireDue => Ok(Outcome::Done),
            Act::Rename { from, to } => self.rename(from, to),
            Act::Discontinue { item } => self.discontinue(item),
            Act::StopSale { item } => self.sale(item, true),
            Act::ResumeSale { item } => self.sale(item, false),
        }
    }

    /// An order by its id.
    pub(crate) fn find(&self, id: &str) -> Option<usize> {
        self.orders.iter().position(|order| order.id == id)
    }

    fn known(&self, id: &str) -> Result<usize, &'static str> {
        self.find(id).ok_or("unknown_order")
    }

    fn item(&self, name: &str) -> Result<usize, &'static str> {
        self.names.get(name).copied().ok_or("unknown_sku")
    }

    /// The shelf, empty where nothing ever moved.
    pub(crate) fn shelf(&self, key: Key) -> Shelf {
        self.shelves.get(&key).cloned().unwrap_or_default()
    }

    /// Locations by priority, then code.
    fn by_preference(&self) -> Vec<usize> {
        let mut spots: Vec<usize> = (0..self.spots.len()).collect();
        spots.sort_by_key(|&spot| (self.spots[spot].priority, self.spots[spot].code));
        spots
    }

    /// Locations an order may use, best first.
    fn usable(&self, own: Option<usize>) -> Vec<usize> {
        match own {
            Some(own) => vec![own],
            None => self.by_preference().into_iter().filter(|&at| self.spots[at].sells).collect(),
        }
    }

    fn owed_at(&self, own: Option<usize>) -> usize {
        self.usable(own)[0]
    }

    /// Posts a movement: the only place where a shelf changes.
    fn post(&mut self, key: Key, change: Change, when: Option<i64>) {
        let effective_at = when.unwrap_or(self.now).min(self.now);
        let shelf = self.shelves.entry(key).or_default();
        shelf.on_hand += change[0];
        shelf.reserved += change[1];
        shelf.shortfall += change[2];
        shelf.safety += change[3];
        shelf.moves.push((effective_at, change[0], change[1] + change[2]));
        assert!(
            0 <= shelf.reserved && shelf.reserved <= shelf.on_hand && 0 <= shelf.shortfall,
            "the auditor itself broke a shelf: {shelf:?}"
        );
        self.wrote = true;
    }

    fn is_history(&self, key: Key, when: Option<i64>) -> bool {
        match (when, self.shelf(key).fixed_at) {
            (Some(when), Some(fixed)) => when < self.now && when <= fixed,
            _ => false,
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Verdict {
        let item = self.item(from)?;
        if self.items[item].name == to {
            return Ok(Outcome::Done);
        }
        if self.names.get(to).is_some_and(|&other| other != item) {
            return Err("already_exists");
        }
        self.names.insert(to.to_owned(), item);
        to.clone_into(&mut self.items[item].name);
        self.wrote = true;
        Ok(Outcome::Done)
    }

    fn sale(&mut self, name: &str, stop: bool) -> Verdict {
        let item = self.item(name)?;
        let found = &mut self.items[item];
        if found.discontinued {
            return if stop { Ok(Outcome::Done) } else { Err("invalid") };
        }
        self.wrote |= found.stopped != stop;
        found.stopped = stop;
        Ok(Outcome::Done)
    }

    /// Whether requests may have it.
    fn is_offered(&self, item: usize) -> bool {
        !self.items[item].discontinued && !self.items[item].stopped
    }

    fn discontinue(&mut self, name: &str) -> Verdict {
        let item = self.item(name)?;
        if self.items[item].discontinued {
            return Ok(Outcome::Done);
        }
        let promised = |at: usize| {
            let shelf = self.shelf((item, at));
            shelf.reserved + shelf.shortfall
        };
        if (0..self.spots.len()).map(promised).sum::<i64>() > 0 {
            return Err("has_open_reservations");
        }
        self.items[item].discontinued = true;
        self.wrote = true;
        Ok(Outcome::Done)
    }
}
