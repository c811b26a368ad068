//! A Shopify shop: compared writes by location over GraphQL, and orders that are told of
//! parcels and cancellations.

use std::sync::Arc;

use invshop::clock::Clock as _;
use invshop::config::{ChannelConfig, WebhookConfig};
use invshop::domain::{LocationKind, Quantity};
use invshop::ledger::stock::Change;
use invshop::sandbox::shopify::{Bucket, Financial, Mishaps, Restock, ShopifyShop, caller};
use invshop::sync::{self, Channel, Lane};
use invshop::writer::Command;
use tokio::task::JoinSet;

use super::world::{World, config, secret};
use crate::both;
use crate::dice::Dice;
use crate::harness::{TestShop, place, sku};
use crate::raw::Raw;

/// A shop with one location that is fed, and ten mugs there and in the ledger.
pub(super) struct Lamps<'s> {
    pub(super) world: World<'s>,
    pub(super) shop: ShopifyShop,
    pub(super) channel: Arc<Channel>,
    pub(super) lane: Lane,
    pub(super) config: ChannelConfig,
    /// Fed by the ledger's `main`, and by its `store`.
    pub(super) main: u64,
    pub(super) store: u64,
    pub(super) mug: u64,
    _serving: JoinSet<()>,
}

impl<'s> Lamps<'s> {
    pub(super) async fn new(test: &'s TestShop) -> Self {
        let world = World::new(test, &[]).await;
        let clock = test.clock.clone();
        let now = Arc::new(move || clock.now().as_millis());
        let (shop, serve) = ShopifyShop::open(now, ("app", "app-secret")).await.unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve);
        shop.set_token("token-TEST");
        // Its time is the test's, in which little passes.
        shop.state().bucket = Bucket::new(1_000_000_000, 1_000_000);
        let main = shop.state().add_location("Main");
        let store = shop.state().add_location("Store");
        let mug = shop.state().add_variant("MUG", &[(main, 10), (store, 0)], 990);
        test.location("store", LocationKind::Store).await;
        let config = ChannelConfig {
            kind: "shopify".to_owned(),
            places: [(main, "main"), (store, "store")]
                .map(|(place, feeds)| (place.to_string(), vec![feeds.to_owned()]))
                .into(),
            credentials: [("access_token".to_owned(), secret("token-TEST"))].into(),
            webhook: Some(WebhookConfig { secret: secret("app-secret"), previous: None }),
            ..config("lamps", &shop.url())
        };
        let (channel, lane) = World::lane(&world.shop, config.clone()).await;
        test.item("MUG", 10).await;
        sync::discover(&channel).await.unwrap();
        for place in [main, store] {
            sync::map(&channel, &format!("{mug}@{place}"), &sku("MUG")).await.unwrap();
        }
        let mut lamps =
            Self { world, shop, channel, lane, config, main, store, mug, _serving: serving };
        lamps.settle().await;
        // What was sold before is in all lists then: the numbers are known to the unit.
        lamps.world.test.clock.advance_millis(12_000);
        lamps.settle().await;
        lamps
    }

    pub(super) async fn step(&mut self) {
        self.world.tick();
        self.pull().await;
    }

    /// A step of the same second.
    pub(super) async fn pull(&mut self) {
        sync::find_dirty(&self.world.shop).await.unwrap();
        self.lane.pull_next();
        self.lane.step().await.unwrap();
    }

    pub(super) async fn settle(&mut self) {
        for _ in 0..3 {
            self.step().await;
        }
    }

    /// Somebody buys mugs there.
    pub(super) fn buy(&self, units: i64) -> u64 {
        self.shop.state().buy(&[(self.mug, self.main, units)], Financial::Paid).unwrap()
    }

    /// What is shown there.
    pub(super) fn shown(&self) -> i64 {
        let state = self.shop.state();
        state.levels[&(state.variants[&self.mug].item, self.main)].available
    }

    /// Writes: the number, and what it expected.
    pub(super) fn writes(&self) -> Vec<(i64, Option<i64>)> {
        self.shop.state().writes.iter().map(|write| (write.quantity, write.expected)).collect()
    }

    /// Requests it was asked.
    pub(super) fn requests(&self) -> u64 {
        self.shop.state().requests.values().sum()
    }

    /// The number of each place is the ledger's, and nothing waits.
    pub(super) async fn is_even(&self) {
        for (place, feeds) in [(self.main, "main"), (self.store, "store")] {
            let [on_hand, reserved, shortfall, safety] = self.world.test.level("MUG", feeds).await;
            let ours = (on_hand - reserved - shortfall - safety).max(0);
            assert_eq!(self.shop.state().stock_of(self.mug, place), Some(ours), "{feeds}");
        }
        assert_eq!(self.world.unsettled().await, 0, "{:?}", self.world.numbers().await);
    }

    /// Ledger and shop have the same, and nothing waits.
    pub(super) async fn is_equal(&self, units: i64) {
        assert_eq!((self.world.available("MUG").await, self.shown()), (units, units));
        assert_eq!(self.world.unsettled().await, 0, "{:?}", self.world.numbers().await);
    }

    pub(super) async fn end(self) {
        drop((self.channel, self.lane));
        self.world.end().await;
    }
}

both!(shopify_a_sale_on_either_side_is_one_write_or_none, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    assert_eq!(lamps.writes(), [], "what is right is not written");
    shop.run(Command::Place(place("A", &[("MUG", 3)]))).await.unwrap();
    lamps.settle().await;
    assert_eq!(lamps.writes(), [(7, Some(10))]);
    // One variant on two lines.
    let lines = [(lamps.mug, lamps.main, 1), (lamps.mug, lamps.main, 2)];
    lamps.shop.state().buy(&lines, Financial::Pending).unwrap();
    lamps.settle().await;
    lamps.is_equal(4).await;
    assert_eq!(lamps.writes().len(), 1, "it took them off itself");
    assert_eq!(lamps.world.drifts().await, 0);
    lamps.end().await;
});

// Semantics §9 "Shopify race": a sale between the read and the write.
both!(shopify_race, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    shop.run(Command::Place(place("A", &[("MUG", 1)]))).await.unwrap();
    lamps.shop.state().sell_before_write = vec![(lamps.mug, lamps.main, 2)];
    lamps.settle().await;
    assert_eq!(lamps.shop.state().stale, 1);
    assert_eq!(lamps.writes(), [(7, Some(8))], "never the number that hides the sale");
    lamps.is_equal(7).await;
    assert_eq!(lamps.world.drifts().await, 0);
    lamps.end().await;
});

both!(shopify_what_is_done_to_an_order_there_is_done_here, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let (edited, refunded, cancelled, kept) =
        (lamps.buy(3), lamps.buy(2), lamps.buy(1), lamps.buy(1));
    lamps.settle().await;
    lamps.is_equal(3).await;
    let line = |order: u64| lamps.shop.state().orders[&order].lines[0].id;
    let (edited_line, refunded_line) = (line(edited), line(refunded));
    let kept_line = line(kept);
    assert!(lamps.shop.state().edit_line(edited, edited_line, 1));
    lamps.shop.state().refund(refunded, refunded_line, 1, Restock::Cancel).unwrap();
    assert!(lamps.shop.state().cancel(cancelled, "CUSTOMER", true));
    lamps.shop.state().fulfil(kept, &[(kept_line, 1)]);
    lamps.settle().await;
    // Two, one and one came back.
    lamps.is_equal(7).await;
    let status = format!("select status from orders where external_id = '{kept}'");
    assert_eq!(Raw::open(&shop.opening.place).await.texts(&status).await, ["shipped"]);
    lamps.end().await;
});

// One that left and came back is none that will not leave: the other two are still promised.
both!(shopify_what_came_back_of_a_parcel_leaves_the_rest_promised, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let order = lamps.buy(3);
    let line = lamps.shop.state().orders[&order].lines[0].id;
    lamps.shop.state().fulfil(order, &[(line, 1)]);
    lamps.settle().await;
    lamps.shop.state().refund(order, line, 1, Restock::Return).unwrap();
    lamps.settle().await;
    // Ten are on the shelf again, and two of them are sold.
    lamps.is_equal(8).await;
    assert_eq!(shop.level("MUG", "main").await, [10, 2, 0, 0]);
    assert_eq!(lamps.writes(), [], "nothing is sold twice");
    // One of the two will not leave, and is told apart from the one that came back.
    lamps.shop.state().refund(order, line, 1, Restock::Cancel).unwrap();
    lamps.settle().await;
    lamps.is_equal(9).await;
    assert_eq!(shop.level("MUG", "main").await, [10, 1, 0, 0]);
    assert_eq!(lamps.world.drifts().await, 0);
    lamps.end().await;
});

both!(shopify_is_told_what_left_and_what_will_not, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let (sent, dropped) = (lamps.buy(2), lamps.buy(3));
    lamps.settle().await;
    shop.ship(&format!("lamps:{sent}"), "s1").await.unwrap();
    shop.cancel(&format!("lamps:{dropped}")).await.unwrap();
    // Its answer is lost: it is told once all the same.
    lamps.shop.state().faults.lose_changes = 1;
    lamps.lane.step().await.ok();
    lamps.lane.forget_pauses();
    shop.clock.advance_millis(60_000);
    lamps.settle().await;
    lamps.lane.forget_pauses();
    lamps.settle().await;
    {
        let state = lamps.shop.state();
        assert_eq!(state.orders[&sent].parcels.len(), 1);
        assert!(state.orders[&dropped].cancelled.is_some());
    }
    lamps.is_equal(8).await;
    lamps.end().await;
});

// Its times are whole seconds: two states of one second have one version, and no list tells
// them apart.
both!(shopify_a_second_change_of_one_second_is_seen, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let order = lamps.buy(3);
    lamps.pull().await;
    let line = lamps.shop.state().orders[&order].lines[0].id;
    assert!(lamps.shop.state().edit_line(order, line, 1));
    lamps.settle().await;
    lamps.is_equal(9).await;
    let pulls = lamps.requests();
    lamps.settle().await;
    let more = lamps.requests() - pulls;
    assert_eq!(more, 3, "an order that is known is only named again");
    lamps.end().await;
});

// One that cannot be read is kept, and keeps no other from being read.
both!(shopify_an_order_that_cannot_be_read_stands_alone, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let (bad, good) = (lamps.buy(2), lamps.buy(1));
    // Less was ordered than is still to leave.
    lamps.shop.state().orders.get_mut(&bad).unwrap().lines[0].quantity = 1;
    lamps.settle().await;
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.texts("select external_id from orders").await, [good.to_string()]);
    let kept = "select distinct reason from inbox where state = 'dead'";
    let kept = raw.texts(kept).await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].contains("more has left or is still to leave"), "{kept:?}");
    lamps.end().await;
});

// R66: what is read is what semantics §7 wants read, and one call carries them all.
both!(r66_shopify_two_hundred_and_fifty_changes_are_one_write, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let mut pots = Vec::new();
    for index in 0..250 {
        let name = format!("POT-{index}");
        let pot = lamps.shop.state().add_variant(&name, &[(lamps.main, 5)], 990);
        shop.item(&name, 5).await;
        pots.push((pot, name));
    }
    sync::discover(&lamps.channel).await.unwrap();
    for (pot, name) in pots {
        let listing = format!("{pot}@{}", lamps.main);
        sync::map(&lamps.channel, &listing, &sku(&name)).await.unwrap();
    }
    lamps.settle().await;
    assert_eq!(lamps.writes(), []);
    let before = lamps.shop.state().requests.clone();
    for index in 0..250 {
        let change = Change::Receive(Quantity::new(1).unwrap());
        shop.stock(&format!("POT-{index}"), "main", change).await.unwrap();
    }
    lamps.settle().await;
    let after = lamps.shop.state().requests.clone();
    let of = |name: &str| after[name] - before.get(name).copied().unwrap_or(0);
    assert_eq!(lamps.writes().len(), 250);
    assert_eq!((of("mutation inventorySetQuantities"), of("query nodes")), (1, 1));
    lamps.end().await;
});

// What happened while nobody was called is looked for.
both!(shopify_a_subscription_that_was_gone_is_made_up_for, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let base = format!("https://127.0.0.1:9/{}", lamps.mug);
    lamps.lane = Lane::new(Arc::clone(&lamps.channel), "node".to_owned(), Some(&base));
    lamps.settle().await;
    let all = lamps.shop.hooks();
    assert!(all > 5, "{all}");
    let item = lamps.shop.state().variants[&lamps.mug].item;
    lamps.shop.state().type_stock(item, lamps.main, 3);
    let mishaps = Mishaps { dropped_percent: 100, ..Mishaps::default() };
    let caller = caller().unwrap();
    for _ in 0..8 {
        assert_eq!(lamps.shop.deliver(&caller, mishaps, &mut |_| 0).await, 0);
    }
    assert!(lamps.shop.hooks() < all, "it called eight times in vain");
    lamps.settle().await;
    assert_eq!(lamps.shown(), 3, "nobody told of it");
    lamps.lane.look_after_webhooks_next();
    for _ in 0..5 {
        lamps.settle().await;
    }
    assert_eq!(lamps.shop.hooks(), all);
    lamps.is_equal(10).await;
    assert_eq!(lamps.world.drifts().await, 1);
    lamps.end().await;
});

// What it took is booked at the number it was taken from, wherever the goods go.
both!(shopify_units_are_booked_where_they_were_taken, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let (mug, main, store) = (lamps.mug, lamps.main, lamps.store);
    shop.stock("MUG", "store", Change::Receive(Quantity::new(5).unwrap())).await.unwrap();
    lamps.settle().await;
    let lines = [(mug, main, 3), (mug, store, 1)];
    let order = lamps.shop.state().buy(&lines, Financial::Paid).unwrap();
    lamps.settle().await;
    lamps.is_even().await;
    // Two of three are to leave from the store after all.
    let line = lamps.shop.state().orders[&order].lines[0].id;
    assert!(lamps.shop.state().move_work(order, line, 2, store));
    lamps.settle().await;
    lamps.is_even().await;
    lamps.shop.state().fulfil(order, &[(line, 3)]);
    lamps.settle().await;
    // What left from one place comes back at the other.
    lamps.shop.state().refund_to(order, (line, 1), Restock::Return, main).unwrap();
    lamps.settle().await;
    lamps.is_even().await;
    let other = lamps.shop.state().buy_split(&[(mug, &[(main, 1), (store, 2)])], Financial::Paid);
    lamps.settle().await;
    lamps.is_even().await;
    assert!(lamps.shop.state().cancel(other.unwrap(), "CUSTOMER", true));
    lamps.settle().await;
    lamps.is_even().await;
    assert_eq!(lamps.world.drifts().await, 0, "nobody typed a number");
    lamps.end().await;
});

// What a sale took off a number is never written over, whenever it comes: five hundred times
// on each database.
both!(shopify_no_sale_is_lost_in_a_thousand_races, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let mut dice = Dice::new(5);
    shop.stock("MUG", "main", Change::Receive(Quantity::new(5_000).unwrap())).await.unwrap();
    lamps.settle().await;
    for round in 0..500 {
        let order = place(&format!("A{round}"), &[("MUG", dice.range(1, 2))]);
        shop.run(Command::Place(order)).await.unwrap();
        if dice.chance(30) {
            lamps.buy(1);
        }
        if dice.chance(80) {
            lamps.shop.state().sell_before_write = vec![(lamps.mug, lamps.main, 1)];
        }
        // What was seen before is not in the window any more.
        shop.clock.advance_millis(300_000);
        lamps.step().await;
        if round % 100 == 99 {
            lamps.shop.state().sell_before_write.clear();
            lamps.settle().await;
            let units = lamps.world.available("MUG").await;
            lamps.is_equal(units).await;
        }
    }
    let stale = lamps.shop.state().stale;
    assert!(stale > 150, "{stale}");
    assert_eq!(lamps.world.drifts().await, 0);
    lamps.end().await;
});
