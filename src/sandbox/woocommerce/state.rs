//! What is in the shop, and how it moves by itself.

use std::collections::BTreeMap;

use super::hooks::Hook;

/// Whether a product counts its stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Managed {
    /// It does.
    Own,
    /// Its parent does.
    Parent,
    /// Nobody does.
    No,
}

/// A product, or a variation of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its name; a variation's without that of its product.
    pub name: String,
    /// Its SKU; may be empty.
    pub sku: String,
    /// The product it is a variation of.
    pub parent: Option<u64>,
    /// Whether it is sold through variations only.
    pub is_variable: bool,
    /// Whether it counts its stock.
    pub managed: Managed,
    /// Its stock, where it counts it.
    pub stock: i64,
    /// Its price, in hundredths.
    pub price: i64,
    /// When it last changed, whole seconds.
    pub modified: i64,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where it stands, in the shop's own words.
    pub status: String,
    /// Its lines.
    pub lines: Vec<OrderLine>,
    /// When it was placed, whole seconds.
    pub created: i64,
    /// When it last changed.
    pub modified: i64,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// Its id.
    pub id: u64,
    /// What of: a product, or a variation.
    pub product: u64,
    /// Units.
    pub quantity: i64,
    /// Units that were taken off the stock for it.
    pub reduced: i64,
    /// Units that were refunded and put back.
    pub restocked: i64,
    /// The price of one, in hundredths.
    pub price: i64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// It answers nothing but 503.
    pub is_down: bool,
    /// WooCommerce is switched off, as for its update: the site knows no route of it.
    pub is_off: bool,
    /// Of so many writes of stock to come the answer is lost after they were done.
    pub lose_replies: u32,
    /// So many requests to come are one too many (429).
    pub too_many: u32,
    /// So many changes of orders to come fail before anything was done (500, no document).
    pub fail_orders: u32,
    /// So many writes of stock to come fail before anything was done (500).
    pub fail_writes: u32,
    /// It does not show what is in the bin (403).
    pub hides_bin: bool,
    /// An order that it cannot show (500), as where a plugin fails on it.
    pub broken_order: Option<u64>,
    /// How long each request travels before it is looked at, milliseconds.
    pub delay_ms: u64,
    /// So many requests to come fail before anything was done (500).
    pub fail: u32,
}

/// Everything the shop keeps.
#[derive(Debug, Default)]
pub struct ShopState {
    /// By id.
    pub products: BTreeMap<u64, Product>,
    /// By id.
    pub orders: BTreeMap<u64, Order>,
    /// What goes wrong.
    pub faults: Faults,
    /// Requests that were answered, by method and path without ids.
    pub requests: BTreeMap<String, u64>,
    /// Whenever a number was written from outside: product and number.
    pub writes: Vec<(u64, i64)>,
    /// What was noted of orders, the oldest first.
    pub notes: BTreeMap<u64, Vec<String>>,
    /// By how many seconds its clock is behind.
    pub clock_behind: i64,
    /// What it sells in.
    pub currency: String,
    /// How far its own time is ahead of UTC, in seconds.
    pub utc_offset: i64,
    /// What is sold just before the next number is written from outside.
    pub sell_before_write: Vec<(u64, i64)>,
    pub(super) hooks: BTreeMap<u64, Hook>,
    pub(super) queue: Vec<(String, u64)>,
    pub(super) nonces: std::collections::BTreeSet<String>,
    pub(super) next: u64,
}

impl ShopState {
    /// The next id: one sequence for everything, as WordPress has it.
    pub(super) fn next_id(&mut self) -> u64 {
        loop {
            self.next += 1;
            let id = 10 + self.next;
            // What was put in by hand has ids too.
            if !self.products.contains_key(&id) && !self.orders.contains_key(&id) {
                return id;
            }
        }
    }

    /// Adds a simple product that counts its stock.
    pub fn add_product(&mut self, sku: &str, stock: i64, price: i64) -> u64 {
        self.add(Product {
            name: format!("Product {sku}"),
            sku: sku.to_owned(),
            parent: None,
            is_variable: false,
            managed: Managed::Own,
            stock,
            price,
            modified: 0,
        })
    }

    /// Adds a product as it is given.
    pub fn add(&mut self, product: Product) -> u64 {
        let id = self.next_id();
        self.products.insert(id, product);
        self.happened("product.created", id);
        id
    }

    /// Who counts the stock of a product.
    fn holder(&self, id: u64) -> Option<u64> {
        let product = self.products.get(&id)?;
        match product.managed {
            Managed::Own => Some(id),
            Managed::Parent => product.parent.filter(|parent| {
                self.products.get(parent).is_some_and(|one| one.managed == Managed::Own)
            }),
            Managed::No => None,
        }
    }

    /// The number a product shows.
    pub fn stock_of(&self, id: u64) -> Option<i64> {
        self.holder(id).and_then(|holder| Some(self.products.get(&holder)?.stock))
    }

    /// Moves the stock of a product, where it is counted; whether it is.
    fn move_stock(&mut self, id: u64, units: i64, now: i64) -> bool {
        let Some(product) = self.holder(id).and_then(|holder| self.products.get_mut(&holder))
        else {
            return false;
        };
        product.stock += units;
        product.modified = now;
        // A variation's number fires for the variation itself.
        let holder = self.holder(id).unwrap_or(id);
        self.happened("product.updated", holder);
        true
    }

    pub(super) fn set_stock(&mut self, id: u64, quantity: i64, now: i64) {
        if let Some(product) = self.products.get_mut(&id) {
            product.stock = quantity;
            product.modified = now;
        }
        self.happened("product.updated", id);
    }

    pub(super) fn buy(&mut self, lines: &[(u64, i64)], now: i64) -> u64 {
        let id = self.next_id();
        let mut bought = Vec::new();
        for &(product, quantity) in lines {
            let line = self.next_id();
            let price = self.products.get(&product).map_or(0, |product| product.price);
            let reduced = if self.move_stock(product, -quantity, now) { quantity } else { 0 };
            bought.push(OrderLine { id: line, product, quantity, reduced, restocked: 0, price });
        }
        let status = "processing".to_owned();
        self.orders.insert(id, Order { status, lines: bought, created: now, modified: now });
        self.happened("order.created", id);
        self.happened("order.updated", id);
        id
    }

    pub(super) fn set_status(&mut self, id: u64, status: &str, now: i64) -> bool {
        let Some(order) = self.orders.get_mut(&id) else { return false };
        status.clone_into(&mut order.status);
        order.modified = now;
        let mut lines = order.lines.clone();
        // What takes stock takes it once; what gives it back gives what was taken. A
        // refunded order gives back nothing by itself.
        match status {
            "on-hold" | "processing" | "completed" => {
                for line in lines.iter_mut().filter(|line| line.reduced == 0) {
                    if self.move_stock(line.product, -line.quantity, now) {
                        line.reduced = line.quantity;
                    }
                }
            }
            "cancelled" | "pending" | "failed" => {
                for line in &mut lines {
                    if line.reduced > 0 && self.move_stock(line.product, line.reduced, now) {
                        line.reduced = 0;
                    }
                }
            }
            _ => {}
        }
        if let Some(order) = self.orders.get_mut(&id) {
            order.lines = lines;
        }
        self.happened("order.updated", id);
        true
    }

    /// Refunds one line in part, with its units put back.
    pub fn refund(&mut self, id: u64, line: usize, units: i64, now: i64) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.modified = now;
        let Some(line) = order.lines.get_mut(line) else { return };
        let back = units.min(line.reduced);
        line.reduced -= back;
        line.restocked += back;
        let product = line.product;
        self.move_stock(product, back, now);
        self.happened("order.updated", id);
    }

    /// Something is to be told to whoever wants to hear of it.
    fn happened(&mut self, topic: &str, id: u64) {
        let event = (topic.to_owned(), id);
        // One action waits once: the body is made when it is sent.
        if !self.queue.contains(&event) {
            self.queue.push(event);
        }
    }
}
