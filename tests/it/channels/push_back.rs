//! A shop is told what became of its orders here: once, whatever goes wrong between.

use invshop::config::{ChannelConfig, ChannelMode};
use invshop::orders::Ship;
use invshop::reports::{self, TroubleKind};
use invshop::sandbox::woocommerce::Mishaps;
use invshop::sync;
use invshop::writer::Command;

use super::world::World;
use crate::acts::shipment;
use crate::both;
use crate::harness::{TestShop, place};
use crate::raw::Raw;

/// What was to be told, sorted: of what, how it ended, and why.
async fn told(shop: &TestShop) -> Vec<String> {
    let query = "select kind || ' ' || state || ' ' || coalesce(reason, '') from push_back";
    Raw::open(&shop.opening.place).await.texts(query).await
}

/// How often an order was changed from outside.
fn changes(world: &World<'_>) -> u64 {
    let state = world.webs[0].shop.state();
    state.requests.get("PUT orders/{id}").copied().unwrap_or(0)
}

fn status(world: &World<'_>, order: u64) -> String {
    world.webs[0].shop.state().orders[&order].status.clone()
}

/// An order of a shop for some units of each of two items, in the ledger.
async fn bought(world: &mut World<'_>, units: i64) -> u64 {
    let mug = world.item("MUG", 10).await[0];
    let pot = world.item("POT", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let order = web.buy(&[(mug, units), (pot, 1)]);
    world.settle().await;
    order
}

both!(what_left_here_is_completed_there_once, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let order = bought(&mut world, 2).await;
    shop.ship_lines(&format!("web:{order}"), "s1", &[(1, 2)]).await.unwrap();
    world.settle().await;
    assert_eq!(status(&world, order), "processing", "it knows only whole orders");
    shop.ship(&format!("web:{order}"), "s2").await.unwrap();
    world.settle().await;
    assert_eq!((status(&world, order).as_str(), changes(&world)), ("completed", 1));
    let first = "shipped done it knows only whole orders: it is told with the last parcel";
    assert_eq!(told(&shop).await, ["shipped done ", first]);
    // A crash before this was written down: it is said again, and nothing happens twice.
    let before = "update push_back set state = 'pending', ended_at = null, reason = null";
    Raw::open(&shop.opening.place).await.execute(before).await;
    world.settle().await;
    assert_eq!(changes(&world), 1);
    assert_eq!(told(&shop).await, [first, "shipped done the channel knew"]);
    // What it says of itself then changes nothing here, and is not told to it.
    world.settle().await;
    assert_eq!(shop.line(&format!("web:{order}"), 1).await, [2, 0, 2, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [8, 0, 0, 0]);
    assert_eq!((changes(&world), told(&shop).await.len()), (1, 2));
    world.end().await;
});

both!(what_the_shop_does_itself_is_not_told_to_it, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let shipped = bought(&mut world, 2).await;
    let web = world.webs[0].shop.clone();
    let mug = *web.state().products.keys().next().unwrap();
    world.serve_hooks().await;
    world.settle().await;
    let [cancelled, gone] = [1, 2].map(|units| web.buy(&[(mug, units)]));
    world.settle().await;
    world.tick();
    web.set_status(shipped, "completed");
    web.set_status(cancelled, "cancelled");
    web.set_status(gone, "on-hold");
    web.state().orders.remove(&gone);
    let http = crate::harness::http().build().unwrap();
    assert!(web.deliver(&http, Mishaps::default(), &mut |_| 99).await > 0);
    world.settle().await;
    let ended = "select count(*) from orders where status in ('shipped', 'cancelled')";
    assert_eq!(shop.int(ended).await, 3);
    assert_eq!((told(&shop).await.len(), changes(&world)), (0, 0));
    world.end().await;
});

both!(what_is_cancelled_here_is_cancelled_there, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let order = bought(&mut world, 4).await;
    let web = world.webs[0].shop.clone();
    shop.cancel(&format!("web:{order}")).await.unwrap();
    world.settle().await;
    assert_eq!(status(&world, order), "cancelled");
    assert_eq!(told(&shop).await, ["cancelled done "]);
    let mug = *web.state().products.keys().next().unwrap();
    assert_eq!((world.available("MUG").await, web.state().stock_of(mug)), (10, Some(10)));
    assert_eq!(world.unsettled().await, 0);
    world.end().await;
});

// "Completed" would say that what was cancelled left, and come back as that.
both!(an_order_of_which_some_is_cancelled_here_is_not_called_shipped, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let order = bought(&mut world, 4).await;
    let id = format!("web:{order}");
    shop.ship_lines(&id, "s1", &[(1, 3)]).await.unwrap();
    world.settle().await;
    shop.cancel(&id).await.unwrap();
    world.settle().await;
    assert_eq!((status(&world, order).as_str(), changes(&world)), ("processing", 0));
    assert_eq!(shop.line(&id, 1).await, [4, 0, 3, 0, 1, 0]);
    let other = {
        let web = world.webs[0].shop.clone();
        let mug = *web.state().products.keys().next().unwrap();
        world.tick();
        web.buy(&[(mug, 4)])
    };
    world.settle().await;
    let id = format!("web:{other}");
    // Both before the shop is told anything.
    shop.cancel_lines(&id, &[(1, 1)]).await.unwrap();
    shop.ship(&id, "s2").await.unwrap();
    world.settle().await;
    assert_eq!((status(&world, other).as_str(), changes(&world)), ("processing", 0));
    world.tick();
    world.settle().await;
    assert_eq!(shop.line(&id, 1).await, [4, 0, 3, 0, 1, 0]);
    assert_eq!(shop.level("MUG", "main").await, [4, 0, 0, 0]);
    let refused = told(&shop).await.iter().filter(|one| one.contains("complete it there")).count();
    assert_eq!(refused, 3, "{:?}", told(&shop).await);
    world.end().await;
});

both!(a_shop_that_cannot_be_told_gets_its_numbers_all_the_same, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let order = bought(&mut world, 2).await;
    let web = world.webs[0].shop.clone();
    let mug = *web.state().products.keys().next().unwrap();
    web.state().faults.fail_orders = 1000;
    shop.ship(&format!("web:{order}"), "s1").await.unwrap();
    shop.run(Command::Place(place("A", &[("MUG", 3)]))).await.unwrap();
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(5));
    assert_eq!(status(&world, order), "processing");
    let often = "update push_back set attempts = 5";
    Raw::open(&shop.opening.place).await.execute(often).await;
    let wrong = reports::attention(&world.shop.db, shop.clock_now()).await.unwrap();
    assert!(wrong.iter().any(|one| one.kind == TroubleKind::NotTold), "{wrong:?}");
    // It is told when it listens again.
    web.state().faults.fail_orders = 0;
    assert_eq!(sync::tell_again(&world.shop, "web", "").await.unwrap(), 1);
    world.forget_pauses();
    world.settle().await;
    assert_eq!(status(&world, order), "completed");
    world.end().await;
});

both!(what_cannot_be_told_is_shown_until_somebody_told_it, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let order = bought(&mut world, 4).await;
    shop.cancel_lines(&format!("web:{order}"), &[(1, 1)]).await.unwrap();
    world.settle().await;
    assert_eq!((status(&world, order).as_str(), changes(&world)), ("processing", 0));
    let wrong = reports::attention(&world.shop.db, shop.clock_now()).await.unwrap();
    let wrong: Vec<_> = wrong.iter().map(|one| (one.kind, one.command.clone())).collect();
    assert_eq!(wrong, [(TroubleKind::NotTold, format!("invshop channel tell web {order}"))]);
    // Told once more, it is what it was.
    assert_eq!(sync::tell_again(&world.shop, "web", &order.to_string()).await.unwrap(), 1);
    world.settle().await;
    assert_eq!(told(&shop).await.len(), 1);
    assert!(told(&shop).await[0].starts_with("cancelled refused"), "{:?}", told(&shop).await);
    assert_eq!(sync::told_by_hand(&world.shop, "web", "other").await.unwrap(), 0);
    assert_eq!(sync::told_by_hand(&world.shop, "web", "").await.unwrap(), 1);
    let wrong = reports::attention(&world.shop.db, shop.clock_now()).await.unwrap();
    assert_eq!(wrong, []);
    world.end().await;
});

both!(what_was_cancelled_of_an_order_is_told_with_the_rest_of_it, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let order = bought(&mut world, 4).await;
    let id = format!("web:{order}");
    shop.cancel_lines(&id, &[(1, 1)]).await.unwrap();
    world.settle().await;
    assert!(told(&shop).await[0].starts_with("cancelled refused"), "{:?}", told(&shop).await);
    shop.cancel(&id).await.unwrap();
    world.settle().await;
    assert_eq!(status(&world, order), "cancelled");
    let all = ["cancelled done ", "cancelled done all of it is cancelled there now"];
    assert_eq!(told(&shop).await, all);
    assert_eq!(reports::attention(&world.shop.db, shop.clock_now()).await.unwrap(), []);
    world.end().await;
});

fn shadow(config: ChannelConfig) -> ChannelConfig {
    ChannelConfig { mode: ChannelMode::Shadow, ..config }
}

both!(a_shop_in_shadow_is_told_nothing_then_or_later, |shop| {
    let mut world = World::with(&shop, &["web"], shadow).await;
    let order = bought(&mut world, 2).await;
    shop.ship(&format!("web:{order}"), "s1").await.unwrap();
    world.settle().await;
    assert_eq!(told(&shop).await, ["shipped done the channel was in shadow"]);
    world.webs[0].channel.set_mode(Some(ChannelMode::Live)).await.unwrap();
    world.settle().await;
    assert_eq!((status(&world, order).as_str(), changes(&world)), ("processing", 0));
    world.end().await;
});

both!(a_paused_shop_is_told_when_it_goes_on, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let order = bought(&mut world, 2).await;
    world.webs[0].channel.set_mode(Some(ChannelMode::Paused)).await.unwrap();
    shop.ship(&format!("web:{order}"), "s1").await.unwrap();
    world.settle().await;
    assert_eq!(status(&world, order), "processing");
    world.webs[0].channel.set_mode(None).await.unwrap();
    world.settle().await;
    assert_eq!(status(&world, order), "completed");
    world.end().await;
});

both!(how_a_parcel_can_be_followed_is_noted_once, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let order = bought(&mut world, 2).await;
    let parcel =
        Ship { tracking: Some("TRACK-1".to_owned()), ..shipment(&format!("web:{order}"), "s1") };
    shop.run(Command::Ship(parcel)).await.unwrap();
    world.settle().await;
    // Said again after a crash, it is noted already.
    let before = "update push_back set state = 'pending', ended_at = null, reason = null";
    Raw::open(&shop.opening.place).await.execute(before).await;
    world.settle().await;
    assert_eq!(status(&world, order), "completed");
    let notes = world.webs[0].shop.state().notes[&order].clone();
    assert!(notes.len() == 1 && notes[0].contains("TRACK-1"), "{notes:?}");
    world.end().await;
});
