//! Products and orders as the shop writes them.

use serde_json::{Value, json};

use super::state::{Managed, Order, OrderLine, Product, ShopState};

/// Seconds as the shop writes times: without an offset.
fn time(seconds: i64) -> String {
    let moment = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    moment.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Reads a time; one that does not say what it is relative to is ahead of UTC by `offset`.
pub(super) fn seconds(text: &str, offset: i64) -> Option<i64> {
    if let Ok(moment) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(moment.timestamp());
    }
    let moment = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").ok()?;
    Some(moment.and_utc().timestamp() - offset)
}

/// Hundredths as a decimal text.
fn money(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// What a product is called outside the list of its parent's variations.
fn name(state: &ShopState, product: &Product) -> String {
    match product.parent.and_then(|parent| state.products.get(&parent)) {
        Some(parent) => format!("{} - {}", parent.name, product.name),
        None => product.name.clone(),
    }
}

/// A product by its own address and in webhooks.
pub(super) fn alone(state: &ShopState, id: u64, one: &Product) -> Value {
    let mut document = product(state, id, one);
    document["name"] = name(state, one).into();
    document
}

/// A product; a variation that has its parent's stock shows the parent's number.
pub(super) fn product(state: &ShopState, id: u64, product: &Product) -> Value {
    let managed = match product.managed {
        Managed::Own => json!(true),
        Managed::No => json!(false),
        Managed::Parent => json!("parent"),
    };
    let kind = match product.parent {
        Some(_) => "variation",
        None if product.is_variable => "variable",
        None => "simple",
    };
    json!({
        "id": id, "name": product.name, "type": kind, "status": "publish", "sku": product.sku,
        "price": money(product.price), "manage_stock": managed,
        "stock_quantity": state.stock_of(id), "parent_id": product.parent.unwrap_or(0),
        "date_modified": time(product.modified + state.utc_offset), "date_modified_gmt": time(product.modified),
    })
}

/// An order.
pub(super) fn order(state: &ShopState, id: u64, order: &Order) -> Value {
    let lines: Vec<Value> = order.lines.iter().map(|one| line(state, one)).collect();
    let total: i64 = order.lines.iter().map(|line| line.price * line.quantity).sum();
    json!({
        "id": id, "number": id.to_string(), "status": order.status, "currency": state.currency,
        "total": money(total), "date_created": time(order.created + state.utc_offset),
        "date_created_gmt": time(order.created),
        "date_modified": time(order.modified + state.utc_offset),
        "date_modified_gmt": time(order.modified),
        "billing": { "first_name": "Test", "last_name": "Buyer", "email": "buyer@example.com" },
        "line_items": lines,
    })
}

fn line(state: &ShopState, line: &OrderLine) -> Value {
    let product = state.products.get(&line.product);
    let parent = product.and_then(|product| product.parent);
    let mut meta = Vec::new();
    if line.reduced > 0 {
        meta.push(json!({ "key": "_reduced_stock", "value": line.reduced.to_string() }));
    }
    if line.restocked > 0 {
        meta.push(json!({ "key": "_restock_refunded_items", "value": line.restocked.to_string() }));
    }
    // The price is a number here, and a text everywhere else.
    let price = serde_json::from_str::<Value>(&money(line.price)).unwrap_or(Value::Null);
    json!({
        "id": line.id, "name": product.map(|product| name(state, product)).unwrap_or_default(),
        "product_id": parent.unwrap_or(line.product),
        "variation_id": if parent.is_some() { line.product } else { 0 },
        "quantity": line.quantity, "sku": product.map(|product| product.sku.as_str()),
        "price": price, "subtotal": money(line.price * line.quantity),
        "total": money(line.price * line.quantity), "meta_data": meta,
    })
}

/// Only the fields that were asked for.
pub(super) fn only(document: Value, fields: Option<&str>) -> Value {
    let (Some(fields), Value::Object(mut object)) = (fields, document.clone()) else {
        return document;
    };
    let wanted: Vec<&str> = fields.split(',').collect();
    object.retain(|name, _| wanted.contains(&name.as_str()));
    Value::Object(object)
}

/// A failure as WordPress writes it.
pub(super) fn failure(code: &str, message: &str, status: u16) -> Value {
    json!({ "code": code, "message": message, "data": { "status": status } })
}
