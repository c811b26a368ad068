//! What has happened to an order: payments, shipments and returns under the
//! sender's own ids, which make a repeat a replay.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::json;

use super::Api;
use super::auth::{FulfilOrders, May};
use super::body::{Amount, Body, each, text, text_opt, units};
use super::orders::{shown, view};
use super::problem::{Answered, Problem};
use super::query::Segment;
use crate::clock::Timestamp;
use crate::domain::{Currency, FactId, LocationCode, Title};
use crate::orders::{Disposition, Payment, Return, ReturnLine, Ship, ShipLine};
use crate::reports;
use crate::writer::{Command, Detail};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPayment {
    #[serde(deserialize_with = "text")]
    payment_id: FactId,
    amount: Option<Amount>,
}

/// `POST /v1/orders/{order_id}/payments`.
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
    let document = json!({
        "payment_id": given.payment_id.as_str(), "outcome": outcome, "order": order
    });
    Ok(super::written(StatusCode::OK, &answer, Json(document).into_response()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shipped {
    line: i64,
    part: Option<i64>,
    quantity: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewShipment {
    #[serde(deserialize_with = "text")]
    shipment_id: FactId,
    lines: Option<Vec<Shipped>>,
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    #[serde(default, deserialize_with = "text_opt")]
    shipped_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "text_opt")]
    tracking: Option<Title>,
}

/// `POST /v1/orders/{order_id}/shipments`: named lines, or all that is held.
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

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Returned {
    line: i64,
    part: Option<i64>,
    quantity: i64,
    disposition: WhatBecomes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReturn {
    #[serde(deserialize_with = "text")]
    return_id: FactId,
    lines: Vec<Returned>,
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    #[serde(default, deserialize_with = "text_opt")]
    returned_at: Option<Timestamp>,
}

/// `POST /v1/orders/{order_id}/returns`.
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
