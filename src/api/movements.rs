//! `POST /v1/inventory/{sku}/movements`: goods in, corrections, counts, moves, losses.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Api;
use super::auth::{May, WriteStock};
use super::body::{Body, text_opt};
use super::document::parameters::Once;
use super::document::words::Moment;
use super::inventory::sku_of;
use super::problem::{Answered, Problem};
use super::query::Segment;
use crate::clock::Timestamp;
use crate::domain::{Delta, LocationCode, Quantity, QuantityError, Reason, Seq, Sku};
use crate::ledger::stock::{Basis, Change, Place, StockCommand};
use crate::reports::{self, ItemView};
use crate::writer::Command;

/// What moves the goods.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(as = MovementKind)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Receipt,
    Adjustment,
    Count,
    Transfer,
    WriteOff,
}

/// Goods in, a correction, a count, a move or a loss.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Movement {
    /// Of what; only where the path does not say it.
    #[serde(default, deserialize_with = "text_opt")]
    pub(super) sku: Option<Sku>,
    kind: Kind,
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    /// Units: of an adjustment with its sign and not 0, of a count what is there, of others at
    /// least 1.
    #[schema(minimum = -1_000_000_000, maximum = 1_000_000_000)]
    quantity: i64,
    #[serde(default, deserialize_with = "text_opt")]
    reason: Option<Reason>,
    /// Where a transfer goes, which needs it; others have none.
    #[serde(default, deserialize_with = "text_opt")]
    to_location: Option<LocationCode>,
    /// Only if the level is still at this version.
    if_version: Option<i64>,
    /// When it was so, where that was earlier; not in the future.
    #[serde(default, deserialize_with = "text_opt")]
    #[schema(value_type = Option<Moment>)]
    observed_at: Option<Timestamp>,
}

/// A movement of the item of the path.
#[derive(Debug)]
pub(super) struct ItemMovement;

impl PartialSchema for ItemMovement {
    fn schema() -> RefOr<Schema> {
        let mut schema = Movement::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.properties.remove("sku");
        }
        schema
    }
}

impl ToSchema for ItemMovement {}

/// What a movement left.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Moved {
    /// Its entry in the journal; `null` where a count found what was known.
    #[schema(required)]
    seq: Option<i64>,
    /// The item after it.
    #[schema(required)]
    inventory: Option<ItemView>,
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

/// Moves goods: in, out, from place to place, or to what was counted.
#[utoipa::path(
    post,
    path = "/inventory/{sku}/movements",
    operation_id = "move_item",
    tag = "inventory",
    security(("key" = [WriteStock::SCOPE])),
    params(("sku" = Sku, Path, example = "MUG-RED-300"), Once),
    request_body(content = ItemMovement, examples(
        ("receipt" = (
            summary = "Goods in",
            value = json!({ "kind": "receipt", "location": "main", "quantity": 24 })
        )),
        ("adjustment" = (
            summary = "A correction",
            value = json!({
                "kind": "adjustment", "location": "main", "quantity": -1, "reason": "found broken",
            })
        )),
        ("count" = (
            summary = "What was counted",
            value = json!({ "kind": "count", "location": "main", "quantity": 40 })
        )),
        ("transfer" = (
            summary = "From place to place",
            value = json!({
                "kind": "transfer", "location": "main", "to_location": "store", "quantity": 2,
            })
        )),
        ("write_off" = (
            summary = "A loss",
            value = json!({ "kind": "write_off", "location": "main", "quantity": 1 })
        )),
    )),
    responses(
        (status = 201, body = Moved),
        (status = 200, body = Moved, headers(("Idempotent-Replayed" = bool, description = "`true`: it was done before."))),
    ),
    extensions(("x-refusals" = json!([
        "404 unknown_sku", "409 bundle_has_no_stock", "409 insufficient_stock",
        "409 mirrored_location", "409 version_conflict", "422 idempotency_mismatch",
        "422 location_required", "422 unknown_location", "503 busy", "503 unknown_outcome",
    ]))),
)]
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
    let moved = Moved { seq: answer.seq.map(Seq::get), inventory: item };
    Ok(super::written(StatusCode::CREATED, &answer, Json(moved).into_response()))
}
