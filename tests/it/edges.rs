//! Cases at the edge of the rules, each of which once went wrong.

use invshop::domain::LocationKind;
use invshop::orders::{Disposition, ShipLine};
use invshop::writer::Command;

use crate::acts::{code, giving_back, refused, shipment, state};
use crate::both;
use crate::harness::{TestShop, place, units};

async fn one_at(shop: &TestShop, id: &str, location: &str) {
    let mut import = state(id, &[("MUG", 1, 0)]);
    import.location = Some(code(location));
    shop.run(Command::Import(import)).await.unwrap();
}

both!(orders_that_are_loaded_for_another_reason_do_not_stand_in_for_victims, |shop| {
    shop.item("MUG", 10).await;
    shop.place("X", &[("MUG", 6)]).await.unwrap();
    shop.shop_order("E", &[("MUG", 6, 0)]).await;
    shop.cancel("X").await.unwrap();
    shop.count("MUG", "main", 4).await;
    shop.adjust("MUG", "main", 13).await.unwrap();
    let mut young = place("B", &[("MUG", 1)]);
    young.payment_required = true;
    young.hold_ms = Some(86_400_000);
    shop.run(Command::Place(young)).await.unwrap();
    shop.unpaid("D", &[("MUG", 10)]).await.unwrap();
    shop.clock.advance_millis(1_000_000);
    // D runs out in the batch of the count and is no victim any more; B, unpaid, is next.
    shop.count("MUG", "main", 2).await;
    assert_eq!(shop.line("B", 1).await[1], 0, "the unpaid order loses first");
});

both!(the_lines_of_one_shipment_take_the_youngest_hold_each_time, |shop| {
    shop.item("MUG", 20).await;
    shop.place("A", &[("MUG", 1), ("MUG", 1), ("MUG", 6)]).await.unwrap();
    shop.place("B", &[("MUG", 3)]).await.unwrap();
    shop.place("C", &[("MUG", 5)]).await.unwrap();
    shop.adjust("MUG", "main", -4).await.unwrap();
    shop.ship_lines("A", "s", &[(1, 6), (2, 6)]).await.unwrap();
    let held = [shop.line("A", 3).await[1], shop.line("B", 1).await[1], shop.line("C", 1).await[1]];
    assert_eq!(held, [4, 0, 0], "C lost 5, B lost 3, A itself the last 2");
});

both!(what_is_owed_here_is_filled_before_what_is_owed_elsewhere_however_much_that_is, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 0).await;
    shop.shop_order("E", &vec![("MUG", 1, 0); 500]).await;
    one_at(&shop, "S", "store").await;
    shop.receive("MUG", "store", 3).await;
    assert_eq!(shop.line("web:S", 1).await[1], 1, "its own location first");
    assert_eq!(shop.level("MUG", "store").await[..2], [3, 3]);
});

both!(what_a_location_that_is_not_sold_from_owes_does_not_keep_the_writer_busy, |shop| {
    shop.location("aside", LocationKind::Quarantine).await;
    shop.item("MUG", 0).await;
    shop.shop_order("E", &vec![("MUG", 1, 0); 500]).await;
    one_at(&shop, "S", "aside").await;
    shop.receive("MUG", "aside", 1).await;
    shop.receive("MUG", "main", 1).await;
    assert_eq!(shop.line("web:S", 1).await[1], 1);
    assert!(shop.shop.counters.commands.get() < 50);
});

both!(what_is_set_aside_does_not_go_on_sale, |shop| {
    shop.item("MUG", 1).await;
    shop.place("A", &[("MUG", 1)]).await.unwrap();
    shop.ship("A", "s").await.unwrap();
    let mut back = giving_back("A", "r", (1, 1), Disposition::Quarantine);
    back.location = Some(code("main"));
    assert_eq!(refused(shop.run(Command::Return(back)).await).code(), "invalid");
    assert_eq!(shop.atp("MUG").await, 0);
});

both!(cancelling_a_named_line_again_changes_nothing, |shop| {
    shop.item("MUG", 4).await;
    shop.item("CUP", 4).await;
    shop.place("A", &[("MUG", 2), ("CUP", 2)]).await.unwrap();
    shop.cancel_lines("A", &[(1, 2)]).await.unwrap();
    let before = shop.newest().await;
    assert!(shop.cancel_lines("A", &[(1, 2)]).await.unwrap().replayed);
    assert_eq!(shop.newest().await, before);
});

// R20: a part of a bundle that left is work that was accepted.
both!(r20_a_bundle_of_which_a_part_left_is_extended, |shop| {
    shop.item("LID", 1).await;
    shop.item("POT", 1).await;
    shop.bundle("SET", &[("LID", 1), ("POT", 1)]).await.unwrap();
    shop.unpaid("A", &[("SET", 1)]).await.unwrap();
    let mut ship = shipment("A", "s");
    ship.lines = Some(vec![ShipLine { line: 1, part: Some(1), quantity: units(1) }]);
    shop.run(Command::Ship(ship)).await.unwrap();
    shop.expire(1_000_000).await;
    let reserved = shop.level("POT", "main").await[1] + shop.level("LID", "main").await[1];
    assert_eq!(reserved, 1);
});

both!(more_than_a_level_can_owe_is_refused_and_is_no_broken_invariant, |shop| {
    shop.item("MUG", 0).await;
    shop.backorder("A", &[("MUG", 1_000_000_000)]).await.unwrap();
    let more = refused(shop.backorder("B", &[("MUG", 1_000_000_000)]).await);
    assert_eq!(more.code(), "invalid");
});
