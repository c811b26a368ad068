//! The simulated shop held against the live one: the same requests, the same answers, as
//! far as the connector asks and reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use invshop::sandbox::woocommerce::Shop;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use sha2::Sha256;
use tokio::task::JoinSet;

use super::recording::{Exchange, Recording, hundredths, meta, seconds};
use crate::harness::http;

/// What differs, by a part of the name of the exchange, and why it may.
const DIFFERENT: [(&str, &str); 6] = [
    ("products-list-sku_", "listings are found by walking all of them, never by a SKU"),
    ("products-list-search", "nor by a search"),
    ("products-list-stock_status_", "nor by a status of stock"),
    ("products-list-type_variation", "nor by their kind"),
    ("products-list-include_types_", "nor by several kinds"),
    ("variations-all", "variations are read by their parent: older shops have no list of all"),
];
/// Fields of products, orders and webhooks that the connector reads.
const FIELDS: [&str; 15] = [
    "id",
    "manage_stock",
    "stock_quantity",
    "name",
    "type",
    "sku",
    "status",
    "number",
    "currency",
    "total",
    "date_created_gmt",
    "date_modified_gmt",
    "topic",
    "delivery_url",
    "code",
];
/// Fields of lines.
const LINE_FIELDS: [&str; 6] = ["id", "name", "product_id", "variation_id", "quantity", "sku"];
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether the connector makes such requests at all. Not those about who is asking and
/// about broken shops, which are told apart by their answers; not those that make the
/// goods; and not those of a shop that was set up anew at the end.
fn is_asked(exchange: &Exchange) -> bool {
    let other = ["auth-", "fault-", "err-readonly", "err-writeonly", "orders-list-trashcheck"];
    if other.iter().any(|name| exchange.name.starts_with(name)) {
        return false;
    }
    let Some(path) = exchange.path.strip_prefix("/wp-json/wc/v3/") else { return false };
    let path = path.split('?').next().unwrap();
    match exchange.method.as_str() {
        "GET" => !path.starts_with("webhooks"),
        "POST" => path.ends_with("/batch") || path == "webhooks",
        "PUT" => path.starts_with("orders/"),
        _ => false,
    }
}

/// A request with a signature; the address is that of the shop.
fn signed(url: &str, method: &str, path: &str, at: i64, nonce: usize) -> String {
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| {
            (name.to_owned(), percent_decode_str(value).decode_utf8().unwrap().into_owned())
        })
        .collect();
    for (name, value) in [
        ("oauth_consumer_key", "ck_TEST".to_owned()),
        ("oauth_timestamp", at.to_string()),
        ("oauth_nonce", format!("nonce{nonce}")),
        ("oauth_signature_method", "HMAC-SHA256".to_owned()),
    ] {
        pairs.push((name.to_owned(), value));
    }
    let mut pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.sort_unstable();
    let query = pairs.join("&");
    let base = format!("{method}&{}&{}", encode(&format!("{url}{path}")), encode(&query));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"cs_TEST&").unwrap();
    mac.update(base.as_bytes());
    let signature = encode(&BASE64.encode(mac.finalize().into_bytes()));
    format!("{url}{path}?{query}&oauth_signature={signature}")
}

/// What differs between two rows: fields the connector reads and the live shop sent.
fn row(what: &str, live: &Value, ours: &Value, found: &mut Vec<String>) {
    let mut differ = |field: &str, live: &Value, ours: &Value| {
        if live != ours {
            found.push(format!("{what}.{field}: {live}, here {ours}"));
        }
    };
    for field in FIELDS {
        let is_read = match field {
            // Ids of webhooks are given by the shop.
            "id" => !live["delivery_url"].is_string(),
            "date_created_gmt" => live["line_items"].is_array(),
            _ => true,
        };
        if is_read && live.get(field).is_some() {
            differ(field, &live[field], &ours[field]);
        }
    }
    differ("error.code", &live["error"]["code"], &ours["error"]["code"]);
    let status = "/error/data/status";
    let status = |row: &Value| row.pointer(status).cloned().unwrap_or_default();
    differ("error.status", &status(live), &status(ours));
    let Some(lines) = live["line_items"].as_array() else { return };
    let none = Vec::new();
    let here = ours["line_items"].as_array().unwrap_or(&none);
    differ("lines", &lines.len().into(), &here.len().into());
    for (line, here) in lines.iter().zip(here) {
        for field in LINE_FIELDS {
            differ(field, &line[field], &here[field]);
        }
        for key in ["_reduced_stock", "_restock_refunded_items"] {
            differ(key, &meta(line, key).into(), &meta(here, key).into());
        }
        let price = |line: &Value| hundredths(&line["price"].to_string()).into();
        differ("price", &price(line), &price(here));
        assert!(line["price"].is_number() && here["price"].is_number(), "{what}");
    }
}

/// What differs between two documents.
fn documents(live: &Value, ours: &Value, found: &mut Vec<String>) {
    let list = |document: &Value| {
        let rows = document.as_array().or_else(|| document["update"].as_array());
        rows.cloned()
    };
    match (list(live), list(ours)) {
        (Some(live), Some(ours)) => {
            if live.len() != ours.len() {
                found.push(format!("rows: {}, here {}", live.len(), ours.len()));
            }
            for (index, (live, ours)) in live.iter().zip(&ours).enumerate() {
                row(&format!("[{index}]"), live, ours, found);
            }
        }
        (None, None) => row("", live, ours, found),
        _ => found.push("one is a list".to_owned()),
    }
}

/// What differs between the live shop's answer to a request and the simulated one's.
async fn differences(shop: &Shop, exchange: &Exchange, nonce: usize) -> Vec<String> {
    let now = seconds("2026-11-22T18:00:00");
    let url = signed(&shop.url(), &exchange.method, &exchange.path, now, nonce);
    let method = exchange.method.parse().unwrap();
    let request = http().build().unwrap().request(method, url).body(exchange.sent.clone());
    let answer = request.send().await.unwrap();
    let mut found = Vec::new();
    if answer.status().as_u16() != exchange.status {
        found.push(format!("status: {}, here {}", exchange.status, answer.status()));
    }
    for name in ["x-wp-total", "x-wp-totalpages"] {
        let ours = answer.headers().get(name).map(|value| value.to_str().unwrap());
        let live = exchange.headers.get(name).map(String::as_str);
        if live != ours {
            found.push(format!("{name}: {live:?}, here {ours:?}"));
        }
    }
    let text = answer.text().await.unwrap();
    let ours = serde_json::from_str(&text).unwrap_or(Value::Null);
    documents(&exchange.document, &ours, &mut found);
    found
}

#[tokio::test]
async fn the_simulated_shop_answers_as_the_live_one_did() {
    let Some(recording) = Recording::read() else { return };
    let now = seconds("2026-11-22T18:00:00") * 1000;
    let (shop, serve) =
        Shop::open(std::sync::Arc::new(move || now), ("ck_TEST", "cs_TEST")).await.unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(serve);
    let (mut failures, mut compared, mut allowed) = (Vec::new(), 0, Vec::new());
    for (nonce, exchange) in recording.exchanges.iter().filter(|one| is_asked(one)).enumerate() {
        // A write finds what was there before it.
        let until = if exchange.method == "GET" { exchange.at } else { exchange.at - 2 };
        recording.fill(&mut shop.state(), until);
        let mut found = differences(&shop, exchange, nonce).await;
        if exchange.method != "GET" {
            found.retain(|one| !one.contains("date_modified_gmt"));
        }
        compared += 1;
        match DIFFERENT.iter().find(|(part, _)| exchange.name.starts_with(part)) {
            Some((part, _)) if !found.is_empty() => allowed.push(*part),
            Some((part, why)) => failures.push(format!("{part} differs no more ({why})")),
            None if !found.is_empty() => failures.push(format!("{}: {found:#?}", exchange.name)),
            None => {}
        }
    }
    for (part, _) in DIFFERENT.iter().filter(|(part, _)| !allowed.contains(part)) {
        failures.push(format!("nothing is called {part}"));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared > 40, "only {compared} requests were compared");
}
