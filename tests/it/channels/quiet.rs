//! Orders that were deleted for good while nobody was told: they are in no list.

use super::world::World;
use crate::both;
use crate::raw::Raw;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A round of asking, a few orders at a time.
async fn ask_for_all(world: &mut World<'_>) {
    world.forget_pauses();
    world.webs[0].lane.ask_for_quiet_next();
    for _ in 0..4 {
        world.webs[0].lane.pull_next();
        world.settle().await;
    }
}

async fn failure(world: &World<'_>) -> String {
    let query = "select coalesce(failure, '') from channel where name = 'web'";
    Raw::open(&world.test.opening.place).await.texts(query).await.remove(0)
}

both!(what_was_deleted_for_good_in_silence_lets_its_units_go, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 20).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let gone: Vec<u64> = (0..2).map(|_| web.buy(&[(mug, 3)])).collect();
    world.settle().await;
    world.tick();
    let stays = web.buy(&[(mug, 1)]);
    world.settle().await;
    for order in &gone {
        web.state().orders.remove(order);
    }
    ask_for_all(&mut world).await;
    assert_eq!(world.available("MUG").await, 13, "it was heard of today");
    shop.clock.advance_millis(2 * DAY_MS);
    ask_for_all(&mut world).await;
    assert_eq!(world.available("MUG").await, 19);
    assert_eq!(web.state().stock_of(mug), Some(19));
    assert!(web.state().orders.contains_key(&stays));
    world.end().await;
});

both!(a_shop_that_was_put_back_cancels_nothing, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 20).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let orders: Vec<u64> = (0..4).map(|_| web.buy(&[(mug, 1)])).collect();
    world.settle().await;
    let kept: Vec<_> =
        orders.iter().map(|id| web.state().orders.remove(id).map(|order| (*id, order))).collect();
    shop.clock.advance_millis(2 * DAY_MS);
    ask_for_all(&mut world).await;
    assert_eq!(world.available("MUG").await, 16);
    let told = failure(&world).await;
    let is_named = |told: &str| orders.iter().all(|order| told.contains(&order.to_string()));
    assert!(told.contains("put back") && is_named(&told), "{told}");
    // It is no failure of orders and numbers.
    web.buy(&[(mug, 1)]);
    world.webs[0].lane.pull_next();
    world.settle().await;
    assert_eq!(world.available("MUG").await, 15);
    assert!(is_named(&failure(&world).await));
    web.state().orders.extend(kept.into_iter().flatten());
    ask_for_all(&mut world).await;
    assert_eq!((world.available("MUG").await, failure(&world).await), (15, String::new()));
    world.end().await;
});

both!(an_order_that_cannot_be_read_keeps_no_other_from_being_asked_for, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 40).await[0];
    let web = world.webs[0].shop.clone();
    let mut orders = Vec::new();
    for _ in 0..12 {
        world.tick();
        orders.push(web.buy(&[(mug, 1)]));
        world.settle().await;
    }
    // More than one look of five; the last is there still.
    web.state().orders.remove(&orders[10]);
    web.state().faults.broken_order = Some(orders[1]);
    shop.clock.advance_millis(2 * DAY_MS);
    ask_for_all(&mut world).await;
    assert_eq!(world.available("MUG").await, 29);
    world.end().await;
});

both!(a_change_nobody_told_of_is_found_by_asking, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 20).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let order = web.buy(&[(mug, 3)]);
    world.settle().await;
    // Changes are read from a later one on.
    shop.clock.advance_millis(DAY_MS / 2);
    web.buy(&[(mug, 1)]);
    world.webs[0].lane.pull_next();
    world.settle().await;
    // Changed, and its time of change is as it was: it is in no list.
    let modified = web.state().orders[&order].modified;
    web.set_status(order, "cancelled");
    web.state().orders.get_mut(&order).unwrap().modified = modified;
    shop.clock.advance_millis(2 * DAY_MS);
    world.webs[0].lane.pull_next();
    world.settle().await;
    assert_eq!(world.available("MUG").await, 16, "it is in no list");
    ask_for_all(&mut world).await;
    assert_eq!(world.available("MUG").await, 19);
    world.end().await;
});
