//! Cases at the edge of the rules, each of which once went wrong.

use std::sync::Arc;

use invshop::domain::{Delta, LocationKind, Payment, Refusal};
use invshop::ledger::FILL_LINES_MAX;
use invshop::ledger::stock::Change;
use invshop::orders::{Cancel, Disposition, Import, ShipLine};
use invshop::secret::SeededRandom;
use invshop::shop::Shop;
use invshop::writer::{Command, Injected, Step, WriteError};

use crate::acts::{code, giving_back, refused, shipment, state};
use crate::both;
use crate::harness::{TestShop, movement, place, reference, units};

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

both!(a_broken_level_is_named_with_its_item_its_location_and_the_order, |shop| {
    shop.item("MUG", 5).await;
    shop.place("1", &[("MUG", 3)]).await.unwrap();
    shop.corrupt("update level set reserved = 1").await;
    let other = shop.another().await;
    let cancel = Cancel { reference: reference("1"), lines: None, reason: None };
    let answer = other.submit(Command::Cancel(cancel), None).await;
    let Err(WriteError::Broken(message)) = answer else { panic!("{answer:?}") };
    assert!(message.starts_with("cancel: MUG at main (item 1, location "), "{message}");
    assert!(message.contains("for order cli:1") && message.contains("reserved: -2"), "{message}");
    assert_eq!(other.counters.invariant_violations.get(), 1);
    other.close().await;
    assert_eq!(shop.line("1", 1).await, [3, 3, 0, 0, 0, 0]);
});

// semantics §1: what is asked for has not happened yet, so it has no time of its own.
both!(a_request_cannot_have_happened_before, |shop| {
    shop.location("attic", LocationKind::Store).await;
    shop.item("MUG", 5).await;
    let opened = shop.now();
    shop.clock.advance_millis(10_000);
    let (quantity, to) = (units(1), code("attic"));
    for change in [
        Change::Adjust(Delta::new(1).unwrap()),
        Change::Adjust(Delta::new(-1).unwrap()),
        Change::Transfer { quantity, to },
        Change::Safety(units(1)),
    ] {
        let mut command = movement("MUG", "main", change);
        command.effective_at = Some(opened + 1);
        let refusal = refused(shop.run(Command::Stock(command)).await);
        assert!(matches!(&refusal, Refusal::Invalid { field: "effective_at", .. }), "{refusal}");
    }
    assert_eq!(shop.level("MUG", "main").await, [5, 0, 0, 0]);
});

/// Lines owed in the test of slices: more than one transaction fills.
const OWED_LINES: i64 = FILL_LINES_MAX + 120;

/// Two orders that are owed a unit of one item on each of so many lines.
async fn many_owed(shop: &TestShop, name: &str) {
    shop.item(name, 0).await;
    for (id, lines) in [("old", FILL_LINES_MAX), ("young", OWED_LINES - FILL_LINES_MAX)] {
        let lines = vec![(name, 1); usize::try_from(lines).unwrap()];
        shop.backorder(&format!("{name}-{id}"), &lines).await.unwrap();
    }
}

/// A writer fills the first slice of what is owed, and dies before the next.
async fn die_after_a_slice(shop: &TestShop, name: &str) {
    let mut opening = shop.opening.clone();
    opening.random = Arc::new(SeededRandom::new(0xf111));
    opening.faults = Some(Arc::new(|step| match step {
        Step::Committed => Injected::Crash,
        _ => Injected::Nothing,
    }));
    let dying = Shop::open(opening).await.unwrap();
    let receive = movement(name, "main", Change::Receive(units(OWED_LINES)));
    let reply = dying.submit(Command::Stock(receive), None).await;
    assert!(matches!(reply, Err(WriteError::Unknown(_))), "{reply:?}");
    dying.close().await;
    let filled = [OWED_LINES, FILL_LINES_MAX, OWED_LINES - FILL_LINES_MAX, 0];
    assert_eq!(shop.level(name, "main").await, filled, "one slice");
}

both!(what_a_dead_writer_left_to_fill_is_filled_by_the_next_one, |shop| {
    many_owed(&shop, "MUG").await;
    shop.item("LID", 0).await;
    die_after_a_slice(&shop, "MUG").await;
    let next = shop.another().await;
    for _ in 0..2 {
        // The rest is filled between the two.
        let receive = movement("LID", "main", Change::Receive(units(1)));
        next.submit(Command::Stock(receive), None).await.unwrap();
    }
    next.close().await;
    assert_eq!(shop.level("MUG", "main").await, [OWED_LINES, OWED_LINES, 0, 0]);
    assert_eq!(shop.ints("select count(*) from fill_rest").await, [[0]]);
});

both!(what_a_dead_writer_left_to_fill_is_filled_by_the_sweep_of_another, |shop| {
    many_owed(&shop, "MUG").await;
    die_after_a_slice(&shop, "MUG").await;
    for _ in 0..2 {
        shop.run(Command::ExpireDue).await.unwrap();
    }
    assert_eq!(shop.level("MUG", "main").await, [OWED_LINES, OWED_LINES, 0, 0]);
    assert_eq!(shop.ints("select count(*) from fill_rest").await, [[0]]);
});

// R56: what a correction found is filled on purpose only, not by who comes next.
both!(what_a_correction_found_is_nothing_left_to_fill, |shop| {
    shop.item("MUG", 0).await;
    shop.backorder("1", &[("MUG", 2)]).await.unwrap();
    shop.adjust("MUG", "main", 5).await.unwrap();
    let next = shop.another().await;
    for _ in 0..2 {
        next.submit(Command::ExpireDue, None).await.unwrap();
    }
    next.close().await;
    assert_eq!(shop.level("MUG", "main").await, [5, 0, 2, 0]);
});

// A state that pays its order and ships in one go: whose turn it is to lose a
// hold is decided by what the state says, not by what was stored before it.
both!(a_state_that_pays_an_order_protects_its_holds_at_once, |shop| {
    shop.item("MUG", 10).await;
    let unpaid = Import { payment: Payment::Required, ..state("old", &[("MUG", 5, 0)]) };
    shop.run(Command::Import(unpaid)).await.unwrap();
    shop.place("young", &[("MUG", 5)]).await.unwrap();
    shop.shop_order("old", &[("MUG", 5, 0), ("MUG", 3, 3)]).await;
    assert_eq!(shop.line("web:old", 1).await, [5, 5, 0, 0, 0, 0]);
    assert_eq!(shop.line("young", 1).await, [5, 2, 0, 3, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [7, 7, 3, 0]);
});
