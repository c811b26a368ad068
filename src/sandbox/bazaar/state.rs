//! What is in the marketplace, and how it moves by itself.

use std::collections::BTreeMap;

use super::hooks::{Event, Hook};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Something that is sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What it is called.
    pub title: String,
    /// The seller's text for it.
    pub sku: String,
    /// Units that can be sold at each place; `None` where they are not counted.
    pub stock: BTreeMap<String, Option<i64>>,
    /// Its price, in hundredths.
    pub price: i64,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its units are taken.
    Open,
    /// It has left.
    Shipped,
    /// It will not leave.
    Cancelled,
}

impl Status {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Shipped => "shipped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where it stands.
    pub status: Status,
    /// Its lines.
    pub lines: Vec<OrderLine>,
    /// When it was placed, milliseconds.
    pub placed: i64,
    /// When it last changed, milliseconds.
    pub changed: i64,
    /// Grows by one with each change.
    pub revision: i64,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// Its id.
    pub id: u64,
    /// What of.
    pub offer: u64,
    /// Where it leaves from.
    pub place: String,
    /// Units.
    pub quantity: i64,
    /// Of these, units that were taken off the place's number and not given back.
    pub taken: i64,
    /// The price of one, in hundredths.
    pub price: i64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// It answers nothing but 503.
    pub is_down: bool,
    /// Of so many writes of stock to come the answer is lost after they were done.
    pub lose_replies: u32,
    /// So many requests to come are one too many (429).
    pub too_many: u32,
    /// So many requests to come fail before anything was done (500).
    pub fail: u32,
    /// So many writes of stock to come are never answered, and never done.
    pub hang: u32,
}

/// What requests cost, where that is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Points of a full bucket.
    pub capacity: i64,
    /// Points that come back in a second.
    pub per_second: i64,
    /// Points that are left, and when they were.
    pub(super) left: i64,
    pub(super) at: i64,
}

impl Cost {
    /// A full bucket.
    pub const fn new(capacity: i64, per_second: i64) -> Self {
        Self { capacity, per_second, left: capacity, at: 0 }
    }

    /// Takes points; what is left, or in how many seconds there will be enough.
    pub(super) fn take(&mut self, points: i64, now: i64) -> Result<i64, i64> {
        let gained = (now - self.at).max(0).saturating_mul(self.per_second) / 1000;
        if gained > 0 {
            (self.left, self.at) = (self.left.saturating_add(gained).min(self.capacity), now);
        }
        if self.left < points {
            return Err((points - self.left) / self.per_second.max(1) + 1);
        }
        self.left -= points;
        Ok(self.left)
    }
}

/// Everything the marketplace keeps of one seller.
#[derive(Debug, Default)]
pub struct BazaarState {
    /// Names of its places, by id.
    pub places: BTreeMap<String, String>,
    /// By id.
    pub offers: BTreeMap<u64, Offer>,
    /// By id.
    pub orders: BTreeMap<u64, Order>,
    /// What goes wrong.
    pub faults: Faults,
    /// What requests cost.
    pub cost: Option<Cost>,
    /// By how many milliseconds its clock is behind.
    pub clock_behind: i64,
    /// Whether a cancelled order gives nothing back.
    pub keeps_cancelled: bool,
    /// Requests that came, by method and path without ids.
    pub requests: BTreeMap<String, u64>,
    /// Numbers that were written from outside: offer, place, number, and what was expected.
    pub writes: Vec<(u64, String, i64, i64)>,
    /// Changes of one number that it takes in a day, where that is limited.
    pub daily_max: Option<usize>,
    /// When each number was changed from outside: offer, place, the day.
    pub(super) changed: BTreeMap<(u64, String, i64), usize>,
    /// Writes that were refused because there were too many of the number in the day.
    pub over_daily: u64,
    /// Writes that were refused because something else was there.
    pub stale: u64,
    /// What is sold just before the next number is written from outside.
    pub sell_before_write: Vec<(u64, String, i64)>,
    /// What a clerk types just after the next write that is refused as stale.
    pub type_after_stale: Option<(u64, String, i64)>,
    pub(super) hook: Option<Hook>,
    pub(super) events: Vec<Event>,
    next: u64,
}

impl BazaarState {
    pub(super) fn with_places(places: &[&str]) -> Self {
        let named = places.iter().map(|id| ((*id).to_owned(), format!("Warehouse {id}")));
        Self { places: named.collect(), ..Self::default() }
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next += 1;
        700 + self.next
    }

    /// Adds an offer with units at its places.
    pub fn add_offer(&mut self, sku: &str, stock: &[(&str, i64)], price: i64) -> u64 {
        let id = self.next_id();
        let stock = stock.iter().map(|(place, units)| ((*place).to_owned(), Some(*units)));
        let title = format!("Offer {sku}");
        self.offers.insert(id, Offer { title, sku: sku.to_owned(), stock: stock.collect(), price });
        id
    }

    /// The number of an offer at a place.
    pub fn stock_of(&self, offer: u64, place: &str) -> Option<i64> {
        *self.offers.get(&offer)?.stock.get(place)?
    }

    /// Moves a number, where it is counted; whether it is.
    fn move_stock(&mut self, offer: u64, place: &str, units: i64) -> bool {
        let number = self.offers.get_mut(&offer).and_then(|offer| offer.stock.get_mut(place));
        let Some(Some(number)) = number else { return false };
        *number += units;
        self.happened(Event::stock(offer, place));
        true
    }

    pub(super) fn set_stock(&mut self, offer: u64, place: &str, quantity: i64) {
        let number = self.offers.get_mut(&offer).and_then(|offer| offer.stock.get_mut(place));
        if let Some(number) = number {
            *number = Some(quantity);
            self.happened(Event::stock(offer, place));
        }
    }

    /// Counts a change of a number from outside; whether it is taken.
    pub(super) fn may_change(&mut self, offer: u64, place: &str, now: i64) -> bool {
        let key = (offer, place.to_owned(), now.div_euclid(DAY_MS));
        let count = self.changed.entry(key).or_default();
        let may = self.daily_max.is_none_or(|max| *count < max);
        *count += usize::from(may);
        self.over_daily += u64::from(!may);
        may
    }

    pub(super) fn buy(&mut self, lines: &[(u64, &str, i64)], now: i64) -> Option<u64> {
        let mut wanted: BTreeMap<(u64, &str), i64> = BTreeMap::new();
        for &(offer, place, units) in lines {
            *wanted.entry((offer, place)).or_default() += units;
        }
        let has = |(&(offer, place), &units): (&(u64, &str), &i64)| {
            self.stock_of(offer, place).is_none_or(|there| there >= units)
        };
        if !wanted.iter().all(has) {
            return None;
        }
        let id = self.next_id();
        let mut bought = Vec::new();
        for &(offer, place, quantity) in lines {
            let line = self.next_id();
            let price = self.offers.get(&offer).map_or(0, |offer| offer.price);
            let taken = if self.move_stock(offer, place, -quantity) { quantity } else { 0 };
            let place = place.to_owned();
            bought.push(OrderLine { id: line, offer, place, quantity, taken, price });
        }
        let (status, placed, changed, revision) = (Status::Open, now, now, 1);
        self.orders.insert(id, Order { status, lines: bought, placed, changed, revision });
        self.happened(Event::order(id));
        Some(id)
    }

    pub(super) fn ship(&mut self, id: u64, now: i64) -> bool {
        self.end(id, Status::Shipped, now).is_some()
    }

    pub(super) fn cancel(&mut self, id: u64, now: i64) -> bool {
        let Some(lines) = self.end(id, Status::Cancelled, now) else { return false };
        if self.keeps_cancelled {
            return true;
        }
        for line in lines {
            self.move_stock(line.offer, &line.place, line.taken);
        }
        if let Some(order) = self.orders.get_mut(&id) {
            order.lines.iter_mut().for_each(|line| line.taken = 0);
        }
        true
    }

    /// Ends an open order; its lines as they were.
    fn end(&mut self, id: u64, status: Status, now: i64) -> Option<Vec<OrderLine>> {
        let order = self.orders.get_mut(&id).filter(|order| order.status == Status::Open)?;
        (order.status, order.changed) = (status, now);
        order.revision += 1;
        let lines = order.lines.clone();
        self.happened(Event::order(id));
        Some(lines)
    }

    /// Something is to be told to whoever wants to hear of it.
    fn happened(&mut self, event: Event) {
        let id = self.next_id();
        self.events.push(event.named(id));
    }
}
