//! `/v1/channels`: how channels stand, and what may be asked of them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::{Extension, Json};
use serde::de::IntoDeserializer as _;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::{May, ReadLedger, WriteStock};
use super::problem::{Answered, Problem};
use super::query::Segment;
use crate::config::ChannelMode;
use crate::sync::{self, ChannelStatus};
use crate::telemetry::Origin;

/// How channels stand.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Channels {
    data: Vec<ChannelStatus>,
}

/// What may be asked of a channel.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    /// Its orders come in; nothing is published.
    Pause,
    /// Again what its configuration says.
    Resume,
    /// All its numbers are looked at.
    Push,
    /// Its orders are read now.
    Pull,
}

impl Action {
    fn parse(text: &str) -> Option<Self> {
        let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        Self::deserialize(text).ok()
    }
}

/// Shows how every channel stands.
#[utoipa::path(
    get,
    path = "/channels",
    operation_id = "list_channels",
    tag = "channels",
    security(("key" = [ReadLedger::SCOPE])),
    responses((status = 200, body = Channels)),
)]
pub(super) async fn list(State(api): State<Arc<Api>>, _: May<ReadLedger>) -> Answered {
    let data = sync::statuses(&api.channels).await.map_err(|error| Problem::of_store(&error))?;
    Ok(Json(Channels { data }).into_response())
}

/// Has something done with a channel: `pause`, `resume`, `push` (all its numbers are looked at) or
/// `pull` (its orders are read now).
#[utoipa::path(
    post,
    path = "/channels/{name}/{action}",
    operation_id = "act_on_channel",
    tag = "channels",
    security(("key" = [WriteStock::SCOPE])),
    params(("name" = String, Path), ("action" = inline(Action), Path)),
    responses((status = 200, body = ChannelStatus)),
    extensions(("x-refusals" = json!([
        "404 not_found", "404 unknown_channel", "502 channel_failed",
    ]))),
)]
pub(super) async fn act(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteStock>,
    origin: Option<Extension<Origin>>,
    Segment((name, action)): Segment<(String, String)>,
) -> Answered {
    let action = Action::parse(&action)
        .ok_or_else(|| Problem::not_found("not_found", "there is nothing at this path"))?;
    let found = api.channels.iter().find(|channel| channel.name() == name);
    let channel = found.ok_or_else(|| {
        Problem::not_found("unknown_channel", format!("there is no channel {name:?}"))
    })?;
    let origin = origin.as_ref().map(|Extension(origin)| origin);
    let set = |mode| channel.set_mode_for(mode, caller.account, origin);
    match action {
        Action::Pause => set(Some(ChannelMode::Paused)).await.map_err(of_store)?,
        Action::Resume => set(None).await.map_err(of_store)?,
        Action::Push => drop(channel.push_all().await.map_err(of_store)?),
        Action::Pull => drop(channel.pull_now().await.map_err(|error| {
            Problem::new(StatusCode::BAD_GATEWAY, "channel_failed", error.to_string())
        })?),
    }
    let status = channel.status().await.map_err(of_store)?;
    Ok(Json(status).into_response())
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err passes")]
fn of_store(error: crate::store::StoreError) -> Problem {
    Problem::of_store(&error)
}
