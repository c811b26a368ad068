//! What is bought, and what becomes of whole orders.

use std::collections::BTreeMap;

use super::orders::{Financial, Line, Order, Work};
use super::state::{Policy, State};

/// A line that is bought: the variant, and the units that leave from each location.
type Wanted = (u64, Vec<(u64, i64)>);

impl State {
    /// Whether units of a variant are sold at a location.
    pub(super) fn may_sell(&self, item: u64, location: u64, units: i64) -> bool {
        let Some(one) = self.items.get(&item) else { return false };
        let policy = self.variants.get(&one.variant).map(|variant| variant.policy);
        let level = self.levels.get(&(item, location)).filter(|level| level.is_active);
        let goes_below = self.quirks.oversells || policy == Some(Policy::Continue);
        !one.is_tracked || level.is_some_and(|level| goes_below || level.available >= units)
    }

    /// Somebody buys units of variants, each from a location; one variant may be on two
    /// lines. The id of the order, where it is taken.
    pub fn buy(&mut self, lines: &[(u64, u64, i64)], financial: Financial) -> Option<u64> {
        let one =
            |&(variant, location, units): &(u64, u64, i64)| (variant, vec![(location, units)]);
        self.place(&lines.iter().map(one).collect::<Vec<Wanted>>(), financial)
    }

    /// Somebody buys units of variants, and no one location has all of a line: units leave
    /// from each, and the order has a fulfilment order for each from the start. The id of the
    /// order, where it is taken.
    pub fn buy_split(
        &mut self,
        lines: &[(u64, &[(u64, i64)])],
        financial: Financial,
    ) -> Option<u64> {
        let one = |&(variant, parts): &(u64, &[(u64, i64)])| (variant, parts.to_vec());
        self.place(&lines.iter().map(one).collect::<Vec<Wanted>>(), financial)
    }

    fn place(&mut self, lines: &[Wanted], financial: Financial) -> Option<u64> {
        let mut taken: BTreeMap<(u64, u64), i64> = BTreeMap::new();
        for (variant, parts) in lines {
            let item = self.item_of(*variant)?;
            for &(location, units) in parts {
                *taken.entry((item, location)).or_default() += units;
            }
        }
        let mut all = taken.iter();
        if !all.all(|(&(item, location), &units)| self.may_sell(item, location, units)) {
            return None;
        }
        let id = self.large_id();
        let (mut bought, mut work) = (Vec::new(), Vec::new());
        for (variant, parts) in lines {
            let line = self.large_id();
            let quantity = parts.iter().map(|(_, units)| units).sum();
            bought.push(self.line_of(line, *variant, quantity)?);
            for &(location, units) in parts {
                self.add_work(&mut work, location, (line, units));
            }
        }
        for (key, units) in taken {
            self.move_stock(key, -units, units);
        }
        let order = self.order_of(financial, bought, work);
        self.orders.insert(id, order);
        let mut topics = ["ORDERS_CREATE", "ORDERS_UPDATED"];
        if self.quirks.updates_first {
            topics.reverse();
        }
        for topic in topics {
            self.order_happened(topic, id);
        }
        self.event_ends();
        Some(id)
    }

    /// A new order, with the next number: one that is deleted takes its number with it.
    fn order_of(&mut self, financial: Financial, lines: Vec<Line>, work: Vec<Work>) -> Order {
        let now = self.seconds();
        Order {
            number: self.next_number(),
            created: now,
            updated: now,
            cancelled: None,
            cancel_reason: None,
            staff_note: None,
            financial,
            is_edited: false,
            lines,
            work,
            parcels: Vec::new(),
            refunds: Vec::new(),
        }
    }

    fn line_of(&self, id: u64, variant: u64, quantity: i64) -> Option<Line> {
        let sold = self.variants.get(&variant)?;
        let title = self.products.get(&sold.product)?.title.clone();
        let (item, sku, price) = (sold.item, sold.sku.clone(), sold.price);
        Some(Line { id, variant, item, sku, title, quantity, current: quantity, price })
    }

    /// Marks an order as changed now, and tells of it.
    pub(super) fn touch(&mut self, id: u64, topics: &[&str]) {
        let now = self.seconds();
        if let Some(order) = self.orders.get_mut(&id) {
            order.updated = now;
        }
        for topic in topics {
            self.order_happened(topic, id);
        }
        self.order_happened("ORDERS_UPDATED", id);
        self.event_ends();
    }

    /// Somebody pays, or will never.
    pub fn pay(&mut self, id: u64, financial: Financial) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.financial = financial;
        }
        self.touch(id, &[]);
    }

    /// An order is deleted, in whatever state it is: nothing but its id is told of it any
    /// more, and nothing of it is put back. Units that were still to leave are no longer
    /// counted as sold, and are not there to be sold either, as after a cancellation without
    /// putting back. That is our reading: the schema of 2026-10 says of `orderDelete` only
    /// that it is irreversible and not for every order. Whether there was such an order.
    pub fn delete_order(&mut self, id: u64) -> bool {
        let Some(order) = self.orders.remove(&id) else { return false };
        let mut gone = Vec::new();
        for work in &order.work {
            for one in work.lines.iter().filter(|one| one.remaining > 0) {
                let item = order.line(one.line).map(|line| line.item);
                gone.extend(item.map(|item| ((item, work.location), one.remaining)));
            }
        }
        for (key, units) in gone {
            self.move_stock(key, 0, -units);
        }
        self.jobs.retain(|job| job.order != id);
        self.deletion_happened(id);
        self.event_ends();
        true
    }
}
