//! `/healthz`, `/readyz`, `/metrics`: whether the process lives, whether it can work,
//! and what it counts.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::Api;
use super::problem::Problem;
use crate::store::{SCHEMA_VERSION, SchemaState};
use crate::sync;

/// A batch that is worked on for so long will hardly end by itself: a slow disk and a lost
/// connection are given less (see the writer).
const STUCK_AFTER: Duration = Duration::from_secs(40);
/// How long the database may take for a question that takes a millisecond.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// `GET /healthz`: it answers, so it lives.
pub(super) async fn process() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `GET /readyz`: whether the database answers, takes what is written, and is of this
/// program's version, and how the lanes do. A channel that cannot be asked does not make
/// the program unready: everything else goes on.
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
                let version = SCHEMA_VERSION;
                let ready = json!({ "status": "ready", "schema_version": version, "lanes": lanes });
                Json(ready).into_response()
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

/// `GET /metrics`: Prometheus' text format, whose type this is.
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
