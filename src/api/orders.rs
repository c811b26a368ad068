//! `/v1/orders`: placing, reading and cancelling.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::auth::{Caller, May, PlaceOrders, ReadOrders};
use super::body::{Amount, Body, Object, each, text, text_opt, units};
use super::document::parameters::{Once, Prefer};
use super::document::words::Moment;
use super::problem::{Answered, Problem};
use super::query::{Parameters, Segment, limit};
use crate::access::Role;
use crate::clock::Timestamp;
use crate::domain::{
    Currency, ExternalId, LocationCode, OrderRef, OrderStatus, Reason, Sku, UserId,
    value_has_card_number,
};
use crate::orders::{Cancel, LineRequest, Personal, Place};
use crate::reports::{self, Given, OrderFilter, OrderView, Page, Viewer};
use crate::writer::{Answer, Command};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderedLine)]
struct Line {
    #[serde(deserialize_with = "text")]
    sku: Sku,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    quantity: i64,
    /// Price of one unit; all lines have one currency.
    unit_price: Option<Amount>,
}

/// Whether it waits for its payment.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PaymentTerms)]
enum Payment {
    Required,
    #[default]
    None,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    /// The client's own id of it, which makes a repeat a replay.
    #[serde(deserialize_with = "text")]
    order_id: ExternalId,
    #[schema(min_items = 1)]
    lines: Vec<Line>,
    /// Whoever ordered: personal data, kept sealed; at most 32 KiB.
    customer: Option<Object>,
    /// The one location it may use.
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    /// Accepts demand beyond what there is.
    #[serde(default)]
    allow_backorder: bool,
    /// How long its units are held.
    #[schema(minimum = 1, maximum = 2_592_000)]
    reserve_for_seconds: Option<u32>,
    #[serde(default)]
    payment: Payment,
    #[serde(default, deserialize_with = "text_opt")]
    user_id: Option<UserId>,
}

impl NewOrder {
    fn into_place(self, api: &Api, source: &str) -> Result<Place, Problem> {
        let reference = OrderRef { source: source.to_owned(), external_id: self.order_id };
        let (lines, currency) = requested(self.lines)?;
        let seal = |Object(customer): Object| {
            if customer.to_string().len() > Personal::BYTES_MAX {
                let message = format!("is longer than {} bytes", Personal::BYTES_MAX);
                return Err(Problem::invalid("customer", message));
            }
            if value_has_card_number(&customer) {
                let message = "has what looks like the number of a payment card; these are never \
                               kept";
                return Err(Problem::invalid("customer", message));
            }
            Ok(Personal::seal(&api.shop.key, &reference, &customer, api.shop.random.as_ref()))
        };
        let personal = self.customer.map(seal).transpose()?;
        Ok(Place {
            reference,
            lines,
            location: self.location,
            payment_required: self.payment == Payment::Required,
            allow_backorder: self.allow_backorder,
            hold_ms: self.reserve_for_seconds.map(|seconds| i64::from(seconds) * 1000),
            currency,
            placed_at: None,
            personal,
            user: self.user_id,
        })
    }
}

/// The lines, and the one currency of their prices.
fn requested(lines: Vec<Line>) -> Result<(Vec<LineRequest>, Option<String>), Problem> {
    let mut currency: Option<String> = None;
    let mut requested = Vec::with_capacity(lines.len());
    for (index, line) in lines.into_iter().enumerate() {
        let at = |name: &str| format!("lines[{index}].{name}");
        let quantity = units(index, line.quantity)?;
        if let Some(price) = &line.unit_price {
            let known = Currency::parse(&price.currency)
                .map_err(|error| Problem::invalid(&at("unit_price.currency"), error.to_string()))?;
            if price.amount < 0 {
                return Err(Problem::invalid(&at("unit_price.amount"), "is below 0"));
            }
            let same = currency.get_or_insert_with(|| known.code().to_owned());
            if same != known.code() {
                let message = "an order has one currency";
                return Err(Problem::invalid(&at("unit_price.currency"), message));
            }
        }
        let unit_price = line.unit_price.map(|price| price.amount);
        requested.push(LineRequest { sku: line.sku, quantity, unit_price });
    }
    Ok((requested, currency))
}

/// Places an order: held whole or refused whole.
///
/// At once, or with `Prefer: respond-async` later: then it is `pending` until it is decided. The
/// same id with the same content is a replay.
#[utoipa::path(
    post,
    path = "/orders",
    operation_id = "place_order",
    tag = "orders",
    security(("key" = [PlaceOrders::SCOPE])),
    params(Once, Prefer),
    request_body(content = NewOrder, examples(
        ("plain" = (
            summary = "Two lines",
            value = json!({ "order_id": "1004", "lines": [
                { "sku": "MUG-RED-300", "quantity": 2 }, { "sku": "POT", "quantity": 1 },
            ]})
        )),
        ("unpaid" = (
            summary = "With prices, held for a quarter of an hour until it is paid",
            value = json!({
                "order_id": "1005",
                "lines": [{
                    "sku": "MUG-RED-300", "quantity": 1,
                    "unit_price": { "amount": 1290, "currency": "EUR" },
                }],
                "payment": "required", "reserve_for_seconds": 900,
                "customer": { "name": "A. Person", "email": "a.person@example.com" },
            })
        )),
    )),
    responses(
        (status = 201, body = OrderView),
        (status = 200, body = OrderView, headers(("Idempotent-Replayed" = bool, description = "`true`: it was done before."))),
        (status = 202, body = OrderView, headers(
            ("Location" = String, description = "Where it can be read."),
            ("Preference-Applied" = String, description = "`respond-async`."),
        )),
    ),
    extensions(("x-refusals" = json!([
        "409 insufficient_stock", "409 mirrored_location", "422 idempotency_mismatch",
        "422 unknown_location", "422 unknown_sku", "422 unknown_user", "503 busy", "503 queue_full",
        "503 unknown_outcome",
    ]))),
)]
pub(super) async fn place(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<PlaceOrders>,
    headers: HeaderMap,
    Body(new): Body<NewOrder>,
) -> Answered {
    let place = new.into_place(&api, &caller.name)?;
    let reference = place.reference.clone();
    let sealed = place.personal.as_ref().map(|personal| personal.sealed.clone());
    let given = Given { sealed, user: place.user };
    if prefers_async(&headers) {
        let answer = api.submit(&caller, Command::PlaceLater(place), &headers).await?;
        api.shop.waiting.notify_one();
        let placed = (&reference, given, answer);
        let mut response = placed_order(&api, &caller, placed, StatusCode::ACCEPTED).await?;
        let headers = response.headers_mut();
        headers.insert("Preference-Applied", HeaderValue::from_static("respond-async"));
        if let Ok(location) = HeaderValue::try_from(location_of(&reference)) {
            headers.insert(header::LOCATION, location);
        }
        return Ok(response);
    }
    let answer = api.submit(&caller, Command::Place(place), &headers).await?;
    placed_order(&api, &caller, (&reference, given, answer), StatusCode::CREATED).await
}

/// A placed order as its command left it: to read it again would cost more than placing
/// it did. A repetition is read, because much may have happened since.
async fn placed_order(
    api: &Api,
    caller: &Caller,
    (reference, given, mut answer): (&OrderRef, Given, Answer),
    status: StatusCode,
) -> Answered {
    let Some(left) = answer.order.take() else {
        return shown(api, caller, reference, &answer, status).await;
    };
    let order = reports::left_order(*left, given, viewer(api, caller))
        .map_err(|error| Problem::from(error).after_commit())?;
    Ok(super::written(status, &answer, Json(order).into_response()))
}

/// Whether a `Prefer` header has the preference `respond-async`.
fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|preference| {
        let name = preference.split([';', '=']).next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("respond-async")
    })
}

/// Where an order of the caller's own is found.
fn location_of(reference: &OrderRef) -> String {
    let id = utf8_percent_encode(reference.external_id.as_str(), NON_ALPHANUMERIC);
    format!("/v1/orders/{id}")
}

/// The order after a command, with what the command was.
pub(super) async fn shown(
    api: &Api,
    caller: &Caller,
    reference: &OrderRef,
    answer: &Answer,
    status: StatusCode,
) -> Answered {
    let order = view(api, caller, reference).await.map_err(Problem::after_commit)?;
    Ok(super::written(status, answer, Json(order).into_response()))
}

/// An order as the caller may see it.
pub(super) async fn view(
    api: &Api,
    caller: &Caller,
    reference: &OrderRef,
) -> Result<OrderView, Problem> {
    let order = reports::order(&api.shop.db, reference, viewer(api, caller)).await?;
    let unknown = || {
        let detail = format!("no order is known as '{}'", reference.external_id);
        Problem::not_found("unknown_order", detail)
    };
    order.ok_or_else(unknown)
}

pub(super) fn viewer<'a>(api: &'a Api, caller: &'a Caller) -> Viewer<'a> {
    // A reader of figures has no business with names and addresses.
    let key = (caller.role != Role::Reader).then_some(api.shop.key.as_ref());
    Viewer { own_source: Some(&caller.name), key }
}

/// Shows an order.
#[utoipa::path(
    get,
    path = "/orders/{order_id}",
    operation_id = "show_order",
    tag = "orders",
    security(("key" = [ReadOrders::SCOPE])),
    params((
        "order_id" = String, Path, example = "1001",
        description = "The id of an own order, or `SOURCE:ID` of anybody's.",
    )),
    responses((status = 200, body = OrderView)),
    extensions(("x-refusals" = json!(["404 unknown_order", "409 ambiguous_order"]))),
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<ReadOrders>,
    Segment(id): Segment,
) -> Answered {
    let reference = reports::resolve_order(&api.shop.db, &id, caller.of_orders()).await?;
    Ok(Json(view(&api, &caller, &reference).await?).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only of this status.
    #[param(value_type = Option<OrderStatus>)]
    status: Option<String>,
    /// Only of this source: a channel, or a key holder.
    channel: Option<String>,
    /// Only what was placed since then.
    #[serde(default, deserialize_with = "text_opt")]
    #[param(value_type = Option<Moment>)]
    placed_since: Option<Timestamp>,
    /// Only what changed since then.
    #[serde(default, deserialize_with = "text_opt")]
    #[param(value_type = Option<Moment>)]
    updated_since: Option<Timestamp>,
    /// Only of this user.
    #[serde(default, deserialize_with = "text_opt")]
    #[param(value_type = Option<UserId>)]
    user_id: Option<UserId>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Entries of a page; 50 when nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Lists orders, the last recorded first; a storefront sees its own only.
#[utoipa::path(
    get,
    path = "/orders",
    operation_id = "list_orders",
    tag = "orders",
    security(("key" = [ReadOrders::SCOPE])),
    params(Filter),
    responses((status = 200, body = Page<OrderView>)),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<ReadOrders>,
    Parameters(given): Parameters<Filter>,
) -> Answered {
    let limit = limit(given.limit)?;
    let status = given.status.as_deref().map(|status| {
        OrderStatus::parse(status)
            .ok_or_else(|| Problem::invalid("status", "is not a status of orders"))
    });
    let own = || Some(caller.name.clone());
    let filter = OrderFilter {
        status: status.transpose()?,
        channel: if caller.role == Role::Storefront { own() } else { given.channel },
        placed_since: given.placed_since,
        updated_since: given.updated_since,
        user: given.user_id,
    };
    let (viewer, cursor) = (viewer(&api, &caller), given.cursor.as_deref());
    let page = reports::orders(&api.shop.db, &filter, viewer, cursor, limit).await?;
    Ok(Json(page).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelLine {
    /// The line's number.
    line: i64,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    quantity: i64,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancellation {
    /// What is cancelled; without it all that is not shipped.
    lines: Option<Vec<CancelLine>>,
    #[serde(default, deserialize_with = "text_opt")]
    reason: Option<Reason>,
}

/// Cancels an order: all that is not shipped, or named lines. A repeat changes nothing.
#[utoipa::path(
    put,
    path = "/orders/{order_id}/cancel",
    operation_id = "cancel_order",
    tag = "orders",
    security(("key" = [PlaceOrders::SCOPE])),
    params(("order_id" = String, Path, example = "1002"), Once),
    request_body(content = Option<Cancellation>, examples(
        ("line" = (
            summary = "Of one line",
            value = json!({ "lines": [{ "line": 1, "quantity": 1 }], "reason": "changed my mind" })
        )),
        ("all" = (summary = "All that is left", value = json!({}))),
    )),
    responses((status = 200, body = OrderView, headers(
        ("Idempotent-Replayed" = Option<bool>, description = "`true` where it was done before."),
    ))),
    extensions(("x-refusals" = json!([
        "404 unknown_order", "409 ambiguous_order", "409 already_shipped",
        "422 idempotency_mismatch", "422 unknown_line", "503 busy", "503 unknown_outcome",
    ]))),
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<PlaceOrders>,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Option<Body<Cancellation>>,
) -> Answered {
    let given = body.map(|Body(given)| given).unwrap_or_default();
    let reference = reports::resolve_order(&api.shop.db, &id, caller.of_orders()).await?;
    let line = |index, line: CancelLine| Ok((line.line, units(index, line.quantity)?));
    let lines = given.lines.map(|lines| each(lines, line)).transpose()?;
    let command =
        Command::Cancel(Cancel { reference: reference.clone(), lines, reason: given.reason });
    let answer = api.submit(&caller, command, &headers).await?;
    shown(&api, &caller, &reference, &answer, StatusCode::OK).await
}
