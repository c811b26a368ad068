//! Stock over HTTP: numbers, movements, histories and pages.

use invshop::domain::LocationKind;
use serde_json::json;

use super::client::Served;
use crate::both;

both!(movements_change_the_numbers_and_repeats_do_not, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let path = "/v1/inventory/MUG/movements";
    let receipt = json!({ "kind": "receipt", "location": "main", "quantity": 7 });
    for repeat in [false, true] {
        let request = client.request(reqwest::Method::POST, path).json(&receipt);
        let reply = client.send(request.header("Idempotency-Key", "delivery-1")).await;
        assert_eq!((reply.status, reply.replayed), (if repeat { 200 } else { 201 }, repeat));
        assert_eq!(reply.body["inventory"]["on_hand"], 12);
    }
    let other = json!({ "kind": "receipt", "location": "main", "quantity": 8 });
    let request = client.request(reqwest::Method::POST, path).json(&other);
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
