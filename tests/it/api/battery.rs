//! Every field of every body, with everything that can stand there and must not: the
//! answer is never a failure of ours, names the field, and nothing is written.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, Served};
use crate::both;
use crate::raw::Raw;

/// Stands for a value that is put in as text, because no JSON library writes it.
const HERE: &str = "@here@";

/// What is wrong wherever it stands, as JSON text.
fn wrong() -> Vec<String> {
    let mut all: Vec<String> = [
        "true",
        "-1",
        "1.5",
        "1e400",
        "-1e400",
        "18446744073709551616",
        "99999999999999999999999999999999999999",
        r#""""#,
        r#""a\u0000b""#,
        r#""a\u0007b""#,
        r#"" ""#,
        "[]",
        "{}",
        "[null]",
        r#"{"a":{"b":{}}}"#,
    ]
    .map(str::to_owned)
    .to_vec();
    all.push(format!("\"{}\"", "x".repeat(10_000)));
    all.push(format!("{}{}", "[".repeat(120), "]".repeat(120)));
    all.push(format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500)));
    all
}

/// Each place of a document, as the document with [`HERE`] there and the name of the
/// field nearest to it.
fn places(document: &Value) -> Vec<(Value, String)> {
    let mut all = Vec::new();
    let mut put = |key: &str, value: &Value, whole: &dyn Fn(Value) -> Value| {
        all.push((whole(json!(HERE)), key.to_owned()));
        for (inner, name) in places(value) {
            let name = if name.is_empty() { key.to_owned() } else { name };
            all.push((whole(inner), name));
        }
    };
    match document {
        Value::Object(fields) => {
            for (key, value) in fields {
                let whole = |part: Value| {
                    let mut copy = document.clone();
                    copy[key] = part;
                    copy
                };
                put(key, value, &whole);
            }
        }
        Value::Array(entries) => {
            for (index, value) in entries.iter().enumerate() {
                let whole = |part: Value| {
                    let mut copy = document.clone();
                    copy[index] = part;
                    copy
                };
                put("", value, &whole);
            }
        }
        _ => {}
    }
    all
}

/// Bodies that are sound but for what they are about, which does not exist: sound where
/// a changed field happens to be, they write nothing either.
fn templates() -> Vec<(Method, &'static str, Value)> {
    let money = json!({ "amount": 1990, "currency": "EUR" });
    vec![
        (
            Method::POST,
            "/v1/orders",
            json!({
                "order_id": "1", "location": "main", "allow_backorder": false,
                "reserve_for_seconds": 60, "payment": "required", "customer": { "name": "n" },
                "lines": [{ "sku": "GHOST", "quantity": 1, "unit_price": money }]
            }),
        ),
        (
            Method::PUT,
            "/v1/orders/1/cancel",
            json!({ "lines": [{ "line": 1, "quantity": 1 }], "reason": "r" }),
        ),
        (Method::POST, "/v1/orders/1/payments", json!({ "payment_id": "p", "amount": money })),
        (
            Method::POST,
            "/v1/orders/1/shipments",
            json!({ "shipment_id": "s", "location": "main", "tracking": "t",
                    "lines": [{ "line": 1, "quantity": 1 }] }),
        ),
        (
            Method::POST,
            "/v1/orders/1/returns",
            json!({ "return_id": "r", "location": "main",
                    "lines": [{ "line": 1, "quantity": 1, "disposition": "restock" }] }),
        ),
        (
            Method::POST,
            "/v1/inventory/GHOST/movements",
            json!({ "kind": "transfer", "location": "main", "quantity": 1, "reason": "r",
                    "to_location": "store", "if_version": 1 }),
        ),
        (
            Method::PUT,
            "/v1/inventory/GHOST",
            json!({ "title": "t", "price": money, "reorder_point": 1, "safety": 1,
                    "location": "main", "attributes": { "a": 1 } }),
        ),
        (
            Method::POST,
            "/v1/inventory/batch",
            json!({ "movements": [{ "sku": "GHOST", "kind": "receipt", "quantity": 1 }] }),
        ),
        (Method::POST, "/v1/inventory/batch-get", json!({ "skus": ["GHOST"] })),
    ]
}

async fn send(client: &Client, method: &Method, path: &str, text: String) -> (u16, String) {
    let request = client.request(method.clone(), path).header("content-type", "application/json");
    let reply = client.send(request.body(text)).await;
    (reply.status, reply.body.to_string())
}

both!(every_field_with_everything_that_must_not_stand_there, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let mut raw = Raw::open(&shop.opening.place).await;
    let before = shop.newest().await;
    let (mut tried, mut named) = (0, 0);
    for (method, path, template) in templates() {
        for (document, field) in places(&template) {
            for value in wrong() {
                let text = document.to_string().replace(&format!("\"{HERE}\""), &value);
                let shown: String = value.chars().take(60).collect();
                let (status, said) = send(&client, &method, path, text).await;
                assert!(status < 500, "{method} {path} {field}: {shown}: {status} {said}");
                tried += 1;
                if status == 422 && said.contains("\"code\":\"invalid\"") {
                    named += 1;
                    assert!(said.contains(&field), "{method} {path} {field}: {shown}: {said}");
                }
            }
        }
    }
    assert_eq!(shop.newest().await, before, "something was written");
    assert_eq!(raw.number("select count(*) from orders").await, 0);
    println!("{tried} bodies, {named} refused by the name of a field");
    assert!(tried > 700 && named > 400, "{tried} {named}");
    served.end().await;
});
