//! What browsers are told: which pages may ask, and what they must not make of an answer.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember what a page may ask.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Headers that pages may send.
const SENT: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("accept-version"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("prefer"),
    HeaderName::from_static("x-request-id"),
];

/// Headers that pages may read.
const READ: [HeaderName; 12] = [
    header::ETAG,
    header::LINK,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("deprecation"),
    HeaderName::from_static("idempotent-replayed"),
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("sunset"),
    HeaderName::from_static("x-request-id"),
];

/// Lets pages of some origins ask; keys and tokens are in headers, so cookies are of no use.
pub(super) fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok()).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(SENT)
            .expose_headers(READ)
            .max_age(REMEMBERED)
    })
}

/// What stands in every answer, unless the route has said it otherwise: it is data, no page,
/// and nobody on the way keeps it.
pub(super) fn guard(response: &mut Response, is_tls: bool) {
    let mut say = |name: HeaderName, value: &'static str| {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    };
    say(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(header::CACHE_CONTROL, "no-store");
    say(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    say(header::REFERRER_POLICY, "no-referrer");
    if is_tls {
        say(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}
