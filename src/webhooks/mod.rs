//! Inbound webhooks: verified, kept, and only then answered.
//!
//! What a call says is looked at later, by the lane of its channel. Who is not believed
//! learns nothing more than that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use http_body_util::LengthLimitError;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::connectors::Inbound;
use crate::sync::{Channel, Received};
use crate::telemetry::{Guessed, Origin};

/// The longest body that is taken, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Calls that are worked on at the same time.
const CALLS_MAX: usize = 64;
/// How long the body of a call may take.
const BODY_MAX: Duration = Duration::from_secs(10);
/// How long a call may wait for its turn.
const TURN_MAX: Duration = Duration::from_secs(5);
/// When a sender that is told to come again should.
const RETRY_AFTER_SECONDS: &str = "60";

/// Who takes the calls.
#[derive(Debug)]
struct Receivers {
    channels: BTreeMap<String, Arc<Channel>>,
    public_url: Option<String>,
    calls: Semaphore,
}

/// The route of all channels: `/webhooks/{channel}`. `public_url` is the address they
/// were told, which signatures of some go over.
pub fn router(channels: &[Arc<Channel>], public_url: Option<&str>) -> OpenApiRouter {
    let named = channels.iter().map(|channel| (channel.name().to_owned(), Arc::clone(channel)));
    let receivers = Receivers {
        channels: named.collect(),
        public_url: public_url.map(str::to_owned),
        calls: Semaphore::new(CALLS_MAX),
    };
    OpenApiRouter::new().routes(routes!(receive)).with_state(Arc::new(receivers))
}

/// Takes what a channel has to tell: verified as its kind wants it, kept, and only then answered.
///
/// Handshakes of a vendor are answered in its own words.
#[utoipa::path(
    method(get, post),
    path = "/webhooks/{channel}",
    operation_id = "receive_webhook",
    tag = "channels",
    params(("channel" = String, Path, description = "The channel's name.", example = "web")),
    responses(
        (status = 200, description = "Kept, now or before; or a handshake."),
        (status = 400, description = "The body broke off before its end."),
        (status = 401, description = "Its signature is wrong."),
        (status = 404, description = "No channel has this name, or it takes no such call."),
        (status = 408, description = "The body did not arrive in time."),
        (status = 413, description = "The body has more than 1 MiB."),
        (status = 503, description = "Come again later.", headers(
            ("Retry-After" = i64, description = "Seconds after which to come again."),
        )),
    ),
)]
async fn receive(
    State(receivers): State<Arc<Receivers>>,
    Path(name): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    origin: Option<Extension<Origin>>,
    body: Body,
) -> Response {
    let Some(channel) = receivers.channels.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(Ok(_turn)) = tokio::time::timeout(TURN_MAX, receivers.calls.acquire()).await else {
        return later();
    };
    // Nobody has shown a key yet: a body is read by whose turn it is, and not for long.
    let body = match tokio::time::timeout(BODY_MAX, to_bytes(body, BODY_BYTES_MAX)).await {
        Err(_elapsed) => return StatusCode::REQUEST_TIMEOUT.into_response(),
        Ok(Ok(body)) => body,
        Ok(Err(error)) if is_too_long(&error) => {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        }
        Ok(Err(_broken)) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let base = receivers.public_url.as_deref().unwrap_or_default();
    let call = Inbound {
        method: method.as_str().to_owned(),
        url: format!("{base}{}", uri.path()),
        query: uri.query().unwrap_or_default().to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect(),
        body: body.to_vec(),
        received_at: channel.shop().clock.now(),
    };
    let received = channel.receive(&call).await;
    let outcome = match &received {
        Ok(Received::Kept) => "kept",
        Ok(Received::Duplicate) => "duplicate",
        Ok(Received::Handshake(_)) => "handshake",
        Ok(Received::Forged(_)) => "forged",
        Ok(Received::Unwanted) => "unwanted",
        Ok(Received::Full) => "full",
        Err(_) => "failed",
    };
    channel.shop().counters.delivered(channel.name(), outcome);
    match received {
        Ok(Received::Kept | Received::Duplicate) => StatusCode::OK.into_response(),
        Ok(Received::Handshake(answer)) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
            (status, [("content-type", answer.content_type)], answer.body).into_response()
        }
        Ok(Received::Forged(why)) => {
            tracing::warn!(channel = name, ?why, "a webhook was not believed");
            let origin = origin.as_ref().map(|Extension(origin)| origin);
            channel.shop().note_refused("webhook", Some(&name), &format!("{why:?}"), origin);
            let mut response = StatusCode::UNAUTHORIZED.into_response();
            response.extensions_mut().insert(Guessed);
            response
        }
        Ok(Received::Unwanted) => StatusCode::NOT_FOUND.into_response(),
        Ok(Received::Full) => {
            tracing::error!(channel = name, "too much waits to be looked at: webhooks are put off");
            later()
        }
        Err(error) => {
            tracing::error!(channel = name, error = %error, "a webhook could not be kept");
            later()
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(<dyn std::error::Error>::is::<LengthLimitError>)
}

/// The sender should come again: polling finds what it does not bring.
fn later() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", RETRY_AFTER_SECONDS)]).into_response()
}
