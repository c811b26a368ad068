//! What is to leave: fulfilment orders that are held, put off, moved, or too many for a page.

use invshop::sandbox::shopify::{Bucket, Financial, Restock, State};
use serde_json::{Value, json};

use super::{NOW, World};

const WORK: &str = "query Work($id: ID!, $first: Int!, $after: String) {
  fulfillmentOrder(id: $id) {
    id status fulfillAt orderName
    assignedLocation { name location { id } }
    lineItems(first: $first, after: $after) {
      nodes { id remainingQuantity totalQuantity lineItem { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
}";
const ORDER: &str = "query Order($id: ID!) {
  order(id: $id) {
    displayFulfillmentStatus
    fulfillmentOrders(first: 10) {
      nodes { id status assignedLocation { location { id } } lineItems(first: 5) { nodes { totalQuantity } } }
    }
  }
}";
const SHIP: &str = "mutation Ship($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id status location { id } }
    userErrors { field message }
  }
}";

pub(super) fn gid(kind: &str, number: u64) -> String {
    format!("gid://shopify/{kind}/{number}")
}

impl World {
    fn place(&self, name: &str) -> u64 {
        self.shop.state().add_location(name)
    }

    async fn piece(&self, work: u64) -> Value {
        let variables = json!({ "id": gid("FulfillmentOrder", work), "first": 10, "after": null });
        self.ask(WORK, variables).await["data"]["fulfillmentOrder"].clone()
    }

    async fn whole(&self, order: u64) -> Value {
        let answer = self.ask(ORDER, json!({ "id": gid("Order", order) })).await;
        answer["data"]["order"].clone()
    }

    /// Tells of all of a fulfilment order as shipped; what was said against it.
    async fn ship(&self, work: u64) -> Option<String> {
        let orders = json!([{ "fulfillmentOrderId": gid("FulfillmentOrder", work) }]);
        let input = json!({ "lineItemsByFulfillmentOrder": orders });
        let answer = self.ask(SHIP, json!({ "fulfillment": input })).await;
        let payload = &answer["data"]["fulfillmentCreate"];
        let wrong = payload["userErrors"][0]["message"].as_str().map(str::to_owned);
        assert_eq!(wrong.is_some(), payload["fulfillment"].is_null(), "{answer}");
        wrong
    }

    /// Locations of the fulfilment orders of an order, their states, and units of each.
    async fn pieces(&self, order: u64) -> Vec<(String, String, i64)> {
        let whole = self.whole(order).await;
        let pieces = whole["fulfillmentOrders"]["nodes"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let one = |one: &Value| {
            let lines = one["lineItems"]["nodes"].as_array().unwrap().iter();
            let units = lines.map(|line| line["totalQuantity"].as_i64().unwrap()).sum();
            (text(&one["assignedLocation"]["location"]["id"]), text(&one["status"]), units)
        };
        pieces.map(one).collect()
    }
}

fn pieces_of(state: &State, order: u64) -> Vec<u64> {
    state.orders[&order].work.iter().map(|work| work.id).collect()
}

#[tokio::test]
async fn what_is_held_or_put_off_does_not_leave_before_it_may() {
    let world = World::new().await;
    let main = world.place("Main");
    let (mug, _) = world.stocked("MUG", main, 9);
    let order = world.shop.state().buy(&[(mug, main, 3)], Financial::Paid).unwrap();
    let (work, line) = {
        let state = world.shop.state();
        (state.orders[&order].work[0].id, state.orders[&order].lines[0].id)
    };
    assert!(world.shop.state().hold_work(order, work));
    assert!(world.shop.state().hold_work(order, work), "one may be held twice");
    assert_eq!(world.piece(work).await["status"], "ON_HOLD");
    assert_eq!(world.whole(order).await["displayFulfillmentStatus"], "ON_HOLD");
    let refused = format!("Fulfillment order {work} has an unfulfillable status= on_hold.");
    assert_eq!(world.ship(work).await, Some(refused));
    assert_eq!(world.shop.state().fulfil(order, &[(line, 1)]), [0; 0]);
    assert!(world.shop.state().release_work(order, work));
    assert!(!world.shop.state().release_work(order, work), "it is not held");
    assert_eq!(world.piece(work).await["status"], "OPEN");
    assert!(world.shop.state().schedule_work(order, work, NOW / 1000 + 60));
    let piece = world.piece(work).await;
    assert_eq!(
        (&piece["status"], &piece["fulfillAt"]),
        (&json!("SCHEDULED"), &json!("2027-01-15T08:01:00Z"))
    );
    assert_eq!(world.whole(order).await["displayFulfillmentStatus"], "SCHEDULED");
    let refused = format!("Fulfillment order {work} has an unfulfillable status= scheduled.");
    assert_eq!(world.ship(work).await, Some(refused));
    // Its time comes.
    world.shop.state().clock_behind = -60_000;
    assert_eq!(world.piece(work).await["status"], "OPEN");
    assert_eq!(world.ship(work).await, None);
    assert_eq!(world.piece(work).await["status"], "CLOSED");
    let refused = format!("Fulfillment order {work} has an unfulfillable status= closed.");
    assert_eq!(world.ship(work).await, Some(refused));
    assert!(!world.shop.state().hold_work(order, work), "nothing is to leave");
    world.is_sound();
}

#[tokio::test]
async fn an_order_is_on_hold_where_all_that_is_to_leave_is() {
    let world = World::new().await;
    let (main, other) = (world.place("Main"), world.place("Other"));
    let mug = world.shop.state().add_variant("MUG", &[(main, 9), (other, 9)], 990);
    let parts = [(main, 3), (other, 2)];
    let order = world.shop.state().buy_split(&[(mug, &parts)], Financial::Paid).unwrap();
    let status = async || world.whole(order).await["displayFulfillmentStatus"].clone();
    let work = pieces_of(&world.shop.state(), order);
    assert_eq!(work.len(), 2);
    world.shop.state().hold_work(order, work[0]);
    assert_eq!(status().await, "UNFULFILLED");
    assert_eq!(world.ship(work[1]).await, None);
    assert_eq!(status().await, "ON_HOLD", "all that has not left");
    world.shop.state().release_work(order, work[0]);
    assert_eq!(status().await, "PARTIALLY_FULFILLED");
    assert!(!world.shop.state().cancel(order, "OTHER", true), "something has left");
    assert_eq!(world.ship(work[0]).await, None);
    assert_eq!(status().await, "FULFILLED");
    world.is_sound();
}

#[tokio::test]
async fn a_line_is_bought_from_two_places_at_once() {
    let world = World::new().await;
    let (main, other) = (world.place("Main"), world.place("Other"));
    let mug = world.shop.state().add_variant("MUG", &[(main, 3), (other, 2)], 990);
    let lamp = world.shop.state().add_variant("LAMP", &[(main, 9)], 990);
    let too_many = [(main, 2), (other, 3)];
    assert_eq!(world.shop.state().buy_split(&[(mug, &too_many)], Financial::Paid), None);
    let (mugs, lamps) = ([(main, 3), (other, 2)], [(main, 1)]);
    let lines = [(mug, mugs.as_slice()), (lamp, lamps.as_slice())];
    let order = world.shop.state().buy_split(&lines, Financial::Paid).unwrap();
    {
        let state = world.shop.state();
        let lines: Vec<i64> = state.orders[&order].lines.iter().map(|line| line.quantity).collect();
        assert_eq!(lines, [5, 1]);
        assert_eq!((state.stock_of(mug, main), state.stock_of(mug, other)), (Some(0), Some(0)));
    }
    let (here, there) = (gid("Location", main), gid("Location", other));
    let open = "OPEN".to_owned();
    assert_eq!(world.pieces(order).await, [(here, open.clone(), 4), (there, open, 2)]);
    world.is_sound();
}

#[tokio::test]
async fn what_is_moved_whole_stays_the_same_and_what_is_not_is_split_off() {
    let world = World::new().await;
    let (main, other) = (world.place("Main"), world.place("Other"));
    let mug = world.shop.state().add_variant("MUG", &[(main, 9), (other, 9)], 990);
    let order = world.shop.state().buy(&[(mug, main, 3)], Financial::Paid).unwrap();
    let line = world.shop.state().orders[&order].lines[0].id;
    let (here, there) = (gid("Location", main), gid("Location", other));
    let piece = |place: &String, status: &str, units| (place.clone(), status.to_owned(), units);
    let first = pieces_of(&world.shop.state(), order);
    assert!(world.shop.state().move_work(order, line, 3, other));
    assert_eq!(pieces_of(&world.shop.state(), order), first);
    assert_eq!(world.pieces(order).await, [piece(&there, "OPEN", 3)]);
    // A part of it is split off, and another part joins that on a new one.
    assert!(world.shop.state().move_work(order, line, 1, main));
    assert_eq!(world.pieces(order).await, [piece(&there, "OPEN", 2), piece(&here, "OPEN", 1)]);
    assert!(world.shop.state().move_work(order, line, 1, main));
    let pieces = [piece(&there, "OPEN", 1), piece(&here, "CLOSED", 0), piece(&here, "OPEN", 2)];
    assert_eq!(world.pieces(order).await, pieces);
    assert!(!world.shop.state().move_work(order, line, 2, main), "not so many are elsewhere");
    let state = world.shop.state();
    assert_eq!((state.stock_of(mug, main), state.stock_of(mug, other)), (Some(7), Some(8)));
    assert_eq!(state.orders[&order].unfulfilled(line), 3);
    drop(state);
    world.is_sound();
}

#[tokio::test]
async fn a_parcel_that_is_taken_back_is_to_leave_again_with_what_it_left_with() {
    let world = World::new().await;
    let (main, other) = (world.place("Main"), world.place("Other"));
    let mug = world.shop.state().add_variant("MUG", &[(main, 9), (other, 9)], 990);
    let parts = [(main, 2), (other, 1)];
    let order = world.shop.state().buy_split(&[(mug, &parts)], Financial::Paid).unwrap();
    let line = world.shop.state().orders[&order].lines[0].id;
    // The two that leave from the second place are on a new fulfilment order there.
    assert!(world.shop.state().move_work(order, line, 1, other));
    let work = pieces_of(&world.shop.state(), order);
    assert_eq!(world.ship(work[2]).await, None);
    let parcel = world.shop.state().orders[&order].parcels[0].id;
    assert!(world.shop.state().unfulfil(order, parcel));
    let state = world.shop.state();
    let left: Vec<(i64, i64)> = state.orders[&order]
        .work
        .iter()
        .flat_map(|work| &work.lines)
        .map(|line| (line.total, line.remaining))
        .collect();
    assert_eq!(left, [(1, 1), (0, 0), (2, 2)]);
    drop(state);
    world.is_sound();
}

const PARTS: &str = "query Parts($id: ID!, $first: Int) {
  order(id: $id) {
    fulfillments(first: $first) { id totalQuantity trackingInfo(first: 1) { number } }
    refunds(first: $first) { id refundLineItems(first: 5) { nodes { quantity } } }
  }
}";
const LINES: &str = "query Lines($id: ID!, $first: Int!, $after: String) {
  order(id: $id) {
    lineItems(first: $first, after: $after) {
      nodes { id }
      pageInfo { hasNextPage endCursor }
    }
  }
}";

impl World {
    /// The ids of a list page by page, and how many pages that were.
    async fn paged(&self, query: &str, id: &str, (first, path): (i64, &str)) -> (Vec<String>, u32) {
        let (mut ids, mut pages, mut after) = (Vec::new(), 0, Value::Null);
        loop {
            let answer = self.ask(query, json!({ "id": id, "first": first, "after": after })).await;
            let page = &answer["data"][path]["lineItems"];
            let nodes = page["nodes"].as_array().unwrap().iter();
            ids.extend(nodes.map(|node| node["id"].as_str().unwrap().to_owned()));
            pages += 1;
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                return (ids, pages);
            }
        }
    }
}

#[tokio::test]
async fn an_order_larger_than_a_page_is_told_whole_page_by_page() {
    let world = World::new().await;
    let main = world.place("Main");
    world.shop.state().bucket = Bucket::new(1_000_000, 1_000);
    let (mug, _) = world.stocked("MUG", main, 1_000);
    let bought: Vec<_> = (0..130).map(|_| (mug, main, 2)).collect();
    let order = world.shop.state().buy(&bought, Financial::Paid).unwrap();
    let lines: Vec<u64> =
        world.shop.state().orders[&order].lines.iter().map(|line| line.id).collect();
    let ids: Vec<String> = lines.iter().map(|line| gid("LineItem", *line)).collect();
    assert_eq!(world.paged(LINES, &gid("Order", order), (100, "order")).await, (ids, 2));
    let work = gid("FulfillmentOrder", world.shop.state().orders[&order].work[0].id);
    let (mut ids, pages) = world.paged(WORK, &work, (40, "fulfillmentOrder")).await;
    ids.dedup();
    assert_eq!((ids.len(), pages), (130, 4));
    for &line in &lines[..24] {
        assert_eq!(world.shop.state().fulfil(order, &[(line, 1)]).len(), 1);
        world.shop.state().refund(order, line, 1, Restock::Cancel).unwrap();
    }
    for (first, count) in [(json!(20), 20), (json!(50), 24), (Value::Null, 24)] {
        let variables = json!({ "id": gid("Order", order), "first": first });
        let answer = world.ask(PARTS, variables).await;
        let parts = &answer["data"]["order"];
        let counted = |list: &str| parts[list].as_array().unwrap().len();
        assert_eq!((counted("fulfillments"), counted("refunds")), (count, count));
    }
    world.is_sound();
}
