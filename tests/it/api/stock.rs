//! Stock over HTTP: numbers, movements, histories and pages.

use invshop::domain::LocationKind;
use invshop::writer::Command;
use reqwest::Method;
use serde_json::json;

use super::client::Served;
use crate::both;
use crate::harness::sku;

both!(movements_change_the_numbers_and_repeats_do_not, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let path = "/v1/inventory/MUG/movements";
    let receipt = json!({ "kind": "receipt", "location": "main", "quantity": 7 });
    for repeat in [false, true] {
        let request = client.request(Method::POST, path).json(&receipt);
        let reply = client.send(request.header("Idempotency-Key", "delivery-1")).await;
        assert_eq!((reply.status, reply.replayed), (if repeat { 200 } else { 201 }, repeat));
        assert_eq!(reply.body["inventory"]["on_hand"], 12);
    }
    let other = json!({ "kind": "receipt", "location": "main", "quantity": 8 });
    let request = client.request(Method::POST, path).json(&other);
    let reply = client.send(request.header("Idempotency-Key", "delivery-1")).await;
    assert_eq!((reply.status, reply.code()), (422, "idempotency_mismatch"));

    let version = client.get("/v1/inventory/MUG").await.body["levels"][0]["version"].clone();
    let count = json!({ "kind": "count", "quantity": 11, "if_version": version });
    assert_eq!(client.post(path, &count).await.status, 201);
    let stale = client.post(path, &count).await;
    assert_eq!((stale.status, stale.code()), (409, "version_conflict"), "R23");
    assert_eq!(stale.body["on_hand"], 11);
    assert_eq!(stale.body["expected_version"], version);

    let loss = json!({ "kind": "write_off", "quantity": 1, "reason": "broken" });
    assert_eq!(client.post(path, &loss).await.body["inventory"]["on_hand"], 10);
    let less = json!({ "kind": "adjustment", "quantity": -11 });
    let refused = client.post(path, &less).await;
    assert_eq!((refused.status, refused.code()), (409, "insufficient_stock"));
    let history = client.get(&format!("{path}?limit=2")).await;
    assert_eq!(history.body["data"][0]["reason"], "broken");
    let cursor = history.body["next_cursor"].as_str().unwrap();
    let rest = client.get(&format!("{path}?limit=500&cursor={cursor}")).await;
    assert_eq!(rest.body["data"].as_array().unwrap().len(), 2);
    assert_eq!(rest.body["next_cursor"], json!(null));
    served.end().await;
});

both!(r64_a_movement_names_its_location_where_there_are_several, |shop| {
    shop.item("MUG", 5).await;
    shop.location("store", LocationKind::Store).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let path = "/v1/inventory/MUG/movements";
    let reply = client.post(path, &json!({ "kind": "receipt", "quantity": 1 })).await;
    assert_eq!((reply.status, reply.code()), (422, "location_required"));
    assert_eq!(reply.body["locations"], json!(["main", "store"]));
    let transfer = json!({
        "kind": "transfer", "location": "main", "to_location": "store", "quantity": 2
    });
    let moved = client.post(path, &transfer).await;
    assert_eq!(moved.status, 201, "{moved:?}");
    assert_eq!(moved.body["inventory"]["levels"][1]["on_hand"], 2);
    served.end().await;
});

both!(items_come_in_pages_and_by_the_hundred, |shop| {
    for number in 0..5 {
        shop.item(&format!("CUP-{number}"), number).await;
    }
    shop.item("50% \"off\" ä/ö", 1).await;
    let served = Served::new(&shop).await;
    let client = served.client("till", "reader").await;
    let mut seen = Vec::new();
    let mut path = "/v1/inventory?limit=2&q=cup".to_owned();
    loop {
        let page = client.get(&path).await.body;
        for item in page["data"].as_array().unwrap() {
            seen.push(item["sku"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/inventory?limit=2&q=cup&cursor={cursor}");
    }
    assert_eq!(seen, ["CUP-0", "CUP-1", "CUP-2", "CUP-3", "CUP-4"]);
    let odd = client.get("/v1/inventory/50%25%20%22off%22%20%C3%A4%2F%C3%B6").await;
    assert_eq!((odd.status, &odd.body["on_hand"]), (200, &json!(1)));
    let skus = json!({ "skus": ["CUP-4", "NONE", "CUP-4"] });
    let many = client.post("/v1/inventory/batch-get", &skus).await;
    assert_eq!(many.body["data"][0]["item"]["on_hand"], 4);
    assert_eq!(many.body["data"][1], json!({ "sku": "NONE", "code": "unknown_sku" }));
    assert_eq!(many.body["data"][2]["sku"], "CUP-4");
    let then = client.get("/v1/inventory/CUP-4?as_of=2026-03-02T08:00:00Z").await;
    assert_eq!(then.body["on_hand"], 0);
    let future = client.get("/v1/inventory/CUP-4?as_of=2036-03-02T08:00:00Z").await;
    assert_eq!((future.status, future.code()), (422, "invalid"));
    served.end().await;
});

both!(a_catalogue_entry_is_created_changed_by_version_and_ended, |shop| {
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let new = json!({
        "sku": "POT", "title": "Pot", "price": { "amount": 2490, "currency": "EUR" },
        "attributes": { "litres": 2 }, "on_hand": 3
    });
    let created = client.post("/v1/inventory", &new).await;
    assert_eq!((created.status, &created.body["on_hand"]), (201, &json!(3)), "{created:?}");
    let again = client.post("/v1/inventory", &new).await;
    assert_eq!((again.status, again.code()), (409, "already_exists"));

    let read = client.get("/v1/inventory/POT").await;
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let request = client.request(Method::GET, "/v1/inventory/POT");
    let same = client.send(request.header("If-None-Match", &tag)).await;
    assert_eq!(same.status, 304);
    let change = async |title: &str, tag: &str| {
        let request = client.request(Method::PUT, "/v1/inventory/POT");
        client.send(request.header("If-Match", tag).json(&json!({ "title": title }))).await
    };
    let changed = change("Big pot", &tag).await;
    assert_eq!((changed.status, &changed.body["title"]), (200, &json!("Big pot")), "{changed:?}");
    assert_eq!(changed.body["price"]["amount"], 2490, "what is left out stays");
    let stale = change("Small pot", &tag).await;
    assert_eq!((stale.status, stale.code()), (412, "version_conflict"));
    assert_eq!(change("Pot", "\"x\"").await.status, 412);
    // A movement changes the tag and not the entry's version: the change goes through.
    let tag = changed.headers["etag"].to_str().unwrap().to_owned();
    let receipt = json!({ "kind": "receipt", "quantity": 1 });
    client.post("/v1/inventory/POT/movements", &receipt).await;
    let moved = client.get("/v1/inventory/POT").await;
    assert_ne!(moved.headers["etag"].to_str().unwrap(), tag);
    assert_eq!(change("Pot", &tag).await.status, 200);
    for (body, field) in [
        (json!({ "on_hand": 5 }), "on_hand"),
        (json!({ "reorder_point": -1 }), "reorder_point"),
        (json!({ "price": { "amount": 1, "currency": "EURO" } }), "price.currency"),
        (json!({ "attributes": [1] }), "attributes"),
    ] {
        let reply = client.put("/v1/inventory/POT", &body).await;
        assert_eq!((reply.status, &reply.body["field"]), (422, &json!(field)), "{reply:?}");
    }

    let order = json!({ "order_id": "1", "lines": [{ "sku": "POT", "quantity": 1 }] });
    assert_eq!(client.post("/v1/orders", &order).await.status, 201);
    let delete = async || client.send(client.request(Method::DELETE, "/v1/inventory/POT")).await;
    let promised = delete().await;
    assert_eq!((promised.status, promised.code()), (409, "has_open_reservations"));
    client.put("/v1/orders/1/cancel", &json!({})).await;
    assert_eq!(delete().await.status, 204);
    let ended = client.get("/v1/inventory/POT").await;
    assert_eq!(
        (&ended.body["status"], &ended.body["available_to_promise"]),
        (&json!("discontinued"), &json!(0))
    );
    let unknown = client.send(client.request(Method::DELETE, "/v1/inventory/NONE")).await;
    assert_eq!(unknown.status, 404);
    served.end().await;
});

both!(conditions_hold_for_all_that_changes_an_item, |shop| {
    for name in ["MUG", "LID"] {
        shop.item(name, 5).await;
    }
    shop.bundle("SET", &[("MUG", 1), ("LID", 1)]).await.unwrap();
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let tag = async |name: &str| {
        let read = client.get(&format!("/v1/inventory/{name}")).await;
        read.headers["etag"].to_str().unwrap().to_owned()
    };
    let with = async |method, name: &str, header: &str, value: &str| {
        let request = client.request(method, &format!("/v1/inventory/{name}"));
        client.send(request.header(header, value)).await
    };
    // A component that is recalled is another answer for the set.
    let before = tag("SET").await;
    assert_eq!(with(Method::GET, "SET", "If-None-Match", &before).await.status, 304);
    shop.run(Command::StopSale(sku("LID"), None)).await.unwrap();
    let recalled = with(Method::GET, "SET", "If-None-Match", &before).await;
    assert_eq!((recalled.status, &recalled.body["available_to_promise"]), (200, &json!(0)));
    // Proxies make tags weak, and clients name all they have.
    let listed = format!("\"9.9\", W/{}", tag("SET").await);
    assert_eq!(with(Method::GET, "SET", "If-None-Match", &listed).await.status, 304);
    // What was read before somebody changed it is not ended by it.
    let stale = tag("MUG").await;
    let change = client.request(Method::PUT, "/v1/inventory/MUG").json(&json!({ "title": "Mug" }));
    let both = format!("\"99.9\", {stale}");
    assert_eq!(client.send(change.header("If-Match", both)).await.status, 200);
    let ended = with(Method::DELETE, "MUG", "If-Match", &stale).await;
    assert_eq!((ended.status, ended.code()), (412, "version_conflict"));
    let fresh = tag("MUG").await;
    assert_eq!(with(Method::DELETE, "MUG", "If-Match", &fresh).await.status, 204);
    served.end().await;
});
