//! The addresses: one that gives tokens, and one that takes documents.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State as Extracted;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::plan::{self, Operation};
use super::state::State;
use super::{ShopifyShop, VERSION, graph};

const TOKEN: &str = "/admin/oauth/access_token";
/// How long a token is believed, in seconds.
const TOKEN_SECONDS: i64 = 86_399;

/// What is answered.
type Answer = (u16, Value);

pub(super) fn router(shop: ShopifyShop) -> Router {
    Router::new().fallback(answer).with_state(shop)
}

async fn answer(
    Extracted(shop): Extracted<ShopifyShop>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let travels = std::time::Duration::from_millis(shop.state().faults.delay_ms);
    if !travels.is_zero() {
        tokio::time::sleep(travels).await;
    }
    if let Some(fault) = fault(&mut shop.state()) {
        return fault;
    }
    let graph = format!("/admin/api/{VERSION}/graphql.json");
    match (method.as_str(), uri.path()) {
        ("POST", TOKEN) if !shop.state().is_installed => uninstalled(),
        ("POST", TOKEN) => respond(&grant(&shop, &headers, &body)),
        ("POST", path) if path == graph => ask(&shop, &headers, &body).await,
        _ => respond(&(404, json!({ "errors": "Not Found" }))),
    }
}

fn respond((status, document): &Answer) -> Response {
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::OK);
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    (status, [("content-type", kind)], document.to_string()).into_response()
}

/// What an app is told that asks for a token where it is not installed: a page.
fn uninstalled() -> Response {
    let page = "<!DOCTYPE html><html><head><title>400 - Oauth error app_not_installed</title>\
                </head></html>";
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page)
        .into_response()
}

fn broken() -> Response {
    respond(&(500, json!({ "errors": "Internal Server Error" })))
}

fn fault(state: &mut State) -> Option<Response> {
    if state.faults.is_down {
        let page = "<html><head><title>Something went wrong</title></head></html>";
        return Some((StatusCode::SERVICE_UNAVAILABLE, page).into_response());
    }
    if state.faults.turn_away > 0 {
        state.faults.turn_away -= 1;
        let message = "Exceeded 2 calls per second for api client. \
                       Reduce request rates to resume uninterrupted service.";
        let mut turned = respond(&(429, json!({ "errors": message })));
        let seconds = format!("{}.0", state.faults.turn_away_seconds);
        if let Ok(wait) = HeaderValue::from_str(&seconds) {
            turned.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        return Some(turned);
    }
    if state.faults.fail > 0 {
        state.faults.fail -= 1;
        return Some(broken());
    }
    None
}

/// Gives a token to the app that the shop knows.
fn grant(shop: &ShopifyShop, headers: &HeaderMap, body: &[u8]) -> Answer {
    let given = form(headers, body);
    let is = |name: &str, wanted: &str| given.get(name).is_some_and(|given| given == wanted);
    let mut state = shop.state();
    *state.requests.entry(format!("POST {TOKEN}")).or_default() += 1;
    if !is("client_id", &shop.inner.id) || !is("client_secret", &shop.inner.secret) {
        return (400, json!({ "error": "invalid_client" }));
    }
    if !is("grant_type", "client_credentials") {
        return (400, json!({ "error": "unsupported_grant_type" }));
    }
    let token = format!("shpat_{:032x}", state.large_id());
    let until = state.millis() + TOKEN_SECONDS * 1000;
    state.tokens.insert(token.clone(), until);
    let scope = state.scopes.iter().cloned().collect::<Vec<_>>().join(",");
    (200, json!({ "access_token": token, "scope": scope, "expires_in": TOKEN_SECONDS }))
}

/// What a body says, as JSON or as a form.
fn form(headers: &HeaderMap, body: &[u8]) -> BTreeMap<String, String> {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        let given: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let given = given.into_iter();
        return given.filter_map(|(name, one)| Some((name, one.as_str()?.to_owned()))).collect();
    }
    let decode = |text: &str| {
        let spaces = text.replace('+', " ");
        percent_decode_str(&spaces).decode_utf8_lossy().into_owned()
    };
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

/// Whether the token is one that is believed.
fn is_known(state: &State, headers: &HeaderMap) -> bool {
    let given = headers.get("x-shopify-access-token").and_then(|token| token.to_str().ok());
    let until = given.and_then(|token| state.tokens.get(token));
    until.is_some_and(|until| *until > state.millis())
}

/// Takes a document.
async fn ask(shop: &ShopifyShop, headers: &HeaderMap, body: &[u8]) -> Response {
    if !is_known(&shop.state(), headers) {
        let message =
            "[API] Invalid API key or access token (unrecognized login or wrong password)";
        return respond(&(401, json!({ "errors": message })));
    }
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(text) = request.get("query").and_then(Value::as_str) else {
        return respond(&(
            400,
            json!({ "errors": { "query": "Required parameter missing or invalid" } }),
        ));
    };
    let none = Map::new();
    let variables = request.get("variables").and_then(Value::as_object).unwrap_or(&none);
    let name = request.get("operationName").and_then(Value::as_str);
    let operation = match plan::plan(&shop.inner.schema, text, variables, name) {
        Ok(operation) => operation,
        Err(errors) => {
            let mut state = shop.state();
            *state.requests.entry("refused".to_owned()).or_default() += 1;
            let answer = json!({ "errors": errors });
            state.keep(text, variables, &answer);
            return respond(&(200, answer));
        }
    };
    let change = changed(&operation);
    if change == Some(Change::Stock) && hangs(&mut shop.state()) {
        std::future::pending::<()>().await;
    }
    let mut state = shop.state();
    for field in &operation.fields {
        let kind = if operation.is_mutation { "mutation" } else { "query" };
        *state.requests.entry(format!("{kind} {}", field.name)).or_default() += 1;
    }
    let faults = &mut state.faults;
    let (fail, lose) = match change {
        Some(Change::Stock) => (Some(&mut faults.fail_writes), Some(&mut faults.lose_replies)),
        Some(Change::Order) => (Some(&mut faults.fail_orders), Some(&mut faults.lose_changes)),
        None => (None, None),
    };
    if take(fail) {
        return broken();
    }
    let is_lost = take(lose);
    let answer = graph::run(&mut state, &operation);
    state.keep(text, variables, &answer);
    let is_order = operation.fields.iter().any(|field| field.name == "order");
    if is_order && let Some((order, line, units)) = state.edit_while_read.pop() {
        let before = state.orders.get(&order).map_or(0, |order| order.updated);
        state.edit_line(order, line, units);
        if let Some(order) = state.orders.get_mut(&order) {
            order.updated = order.updated.max(before) + 1;
        }
    }
    if is_lost {
        // The connection ends in the middle of a document, after all was done.
        let cut = std::io::Error::other("the line is cut");
        let parts = [Ok(Bytes::from_static(b"{\"data\":{")), Err(cut)];
        return Response::new(Body::from_stream(futures_util::stream::iter(parts)));
    }
    respond(&(200, answer))
}

/// One of so many that are to come.
fn take(fault: Option<&mut u32>) -> bool {
    let Some(left) = fault.filter(|left| **left > 0) else { return false };
    *left -= 1;
    true
}

/// What an operation changes, as far as something may go wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Stock,
    Order,
}

fn changed(operation: &Operation) -> Option<Change> {
    operation.fields.iter().find_map(|field| match field.name.as_str() {
        "inventorySetQuantities" | "inventoryActivate" => Some(Change::Stock),
        "fulfillmentCreate" | "orderCancel" => Some(Change::Order),
        _ => None,
    })
}

fn hangs(state: &mut State) -> bool {
    take(Some(&mut state.faults.hang))
}
