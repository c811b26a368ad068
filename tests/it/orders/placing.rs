//! Placing: what is held, where, and what is refused.

use invshop::domain::{LocationCode, LocationKind, Refusal, Title};
use invshop::ledger::OrderPolicy;
use invshop::ledger::catalogue::NewLocation;
use invshop::orders::Place;
use invshop::writer::Command;

use crate::acts::{Outcome, code, refused};
use crate::both;
use crate::harness::{TestShop, place};

/// The one shortage of a refused order: asked for, available.
#[track_caller]
fn shortage(outcome: Outcome) -> (i64, i64) {
    match refused(outcome) {
        Refusal::InsufficientStock { shortages } => {
            assert_eq!(shortages.len(), 1, "{shortages:?}");
            (shortages[0].requested, shortages[0].available)
        }
        other => panic!("{other:?}"),
    }
}

/// Adds a location that is preferred by a number.
async fn preferred(shop: &TestShop, name: &str, priority: i64) {
    let new = NewLocation {
        code: LocationCode::new(name).unwrap(),
        name: Title::new(name).unwrap(),
        kind: LocationKind::Store,
        sellable: None,
        authority: None,
        priority: Some(priority),
    };
    shop.run(Command::CreateLocation(new)).await.unwrap();
}

async fn two_places(shop: &TestShop) {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 2).await;
    shop.receive("MUG", "store", 3).await;
}

both!(an_order_may_be_served_from_several_places, |shop| {
    two_places(&shop).await;
    assert_eq!(shortage(shop.place("1", &[("MUG", 6)]).await), (6, 5));
    assert_eq!(shop.level("MUG", "main").await, [2, 0, 0, 0]);
    shop.place("2", &[("MUG", 5)]).await.unwrap();
    assert_eq!(shop.at("2", 1, "main").await, [2, 0, 0]);
    assert_eq!(shop.at("2", 1, "store").await, [3, 0, 0]);
});

both!(without_splitting_an_order_comes_from_one_place_and_available_is_the_best_one, |shop| {
    let policy = OrderPolicy { split: false, hold_ms: 900_000 };
    let whole = TestShop::with_policy(shop.backend(), policy).await;
    two_places(&whole).await;
    assert_eq!(shortage(whole.place("1", &[("MUG", 5)]).await), (5, 3));
    whole.place("2", &[("MUG", 3)]).await.unwrap();
    assert_eq!(whole.at("2", 1, "store").await, [3, 0, 0]);
    whole.shop_order("3", &[("MUG", 2, 0)]).await;
    whole.receive("MUG", "store", 1).await;
    whole.receive("MUG", "main", 1).await;
    // A fact may always split.
    whole.shop_order("4", &[("MUG", 2, 0)]).await;
    assert_eq!(whole.at("web:4", 1, "main").await, [1, 0, 0]);
    assert_eq!(whole.at("web:4", 1, "store").await, [1, 0, 0]);
    whole.end().await;
});

both!(one_place_that_serves_all_is_best_then_whole_lines_then_a_split, |shop| {
    preferred(&shop, "b", 30).await;
    preferred(&shop, "a", 30).await;
    preferred(&shop, "first", 1).await;
    shop.item("MUG", 4).await;
    shop.item("CUP", 1).await;
    shop.receive("MUG", "first", 2).await;
    shop.receive("CUP", "a", 2).await;
    shop.receive("CUP", "b", 2).await;
    shop.place("whole", &[("MUG", 1), ("CUP", 1)]).await.unwrap();
    assert_eq!(shop.at("whole", 1, "main").await, [1, 0, 0]);
    assert_eq!(shop.at("whole", 2, "main").await, [1, 0, 0]);
    shop.place("lines", &[("MUG", 2), ("CUP", 2)]).await.unwrap();
    assert_eq!(shop.at("lines", 1, "first").await, [2, 0, 0]);
    assert_eq!(shop.at("lines", 2, "a").await, [2, 0, 0]);
    shop.receive("MUG", "first", 1).await;
    shop.place("split", &[("MUG", 4)]).await.unwrap();
    assert_eq!(shop.at("split", 1, "first").await, [1, 0, 0]);
    assert_eq!(shop.at("split", 1, "main").await, [3, 0, 0]);
});

both!(an_order_with_a_place_of_its_own_uses_no_other, |shop| {
    two_places(&shop).await;
    let only =
        |id: &str, count| Place { location: Some(code("main")), ..place(id, &[("MUG", count)]) };
    assert_eq!(shortage(shop.run(Command::Place(only("1", 3))).await), (3, 2));
    shop.run(Command::Place(only("2", 2))).await.unwrap();
    assert_eq!(shop.at("2", 1, "main").await, [2, 0, 0]);
    assert_eq!(refused(shop.reassign("2", "main", "store").await).code(), "invalid");
});

// R3: lines that share an item share its room.
both!(r3_demand_is_summed_over_lines_and_bundles, |shop| {
    shop.item("POT", 3).await;
    shop.item("LID", 9).await;
    shop.bundle("SET", &[("POT", 1), ("LID", 1)]).await.unwrap();
    assert_eq!(shortage(shop.place("1", &[("POT", 2), ("POT", 2)]).await), (4, 3));
    match refused(shop.place("2", &[("SET", 2), ("POT", 2)]).await) {
        Refusal::InsufficientStock { shortages } => {
            assert_eq!(shortages[0].sku.as_str(), "POT");
            assert_eq!((shortages[0].requested, shortages[0].available), (2, 1));
        }
        other => panic!("{other:?}"),
    }
    shop.place("3", &[("SET", 2), ("POT", 1)]).await.unwrap();
    assert_eq!(shop.level("POT", "main").await, [3, 3, 0, 0]);
    assert_eq!(shop.level("LID", "main").await, [9, 2, 0, 0]);
});

// R4: every hold of a request is decided on the level under lock, whoever asks.
both!(r4_two_processes_never_hold_more_than_there_is, |shop| {
    shop.item("MUG", 10).await;
    let other = shop.another().await;
    let orders = (0..40).map(|number: i32| {
        let (shop, other) = (&shop, &other);
        async move {
            let order = Command::Place(place(&number.to_string(), &[("MUG", 1)]));
            if number % 2 == 0 { shop.run(order).await } else { other.submit(order, None).await }
        }
    });
    let outcomes = futures_util::future::join_all(orders).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(refused(outcome).code(), "insufficient_stock");
    }
    assert_eq!(shop.level("MUG", "main").await, [10, 10, 0, 0]);
    assert_eq!(other.counters.invariant_violations.get(), 0);
    other.close().await;
});

// R18: what is offered is net of holds, of what is owed and of what is withheld.
both!(r18_a_request_takes_no_more_than_is_offered, |shop| {
    shop.item("MUG", 10).await;
    shop.place("1", &[("MUG", 3)]).await.unwrap();
    shop.safety("MUG", "main", 2).await;
    assert_eq!(shortage(shop.place("2", &[("MUG", 6)]).await), (6, 5));
    shop.count("MUG", "main", 2).await;
    shop.count("MUG", "main", 6).await;
    assert_eq!(shop.level("MUG", "main").await, [6, 2, 1, 2]);
    assert_eq!(shop.atp("MUG").await, 1);
    assert_eq!(shortage(shop.place("3", &[("MUG", 2)]).await), (2, 1));
    shop.place("4", &[("MUG", 1)]).await.unwrap();
});

both!(a_backorder_holds_what_is_offered_and_is_owed_the_rest, |shop| {
    shop.item("MUG", 5).await;
    shop.safety("MUG", "main", 2).await;
    let before = shop.newest().await;
    shop.backorder("1", &[("MUG", 5)]).await.unwrap();
    assert_eq!(shop.order("1").await, ("backordered".to_owned(), [5, 3, 0, 2, 0, 0]));
    assert_eq!(shop.level("MUG", "main").await, [5, 3, 2, 2]);
    assert_eq!(shop.kinds_after(before).await, ["order.placed", "reserve", "order.short"]);
});

both!(an_order_that_makes_no_sense_is_refused_and_writes_nothing, |shop| {
    shop.item("MUG", 5).await;
    let before = shop.newest().await;
    let many = vec![("MUG", 1); 501];
    let hold = |hold_ms| Place { hold_ms: Some(hold_ms), ..place("1", &[("MUG", 1)]) };
    let month = 30 * 24 * 3600 * 1000;
    let outcomes = [
        (shop.place("1", &[]).await, "invalid"),
        (shop.place("1", &many).await, "invalid"),
        (shop.place("1", &[("MUG", 0)]).await, "invalid"),
        (shop.place("1", &[("MUG", 1_000_000_000), ("MUG", 1)]).await, "invalid"),
        (shop.place("1", &[("MUG", 1), ("NOBODY", 1)]).await, "unknown_sku"),
        (shop.run(Command::Place(hold(0))).await, "invalid"),
        (shop.run(Command::Place(hold(month + 1))).await, "invalid"),
    ];
    for (outcome, code) in outcomes {
        assert_eq!(refused(outcome).code(), code);
    }
    assert_eq!(shop.newest().await, before);
    assert_eq!(shop.int("select count(*) from orders").await, 0);
    shop.run(Command::Place(hold(month))).await.unwrap();
});

// R62: where a hold stands is changed by moving it, never by taking another.
both!(r62_a_hold_that_moves_keeps_its_total, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 3).await;
    shop.receive("MUG", "store", 2).await;
    shop.place("1", &[("MUG", 2)]).await.unwrap();
    assert_eq!(shop.at("1", 1, "main").await, [2, 0, 0]);
    let before = shop.newest().await;
    shop.reassign("1", "main", "store").await.unwrap();
    assert_eq!(shop.kinds_after(before).await, ["order.allocated", "release", "reserve"]);
    assert_eq!(shop.level("MUG", "main").await, [3, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "store").await, [2, 2, 0, 0]);
    assert_eq!(shop.line("1", 1).await, [2, 2, 0, 0, 0, 0]);
    assert!(shop.reassign("1", "main", "store").await.unwrap().replayed);
    shop.place("2", &[("MUG", 3)]).await.unwrap();
    match refused(shop.reassign("2", "main", "store").await) {
        Refusal::InsufficientUnreserved { requested, available, .. } => {
            assert_eq!((requested, available), (3, 0));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.level("MUG", "main").await, [3, 3, 0, 0]);
    shop.ship("1", "s1").await.unwrap();
    assert_eq!(shop.level("MUG", "store").await, [0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [3, 3, 0, 0]);
});
