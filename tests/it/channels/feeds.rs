//! Several of the ledger's locations feed one of a Shopify shop's: it shows their sum. The
//! reverse, one that feeds two, is refused where the configuration is read
//! (`a_location_feeds_one_place_of_a_channel`).

use invshop::domain::LocationKind;
use invshop::sandbox::shopify::{Financial, Restock};
use invshop::writer::Command;

use super::world::World;
use crate::both;
use crate::harness::{TestShop, place};
use crate::raw::Raw;

/// A shop with two locations, of which the ledger's `main` and `store` feed the first and
/// its `yard` the second; five, three and two mugs.
async fn three_feeds(test: &TestShop) -> (World<'_>, u64) {
    let mut world = World::new(test, &[]).await;
    for code in ["store", "yard"] {
        test.location(code, LocationKind::Store).await;
    }
    world.outlet("lamps", &[&["main", "store"], &["yard"]]).await;
    test.item("MUG", 5).await;
    test.receive("MUG", "store", 3).await;
    test.receive("MUG", "yard", 2).await;
    let mug = world.add_variant("MUG", &[8, 2]).await;
    world.settle().await;
    (world, mug)
}

/// What its two locations show, and how many numbers were written in all.
fn shown(world: &World<'_>, mug: u64) -> (Option<i64>, Option<i64>, usize) {
    let (state, places) = (world.outlets[0].shop.state(), &world.outlets[0].places);
    let at = |place: u64| state.stock_of(mug, place);
    (at(places[0]), at(places[1]), state.writes.len())
}

/// Units that may be promised at a location: on hand, without those that are taken.
async fn free(test: &TestShop, location: &str) -> i64 {
    let [on_hand, reserved, shortfall, safety] = test.level("MUG", location).await;
    (on_hand - reserved - shortfall - safety).max(0)
}

both!(a_location_shows_the_sum_of_what_feeds_it, |shop| {
    let (mut world, mug) = three_feeds(&shop).await;
    assert_eq!(shown(&world, mug), (Some(8), Some(2), 0), "what is right is not written");
    shop.run(Command::Place(place("A", &[("MUG", 2)]))).await.unwrap();
    world.settle().await;
    assert_eq!(shown(&world, mug), (Some(6), Some(2), 1));
    // More goes to one of them; what goes from one to the other changes nothing.
    shop.receive("MUG", "store", 1).await;
    world.settle().await;
    assert_eq!(shown(&world, mug), (Some(7), Some(2), 2));
    shop.transfer("MUG", "store", "main", 2).await.unwrap();
    world.settle().await;
    assert_eq!(shown(&world, mug), (Some(7), Some(2), 2));
    // What is kept back at one is not shown, and the other does not make up for it.
    shop.safety("MUG", "store", 5).await;
    world.settle().await;
    assert_eq!(free(&shop, "store").await, 0);
    assert_eq!(shown(&world, mug), (Some(5), Some(2), 3));
    shop.transfer("MUG", "main", "yard", 1).await.unwrap();
    world.settle().await;
    assert_eq!(shown(&world, mug), (Some(4), Some(3), 5), "it went to the shop's other one");
    assert_eq!((world.unsettled().await, world.drifts().await), (0, 0));
    world.end().await;
});

both!(a_sale_at_a_location_is_taken_from_whatever_feeds_it, |shop| {
    let (mut world, mug) = three_feeds(&shop).await;
    let (lamps, main) = (world.outlets[0].shop.clone(), world.outlets[0].places[0]);
    // No one of them has so many.
    let order = lamps.state().buy(&[(mug, main, 7)], Financial::Paid).unwrap();
    world.settle().await;
    let ours = [free(&shop, "main").await, free(&shop, "store").await, free(&shop, "yard").await];
    assert_eq!(ours, [0, 1, 2]);
    assert_eq!(shown(&world, mug), (Some(1), Some(2), 0), "it took them off itself");
    let line = lamps.state().orders[&order].lines[0].id;
    lamps.state().refund(order, line, 1, Restock::Cancel).unwrap();
    lamps.state().fulfil(order, &[(line, 6)]);
    world.settle().await;
    let status = format!("select status from orders where external_id = '{order}'");
    assert_eq!(Raw::open(&shop.opening.place).await.texts(&status).await, ["shipped"]);
    let on_hand = shop.level("MUG", "main").await[0] + shop.level("MUG", "store").await[0];
    assert_eq!((on_hand, shown(&world, mug)), (2, (Some(2), Some(2), 0)));
    // One of them comes back, to where it left from.
    lamps.state().refund(order, line, 1, Restock::Return).unwrap();
    world.settle().await;
    assert_eq!(shown(&world, mug), (Some(3), Some(2), 0));
    assert_eq!((world.unsettled().await, world.drifts().await), (0, 0));
    world.end().await;
});
