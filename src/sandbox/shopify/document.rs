//! Ids, times and amounts as the shop writes them, and what its webhooks say.

use serde_json::{Value, json};

use super::orders::{Line, Order, Refund};
use super::state::State;
use super::work::{self, Moved};
use super::{nodes, trade};

const GID: &str = "gid://shopify/";
/// How far the times of webhooks are ahead of UTC, in seconds: those of the shop, where
/// those of the API are in UTC.
const OFFSET: i32 = -4 * 3600;

/// An id as it is written.
pub(super) fn gid(kind: &str, number: u64) -> String {
    format!("{GID}{kind}/{number}")
}

/// The id of a level, which is that of its location with that of its item.
pub(super) fn level_gid(item: u64, location: u64) -> String {
    format!("{GID}InventoryLevel/{location}?inventory_item_id={item}")
}

/// An id as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gid {
    pub(super) kind: String,
    pub(super) number: u64,
    /// The item, where it is the id of a level.
    pub(super) item: Option<u64>,
}

impl Gid {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.strip_prefix(GID)?.split_once('/')?;
        let (number, query) = rest.split_once('?').unwrap_or((rest, ""));
        let item = query.strip_prefix("inventory_item_id=").and_then(|item| item.parse().ok());
        Some(Self { kind: kind.to_owned(), number: number.parse().ok()?, item })
    }

    /// Reads an id of a kind.
    pub(super) fn of(value: &Value, kind: &str) -> Option<Self> {
        Self::read(value.as_str()?).filter(|gid| gid.kind == kind)
    }
}

/// A text, where there is one.
pub(super) fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Seconds as the API writes times.
pub(super) fn time(seconds: i64) -> String {
    let moment = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Seconds as webhooks write times.
fn local(seconds: i64) -> String {
    let moment = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    match chrono::FixedOffset::east_opt(OFFSET) {
        Some(offset) => moment.with_timezone(&offset).to_rfc3339(),
        None => moment.to_rfc3339(),
    }
}

/// Reads a time; a fraction of a second is left out.
pub(super) fn seconds(text: &str) -> Option<i64> {
    Some(chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp())
}

/// Hundredths as a decimal text of two places.
pub(super) fn money(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Hundredths as a decimal text of one place, or of two where they are needed.
pub(super) fn decimal(hundredths: i64) -> String {
    let text = money(hundredths);
    text.strip_suffix('0').map_or(text.clone(), str::to_owned)
}

/// A body as it is signed: slashes are written with a stroke before them.
pub(super) fn body(document: &Value) -> Vec<u8> {
    document.to_string().replace('/', "\\/").into_bytes()
}

/// What is told of a level.
pub(super) fn level(state: &State, item: u64, location: u64) -> Value {
    let level = state.levels.get(&(item, location));
    json!({
        "inventory_item_id": item, "location_id": location,
        "available": level.map(|level| level.available),
        "updated_at": local(level.map_or(0, |level| level.updated)),
        "admin_graphql_api_id": level_gid(item, location),
    })
}

/// What is told of an item; of one that is gone, little more than its id.
pub(super) fn item(state: &State, id: u64) -> Value {
    let mut body = json!({
        "id": id, "admin_graphql_api_id": gid("InventoryItem", id), "country_code_of_origin": null,
        "province_code_of_origin": null, "harmonized_system_code": null,
        "country_harmonized_system_codes": [],
    });
    if let Some(item) = state.items.get(&id) {
        body["sku"] =
            state.variants.get(&item.variant).map_or(Value::Null, |one| text(&one.sku).into());
        body["updated_at"] = local(item.updated).into();
        body["requires_shipping"] = item.is_shipped.into();
        body["tracked"] = item.is_tracked.into();
        body["cost"] = Value::Null;
        body["weight_value"] = 0.0.into();
        body["weight_unit"] = "kg".into();
    }
    body
}

/// What is told of units that are to leave from another location: as shopify.dev shows it,
/// with ids as the API writes them and words in small letters.
pub(super) fn moved(state: &State, order: u64, moved: Moved) -> Option<Value> {
    let placed = nodes::order(state, order)?;
    let side = |id: u64| {
        let one = nodes::work(state, order, id)?;
        Some(json!({
            "id": gid("FulfillmentOrder", id),
            "status": work::status(placed, one, state.seconds()).to_lowercase(),
            "assigned_location_id": gid("Location", one.location),
        }))
    };
    let (line, units) = moved.line;
    Some(json!({
        "original_fulfillment_order": side(moved.original)?,
        "moved_fulfillment_order": side(moved.new)?,
        "destination_location_id": gid("Location", moved.destination),
        "fulfillment_order_line_items_requested": [
            { "id": gid("FulfillmentOrderLineItem", line), "quantity": units },
        ],
        "source_location": { "id": gid("Location", moved.source) },
    }))
}

/// What is told of a fulfilment order, as shopify.dev shows it.
pub(super) fn work(state: &State, order: u64, id: u64) -> Option<Value> {
    let (placed, one) = (nodes::order(state, order)?, nodes::work(state, order, id)?);
    let status = work::status(placed, one, state.seconds()).to_lowercase();
    Some(json!({ "fulfillment_order": { "id": gid("FulfillmentOrder", id), "status": status } }))
}

/// What is told of the shop.
pub(super) fn shop(state: &State) -> Value {
    json!({
        "id": nodes::SHOP, "admin_graphql_api_id": gid("Shop", nodes::SHOP), "name": state.name,
        "domain": state.domain, "myshopify_domain": state.domain, "currency": state.currency,
        "plan_display_name": state.plan,
    })
}

/// What is told of an order.
pub(super) fn order(state: &State, id: u64, order: &Order) -> Value {
    let lines: Vec<Value> = order.lines.iter().map(|one| line(state, order, one)).collect();
    let refunds: Vec<Value> = order.refunds.iter().map(|one| refund(id, one)).collect();
    let status = match (order.has_left(), order.has_to_leave()) {
        (true, false) => Some("fulfilled"),
        (true, true) => Some("partial"),
        (false, _) => None,
    };
    json!({
        "id": id, "admin_graphql_api_id": gid("Order", id), "name": format!("#{}", order.number),
        "order_number": order.number, "number": order.number - 1000, "test": false,
        "created_at": local(order.created), "updated_at": local(order.updated),
        "processed_at": local(order.created), "cancelled_at": order.cancelled.map(local),
        "closed_at": order.cancelled.map(local),
        "cancel_reason": order.cancel_reason.as_deref().map(str::to_lowercase),
        "financial_status": order.financial.word().to_lowercase(),
        "fulfillment_status": status, "currency": state.currency,
        "total_price": money(trade::total(order)), "line_items": lines, "refunds": refunds,
        "order_status_url": format!("https://{}/orders/{id}", state.domain),
    })
}

fn line(state: &State, order: &Order, line: &Line) -> Value {
    json!({
        "id": line.id, "admin_graphql_api_id": gid("LineItem", line.id),
        "variant_id": line.variant, "sku": line.sku, "title": line.title, "name": line.title,
        "product_id": state.variants.get(&line.variant).map(|variant| variant.product),
        "quantity": line.quantity, "current_quantity": line.current,
        "fulfillable_quantity": order.unfulfilled(line.id), "price": money(line.price),
        "requires_shipping": state.items.get(&line.item).is_none_or(|item| item.is_shipped),
        "variant_inventory_management": "shopify", "fulfillment_service": "manual",
    })
}

/// What is told of a refund.
pub(super) fn refund(order: u64, refund: &Refund) -> Value {
    let lines: Vec<Value> = refund
        .lines
        .iter()
        .map(|line| {
            json!({
                "id": line.id, "line_item_id": line.line, "quantity": line.units,
                "restock_type": line.restock.word().to_lowercase(), "location_id": line.location,
            })
        })
        .collect();
    json!({
        "id": refund.id, "admin_graphql_api_id": gid("Refund", refund.id), "order_id": order,
        "created_at": local(refund.created), "processed_at": local(refund.created),
        "restock": refund.lines.iter().any(|line| line.location.is_some()),
        "refund_line_items": lines,
    })
}

/// What is told of an edit: hardly more than of which order.
pub(super) fn edit(id: u64, order: &Order) -> Value {
    json!({
        "order_edit": {
            "app_id": null, "order_id": id, "id": order.updated, "notify_customer": false,
            "created_at": local(order.updated), "committed_at": local(order.updated),
            "line_items": { "additions": [], "removals": [] },
        },
    })
}
