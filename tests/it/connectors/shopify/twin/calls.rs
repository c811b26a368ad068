//! What the shop tells by itself, and for how long it does.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use invshop::sandbox::shopify::{Financial, Mishaps, caller};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::work::gid;
use super::{APP, World};

const SUBSCRIBE: &str = "mutation Subscribe($topic: WebhookSubscriptionTopic!, $uri: String!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: { uri: $uri, format: JSON }) {
    webhookSubscription { id topic }
    userErrors { field message }
  }
}";
const UNSUBSCRIBE: &str = "mutation Unsubscribe($id: ID!) {
  webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } }
}";

/// What hears a shop: the topics and the bodies of all that it was told.
struct Ear {
    url: String,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
    _serving: JoinSet<()>,
}

impl Ear {
    async fn new() -> Self {
        let heard: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let ear = heard.clone();
        let hear = move |headers: HeaderMap, body: Bytes| {
            let topic = headers["x-shopify-topic"].to_str().unwrap().to_owned();
            let body = serde_json::from_slice(&body).unwrap();
            ear.lock().unwrap().push((topic, body));
            std::future::ready(StatusCode::OK)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            axum::serve(listener, Router::new().route("/", post(hear))).await.unwrap();
        });
        Self { url, heard, _serving: serving }
    }

    fn heard(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

impl World {
    /// Has the shop call; the id of the subscription.
    async fn subscribe(&self, topic: &str, uri: &str) -> String {
        let answer = self.ask(SUBSCRIBE, json!({ "topic": topic, "uri": uri })).await;
        let id = &answer["data"]["webhookSubscriptionCreate"]["webhookSubscription"]["id"];
        id.as_str().unwrap().to_owned()
    }

    async fn deliver(&self) -> usize {
        self.shop.deliver(&caller().unwrap(), Mishaps::default(), &mut |_| 99).await
    }
}

/// What one topic was told of.
async fn told(world: &World, ear: &Ear, topic: &str) -> Vec<Value> {
    world.deliver().await;
    ear.heard().into_iter().filter(|(known, _)| known == topic).map(|(_, body)| body).collect()
}

#[tokio::test]
async fn what_happens_to_levels_and_items_is_told_as_the_shop_tells_it() {
    let (world, ear) = (World::new().await, Ear::new().await);
    for topic in [
        "INVENTORY_LEVELS_CONNECT",
        "INVENTORY_LEVELS_DISCONNECT",
        "INVENTORY_ITEMS_UPDATE",
        "INVENTORY_ITEMS_DELETE",
    ] {
        world.subscribe(topic, &ear.url).await;
    }
    let (main, other) = {
        let mut state = world.shop.state();
        (state.add_location("Main"), state.add_location("Other"))
    };
    let (mug, _) = world.stocked("MUG", main, 5);
    let item = world.shop.state().item_of(mug).unwrap();
    world.shop.state().type_stock(item, other, 3);
    world.shop.state().type_stock(item, other, 4);
    let connected = json!([{
        "inventory_item_id": item, "location_id": other, "available": 3,
        "updated_at": "2027-01-15T04:00:00-04:00",
        "admin_graphql_api_id":
            format!("gid://shopify/InventoryLevel/{other}?inventory_item_id={item}"),
    }]);
    assert_eq!(json!(told(&world, &ear, "inventory_levels/connect").await), connected);
    world.shop.state().deactivate(item, other);
    world.shop.state().deactivate(item, other);
    let gone = json!([{ "inventory_item_id": item, "location_id": other }]);
    assert_eq!(json!(told(&world, &ear, "inventory_levels/disconnect").await), gone);
    world.shop.state().rename(mug, "CUP");
    world.shop.state().track(item, false);
    let updates = told(&world, &ear, "inventory_items/update").await;
    let said: Vec<_> =
        updates.iter().map(|one| (&one["id"], &one["sku"], &one["tracked"])).collect();
    let (id, sku) = (json!(item), json!("CUP"));
    assert_eq!(said, [(&id, &sku, &json!(true)), (&id, &sku, &json!(false))]);
    assert!(world.shop.state().delete_variant(mug));
    assert!(!world.shop.state().delete_variant(mug));
    let deleted = json!([{
        "id": item, "admin_graphql_api_id": gid("InventoryItem", item),
        "country_code_of_origin": null, "province_code_of_origin": null,
        "harmonized_system_code": null, "country_harmonized_system_codes": [],
    }]);
    assert_eq!(json!(told(&world, &ear, "inventory_items/delete").await), deleted);
    world.is_sound();
}

#[tokio::test]
async fn an_order_that_is_deleted_is_told_by_its_id_alone() {
    let (world, ear) = (World::new().await, Ear::new().await);
    world.subscribe("ORDERS_DELETE", &ear.url).await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 5);
    let order = world.shop.state().buy(&[(mug, main, 2)], Financial::Paid).unwrap();
    world.shop.state().delete_order(order);
    assert_eq!(told(&world, &ear, "orders/delete").await, [json!({ "id": order })]);
    world.is_sound();
}

#[tokio::test]
async fn a_move_tells_of_both_fulfilment_orders() {
    let (world, ear) = (World::new().await, Ear::new().await);
    world.subscribe("FULFILLMENT_ORDERS_MOVED", &ear.url).await;
    let (main, other) = {
        let mut state = world.shop.state();
        (state.add_location("Main"), state.add_location("Other"))
    };
    let mug = world.shop.state().add_variant("MUG", &[(main, 5), (other, 5)], 990);
    let order = world.shop.state().buy(&[(mug, main, 2)], Financial::Paid).unwrap();
    let (line, work, work_line) = {
        let state = world.shop.state();
        let order = &state.orders[&order];
        (order.lines[0].id, order.work[0].id, order.work[0].lines[0].id)
    };
    assert!(world.shop.state().move_work(order, line, 1, other));
    let new = world.shop.state().orders[&order].work[1].id;
    let body = json!([{
        "original_fulfillment_order": {
            "id": gid("FulfillmentOrder", work), "status": "open",
            "assigned_location_id": gid("Location", main),
        },
        "moved_fulfillment_order": {
            "id": gid("FulfillmentOrder", new), "status": "open",
            "assigned_location_id": gid("Location", other),
        },
        "destination_location_id": gid("Location", other),
        "fulfillment_order_line_items_requested": [
            { "id": gid("FulfillmentOrderLineItem", work_line), "quantity": 1 },
        ],
        "source_location": { "id": gid("Location", main) },
    }]);
    assert_eq!(json!(told(&world, &ear, "fulfillment_orders/moved").await), body);
    world.is_sound();
}

#[tokio::test]
async fn an_app_that_is_taken_out_is_told_so_and_has_nothing_left() {
    let (world, ear) = (World::new().await, Ear::new().await);
    world.subscribe("APP_UNINSTALLED", &ear.url).await;
    world.subscribe("ORDERS_CREATE", &ear.url).await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 5);
    world.shop.state().buy(&[(mug, main, 2)], Financial::Paid).unwrap();
    world.is_sound();
    world.shop.state().uninstall();
    assert_eq!((world.shop.hooks(), world.shop.waiting()), (0, 1));
    assert_eq!(world.deliver().await, 1);
    let heard = ear.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(
        (heard[0].0.as_str(), &heard[0].1["name"]),
        ("app/uninstalled", &json!("Twin Shop"))
    );
    let refused = world.ask("{ shop { name } }", json!({})).await;
    assert_eq!(refused["data"], Value::Null);
    let grant = json!({
        "client_id": APP.0, "client_secret": APP.1, "grant_type": "client_credentials",
    });
    let url = format!("{}/admin/oauth/access_token", world.shop.url());
    let answer = caller().unwrap().post(url).json(&grant).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("app_not_installed"));
}

#[tokio::test]
async fn a_subscription_is_removed_after_eight_failures_in_a_row() {
    let (world, ear) = (World::new().await, Ear::new().await);
    // Nobody is there.
    world.subscribe("ORDERS_CREATE", "http://127.0.0.1:1/").await;
    let kept = world.subscribe("ORDERS_CREATE", &ear.url).await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 5);
    // Two at a time are one failure.
    for _ in 0..2 {
        world.shop.state().buy(&[(mug, main, 1)], Financial::Paid).unwrap();
    }
    assert_eq!(world.deliver().await, 2);
    for _ in 0..6 {
        assert_eq!(world.deliver().await, 0);
    }
    assert_eq!((world.shop.hooks(), world.shop.waiting()), (2, 2));
    world.deliver().await;
    assert_eq!((world.shop.hooks(), world.shop.waiting()), (1, 0));
    let removed = world.ask(UNSUBSCRIBE, json!({ "id": kept })).await;
    let removed = &removed["data"]["webhookSubscriptionDelete"];
    assert_eq!(removed, &json!({ "deletedWebhookSubscriptionId": kept, "userErrors": [] }));
    assert_eq!(world.shop.hooks(), 0);
    let unknown = world.ask(UNSUBSCRIBE, json!({ "id": kept })).await;
    let unknown = &unknown["data"]["webhookSubscriptionDelete"];
    assert_eq!(unknown["deletedWebhookSubscriptionId"], Value::Null);
    assert_eq!(unknown["userErrors"][0]["field"], json!(["id"]));
    world.is_sound();
}

#[tokio::test]
async fn a_call_that_is_taken_starts_the_count_again() {
    let (world, ear) = (World::new().await, Ear::new().await);
    world.subscribe("ORDERS_CREATE", &ear.url).await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 5);
    let lost = Mishaps { dropped_percent: 100, ..Mishaps::default() };
    for _ in 0..2 {
        world.shop.state().buy(&[(mug, main, 1)], Financial::Paid).unwrap();
        for _ in 0..7 {
            world.shop.deliver(&caller().unwrap(), lost, &mut |_| 0).await;
        }
        assert_eq!(world.deliver().await, 1);
    }
    assert_eq!(world.shop.hooks(), 1);
}
