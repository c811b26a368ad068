//! Orders that are taken now and decided later: what they take, what is decided, and
//! what may happen to them while they wait.

use futures_util::future::join_all;
use invshop::domain::{DecisionTerms, FactId, Refusal};
use invshop::orders::{Decide, Payment, Place, Refund, WAITING_MAX};
use invshop::writer::Command;

use crate::acts::{Outcome, payment, refused, state};
use crate::both;
use crate::harness::{TestShop, place, reference};
use crate::raw::Raw;

fn later(id: &str, lines: &[(&str, i64)]) -> Command {
    Command::PlaceLater(place(id, lines))
}

fn decision(id: &str) -> Decide {
    let terms = DecisionTerms { allow_backorder: false, hold_ms: None };
    Decide { reference: reference(id), terms, refusal: None }
}

async fn decide(shop: &TestShop, id: &str) -> Outcome {
    shop.run(Command::Decide(decision(id))).await
}

/// Orders that wait, and refusals that are kept.
async fn kept(raw: &mut Raw) -> (i64, Vec<String>) {
    let waiting = raw.number("select count(*) from order_queue").await;
    (waiting, raw.texts("select refusal from orders where refusal is not null order by id").await)
}

both!(an_order_that_waits_takes_nothing_and_is_decided_once, |shop| {
    shop.item("MUG", 3).await;
    let mut raw = Raw::open(&shop.opening.place).await;
    shop.run(later("1", &[("MUG", 2)])).await.unwrap();
    shop.run(later("2", &[("MUG", 2)])).await.unwrap();
    assert_eq!(shop.order("1").await.0, "pending");
    assert_eq!(shop.atp("MUG").await, 3);
    // Whoever asks meanwhile and does not wait is served.
    assert!(decide(&shop, "1").await.unwrap().entries > 0);
    assert!(decide(&shop, "1").await.unwrap().replayed);
    assert_eq!((shop.order("1").await.0.as_str(), shop.atp("MUG").await), ("open", 1));
    decide(&shop, "2").await.unwrap();
    assert_eq!((shop.order("2").await.0.as_str(), shop.atp("MUG").await), ("rejected", 1));
    let (waiting, refusals) = kept(&mut raw).await;
    let expected = r#"{"code":"insufficient_stock","detail":"not enough stock: MUG (2 asked for, 1 available)","shortages":[{"available":1,"requested":2,"sku":"MUG"}]}"#;
    assert_eq!((waiting, refusals), (0, vec![expected.to_owned()]));
    // Refused it stays: its units are nobody's, whatever comes in.
    shop.receive("MUG", "main", 10).await;
    assert!(decide(&shop, "2").await.unwrap().replayed);
    assert!(shop.cancel("2").await.unwrap().replayed);
    assert_eq!(shop.order("2").await.0, "rejected");
});

both!(now_or_later_it_is_one_order, |shop| {
    shop.item("MUG", 3).await;
    shop.run(later("1", &[("MUG", 1)])).await.unwrap();
    assert!(shop.run(later("1", &[("MUG", 1)])).await.unwrap().replayed);
    assert!(shop.place("1", &[("MUG", 1)]).await.unwrap().replayed);
    let other = refused(shop.run(later("1", &[("MUG", 2)])).await);
    assert_eq!(other.code(), "idempotency_mismatch");
    decide(&shop, "1").await.unwrap();
    assert!(shop.run(later("1", &[("MUG", 1)])).await.unwrap().replayed);
    // What is wrong with the request itself is refused at once.
    assert_eq!(refused(shop.run(later("2", &[("NONE", 1)])).await).code(), "unknown_sku");
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders").await, 1);
});

both!(the_terms_of_an_order_are_those_it_was_asked_with, |shop| {
    shop.item("MUG", 1).await;
    let hold = Place { hold_ms: Some(5_000), ..place("1", &[("MUG", 1)]) };
    shop.run(Command::PlaceLater(hold)).await.unwrap();
    shop.run(later("2", &[("MUG", 2)])).await.unwrap();
    let mut raw = Raw::open(&shop.opening.place).await;
    let waiting = "select hold_ms from order_queue where hold_ms is not null";
    assert_eq!(raw.number(waiting).await, 5_000);
    let terms = DecisionTerms { allow_backorder: false, hold_ms: Some(5_000) };
    // The hold begins with the decision.
    shop.clock.advance_millis(60_000);
    shop.run(Command::Decide(Decide { terms, ..decision("1") })).await.unwrap();
    let until = "select expires_at from orders where external_id = '1'";
    assert_eq!(raw.number(until).await, shop.now() + 5_000);
    let terms = DecisionTerms { allow_backorder: true, hold_ms: None };
    shop.run(Command::Decide(Decide { terms, ..decision("2") })).await.unwrap();
    assert_eq!(shop.order("2").await.0, "backordered");
});

both!(an_order_that_waits_can_be_cancelled, |shop| {
    shop.item("MUG", 9).await;
    shop.item("CUP", 9).await;
    shop.run(later("1", &[("MUG", 3), ("CUP", 1)])).await.unwrap();
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(refused(shop.cancel_lines("1", &[(1, 4)]).await).code(), "invalid");
    shop.cancel_lines("1", &[(1, 2)]).await.unwrap();
    assert_eq!((shop.order("1").await.0.as_str(), kept(&mut raw).await.0), ("pending", 1));
    decide(&shop, "1").await.unwrap();
    assert_eq!((shop.order("1").await.0.as_str(), shop.atp("MUG").await), ("open", 8));

    shop.run(later("2", &[("MUG", 3)])).await.unwrap();
    shop.cancel("2").await.unwrap();
    assert!(shop.cancel("2").await.unwrap().replayed);
    assert_eq!((shop.order("2").await.0.as_str(), kept(&mut raw).await.0), ("cancelled", 0));
    assert!(decide(&shop, "2").await.unwrap().replayed);
    assert_eq!(shop.atp("MUG").await, 8);
});

both!(what_is_paid_while_it_waits_is_held_without_end_or_paid_back, |shop| {
    shop.item("MUG", 1).await;
    for id in ["1", "2"] {
        let order = Place { payment_required: true, ..place(id, &[("MUG", 1)]) };
        shop.run(Command::PlaceLater(order)).await.unwrap();
        shop.run(Command::Pay(payment(id, "p"))).await.unwrap();
        assert_eq!(shop.order(id).await.0, "pending");
        assert_eq!(shop.atp("MUG").await, i64::from(id == "1"), "{id}: nothing is held");
        let terms = DecisionTerms { allow_backorder: false, hold_ms: Some(900_000) };
        shop.run(Command::Decide(Decide { terms, ..decision(id) })).await.unwrap();
    }
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders where expires_at is not null").await, 0);
    assert_eq!(
        (shop.order("1").await.0.as_str(), shop.order("2").await.0.as_str()),
        ("open", "rejected")
    );
    let back = raw.texts("select data from journal where kind = 'payment.unmatched'").await;
    assert_eq!(back, [r#"{"outcome":"refund_due","payment_id":"p"}"#]);
});

both!(what_was_paid_back_before_the_refusal_is_not_due_again, |shop| {
    shop.item("MUG", 0).await;
    shop.run(later("1", &[("MUG", 1)])).await.unwrap();
    let paid = Payment { amount: Some(990), ..payment("1", "p") };
    shop.run(Command::Pay(paid)).await.unwrap();
    let back = Refund {
        reference: reference("1"),
        refund_id: FactId::new("r").unwrap(),
        lines: Vec::new(),
        amount: Some(990),
        payment_id: None,
    };
    shop.run(Command::Refund(back)).await.unwrap();
    decide(&shop, "1").await.unwrap();
    assert_eq!(shop.order("1").await.0, "rejected");
    let due = "select count(*) from journal where kind = 'payment.unmatched'";
    assert_eq!(Raw::open(&shop.opening.place).await.number(due).await, 0);
});

both!(what_left_while_it_waited_is_not_refused, |shop| {
    shop.item("MUG", 5).await;
    shop.run(later("1", &[("MUG", 3)])).await.unwrap();
    shop.ship_lines("1", "s", &[(1, 1)]).await.unwrap();
    let refusal = Some(Refusal::invalid("lines", "for a test"));
    shop.run(Command::Decide(Decide { refusal, ..decision("1") })).await.unwrap();
    assert_eq!((shop.order("1").await.0.as_str(), shop.atp("MUG").await), ("shipped", 4));
    assert_eq!(kept(&mut Raw::open(&shop.opening.place).await).await.0, 0);
});

both!(what_happened_overrules_what_waits, |shop| {
    shop.item("MUG", 5).await;
    // Goods left before anybody decided, and of one that was refused.
    shop.run(later("1", &[("MUG", 4)])).await.unwrap();
    shop.ship_lines("1", "s", &[(1, 1)]).await.unwrap();
    decide(&shop, "1").await.unwrap();
    assert_eq!((shop.order("1").await.0.as_str(), shop.atp("MUG").await), ("partially_shipped", 1));
    shop.run(later("2", &[("MUG", 2)])).await.unwrap();
    decide(&shop, "2").await.unwrap();
    assert_eq!(shop.order("2").await.0, "rejected");
    shop.ship_lines("2", "s", &[(1, 1)]).await.unwrap();
    assert_eq!(shop.order("2").await.0, "shipped");

    // The shop's own word on an order that waits.
    shop.receive("MUG", "main", 5).await;
    shop.run(later("3", &[("MUG", 1)])).await.unwrap();
    let mut said = state("3", &[("MUG", 2, 0)]);
    said.reference = reference("3");
    shop.run(Command::Import(said)).await.unwrap();
    assert_eq!(shop.order("3").await.0, "open");
    assert!(decide(&shop, "3").await.unwrap().replayed);
});

both!(a_decision_other_than_stock_is_kept_too, |shop| {
    shop.item("MUG", 5).await;
    shop.run(later("1", &[("MUG", 1)])).await.unwrap();
    let refusal = Refusal::invalid("quantity", "too many of it are owed");
    let forced = Decide { refusal: Some(refusal), ..decision("1") };
    shop.run(Command::Decide(forced)).await.unwrap();
    let mut raw = Raw::open(&shop.opening.place).await;
    let expected = r#"{"code":"invalid","detail":"quantity: too many of it are owed"}"#;
    assert_eq!(kept(&mut raw).await, (0, vec![expected.to_owned()]));
    assert_eq!(shop.atp("MUG").await, 5);
});

both!(the_queue_has_an_end, |shop| {
    shop.item("MUG", 1).await;
    let all: Vec<i64> = (0..WAITING_MAX).collect();
    for some in all.chunks(1_000) {
        let place = async |id: &i64| shop.run(later(&id.to_string(), &[("MUG", 1)])).await.unwrap();
        join_all(some.iter().map(place)).await;
    }
    let full = shop.run(later("more", &[("MUG", 1)])).await;
    assert_eq!(refused(full), Refusal::QueueFull { waiting: WAITING_MAX });
    // Known ones are replays still, and one that is decided makes room.
    assert!(shop.run(later("7", &[("MUG", 1)])).await.unwrap().replayed);
    decide(&shop, "0").await.unwrap();
    shop.run(later("more", &[("MUG", 1)])).await.unwrap();
});
