//! `/v1/inventory`: what there is and what of it may be promised.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::json;

use super::Api;
use super::auth::{May, ReadLedger, ReadStock};
use super::body::{Body, text, text_opt};
use super::etag;
use super::problem::{Answered, Problem};
use super::query::{Parameters, Segment, limit};
use crate::clock::Timestamp;
use crate::domain::{ItemStatus, LocationCode, Sku};
use crate::reports::{self, HistoryFilter, ItemFilter, LIMIT_MAX};
use crate::sync::{self, MapError};

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Moment {
    #[serde(default, deserialize_with = "text_opt")]
    as_of: Option<Timestamp>,
}

/// `GET /v1/inventory/{sku}`, now or at a moment.
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
        return Ok(Json(then.map_err(|problem| problem.of_path("unknown_sku"))?).into_response());
    }
    let state = reports::item_state(&api.shop.db, &sku, api.policy).await?;
    let state = state.ok_or_else(|| unknown(&sku))?;
    let tag = etag::tag(&state);
    if etag::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], Json(state.item)).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    q: Option<String>,
    status: Option<String>,
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    #[serde(default, deserialize_with = "text_opt")]
    updated_since: Option<Timestamp>,
    #[serde(default)]
    low_stock: bool,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/inventory`: a page of items by SKU.
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchGet {
    skus: Vec<Wanted>,
}

/// `POST /v1/inventory/batch-get`: one outcome a SKU, in the order asked for.
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
        .map(|(sku, item)| match item {
            Some(item) => json!({ "sku": sku.as_str(), "item": item }),
            None => json!({ "sku": sku.as_str(), "code": "unknown_sku" }),
        })
        .collect();
    Ok(Json(json!({ "data": data })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    #[serde(default, deserialize_with = "text_opt")]
    location: Option<LocationCode>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/inventory/{sku}/movements`: the newest first.
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Explanation {
    channel: Option<String>,
}

/// `GET /v1/inventory/{sku}/explain`: the terms that add up to what can be promised.
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
        return Ok(Json(explained).into_response());
    }
    let explained = reports::explain(&api.shop.db, &sku, api.policy).await;
    let explained = explained.map_err(|error| Problem::from(error).of_path("unknown_sku"))?;
    Ok(Json(explained).into_response())
}

/// Why a number on a channel cannot be explained.
fn not_explained(error: &MapError) -> Problem {
    match error {
        MapError::Store(error) => Problem::of_store(error),
        MapError::UnknownSku(_) => Problem::not_found("unknown_sku", error.to_string()),
        _ => Problem::not_found("not_sold", "no listing of the channel is this item"),
    }
}
