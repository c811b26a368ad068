//! What is taken back: where it is put, and what becomes of an order that is deleted.

use invshop::sandbox::shopify::{Financial, Restock};
use serde_json::{Value, json};

use super::World;
use super::work::gid;

const REFUNDS: &str = "query Refunds($id: ID!) {
  order(id: $id) {
    name
    displayFinancialStatus
    lineItems(first: 5) { nodes { currentQuantity unfulfilledQuantity } }
    refunds(first: 5) {
      refundLineItems(first: 5) {
        nodes { quantity restockType restocked location { id } lineItem { id } }
      }
    }
  }
}";

/// A shop with a mug of which there are nine at two places, and three are bought.
struct Bought {
    world: World,
    mug: u64,
    main: u64,
    other: u64,
    order: u64,
    line: u64,
}

impl Bought {
    async fn new(here: i64, there: i64) -> Self {
        let world = World::new().await;
        let mut state = world.shop.state();
        let (main, other) = (state.add_location("Main"), state.add_location("Other"));
        let mug = state.add_variant("MUG", &[(main, 9), (other, 9)], 990);
        let parts = [(main, here), (other, there)];
        let parts: Vec<(u64, i64)> = parts.into_iter().filter(|(_, units)| *units > 0).collect();
        let order = state.buy_split(&[(mug, &parts)], Financial::Paid).unwrap();
        let line = state.orders[&order].lines[0].id;
        drop(state);
        Self { world, mug, main, other, order, line }
    }

    /// What can be sold at both places, and what is there.
    fn stock(&self) -> [i64; 4] {
        let state = self.world.shop.state();
        let item = state.item_of(self.mug).unwrap();
        let level = |place| state.levels[&(item, place)];
        let (here, there) = (level(self.main), level(self.other));
        [here.available, there.available, here.on_hand(), there.on_hand()]
    }

    async fn told(&self) -> Value {
        let answer = self.world.ask(REFUNDS, json!({ "id": gid("Order", self.order) })).await;
        answer["data"]["order"].clone()
    }

    /// Units that were taken back, as what, and where they were put.
    async fn refunded(&self) -> Vec<(i64, String, Option<u64>)> {
        let told = self.told().await;
        let refunds = told["refunds"].as_array().unwrap().iter();
        let lines = refunds.flat_map(|one| one["refundLineItems"]["nodes"].as_array().unwrap());
        let one = |line: &Value| {
            let place = line["location"]["id"].as_str();
            assert_eq!(place.is_some(), line["restocked"].as_bool().unwrap());
            let place = place.map(|id| id.rsplit_once('/').unwrap().1.parse().unwrap());
            let kind = line["restockType"].as_str().unwrap().to_owned();
            (line["quantity"].as_i64().unwrap(), kind, place)
        };
        lines.map(one).collect()
    }
}

#[tokio::test]
async fn units_are_put_back_elsewhere_than_they_were_to_leave_from() {
    let shop = Bought::new(3, 0).await;
    let (order, line, main, other) = (shop.order, shop.line, shop.main, shop.other);
    let refund = |units, restock, place| {
        shop.world.shop.state().refund_to(order, (line, units), restock, place)
    };
    assert_eq!(shop.stock(), [6, 9, 9, 9]);
    refund(1, Restock::Cancel, other).unwrap();
    assert_eq!(shop.stock(), [6, 10, 8, 10]);
    shop.world.shop.state().fulfil(order, &[(line, 2)]);
    assert_eq!(shop.stock(), [6, 10, 6, 10]);
    refund(1, Restock::Return, other).unwrap();
    refund(1, Restock::Return, main).unwrap();
    assert_eq!(shop.stock(), [7, 11, 7, 11]);
    assert_eq!(refund(1, Restock::Return, other), None, "there are no more");
    let kind = str::to_owned;
    let put = [
        (1, kind("CANCEL"), Some(other)),
        (1, kind("RETURN"), Some(other)),
        (1, kind("RETURN"), Some(main)),
    ];
    assert_eq!(shop.refunded().await, put);
    shop.world.is_sound();
}

#[tokio::test]
async fn units_are_put_nowhere_where_the_item_is_not_stocked() {
    let shop = Bought::new(3, 0).await;
    let mut state = shop.world.shop.state();
    let third = state.add_location("Third");
    let refund = (shop.line, 1);
    assert_eq!(state.refund_to(shop.order, refund, Restock::Cancel, third), None);
    assert_eq!(state.refund_to(shop.order, refund, Restock::None, shop.main), None);
    assert!(!state.edit_line_to(shop.order, (shop.line, 1), third));
    drop(state);
    assert_eq!(shop.stock(), [6, 9, 9, 9]);
}

#[tokio::test]
async fn an_edit_puts_units_back_elsewhere() {
    let shop = Bought::new(3, 0).await;
    let edit =
        |units, place| shop.world.shop.state().edit_line_to(shop.order, (shop.line, units), place);
    assert!(edit(1, shop.other));
    assert!(!edit(2, shop.other), "more are taken from where the line leaves");
    assert_eq!(shop.stock(), [6, 11, 7, 11]);
    let line = shop.told().await["lineItems"]["nodes"][0].clone();
    assert_eq!(line, json!({ "currentQuantity": 1, "unfulfilledQuantity": 1 }));
    shop.world.is_sound();
}

#[tokio::test]
async fn a_line_of_two_places_is_put_back_to_both() {
    let shop = Bought::new(2, 1).await;
    assert_eq!(shop.stock(), [7, 8, 9, 9]);
    assert!(shop.world.shop.state().cancel(shop.order, "CUSTOMER", true));
    assert_eq!(shop.stock(), [9, 9, 9, 9]);
    let put =
        [(2, "CANCEL".to_owned(), Some(shop.main)), (1, "CANCEL".to_owned(), Some(shop.other))];
    assert_eq!(shop.refunded().await, put);
    shop.world.is_sound();
    let lost = Bought::new(2, 1).await;
    assert!(lost.world.shop.state().cancel(lost.order, "CUSTOMER", false));
    assert_eq!(lost.stock(), [7, 8, 7, 8]);
    assert_eq!(lost.refunded().await, [(3, "NO_RESTOCK".to_owned(), None)]);
}

#[tokio::test]
async fn what_came_back_is_where_it_left_from() {
    let shop = Bought::new(2, 1).await;
    assert!(shop.world.shop.state().move_work(shop.order, shop.line, 2, shop.other));
    shop.world.shop.state().fulfil(shop.order, &[(shop.line, 3)]);
    shop.world.shop.state().refund(shop.order, shop.line, 1, Restock::Return).unwrap();
    assert_eq!(shop.refunded().await, [(1, "RETURN".to_owned(), Some(shop.other))]);
    shop.world.is_sound();
}

#[tokio::test]
async fn a_deleted_order_is_gone_and_puts_nothing_back() {
    let shop = Bought::new(2, 1).await;
    assert_eq!(shop.told().await["name"], "#1001");
    shop.world.shop.state().fulfil(shop.order, &[(shop.line, 2)]);
    assert_eq!(shop.stock(), [7, 8, 7, 9]);
    assert!(shop.world.shop.state().delete_order(shop.order));
    assert!(!shop.world.shop.state().delete_order(shop.order));
    assert_eq!(shop.stock(), [7, 8, 7, 8], "what was to leave is neither sold nor there");
    assert_eq!(shop.told().await, Value::Null);
    let all = "query All($first: Int!) { orders(first: $first) { nodes { id } } }";
    let answer = shop.world.ask(all, json!({ "first": 5 })).await;
    assert_eq!(answer["data"]["orders"]["nodes"], json!([]));
    let bought = [(shop.mug, shop.main, 1)];
    let next = shop.world.shop.state().buy(&bought, Financial::Paid).unwrap();
    assert_eq!(shop.world.shop.state().orders[&next].number, 1002, "a number is not used twice");
    shop.world.is_sound();
}
