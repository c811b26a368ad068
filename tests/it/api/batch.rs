//! Many movements in one request, and why a number is what it is.

use futures_util::future::join_all;
use invshop::domain::Quantity;
use invshop::ledger::stock::Change;
use invshop::writer::{Command, WriteError};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, Reply, Served};
use crate::both;
use crate::harness::movement;
use crate::raw::Raw;

/// Posts a batch, under a key where there is one.
async fn batch(client: &Client, key: Option<&str>, movements: &Value) -> Reply {
    let body = json!({ "movements": movements });
    let request = client.request(Method::POST, "/v1/inventory/batch").json(&body);
    let request = match key {
        Some(key) => request.header("Idempotency-Key", key),
        None => request,
    };
    client.send(request).await
}

fn statuses(reply: &Reply) -> Vec<u64> {
    let outcomes = reply.body["data"].as_array().unwrap();
    outcomes.iter().map(|outcome| outcome["status"].as_u64().unwrap()).collect()
}

both!(every_movement_of_a_batch_has_its_own_outcome, |shop| {
    shop.item("MUG", 5).await;
    shop.item("POT", 1).await;
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let movements = json!([
        { "sku": "MUG", "kind": "receipt", "quantity": 7 },
        { "sku": "NONE", "kind": "receipt", "quantity": 1 },
        { "sku": "POT", "kind": "adjustment", "quantity": -2 },
        { "sku": "MUG", "kind": "write_off", "quantity": 12, "reason": "decided after the first" },
        { "sku": "POT", "kind": "receipt", "quantity": 0 },
        { "sku": "POT", "kind": "count", "quantity": 4, "location": "main" },
    ]);
    let reply = batch(&office, Some("night"), &movements).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(statuses(&reply), [201, 422, 409, 201, 422, 201]);
    let outcome = |place: usize| reply.body["data"][place].clone();
    assert_eq!((&outcome(1)["sku"], &outcome(1)["code"]), (&json!("NONE"), &json!("unknown_sku")));
    assert_eq!(outcome(2)["shortages"][0]["available"], 1);
    assert_eq!(outcome(4)["field"], "quantity");
    assert!(outcome(0)["seq"].as_i64().unwrap() < outcome(3)["seq"].as_i64().unwrap());
    assert_eq!(office.get("/v1/inventory/MUG").await.body["on_hand"], 0);
    assert_eq!(office.get("/v1/inventory/POT").await.body["on_hand"], 4);

    // The same again tells what was done and tries the rest; other content is refused.
    office.post("/v1/inventory/POT/movements", &json!({ "kind": "receipt", "quantity": 9 })).await;
    let again = batch(&office, Some("night"), &movements).await;
    assert_eq!(statuses(&again), [200, 422, 201, 200, 422, 200]);
    assert_eq!(again.body["data"][0]["seq"], outcome(0)["seq"]);
    let other = json!([{ "sku": "MUG", "kind": "receipt", "quantity": 8 }]);
    let other = batch(&office, Some("night"), &other).await;
    assert_eq!(other.body["data"][0]["code"], "idempotency_mismatch");
    assert_eq!(office.get("/v1/inventory/MUG").await.body["on_hand"], 0);
    served.end().await;
});

both!(a_batch_that_makes_no_sense_writes_nothing, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let good = json!({ "sku": "MUG", "kind": "receipt", "quantity": 1 });
    for (second, field) in [
        (json!({ "kind": "receipt", "quantity": 1 }), "movements[1].sku"),
        (json!({ "sku": "", "kind": "receipt", "quantity": 1 }), "movements[1].sku"),
        (json!({ "sku": "MUG", "kind": "receipt", "quantity": "1" }), "movements[1].quantity"),
        (json!({ "sku": "MUG", "kind": "gift", "quantity": 1 }), "movements[1].kind"),
        (json!({ "sku": "MUG", "kind": "receipt", "quantity": 1, "qty": 1 }), "movements[1].qty"),
    ] {
        let reply = batch(&office, None, &json!([good, second])).await;
        assert_eq!((reply.status, reply.code()), (422, "invalid"), "{second}");
        assert_eq!(reply.body["field"], field, "{second}");
    }
    let many = json!(vec![good.clone(); 501]);
    assert_eq!(batch(&office, None, &many).await.body["field"], "movements");
    let long = "k".repeat(199);
    let reply = batch(&office, Some(&long), &json!([good])).await;
    assert_eq!((reply.status, &reply.body["field"]), (422, &json!("Idempotency-Key")));
    let named = office.post("/v1/inventory/MUG/movements", &good).await;
    assert_eq!((named.status, &named.body["field"]), (422, &json!("sku")));
    assert_eq!(office.get("/v1/inventory/MUG").await.body["on_hand"], 5);
    assert_eq!(statuses(&batch(&office, None, &json!([])).await), Vec::<u64>::new());
    served.end().await;
});

both!(five_hundred_movements_are_few_transactions, |shop| {
    shop.item("MUG", 0).await;
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let before = served.shop().counters.batches.get();
    let receipt = json!({ "sku": "MUG", "kind": "receipt", "quantity": 1 });
    let reply = batch(&office, Some("all"), &json!(vec![receipt; 500])).await;
    assert_eq!(statuses(&reply), vec![201; 500]);
    let transactions = served.shop().counters.batches.get() - before;
    assert!(transactions <= 20, "{transactions} transactions");
    assert_eq!(office.get("/v1/inventory/MUG").await.body["on_hand"], 500);
    served.end().await;
});

both!(what_finds_no_room_is_the_end_of_a_batch_and_never_its_middle, |shop| {
    const CROWD: usize = 20_000;
    shop.item("MUG", 0).await;
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let receipt = json!({ "sku": "MUG", "kind": "receipt", "quantity": 1 });
    let receipts = json!(vec![receipt; 500]);
    let crowd = async || {
        let receipt =
            || Command::Stock(movement("MUG", "main", Change::Receive(Quantity::new(1).unwrap())));
        let answers = (0..CROWD).map(|_| served.shop().submit(receipt(), None));
        for answer in join_all(answers).await {
            assert!(matches!(answer, Ok(_) | Err(WriteError::Busy)), "{answer:?}");
        }
    };
    let (mut cut, mut rounds) = (0, 0);
    while cut < 3 {
        rounds += 1;
        assert!(rounds < 50, "hardly a batch found the queue full");
        let ((), reply) = tokio::join!(crowd(), batch(&office, None, &receipts));
        let statuses = statuses(&reply);
        let done = statuses.iter().take_while(|status| **status == 201).count();
        assert_eq!(statuses[done..], vec![503; 500 - done], "{statuses:?}");
        cut += usize::from(done < 500);
    }
    served.end().await;
});

both!(explain_tells_the_terms_of_a_number, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let order = json!({ "order_id": "1", "lines": [{ "sku": "MUG", "quantity": 2 }] });
    assert_eq!(office.post("/v1/orders", &order).await.status, 201);
    let reply = office.get("/v1/inventory/MUG/explain").await;
    assert_eq!((reply.status, &reply.body["available_to_promise"]), (200, &json!(3)));
    assert_eq!(reply.body["terms"][1], json!({ "name": "reserved", "units": -2 }));
    assert_eq!(office.get("/v1/inventory/NONE/explain").await.status, 404);
    let channel = office.get("/v1/inventory/MUG/explain?channel=web").await;
    assert_eq!((channel.status, &channel.body["field"]), (422, &json!("channel")));
    let web = served.client("web", "storefront").await;
    assert_eq!(web.get("/v1/inventory/MUG/explain").await.status, 403);
    served.end().await;
});

both!(another_version_is_not_acceptable, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let asked = async |version: &str| {
        let request = office.request(Method::GET, "/v1/inventory/MUG");
        let reply = office.send(request.header("Accept-Version", version)).await;
        (reply.status, reply.code().to_owned())
    };
    assert_eq!(asked("1").await.0, 200);
    for other in ["2", "0", "", "1.0", "latest"] {
        assert_eq!(asked(other).await, (406, "unknown_version".to_owned()), "{other}");
    }
    served.end().await;
});

// Whoever may not do it is told so before a body is read or understood.
both!(what_is_forbidden_is_so_whatever_the_body, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let reader = served.client("till", "reader").await;
    let web = served.client("web", "storefront").await;
    for (method, path) in [
        (Method::POST, "/v1/inventory"),
        (Method::PUT, "/v1/inventory/MUG"),
        (Method::DELETE, "/v1/inventory/MUG"),
        (Method::POST, "/v1/inventory/MUG/movements"),
        (Method::POST, "/v1/inventory/batch"),
        (Method::POST, "/v1/orders/1/payments"),
        (Method::POST, "/v1/orders/1/shipments"),
        (Method::POST, "/v1/orders/1/returns"),
    ] {
        for client in [&reader, &web] {
            let request = client.request(method.clone(), path).body("{ not JSON");
            let reply = client.send(request).await;
            assert_eq!((reply.status, reply.code()), (403, "forbidden"), "{method} {path}");
        }
    }
    let request = reader.request(Method::POST, "/v1/orders").body("{ not JSON");
    assert_eq!(reader.send(request).await.status, 403);
    let nobody = served.with_key(None);
    let request = nobody.request(Method::POST, "/v1/orders").body("{ not JSON");
    assert_eq!(nobody.send(request).await.status, 401);
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders").await, 0);
    served.end().await;
});
