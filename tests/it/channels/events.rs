//! Deliveries of one event of a Shopify shop, and such as name no order.

use invshop::sandbox::shopify::{Financial, Mishaps, ShopifyShop};
use invshop::sync::{self, InboxView};

use super::world::World;
use crate::both;
use crate::harness::{TestShop, http};

/// What feeds each location.
const FEEDS: [&[&str]; 2] = [&["main"], &["store"]];

/// A Shopify shop that calls, with nine mugs at the first of its locations.
async fn calling(test: &TestShop) -> (World<'_>, ShopifyShop, u64) {
    let mut world = World::new(test, &[]).await;
    test.location("store", invshop::domain::LocationKind::Store).await;
    let shop = world.outlet("lamps", &FEEDS).await;
    world.serve_hooks().await;
    test.item("MUG", 9).await;
    let mug = world.add_variant("MUG", &[9, 0]).await;
    world.settle().await;
    shop.forget();
    world.tick();
    (world, shop, mug)
}

/// Makes the first calls that are due; the others stay due.
async fn deliver(shop: &ShopifyShop, first: u32) {
    let (http, mut made) = (http().build().unwrap(), 0);
    let mut random = |_: u32| {
        made += 1;
        if made > first { 0 } else { 99 }
    };
    let mishaps = Mishaps { dropped_percent: 50, ..Mishaps::default() };
    shop.deliver(&http, mishaps, &mut random).await;
}

/// Requests so far of one kind.
fn asked(shop: &ShopifyShop, what: &str) -> u64 {
    shop.state().requests.get(what).copied().unwrap_or(0)
}

/// What came in of webhooks, the newest first.
async fn deliveries(world: &World<'_>) -> Vec<InboxView> {
    let all = sync::inbox_list(&world.shop.db, "", 100).await.unwrap();
    all.into_iter().filter(|one| one.kind == "delivery").collect()
}

/// Requests of this kind with the next step: two for an order that nothing happened to.
macro_rules! reads {
    ($world:expr, $shop:expr) => {{
        let before = asked(&$shop, "query order");
        $world.outlets[0].lane.step().await.unwrap();
        asked(&$shop, "query order") - before
    }};
}

// R34: what several deliveries of one event tell of is read once, together or one by one.
both!(r34_deliveries_of_one_event_are_one_read, |test| {
    let (mut world, shop, mug) = calling(&test).await;
    let main = world.outlets[0].places[0];
    let order = shop.state().buy(&[(mug, main, 2)], Financial::Paid).unwrap();
    let calls = u32::try_from(shop.waiting()).unwrap();
    assert!(calls >= 3, "its number, that it is new, and that it changed");
    deliver(&shop, calls - 1).await;
    assert_eq!(reads!(world, shop), 2);
    assert_eq!(world.available("MUG").await, 7);
    // The last of them comes late.
    deliver(&shop, 1).await;
    assert_eq!((shop.waiting(), reads!(world, shop)), (0, 0));
    let all = deliveries(&world).await;
    let events: Vec<_> = all.iter().map(|one| one.event.clone().unwrap()).collect();
    assert!(all.len() >= 3 && events.iter().all(|event| *event == events[0]), "{all:?}");
    let why = "the order was read with another delivery of its event";
    assert_eq!(all[0].reason.as_deref(), Some(why));
    // Whoever wants it dealt with again has it read.
    assert!(sync::inbox_replay(&world.shop.db, all[1].id).await.unwrap());
    assert_eq!(reads!(world, shop), 2);
    // What happens next is another event.
    world.tick();
    let line = shop.state().orders[&order].lines[0].id;
    assert!(shop.state().edit_line(order, line, 1));
    deliver(&shop, 100).await;
    assert_eq!(reads!(world, shop), 4, "with its parcels and refunds");
    assert_ne!(deliveries(&world).await[0].event.as_deref(), Some(&*events[0]));
    world.end().await;
});

// What is left to a later delivery is read with it: where that fails, nobody has read it yet.
both!(a_read_that_failed_is_made_for_whoever_tells_of_its_event, |test| {
    let (mut world, shop, mug) = calling(&test).await;
    let main = world.outlets[0].places[0];
    shop.state().buy(&[(mug, main, 2)], Financial::Paid).unwrap();
    deliver(&shop, 100).await;
    shop.state().faults.fail_inside = 1;
    world.outlets[0].lane.step().await.unwrap_err();
    assert_eq!(world.available("MUG").await, 9);
    world.forget_pauses();
    test.clock.advance_millis(60_000);
    assert!(reads!(world, shop) >= 2);
    assert_eq!(world.available("MUG").await, 7);
    let all = deliveries(&world).await;
    let why = "the order was read with another delivery of its event";
    assert!(all.iter().all(|one| one.reason.as_deref() != Some(why)), "{all:?}");
    world.end().await;
});

// Where units leave from may change without a change of their order: only what is told of the
// fulfilment orders says so, which names both and no order.
both!(shopify_a_move_is_heard_of, |test| {
    let (mut world, shop, mug) = calling(&test).await;
    let (main, store) = (world.outlets[0].places[0], world.outlets[0].places[1]);
    let order = shop.state().buy(&[(mug, main, 3)], Financial::Paid).unwrap();
    world.settle().await;
    shop.forget();
    shop.state().quirks.moves_quietly = true;
    let line = shop.state().orders[&order].lines[0].id;
    assert!(shop.state().move_work(order, line, 2, store));
    let before = asked(&shop, "query fulfillmentOrder");
    deliver(&shop, 100).await;
    world.outlets[0].lane.step().await.unwrap();
    assert_eq!(asked(&shop, "query fulfillmentOrder") - before, 1, "the first of them says it");
    let taken = "select place || ' ' || units from deduction order by place";
    let taken = crate::raw::Raw::open(&test.opening.place).await.texts(taken).await;
    assert_eq!(taken, [format!("{main} 1"), format!("{store} 2")]);
    // A shop that cannot be asked whose they are is asked again.
    assert!(shop.state().move_work(order, line, 1, main));
    deliver(&shop, 100).await;
    shop.state().faults.fail_inside = 1;
    world.outlets[0].lane.step().await.unwrap_err();
    world.forget_pauses();
    test.clock.advance_millis(60_000);
    world.outlets[0].lane.step().await.unwrap();
    let taken = "select place || ' ' || units from deduction order by place";
    let taken = crate::raw::Raw::open(&test.opening.place).await.texts(taken).await;
    assert_eq!(taken, [format!("{main} 2"), format!("{store} 1")]);
    world.settle().await;
    assert_eq!(world.drifts().await, 0);
    world.end().await;
});
