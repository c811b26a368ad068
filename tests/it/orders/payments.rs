//! Payments, holds that run out, and payments that come too late.

use invshop::domain::{LocationKind, Refusal};
use invshop::ledger::OrderPolicy;
use invshop::orders::{PayOutcome, Payment, Place};
use invshop::writer::{Command, Detail};

use crate::acts::{Outcome, key, payment, refused};
use crate::both;
use crate::harness::{TestShop, place};

const HOLD_MS: u64 = 900_000;

/// What a payment led to.
#[track_caller]
fn led_to(outcome: Outcome) -> PayOutcome {
    match outcome.unwrap().detail {
        Detail::Payment(_, outcome) => outcome,
        other => panic!("no payment: {other:?}"),
    }
}

both!(a_paid_order_does_not_run_out, |shop| {
    shop.item("MUG", 2).await;
    shop.unpaid("1", &[("MUG", 2)]).await.unwrap();
    assert_eq!(shop.order("1").await.0, "pending");
    assert_eq!(led_to(shop.pay("1", "p1").await), PayOutcome::Confirmed);
    assert_eq!(shop.order("1").await, ("open".to_owned(), [2, 2, 0, 0, 0, 0]));
    shop.expire(10 * HOLD_MS).await;
    assert_eq!(shop.order("1").await, ("open".to_owned(), [2, 2, 0, 0, 0, 0]));
});

both!(a_payment_counts_once_under_its_id, |shop| {
    shop.item("MUG", 2).await;
    shop.unpaid("1", &[("MUG", 2)]).await.unwrap();
    shop.pay("1", "p1").await.unwrap();
    let before = shop.newest().await;
    let again = shop.pay("1", "p1").await.unwrap();
    assert!(again.replayed);
    assert_eq!(led_to(Ok(again)), PayOutcome::Confirmed);
    let other = Payment { amount: Some(5), ..payment("1", "p1") };
    assert_eq!(refused(shop.run(Command::Pay(other)).await).code(), "idempotency_mismatch");
    let other = Payment { currency: Some("JPY".to_owned()), ..payment("1", "p1") };
    assert_eq!(refused(shop.run(Command::Pay(other)).await).code(), "idempotency_mismatch");
    assert_eq!(shop.newest().await, before);
});

both!(a_payment_repeated_under_its_key_gets_the_first_answer, |shop| {
    shop.item("MUG", 1).await;
    shop.unpaid("1", &[("MUG", 1)]).await.unwrap();
    shop.expire(HOLD_MS).await;
    shop.place("2", &[("MUG", 1)]).await.unwrap();
    let late = || shop.shop.submit(Command::Pay(payment("1", "p1")), Some(key("k1")));
    let first = late().await.unwrap();
    let again = late().await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.detail, first.detail);
    assert_eq!(led_to(Ok(again)), PayOutcome::RefundDue);
});

both!(a_payment_of_an_unknown_order_keeps_nothing, |shop| {
    let before = shop.newest().await;
    match refused(shop.pay("1", "p1").await) {
        Refusal::UnknownOrder { order } => assert_eq!(order, "cli:1"),
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.newest().await, before);
    shop.item("MUG", 1).await;
    shop.unpaid("1", &[("MUG", 1)]).await.unwrap();
    assert!(!shop.pay("1", "p1").await.unwrap().replayed);
});

both!(an_order_runs_out_whole_with_what_it_is_owed, |shop| {
    shop.item("MUG", 2).await;
    shop.item("CUP", 1).await;
    let request = Place {
        payment_required: true,
        allow_backorder: true,
        ..place("1", &[("MUG", 3), ("CUP", 1)])
    };
    shop.run(Command::Place(request)).await.unwrap();
    shop.backorder("owed", &[("MUG", 1)]).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [2, 2, 2, 0]);
    let before = shop.newest().await;
    shop.expire(HOLD_MS - 1).await;
    assert_eq!(shop.newest().await, before);
    shop.expire(1).await;
    assert_eq!(shop.order("1").await, ("cancelled".to_owned(), [4, 0, 0, 0, 4, 0]));
    let why = "select cancel_reason from orders where external_id = '1'";
    assert_eq!(shop.texts(why).await, [["expired"]]);
    assert_eq!(shop.line("owed", 1).await, [1, 1, 0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [2, 1, 0, 0]);
    assert_eq!(shop.level("CUP", "main").await, [1, 0, 0, 0]);
    let kinds = shop.kinds_after(before).await;
    assert_eq!(kinds, ["expire", "expire", "order.cancelled", "reserve"]);
});

both!(a_due_hold_is_gone_before_the_next_order_is_decided, |shop| {
    shop.item("MUG", 1).await;
    shop.unpaid("1", &[("MUG", 1)]).await.unwrap();
    assert_eq!(refused(shop.place("2", &[("MUG", 1)]).await).code(), "insufficient_stock");
    shop.clock.advance_millis(HOLD_MS);
    assert_eq!(shop.level("MUG", "main").await, [1, 1, 0, 0]);
    shop.place("2", &[("MUG", 1)]).await.unwrap();
    assert_eq!(shop.order("1").await.0, "cancelled");
    assert_eq!(shop.order("2").await.0, "open");
});

// R16: how long a hold lives is configured, and can be asked for.
both!(r16_how_long_a_hold_lives_is_a_policy, |shop| {
    let policy = OrderPolicy { split: true, hold_ms: 60_000 };
    let hasty = TestShop::with_policy(shop.backend(), policy).await;
    hasty.item("MUG", 9).await;
    hasty.unpaid("unpaid", &[("MUG", 1)]).await.unwrap();
    hasty.place("not waited for", &[("MUG", 1)]).await.unwrap();
    let asked = Place { hold_ms: Some(5000), ..place("asked", &[("MUG", 1)]) };
    hasty.run(Command::Place(asked)).await.unwrap();
    let ends = "select external_id from orders where expires_at is not null order by expires_at";
    assert_eq!(hasty.texts(ends).await, [["asked"], ["unpaid"]]);
    hasty.expire(5000).await;
    assert_eq!(hasty.order("asked").await.0, "cancelled");
    assert_eq!(hasty.order("unpaid").await.0, "pending");
    hasty.expire(55_000).await;
    assert_eq!(hasty.order("unpaid").await.0, "cancelled");
    assert_eq!(hasty.order("not waited for").await.0, "open");
    hasty.end().await;
});

// R20: accepted work is extended and raised, never released.
both!(r20_a_hold_whose_fulfilment_was_accepted_is_extended, |shop| {
    shop.item("MUG", 5).await;
    shop.unpaid("accepted", &[("MUG", 2)]).await.unwrap();
    shop.accept("accepted").await.unwrap();
    assert!(shop.accept("accepted").await.unwrap().replayed);
    shop.unpaid("begun", &[("MUG", 2)]).await.unwrap();
    shop.ship_lines("begun", "s1", &[(1, 1)]).await.unwrap();
    for round in 1..=2 {
        let before = shop.newest().await;
        shop.expire(HOLD_MS).await;
        assert_eq!(shop.reviews_after(before, "hold_extended").await, 2, "round {round}");
        assert_eq!(shop.order("accepted").await, ("pending".to_owned(), [2, 2, 0, 0, 0, 0]));
        let begun = ("partially_shipped".to_owned(), [2, 1, 1, 0, 0, 0]);
        assert_eq!(shop.order("begun").await, begun);
    }
    assert_eq!(shop.level("MUG", "main").await, [4, 3, 0, 0]);
    let ends = "select distinct expires_at from orders";
    assert_eq!(shop.int(ends).await, shop.now() + i64::try_from(HOLD_MS).unwrap());
});

/// An unpaid order of two items that ran out.
async fn ran_out(shop: &TestShop) {
    shop.item("MUG", 2).await;
    shop.item("CUP", 2).await;
    shop.unpaid("1", &[("MUG", 2), ("CUP", 2)]).await.unwrap();
    shop.expire(HOLD_MS).await;
}

both!(a_late_payment_never_holds_half_of_an_order_again, |shop| {
    ran_out(&shop).await;
    shop.place("2", &[("CUP", 1)]).await.unwrap();
    assert_eq!(led_to(shop.pay("1", "p1").await), PayOutcome::RefundDue);
    assert_eq!(shop.order("1").await, ("cancelled".to_owned(), [4, 0, 0, 0, 4, 0]));
    assert_eq!(shop.level("MUG", "main").await, [2, 0, 0, 0]);
    assert_eq!(shop.level("CUP", "main").await, [2, 1, 0, 0]);
    shop.cancel("2").await.unwrap();
    let again = shop.pay("1", "p1").await;
    assert!(again.as_ref().unwrap().replayed);
    assert_eq!(led_to(again), PayOutcome::RefundDue);
    assert_eq!(shop.order("1").await.0, "cancelled");
});

both!(a_late_payment_holds_all_of_an_order_again, |shop| {
    ran_out(&shop).await;
    assert_eq!(led_to(shop.pay("1", "p1").await), PayOutcome::Reopened);
    assert_eq!(shop.order("1").await, ("open".to_owned(), [4, 4, 0, 0, 0, 0]));
    assert_eq!(shop.int("select count(*) from orders where cancel_reason is not null").await, 0);
    shop.expire(10 * HOLD_MS).await;
    assert_eq!(shop.order("1").await.0, "open");
    assert_eq!(led_to(shop.pay("1", "p1").await), PayOutcome::Reopened);
});

both!(a_late_payment_sums_the_lines_of_one_item, |shop| {
    shop.item("MUG", 3).await;
    shop.unpaid("1", &[("MUG", 2), ("MUG", 1)]).await.unwrap();
    shop.expire(HOLD_MS).await;
    shop.place("2", &[("MUG", 1)]).await.unwrap();
    assert_eq!(led_to(shop.pay("1", "p1").await), PayOutcome::RefundDue);
    assert_eq!(shop.level("MUG", "main").await, [3, 1, 0, 0]);
});

both!(a_late_payment_may_hold_elsewhere_and_is_not_bound_by_safety, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 2).await;
    shop.unpaid("1", &[("MUG", 2)]).await.unwrap();
    shop.expire(HOLD_MS).await;
    shop.write_off("MUG", "main", 1).await;
    shop.receive("MUG", "store", 1).await;
    shop.safety("MUG", "store", 1).await;
    assert_eq!(led_to(shop.pay("1", "p1").await), PayOutcome::Reopened);
    assert_eq!(shop.level("MUG", "main").await, [1, 1, 0, 0]);
    assert_eq!(shop.level("MUG", "store").await, [1, 1, 0, 1]);
});

both!(a_late_payment_brings_back_only_what_ran_out, |shop| {
    shop.item("MUG", 5).await;
    shop.unpaid("1", &[("MUG", 5)]).await.unwrap();
    shop.cancel_lines("1", &[(1, 2)]).await.unwrap();
    shop.expire(HOLD_MS).await;
    assert_eq!(shop.line("1", 1).await, [5, 0, 0, 0, 5, 0]);
    assert_eq!(led_to(shop.pay("1", "p1").await), PayOutcome::Reopened);
    assert_eq!(shop.line("1", 1).await, [5, 3, 0, 0, 2, 0]);
});

both!(a_late_payment_counts_what_was_owed_too, |shop| {
    shop.item("MUG", 1).await;
    let owed = Place { payment_required: true, allow_backorder: true, ..place("1", &[("MUG", 3)]) };
    shop.run(Command::Place(owed)).await.unwrap();
    shop.expire(HOLD_MS).await;
    assert_eq!(led_to(shop.pay("1", "p1").await), PayOutcome::RefundDue);
    shop.receive("MUG", "main", 2).await;
    assert_eq!(led_to(shop.pay("1", "p2").await), PayOutcome::Reopened);
    assert_eq!(shop.line("1", 1).await, [3, 3, 0, 0, 0, 0]);
});

both!(the_payment_of_an_order_somebody_cancelled_is_refunded, |shop| {
    shop.item("MUG", 5).await;
    shop.unpaid("1", &[("MUG", 2)]).await.unwrap();
    shop.cancel("1").await.unwrap();
    assert_eq!(led_to(shop.pay("1", "p1").await), PayOutcome::RefundDue);
    assert_eq!(shop.level("MUG", "main").await, [5, 0, 0, 0]);
    assert_eq!(shop.count_of("payment.unmatched").await, 1);
});
