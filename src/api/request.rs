//! What happens to every request: it gets a name, a place among those that are
//! worked on, and an end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;
use uuid::Uuid;

use super::Api;
use super::browser;
use super::peer::{self, Peer};
use super::problem::Problem;
use crate::telemetry::Origin;

/// The route of requests that match none, in metrics.
const NO_ROUTE: &str = "none";
const REQUEST_ID: &str = "x-request-id";
const ACCEPT_VERSION: &str = "accept-version";
/// The version of the paths below `/v1`.
const VERSION: &[u8] = b"1";
/// The longest name a client may give its request, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;
/// How long a request may take. A command that was queued is done all the same.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// How much is worked on at the same time, and how long it is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests that are worked on at the same time: more are told to come again.
    pub requests_max: usize,
    /// How long a request may wait for its turn before it is told so.
    pub room_max: Duration,
    /// How long a body may take to arrive.
    pub body_max: Duration,
}

impl Default for Load {
    /// As much as a daemon takes.
    fn default() -> Self {
        Self {
            requests_max: 1024,
            room_max: Duration::from_secs(1),
            body_max: Duration::from_secs(10),
        }
    }
}

/// Gives the request the name its client chose, or a new one, and says it; finds out where it
/// comes from.
pub(super) async fn name(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let given = request.headers().get(REQUEST_ID).filter(|value| is_name(value)).cloned();
    let id = given.unwrap_or_else(|| {
        let mut bytes = [0; 16];
        api.shop.random.fill(&mut bytes);
        let name = Uuid::from_bytes(bytes).simple().to_string();
        HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("unnamed"))
    });
    let peer = request.extensions().get::<Peer>().copied();
    let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |Peer(address)| address);
    let address = peer::client(peer, request.headers(), &api.trusted_proxies);
    if address == peer.to_canonical() && peer::is_forwarded(request.headers()) {
        api.warn_of_proxy(peer);
    }
    let text = id.to_str().unwrap_or_default().to_owned();
    request.extensions_mut().insert(Origin { address, request: text });
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let begun = Instant::now();
    let mut response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let (took, status) = (begun.elapsed(), response.status());
    api.shop.counters.requested(route, method_of(&method), status.as_str(), took);
    tracing::debug!(
        http.method = %method,
        http.path = path,
        http.status = status.as_u16(),
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        request.id = ?id,
        client = %address,
        "answered"
    );
    response.headers_mut().insert(REQUEST_ID, id);
    if let Some(document) = api.document.get() {
        document.tell(method.as_str(), route, response.headers_mut());
    }
    browser::guard(&mut response, api.is_tls);
    response
}

/// What clients make up is one name.
fn method_of(method: &Method) -> &str {
    match *method {
        Method::GET | Method::POST | Method::PUT | Method::DELETE | Method::HEAD => method.as_str(),
        _ => "other",
    }
}

fn is_name(value: &HeaderValue) -> bool {
    let text = value.as_bytes();
    // Of one that begins with = or + a spreadsheet would make a formula.
    let begins = text.first().is_some_and(u8::is_ascii_alphanumeric);
    begins && text.len() <= REQUEST_ID_BYTES_MAX && text.iter().all(u8::is_ascii_graphic)
}

/// Lets the request in while there is room, and ends it in time.
pub(super) async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let wanted = request.headers().get(ACCEPT_VERSION);
    if wanted.is_some_and(|wanted| wanted.as_bytes().trim_ascii() != VERSION) {
        let detail = "this version is not spoken here; the one there is: Accept-Version: 1";
        let status = StatusCode::NOT_ACCEPTABLE;
        return Problem::new(status, "unknown_version", detail).into_response();
    }
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    // Connections are bounded, so those that wait are: a client that is told at once to
    // come again comes at once, and costs more than one that waits.
    let Ok(Ok(_place)) = tokio::time::timeout(api.load.room_max, api.requests.acquire()).await
    else {
        let detail = "too many requests are worked on; try again in a moment";
        return Problem::new(unavailable, "overloaded", detail).into_response();
    };
    match tokio::time::timeout(REQUEST_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => {
            let detail = "this took too long; what was asked for may be done all the same: the \
                          same request with the same id or Idempotency-Key tells";
            Problem::new(unavailable, "timeout", detail).into_response()
        }
    }
}
