//! What a deprecated route says of itself, in the document and in every answer.
//!
//! A route is deprecated by two extensions of its annotation, `x-deprecated-since` and `x-sunset`,
//! which are dates. Everything else follows from them, so the document and the headers agree.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};

/// The extension with the date from which a route is deprecated.
const SINCE: &str = "x-deprecated-since";
/// The extension with the date on which it is gone.
const SUNSET: &str = "x-sunset";

/// When a route is deprecated, when it is gone, and where that is explained.
#[derive(Clone, Debug)]
pub(super) struct Deprecation {
    since: DateTime<Utc>,
    sunset: Option<DateTime<Utc>>,
    link: String,
}

impl Deprecation {
    /// What an operation of the document says of it; none for most.
    pub(super) fn of(operation: &Map<String, Value>) -> Option<Self> {
        let date = |name: &str| {
            let date: NaiveDate = operation.get(name)?.as_str()?.parse().ok()?;
            Some(date.and_hms_opt(0, 0, 0)?.and_utc())
        };
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let link = format!("</docs#{id}>; rel=\"deprecation\"; type=\"text/html\"");
        Some(Self { since: date(SINCE)?, sunset: date(SUNSET), link })
    }

    /// Says it in an answer: RFC 9745 and, of the end, RFC 8594.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        let mut say = |name: HeaderName, text: String| {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        };
        let since = format!("@{}", self.since.timestamp());
        say(HeaderName::from_static("deprecation"), since);
        if let Some(sunset) = self.sunset {
            let date = sunset.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            say(HeaderName::from_static("sunset"), date);
        }
        say(header::LINK, self.link.clone());
    }
}
