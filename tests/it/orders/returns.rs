//! Goods and money that go back: two facts, never one.

use invshop::domain::LocationKind;
use invshop::orders::{Disposition, Refund, RefundLine, Return, ReturnLine};
use invshop::writer::Command;

use crate::acts::{giving_back, refunding, refused};
use crate::both;
use crate::harness::{TestShop, units};

async fn shipped_order(shop: &TestShop) {
    shop.item("MUG", 5).await;
    shop.place("1", &[("MUG", 3)]).await.unwrap();
    shop.ship("1", "s1").await.unwrap();
}

both!(restocked_goods_are_for_sale_and_fill_what_is_owed, |shop| {
    shipped_order(&shop).await;
    shop.backorder("owed", &[("MUG", 3)]).await.unwrap();
    let before = shop.newest().await;
    shop.give_back("1", "r1", 2, Disposition::Restock).await.unwrap();
    assert_eq!(shop.kinds_after(before).await, ["order.returned", "return", "reserve"]);
    assert_eq!(shop.line("1", 1).await, [3, 0, 3, 0, 0, 2]);
    assert_eq!(shop.line("owed", 1).await, [3, 3, 0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [4, 3, 0, 0]);
    shop.give_back("1", "r2", 1, Disposition::Restock).await.unwrap();
    assert_eq!(shop.order("1").await, ("returned".to_owned(), [3, 0, 3, 0, 0, 3]));
    assert_eq!(shop.level("MUG", "main").await, [5, 3, 0, 0]);
});

both!(goods_to_inspect_go_where_nothing_is_sold, |shop| {
    shipped_order(&shop).await;
    let nowhere = shop.give_back("1", "r1", 1, Disposition::Quarantine).await;
    assert_eq!(refused(nowhere).code(), "invalid");
    shop.location("inspection", LocationKind::Quarantine).await;
    shop.give_back("1", "r1", 1, Disposition::Quarantine).await.unwrap();
    assert_eq!(shop.level("MUG", "inspection").await, [1, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [2, 0, 0, 0]);
    assert_eq!(shop.atp("MUG").await, 2);
    assert_eq!(shop.line("1", 1).await, [3, 0, 3, 0, 0, 1]);
});

both!(goods_thrown_away_come_back_and_go, |shop| {
    shipped_order(&shop).await;
    let before = shop.newest().await;
    shop.give_back("1", "r1", 3, Disposition::WriteOff).await.unwrap();
    assert_eq!(shop.kinds_after(before).await, ["order.returned", "return", "write_off"]);
    assert_eq!(shop.level("MUG", "main").await, [2, 0, 0, 0]);
    assert_eq!(shop.order("1").await, ("returned".to_owned(), [3, 0, 3, 0, 0, 3]));
});

both!(goods_beyond_what_left_are_counted_in_and_reviewed, |shop| {
    shipped_order(&shop).await;
    let before = shop.newest().await;
    shop.give_back("1", "r1", 4, Disposition::Restock).await.unwrap();
    assert_eq!(shop.line("1", 1).await, [3, 0, 3, 0, 0, 3]);
    assert_eq!(shop.level("MUG", "main").await, [6, 0, 0, 0]);
    assert_eq!(shop.reviews_after(before, "returned_beyond_shipped").await, 1);
});

both!(a_return_counts_once_under_its_id, |shop| {
    shipped_order(&shop).await;
    shop.give_back("1", "r1", 1, Disposition::Restock).await.unwrap();
    let before = shop.newest().await;
    assert!(shop.give_back("1", "r1", 1, Disposition::Restock).await.unwrap().replayed);
    let other = shop.give_back("1", "r1", 1, Disposition::WriteOff).await;
    assert_eq!(refused(other).code(), "idempotency_mismatch");
    assert_eq!(refused(shop.give_back("1", "r2", 0, Disposition::Restock).await).code(), "invalid");
    assert_eq!(shop.newest().await, before);
    assert_eq!(shop.level("MUG", "main").await, [3, 0, 0, 0]);
});

// R49: units that went back on sale one way do not go back another way.
both!(r49_a_refund_and_then_a_cancellation_give_a_unit_back_once, |shop| {
    shop.item("MUG", 100).await;
    shop.place("1", &[("MUG", 1)]).await.unwrap();
    shop.refund("1", "f1", 1, true).await.unwrap();
    assert_eq!(shop.order("1").await, ("cancelled".to_owned(), [1, 0, 0, 0, 1, 0]));
    assert!(shop.cancel("1").await.unwrap().replayed);
    assert_eq!(shop.level("MUG", "main").await, [100, 0, 0, 0]);
});

// R49.
both!(r49_a_cancellation_and_then_a_refund_give_a_unit_back_once, |shop| {
    shop.item("MUG", 100).await;
    shop.place("1", &[("MUG", 1)]).await.unwrap();
    shop.cancel("1").await.unwrap();
    let before = shop.newest().await;
    shop.refund("1", "f1", 1, true).await.unwrap();
    assert_eq!(shop.reviews_after(before, "refunded_beyond_ordered").await, 1);
    assert_eq!(shop.level("MUG", "main").await, [100, 0, 0, 0]);
    assert_eq!(shop.order("1").await, ("cancelled".to_owned(), [1, 0, 0, 0, 1, 0]));
});

// R49.
both!(r49_two_refunds_give_a_unit_back_once, |shop| {
    shipped_order(&shop).await;
    shop.refund("1", "f1", 3, true).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [5, 0, 0, 0]);
    assert!(shop.refund("1", "f1", 3, true).await.unwrap().replayed);
    shop.refund("1", "f2", 3, true).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [5, 0, 0, 0]);
    assert_eq!(shop.order("1").await, ("returned".to_owned(), [3, 0, 3, 0, 0, 3]));
    let other = shop.refund("1", "f1", 2, true).await;
    assert_eq!(refused(other).code(), "idempotency_mismatch");
});

both!(a_refund_cancels_what_was_not_shipped_before_it_takes_back_what_was, |shop| {
    shop.item("MUG", 5).await;
    shop.place("1", &[("MUG", 5)]).await.unwrap();
    shop.ship_lines("1", "s1", &[(1, 3)]).await.unwrap();
    shop.refund("1", "f1", 3, true).await.unwrap();
    assert_eq!(shop.line("1", 1).await, [5, 0, 3, 0, 2, 1]);
    assert_eq!(shop.level("MUG", "main").await, [3, 0, 0, 0]);
});

// R51: money alone moves no stock.
both!(r51_a_refund_of_an_amount_moves_nothing, |shop| {
    shipped_order(&shop).await;
    let before = shop.newest().await;
    let amount = Refund { lines: Vec::new(), ..refunding("1", "f1", 1, false) };
    shop.run(Command::Refund(amount)).await.unwrap();
    shop.refund("1", "f2", 2, false).await.unwrap();
    assert_eq!(shop.kinds_after(before).await, ["order.refunded", "order.refunded"]);
    assert_eq!(shop.level("MUG", "main").await, [2, 0, 0, 0]);
    assert_eq!(shop.line("1", 1).await, [3, 0, 3, 0, 0, 0]);
});

both!(a_line_that_is_named_twice_comes_back_as_if_it_were_named_once, |shop| {
    let name = |id: &str, counts: &[i64]| {
        let line = |&count: &i64| ReturnLine {
            line: 1,
            part: None,
            quantity: units(count),
            disposition: Disposition::Restock,
        };
        let lines = counts.iter().map(line).collect();
        Command::Return(Return { lines, ..giving_back(id, "r1", (1, 1), Disposition::Restock) })
    };
    for (sku, counts) in [("MUG", vec![4]), ("CUP", vec![1, 3])] {
        shop.item(sku, 5).await;
        shop.place(sku, &[(sku, 3)]).await.unwrap();
        shop.ship(sku, "s1").await.unwrap();
        let before = shop.newest().await;
        shop.run(name(sku, &counts)).await.unwrap();
        assert_eq!(shop.line(sku, 1).await, [3, 0, 3, 0, 0, 3]);
        assert_eq!(shop.level(sku, "main").await, [6, 0, 0, 0]);
        assert_eq!(shop.reviews_after(before, "returned_beyond_shipped").await, 1);
    }
});

both!(a_line_that_is_named_twice_is_refunded_as_if_it_were_named_once, |shop| {
    let name = |id: &str, counts: &[i64]| {
        let line = |&count: &i64| RefundLine { line: 1, quantity: units(count), restock: true };
        let lines = counts.iter().map(line).collect();
        Command::Refund(Refund { lines, ..refunding(id, "f1", 1, true) })
    };
    for (sku, counts) in [("MUG", vec![4]), ("CUP", vec![1, 3])] {
        shop.item(sku, 5).await;
        shop.place(sku, &[(sku, 5)]).await.unwrap();
        shop.ship_lines(sku, "s1", &[(1, 3)]).await.unwrap();
        shop.run(name(sku, &counts)).await.unwrap();
        assert_eq!(shop.line(sku, 1).await, [5, 0, 3, 0, 2, 2]);
        assert_eq!(shop.level(sku, "main").await, [4, 0, 0, 0]);
    }
});
