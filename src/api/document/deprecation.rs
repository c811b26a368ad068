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
    ///
    /// # Panics
    ///
    /// Where what it says is wrong: clients would be told nothing, or half of it. It is written in
    /// the source, so that no test that makes the document passes with it.
    pub(super) fn of(operation: &Map<String, Value>) -> Option<Self> {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let date = |name: &str| {
            let said = operation.get(name)?;
            let date = said.as_str().and_then(|text| text.parse::<NaiveDate>().ok());
            let midnight = date.and_then(|date| date.and_hms_opt(0, 0, 0));
            let Some(midnight) = midnight else { panic!("{id}: {name} is no date: {said}") };
            Some(midnight.and_utc())
        };
        let (since, sunset) = (date(SINCE), date(SUNSET));
        assert!(
            sunset.is_none() || (since.is_some() && since < sunset),
            "{id}: {SUNSET} comes before {SINCE}"
        );
        let link = format!("</docs#{id}>; rel=\"deprecation\"; type=\"text/html\"");
        Some(Self { since: since?, sunset, link })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(dates: &Value) -> Option<Deprecation> {
        let mut operation = json!({ "operationId": "old" }).as_object().cloned().unwrap();
        operation.extend(dates.as_object().cloned().unwrap());
        Deprecation::of(&operation)
    }

    #[test]
    fn what_says_nothing_is_not_deprecated_and_an_end_need_not_be_known() {
        assert!(of(&json!({})).is_none());
        assert!(of(&json!({ SINCE: "2026-01-01" })).unwrap().sunset.is_none());
        assert!(
            of(&json!({ SINCE: "2026-01-01", SUNSET: "2026-01-02" })).unwrap().sunset.is_some()
        );
    }

    #[test]
    #[should_panic(expected = "old: x-deprecated-since is no date: \"2026-13-01\"")]
    fn a_beginning_that_is_no_date_is_no_document() {
        of(&json!({ SINCE: "2026-13-01", SUNSET: "2027-01-01" }));
    }

    #[test]
    #[should_panic(expected = "old: x-sunset is no date: 2027")]
    fn an_end_that_is_no_date_is_no_document() {
        of(&json!({ SINCE: "2026-01-01", SUNSET: 2027 }));
    }

    #[test]
    #[should_panic(expected = "old: x-sunset comes before x-deprecated-since")]
    fn an_end_without_a_beginning_is_no_document() {
        of(&json!({ SUNSET: "2027-01-01" }));
    }

    #[test]
    #[should_panic(expected = "old: x-sunset comes before x-deprecated-since")]
    fn an_end_before_its_beginning_is_no_document() {
        of(&json!({ SINCE: "2026-01-01", SUNSET: "2025-12-31" }));
    }
}
