//! What the shop refuses, and what else it is asked to do: numbers, cancellations, haste.

use invshop::connectors::ErrorKind;
use invshop::sandbox::shopify::{Financial, VERSION, caller};
use serde_json::{Value, json};

use super::work::gid;
use super::{TOKEN, World};

const ACTIVATE: &str = "mutation Activate($item: ID!, $place: ID!, $units: Int, $key: String!) {
  inventoryActivate(inventoryItemId: $item, locationId: $place, available: $units)
    @idempotent(key: $key) {
    inventoryLevel {
      isActive
      location { id }
      quantities(names: [\"available\", \"on_hand\"]) { name quantity }
    }
    userErrors { field message }
  }
}";
const CANCEL: &str = "mutation Cancel($id: ID!, $reason: OrderCancelReason!, $note: String) {
  orderCancel(orderId: $id, reason: $reason, restock: true, staffNote: $note) {
    job { id done }
    orderCancelUserErrors { code field message }
  }
}";
const CANCELLED: &str = "query Cancelled($id: ID!) {
  order(id: $id) { cancelledAt cancelReason cancellation { staffNote } }
}";

#[tokio::test]
async fn an_item_is_stocked_where_it_was_not_once() {
    let world = World::new().await;
    let (main, other) = {
        let mut state = world.shop.state();
        (state.add_location("Main"), state.add_location("Other"))
    };
    let (mug, _) = world.stocked("MUG", main, 5);
    let item = world.shop.state().item_of(mug).unwrap();
    let activate = async |place: u64, units: Value, key: &str| {
        let (item, place) = (gid("InventoryItem", item), gid("Location", place));
        let variables = json!({ "item": item, "place": place, "units": units, "key": key });
        let answer = world.ask(ACTIVATE, variables).await;
        answer["data"]["inventoryActivate"].clone()
    };
    let level = json!({
        "isActive": true, "location": { "id": gid("Location", other) },
        "quantities": [
            { "name": "available", "quantity": 4 }, { "name": "on_hand", "quantity": 4 },
        ],
    });
    let done = json!({ "inventoryLevel": level, "userErrors": [] });
    assert_eq!(activate(other, json!(4), "one").await, done);
    assert_eq!(activate(other, json!(4), "one").await, done, "a repetition");
    let refused = activate(other, json!(7), "two").await;
    assert_eq!(refused["userErrors"][0]["field"], json!(["available"]));
    assert_eq!(world.shop.state().stock_of(mug, other), Some(4));
    world.shop.state().deactivate(item, other);
    assert_eq!(world.shop.state().stock_of(mug, other), None);
    activate(other, Value::Null, "three").await;
    assert_eq!(world.shop.state().stock_of(mug, other), Some(0), "it has none unless it is said");
    let unknown = activate(1, Value::Null, "four").await;
    assert_eq!(unknown["userErrors"][0]["field"], json!(["locationId"]));
    world.is_sound();
    // The key is asked for by the shop, and not by the types.
    let keyless = ACTIVATE.replace(", $key: String!", "").replace("@idempotent(key: $key)", "");
    let (item, place) = (gid("InventoryItem", item), gid("Location", other));
    let answer = world.ask(&keyless, json!({ "item": item, "place": place, "units": null })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
}

#[tokio::test]
async fn an_order_is_cancelled_for_any_reason_there_is_a_word_for() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 9);
    for reason in ["CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF"] {
        let order = world.shop.state().buy(&[(mug, main, 1)], Financial::Paid).unwrap();
        let id = gid("Order", order);
        let long = "x".repeat(256);
        let variables = json!({ "id": id, "reason": reason, "note": long });
        let refused = &world.ask(CANCEL, variables).await["data"]["orderCancel"];
        assert_eq!(refused["job"], Value::Null);
        assert_eq!(refused["orderCancelUserErrors"][0]["field"], json!(["staffNote"]));
        let variables = json!({ "id": id, "reason": reason, "note": "nothing is left" });
        let done = &world.ask(CANCEL, variables).await["data"]["orderCancel"];
        assert_eq!(done["orderCancelUserErrors"], json!([]));
        let answer = world.ask(CANCELLED, json!({ "id": id })).await;
        let order = &answer["data"]["order"];
        assert_eq!(order["cancelReason"], reason);
        assert_eq!(order["cancellation"], json!({ "staffNote": "nothing is left" }));
    }
    assert_eq!(world.shop.state().stock_of(mug, main), Some(9));
    world.is_sound();
}

#[tokio::test]
async fn one_request_too_many_is_refused_with_its_cost_or_without() {
    let world = World::new().await;
    world.shop.state().faults.too_many = 1;
    let told = world.ask("{ shop { name } }", json!({})).await;
    assert_eq!(told["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(told["extensions"]["cost"]["requestedQueryCost"], 1);
    world.shop.state().faults.too_many_bare = 1;
    let bare = world.ask("{ shop { name } }", json!({})).await;
    assert_eq!(bare["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(bare["extensions"], Value::Null);
    let done = world.ask("{ shop { name } }", json!({})).await;
    assert_eq!(done["data"]["shop"]["name"], "Twin Shop");
    world.is_sound();
    world.shop.state().faults.too_many_bare = 1;
    let refused = world.connector.catalog().unwrap().listings(None).await.unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::RateLimited), "{refused}");
}

#[tokio::test]
async fn who_is_too_fast_is_turned_away_and_told_when_to_come_back() {
    let world = World::new().await;
    let turn_away = || {
        let mut state = world.shop.state();
        (state.faults.turn_away, state.faults.turn_away_seconds) = (1, 2);
    };
    turn_away();
    let url = format!("{}/admin/api/{VERSION}/graphql.json", world.shop.url());
    let request = caller().unwrap().post(url).header("x-shopify-access-token", TOKEN);
    let answer = request.json(&json!({ "query": "{ shop { name } }" })).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"2.0".parse().unwrap())
    );
    turn_away();
    let refused = world.connector.catalog().unwrap().listings(None).await.unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::RateLimited), "{refused}");
    assert!(world.shop.state().requests.is_empty(), "nothing was looked at");
}

#[tokio::test]
async fn what_an_app_may_not_change_it_does_not() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 9);
    let order = world.shop.state().buy(&[(mug, main, 1)], Financial::Paid).unwrap();
    world.shop.state().scopes.remove("write_orders");
    let variables = json!({ "id": gid("Order", order), "reason": "OTHER", "note": null });
    let refused = world.ask(CANCEL, variables).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
    assert_eq!(world.shop.state().orders[&order].cancelled, None);
    world.is_sound();
}
