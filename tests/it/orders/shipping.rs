//! Shipping: goods that left, whatever the books say.

use invshop::domain::LocationKind;
use invshop::orders::{Ship, ShipLine};
use invshop::writer::Command;

use crate::acts::{code, refused, shipment, shipped};
use crate::both;

both!(an_order_is_shipped_in_parts, |shop| {
    shop.item("MUG", 5).await;
    shop.item("CUP", 5).await;
    shop.place("1", &[("MUG", 3), ("CUP", 2)]).await.unwrap();
    shop.ship_lines("1", "s1", &[(1, 1), (2, 2)]).await.unwrap();
    assert_eq!(shop.order("1").await, ("partially_shipped".to_owned(), [5, 2, 3, 0, 0, 0]));
    assert_eq!(shop.level("MUG", "main").await, [4, 2, 0, 0]);
    assert_eq!(shop.level("CUP", "main").await, [3, 0, 0, 0]);
    shop.ship("1", "s2").await.unwrap();
    assert_eq!(shop.order("1").await, ("shipped".to_owned(), [5, 0, 5, 0, 0, 0]));
    assert_eq!(shop.level("MUG", "main").await, [2, 0, 0, 0]);
    assert_eq!(refused(shop.ship("1", "s3").await).code(), "invalid");
    assert_eq!(refused(shop.ship_lines("1", "s4", &[(3, 1)]).await).code(), "unknown_line");
});

both!(a_shipment_counts_once_under_its_id, |shop| {
    shop.item("MUG", 5).await;
    shop.place("1", &[("MUG", 4)]).await.unwrap();
    shop.ship_lines("1", "s1", &[(1, 2)]).await.unwrap();
    let before = shop.newest().await;
    assert!(shop.ship_lines("1", "s1", &[(1, 2)]).await.unwrap().replayed);
    let other = shop.ship_lines("1", "s1", &[(1, 1)]).await;
    assert_eq!(refused(other).code(), "idempotency_mismatch");
    assert_eq!(shop.newest().await, before);
    assert_eq!(shop.line("1", 1).await, [4, 2, 2, 0, 0, 0]);
});

both!(goods_that_leave_from_elsewhere_free_the_hold_for_others, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 2).await;
    shop.place("1", &[("MUG", 2)]).await.unwrap();
    shop.backorder("owed", &[("MUG", 1)]).await.unwrap();
    shop.count("MUG", "store", 2).await;
    let from_store = Ship { location: Some(code("store")), ..shipment("1", "s1") };
    shop.run(Command::Ship(from_store)).await.unwrap();
    assert_eq!(shop.at("1", 1, "store").await, [0, 2, 0]);
    assert_eq!(shop.at("1", 1, "main").await, [0, 0, 0]);
    assert_eq!(shop.level("MUG", "store").await, [0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [2, 1, 0, 0]);
    assert_eq!(shop.line("owed", 1).await, [1, 1, 0, 0, 0, 0]);
});

both!(goods_beyond_the_books_are_corrected_first_and_asked_about, |shop| {
    shop.item("MUG", 3).await;
    shop.shop_order("1", &[("MUG", 5, 0)]).await;
    let before = shop.newest().await;
    shop.ship_lines("web:1", "s1", &[(1, 5)]).await.unwrap();
    assert_eq!(shop.line("web:1", 1).await, [5, 0, 5, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 0, 0]);
    let kinds = shop.kinds_after(before).await;
    assert_eq!(kinds, ["order.shipped", "adjustment", "ship", "stock.discrepancy"]);
});

both!(free_stock_leaves_before_the_holds_of_others, |shop| {
    shop.item("MUG", 6).await;
    shop.place("other", &[("MUG", 2)]).await.unwrap();
    shop.place("1", &[("MUG", 2)]).await.unwrap();
    shop.ship_lines("1", "s1", &[(1, 4)]).await.unwrap();
    assert_eq!(shop.line("other", 1).await, [2, 2, 0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [2, 2, 0, 0]);
    shop.ship_lines("1", "s2", &[(1, 1)]).await.unwrap();
    assert_eq!(shop.line("other", 1).await, [2, 1, 0, 1, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [1, 1, 1, 0]);
    assert_eq!(shop.count_of("stock.discrepancy").await, 0);
});

both!(goods_beyond_what_was_ordered_grow_the_line_and_are_reviewed, |shop| {
    shop.item("MUG", 5).await;
    shop.place("1", &[("MUG", 2)]).await.unwrap();
    let before = shop.newest().await;
    shop.ship_lines("1", "s1", &[(1, 3)]).await.unwrap();
    assert_eq!(shop.order("1").await, ("shipped".to_owned(), [3, 0, 3, 0, 0, 0]));
    assert_eq!(shop.reviews_after(before, "shipped_beyond_ordered").await, 1);
    assert_eq!(shop.level("MUG", "main").await, [2, 0, 0, 0]);
});

both!(goods_of_a_cancelled_order_leave_all_the_same, |shop| {
    shop.item("MUG", 5).await;
    shop.place("1", &[("MUG", 3)]).await.unwrap();
    shop.cancel("1").await.unwrap();
    let before = shop.newest().await;
    shop.ship_lines("1", "s1", &[(1, 2)]).await.unwrap();
    assert_eq!(shop.order("1").await, ("shipped".to_owned(), [3, 0, 2, 0, 1, 0]));
    assert_eq!(shop.level("MUG", "main").await, [3, 0, 0, 0]);
    assert_eq!(shop.reviews_after(before, "shipped_beyond_ordered").await, 0);
});

both!(held_units_leave_first_then_owed_then_cancelled_ones, |shop| {
    shop.item("MUG", 2).await;
    shop.backorder("1", &[("MUG", 6)]).await.unwrap();
    shop.cancel_lines("1", &[(1, 1)]).await.unwrap();
    assert_eq!(shop.line("1", 1).await, [6, 2, 0, 3, 1, 0]);
    let expected = [
        (1, [6, 1, 1, 3, 1, 0]),
        (2, [6, 0, 3, 2, 1, 0]),
        (2, [6, 0, 5, 0, 1, 0]),
        (1, [6, 0, 6, 0, 0, 0]),
        (1, [7, 0, 7, 0, 0, 0]),
    ];
    for (number, (units, line)) in expected.into_iter().enumerate() {
        shop.ship_lines("1", &format!("s{number}"), &[(1, units)]).await.unwrap();
        assert_eq!(shop.line("1", 1).await, line, "shipment {number}");
    }
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 0, 0]);
});

both!(a_line_that_a_shipment_names_twice_leaves_as_if_it_were_named_once, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 2).await;
    shop.receive("MUG", "store", 3).await;
    shop.place("1", &[("MUG", 5)]).await.unwrap();
    shop.ship_lines("1", "s1", &[(1, 2), (1, 2)]).await.unwrap();
    assert_eq!(shop.at("1", 1, "main").await, [0, 2, 0]);
    assert_eq!(shop.at("1", 1, "store").await, [1, 2, 0]);
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "store").await, [1, 1, 0, 0]);
    assert_eq!(shop.count_of("stock.discrepancy").await, 0);
});

both!(a_part_named_by_itself_and_with_its_bundle_leaves_once, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("CUP", 2).await;
    shop.receive("CUP", "store", 2).await;
    shop.bundle("PAIR", &[("CUP", 2)]).await.unwrap();
    shop.place("1", &[("PAIR", 2)]).await.unwrap();
    let part = ShipLine { part: Some(1), ..shipped(1, 2) };
    let lines = Some(vec![part, shipped(1, 1)]);
    shop.run(Command::Ship(Ship { lines, ..shipment("1", "s1") })).await.unwrap();
    assert_eq!(shop.level("CUP", "main").await, [0, 0, 0, 0]);
    assert_eq!(shop.level("CUP", "store").await, [0, 0, 0, 0]);
    assert_eq!(shop.count_of("stock.discrepancy").await, 0);
});

both!(all_that_is_held_leaves_one_place_in_one_go, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 2).await;
    shop.receive("MUG", "store", 3).await;
    shop.backorder("1", &[("MUG", 6)]).await.unwrap();
    shop.location("attic", LocationKind::Transit).await;
    shop.receive("MUG", "attic", 5).await;
    let from_attic = Ship { location: Some(code("attic")), ..shipment("1", "s1") };
    shop.run(Command::Ship(from_attic)).await.unwrap();
    // What is freed at `main` must not be held again before the rest has left.
    assert_eq!(shop.at("1", 1, "main").await, [1, 0, 0]);
    assert_eq!(shop.at("1", 1, "store").await, [0, 0, 0]);
    assert_eq!(shop.ints("select quantity from journal where kind = 'ship'").await, [[5]]);
});

both!(a_shipment_of_the_past_before_a_count_only_settles_the_order, |shop| {
    shop.item("MUG", 9).await;
    shop.clock.advance_millis(10_000);
    shop.place("1", &[("MUG", 2)]).await.unwrap();
    let packed = shop.now();
    shop.clock.advance_millis(10_000);
    shop.count("MUG", "main", 7).await;
    let late = Ship {
        lines: Some(vec![shipped(1, 2)]),
        effective_at: Some(packed),
        ..shipment("1", "s1")
    };
    shop.run(Command::Ship(late)).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [7, 0, 0, 0]);
    assert_eq!(shop.order("1").await.0, "shipped");
});
