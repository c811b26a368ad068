//! Items that are asked for at the same time: each is as it is, and as it was left.

use futures_util::future::join_all;
use serde_json::json;

use super::client::{Client, Served};
use crate::both;
use crate::reads::bundle;

/// Moves an item again and again; after each answer everybody is shown what it left.
async fn mover(client: &Client, number: i64) {
    let path = format!("/v1/inventory/ITEM-{number}");
    let mut tag = None;
    for round in 1..=8 {
        let receipt = json!({ "kind": "receipt", "quantity": number });
        let moved = client.post(&format!("{path}/movements"), &receipt).await;
        assert_eq!(moved.status, 201, "{moved:?}");
        let shown = client.get(&path).await;
        assert_eq!(shown.body["sku"], json!(format!("ITEM-{number}")));
        assert_eq!(shown.body["on_hand"], json!(100 + round * number), "{shown:?}");
        let new = shown.headers["etag"].clone();
        assert_ne!(tag.replace(new.clone()), Some(new), "another state has another tag");
    }
}

both!(items_that_are_asked_for_at_once_are_each_as_it_was_left, |shop| {
    for number in 0..24 {
        shop.item(&format!("ITEM-{number}"), 100).await;
    }
    bundle(&shop, "SET", &[("ITEM-0", 2)]).await;
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let others = async |path: &str, status: u16| {
        for _ in 0..30 {
            let reply = office.get(path).await;
            assert_eq!(reply.status, status, "{reply:?}");
            if status == 200 {
                assert_eq!(reply.body["available_to_promise"], json!(50));
            }
        }
    };
    let movers = join_all((1..24).map(|number| mover(&office, number)));
    let (_, (), ()) =
        tokio::join!(movers, others("/v1/inventory/SET", 200), others("/v1/inventory/NONE", 404));
    let set = office.get("/v1/inventory/SET").await;
    let receipt = json!({ "kind": "receipt", "quantity": 2 });
    assert_eq!(office.post("/v1/inventory/ITEM-0/movements", &receipt).await.status, 201);
    let after = office.get("/v1/inventory/SET").await;
    assert_ne!(set.headers["etag"], after.headers["etag"], "a bundle is what its parts are");
    assert_eq!(after.body["available_to_promise"], json!(51));
    served.end().await;
});
