//! Numbers on their way to a shop: none is lost, and none is written without a reason.

use invshop::config::{ChannelConfig, ChannelMode, RulesConfig};
use invshop::domain::{Delta, Quantity};
use invshop::ledger::stock::Change;
use invshop::sandbox::woocommerce::Managed;
use invshop::sync::{self, MapError};
use invshop::writer::Command;

use super::world::{World, variable};
use crate::both;
use crate::harness::{place, sku};
use crate::raw::Raw;

both!(a_sale_here_is_shown_there_and_a_sale_there_is_not_written_again, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    assert!(web.state().writes.is_empty(), "what is right is not written");
    shop.run(Command::Place(place("A", &[("MUG", 3)]))).await.unwrap();
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(7));
    assert_eq!(web.state().writes, [(mug, 7)]);
    // The shop takes its own number down: that it does so is known.
    web.buy(&[(mug, 2)]);
    world.settle().await;
    assert_eq!((world.available("MUG").await, web.state().stock_of(mug)), (5, Some(5)));
    assert_eq!(web.state().writes, [(mug, 7)]);
    assert_eq!(world.unsettled().await, 0);
    world.end().await;
});

// Semantics §9 "Woo race": a sale between the read and the write.
both!(r22_a_sale_between_read_and_write_is_not_lost, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    shop.run(Command::Place(place("A", &[("MUG", 1)]))).await.unwrap();
    // It is sold while the number 9 is on its way: before the write, so that it is erased.
    world.tick();
    web.state().sell_before_write = vec![(mug, 2)];
    world.step(0).await;
    assert_eq!(web.state().writes.first(), Some(&(mug, 9)));
    assert_eq!(world.available("MUG").await, 7, "it counts as written once the orders are in");
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(7), "{:?}", web.state().writes);
    assert_eq!((world.available("MUG").await, drifts(&world).await), (7, 0));
    world.end().await;
});

/// Numbers that nothing explained.
async fn drifts(world: &World<'_>) -> i64 {
    let query = "select count(*) from journal where kind = 'channel.drift'";
    Raw::open(&world.test.opening.place).await.number(query).await
}

// Semantics §9 "human types the old number", without compare.
both!(a_number_typed_by_hand_is_written_over_and_told, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    web.buy(&[(mug, 2)]);
    web.type_stock(mug, 10);
    shop.run(Command::Place(place("A", &[("MUG", 1)]))).await.unwrap();
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(7));
    assert_eq!(drifts(&world).await, 1);
    let told = "select data from journal where kind = 'channel.drift'";
    let told = Raw::open(&shop.opening.place).await.texts(told).await.remove(0);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["shown"], &told["wanted"]), (&10.into(), &7.into()), "{told}");
    assert_eq!(told["expected"], serde_json::json!([8, 8]), "{told}");
    world.end().await;
});

both!(a_write_without_an_answer_is_looked_for_and_not_repeated, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    shop.run(Command::Place(place("A", &[("MUG", 4)]))).await.unwrap();
    web.state().faults.lose_replies = 1;
    sync::find_dirty(&world.shop).await.unwrap();
    world.webs[0].lane.step().await.unwrap_err();
    assert_eq!(web.state().stock_of(mug), Some(6), "it was done all the same");
    // Sales come in, there and here, before anybody looks.
    world.tick();
    web.buy(&[(mug, 1)]);
    shop.run(Command::Place(place("B", &[("MUG", 1)]))).await.unwrap();
    shop.clock.advance_millis(30_000);
    world.settle().await;
    assert_eq!(web.state().writes, [(mug, 6), (mug, 4)], "it is found and not written again");
    assert_eq!((world.available("MUG").await, web.state().stock_of(mug)), (4, Some(4)));
    assert_eq!((world.unsettled().await, drifts(&world).await), (0, 0));
    world.end().await;
});

both!(r68_what_is_not_counted_is_not_written_over, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    web.state().products.get_mut(&mug).unwrap().managed = Managed::No;
    shop.run(Command::Place(place("A", &[("MUG", 4)]))).await.unwrap();
    world.settle().await;
    assert!(web.state().writes.is_empty());
    let problem = "select problem from push";
    let problem = Raw::open(&shop.opening.place).await.texts(problem).await.remove(0);
    assert_eq!(problem, "the channel does not count it");
    // Switched on again, it is.
    web.state().products.get_mut(&mug).unwrap().managed = Managed::Own;
    shop.clock.advance_millis(20 * 60 * 1000);
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(6));
    world.end().await;
});

both!(r31_a_hundred_numbers_are_two_reads_and_a_write, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let web = world.webs[0].shop.clone();
    let mut skus = Vec::new();
    for number in 0..100 {
        let name = format!("SKU-{number}");
        shop.item(&name, 10).await;
        let id = web.state().add_product(&name, 10, 500);
        skus.push((name, id));
    }
    sync::discover(&world.webs[0].channel).await.unwrap();
    for (name, id) in &skus {
        sync::map(&world.webs[0].channel, &id.to_string(), &sku(name)).await.unwrap();
    }
    world.settle().await;
    for (name, _) in &skus {
        shop.stock(name, "main", Change::Adjust(Delta::new(-1).unwrap())).await.unwrap();
    }
    web.state().requests.clear();
    sync::find_dirty(&world.shop).await.unwrap();
    world.webs[0].lane.step().await.unwrap();
    let requests = web.state().requests.clone();
    let count = |name: &str| requests.get(name).copied().unwrap_or(0);
    assert_eq!(count("POST products/batch"), 1, "{requests:?}");
    assert!(count("GET products") <= 2 && count("GET orders") <= 2, "{requests:?}");
    assert!(requests.values().sum::<u64>() <= 5, "{requests:?}");
    assert!(skus.iter().all(|(_, id)| web.state().stock_of(*id) == Some(9)));
    world.end().await;
});

both!(what_is_sold_out_goes_first, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let web = world.webs[0].shop.clone();
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.extend(world_item(&mut world, &format!("SKU-{number:02}"), 5).await);
    }
    world.settle().await;
    for number in 0..40 {
        let units = if number == 39 { -5 } else { -1 };
        let change = Change::Adjust(Delta::new(units).unwrap());
        shop.stock(&format!("SKU-{number:02}"), "main", change).await.unwrap();
    }
    world.settle().await;
    assert_eq!(web.state().writes.first(), Some(&(ids[39], 0)));
    assert_eq!(web.state().writes.len(), 40);
    world.end().await;
});

/// An item that is mapped and not settled yet.
async fn world_item(world: &mut World<'_>, name: &str, units: i64) -> Option<u64> {
    world.test.item(name, units).await;
    let web = &world.webs[0];
    let id = web.shop.state().add_product(name, units, 500);
    sync::discover(&web.channel).await.unwrap();
    sync::map(&web.channel, &id.to_string(), &sku(name)).await.unwrap();
    Some(id)
}

both!(variations_that_share_their_parents_number_are_one_number, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    shop.item("SHIRT", 8).await;
    shop.item("CAP", 3).await;
    let web = world.webs[0].shop.clone();
    let parent = web.state().add(variable(None, Managed::Own, "SHIRT"));
    let red = web.state().add(variable(Some(parent), Managed::Parent, "SHIRT-RED"));
    let blue = web.state().add(variable(Some(parent), Managed::Parent, "SHIRT-BLUE"));
    let channel = world.webs[0].channel.clone();
    let found = sync::discover(&channel).await.unwrap();
    assert_eq!((found.listings, found.uncounted), (2, 0));
    sync::map(&channel, &red.to_string(), &sku("SHIRT")).await.unwrap();
    sync::map(&channel, &blue.to_string(), &sku("SHIRT")).await.unwrap();
    let refused = sync::map(&channel, &blue.to_string(), &sku("CAP")).await.unwrap_err();
    assert!(matches!(refused, MapError::SharedStock { .. }), "{refused}");
    let unknown = sync::map(&channel, "999", &sku("CAP")).await.unwrap_err();
    assert!(matches!(unknown, MapError::UnknownListing { .. }), "{unknown}");
    world.settle().await;
    world.tick();
    web.buy(&[(red, 1), (blue, 2)]);
    world.settle().await;
    assert_eq!(world.available("SHIRT").await, 5);
    shop.run(Command::Place(place("A", &[("SHIRT", 1)]))).await.unwrap();
    world.settle().await;
    assert_eq!(web.state().writes, [(parent, 4)]);
    assert_eq!(web.state().stock_of(blue), Some(4));
    world.end().await;
});

fn shadow(config: ChannelConfig) -> ChannelConfig {
    ChannelConfig { mode: ChannelMode::Shadow, ..config }
}

both!(a_channel_in_shadow_hears_and_says_nothing, |shop| {
    let mut world = World::with(&shop, &["web"], shadow).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    shop.run(Command::Place(place("A", &[("MUG", 4)]))).await.unwrap();
    world.tick();
    web.buy(&[(mug, 1)]);
    world.settle().await;
    assert_eq!((world.available("MUG").await, web.state().stock_of(mug)), (5, Some(9)));
    assert!(web.state().writes.is_empty());
    world.end().await;
});

fn cautious(config: ChannelConfig) -> ChannelConfig {
    let rules = RulesConfig {
        buffer: 2,
        share_percent: 50,
        max_quantity: Some(3),
        min_quantity: 2,
        stale_buffer: 0,
    };
    ChannelConfig { rules, ..config }
}

both!(rules_make_the_number_and_new_ones_make_it_anew, |shop| {
    let mut world = World::with(&shop, &["web"], cautious).await;
    let mug = world.item("MUG", 6).await[0];
    let web = world.webs[0].shop.clone();
    assert_eq!(web.state().stock_of(mug), Some(2), "half of what the buffer leaves");
    let receive = |units| Change::Receive(Quantity::new(units).unwrap());
    shop.stock("MUG", "main", receive(20)).await.unwrap();
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(3), "never more");
    shop.stock("MUG", "main", Change::Adjust(Delta::new(-22).unwrap())).await.unwrap();
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(0), "one is fewer than two");
    world.end().await;
});

both!(a_shop_that_is_down_is_left_alone_and_caught_up_with, |shop| {
    let mut world = World::new(&shop, &["web", "other"]).await;
    let ids = world.item("MUG", 10).await;
    let web = world.webs[0].shop.clone();
    web.state().faults.is_down = true;
    shop.run(Command::Place(place("A", &[("MUG", 4)]))).await.unwrap();
    sync::find_dirty(&world.shop).await.unwrap();
    world.webs[0].lane.step().await.unwrap_err();
    world.step(1).await;
    assert_eq!(world.webs[1].shop.state().stock_of(ids[1]), Some(6), "no other lane waits");
    web.state().faults.is_down = false;
    shop.clock.advance_millis(30_000);
    world.settle().await;
    assert_eq!(web.state().stock_of(ids[0]), Some(6));
    assert_eq!(world.unsettled().await, 0);
    world.end().await;
});

// What an order gives back there may be free here already: the number is too large then, and
// is written again until it is right, though nothing changes here.
both!(what_only_the_shop_changed_is_put_right_though_its_write_fails, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let order = web.buy(&[(mug, 4)]);
    world.settle().await;
    shop.cancel(&format!("web:{order}")).await.unwrap();
    sync::find_push_backs(&world.shop).await.unwrap();
    let unsaid = "update push_back set state = 'done', ended_at = 1";
    Raw::open(&shop.opening.place).await.execute(unsaid).await;
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(10));
    web.set_status(order, "cancelled");
    web.state().faults.fail_writes = 1;
    world.tick();
    let lane = &mut world.webs[0].lane;
    lane.pull_next();
    lane.step().await.unwrap_err();
    assert_eq!(web.state().stock_of(mug), Some(14));
    shop.clock.advance_millis(60_000);
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(10));
    assert_eq!(world.unsettled().await, 0);
    world.end().await;
});

// An order that cannot be read may be why a number is too low: it is not sold again.
both!(a_number_that_an_unread_order_may_have_taken_from_is_not_raised, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    web.buy(&[(mug, 1)]);
    world.settle().await;
    let unread = "update inbox set state = 'dead', reason = 'test' where kind = 'order'";
    let mut database = Raw::open(&shop.opening.place).await;
    database.execute(unread).await;
    world.tick();
    web.state().products.get_mut(&mug).unwrap().stock = 7;
    database.execute("update push set remote_changed = remote_changed + 1").await;
    for _ in 0..4 {
        world.step(0).await;
    }
    assert_eq!(web.state().stock_of(mug), Some(7));
    let problem = "select problem from push where problem like '%inbox dead%'";
    assert_eq!(database.texts(problem).await.len(), 1);
    // A number that is lower still is written all the same.
    shop.run(Command::Place(place("A", &[("MUG", 5)]))).await.unwrap();
    shop.clock.advance_millis(3_600_000);
    world.step(0).await;
    world.step(0).await;
    assert_eq!(web.state().stock_of(mug), Some(4));
    world.end().await;
});
