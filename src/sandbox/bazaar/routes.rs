//! The API of the marketplace.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::document::{self, failure};
use super::hooks::Hook;
use super::{Bazaar, BazaarState};

const ROOT: &str = "/v1/";
/// Entries of a page at most.
const PAGE_MAX: usize = 50;
/// Changes of one call at most.
const CHANGES_MAX: usize = 25;
/// The largest number it takes.
const QUANTITY_MAX: i64 = 1_000_000;

/// What is answered.
type Answer = (u16, Value);
type Parameters = BTreeMap<String, String>;

fn fail(status: u16, code: &str, message: &str) -> Answer {
    (status, failure(code, message))
}

pub(super) fn router(bazaar: Bazaar) -> Router {
    Router::new().fallback(answer).with_state(bazaar)
}

async fn answer(
    State(bazaar): State<Bazaar>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().strip_prefix(ROOT).unwrap_or("?").to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let document: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let is_write = method == Method::POST && parts == ["stock"];
    if is_write && bazaar.state().hangs() {
        std::future::pending::<()>().await;
    }
    let now = bazaar.millis();
    let mut state = bazaar.state();
    let named = parts.iter().map(|part| if part.contains('-') { "{id}" } else { part });
    let named = format!("{method} {}", named.collect::<Vec<_>>().join("/"));
    *state.requests.entry(named).or_default() += 1;
    let points = if is_write { 1 + document["changes"].as_array().map_or(0, Vec::len) } else { 1 };
    if let Some(fault) = fault(&mut state, i64::try_from(points).unwrap_or(1), now) {
        return fault;
    }
    let wanted = format!("Bearer {}", bazaar.inner.token);
    if headers.get("authorization").is_none_or(|given| given.as_bytes() != wanted.as_bytes()) {
        return respond(&state, fail(401, "unauthorized", "The token is not one of ours."));
    }
    let parameters = parameters(uri.query().unwrap_or_default());
    let answer = route(&mut state, (method.as_str(), &parts), (&parameters, &document), now);
    if is_write && state.faults.lose_replies > 0 {
        state.faults.lose_replies -= 1;
        // The connection ends in the middle of a document, after all was done.
        let cut = std::io::Error::other("the line is cut");
        let parts = [Ok(Bytes::from_static(b"{\"results\":[")), Err(cut)];
        return Response::new(Body::from_stream(futures_util::stream::iter(parts)));
    }
    respond(&state, answer)
}

fn respond(state: &BazaarState, (status, document): Answer) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    if let Some(cost) = &state.cost {
        headers.insert("x-cost-limit", HeaderValue::from(cost.capacity));
        headers.insert("x-cost-left", HeaderValue::from(cost.left));
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    (status, headers, document.to_string()).into_response()
}

impl BazaarState {
    fn hangs(&mut self) -> bool {
        let hangs = self.faults.hang > 0;
        self.faults.hang = self.faults.hang.saturating_sub(1);
        hangs
    }
}

fn fault(state: &mut BazaarState, points: i64, now: i64) -> Option<Response> {
    if state.faults.is_down {
        return Some((StatusCode::SERVICE_UNAVAILABLE, "closed for now").into_response());
    }
    let mut wait = None;
    if state.faults.too_many > 0 {
        state.faults.too_many -= 1;
        wait = Some(0);
    }
    if let Some(Err(seconds)) = state.cost.as_mut().map(|cost| cost.take(points, now)) {
        wait = Some(seconds);
    }
    if let Some(seconds) = wait {
        let seconds = seconds.to_string();
        return Some((StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds)]).into_response());
    }
    if state.faults.fail > 0 {
        state.faults.fail -= 1;
        return Some(respond(state, fail(500, "internal", "Something broke.")));
    }
    None
}

/// The parameters of a query, decoded.
fn parameters(query: &str) -> Parameters {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn route(
    state: &mut BazaarState,
    (method, parts): (&str, &[&str]),
    (parameters, body): (&Parameters, &Value),
    now: i64,
) -> Answer {
    match (method, parts) {
        ("GET", ["places"]) => {
            let place = |(id, name): (&String, &String)| json!({ "id": id, "name": name });
            (200, json!({ "data": state.places.iter().map(place).collect::<Vec<_>>() }))
        }
        ("GET", ["offers"]) => offers(state, parameters),
        ("POST", ["stock"]) => write(state, body, now),
        ("GET", ["orders"]) => orders(state, parameters),
        ("GET", ["orders", id]) => {
            let found = document::number("order", id);
            match found.and_then(|id| Some((id, state.orders.get(&id)?))) {
                Some((id, order)) => (200, document::order(state, id, order)),
                None => fail(404, "unknown_order", "There is no such order."),
            }
        }
        ("GET", ["webhook"]) => {
            let url = state.hook.as_ref().map(|hook| hook.url.as_str());
            (200, json!({ "url": url, "active": url.is_some() }))
        }
        ("PUT", ["webhook"]) => {
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            let (Some(url), Some(secret)) = (text("url"), text("secret")) else {
                return fail(422, "invalid", "A webhook has url and secret.");
            };
            state.hook = Some(Hook { url: url.clone(), secret });
            (200, json!({ "url": url, "active": true }))
        }
        _ => fail(404, "unknown_path", "There is nothing here."),
    }
}

/// A page of rows that are sorted by their key, after a cursor.
fn page(rows: Vec<((i64, u64), Value)>, parameters: &Parameters) -> Answer {
    let limit = parameters.get("limit").map_or(Ok(PAGE_MAX), |text| text.parse::<usize>());
    let Ok(limit @ 1..=PAGE_MAX) = limit else {
        return fail(422, "invalid", "limit is from 1 to 50.");
    };
    let after = match parameters.get("cursor") {
        None => (i64::MIN, 0),
        Some(text) => match cursor(text) {
            Some(after) => after,
            None => return fail(422, "bad_cursor", "The cursor is none of ours."),
        },
    };
    let rest: Vec<_> = rows.into_iter().filter(|(key, _)| *key > after).collect();
    let has_more = rest.len() > limit;
    let some = rest.into_iter().take(limit);
    let (keys, data): (Vec<(i64, u64)>, Vec<Value>) = some.unzip();
    let next = keys.last().filter(|_| has_more);
    let next = next.map(|(first, second)| BASE64.encode(format!("{first}:{second}")));
    (200, json!({ "data": data, "next_cursor": next }))
}

fn cursor(text: &str) -> Option<(i64, u64)> {
    let text = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let (first, second) = text.split_once(':')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

fn offers(state: &BazaarState, parameters: &Parameters) -> Answer {
    let wanted = parameters
        .get("ids")
        .map(|ids| ids.split(',').filter_map(|id| document::number("offer", id)).collect());
    let wanted: Option<Vec<u64>> = wanted;
    let is_wanted = |id: &u64| wanted.as_ref().is_none_or(|ids| ids.contains(id));
    let rows = state.offers.iter().filter(|(id, _)| is_wanted(id));
    page(rows.map(|(id, one)| ((0, *id), document::offer(*id, one))).collect(), parameters)
}

fn orders(state: &BazaarState, parameters: &Parameters) -> Answer {
    let since = match parameters.get("changed_since").map(|text| text.parse::<i64>()) {
        None => i64::MIN,
        Some(Ok(since)) => since,
        Some(Err(_)) => return fail(422, "invalid", "changed_since is in milliseconds."),
    };
    let rows = state.orders.iter().filter(|(_, order)| order.changed >= since);
    let mut rows: Vec<_> = rows
        .map(|(id, order)| ((order.changed, *id), document::order(state, *id, order)))
        .collect();
    rows.sort_by_key(|(key, _)| *key);
    page(rows, parameters)
}

/// Numbers, each written only where the number is there that is expected.
fn write(state: &mut BazaarState, body: &Value, now: i64) -> Answer {
    let changes = body["changes"].as_array().cloned().unwrap_or_default();
    if changes.is_empty() || changes.len() > CHANGES_MAX {
        return fail(422, "invalid", "A call has from 1 to 25 changes.");
    }
    for (offer, place, units) in std::mem::take(&mut state.sell_before_write) {
        state.buy(&[(offer, &place, units)], now);
    }
    let results: Vec<Value> = changes.iter().map(|change| write_one(state, change, now)).collect();
    (200, json!({ "results": results }))
}

fn write_one(state: &mut BazaarState, change: &Value, now: i64) -> Value {
    let offer = change["offer"].as_str().and_then(|id| document::number("offer", id));
    let place = change["place"].as_str().unwrap_or_default();
    let there = offer.and_then(|offer| Some((offer, *state.offers.get(&offer)?.stock.get(place)?)));
    let Some((offer, there)) = there else {
        return json!({ "status": 404, "code": "unknown_offer", "message": "Not sold there." });
    };
    let number = |name: &str| change[name].as_i64();
    let (Some(quantity @ 0..=QUANTITY_MAX), Some(expected)) =
        (number("quantity"), number("expected"))
    else {
        let message = "quantity is from 0 to 1000000, and expected says what is there.";
        return json!({ "status": 422, "code": "invalid", "message": message });
    };
    let Some(there) = there else {
        return json!({ "status": 422, "code": "not_counted", "message": "It is not counted." });
    };
    if there != expected {
        state.stale += 1;
        if let Some((offer, place, number)) = state.type_after_stale.take() {
            state.set_stock(offer, &place, number);
        }
        return json!({ "status": 409, "code": "stale", "available": there });
    }
    if !state.may_change(offer, place, now) {
        let message = "It was changed too often today.";
        return json!({ "status": 429, "code": "daily_limit", "message": message });
    }
    state.set_stock(offer, place, quantity);
    state.writes.push((offer, place.to_owned(), quantity, expected));
    json!({ "status": 200, "available": quantity })
}
