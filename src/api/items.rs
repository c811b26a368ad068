//! The catalogue entry of an item: create, change, take out of sale.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use serde::Deserialize;

use super::Api;
use super::auth::{May, WriteStock};
use super::body::{Amount, Body, Object, text_opt};
use super::etag::{expected, tag};
use super::inventory::{sku_of, unknown};
use super::problem::{Answered, Problem};
use super::query::Segment;
use crate::domain::{Barcode, Currency, LocationCode, Quantity, QuantityError, Sku, Title};
use crate::ledger::catalogue::{ItemRow, Upsert};
use crate::reports;
use crate::writer::{Answer, Command};

/// What may be said of an item; what is left out stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// Only of a new item.
    #[serde(default, deserialize_with = "text_opt")]
    sku: Option<Sku>,
    #[serde(default, deserialize_with = "text_opt")]
    title: Option<Title>,
    #[serde(default, deserialize_with = "text_opt")]
    barcode: Option<Barcode>,
    price: Option<Amount>,
    cost: Option<Amount>,
    attributes: Option<Object>,
    reorder_point: Option<i64>,
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    safety: Option<i64>,
    /// Opening stock, only of a new item.
    on_hand: Option<i64>,
}

fn quantity(field: &str, given: Option<i64>) -> Result<Option<Quantity>, Problem> {
    let wrong = |error: QuantityError| Problem::invalid(field, error.to_string());
    given.map(Quantity::new).transpose().map_err(wrong)
}

impl Fields {
    fn into_row(self) -> Result<ItemRow, Problem> {
        let currency = self.currency()?;
        Ok(ItemRow {
            title: self.title,
            barcode: self.barcode,
            price: self.price.map(|price| price.amount),
            cost: self.cost.map(|cost| cost.amount),
            currency,
            location: self.location,
            on_hand: quantity("on_hand", self.on_hand)?,
            safety: quantity("safety", self.safety)?,
            reorder_point: quantity("reorder_point", self.reorder_point)?,
            attributes: self.attributes.map(|Object(attributes)| attributes.to_string()),
            components: None,
        })
    }

    /// The one currency of price and cost.
    fn currency(&self) -> Result<Option<String>, Problem> {
        let mut currency: Option<String> = None;
        for (field, amount) in [("price", &self.price), ("cost", &self.cost)] {
            let Some(Amount { amount, currency: code }) = amount else {
                continue;
            };
            if *amount < 0 {
                return Err(Problem::invalid(&format!("{field}.amount"), "is below 0"));
            }
            let field = format!("{field}.currency");
            let known = Currency::parse(code)
                .map_err(|error| Problem::invalid(&field, error.to_string()))?;
            if currency.get_or_insert_with(|| known.code().to_owned()) != known.code() {
                return Err(Problem::invalid(&field, "price and cost have one currency"));
            }
        }
        Ok(currency)
    }
}

/// `POST /v1/inventory`.
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteStock>,
    headers: HeaderMap,
    Body(mut new): Body<Fields>,
) -> Answered {
    let sku = new.sku.take().ok_or_else(|| Problem::invalid("sku", "is missing"))?;
    let row = Box::new(new.into_row()?);
    let command = Command::Item { sku: sku.clone(), row, mode: Upsert::Create };
    let answer = api.submit(&caller, command, &headers).await?;
    shown(&api, &sku, &answer, StatusCode::CREATED).await
}

/// `PUT /v1/inventory/{sku}`; with `If-Match` only in the version that was read.
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteStock>,
    Segment(sku): Segment,
    headers: HeaderMap,
    Body(fields): Body<Fields>,
) -> Answered {
    let sku = sku_of(&sku)?;
    for (field, given) in [("sku", fields.sku.is_some()), ("on_hand", fields.on_hand.is_some())] {
        if given {
            return Err(Problem::invalid(field, "is only said of a new item"));
        }
    }
    let row = Box::new(fields.into_row()?);
    let mode = expected(&api, &sku, &headers).await?.map_or(Upsert::Update, Upsert::UpdateAt);
    let command = Command::Item { sku: sku.clone(), row, mode };
    let answer = api.submit(&caller, command, &headers).await;
    let answer = answer
        .map_err(|problem| problem.of_path("unknown_sku").precondition("version_conflict"))?;
    shown(&api, &sku, &answer, StatusCode::OK).await
}

/// `DELETE /v1/inventory/{sku}`: out of sale; its history stays. With `If-Match` only in
/// the version that was read.
pub(super) async fn discontinue(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteStock>,
    Segment(sku): Segment,
    headers: HeaderMap,
) -> Answered {
    let sku = sku_of(&sku)?;
    let command = match expected(&api, &sku, &headers).await? {
        Some(version) => Command::DiscontinueAt(sku, version),
        None => Command::Discontinue(sku),
    };
    let answer = api.submit(&caller, command, &headers).await;
    answer.map_err(|problem| problem.of_path("unknown_sku").precondition("version_conflict"))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn shown(api: &Api, sku: &Sku, answer: &Answer, status: StatusCode) -> Answered {
    let state = reports::item_state(&api.shop.db, sku, api.policy).await;
    let state = state.map_err(|error| Problem::from(error).after_commit())?;
    let state = state.ok_or_else(|| unknown(sku))?;
    let tagged = ([(header::ETAG, tag(&state))], Json(state.item)).into_response();
    Ok(super::written(status, answer, tagged))
}
