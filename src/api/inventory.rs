//! `/v1/inventory`: what there is and what of it may be promised.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::auth::{May, ReadLedger, ReadStock};
use super::body::{Body, text, text_opt};
use super::document::parameters::IfNoneMatch;
use super::document::words;
use super::etag;
use super::problem::{Answered, Problem};
use super::query::{Parameters, Segment, limit};
use crate::clock::Timestamp;
use crate::domain::{ItemStatus, LocationCode, Sku};
use crate::reports::{
    self, AsOf, EntryView, Explained, HistoryFilter, ItemFilter, ItemView, LIMIT_MAX, Page,
};
use crate::sync::{self, ExplainedChannel, MapError};

/// What of a name that does not exist is repeated in an error.
const NAMED_CHARS_MAX: usize = 64;

/// A SKU of the path.
pub(super) fn sku_of(path: &str) -> Result<Sku, Problem> {
    // What is no SKU is none that is known.
    Sku::new(path).map_err(|error| Problem::not_found("unknown_sku", error.to_string()))
}

pub(super) fn unknown(sku: &Sku) -> Problem {
    Problem::not_found("unknown_sku", format!("no item has the SKU '{sku}'"))
        .with("sku", sku.as_str())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Moment {
    /// As it was then, by what was recorded by then; not in the future.
    #[serde(default, deserialize_with = "text_opt")]
    #[param(value_type = Option<words::Moment>)]
    as_of: Option<Timestamp>,
}

/// An item, or what was true of it at a moment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Shown {
    Now(ItemView),
    Then(AsOf),
}

/// Shows an item, now or as it was at a moment.
#[utoipa::path(
    get,
    path = "/inventory/{sku}",
    operation_id = "show_item",
    tag = "inventory",
    security(("key" = [ReadStock::SCOPE])),
    params(
        ("sku" = Sku, Path, description = "Its SKU of today or an earlier one.", example = "MUG-RED-300"),
        Moment,
        IfNoneMatch,
    ),
    responses((status = 200, body = Shown, headers(("ETag" = String, description = "The state of the item: `\"ITEMVERSION.STOCKSEQ\"`."))), (status = 304)),
    extensions(("x-refusals" = json!(["404 unknown_sku"]))),
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    May { .. }: May<ReadStock>,
    Segment(sku): Segment,
    Parameters(moment): Parameters<Moment>,
    headers: HeaderMap,
) -> Answered {
    let sku = sku_of(&sku)?;
    if let Some(at) = moment.as_of {
        let now = api.shop.clock.now();
        let then = reports::as_of(&api.shop.db, &sku, at, now).await.map_err(Problem::from);
        let then = then.map_err(|problem| problem.of_path("unknown_sku"))?;
        return Ok(Json(Shown::Then(then)).into_response());
    }
    let state = api.items.state(&api.shop.db, &sku, api.policy).await?;
    let state = state.ok_or_else(|| unknown(&sku))?;
    let tag = etag::tag(&state);
    if let Some(tag) = etag::known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], Json(Shown::Now(state.item))).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Part of the SKU or the title, or the whole barcode.
    q: Option<String>,
    /// Only of this status.
    #[param(value_type = Option<ItemStatus>)]
    status: Option<String>,
    /// Only what ever moved at this location.
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    /// Only what changed or moved since then.
    #[serde(default, deserialize_with = "text_opt")]
    #[param(value_type = Option<words::Moment>)]
    updated_since: Option<Timestamp>,
    /// Only what is at or below its reorder point.
    #[serde(default)]
    low_stock: bool,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Entries of a page; 50 when nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Lists items by SKU, byte by byte.
#[utoipa::path(
    get,
    path = "/inventory",
    operation_id = "list_items",
    tag = "inventory",
    security(("key" = [ReadStock::SCOPE])),
    params(Filter),
    responses((status = 200, body = Page<ItemView>)),
    extensions(("x-refusals" = json!(["422 unknown_location"]))),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    May { .. }: May<ReadStock>,
    Parameters(given): Parameters<Filter>,
) -> Answered {
    let limit = limit(given.limit)?;
    let status = given.status.as_deref().map(|status| {
        ItemStatus::parse(status)
            .ok_or_else(|| Problem::invalid("status", "expected active, stopped or discontinued"))
    });
    let filter = ItemFilter {
        q: given.q,
        status: status.transpose()?,
        location: given.location,
        low_stock: given.low_stock,
        updated_since: given.updated_since,
    };
    let cursor = given.cursor.as_deref();
    let page = reports::items(&api.shop.db, &filter, api.policy, cursor, limit).await?;
    Ok(Json(page).into_response())
}

/// A SKU of a body.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted(#[serde(deserialize_with = "text")] Sku);

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchGet {
    #[schema(value_type = Vec<Sku>, max_items = 500)]
    skus: Vec<Wanted>,
}

/// What became of one SKU that was asked for: the item, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Got {
    /// The SKU as it was asked for.
    sku: String,
    /// The item, where one has the SKU.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<ItemView>,
    /// `unknown_sku` where none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^unknown_sku$")]
    code: Option<&'static str>,
}

/// One outcome an entry, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcomes<T> {
    pub(super) data: Vec<T>,
}

/// Shows many items at once: one outcome a SKU, in the order asked for.
#[utoipa::path(
    post,
    path = "/inventory/batch-get",
    operation_id = "get_items",
    tag = "inventory",
    security(("key" = [ReadStock::SCOPE])),
    request_body(content = BatchGet, examples(
        ("some" = (
            summary = "One that is known and one that is not",
            value = json!({ "skus": ["MUG-RED-300", "NO-SUCH-MUG"] })
        )),
    )),
    responses((status = 200, body = Outcomes<Got>)),
)]
pub(super) async fn batch_get(
    State(api): State<Arc<Api>>,
    May { .. }: May<ReadStock>,
    Body(given): Body<BatchGet>,
) -> Answered {
    if given.skus.len() > LIMIT_MAX {
        return Err(Problem::invalid("skus", format!("at most {LIMIT_MAX} at once")));
    }
    let skus: Vec<Sku> = given.skus.into_iter().map(|Wanted(sku)| sku).collect();
    let items = reports::items_by_sku(&api.shop.db, &skus, api.policy).await?;
    let data: Vec<_> = skus
        .iter()
        .zip(items)
        .map(|(sku, item)| Got {
            sku: sku.to_string(),
            code: item.is_none().then_some("unknown_sku"),
            item,
        })
        .collect();
    Ok(Json(Outcomes { data }).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    /// Only at this location.
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Entries of a page; 50 when nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Lists the movements of an item, the newest first.
#[utoipa::path(
    get,
    path = "/inventory/{sku}/movements",
    operation_id = "list_movements",
    tag = "inventory",
    security(("key" = [ReadLedger::SCOPE])),
    params(("sku" = Sku, Path, example = "MUG-RED-300"), History),
    responses((status = 200, body = Page<EntryView>)),
    extensions(("x-refusals" = json!(["404 unknown_sku", "422 unknown_location"]))),
)]
pub(super) async fn movements(
    State(api): State<Arc<Api>>,
    May { .. }: May<ReadLedger>,
    Segment(sku): Segment,
    Parameters(given): Parameters<History>,
) -> Answered {
    let (sku, limit) = (sku_of(&sku)?, limit(given.limit)?);
    let filter = HistoryFilter { location: given.location, ..HistoryFilter::default() };
    let page = reports::history(&api.shop.db, &sku, &filter, given.cursor.as_deref(), limit).await;
    let page = page.map_err(|error| Problem::from(error).of_path("unknown_sku"))?;
    Ok(Json(page).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Explanation {
    /// Explains what this channel is told, and what it is known to show.
    channel: Option<String>,
}

/// Why a number is what it is: of the item, or on a channel.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Explaining {
    Item(Explained),
    Channel(ExplainedChannel),
}

/// Explains a number: the terms that add up to what can be promised, or to what a channel is told.
#[utoipa::path(
    get,
    path = "/inventory/{sku}/explain",
    operation_id = "explain_item",
    tag = "inventory",
    security(("key" = [ReadLedger::SCOPE])),
    params(("sku" = Sku, Path, example = "MUG-RED-300"), Explanation),
    responses((status = 200, body = Explaining)),
    extensions(("x-refusals" = json!(["404 unknown_sku", "404 not_sold"]))),
)]
pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    May { .. }: May<ReadLedger>,
    Segment(sku): Segment,
    Parameters(given): Parameters<Explanation>,
) -> Answered {
    let sku = sku_of(&sku)?;
    if let Some(channel) = given.channel {
        let found = api.channels.iter().find(|known| known.name() == channel);
        let Some(found) = found else {
            let channel: String = channel.chars().take(NAMED_CHARS_MAX).collect();
            return Err(Problem::invalid(
                "channel",
                format!("no channel has the name '{channel}'"),
            ));
        };
        let explained = sync::explain(found, &sku).await.map_err(|error| not_explained(&error))?;
        return Ok(Json(Explaining::Channel(explained)).into_response());
    }
    let explained = reports::explain(&api.shop.db, &sku, api.policy).await;
    let explained = explained.map_err(|error| Problem::from(error).of_path("unknown_sku"))?;
    Ok(Json(Explaining::Item(explained)).into_response())
}

/// Why a number on a channel cannot be explained.
fn not_explained(error: &MapError) -> Problem {
    match error {
        MapError::Store(error) => Problem::of_store(error),
        MapError::UnknownSku(_) => Problem::not_found("unknown_sku", error.to_string()),
        _ => Problem::not_found("not_sold", "no listing of the channel is this item"),
    }
}
