//! Stopping a sale: nothing more is offered at once, whatever there is; what was
//! promised stays promised.

use invshop::domain::{AllocationPolicy, DecisionTerms, Reason};
use invshop::orders::{Decide, Place};
use invshop::reports;
use invshop::writer::Command;

use crate::acts::{Outcome, refused};
use crate::both;
use crate::harness::{TestShop, place, reference, sku};
use crate::raw::Raw;

async fn stop(shop: &TestShop, name: &str) -> Outcome {
    let reason = Some(Reason::new("recalled").unwrap());
    shop.run(Command::StopSale(sku(name), reason)).await
}

/// What a request may have.
async fn offered(shop: &TestShop, name: &str) -> i64 {
    let item = reports::item(&shop.shop.db, &sku(name), AllocationPolicy::Split).await;
    item.unwrap().unwrap().totals.available_to_promise
}

async fn resume(shop: &TestShop, name: &str) -> Outcome {
    shop.run(Command::ResumeSale(sku(name))).await
}

both!(a_stopped_item_is_sold_to_nobody_until_it_is_resumed, |shop| {
    shop.item("MUG", 5).await;
    shop.item("LID", 5).await;
    shop.bundle("SET", &[("MUG", 1), ("LID", 1)]).await.unwrap();
    shop.place("1", &[("MUG", 2)]).await.unwrap();
    stop(&shop, "MUG").await.unwrap();
    assert_eq!(stop(&shop, "MUG").await.unwrap().entries, 0, "a repeat writes nothing");
    assert_eq!(
        (offered(&shop, "MUG").await, offered(&shop, "SET").await, offered(&shop, "LID").await),
        (0, 0, 5)
    );
    for name in ["MUG", "SET"] {
        let refusal = refused(shop.place("2", &[(name, 1)]).await);
        assert_eq!(refusal.code(), "insufficient_stock", "{name}");
    }
    // What is not offered is not owed either.
    for (id, lines) in [("8", [("MUG", 4)].as_slice()), ("9", &[("LID", 1), ("SET", 1)])] {
        let place = Place { allow_backorder: true, ..place(id, lines) };
        assert_eq!(
            refused(shop.run(Command::Place(place.clone())).await).code(),
            "insufficient_stock"
        );
        shop.run(Command::PlaceLater(place)).await.unwrap();
        let terms = DecisionTerms { allow_backorder: true, hold_ms: None };
        let decide = Decide { reference: reference(id), terms, refusal: None };
        shop.run(Command::Decide(decide)).await.unwrap();
        assert_eq!(shop.order(id).await.0, "rejected");
    }
    // What is promised is shipped, what happened elsewhere is recorded.
    shop.ship("1", "s").await.unwrap();
    shop.shop_order("7", &[("MUG", 1, 0)]).await;
    assert_eq!(shop.order("web:7").await.0, "open");
    shop.receive("MUG", "main", 4).await;
    assert_eq!(offered(&shop, "MUG").await, 0);
    resume(&shop, "MUG").await.unwrap();
    assert_eq!(resume(&shop, "MUG").await.unwrap().entries, 0);
    assert_eq!((offered(&shop, "MUG").await, offered(&shop, "SET").await), (6, 5));
    shop.place("3", &[("SET", 1)]).await.unwrap();
    let mut raw = Raw::open(&shop.opening.place).await;
    let said = "select kind || ' ' || coalesce(data, '') from journal
                where kind like 'item.sale%' order by seq";
    let expected = ["item.sale_resumed ", r#"item.sale_stopped {"reason":"recalled"}"#];
    assert_eq!(raw.texts(said).await, expected);
});

both!(a_bundle_is_stopped_alone, |shop| {
    shop.item("MUG", 5).await;
    shop.bundle("SET", &[("MUG", 2)]).await.unwrap();
    stop(&shop, "SET").await.unwrap();
    assert_eq!((offered(&shop, "SET").await, offered(&shop, "MUG").await), (0, 5));
    assert_eq!(refused(shop.place("1", &[("SET", 1)]).await).code(), "insufficient_stock");
    shop.place("1", &[("MUG", 1)]).await.unwrap();
});

both!(discontinued_is_for_good, |shop| {
    shop.item("MUG", 5).await;
    stop(&shop, "MUG").await.unwrap();
    shop.run(Command::Discontinue(sku("MUG"))).await.unwrap();
    assert_eq!(refused(resume(&shop, "MUG").await).code(), "invalid");
    assert_eq!(stop(&shop, "MUG").await.unwrap().entries, 0);
    assert_eq!(refused(stop(&shop, "NONE").await).code(), "unknown_sku");
});
