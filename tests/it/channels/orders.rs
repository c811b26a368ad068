//! Orders of a shop in the ledger: each once, as they are now, whatever comes and how.

use invshop::domain::{AllocationPolicy, Quantity};
use invshop::ledger::stock::Change;
use invshop::reports;
use invshop::sync;
use invshop::writer::Command;

use super::world::World;
use crate::both;
use crate::harness::{place, reference, sku};
use crate::raw::Raw;

async fn status(world: &World<'_>, order: u64) -> String {
    let query = format!("select status from orders where external_id = '{order}'");
    let found = Raw::open(&world.test.opening.place).await.texts(&query).await;
    found.first().cloned().unwrap_or_else(|| "none".to_owned())
}

async fn entries(world: &World<'_>) -> i64 {
    Raw::open(&world.test.opening.place).await.number("select count(*) from journal").await
}

both!(an_order_follows_what_the_shop_makes_of_it, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let order = web.buy(&[(mug, 3)]);
    world.settle().await;
    assert_eq!((status(&world, order).await.as_str(), world.available("MUG").await), ("open", 7));
    // Read again and again it is the same.
    let before = entries(&world).await;
    world.settle().await;
    assert_eq!(entries(&world).await, before);
    world.tick();
    web.state().refund(order, 0, 1, shop.clock_now().as_millis() / 1000);
    world.settle().await;
    assert_eq!(world.available("MUG").await, 8, "a refunded unit that was put back is free");
    world.tick();
    web.set_status(order, "completed");
    world.settle().await;
    let item =
        reports::item(&world.shop.db, &sku("MUG"), AllocationPolicy::Split).await.unwrap().unwrap();
    assert_eq!(status(&world, order).await, "shipped");
    assert_eq!((item.totals.on_hand, item.totals.reserved), (8, 0));

    world.tick();
    let other = web.buy(&[(mug, 2)]);
    world.settle().await;
    world.tick();
    web.set_status(other, "cancelled");
    world.settle().await;
    assert_eq!(
        (status(&world, other).await.as_str(), world.available("MUG").await),
        ("cancelled", 8)
    );
    assert_eq!(web.state().stock_of(mug), Some(8));
    assert!(web.state().writes.is_empty(), "the shop did all of it itself");
    world.end().await;
});

// Seen on a live shop: all units of an order were taken off by hand.
both!(an_order_that_loses_all_its_lines_holds_nothing, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let order = web.buy(&[(mug, 3)]);
    let empty = web.buy(&[]);
    world.settle().await;
    assert_eq!((status(&world, order).await.as_str(), world.available("MUG").await), ("open", 7));
    world.tick();
    let now = shop.clock_now().as_millis() / 1000;
    let edited = |order: &mut invshop::sandbox::woocommerce::Order| {
        order.lines.clear();
        order.modified = now;
    };
    web.state().orders.get_mut(&order).map(edited).unwrap();
    web.type_stock(mug, 10);
    world.settle().await;
    assert_eq!(
        (status(&world, order).await.as_str(), world.available("MUG").await),
        ("cancelled", 10)
    );
    assert_eq!(status(&world, empty).await, "none", "one that never had a line promises nothing");
    let dead = "select count(*) from inbox where state = 'dead'";
    assert_eq!(Raw::open(&shop.opening.place).await.number(dead).await, 0);
    world.end().await;
});

/// An order of three mugs of ten.
async fn three(world: &mut World<'_>) -> (u64, u64) {
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let order = web.buy(&[(mug, 3)]);
    world.settle().await;
    (mug, order)
}

/// Units of its one line are refunded there and put back.
async fn put_back(world: &mut World<'_>, order: u64, units: i64) {
    world.tick();
    let now = world.test.clock_now().as_millis() / 1000;
    world.webs[0].shop.state().refund(order, 0, units, now);
    world.settle().await;
}

async fn now_is(world: &mut World<'_>, order: u64, status: &str) {
    world.tick();
    world.webs[0].shop.set_status(order, status);
    world.settle().await;
}

// What is put back before it left is cancelled, and what had left has come back, in whatever
// order the shop says it; the goods are on the shelf once.
both!(what_is_put_back_is_cancelled_or_returned_by_whether_it_had_left, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let (mug, order) = three(&mut world).await;
    let id = format!("web:{order}");
    // Nothing else is on the shelf: units that did not leave must not be counted as left.
    shop.run(Command::Place(place("A", &[("MUG", 7)]))).await.unwrap();
    put_back(&mut world, order, 1).await;
    shop.run(Command::Place(place("B", &[("MUG", 1)]))).await.unwrap();
    shop.ship("cli:A", "a").await.unwrap();
    shop.ship("cli:B", "b").await.unwrap();
    assert_eq!(shop.line(&id, 1).await, [3, 2, 0, 0, 1, 0]);
    now_is(&mut world, order, "completed").await;
    assert_eq!(shop.line(&id, 1).await, [3, 0, 2, 0, 1, 0]);
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 0, 0]);
    put_back(&mut world, order, 1).await;
    assert_eq!(shop.line(&id, 1).await, [3, 0, 2, 0, 1, 1]);
    assert_eq!(shop.level("MUG", "main").await, [1, 0, 0, 0]);
    put_back(&mut world, order, 1).await;
    now_is(&mut world, order, "refunded").await;
    assert_eq!(shop.line(&id, 1).await, [3, 0, 2, 0, 1, 2]);
    assert_eq!(shop.level("MUG", "main").await, [2, 0, 0, 0]);
    world.settle().await;
    assert_eq!(world.webs[0].shop.state().stock_of(mug), Some(2));
    assert_eq!(world.unsettled().await, 0);
    world.end().await;
});

both!(an_order_put_back_and_refunded_whole_leaves_the_shelf_as_it_was, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let (mug, order) = three(&mut world).await;
    // Both are seen at once.
    let now = shop.clock_now().as_millis() / 1000;
    world.webs[0].shop.state().refund(order, 0, 3, now);
    now_is(&mut world, order, "refunded").await;
    assert_eq!(shop.line(&format!("web:{order}"), 1).await, [3, 0, 0, 0, 3, 0]);
    assert_eq!(shop.level("MUG", "main").await, [10, 0, 0, 0]);
    assert_eq!(world.webs[0].shop.state().stock_of(mug), Some(10));
    world.end().await;
});

// R53: what was deducted and is not given back is not on the shelf.
both!(r53_a_refund_that_puts_nothing_back_frees_nothing, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let order = web.buy(&[(mug, 3)]);
    world.settle().await;
    world.tick();
    // The shop gives nothing back by itself, and nobody said that the goods are there.
    web.set_status(order, "refunded");
    world.settle().await;
    assert_eq!(world.available("MUG").await, 7);
    assert_eq!(web.state().stock_of(mug), Some(7));
    assert!(web.state().writes.is_empty());
    world.end().await;
});

both!(what_two_shops_sell_at_once_is_owed_and_adds_up, |shop| {
    let mut world = World::new(&shop, &["web", "other"]).await;
    let ids = world.item("MUG", 1).await;
    world.tick();
    for (web, id) in world.webs.iter().zip(&ids) {
        web.shop.buy(&[(*id, 1)]);
    }
    world.settle().await;
    let item =
        reports::item(&world.shop.db, &sku("MUG"), AllocationPolicy::Split).await.unwrap().unwrap();
    assert_eq!((item.totals.reserved, item.totals.shortfall), (1, 1));
    for (web, id) in world.webs.iter().zip(&ids) {
        assert_eq!(web.shop.state().stock_of(*id), Some(0));
    }
    world.end().await;
});

both!(a_line_of_no_listing_waits_and_is_never_guessed, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    world.item("MUG", 10).await;
    let web = world.webs[0].shop.clone();
    // It has the SKU of an item, and nobody said that it is one.
    let twin = web.state().add_product("MUG", 5, 990);
    world.tick();
    let order = web.buy(&[(twin, 2)]);
    world.settle().await;
    assert_eq!(world.available("MUG").await, 10);
    let unmapped = "select count(*) from order_line where item_id is null";
    assert_eq!(Raw::open(&shop.opening.place).await.number(unmapped).await, 1);
    let line = invshop::orders::MapLine {
        reference: reference(&format!("web:{order}")),
        line: 1,
        sku: sku("MUG"),
    };
    shop.run(Command::MapLine(line)).await.unwrap();
    assert_eq!(world.available("MUG").await, 8);
    world.end().await;
});

both!(an_order_that_promises_nothing_is_not_recorded_until_it_does, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let order = web.buy(&[(mug, 3)]);
    web.set_status(order, "pending");
    world.settle().await;
    assert_eq!((status(&world, order).await.as_str(), world.available("MUG").await), ("none", 10));
    world.tick();
    web.set_status(order, "processing");
    world.step(0).await;
    assert_eq!((status(&world, order).await.as_str(), world.available("MUG").await), ("open", 7));
    // Two changes within one second have one version: the newer one counts.
    web.set_status(order, "cancelled");
    world.step(0).await;
    assert_eq!(
        (status(&world, order).await.as_str(), world.available("MUG").await),
        ("cancelled", 10)
    );
    world.end().await;
});

both!(stock_that_came_after_the_sale_goes_to_who_is_owed, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 1).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    web.buy(&[(mug, 4)]);
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(0), "below 0 is shown as 0");
    shop.stock("MUG", "main", Change::Receive(Quantity::new(5).unwrap())).await.unwrap();
    world.settle().await;
    assert_eq!((world.available("MUG").await, web.state().stock_of(mug)), (2, Some(2)));
    shop.run(Command::Place(place("A", &[("MUG", 2)]))).await.unwrap();
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(0));
    world.end().await;
});

both!(what_a_shop_sells_is_found_whatever_its_clock_says, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    // Its clock is ten minutes behind from here on.
    web.state().clock_behind = 600;
    world.tick();
    web.buy(&[(mug, 1)]);
    sync::find_dirty(&world.shop).await.unwrap();
    world.settle().await;
    assert_eq!(world.available("MUG").await, 9);
    world.end().await;
});
