//! The catalogue entry of an item: create, change, take out of sale.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Api;
use super::auth::{May, WriteStock};
use super::body::{Amount, Body, Object, text_opt};
use super::document::parameters::{IfMatch, Once};
use super::etag::{expected, tag};
use super::inventory::{sku_of, unknown};
use super::problem::{Answered, Problem};
use super::query::Segment;
use crate::domain::{Barcode, Currency, LocationCode, Quantity, QuantityError, Sku, Title};
use crate::ledger::catalogue::{ItemRow, Upsert};
use crate::reports::{self, ItemView};
use crate::writer::{Answer, Command};

/// What may be said of an item; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// Only of a new item.
    #[serde(default, deserialize_with = "text_opt")]
    sku: Option<Sku>,
    /// What it is called; of a new item its SKU when nothing is said.
    #[serde(default, deserialize_with = "text_opt")]
    title: Option<Title>,
    #[serde(default, deserialize_with = "text_opt")]
    barcode: Option<Barcode>,
    /// What it is sold for.
    price: Option<Amount>,
    /// What it costs, in the currency of the price.
    cost: Option<Amount>,
    /// Further fields, as one object.
    attributes: Option<Object>,
    /// At or below this ATP it is low.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    reorder_point: Option<i64>,
    /// Where `safety` and `on_hand` are meant; needed where several locations exist.
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    /// Units withheld from sale.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    safety: Option<i64>,
    /// Opening stock, only of a new item.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    on_hand: Option<i64>,
}

/// A new item.
#[derive(Debug)]
pub(super) struct NewItem;

impl PartialSchema for NewItem {
    fn schema() -> RefOr<Schema> {
        fields(needs_sku)
    }
}

impl ToSchema for NewItem {}

/// What changes of an item.
#[derive(Debug)]
pub(super) struct ItemChange;

impl PartialSchema for ItemChange {
    fn schema() -> RefOr<Schema> {
        fields(|object| object.properties.retain(|name, _| name != "sku" && name != "on_hand"))
    }
}

impl ToSchema for ItemChange {}

/// A request that says of which item.
pub(super) fn needs_sku(object: &mut utoipa::openapi::Object) {
    object.required.push("sku".to_owned());
    object.properties.insert("sku".to_owned(), Ref::from_schema_name("Sku").into());
}

/// The fields as they stand in one of the two requests.
fn fields(fit: impl FnOnce(&mut utoipa::openapi::Object)) -> RefOr<Schema> {
    let mut schema = Fields::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        fit(object);
    }
    schema
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

/// Creates an item, with opening stock where it has some.
#[utoipa::path(
    post,
    path = "/inventory",
    operation_id = "create_item",
    tag = "inventory",
    security(("key" = [WriteStock::SCOPE])),
    params(Once),
    request_body(content = NewItem, examples(
        ("mug" = (
            summary = "With a price and opening stock",
            value = json!({
                "sku": "POT-BIG", "title": "Big pot", "on_hand": 12, "location": "main",
                "price": { "amount": 2490, "currency": "EUR" }, "reorder_point": 3,
                "attributes": { "colour": "red" },
            })
        )),
    )),
    responses(
        (status = 201, body = ItemView, headers(("ETag" = String, description = "The state of the item: `\"ITEMVERSION.STOCKSEQ\"`."))),
        (status = 200, body = ItemView, headers(("Idempotent-Replayed" = bool, description = "`true`: it was done before."))),
    ),
    extensions(("x-refusals" = json!([
        "409 already_exists", "409 mirrored_location", "422 idempotency_mismatch",
        "422 location_required", "422 unknown_location", "503 busy", "503 unknown_outcome",
    ]))),
)]
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

/// Changes an item; what is left out stays as it is.
#[utoipa::path(
    put,
    path = "/inventory/{sku}",
    operation_id = "change_item",
    tag = "inventory",
    security(("key" = [WriteStock::SCOPE])),
    params(("sku" = Sku, Path, example = "MUG-RED-300"), IfMatch, Once),
    request_body(content = ItemChange, examples(
        ("price" = (
            summary = "Another price",
            value = json!({ "price": { "amount": 1290, "currency": "EUR" } })
        )),
        ("safety" = (
            summary = "Units withheld from sale at one location",
            value = json!({ "location": "main", "safety": 2 })
        )),
    )),
    responses((status = 200, body = ItemView, headers(
        ("ETag" = String, description = "The state of the item."),
        ("Idempotent-Replayed" = Option<bool>, description = "`true` where it was done before."),
    ))),
    extensions(("x-refusals" = json!([
        "404 unknown_sku", "409 mirrored_location", "409 bundle_has_no_stock",
        "412 version_conflict", "422 idempotency_mismatch", "422 location_required",
        "422 unknown_location", "503 busy", "503 unknown_outcome",
    ]))),
)]
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
    // What is wrong with a request is said before what its conditions find.
    let key = super::idempotency_key(&headers)?;
    let mode = expected(&headers)?.map_or(Upsert::Update, Upsert::UpdateAt);
    let command = Command::Item { sku: sku.clone(), row, mode };
    let answer = api.submit_under(&caller, command, key).await;
    let answer = answer
        .map_err(|problem| problem.of_path("unknown_sku").precondition("version_conflict"))?;
    shown(&api, &sku, &answer, StatusCode::OK).await
}

/// Takes an item out of sale for good; its history stays.
#[utoipa::path(
    delete,
    path = "/inventory/{sku}",
    operation_id = "discontinue_item",
    tag = "inventory",
    security(("key" = [WriteStock::SCOPE])),
    params(("sku" = Sku, Path, example = "MUG-OLD"), IfMatch, Once),
    responses((status = 204)),
    extensions(("x-refusals" = json!([
        "404 unknown_sku", "409 has_open_reservations", "412 version_conflict",
        "422 idempotency_mismatch", "503 busy", "503 unknown_outcome",
    ]))),
)]
pub(super) async fn discontinue(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteStock>,
    Segment(sku): Segment,
    headers: HeaderMap,
) -> Answered {
    let sku = sku_of(&sku)?;
    let key = super::idempotency_key(&headers)?;
    let command = match expected(&headers)? {
        Some(versions) => Command::DiscontinueAt(sku, versions),
        None => Command::Discontinue(sku),
    };
    let answer = api.submit_under(&caller, command, key).await;
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
