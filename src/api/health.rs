//! `/healthz`, `/readyz`, `/metrics`: whether the process lives, whether it can work,
//! and what it counts.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;
use crate::store::{SCHEMA_VERSION, SchemaState};
use crate::sync::{self, LaneState};

/// A batch that is worked on for so long will hardly end by itself: a slow disk and a lost
/// connection are given less (see the writer).
const STUCK_AFTER: Duration = Duration::from_secs(40);
/// How long the database may take for a question that takes a millisecond.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    #[schema(pattern = "^ok$")]
    status: &'static str,
}

/// The process can work.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    #[schema(pattern = "^ready$")]
    status: &'static str,
    schema_version: i64,
    /// How the lane of each channel does.
    lanes: Vec<LaneState>,
}

/// Tells that the process lives.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    tag = "process",
    responses((status = 200, body = Alive)),
)]
pub(super) async fn process() -> Response {
    Json(Alive { status: "ok" }).into_response()
}

/// Tells whether it can work: whether the database answers, takes what is written, and is of this
/// program's version, and how the lanes do.
///
/// A channel that cannot be asked does not make the program unready: everything else goes on.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "process",
    responses((status = 200, body = Ready)),
    extensions(("x-refusals" = json!(["503 not_ready"]))),
)]
pub(super) async fn ready(State(api): State<Arc<Api>>) -> Response {
    let unavailable = |detail: String| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail).into_response()
    };
    let stuck = api.shop.counters.batch_age();
    if stuck > STUCK_AFTER {
        let seconds = stuck.as_secs();
        return unavailable(format!("the writer waits for the database since {seconds} s"));
    }
    let Ok(state) = tokio::time::timeout(ANSWER_MAX, api.shop.db.schema_state()).await else {
        return unavailable("the database does not answer".to_owned());
    };
    match state {
        Ok(SchemaState::Version(SCHEMA_VERSION)) => match sync::lanes(&api.channels).await {
            Ok(lanes) => {
                let (status, schema_version) = ("ready", SCHEMA_VERSION);
                Json(Ready { status, schema_version, lanes }).into_response()
            }
            Err(error) => {
                tracing::warn!(error = %error, "the database cannot be used");
                unavailable("the database cannot be used now".to_owned())
            }
        },
        Ok(state) => unavailable(format!("the database has another schema: {state:?}")),
        Err(error) => {
            tracing::warn!(error = %error, "the database cannot be used");
            unavailable("the database cannot be used now".to_owned())
        }
    }
}

/// Shows what it counts, in the text format of Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "process",
    responses((status = 200, body = String, content_type = "text/plain")),
    extensions(("x-refusals" = json!(["500 internal"]))),
)]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    match api.shop.counters.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "the metrics cannot be written");
            let detail = "the metrics cannot be written";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response()
        }
    }
}
