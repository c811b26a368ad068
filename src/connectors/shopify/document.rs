//! What the kept document of an order says.
//!
//! `quantity` of a line stays what it was; `currentQuantity` is without what was removed or
//! refunded; `unfulfilledQuantity` is what is still to leave (schema 2026-10, `LineItem`). A
//! removal may put its units back into stock or not: only refunds say which.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::number;
use super::places::Places;
use crate::clock::Timestamp;
use crate::connectors::{
    DecodeError, Deducted, Holder, RemoteLine, RemoteOrder, RemoteState, RemoteVersion, Spread,
};
use crate::domain::{Currency, Money, Quantity, RemoteId};

/// An order with the parts that were read of it; each list is whole.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Whole {
    pub(super) order: Value,
    pub(super) lines: Vec<Value>,
    pub(super) parcels: Vec<Value>,
    pub(super) refunds: Vec<Value>,
    pub(super) work: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    id: String,
    name: String,
    created_at: String,
    updated_at: String,
    cancelled_at: Option<String>,
    display_financial_status: Option<String>,
    display_fulfillment_status: String,
    total_price_set: Prices,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prices {
    shop_money: Price,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Price {
    amount: String,
    currency_code: String,
}

impl Price {
    /// The amount; `None` where it is none of a currency that is known.
    fn money(&self) -> Option<Money> {
        let currency = Currency::parse(&self.currency_code).ok()?;
        // "10.0" is how it writes ten yen, which have no hundredths.
        let trimmed = match self.amount.split_once('.') {
            Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
            _ => &self.amount,
        };
        Money::parse(trimmed, currency).ok()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: String,
    sku: Option<String>,
    name: String,
    quantity: i64,
    current_quantity: i64,
    unfulfilled_quantity: i64,
    original_unit_price_set: Prices,
    variant: Option<Variant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variant {
    inventory_item: Named,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parcel {
    status: String,
    fulfillment_line_items: Vec<Units>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refund {
    refund_line_items: Vec<Units>,
}

/// Units of a line, in a parcel or a refund.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Units {
    quantity: Option<i64>,
    restock_type: Option<String>,
    #[serde(default)]
    restocked: bool,
    /// Where it was put back into stock.
    location: Option<Named>,
    line_item: Named,
}

/// Lines that leave from one location.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Work {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) assigned_location: Assigned,
    pub(super) line_items: Vec<WorkLine>,
}

#[derive(Deserialize)]
pub(super) struct Assigned {
    location: Option<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkLine {
    pub(super) id: String,
    pub(super) remaining_quantity: i64,
    pub(super) total_quantity: i64,
    line_item: Named,
}

impl Work {
    /// Where it is to leave from; nothing where the shop has no such location any more.
    pub(super) fn location(&self) -> Option<RemoteId> {
        number(&self.assigned_location.location.as_ref()?.id)
    }

    /// Whether its units may leave now: those on hold, or of a later day, may not.
    pub(super) fn may_leave(&self) -> bool {
        matches!(self.status.as_str(), "OPEN" | "IN_PROGRESS")
    }

    /// Whether its units are still the order's.
    pub(super) fn counts(&self) -> bool {
        self.status != "CANCELLED"
    }
}

impl WorkLine {
    /// The line of the order.
    pub(super) fn line(&self) -> Option<RemoteId> {
        number(&self.line_item.id)
    }
}

fn wrong(field: &str, why: impl Into<String>) -> DecodeError {
    DecodeError { field: field.to_owned(), why: why.into() }
}

/// Reads objects of the shop; what does not fit is told by its place and never by its content.
pub(super) fn each<T: for<'a> Deserialize<'a>>(
    field: &str,
    values: Vec<Value>,
) -> Result<Vec<T>, DecodeError> {
    let read = |(index, value)| {
        serde_json::from_value(value)
            .map_err(|_| wrong(&format!("{field}[{index}]"), "it has another shape"))
    };
    values.into_iter().enumerate().map(read).collect()
}

/// Units by line.
pub(super) type Sums = HashMap<String, i64>;

/// Units that left, by line: without parcels that were taken back or came to nothing.
pub(super) fn left(parcels: &[Parcel]) -> Sums {
    let mut sums = Sums::new();
    let left =
        |parcel: &&Parcel| !matches!(parcel.status.as_str(), "CANCELLED" | "ERROR" | "FAILURE");
    for parcel in parcels.iter().filter(left) {
        parcel.fulfillment_line_items.iter().for_each(|units| add(&mut sums, units));
    }
    sums
}

fn add(sums: &mut Sums, units: &Units) {
    let sum = sums.entry(units.line_item.id.clone()).or_default();
    *sum = sum.saturating_add(units.quantity.unwrap_or(0));
}

/// What has happened to the lines of an order.
#[derive(Default)]
struct Happened {
    shipped: Sums,
    restocked: Sums,
    /// Of the restocked those that had not left.
    kept_back: Sums,
    /// All that refunds tell of, put back or not.
    refunded: Sums,
    places: HashMap<String, Places>,
    /// Where anything of the order leaves from, or was to.
    assigned: Vec<RemoteId>,
}

impl Happened {
    fn of(parcels: &[Parcel], refunds: &[Refund], work: &[Work]) -> Self {
        let mut happened = Self { shipped: left(parcels), ..Self::default() };
        for one in work {
            happened.leaves(one);
        }
        for units in refunds.iter().flat_map(|refund| &refund.refund_line_items) {
            add(&mut happened.refunded, units);
            if units.restocked && units.restock_type.as_deref() != Some("NO_RESTOCK") {
                happened.came_back(units);
            }
        }
        happened
    }

    fn leaves(&mut self, work: &Work) {
        let Some(location) = work.location() else { return };
        if !self.assigned.contains(&location) {
            self.assigned.push(location.clone());
        }
        for line in &work.line_items {
            let units = if work.counts() { line.total_quantity } else { 0 };
            let places = self.places.entry(line.line_item.id.clone()).or_default();
            places.leave(&location, units);
        }
    }

    fn came_back(&mut self, units: &Units) {
        let has_left = units.restock_type.as_deref() == Some("RETURN");
        add(&mut self.restocked, units);
        if !has_left {
            add(&mut self.kept_back, units);
        }
        let location = units.location.as_ref().and_then(|location| number(&location.id));
        let places = self.places.entry(units.line_item.id.clone()).or_default();
        if let Some(location) = location.as_ref().filter(|one| self.assigned.contains(one)) {
            // What was given up is listed no more: it was put back where it was to leave from.
            places.leave(location, 0);
        }
        places.come_back(location, units.quantity.unwrap_or(0), has_left);
    }

    fn line(&self, line: Line) -> Result<RemoteLine, (&'static str, String)> {
        let units =
            |field, count: i64| Quantity::new(count).map_err(|error| (field, error.to_string()));
        let id = number(&line.id).ok_or_else(|| ("id", "it is no id".to_owned()))?;
        let item = line.variant.and_then(|variant| number(&variant.inventory_item.id));
        let sum = |sums: &Sums| sums.get(&line.id).copied().unwrap_or(0);
        let (shipped, restocked) = (sum(&self.shipped), sum(&self.restocked));
        let stays = line.quantity - shipped - line.unfulfilled_quantity;
        if stays < 0 {
            let why = "more has left or is still to leave than was ordered";
            return Err(("quantity", why.to_owned()));
        }
        let left_of_it = units("refunds", line.quantity - restocked)?;
        let places = self.places.get(&line.id);
        // Units that will not leave any more and were not put back.
        let gone = (stays - sum(&self.kept_back)).max(0);
        // What an edit took off the line it may have put back: no refund tells of it.
        let unsure = line.quantity - line.current_quantity - sum(&self.refunded);
        let nowhere = Places::default();
        // A line that was given up whole may be listed nowhere any more.
        let main = places.and_then(Places::main).or_else(|| self.assigned.first());
        let at = main
            .map(|main| (main, places.unwrap_or(&nowhere).deducted(main, (line.quantity, gone))));
        let holder = |item: &RemoteId, location: &RemoteId| Holder {
            id: item.clone(),
            location: Some(location.clone()),
        };
        let deducted = match (&item, at) {
            (Some(item), Some((main, (at, unsaid)))) => {
                let others = self.assigned.iter().filter(|one| *one != main);
                Deducted::At(Spread {
                    said: at.iter().map(|(at, units)| (holder(item, at), *units)).collect(),
                    unsaid,
                    unsure: unsure.clamp(0, unsaid.max(0)),
                    homes: std::iter::once(main).chain(others).map(|at| holder(item, at)).collect(),
                })
            }
            _ => Deducted::Units(left_of_it),
        };
        let only = places.and_then(Places::only);
        Ok(RemoteLine {
            id,
            // A variant that was deleted leaves its lines without one.
            order_keys: item.iter().cloned().collect(),
            sku_text: line.sku.unwrap_or_default(),
            title: line.name,
            ordered: units("quantity", line.quantity)?,
            cancelled: units("unfulfilledQuantity", gone)?,
            shipped: units("fulfillments", shipped)?,
            restocked: units("refunds", restocked)?,
            kept_back: Some(units("refunds", sum(&self.kept_back))?),
            deducted,
            holder: item.as_ref().zip(only).map(|(item, at)| holder(item, at)),
            unit_price: line.original_unit_price_set.shop_money.money(),
        })
    }
}

/// Where an order stands: what is left to leave decides, not its words.
fn state(cancelled: bool, is_open: bool, lines: &[RemoteLine]) -> RemoteState {
    if cancelled {
        RemoteState::Cancelled
    } else if is_open {
        RemoteState::Open
    } else if lines.iter().any(|line| line.shipped.get() > 0) {
        RemoteState::Shipped
    } else {
        RemoteState::Cancelled
    }
}

/// What a kept document says.
pub(super) fn decode(body: &[u8]) -> Result<RemoteOrder, DecodeError> {
    let whole: Whole =
        serde_json::from_slice(body).map_err(|_| wrong("body", "it has another shape"))?;
    let order: Order =
        serde_json::from_value(whole.order).map_err(|_| wrong("order", "it has another shape"))?;
    let happened = Happened::of(
        &each("parcels", whole.parcels)?,
        &each("refunds", whole.refunds)?,
        &each("work", whole.work)?,
    );
    let lines: Vec<Line> = each("lines", whole.lines)?;
    let is_open = lines.iter().any(|line| line.unfulfilled_quantity > 0);
    let mut read = Vec::with_capacity(lines.len());
    for (index, line) in lines.into_iter().enumerate() {
        let line = happened.line(line);
        read.push(line.map_err(|(field, why)| wrong(&format!("lines[{index}].{field}"), why))?);
    }
    let moment = |field: &str, text: &str| {
        Timestamp::parse(text).map_err(|error| wrong(field, error.to_string()))
    };
    let changed_at = moment("updatedAt", &order.updated_at)?;
    let money = order.display_financial_status.unwrap_or_default();
    Ok(RemoteOrder {
        id: number(&order.id).ok_or_else(|| wrong("id", "it is no id"))?,
        number: Some(order.name),
        version: Some(RemoteVersion::ChangedAt(changed_at)),
        changed_at: Some(changed_at),
        state: state(order.cancelled_at.is_some(), is_open, &read),
        status: format!("{} {money}", order.display_fulfillment_status).trim_end().to_owned(),
        placed_at: Some(moment("createdAt", &order.created_at)?),
        total: order.total_price_set.shop_money.money(),
        lines: read,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A line of five units of which so many are still to leave.
    fn line(id: u64, unfulfilled: i64) -> Value {
        json!({
            "id": format!("gid://shopify/LineItem/{id}"), "sku": "MUG-1", "name": "Mug",
            "quantity": 5, "currentQuantity": 5, "unfulfilledQuantity": unfulfilled,
            "requiresShipping": true,
            "originalUnitPriceSet": { "shopMoney": { "amount": "4.50", "currencyCode": "EUR" } },
            "variant": { "inventoryItem": { "id": "gid://shopify/InventoryItem/70" } },
        })
    }

    fn parcel(status: &str, units: &[(u64, i64)]) -> Value {
        let units: Vec<Value> = units
            .iter()
            .map(|(line, quantity)| {
                json!({ "quantity": quantity, "lineItem": { "id": format!("gid://shopify/LineItem/{line}") } })
            })
            .collect();
        json!({ "id": "gid://shopify/Fulfillment/1", "status": status, "fulfillmentLineItems": units })
    }

    fn refund(kind: &str, restocked: bool, quantity: i64) -> Value {
        json!({ "id": "gid://shopify/Refund/1", "refundLineItems": [{
            "quantity": quantity, "restockType": kind, "restocked": restocked,
            "lineItem": { "id": "gid://shopify/LineItem/866550311766439020" },
        }]})
    }

    const FIRST: u64 = 866_550_311_766_439_020;

    fn order(
        cancelled: bool,
        lines: &[Value],
        parcels: &[Value],
        refunds: &[Value],
    ) -> RemoteOrder {
        let cancelled_at = cancelled.then_some("2026-11-01T12:00:00Z");
        let body = json!({
            "order": {
                "id": "gid://shopify/Order/820982911946154508", "name": "#1001",
                "createdAt": "2026-11-01T10:00:00Z", "updatedAt": "2026-11-01T12:00:00Z",
                "cancelledAt": cancelled_at, "displayFinancialStatus": "PAID",
                "displayFulfillmentStatus": "UNFULFILLED",
                "totalPriceSet": { "shopMoney": { "amount": "45.0", "currencyCode": "JPY" } },
            },
            "lines": lines, "parcels": parcels, "refunds": refunds,
            "work": [{
                "id": "gid://shopify/FulfillmentOrder/5", "status": "OPEN",
                "assignedLocation": { "location": { "id": "gid://shopify/Location/9" } },
                "lineItems": [{
                    "id": "gid://shopify/FulfillmentOrderLineItem/6", "remainingQuantity": 5,
                    "totalQuantity": 5,
                    "lineItem": { "id": format!("gid://shopify/LineItem/{FIRST}") },
                }],
            }],
        });
        decode(&serde_json::to_vec(&body).unwrap()).unwrap()
    }

    /// Ordered, cancelled, shipped, restocked, deducted.
    fn counts(order: &RemoteOrder, line: usize) -> [i64; 5] {
        let line = &order.lines[line];
        let [ordered, cancelled, shipped] = [line.ordered, line.cancelled, line.shipped];
        let counts = [ordered, cancelled, shipped, line.restocked].map(Quantity::get);
        let [ordered, cancelled, shipped, restocked] = counts;
        [ordered, cancelled, shipped, restocked, line.deducted.units().unwrap()]
    }

    #[test]
    fn one_variant_on_two_lines_is_two_lines_and_ids_keep_all_their_digits() {
        let order = order(false, &[line(FIRST, 5), line(2, 5)], &[], &[]);
        assert_eq!(order.id.as_str(), "820982911946154508");
        assert_eq!(order.state, RemoteState::Open);
        assert_eq!(order.lines[0].id.as_str(), "866550311766439020");
        assert_eq!(order.lines[0].order_keys, order.lines[1].order_keys);
        assert_eq!(
            order.lines[0].holder.as_ref().unwrap().location.as_ref().unwrap().as_str(),
            "9"
        );
        assert_eq!(order.total.unwrap().amount(), 45);
        assert_eq!(counts(&order, 0), [5, 0, 0, 0, 5]);
    }

    #[test]
    fn what_left_and_what_came_back_are_counted_apart() {
        // One removed before it left and put back, two left, one of these came back.
        let parcels = [parcel("SUCCESS", &[(FIRST, 2)]), parcel("CANCELLED", &[(FIRST, 2)])];
        let refunds = [refund("CANCEL", true, 1), refund("RETURN", true, 1)];
        let order = order(false, &[line(FIRST, 2)], &parcels, &refunds);
        assert_eq!(counts(&order, 0), [5, 0, 2, 2, 3]);
        assert_eq!(order.state, RemoteState::Open);
    }

    #[test]
    fn a_cancelled_order_gives_back_what_its_refunds_put_back() {
        let with = order(true, &[line(FIRST, 0)], &[], &[refund("CANCEL", true, 5)]);
        assert_eq!((with.state, counts(&with, 0)), (RemoteState::Cancelled, [5, 0, 0, 5, 0]));
        let without = order(true, &[line(FIRST, 0)], &[], &[refund("NO_RESTOCK", false, 5)]);
        assert_eq!(counts(&without, 0), [5, 5, 0, 0, 5]);
    }

    #[test]
    fn an_order_is_shipped_when_nothing_is_left_to_leave() {
        let order = order(false, &[line(FIRST, 0)], &[parcel("SUCCESS", &[(FIRST, 5)])], &[]);
        assert_eq!((order.state, counts(&order, 0)), (RemoteState::Shipped, [5, 0, 5, 0, 5]));
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_place() {
        let more = [parcel("SUCCESS", &[(FIRST, 3)])];
        let body = json!({
            "order": {}, "lines": [line(FIRST, 5)], "parcels": more, "refunds": [], "work": [],
        });
        let error = decode(&serde_json::to_vec(&body).unwrap()).unwrap_err();
        assert_eq!(error.field, "order");
        for body in [&b"{"[..], b"[]", b"\xff", b"{\"order\":1}"] {
            assert_eq!(decode(body).unwrap_err().field, "body");
        }
    }
}
