//! Writes histories: what is asked for next, by the dice and by what there is.

use super::act::{Act, Fate, Known, Move, PLACES, State, StateLine, Units, Wish};
use crate::auditor::{Auditor, Decided, Order};
use crate::dice::Dice;

/// Locations that orders are served from; the last one is for quarantine.
const SELLING: usize = PLACES.len() - 1;
/// The longest step into the past, milliseconds.
const BACK_MS: i64 = 600_000;

/// Makes up acts for one history.
pub(crate) struct Scribe {
    pub(crate) dice: Dice,
    /// What names of this history begin with.
    tag: String,
    count: u32,
}

impl Scribe {
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), tag: format!("{seed:x}"), count: 0 }
    }

    /// A name nobody has had.
    pub(crate) fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{}-{what}{}", self.tag, self.count)
    }

    /// The next act.
    pub(crate) fn act(&mut self, books: &Auditor) -> Act {
        let roll = self.dice.below(100);
        match roll {
            0..28 => self.stock(books),
            28..46 => self.wish(books),
            46..56 => self.state(books),
            56..57 => Act::Rename { from: self.item(books), to: self.new_name(books) },
            57..58 => Act::Discontinue { item: self.item(books) },
            58..60 => Act::ExpireDue,
            60..61 => self.sale(books),
            61..63 => Act::FillItem { item: self.item(books) },
            _ => self.about_order(books, roll),
        }
    }

    /// Mostly resumed again, or nothing would be sold.
    fn sale(&mut self, books: &Auditor) -> Act {
        let stopped = books.names.iter().find(|(_, item)| books.items[**item].stopped);
        match stopped {
            Some((item, _)) if self.dice.chance(80) => Act::ResumeSale { item: item.clone() },
            _ => Act::StopSale { item: self.item(books) },
        }
    }

    fn about_order(&mut self, books: &Auditor, roll: usize) -> Act {
        if self.dice.chance(1) {
            return Act::Accept { order: "nobody".to_owned() };
        }
        if books.orders.is_empty() {
            return self.wish(books);
        }
        let found = &books.orders[self.dice.below(books.orders.len())];
        let order = found.id.clone();
        match roll {
            63..71 => Act::Pay { order, id: self.fact(found, "payment") },
            71..72 => Act::Accept { order },
            72..76 => self.decide(books, found),
            76..82 => self.ship(found),
            82..88 => self.cancel(found),
            88..92 => self.take_back(found),
            92..95 => self.refund(found),
            95..97 => Act::Allocate { order },
            _ => self.reassign(found),
        }
    }

    fn item(&mut self, books: &Auditor) -> String {
        let names: Vec<&String> = books.names.keys().collect();
        // Much of it is about one item, so that orders contend for it.
        if self.dice.chance(40) { names[0].clone() } else { (*self.dice.pick(&names)).clone() }
    }

    fn plain_item(&mut self, books: &Auditor) -> String {
        let plain = |item: &usize| books.items[*item].recipe.is_empty();
        let names = books.names.iter().filter(|(_, item)| plain(item));
        let names: Vec<&String> = names.map(|(name, _)| name).collect();
        if self.dice.chance(40) { names[0].clone() } else { (*self.dice.pick(&names)).clone() }
    }

    /// A new name, or one that is taken.
    fn new_name(&mut self, books: &Auditor) -> String {
        if self.dice.chance(80) { self.name("R") } else { self.item(books) }
    }

    fn place(&mut self) -> usize {
        // Most of it happens at one location, so that things meet.
        if self.dice.chance(50) { 0 } else { self.dice.below(PLACES.len()) }
    }

    fn when(&mut self, books: &Auditor) -> Option<i64> {
        match self.dice.below(10) {
            0..7 => None,
            7 => Some(books.now + 1),
            8 => Some(books.now),
            _ => Some(books.now - self.dice.range(1, BACK_MS)),
        }
    }

    fn stock(&mut self, books: &Auditor) -> Act {
        let item = if self.dice.chance(2) { self.item(books) } else { self.plain_item(books) };
        let at = self.place();
        let shelf = books.shelf((books.names[&item], at));
        let dice = &mut self.dice;
        let move_ = match dice.below(14) {
            0..4 => Move::Receive(dice.range(2, 12)),
            4 => Move::Adjust(dice.range(1, 5)),
            5 => Move::Adjust(-dice.range(1, 4)),
            6 | 7 => Move::Count((shelf.on_hand + dice.range(-4, 3)).max(0)),
            8 => Move::CountAvailable(dice.range(0, 5)),
            9 | 10 => Move::Transfer(dice.range(1, 4), dice.below(PLACES.len())),
            11 | 12 => Move::WriteOff(dice.range(1, shelf.on_hand.clamp(1, 6) + 1)),
            _ => Move::Safety(dice.range(0, 3)),
        };
        let version = i64::try_from(shelf.moves.len()).unwrap();
        let if_version = dice.chance(8).then(|| (version - dice.range(0, 1)).max(0));
        let asked = matches!(move_, Move::Adjust(_) | Move::Transfer(..) | Move::Safety(_));
        let dated = !asked || self.dice.chance(5);
        let when = if dated { self.when(books) } else { None };
        Act::Stock { item, at, move_, when, if_version }
    }

    fn wish(&mut self, books: &Auditor) -> Act {
        if let (true, Some(again)) = (self.dice.chance(6), books.orders.last()) {
            // The same id again, with the same content or another.
            if let Act::Place(wish) = &again.content {
                let mut wish = wish.clone();
                wish.backorder ^= self.dice.chance(50);
                return self.now_or_later(wish);
            }
        }
        let mut lines = Vec::new();
        for _ in 0..self.dice.range(1, 3) {
            lines.push((self.item(books), self.dice.range(1, 4)));
        }
        if self.dice.chance(2) {
            lines.push(("NOBODY-HAS-THIS".to_owned(), 1));
        }
        let wish = Wish {
            order: self.name("P"),
            lines,
            at: match self.dice.below(20) {
                0..4 => Some(self.dice.below(SELLING)),
                4 => Some(SELLING),
                _ => None,
            },
            pay: self.dice.chance(50),
            backorder: self.dice.chance(35),
            hold_ms: self.dice.chance(20).then(|| self.dice.range(1, 1_000_000)),
        };
        self.now_or_later(wish)
    }

    fn now_or_later(&mut self, wish: Wish) -> Act {
        if self.dice.chance(20) { Act::Later(wish) } else { Act::Place(wish) }
    }

    /// The decision of an order, mostly of one that waits.
    fn decide(&mut self, books: &Auditor, other: &Order) -> Act {
        let waiting: Vec<&Order> = books.orders.iter().filter(|order| order.waits()).collect();
        let order = if waiting.is_empty() { other } else { *self.dice.pick(&waiting) };
        let (backorder, hold_ms) = match order.decided {
            Decided::Waits(backorder, hold_ms) => (backorder, hold_ms),
            Decided::Yes | Decided::Refused => (true, None),
        };
        Act::Decide { order: order.id.clone(), backorder, hold_ms }
    }

    fn state(&mut self, books: &Auditor) -> Act {
        let imported = |order: &&Order| matches!(order.content, Act::Import(_));
        let known: Vec<&Order> = books.orders.iter().filter(imported).collect();
        if !known.is_empty() && self.dice.chance(60) {
            let known = *self.dice.pick(&known);
            let Act::Import(state) = &known.content else { unreachable!() };
            let mut state = state.clone();
            state.version = self.dice.chance(90).then(|| self.dice.range(1, 6));
            state.when = self.when(books);
            if self.dice.chance(75) {
                state.lines = self.state_lines(books);
                state.pay = *self.dice.pick(&[Known::Nothing, Known::Awaited, Known::Paid]);
            }
            return Act::Import(state);
        }
        Act::Import(State {
            order: self.name("I"),
            version: self.dice.chance(90).then(|| self.dice.range(1, 4)),
            lines: self.state_lines(books),
            at: self.dice.chance(20).then(|| self.dice.below(SELLING)),
            pay: *self.dice.pick(&[Known::Nothing, Known::Awaited, Known::Paid]),
            when: self.when(books),
        })
    }

    fn state_lines(&mut self, books: &Auditor) -> Vec<StateLine> {
        let mut lines = Vec::new();
        for number in 1..=3 {
            if !self.dice.chance(60) && (number < 3 || !lines.is_empty()) {
                continue;
            }
            let units = self.dice.range(0, 4);
            let unknown = self.dice.chance(4);
            lines.push(StateLine {
                number,
                item: if unknown { format!("{}-GHOST", self.tag) } else { self.item(books) },
                units,
                shipped: if self.dice.chance(25) { self.dice.range(0, units) } else { 0 },
                by_channel: self.dice.chance(8),
            });
        }
        lines
    }

    /// A new id, or one the order knows already.
    fn fact(&mut self, order: &Order, kind: &str) -> String {
        let known: Vec<&str> =
            order.facts.keys().filter_map(|key| key.strip_prefix(kind)).collect();
        if !known.is_empty() && self.dice.chance(12) {
            return self.dice.pick(&known).trim().to_owned();
        }
        self.name("F")
    }

    fn units(&mut self, order: &Order) -> Units {
        let numbers: Vec<i64> = order.lines.keys().copied().collect();
        let line = if self.dice.chance(2) { 9 } else { *self.dice.pick(&numbers) };
        let parts = order.lines.get(&line).filter(|line| line.bundle);
        let part = parts.filter(|_| self.dice.chance(40)).map(|_| self.dice.range(1, 2));
        Units { line, part, units: self.dice.range(0, 4) }
    }

    /// One or two lines; now and then one of them again, with other units.
    fn lines(&mut self, order: &Order) -> Vec<Units> {
        let mut lines: Vec<Units> = (0..self.dice.range(1, 2)).map(|_| self.units(order)).collect();
        if self.dice.chance(20) {
            let again = *self.dice.pick(&lines);
            lines.push(Units { units: self.dice.range(0, 4), ..again });
        }
        lines
    }

    fn ship(&mut self, order: &Order) -> Act {
        let lines = if self.dice.chance(60) { Some(self.lines(order)) } else { None };
        Act::Ship {
            order: order.id.clone(),
            id: self.fact(order, "shipment"),
            lines,
            at: self.dice.chance(20).then(|| self.place()),
            when: None,
        }
    }

    fn cancel(&mut self, order: &Order) -> Act {
        let named = if self.dice.chance(50) { Some(self.lines(order)) } else { None };
        let lines = named.map(|lines| lines.iter().map(|one| (one.line, one.units)).collect());
        Act::Cancel { order: order.id.clone(), lines }
    }

    fn take_back(&mut self, order: &Order) -> Act {
        let mut lines = Vec::new();
        for units in self.lines(order) {
            let fate =
                *self.dice.pick(&[Fate::Restock, Fate::Restock, Fate::SetAside, Fate::Throw]);
            lines.push((units, fate));
        }
        let at = self.dice.chance(30).then(|| self.place());
        let id = self.fact(order, "return");
        Act::Return { order: order.id.clone(), id, lines, at, when: None }
    }

    fn refund(&mut self, order: &Order) -> Act {
        let lines = self.lines(order);
        let line = |one: Units| (one.line, one.units, self.dice.chance(70));
        let lines = lines.into_iter().map(line).collect();
        Act::Refund { order: order.id.clone(), id: self.fact(order, "refund"), lines }
    }

    fn reassign(&mut self, order: &Order) -> Act {
        let line = self.dice.chance(30).then(|| self.dice.range(1, 3));
        let (from, to) = (self.place(), self.dice.below(SELLING));
        Act::Reassign { order: order.id.clone(), line, from, to }
    }

    /// Puts a time into facts that have none, so that shipments and returns are
    /// late, too.
    pub(crate) fn date(&mut self, act: &mut Act, books: &Auditor) {
        if let Act::Ship { when, .. } | Act::Return { when, .. } = act {
            *when = self.when(books);
        }
    }
}
