//! Orders over HTTP: one of many gets the last unit, repeats are replays, and a
//! storefront knows its own orders only.

use futures_util::future::{join, join_all};
use invshop::domain::LocationKind;
use serde_json::{Value, json};

use super::client::Served;
use crate::both;
use crate::raw::Raw;

fn order(id: &str, sku: &str, quantity: i64) -> Value {
    json!({ "order_id": id, "lines": [{ "sku": sku, "quantity": quantity }] })
}

both!(r1_two_hundred_posts_for_the_last_unit_sell_it_once, |shop| {
    shop.item("MUG", 1).await;
    let served = Served::new(&shop).await;
    let client = served.client("web", "storefront").await;
    let place = async |number: usize| {
        client.post("/v1/orders", &order(&number.to_string(), "MUG", 1)).await
    };
    let replies = join_all((0..200).map(place)).await;
    let sold = replies.iter().filter(|reply| reply.status == 201).count();
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 409).collect();
    assert_eq!((sold, refused.len()), (1, 199));
    for reply in refused {
        assert_eq!(reply.code(), "insufficient_stock");
        let shortage = json!([{ "sku": "MUG", "requested": 1, "available": 0 }]);
        assert_eq!(reply.body["shortages"], shortage);
    }
    served.end().await;
});

both!(r3_two_lines_of_one_item_share_its_room_over_http, |shop| {
    shop.item("MUG", 3).await;
    let served = Served::new(&shop).await;
    let client = served.client("web", "storefront").await;
    let lines = json!([{ "sku": "MUG", "quantity": 2 }, { "sku": "MUG", "quantity": 2 }]);
    let reply = client.post("/v1/orders", &json!({ "order_id": "1", "lines": lines })).await;
    assert_eq!((reply.status, reply.code()), (409, "insufficient_stock"));
    assert_eq!(reply.body["shortages"][0]["requested"], 4);
    served.end().await;
});

// R14: two equal requests and a payment at the same time leave one order.
both!(r14_equal_posts_and_a_payment_race_to_one_order, |shop| {
    shop.item("MUG", 50).await;
    let served = Served::new(&shop).await;
    let store = served.client("web", "storefront").await;
    let staff = served.client("office", "operator").await;
    for round in 0..20 {
        let id = round.to_string();
        let body = order(&id, "MUG", 1);
        let pay = json!({ "payment_id": "p" });
        let path = format!("/v1/orders/web:{id}/payments");
        let two = join(store.post("/v1/orders", &body), store.post("/v1/orders", &body));
        let ((one, two), paid) = join(two, staff.post(&path, &pay)).await;
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 201], "{one:?} {two:?}");
        assert!(one.replayed ^ two.replayed);
        assert!(matches!(paid.status, 200 | 404), "{paid:?}");
        let order = store.get(&format!("/v1/orders/{id}")).await;
        let expected = if paid.status == 200 { "paid" } else { "none" };
        assert_eq!(order.body["payment"], expected, "nothing is kept of an unknown order");
    }
    let unknown = staff.post("/v1/orders/web:none/payments", &json!({ "payment_id": "p" })).await;
    assert_eq!((unknown.status, unknown.code()), (404, "unknown_order"));
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders").await, 20);
    served.end().await;
});

both!(a_customer_is_as_long_as_a_customer_is, |shop| {
    shop.item("MUG", 10).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let order = |note: usize| {
        let line = json!({ "sku": "MUG", "quantity": 1 });
        json!({ "order_id": "1", "lines": [line], "customer": { "note": "x".repeat(note) } })
    };
    let refused = client.post("/v1/orders", &order(33_000)).await;
    assert_eq!((refused.status, &refused.body["field"]), (422, &json!("customer")));
    assert_eq!(client.post("/v1/orders", &order(32_000)).await.status, 201);
    served.end().await;
});

both!(an_order_lives_over_http, |shop| {
    shop.item("MUG", 10).await;
    shop.location("back-room", LocationKind::Quarantine).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let price = json!({ "amount": 990, "currency": "EUR" });
    let line = json!({ "sku": "MUG", "quantity": 4, "unit_price": price });
    let body = json!({
        "order_id": "A 1/x", "lines": [line], "payment": "required",
        "reserve_for_seconds": 60, "customer": { "name": "somebody" }
    });
    let placed = client.post("/v1/orders", &body).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    assert_eq!(placed.body["status"], "pending");
    assert_eq!(placed.body["total"], json!({ "amount": 3960, "currency": "EUR" }));
    assert_eq!(placed.body["customer"]["name"], "somebody");
    let read = client.get("/v1/orders/A%201%2Fx").await;
    assert_eq!(read.body, placed.body, "the answer is the order as it is stored");
    let again = client.post("/v1/orders", &body).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body, placed.body);
    let other = client.post("/v1/orders", &order("A 1/x", "MUG", 1)).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_mismatch"));

    let path = "/v1/orders/A%201%2Fx";
    let below = json!({ "payment_id": "p", "amount": { "amount": -1, "currency": "EUR" } });
    assert_eq!(client.post(&format!("{path}/payments"), &below).await.status, 422);
    // An id may be any text, an outcome too.
    for repeat in [false, true] {
        let payment = json!({ "payment_id": "refund_due" });
        let paid = client.post(&format!("{path}/payments"), &payment).await;
        assert_eq!((paid.status, paid.replayed), (200, repeat));
        assert_eq!(paid.body["outcome"], "confirmed", "{paid:?}");
    }
    let parcel = json!({ "shipment_id": "s1", "lines": [{ "line": 1, "quantity": 3 }] });
    let shipped = client.post(&format!("{path}/shipments"), &parcel).await;
    assert_eq!((shipped.status, &shipped.body["status"]), (201, &json!("partially_shipped")));
    let again = client.post(&format!("{path}/shipments"), &parcel).await;
    assert_eq!((again.status, again.replayed), (200, true));

    let cancelled = client.put(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((cancelled.status, &cancelled.body["lines"][0]["cancelled"]), (200, &json!(1)));
    let request = client.request(reqwest::Method::PUT, &format!("{path}/cancel"));
    let repeated = client.send(request).await;
    assert_eq!((repeated.status, repeated.replayed), (200, true), "a repeat without a body");

    let back = json!({ "return_id": "r1", "lines": [
        { "line": 1, "quantity": 1, "disposition": "restock" },
        { "line": 1, "quantity": 1, "disposition": "quarantine" }
    ] });
    let returned = client.post(&format!("{path}/returns"), &back).await;
    assert_eq!((returned.status, &returned.body["lines"][0]["returned"]), (201, &json!(2)));
    let item = client.get("/v1/inventory/MUG").await;
    assert_eq!((&item.body["on_hand"], &item.body["available_to_promise"]), (&json!(9), &json!(8)));
    served.end().await;
});

both!(the_answer_is_the_order_as_it_is_stored, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 3).await;
    shop.item("LID", 10).await;
    shop.receive("MUG", "store", 3).await;
    shop.bundle("SET", &[("MUG", 1), ("LID", 2)]).await.unwrap();
    let served = Served::new(&shop).await;
    let client = served.client("web", "storefront").await;
    let body = json!({ "order_id": "1", "allow_backorder": true, "lines": [
        { "sku": "SET", "quantity": 2 }, { "sku": "MUG", "quantity": 9 },
    ] });
    let placed = client.post("/v1/orders", &body).await;
    assert_eq!((placed.status, &placed.body["status"]), (201, &json!("backordered")));
    assert_eq!(client.get("/v1/orders/1").await.body, placed.body);
    // Also where several commands are committed together.
    let many = (2..60).map(|id| {
        let client = client.clone();
        async move {
            let (id, sku) = (id.to_string(), if id % 2 == 0 { "LID" } else { "SET" });
            let body = json!({ "order_id": id, "allow_backorder": true,
                               "lines": [{ "sku": sku, "quantity": 1 }] });
            let (placed, _) = join(
                client.post("/v1/orders", &body),
                client.put(&format!("/v1/orders/{id}/cancel"), &json!({})),
            )
            .await;
            (id, placed)
        }
    });
    for (id, placed) in join_all(many).await {
        let read = client.get(&format!("/v1/orders/{id}")).await.body;
        if read["version"] == placed.body["version"] {
            // What is owed may have been filled meanwhile, by a version of its own.
            assert_eq!(read, placed.body);
        }
    }
    served.end().await;
});

both!(a_storefront_knows_its_own_orders_only, |shop| {
    shop.item("MUG", 10).await;
    let served = Served::new(&shop).await;
    let one = served.client("one", "storefront").await;
    let two = served.client("two", "storefront").await;
    let staff = served.client("office", "operator").await;
    assert_eq!(one.post("/v1/orders", &order("1001", "MUG", 1)).await.status, 201);
    assert_eq!(two.get("/v1/orders/1001").await.code(), "unknown_order");
    assert_eq!(two.get("/v1/orders/one:1001").await.status, 404);
    assert_eq!(two.put("/v1/orders/one:1001/cancel", &json!({})).await.status, 404);
    assert_eq!(staff.get("/v1/orders/1001").await.body["order_id"], "one:1001");
    assert_eq!(two.post("/v1/orders", &order("1001", "MUG", 2)).await.status, 201);
    assert_eq!(two.get("/v1/orders/1001").await.body["lines"][0]["quantity"], 2);
    let ambiguous = staff.get("/v1/orders/1001").await;
    assert_eq!((ambiguous.status, ambiguous.code()), (409, "ambiguous_order"));
    assert_eq!(ambiguous.body["orders"], json!(["one:1001", "two:1001"]));
    let own = two.get("/v1/orders?channel=one").await;
    assert_eq!(own.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(own.body["data"][0]["channel"], "two");
    assert_eq!(staff.get("/v1/orders").await.body["data"].as_array().unwrap().len(), 2);
    served.end().await;
});
