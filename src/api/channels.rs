//! `/v1/channels`: how channels stand, and what may be asked of them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use axum::{Extension, Json};
use serde_json::json;

use super::Api;
use super::auth::{May, ReadLedger, WriteStock};
use super::problem::{Answered, Problem};
use crate::config::ChannelMode;
use crate::sync;
use crate::telemetry::Origin;

/// How every channel stands.
pub(super) async fn list(State(api): State<Arc<Api>>, _: May<ReadLedger>) -> Answered {
    let data = sync::statuses(&api.channels).await.map_err(|error| Problem::of_store(&error))?;
    Ok(Json(json!({ "data": data })).into_response())
}

/// Has something done with a channel: `pause`, `resume`, `push` (all its numbers are
/// looked at) or `pull` (its orders are read now).
pub(super) async fn act(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteStock>,
    origin: Option<Extension<Origin>>,
    Path((name, action)): Path<(String, String)>,
) -> Answered {
    let found = api.channels.iter().find(|channel| channel.name() == name);
    let channel = found.ok_or_else(|| {
        Problem::not_found("unknown_channel", format!("there is no channel {name:?}"))
    })?;
    let origin = origin.as_ref().map(|Extension(origin)| origin);
    let set = |mode| channel.set_mode_for(mode, caller.account, origin);
    match action.as_str() {
        "pause" => set(Some(ChannelMode::Paused)).await.map_err(of_store)?,
        "resume" => set(None).await.map_err(of_store)?,
        "push" => drop(channel.push_all().await.map_err(of_store)?),
        "pull" => drop(channel.pull_now().await.map_err(|error| {
            Problem::new(axum::http::StatusCode::BAD_GATEWAY, "channel_failed", error.to_string())
        })?),
        _ => return Err(Problem::not_found("not_found", "there is nothing at this path")),
    }
    let status = channel.status().await.map_err(of_store)?;
    Ok(Json(status).into_response())
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err passes")]
fn of_store(error: crate::store::StoreError) -> Problem {
    Problem::of_store(&error)
}
