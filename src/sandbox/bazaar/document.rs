//! Offers and orders as the marketplace writes them.

use serde_json::{Value, json};

use super::state::{BazaarState, Offer, Order, Status};

/// A moment as it writes it.
fn time(millis: i64) -> String {
    let moment = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
    moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

pub(super) fn offer_id(id: u64) -> String {
    format!("offer-{id}")
}

pub(super) fn order_id(id: u64) -> String {
    format!("order-{id}")
}

/// The number in an id of a kind.
pub(super) fn number(kind: &str, id: &str) -> Option<u64> {
    id.strip_prefix(kind)?.strip_prefix('-')?.parse().ok()
}

pub(super) fn offer(id: u64, offer: &Offer) -> Value {
    let stock: Vec<Value> = offer
        .stock
        .iter()
        .map(|(place, units)| json!({ "place": place, "available": units }))
        .collect();
    json!({
        "id": offer_id(id), "title": offer.title, "seller_sku": offer.sku, "active": true,
        "stock": stock,
    })
}

pub(super) fn order(state: &BazaarState, id: u64, order: &Order) -> Value {
    let line = |line: &super::state::OrderLine| {
        let offer = state.offers.get(&line.offer);
        let shipped = if order.status == Status::Shipped { line.quantity } else { 0 };
        let cancelled = if order.status == Status::Cancelled { line.quantity } else { 0 };
        json!({
            "id": format!("line-{}", line.id), "offer": offer_id(line.offer),
            "place": line.place, "title": offer.map(|offer| offer.title.as_str()),
            "seller_sku": offer.map(|offer| offer.sku.as_str()), "quantity": line.quantity,
            "shipped": shipped, "cancelled": cancelled, "committed": line.taken,
            "unit_price_cents": line.price,
        })
    };
    let total: i64 = order.lines.iter().map(|line| line.price * line.quantity).sum();
    json!({
        "id": order_id(id), "revision": order.revision, "status": order.status.word(),
        "placed_at": time(order.placed), "changed_at": time(order.changed), "currency": "EUR",
        "total_cents": total, "buyer": { "name": "Test Buyer", "email": "buyer@example.com" },
        "lines": order.lines.iter().map(line).collect::<Vec<_>>(),
    })
}

pub(super) fn failure(code: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message } })
}
