//! Who is in whose way, over HTTP: nobody hears of it but whoever acts on a number that
//! is no longer so.

use std::time::Duration;

use futures_util::future::join_all;
use invshop::store::Place;
use serde_json::{Value, json};

use super::client::Served;
use crate::both;
use crate::raw::Raw;

fn order(id: &str, skus: [&str; 2]) -> Value {
    let lines: Vec<Value> = skus.iter().map(|sku| json!({ "sku": sku, "quantity": 1 })).collect();
    json!({ "order_id": id, "lines": lines })
}

both!(r10_orders_wait_for_a_foreign_lock_and_are_all_placed, |shop| {
    shop.item("MUG", 50).await;
    shop.item("LID", 50).await;
    let served = Served::new(&shop).await;
    let client = served.client("web", "storefront").await;
    let mut other = Raw::open(&shop.opening.place).await;
    let lock = match shop.opening.place {
        Place::Sqlite(_) => "begin immediate",
        Place::Postgres(_) => "begin; select * from level for update",
    };
    other.execute(lock).await;
    let place = async |number: usize| {
        client.post("/v1/orders", &order(&number.to_string(), ["MUG", "LID"])).await.status
    };
    let release = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        other.execute("rollback").await;
    };
    let (statuses, ()) = futures_util::future::join(join_all((0..20).map(place)), release).await;
    assert_eq!(statuses, [201; 20], "work is never dropped");
    served.end().await;
});

// Lines in opposite orders through two nodes: what deadlocks where rows are locked as they
// are named. What counts is that all orders are there.
both!(r11_orders_of_the_same_items_in_any_order_are_all_placed, |shop| {
    shop.item("MUG", 500).await;
    shop.item("LID", 500).await;
    let nodes = [Served::new(&shop).await, Served::new(&shop).await];
    let one = nodes[0].client("web", "storefront").await;
    let clients = [one.clone(), super::client::Client::new(nodes[1].base(), one.key())];
    let place = async |number: usize| {
        let skus = if number.is_multiple_of(2) { ["MUG", "LID"] } else { ["LID", "MUG"] };
        let client = &clients[number / 2 % 2];
        client.post("/v1/orders", &order(&number.to_string(), skus)).await.status
    };
    let statuses = join_all((0..300).map(place)).await;
    assert_eq!(statuses, vec![201; 300]);
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders where status = 'open'").await, 300);
    assert_eq!(raw.number("select cast(sum(reserved) as bigint) from level").await, 600);
    for node in nodes {
        node.end().await;
    }
});

both!(r23_a_stale_set_is_refused_with_both_numbers, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let staff = served.client("office", "operator").await;
    let level = staff.get("/v1/inventory/MUG").await.body["levels"][0].clone();
    let (read, on_hand) = (level["version"].as_i64().unwrap(), &level["on_hand"]);
    assert_eq!(on_hand, 5);
    // Somebody sells while the form is open.
    let receipt = json!({ "kind": "receipt", "quantity": 3 });
    assert_eq!(staff.post("/v1/inventory/MUG/movements", &receipt).await.status, 201);
    let set = json!({ "kind": "count", "quantity": 6, "if_version": read });
    let stale = staff.post("/v1/inventory/MUG/movements", &set).await;
    assert_eq!((stale.status, stale.code()), (409, "version_conflict"));
    let said =
        ["expected_version", "actual_version", "on_hand"].map(|name| stale.body[name].clone());
    assert_eq!(said, [json!(read), json!(read + 1), json!(8)]);
    assert_eq!(staff.get("/v1/inventory/MUG").await.body["on_hand"], 8, "nothing was written");
    let set = json!({ "kind": "count", "quantity": 6, "if_version": read + 1 });
    assert_eq!(staff.post("/v1/inventory/MUG/movements", &set).await.status, 201);
    // In a batch one stale entry does not stop the others.
    let batch = json!({ "movements": [
        { "sku": "MUG", "kind": "count", "quantity": 1, "if_version": read },
        { "sku": "MUG", "kind": "receipt", "quantity": 1 },
    ] });
    let outcomes = staff.post("/v1/inventory/batch", &batch).await.body["data"].clone();
    assert_eq!((&outcomes[0]["status"], &outcomes[1]["status"]), (&json!(409), &json!(201)));
    assert_eq!(staff.get("/v1/inventory/MUG").await.body["on_hand"], 7);
    served.end().await;
});
