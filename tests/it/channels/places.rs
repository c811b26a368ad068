//! A marketplace with places and compared writes: what a place shows is what feeds it, and
//! no write is done that does not know what it writes over.

use invshop::config::ChannelConfig;
use invshop::connectors::registry::KINDS;
use invshop::domain::{AccountName, AllocationPolicy, LocationCode, LocationKind, Quantity, Title};
use invshop::ledger::catalogue::NewLocation;
use invshop::ledger::stock::Change;
use invshop::reports;
use invshop::sandbox::bazaar::{Mishaps, Status};
use invshop::sync::{self, Cause, MapError};
use invshop::writer::Command;

use super::world::{World, config, stall_config};
use crate::both;
use crate::harness::{TestShop, http, place, sku};
use crate::raw::Raw;

/// A marketplace with one place, and ten mugs there and in the ledger.
async fn ten_mugs(shop: &TestShop) -> (World<'_>, u64) {
    let mut world = World::new(shop, &[]).await;
    world.stall("market", &[("north", "main")]).await;
    shop.item("MUG", 10).await;
    let mug = world.offer("MUG", &[("north", 10)]).await;
    (world, mug)
}

/// A write: the offer, at the one place, the number, and what it expected.
fn north(mug: u64, number: i64, expected: i64) -> (u64, String, i64, i64) {
    (mug, "north".to_owned(), number, expected)
}

both!(a_sale_on_either_side_is_one_write_or_none, |shop| {
    let (mut world, mug) = ten_mugs(&shop).await;
    let market = world.stalls[0].shop.clone();
    assert!(market.state().writes.is_empty(), "what is right is not written");
    shop.run(Command::Place(place("A", &[("MUG", 3)]))).await.unwrap();
    world.settle().await;
    assert_eq!(market.state().writes, [north(mug, 7, 10)]);
    world.tick();
    market.buy(&[(mug, "north", 2)]).unwrap();
    world.settle().await;
    assert_eq!((world.available("MUG").await, market.state().stock_of(mug, "north")), (5, Some(5)));
    assert_eq!(market.state().writes.len(), 1, "it took them off itself");
    assert_eq!((world.unsettled().await, world.drifts().await), (0, 0));
    world.end().await;
});

// Semantics §9 "Shopify race": a sale between the read and the write.
both!(r22_a_compared_write_that_meets_a_sale_is_refused_and_made_anew, |shop| {
    let (mut world, mug) = ten_mugs(&shop).await;
    let market = world.stalls[0].shop.clone();
    shop.run(Command::Place(place("A", &[("MUG", 1)]))).await.unwrap();
    world.tick();
    market.state().sell_before_write = vec![(mug, "north".to_owned(), 2)];
    world.settle().await;
    assert_eq!(market.state().stale, 1);
    assert_eq!(market.state().writes, [north(mug, 7, 8)], "never the number that hides the sale");
    assert_eq!((world.available("MUG").await, market.state().stock_of(mug, "north")), (7, Some(7)));
    assert_eq!((world.unsettled().await, world.drifts().await), (0, 0));
    world.end().await;
});

both!(a_number_that_was_just_read_is_not_what_a_write_is_compared_with, |shop| {
    let (mut world, mug) = ten_mugs(&shop).await;
    let market = world.stalls[0].shop.clone();
    shop.run(Command::Place(place("A", &[("MUG", 1)]))).await.unwrap();
    world.tick();
    // Sold before the number is read, and nobody told of it.
    market.buy(&[(mug, "north", 2)]).unwrap();
    sync::find_dirty(&world.shop).await.unwrap();
    world.stalls[0].lane.step().await.unwrap();
    assert_eq!(market.state().writes, [north(mug, 7, 8)]);
    let stale = market.state().stale;
    assert_eq!((stale, world.drifts().await), (0, 0));
    world.end().await;
});

both!(after_a_refused_write_the_orders_come_first, |shop| {
    let (mut world, mug) = ten_mugs(&shop).await;
    let market = world.stalls[0].shop.clone();
    shop.run(Command::Place(place("A", &[("MUG", 1)]))).await.unwrap();
    world.tick();
    market.state().sell_before_write = vec![(mug, "north".to_owned(), 2)];
    // What is there afterwards looks as if nothing had been sold.
    market.state().type_after_stale = Some((mug, "north".to_owned(), 10));
    sync::find_dirty(&world.shop).await.unwrap();
    world.stalls[0].lane.step().await.unwrap();
    assert_eq!(market.state().writes, [north(mug, 7, 10)]);
    let stale = market.state().stale;
    assert_eq!((stale, world.drifts().await), (1, 1));
    world.end().await;
});

// Semantics §9 "human types the old number".
both!(the_old_number_typed_by_hand_is_told_from_no_sale, |shop| {
    let (mut world, mug) = ten_mugs(&shop).await;
    let market = world.stalls[0].shop.clone();
    world.tick();
    market.buy(&[(mug, "north", 2)]).unwrap();
    market.type_stock(mug, "north", 10);
    world.settle().await;
    assert_eq!(market.state().writes, [north(mug, 8, 10)]);
    assert_eq!((world.available("MUG").await, world.drifts().await), (8, 1));
    let told = "select data from journal where kind = 'channel.drift'";
    let told = Raw::open(&shop.opening.place).await.texts(told).await.remove(0);
    assert!(told.contains("manual_edit") && told.contains("north"), "{told}");
    world.end().await;
});

both!(a_compared_write_without_an_answer_is_looked_for, |shop| {
    let (mut world, mug) = ten_mugs(&shop).await;
    let market = world.stalls[0].shop.clone();
    shop.run(Command::Place(place("A", &[("MUG", 4)]))).await.unwrap();
    market.state().faults.lose_replies = 1;
    sync::find_dirty(&world.shop).await.unwrap();
    world.stalls[0].lane.step().await.unwrap_err();
    assert_eq!(market.state().stock_of(mug, "north"), Some(6), "it was done all the same");
    world.tick();
    market.buy(&[(mug, "north", 1)]).unwrap();
    shop.run(Command::Place(place("B", &[("MUG", 1)]))).await.unwrap();
    shop.clock.advance_millis(30_000);
    world.settle().await;
    assert_eq!(market.state().writes, [north(mug, 6, 10), north(mug, 4, 5)]);
    assert_eq!((world.unsettled().await, world.drifts().await), (0, 0));
    // One that never was answered, and never was done: whoever waits for it is stopped.
    shop.run(Command::Place(place("C", &[("MUG", 1)]))).await.unwrap();
    sync::find_dirty(&world.shop).await.unwrap();
    market.state().faults.hang = 1;
    let is_sent = async {
        while market.state().faults.hang > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = world.stalls[0].lane.step() => panic!("nobody answered: {ended:?}"),
        () = is_sent => {}
    }
    let under_way = "select count(*) from push where sending = 3";
    assert_eq!(Raw::open(&shop.opening.place).await.number(under_way).await, 1);
    world.settle().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(4), "it may still come");
    shop.clock.advance_millis(30_000);
    world.settle().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(3));
    assert_eq!((world.unsettled().await, world.drifts().await), (0, 0));
    world.end().await;
});

both!(a_lost_write_that_only_seems_to_have_arrived_hides_no_sale, |shop| {
    let (mut world, mug) = ten_mugs(&shop).await;
    let market = world.stalls[0].shop.clone();
    shop.run(Command::Place(place("A", &[("MUG", 1)]))).await.unwrap();
    sync::find_dirty(&world.shop).await.unwrap();
    market.state().faults.hang = 1;
    let is_sent = async {
        while market.state().faults.hang > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = world.stalls[0].lane.step() => panic!("nobody answered: {ended:?}"),
        () = is_sent => {}
    }
    // The 9 was never written, and a sale that nobody told of leaves it.
    world.tick();
    market.buy(&[(mug, "north", 1)]).unwrap();
    shop.run(Command::Place(place("B", &[("MUG", 3)]))).await.unwrap();
    shop.clock.advance_millis(30_000);
    sync::find_dirty(&world.shop).await.unwrap();
    world.stalls[0].lane.step().await.unwrap();
    world.settle().await;
    assert_eq!(market.state().writes, [north(mug, 5, 9)]);
    assert_eq!((world.available("MUG").await, world.unsettled().await), (5, 0));
    assert_eq!(world.drifts().await, 0);
    world.end().await;
});

/// Units of an item at a location: on the shelf, and of these promised.
async fn level(world: &World<'_>, name: &str, location: &str) -> (i64, i64) {
    let item = reports::item(&world.shop.db, &sku(name), AllocationPolicy::Split).await;
    let levels = item.unwrap().unwrap().levels;
    let level = levels.iter().find(|level| level.location == location).unwrap();
    (level.totals.on_hand, level.totals.reserved)
}

both!(a_place_shows_what_feeds_it_and_sells_from_there, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    shop.location("store", LocationKind::Store).await;
    let market = world.stall("market", &[("north", "main"), ("south", "store")]).await;
    let web_mug = world.item("MUG", 5).await[0];
    let receive = Change::Receive(Quantity::new(3).unwrap());
    shop.stock("MUG", "store", receive).await.unwrap();
    let mug = world.offer("MUG", &[("north", 0), ("south", 0)]).await;
    let shown = || {
        let state = market.state();
        (state.stock_of(mug, "north"), state.stock_of(mug, "south"))
    };
    let web = world.webs[0].shop.clone();
    assert_eq!((shown(), web.state().stock_of(web_mug)), ((Some(5), Some(3)), Some(8)));
    let writes = market.state().writes.len();
    world.tick();
    market.buy(&[(mug, "south", 2)]).unwrap();
    world.settle().await;
    assert_eq!((shown(), web.state().stock_of(web_mug)), ((Some(5), Some(1)), Some(6)));
    assert_eq!(level(&world, "MUG", "store").await, (3, 2), "it leaves from where it was sold");
    assert_eq!(level(&world, "MUG", "main").await, (5, 0));
    assert_eq!(market.state().writes.len(), writes, "no place was written");
    // Sold elsewhere, it is missing where it is taken from.
    shop.run(Command::Place(place("A", &[("MUG", 2)]))).await.unwrap();
    world.settle().await;
    assert_eq!((shown(), web.state().stock_of(web_mug)), ((Some(3), Some(1)), Some(4)));
    // An order from two places is one order: the ledger decides what it takes from where,
    // and the places show that.
    world.tick();
    let both = market.buy(&[(mug, "north", 1), (mug, "south", 1)]).unwrap();
    world.settle().await;
    assert_eq!((shown(), world.available("MUG").await), ((Some(1), Some(1)), 2));
    market.ship(both);
    world.settle().await;
    let status = format!("select status from orders where external_id = 'order-{both}'");
    assert_eq!(Raw::open(&shop.opening.place).await.texts(&status).await, ["shipped"]);
    assert_eq!((shown(), world.available("MUG").await), ((Some(1), Some(1)), 2));
    assert_eq!((world.unsettled().await, world.drifts().await), (0, 0));
    world.end().await;
});

both!(a_place_that_nothing_feeds_is_told_and_left_alone, |shop| {
    let mut world = World::new(&shop, &[]).await;
    shop.location("store", LocationKind::Store).await;
    let market = world.stall("market", &[("north", "main"), ("south", "store")]).await;
    shop.item("MUG", 5).await;
    let mug = world.offer("MUG", &[("north", 5), ("south", 0)]).await;
    let lamp = market.state().add_offer("LAMP", &[("north", 1), ("unfed", 7)], 990);
    let channel = world.stalls[0].channel.clone();
    let found = sync::discover(&channel).await.unwrap();
    assert_eq!(
        found.places.iter().map(String::as_str).collect::<Vec<_>>(),
        ["north", "south", "unfed"]
    );
    assert_eq!(found.unfed.iter().map(String::as_str).collect::<Vec<_>>(), ["unfed"]);
    shop.item("LAMP", 1).await;
    let refused = sync::map(&channel, &format!("offer-{lamp}@unfed"), &sku("LAMP")).await;
    assert!(matches!(refused.unwrap_err(), MapError::UnfedPlace { .. }));
    // A place that something fed is not written to 0 when nothing does any more.
    market.type_stock(mug, "south", 4);
    let config = stall_config("market", &market.url(), &[("north", "main")]);
    let (channel, lane) = World::lane(&world.shop, config).await;
    (world.stalls[0].channel, world.stalls[0].lane) = (channel, lane);
    shop.run(Command::Place(place("A", &[("MUG", 1)]))).await.unwrap();
    world.settle().await;
    assert_eq!(market.state().stock_of(mug, "south"), Some(4));
    assert_eq!(market.state().stock_of(mug, "north"), Some(4), "the others go on");
    let problem = "select problem from push where place = 'south'";
    let problem = Raw::open(&shop.opening.place).await.texts(problem).await.remove(0);
    assert_eq!(problem, "no location feeds the place south: [channel.places] says so");
    let compared = sync::reconcile(&world.stalls[0].channel, sync::Look::only()).await.unwrap();
    let causes: Vec<(Cause, usize)> = compared.causes.into_iter().collect();
    assert_eq!(causes, [(Cause::Unmapped, 2), (Cause::Unfed, 1)]);
    world.end().await;
});

fn from_both(config: ChannelConfig) -> ChannelConfig {
    ChannelConfig { locations: Some(vec!["main".to_owned(), "theirs".to_owned()]), ..config }
}

both!(places_are_for_kinds_that_have_some, |shop| {
    let world = World::new(&shop, &[]).await;
    let web = ChannelConfig {
        places: [("north".to_owned(), vec!["main".to_owned()])].into(),
        ..config("web", "http://127.0.0.1:1")
    };
    let market = stall_config("market", "http://127.0.0.1:1", &[]);
    let market = ChannelConfig { locations: Some(vec!["main".to_owned()]), ..market };
    let wrong = sync::connectors(&world.shop, KINDS, &[web, market]).unwrap_err();
    let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(
        wrong,
        [
            "channel[0].places: woocommerce has no places (channel \"web\")",
            "channel[1].locations: bazaar has places: [channel.places] says what feeds each \
         (channel \"market\")",
        ]
    );
    world.end().await;
});

// Semantics §9 "mirrored order".
both!(what_the_channel_counts_itself_is_mirrored, |shop| {
    let mut world = World::with(&shop, &["web"], from_both).await;
    let theirs = NewLocation {
        code: LocationCode::new("theirs").unwrap(),
        name: Title::new("Their warehouse").unwrap(),
        kind: LocationKind::ThirdParty,
        sellable: Some(true),
        authority: Some(AccountName::new("market").unwrap()),
        priority: None,
    };
    shop.run(Command::CreateLocation(theirs)).await.unwrap();
    let market = world.stall("market", &[("north", "main"), ("far", "theirs")]).await;
    let web_mug = world.item("MUG", 10).await[0];
    let mug = world.offer("MUG", &[("north", 10), ("far", 50)]).await;
    let web = world.webs[0].shop.clone();
    assert_eq!(level(&world, "MUG", "theirs").await, (50, 0));
    assert_eq!(web.state().stock_of(web_mug), Some(60), "it is in the pool of who names it");
    world.tick();
    let order = market.buy(&[(mug, "far", 2)]).unwrap();
    world.settle().await;
    assert_eq!(level(&world, "MUG", "theirs").await, (48, 0));
    assert_eq!(level(&world, "MUG", "main").await, (10, 0));
    assert_eq!(web.state().stock_of(web_mug), Some(58));
    world.tick();
    market.ship(order);
    world.settle().await;
    let mut raw = Raw::open(&shop.opening.place).await;
    let status = format!("select status from orders where external_id = 'order-{order}'");
    assert_eq!(raw.texts(&status).await, ["shipped"]);
    let moved = "select j.kind from journal j join location l on l.id = j.location_id
                 where l.code = 'theirs' and j.item_id is not null order by j.seq";
    assert_eq!(raw.texts(moved).await, ["count", "count"], "orders move nothing");
    assert_eq!(raw.number("select count(*) from push where place = 'far'").await, 0);
    // Neither does a plan push it.
    let channel = std::sync::Arc::clone(&world.stalls[0].channel);
    sync::unmap(&channel, &format!("offer-{mug}@far")).await.unwrap();
    let wish = sync::ListingWish {
        listing: format!("offer-{mug}"),
        place: "far".to_owned(),
        sku: Some(sku("MUG")),
        ..sync::ListingWish::default()
    };
    let plan = sync::plan_listings(&channel, &[wish]).await.unwrap();
    assert_eq!((plan.figures.mapped, plan.numbers.len()), (1, 0), "{plan:?}");
    sync::apply_listings(vec![plan]).await.unwrap();
    assert_eq!(raw.number("select count(*) from push where place = 'far'").await, 0);
    // What is no number is no count, and never 0.
    market.state().offers.get_mut(&mug).unwrap().stock.insert("far".to_owned(), None);
    world.settle().await;
    assert_eq!(level(&world, "MUG", "theirs").await, (48, 0));
    assert!(market.state().writes.is_empty());
    let found = sync::reconcile(&world.stalls[0].channel, sync::Look::only()).await.unwrap();
    assert_eq!((found.right, found.differences.len()), (1, 0));
    assert_eq!((world.unsettled().await, world.drifts().await), (0, 0));
    world.end().await;
});

// R53: both ways of what a cancelled order does to the channel's own number.
both!(r53_what_a_cancelled_order_gives_back_is_the_channels_to_say, |shop| {
    let (mut world, mug) = ten_mugs(&shop).await;
    let market = world.stalls[0].shop.clone();
    world.tick();
    let order = market.buy(&[(mug, "north", 2)]).unwrap();
    world.settle().await;
    world.tick();
    market.cancel(order);
    world.settle().await;
    assert_eq!(
        (world.available("MUG").await, market.state().stock_of(mug, "north")),
        (10, Some(10))
    );
    assert!(market.state().writes.is_empty(), "it put them back itself");
    market.state().keeps_cancelled = true;
    world.tick();
    let order = market.buy(&[(mug, "north", 3)]).unwrap();
    world.settle().await;
    market.cancel(order);
    world.settle().await;
    assert_eq!(market.state().writes, [north(mug, 10, 7)]);
    // Also where it was cancelled before anybody here knew of it.
    world.tick();
    let order = market.buy(&[(mug, "north", 4)]).unwrap();
    market.cancel(order);
    world.settle().await;
    assert_eq!(market.state().writes, [north(mug, 10, 7), north(mug, 10, 6)]);
    assert_eq!((world.available("MUG").await, world.drifts().await), (10, 0));
    assert_eq!(market.state().orders[&order].status, Status::Cancelled);
    world.end().await;
});

both!(a_call_is_made_again_until_it_is_taken_and_never_believed_late, |shop| {
    let mut world = World::new(&shop, &[]).await;
    let market = world.stall("market", &[("north", "main")]).await;
    let base = world.serve_hooks().await;
    shop.item("MUG", 10).await;
    let mug = world.offer("MUG", &[("north", 10)]).await;
    market.forget();
    world.tick();
    market.buy(&[(mug, "north", 2)]).unwrap();
    let client = http().build().unwrap();
    let lost = Mishaps { dropped_percent: 100, ..Mishaps::default() };
    assert_eq!(market.deliver(&client, lost, &mut |_| 0).await, 0);
    assert_eq!(market.waiting(), 2, "the order and its number wait");
    let twice = Mishaps { repeated: 1, ..Mishaps::default() };
    assert_eq!(market.deliver(&client, twice, &mut |_| 99).await, 4);
    assert_eq!(market.waiting(), 0);
    let kept = "select count(*) from inbox where kind = 'delivery'";
    assert_eq!(Raw::open(&shop.opening.place).await.number(kept).await, 2, "each is one thing");
    world.stalls[0].lane.step().await.unwrap();
    assert_eq!(world.available("MUG").await, 8);
    // Signed by nobody, and signed too long ago: neither is believed, and polling goes on.
    let forged = client.post(format!("{base}/webhooks/market")).body("{}");
    assert_eq!(forged.send().await.unwrap().status(), 401);
    market.state().clock_behind = 10 * 60 * 1000;
    market.type_stock(mug, "north", 9);
    assert_eq!(market.deliver(&client, Mishaps::default(), &mut |_| 99).await, 0);
    assert_eq!(Raw::open(&shop.opening.place).await.number(kept).await, 2);
    market.state().clock_behind = 0;
    assert_eq!(market.deliver(&client, Mishaps::default(), &mut |_| 99).await, 1);
    world.settle().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(8), "a hand at a number is told of");
    world.end().await;
});
