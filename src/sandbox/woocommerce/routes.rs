//! The REST API, as far as it is used, with its habits.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::Shop;
use super::auth::{self, Refused, Signed};
use super::document::{self, failure, only};
use super::hooks::Hook;
use super::state::{Managed, ShopState};

/// Where the API is: keys work below it only.
const ROOT: &str = "/wp-json/wc/v3/";
/// Entries of a page and of a batch at most.
const PAGE_MAX: usize = 100;
const PAGE_DEFAULT: usize = 10;
/// Where an order may stand.
const STATUSES: [&str; 8] = [
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
];

/// What is answered: status, document, and the length of the whole list where it is one.
struct Answer {
    status: u16,
    document: Value,
    total: Option<(usize, usize)>,
}

impl Answer {
    const fn ok(document: Value) -> Self {
        Self { status: 200, document, total: None }
    }

    fn fail(status: u16, code: &str, message: &str) -> Self {
        Self { status, document: failure(code, message, status), total: None }
    }

    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json; charset=UTF-8"));
        if let Some((rows, pages)) = self.total {
            headers.insert("x-wp-total", HeaderValue::from(rows));
            headers.insert("x-wp-totalpages", HeaderValue::from(pages));
        }
        (status, headers, self.document.to_string()).into_response()
    }
}

pub(super) fn router(shop: Shop) -> Router {
    Router::new().fallback(answer).with_state(shop)
}

async fn answer(State(shop): State<Shop>, method: Method, uri: Uri, body: Bytes) -> Response {
    let Some(path) = uri.path().strip_prefix(ROOT) else {
        let page = "<html><head><title>Page not found</title></head></html>";
        return (StatusCode::NOT_FOUND, [("content-type", "text/html")], page).into_response();
    };
    let query = uri.query().unwrap_or_default();
    let travels = std::time::Duration::from_millis(shop.state().faults.delay_ms);
    if !travels.is_zero() {
        tokio::time::sleep(travels).await;
    }
    let now = shop.seconds();
    let mut state = shop.state();
    let named = path.split('/').map(|part| if part.parse::<u64>().is_ok() { "{id}" } else { part });
    let named = format!("{method} {}", named.collect::<Vec<_>>().join("/"));
    *state.requests.entry(named).or_default() += 1;
    if let Some(fault) = fault(&mut state) {
        return fault;
    }
    let signed =
        Signed { method: method.as_str(), url: &format!("{}{}", shop.url(), uri.path()), query };
    let keys = (shop.inner.key.as_str(), shop.inner.secret.as_str());
    match auth::check(&signed, keys, now, |nonce| state.nonces.contains(nonce)) {
        Ok(nonce) => {
            state.nonces.insert(nonce);
        }
        Err(refused) => return unauthorized(refused).into_response(),
    }
    let parameters = auth::parameters(query);
    let document = match serde_json::from_slice(&body) {
        Ok(document) => document,
        Err(_) if body.is_empty() => Value::Null,
        Err(_) => {
            let message = "Invalid JSON body passed.";
            return Answer::fail(400, "rest_invalid_json", message).into_response();
        }
    };
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let is_stock_write = method == Method::POST && parts.last() == Some(&"batch");
    if is_stock_write && state.faults.fail_writes > 0 {
        state.faults.fail_writes -= 1;
        return Answer::fail(500, "internal_server_error", "critical error").into_response();
    }
    let is_order_change = method == Method::PUT && parts.iter().rev().nth(1) == Some(&"orders");
    if is_order_change && state.faults.fail_orders > 0 {
        state.faults.fail_orders -= 1;
        return (StatusCode::INTERNAL_SERVER_ERROR, "<p>critical error</p>").into_response();
    }
    let answer = route(&mut state, (method.as_str(), &parts), (&parameters, &document), now);
    if is_stock_write && state.faults.lose_replies > 0 {
        state.faults.lose_replies -= 1;
        // The connection ends in the middle of a document, after all was done.
        let cut = std::io::Error::other("the line is cut");
        let parts = [Ok(Bytes::from_static(b"{\"update\":[")), Err(cut)];
        let body = axum::body::Body::from_stream(futures_util::stream::iter(parts));
        return Response::new(body);
    }
    answer.into_response()
}

fn fault(state: &mut ShopState) -> Option<Response> {
    if state.faults.is_down {
        let page = "<html><head><title>Briefly unavailable</title></head></html>";
        return Some((StatusCode::SERVICE_UNAVAILABLE, page).into_response());
    }
    if state.faults.is_off {
        let message = "No route was found matching the URL and request method.";
        return Some(Answer::fail(404, "rest_no_route", message).into_response());
    }
    if state.faults.too_many > 0 {
        state.faults.too_many -= 1;
        return Some((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response());
    }
    if state.faults.fail > 0 {
        state.faults.fail -= 1;
        return Some(Answer::fail(500, "internal_server_error", "critical error").into_response());
    }
    None
}

fn unauthorized(refused: Refused) -> Answer {
    match refused {
        Refused::Nobody => {
            Answer::fail(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        }
        Refused::Signature => Answer::fail(
            401,
            "woocommerce_rest_authentication_error",
            "Invalid signature - provided signature does not match.",
        ),
        Refused::Timestamp => {
            Answer::fail(401, "woocommerce_rest_authentication_error", "Invalid timestamp.")
        }
        Refused::Nonce => Answer::fail(
            401,
            "woocommerce_rest_authentication_error",
            "Invalid nonce - nonce has already been used.",
        ),
    }
}

type Parameters = BTreeMap<String, String>;

fn route(
    state: &mut ShopState,
    (method, parts): (&str, &[&str]),
    (parameters, body): (&Parameters, &Value),
    now: i64,
) -> Answer {
    let id = |text: &str| text.parse::<u64>().unwrap_or(0);
    match (method, parts) {
        ("GET", ["products"]) => products(state, None, parameters),
        ("GET", ["products", parent, "variations"]) => {
            products(state, Some(id(parent)), parameters)
        }
        ("GET", ["products", one]) => match state.products.get(&id(one)) {
            Some(product) => Answer::ok(document::alone(state, id(one), product)),
            None => Answer::fail(404, "woocommerce_rest_product_invalid_id", "Invalid ID."),
        },
        ("POST", ["products", "batch"]) => batch(state, None, body, now),
        ("POST", ["products", parent, "variations", "batch"]) => {
            batch(state, Some(id(parent)), body, now)
        }
        ("GET", ["orders"]) => orders(state, parameters),
        ("GET", ["orders", one]) if state.faults.broken_order == Some(id(one)) => {
            Answer::fail(500, "internal_server_error", "critical error")
        }
        ("GET", ["orders", one]) => match state.orders.get(&id(one)) {
            Some(order) => Answer::ok(document::order(state, id(one), order)),
            None => Answer::fail(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID."),
        },
        ("GET" | "POST", ["orders", one, "notes"]) => notes(state, id(one), body["note"].as_str()),
        ("PUT", ["orders", one]) => change_order(state, id(one), body, now),
        ("GET", ["webhooks"]) => {
            let all: Vec<Value> = state.hooks.iter().map(|(id, hook)| hook.document(*id)).collect();
            page(all, parameters)
        }
        ("POST", ["webhooks"]) => save_hook(state, None, body),
        ("PUT" | "POST", ["webhooks", one]) => save_hook(state, Some(id(one)), body),
        _ => Answer::fail(
            404,
            "rest_no_route",
            "No route was found matching the URL and request method.",
        ),
    }
}

/// A page of a list.
fn page(all: Vec<Value>, parameters: &Parameters) -> Answer {
    let number = |name: &str, default| match parameters.get(name) {
        Some(text) => text.parse::<usize>().unwrap_or(0),
        None => default,
    };
    let (per_page, at) = (number("per_page", PAGE_DEFAULT), number("page", 1));
    if per_page == 0 || per_page > PAGE_MAX || at == 0 {
        return Answer::fail(400, "rest_invalid_param", "Invalid parameter(s): per_page");
    }
    let rows = all.len();
    let fields = parameters.get("_fields").map(String::as_str);
    let skipped = number("offset", (at - 1) * per_page);
    let some = all.into_iter().skip(skipped).take(per_page);
    let some: Vec<Value> = some.map(|one| only(one, fields)).collect();
    let total = Some((rows, rows.div_ceil(per_page)));
    Answer { status: 200, document: Value::Array(some), total }
}

/// Products, without variations, or the variations of one.
fn products(state: &ShopState, parent: Option<u64>, parameters: &Parameters) -> Answer {
    if parent.is_some_and(|parent| !state.products.contains_key(&parent)) {
        return Answer::fail(404, "woocommerce_rest_product_invalid_id", "Invalid ID.");
    }
    let included = parameters
        .get("include")
        .map(|list| list.split(',').filter_map(|id| id.parse().ok()).collect::<Vec<u64>>());
    let all = state.products.iter().filter(|(id, product)| {
        product.parent == parent && included.as_ref().is_none_or(|list| list.contains(id))
    });
    let mut all: Vec<Value> = all.map(|(id, one)| document::product(state, *id, one)).collect();
    // The newest come first where nothing is said.
    if parameters.get("order").map(String::as_str) != Some("asc") {
        all.reverse();
    }
    page(all, parameters)
}

/// A batch of updates: nothing is looked at, and each has its own outcome.
fn batch(state: &mut ShopState, parent: Option<u64>, body: &Value, now: i64) -> Answer {
    let Some(updates) = body["update"].as_array().cloned() else {
        return Answer::ok(json!([]));
    };
    if updates.len() > PAGE_MAX {
        let code = "woocommerce_rest_request_entity_too_large";
        return Answer::fail(413, code, "Unable to accept more than 100 items for this request.");
    }
    let bought = std::mem::take(&mut state.sell_before_write);
    if !bought.is_empty() {
        state.buy(&bought, now);
    }
    let mut done = Vec::new();
    for update in updates {
        let id = update["id"].as_u64().unwrap_or(0);
        let known = state.products.get(&id).is_some_and(|product| product.parent == parent);
        if !known {
            let (code, status) = match (parent, state.products.contains_key(&id)) {
                (Some(_), _) => ("woocommerce_rest_product_variation_invalid_id", 404),
                // It is a variation, which has an address of its own.
                (None, true) => ("woocommerce_rest_invalid_product_id", 404),
                (None, false) => ("woocommerce_rest_product_invalid_id", 400),
            };
            let error = failure(code, "Invalid ID.", status);
            done.push(json!({ "id": update["id"], "error": error }));
            continue;
        }
        if let Some(quantity) = whole(&update["stock_quantity"])
            && state.products.get(&id).is_some_and(|product| product.managed == Managed::Own)
        {
            state.set_stock(id, quantity, now);
            state.writes.push((id, quantity));
        }
        if let Some(product) = state.products.get(&id) {
            done.push(document::product(state, id, product));
        }
    }
    Answer::ok(json!({ "update": done }))
}

/// What PHP makes of a value that should be a number; null leaves it as it was.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Number(number) => {
            number.as_i64().or_else(|| number.to_string().split('.').next()?.parse().ok())
        }
        Value::String(text) => {
            let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
            Some(digits.parse().unwrap_or(0))
        }
        Value::Array(list) => Some(i64::from(!list.is_empty())),
        Value::Object(_) => Some(1),
    }
}

fn orders(state: &ShopState, parameters: &Parameters) -> Answer {
    let (mut after, mut before, mut placed) = (i64::MIN, i64::MAX, i64::MIN);
    let is_utc = parameters.get("dates_are_gmt").is_some_and(|flag| flag == "true");
    let offset = if is_utc { 0 } else { state.utc_offset };
    for (name, bound) in
        [("modified_after", &mut after), ("modified_before", &mut before), ("after", &mut placed)]
    {
        if let Some(text) = parameters.get(name) {
            let Some(seconds) = document::seconds(text, offset) else {
                return Answer::fail(400, "rest_invalid_param", "Invalid date.");
            };
            *bound = seconds;
        }
    }
    let (status, include) = (parameters.get("status"), parameters.get("include"));
    if state.faults.hides_bin && status.is_some_and(|status| status == "trash") {
        let message = "Sorry, you are not allowed to do that.";
        return Answer::fail(403, "rest_forbidden", message);
    }
    let is_listed = |id: u64, order: &super::state::Order| {
        // What is in the bin is left out unless it is asked for.
        let has_status = match status.map_or("any", String::as_str) {
            "any" => order.status != "trash",
            list => list.split(',').any(|status| status == order.status),
        };
        let is_included =
            include.is_none_or(|list| list.split(',').any(|text| text.parse::<u64>() == Ok(id)));
        // Bounds are left out themselves.
        let is_within = order.modified > after && order.modified < before;
        has_status && is_included && is_within && order.created > placed
    };
    let mut all: Vec<_> = state.orders.iter().filter(|(id, one)| is_listed(**id, one)).collect();
    match parameters.get("orderby").map(String::as_str) {
        Some("modified") => all.sort_by_key(|(id, order)| (order.modified, **id)),
        _ => all.sort_by_key(|(id, order)| (order.created, **id)),
    }
    if parameters.get("order").map(String::as_str) != Some("asc") {
        all.reverse();
    }
    page(all.into_iter().map(|(id, one)| document::order(state, *id, one)).collect(), parameters)
}

/// The notes of an order, with one more where one is given.
fn notes(state: &mut ShopState, order: u64, new: Option<&str>) -> Answer {
    if !state.orders.contains_key(&order) {
        return Answer::fail(404, "woocommerce_rest_order_invalid_id", "Invalid order ID.");
    }
    let all = state.notes.entry(order).or_default();
    let shown = |(number, note): (usize, &String)| json!({ "id": number + 1, "note": note });
    if let Some(note) = new {
        all.push(note.to_owned());
        let document = all.iter().enumerate().map(shown).next_back().unwrap_or_default();
        return Answer { status: 201, document, total: None };
    }
    // The newest first.
    Answer::ok(all.iter().enumerate().rev().map(shown).collect())
}

fn change_order(state: &mut ShopState, id: u64, body: &Value, now: i64) -> Answer {
    if body["status"].as_str().is_some_and(|status| !STATUSES.contains(&status)) {
        return Answer::fail(400, "rest_invalid_param", "Invalid parameter(s): status");
    }
    if let Some(status) = body["status"].as_str()
        && !state.set_status(id, status, now)
    {
        return Answer::fail(400, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.");
    }
    match state.orders.get(&id) {
        Some(order) => Answer::ok(document::order(state, id, order)),
        None => Answer::fail(400, "woocommerce_rest_shop_order_invalid_id", "Invalid ID."),
    }
}

fn save_hook(state: &mut ShopState, id: Option<u64>, body: &Value) -> Answer {
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let is_new = id.is_none();
    let id = id.unwrap_or_else(|| state.next_id());
    if !is_new && !state.hooks.contains_key(&id) {
        return Answer::fail(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.");
    }
    let before = state.hooks.get(&id).cloned();
    let kept = |given: Option<String>, of: fn(&Hook) -> &str| {
        given.unwrap_or_else(|| before.as_ref().map(of).unwrap_or_default().to_owned())
    };
    let hook = Hook {
        name: kept(text("name"), |hook| &hook.name),
        topic: kept(text("topic"), |hook| &hook.topic),
        url: kept(text("delivery_url"), |hook| &hook.url),
        secret: kept(text("secret"), |hook| &hook.secret),
        status: text("status").unwrap_or_else(|| "active".to_owned()),
        // Switched on again it has not forgotten: one more failure is too many.
        failures: before.as_ref().map_or(0, |hook| hook.failures),
    };
    let document = hook.document(id);
    state.hooks.insert(id, hook);
    Answer { status: if is_new { 201 } else { 200 }, document, total: None }
}
