//! What is in the shop, and how its stock moves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Now;
use super::changes::Job;
use super::cost::Bucket;
use super::hooks::{Delivery, Hook};
use super::orders::Order;
use super::stock::Kept;

/// Ids of orders and of what belongs to them are above 2^53, where a float loses the last digit.
const LARGE: u64 = 9_007_199_254_740_993;
/// Ids of everything else.
const SMALL: u64 = 40_000_000;
/// What an app is granted unless a test says otherwise.
const SCOPES: [&str; 8] = [
    "read_orders",
    "write_orders",
    "read_products",
    "read_inventory",
    "write_inventory",
    "read_locations",
    "read_merchant_managed_fulfillment_orders",
    "write_merchant_managed_fulfillment_orders",
];

/// A place that holds stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// What it is called.
    pub name: String,
    /// Whether it is in use.
    pub is_active: bool,
    /// Whether orders of the web shop leave from it.
    pub fulfills_online: bool,
    /// Whether it belongs to somebody who ships for the merchant.
    pub is_service: bool,
}

/// A product; variants of it are sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// What it is called.
    pub title: String,
    /// Its status, in the shop's own words.
    pub status: String,
}

/// What may be sold of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// What is there.
    Deny,
    /// More than is there.
    Continue,
}

/// Something that is sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The product it is one of.
    pub product: u64,
    /// What it is counted as.
    pub item: u64,
    /// What it is called beside its product.
    pub title: String,
    /// Its SKU; may be empty, and others may have the same.
    pub sku: String,
    /// Its price, in hundredths.
    pub price: i64,
    /// What may be sold of it.
    pub policy: Policy,
    /// When it last changed, whole seconds. Its stock moves without this.
    pub updated: i64,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What is sold as it.
    pub variant: u64,
    /// Whether it is counted at all.
    pub is_tracked: bool,
    /// Whether it is made of others, and its number is theirs.
    pub is_bundle: bool,
    /// Whether it is shipped.
    pub is_shipped: bool,
    /// When it last changed, whole seconds. Its stock moves without this.
    pub updated: i64,
}

/// The stock of an item at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Units that can be sold; below 0 where more was sold than there was.
    pub available: i64,
    /// Units that are sold and have not left.
    pub committed: i64,
    /// Whether the item is stocked there.
    pub is_active: bool,
    /// When it last changed, whole seconds.
    pub updated: i64,
}

impl Level {
    /// Units that are there: what can be sold, and what is sold and has not left.
    pub const fn on_hand(&self) -> i64 {
        self.available + self.committed
    }
}

/// A number that was written from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The item.
    pub item: u64,
    /// The location.
    pub location: u64,
    /// Which of its numbers.
    pub name: Counted,
    /// The new number.
    pub quantity: i64,
    /// What was there.
    pub before: i64,
    /// What was expected to be there, where that was said.
    pub expected: Option<i64>,
}

/// A document as it was sent, and what it was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Its text.
    pub query: String,
    /// Its variables.
    pub variables: Value,
    /// The answer.
    pub reply: Value,
}

/// Which number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Units that can be sold.
    Available,
    /// Units that are there.
    OnHand,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// It answers nothing but 503.
    pub is_down: bool,
    /// Of so many writes of stock to come the answer is lost after they were done.
    pub lose_replies: u32,
    /// Of so many changes of orders to come the answer is lost after they were done.
    pub lose_changes: u32,
    /// So many requests to come are one too many (200, `THROTTLED`).
    pub too_many: u32,
    /// So many requests to come are one too many, and it is not said what they would have
    /// cost (200, `THROTTLED`, without `extensions.cost`).
    pub too_many_bare: u32,
    /// So many requests to come are turned away before they are looked at (429).
    pub turn_away: u32,
    /// How long those are told to wait (`Retry-After`): seconds with a fraction, as the shop
    /// writes them.
    pub turn_away_seconds: u32,
    /// So many requests to come fail before anything was done (500).
    pub fail: u32,
    /// So many requests to come fail before anything was done (200, `INTERNAL_SERVER_ERROR`).
    pub fail_inside: u32,
    /// So many writes of stock to come fail before anything was done (500).
    pub fail_writes: u32,
    /// So many changes of orders to come fail before anything was done (500).
    pub fail_orders: u32,
    /// So many writes of stock to come are never answered, and never done.
    pub hang: u32,
    /// Of so many writes of stock to come another with the same key is still being done.
    pub concurrent: u32,
    /// How long each request travels before it is looked at, milliseconds.
    pub delay_ms: u64,
}

/// What becomes of a number for an item that is not stocked at the location: the schema of
/// 2026-10 has dropped the error that there was for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unstocked {
    /// It is refused as `INVALID_LOCATION`, our reading of what is left.
    Refused,
    /// It is written, and the item is stocked there from now on.
    Stocked,
}

/// Habits that are not written down anywhere, or differ from shop to shop.
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// What becomes of a number for an item that is not stocked at the location.
    pub unstocked: Unstocked,
    /// It sells what is not there of every variant.
    pub oversells: bool,
    /// `orders/updated` of a new order leaves before its `orders/create`.
    pub updates_first: bool,
    /// An order is cancelled when [`State::finish_jobs`] is called, and not at once.
    pub cancels_later: bool,
    /// How many seconds after its last change an order is listed.
    pub lists_after: i64,
    /// What is moved is told of the fulfilment orders only: their order has not changed.
    pub moves_quietly: bool,
    /// Lists of this type have no end: after the last entry comes the first.
    pub endless: Option<&'static str>,
}

/// Everything the shop keeps.
#[derive(Debug)]
pub struct State {
    clock: Clock,
    /// What the shop is called.
    pub name: String,
    /// Its address at Shopify, by which webhooks name it.
    pub domain: String,
    /// What it sells in.
    pub currency: String,
    /// Its plan, as it is shown.
    pub plan: String,
    /// Whether that is the large one.
    pub is_plus: bool,
    /// What the app may do.
    pub scopes: BTreeSet<String>,
    /// Tokens that are believed, and until when, milliseconds since 1970.
    pub tokens: BTreeMap<String, i64>,
    /// By id.
    pub locations: BTreeMap<u64, Location>,
    /// By id.
    pub products: BTreeMap<u64, Product>,
    /// By id.
    pub variants: BTreeMap<u64, Variant>,
    /// By id.
    pub items: BTreeMap<u64, Item>,
    /// By item and location.
    pub levels: BTreeMap<(u64, u64), Level>,
    /// By id.
    pub orders: BTreeMap<u64, Order>,
    /// What goes wrong.
    pub faults: Faults,
    /// Its habits.
    pub quirks: Quirks,
    /// Points that requests cost.
    pub bucket: Bucket,
    /// Points that requests cost so far, each without what was given back.
    pub spent: i64,
    /// Requests that were one too many.
    pub throttled: u64,
    /// How many entries may be read page by page from one list.
    pub pages_max: i64,
    /// By how many milliseconds its clock is behind.
    pub clock_behind: i64,
    /// Whether the app is installed: one that is not gets no token.
    pub is_installed: bool,
    /// Requests that came, by what they ask for at the top.
    pub requests: BTreeMap<String, u64>,
    /// Numbers that were written from outside.
    pub writes: Vec<Write>,
    /// Numbers that were refused because something else was there.
    pub stale: u64,
    /// Whether it keeps what is said.
    pub keeps_exchanges: bool,
    /// What was said, where that is kept.
    pub exchanges: Vec<Exchange>,
    /// Terms of searches that the shop does not know, and therefore left out.
    pub ignored: BTreeSet<String>,
    /// What is sold just before the next number is written from outside: variant, location
    /// and units.
    pub sell_before_write: Vec<(u64, u64, i64)>,
    /// Lines of orders that have so many units, from a second later on, as soon as something
    /// of an order was read: one of them each time.
    pub edit_while_read: Vec<(u64, u64, i64)>,
    /// What a clerk types just after the next number that is refused as stale: item,
    /// location and number.
    pub type_after_stale: Option<(u64, u64, i64)>,
    /// What webhooks are signed with where it is not the secret of the app: the one before,
    /// for up to an hour after it was changed.
    pub old_secret: Option<String>,
    pub(super) kept: BTreeMap<String, Kept>,
    pub(super) hooks: BTreeMap<u64, Hook>,
    pub(super) queue: Vec<Delivery>,
    pub(super) jobs: Vec<Job>,
    /// The event that is under way, by its id: all that is told of it has that.
    pub(super) event: Option<u64>,
    next: u64,
    /// The number of the last order.
    number: i64,
}

/// Where the time comes from.
struct Clock(Now);

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a clock")
    }
}

impl State {
    pub(super) fn new(now: Now) -> Self {
        let quirks = Quirks {
            unstocked: Unstocked::Refused,
            oversells: false,
            updates_first: false,
            cancels_later: false,
            lists_after: 0,
            moves_quietly: false,
            endless: None,
        };
        Self {
            clock: Clock(now),
            name: "Twin Shop".to_owned(),
            domain: "twin-shop.myshopify.com".to_owned(),
            currency: "EUR".to_owned(),
            plan: "Basic".to_owned(),
            is_plus: false,
            scopes: SCOPES.iter().map(|&scope| scope.to_owned()).collect(),
            tokens: BTreeMap::new(),
            locations: BTreeMap::new(),
            products: BTreeMap::new(),
            variants: BTreeMap::new(),
            items: BTreeMap::new(),
            levels: BTreeMap::new(),
            orders: BTreeMap::new(),
            faults: Faults::default(),
            quirks,
            bucket: Bucket::new(2000, 100),
            spent: 0,
            throttled: 0,
            pages_max: 25_000,
            clock_behind: 0,
            is_installed: true,
            requests: BTreeMap::new(),
            writes: Vec::new(),
            stale: 0,
            keeps_exchanges: false,
            exchanges: Vec::new(),
            ignored: BTreeSet::new(),
            sell_before_write: Vec::new(),
            edit_while_read: Vec::new(),
            type_after_stale: None,
            old_secret: None,
            kept: BTreeMap::new(),
            hooks: BTreeMap::new(),
            queue: Vec::new(),
            jobs: Vec::new(),
            event: None,
            next: 0,
            number: 1000,
        }
    }

    pub(super) fn keep(&mut self, query: &str, variables: &Map<String, Value>, reply: &Value) {
        if self.keeps_exchanges {
            let (query, variables) = (query.to_owned(), Value::Object(variables.clone()));
            self.exchanges.push(Exchange { query, variables, reply: reply.clone() });
        }
    }

    /// What time it is there, milliseconds since 1970.
    pub fn millis(&self) -> i64 {
        (self.clock.0)() - self.clock_behind
    }

    /// What time it is there, whole seconds since 1970: nothing finer is kept.
    pub fn seconds(&self) -> i64 {
        self.millis().div_euclid(1000)
    }

    /// Leaves so many points for requests, as of now.
    pub fn drain(&mut self, points: i64) {
        let now = self.millis();
        self.bucket.set(points, now);
    }

    /// An id for something small.
    pub(super) fn small_id(&mut self) -> u64 {
        self.next += 1;
        SMALL + self.next
    }

    /// An id for an order, or for something that belongs to one.
    pub(super) fn large_id(&mut self) -> u64 {
        self.next += 1;
        LARGE + self.next
    }

    /// The number of the next order.
    pub(super) const fn next_number(&mut self) -> i64 {
        self.number += 1;
        self.number
    }

    /// Adds a location that orders of the web shop leave from.
    pub fn add_location(&mut self, name: &str) -> u64 {
        let (id, name) = (self.small_id(), name.to_owned());
        let location = Location { name, is_active: true, fulfills_online: true, is_service: false };
        self.locations.insert(id, location);
        id
    }

    /// Adds a product of one variant that is counted, with units at its locations; its
    /// variant.
    pub fn add_variant(&mut self, sku: &str, stock: &[(u64, i64)], price: i64) -> u64 {
        let product = self.small_id();
        let (title, status) = (format!("Product {sku}"), "ACTIVE".to_owned());
        self.products.insert(product, Product { title, status });
        let (id, item, updated) = (self.small_id(), self.small_id(), self.seconds());
        let (title, sku, policy) = ("Default Title".to_owned(), sku.to_owned(), Policy::Deny);
        self.variants.insert(id, Variant { product, item, title, sku, price, policy, updated });
        let one =
            Item { variant: id, is_tracked: true, is_bundle: false, is_shipped: true, updated };
        self.items.insert(item, one);
        for &(location, available) in stock {
            let level = Level { available, committed: 0, is_active: true, updated };
            self.levels.insert((item, location), level);
        }
        id
    }

    /// What a variant is counted as.
    pub fn item_of(&self, variant: u64) -> Option<u64> {
        Some(self.variants.get(&variant)?.item)
    }

    /// Units of a variant that can be sold at a location where it is stocked.
    pub fn stock_of(&self, variant: u64, location: u64) -> Option<i64> {
        let level = self.levels.get(&(self.item_of(variant)?, location))?;
        level.is_active.then_some(level.available)
    }

    /// Moves the numbers of an item that is counted.
    pub(super) fn move_stock(&mut self, (item, location): (u64, u64), available: i64, sold: i64) {
        if !self.items.get(&item).is_some_and(|item| item.is_tracked) {
            return;
        }
        let now = self.seconds();
        let Some(level) = self.levels.get_mut(&(item, location)) else { return };
        level.available += available;
        level.committed += sold;
        level.updated = now;
        if available != 0 {
            self.stock_happened(item, location);
        }
    }
}
