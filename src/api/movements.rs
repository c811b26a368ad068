//! `POST /v1/inventory/{sku}/movements`: goods in, corrections, counts, moves, losses.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::json;

use super::Api;
use super::auth::{May, WriteStock};
use super::body::{Body, text_opt};
use super::inventory::sku_of;
use super::problem::{Answered, Problem};
use super::query::Segment;
use crate::clock::Timestamp;
use crate::domain::{Delta, LocationCode, Quantity, QuantityError, Reason, Seq, Sku};
use crate::ledger::stock::{Basis, Change, Place, StockCommand};
use crate::reports;
use crate::writer::Command;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Receipt,
    Adjustment,
    Count,
    Transfer,
    WriteOff,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Movement {
    /// Of what; only where the path does not say it.
    #[serde(default, deserialize_with = "text_opt")]
    pub(super) sku: Option<Sku>,
    kind: Kind,
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    quantity: i64,
    #[serde(default, deserialize_with = "text_opt")]
    reason: Option<Reason>,
    #[serde(default, deserialize_with = "text_opt")]
    to_location: Option<LocationCode>,
    if_version: Option<i64>,
    #[serde(default, deserialize_with = "text_opt")]
    observed_at: Option<Timestamp>,
}

impl Movement {
    /// The command that it is, for an item.
    pub(super) fn command(self, sku: Sku) -> Result<Command, Problem> {
        Ok(Command::Stock(StockCommand {
            change: self.change()?,
            place: Place { sku, location: self.location },
            reason: self.reason,
            effective_at: self.observed_at.map(Timestamp::as_millis),
            if_version: self.if_version,
        }))
    }

    fn change(&self) -> Result<Change, Problem> {
        let wrong = |error: QuantityError| Problem::invalid("quantity", error.to_string());
        let positive = || Quantity::positive(self.quantity).map_err(wrong);
        if self.to_location.is_some() && !matches!(self.kind, Kind::Transfer) {
            return Err(Problem::invalid("to_location", "only a transfer goes somewhere"));
        }
        Ok(match self.kind {
            Kind::Receipt => Change::Receive(positive()?),
            Kind::Adjustment => Change::Adjust(Delta::new(self.quantity).map_err(wrong)?),
            Kind::Count => Change::Count {
                quantity: Quantity::new(self.quantity).map_err(wrong)?,
                basis: Basis::Physical,
                observer: None,
            },
            Kind::WriteOff => Change::WriteOff(positive()?),
            Kind::Transfer => Change::Transfer {
                quantity: positive()?,
                to: self
                    .to_location
                    .clone()
                    .ok_or_else(|| Problem::invalid("to_location", "a transfer needs it"))?,
            },
        })
    }
}

/// Posts a movement; a repeat under the same `Idempotency-Key` is a replay.
pub(super) async fn post(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteStock>,
    Segment(sku): Segment,
    headers: HeaderMap,
    Body(given): Body<Movement>,
) -> Answered {
    let sku = sku_of(&sku)?;
    if given.sku.is_some() {
        return Err(Problem::invalid("sku", "stands in the path"));
    }
    let command = given.command(sku.clone())?;
    let answer = api.submit(&caller, command, &headers).await;
    let answer = answer.map_err(|problem| problem.of_path("unknown_sku"))?;
    let item = reports::item(&api.shop.db, &sku, api.policy).await;
    let item = item.map_err(|error| Problem::from(error).after_commit())?;
    let document = json!({ "seq": answer.seq.map(Seq::get), "inventory": item });
    Ok(super::written(StatusCode::CREATED, &answer, Json(document).into_response()))
}
