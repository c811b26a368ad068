//! What has happened to an order: payments, shipments and returns under the
//! sender's own ids, which make a repeat a replay.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::{FulfilOrders, May};
use super::body::{Amount, Body, each, text, text_opt, units};
use super::document::parameters::Once;
use super::document::words::Moment;
use super::orders::{shown, view};
use super::problem::{Answered, Problem};
use super::query::Segment;
use crate::clock::Timestamp;
use crate::domain::{Currency, FactId, LocationCode, Title};
use crate::orders::{Disposition, Payment, Return, ReturnLine, Ship, ShipLine};
use crate::reports::{self, OrderView};
use crate::writer::{Command, Detail};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPayment {
    #[serde(deserialize_with = "text")]
    payment_id: FactId,
    /// How much, in the currency of the order.
    amount: Option<Amount>,
}

/// What a payment led to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Paid {
    payment_id: String,
    /// `reopened` where what had run out is held again, `refund_due` where what it was for is
    /// gone; `null` where that is not known any more.
    #[schema(required, pattern = "^(confirmed|reopened|refund_due)$")]
    outcome: Option<&'static str>,
    order: OrderView,
}

/// Records a payment: it never fails for want of stock.
#[utoipa::path(
    post,
    path = "/orders/{order_id}/payments",
    operation_id = "pay_order",
    tag = "orders",
    security(("key" = [FulfilOrders::SCOPE])),
    params(("order_id" = String, Path, example = "1001"), Once),
    request_body(content = NewPayment, examples(
        ("amount" = (
            summary = "With what was paid",
            value = json!({
                "payment_id": "pay-1", "amount": { "amount": 2580, "currency": "EUR" },
            })
        )),
    )),
    responses((status = 200, body = Paid, headers(
        ("Idempotent-Replayed" = Option<bool>, description = "`true` where it was done before."),
    ))),
    extensions(("x-refusals" = json!([
        "404 unknown_order", "409 ambiguous_order", "422 idempotency_mismatch", "503 busy",
        "503 unknown_outcome",
    ]))),
)]
pub(super) async fn pay(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<FulfilOrders>,
    Segment(id): Segment,
    headers: HeaderMap,
    Body(given): Body<NewPayment>,
) -> Answered {
    let reference = reports::resolve_order(&api.shop.db, &id, caller.of_orders()).await?;
    let order = view(&api, &caller, &reference).await?;
    let priced = order.lines.iter().find_map(|line| line.unit_price.as_ref());
    let own = order.total.as_ref().or(priced).map(|amount| amount.currency.as_str());
    if let Some(paid) = &given.amount {
        if paid.amount < 0 {
            return Err(Problem::invalid("amount.amount", "is below 0"));
        }
        Currency::parse(&paid.currency)
            .map_err(|error| Problem::invalid("amount.currency", error.to_string()))?;
    }
    if let (Some(paid), Some(own)) = (&given.amount, own)
        && paid.currency != own
    {
        let message = format!("the order is in {own}");
        return Err(Problem::invalid("amount.currency", message));
    }
    let has_own = own.is_some();
    let currency = given.amount.as_ref().map(|amount| amount.currency.clone());
    let payment = Payment {
        reference: reference.clone(),
        payment_id: given.payment_id.clone(),
        amount: given.amount.map(|amount| amount.amount),
        currency: currency.filter(|_| !has_own),
    };
    let command = Command::Pay(payment);
    let answer = api.submit(&caller, command, &headers).await?;
    let outcome = match answer.detail {
        Detail::Payment(_, outcome) => Some(outcome.as_str()),
        _ => None,
    };
    let order = view(&api, &caller, &reference).await.map_err(Problem::after_commit)?;
    let paid = Paid { payment_id: given.payment_id.to_string(), outcome, order };
    Ok(super::written(StatusCode::OK, &answer, Json(paid).into_response()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShippedLine)]
struct Shipped {
    /// The line's number.
    line: i64,
    /// The part of a bundle's line.
    part: Option<i64>,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    quantity: i64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewShipment {
    #[serde(deserialize_with = "text")]
    shipment_id: FactId,
    /// What left; without it all that is held.
    lines: Option<Vec<Shipped>>,
    /// From where; without it from where it is held.
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    /// When, where that was earlier.
    #[serde(default, deserialize_with = "text_opt")]
    #[schema(value_type = Option<Moment>)]
    shipped_at: Option<Timestamp>,
    /// What the carrier calls it.
    #[serde(default, deserialize_with = "text_opt")]
    tracking: Option<Title>,
}

/// Records a shipment: of named lines, or of all that is held.
#[utoipa::path(
    post,
    path = "/orders/{order_id}/shipments",
    operation_id = "ship_order",
    tag = "orders",
    security(("key" = [FulfilOrders::SCOPE])),
    params(("order_id" = String, Path, example = "1001"), Once),
    request_body(content = NewShipment, examples(
        ("line" = (
            summary = "Of one line, with its tracking number",
            value = json!({
                "shipment_id": "parcel-1", "lines": [{ "line": 1, "quantity": 1 }],
                "tracking": "00340434292135100186",
            })
        )),
        ("all" = (
            summary = "All that is held", value = json!({ "shipment_id": "parcel-2" })
        )),
    )),
    responses(
        (status = 201, body = OrderView),
        (status = 200, body = OrderView, headers(("Idempotent-Replayed" = bool, description = "`true`: it was done before."))),
    ),
    extensions(("x-refusals" = json!([
        "404 unknown_order", "409 ambiguous_order", "409 mirrored_location",
        "422 idempotency_mismatch", "422 unknown_line", "422 unknown_location", "503 busy",
        "503 unknown_outcome",
    ]))),
)]
pub(super) async fn ship(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<FulfilOrders>,
    Segment(id): Segment,
    headers: HeaderMap,
    Body(given): Body<NewShipment>,
) -> Answered {
    let reference = reports::resolve_order(&api.shop.db, &id, caller.of_orders()).await?;
    let line = |index, one: Shipped| {
        let quantity = units(index, one.quantity)?;
        Ok(ShipLine { line: one.line, part: one.part, quantity })
    };
    let lines = given.lines.map(|lines| each(lines, line)).transpose()?;
    let command = Command::Ship(Ship {
        reference: reference.clone(),
        shipment_id: given.shipment_id,
        lines,
        location: given.location,
        effective_at: given.shipped_at.map(Timestamp::as_millis),
        tracking: given.tracking.map(|tracking| tracking.as_str().to_owned()),
    });
    let answer = api.submit(&caller, command, &headers).await?;
    shown(&api, &caller, &reference, &answer, StatusCode::CREATED).await
}

/// What becomes of goods that came back.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Disposition)]
enum WhatBecomes {
    Restock,
    Quarantine,
    WriteOff,
}

impl From<WhatBecomes> for Disposition {
    fn from(given: WhatBecomes) -> Self {
        match given {
            WhatBecomes::Restock => Self::Restock,
            WhatBecomes::Quarantine => Self::Quarantine,
            WhatBecomes::WriteOff => Self::WriteOff,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReturnedLine)]
struct Returned {
    /// The line's number.
    line: i64,
    /// The part of a bundle's line.
    part: Option<i64>,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    quantity: i64,
    disposition: WhatBecomes,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReturn {
    #[serde(deserialize_with = "text")]
    return_id: FactId,
    #[schema(min_items = 1)]
    lines: Vec<Returned>,
    /// Where it came to; without it where it was shipped from.
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    /// When, where that was earlier.
    #[serde(default, deserialize_with = "text_opt")]
    #[schema(value_type = Option<Moment>)]
    returned_at: Option<Timestamp>,
}

/// Records a return: what came back, and what becomes of it.
#[utoipa::path(
    post,
    path = "/orders/{order_id}/returns",
    operation_id = "return_order",
    tag = "orders",
    security(("key" = [FulfilOrders::SCOPE])),
    params(("order_id" = String, Path, example = "1003"), Once),
    request_body(content = NewReturn, examples(
        ("restock" = (
            summary = "One unit, which can be sold again",
            value = json!({
                "return_id": "ret-1",
                "lines": [{ "line": 1, "quantity": 1, "disposition": "restock" }],
            })
        )),
    )),
    responses(
        (status = 201, body = OrderView),
        (status = 200, body = OrderView, headers(("Idempotent-Replayed" = bool, description = "`true`: it was done before."))),
    ),
    extensions(("x-refusals" = json!([
        "404 unknown_order", "409 ambiguous_order", "409 mirrored_location",
        "422 idempotency_mismatch", "422 unknown_line", "422 unknown_location", "503 busy",
        "503 unknown_outcome",
    ]))),
)]
pub(super) async fn take_back(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<FulfilOrders>,
    Segment(id): Segment,
    headers: HeaderMap,
    Body(given): Body<NewReturn>,
) -> Answered {
    let reference = reports::resolve_order(&api.shop.db, &id, caller.of_orders()).await?;
    let lines = each(given.lines, |index, one| {
        let quantity = units(index, one.quantity)?;
        let disposition = one.disposition.into();
        Ok(ReturnLine { line: one.line, part: one.part, quantity, disposition })
    })?;
    let command = Command::Return(Return {
        reference: reference.clone(),
        return_id: given.return_id,
        lines,
        location: given.location,
        effective_at: given.returned_at.map(Timestamp::as_millis),
    });
    let answer = api.submit(&caller, command, &headers).await?;
    shown(&api, &caller, &reference, &answer, StatusCode::CREATED).await
}
