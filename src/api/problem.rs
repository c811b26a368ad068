//! Every error as `application/problem+json` (RFC 9457), with a stable `code`.
//!
//! The one place where refusals and failures become HTTP statuses. A refusal is
//! the caller's affair and names what is at fault; a failure is ours, is logged
//! here, once, and says nothing of the inside.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::domain::Refusal;
use crate::reports::{ReportError, ResolveError};
use crate::store::StoreError;
use crate::writer::WriteError;

/// Seconds after which whoever found us busy may come again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Why a request has no other answer.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    fields: Map<String, Value>,
    /// What `WWW-Authenticate` says of it (RFC 6750 §3), where it is of who asks.
    challenge: Option<String>,
}

/// What a handler answers.
pub(super) type Answered = Result<Response, Problem>;

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), fields: Map::new(), challenge: None }
    }

    /// With a further field.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// With how to prove oneself: what is said beside the realm.
    #[must_use]
    pub(super) fn challenge(mut self, more: &str) -> Self {
        let comma = if more.is_empty() { "" } else { ", " };
        self.challenge = Some(format!(r#"Bearer realm="invshop"{comma}{more}"#));
        self
    }

    /// A value of the request that is out of bounds or makes no sense.
    pub(super) fn invalid(field: &str, message: impl Into<String>) -> Self {
        let detail = format!("{field}: {}", message.into());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).with("field", field)
    }

    /// Something that the path names is not there.
    pub(super) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// What the path or the body names does not exist: 404 only for the path.
    #[must_use]
    pub(super) fn of_path(mut self, code: &str) -> Self {
        if self.code == code {
            self.status = StatusCode::NOT_FOUND;
        }
        self
    }

    /// The same after a command was done: what failed then is only the showing of it.
    #[must_use]
    pub(super) fn after_commit(self) -> Self {
        if !self.status.is_server_error() {
            return self;
        }
        let detail = "it was done, but cannot be shown now; the same request with the same id or \
                      Idempotency-Key shows it";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unknown_outcome", detail)
    }

    /// What a condition of the request's headers asked for is not so.
    #[must_use]
    pub(super) fn precondition(mut self, code: &str) -> Self {
        if self.code == code {
            self.status = StatusCode::PRECONDITION_FAILED;
        }
        self
    }

    /// As the outcome of one entry of several: status, code, detail and further fields,
    /// without what belongs to an answer.
    pub(super) fn into_parts(self) -> (u16, &'static str, String, Map<String, Value>) {
        (self.status.as_u16(), self.code, self.detail, self.fields)
    }

    #[cfg(test)]
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut document = self.fields;
        document.insert("type".to_owned(), json!("about:blank"));
        document.insert("title".to_owned(), json!(title));
        document.insert("status".to_owned(), json!(self.status.as_u16()));
        document.insert("code".to_owned(), json!(self.code));
        document.insert("detail".to_owned(), json!(self.detail));
        let body = Value::Object(document).to_string();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if matches!(self.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            // The rest of the body may still come: nothing else can follow it here.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::UnknownOrder { .. } => StatusCode::NOT_FOUND,
            Refusal::QueueFull { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::InsufficientStock { .. }
            | Refusal::InsufficientUnreserved { .. }
            | Refusal::AlreadyExists { .. }
            | Refusal::AlreadyShipped { .. }
            | Refusal::VersionConflict { .. }
            | Refusal::HasOpenReservations { .. }
            | Refusal::MirroredLocation { .. }
            | Refusal::BundleHasNoStock { .. }
            | Refusal::BatchBlocked { .. }
            | Refusal::AlreadyReverted { .. } => StatusCode::CONFLICT,
            Refusal::IdempotencyMismatch { .. }
            | Refusal::UnknownSku { .. }
            | Refusal::UnknownLocation { .. }
            | Refusal::UnknownUser { .. }
            | Refusal::UnknownLine { .. }
            | Refusal::UnknownName { .. }
            | Refusal::LocationRequired { .. }
            | Refusal::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let problem = Self::new(status, refusal.code(), refusal.to_string());
        match refusal {
            Refusal::InsufficientStock { shortages } => {
                let shortages: Vec<Value> = shortages
                    .iter()
                    .map(|one| {
                        json!({ "sku": one.sku.as_str(), "requested": one.requested,
                                "available": one.available })
                    })
                    .collect();
                problem.with("shortages", shortages)
            }
            Refusal::InsufficientUnreserved { sku, requested, available, .. } => {
                let shortage = json!({ "sku": sku.as_str(), "requested": requested,
                                       "available": available });
                problem.with("shortages", vec![shortage])
            }
            Refusal::VersionConflict { expected, actual, on_hand, .. } => {
                let problem = problem.with("expected_version", expected);
                let problem = problem.with("actual_version", actual);
                match on_hand {
                    Some(units) => problem.with("on_hand", units),
                    None => problem,
                }
            }
            Refusal::LocationRequired { locations } => problem.with("locations", locations),
            Refusal::UnknownSku { sku } => problem.with("sku", sku.as_str()),
            Refusal::UnknownLocation { location } => problem.with("location", location),
            Refusal::Invalid { field, .. } => problem.with("field", field),
            _ => problem,
        }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match error {
            WriteError::Refused(refusal) => refusal.into(),
            WriteError::Busy => Self::new(unavailable, "busy", error.to_string()),
            WriteError::Expired => Self::new(unavailable, "timeout", error.to_string()),
            WriteError::Unknown(ref key) => {
                let detail = "the outcome is not known; the same request with the same id or \
                              Idempotency-Key tells or does it";
                Self::new(unavailable, "unknown_outcome", detail).with("key", key.as_str())
            }
            WriteError::Store(error) => {
                let problem = Self::of_store(&error);
                let detail = format!("{}; nothing of this was written", problem.detail);
                Self { detail, ..problem }
            }
            WriteError::Broken(what) => {
                tracing::error!(what, "a request met a broken invariant");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an internal error")
            }
        }
    }
}

impl Problem {
    pub(super) fn of_store(error: &StoreError) -> Self {
        tracing::error!(error = %error, "a request failed at the database");
        if error.is_of_the_statement() {
            return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an internal error");
        }
        let detail = "the database cannot be used now";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error)
    }
}

impl From<Arc<StoreError>> for Problem {
    fn from(error: Arc<StoreError>) -> Self {
        Self::of_store(&error)
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::Refused(refusal) => refusal.into(),
            ReportError::Overflow { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "overflow", error.to_string())
            }
        }
    }
}

impl From<ResolveError> for Problem {
    fn from(error: ResolveError) -> Self {
        let code = error.code();
        let detail = error.to_string();
        match error {
            ResolveError::Store(error) => error.into(),
            ResolveError::Unknown { .. } => Self::not_found(code, detail),
            ResolveError::Ambiguous { orders, .. } => {
                let orders: Vec<String> = orders.iter().map(ToString::to_string).collect();
                Self::new(StatusCode::CONFLICT, code, detail).with("orders", orders)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Key;
    use crate::events::{Full, OpenError};

    #[test]
    fn what_could_not_be_done_has_its_status() {
        let key = Key::new("k").unwrap();
        let full = Refusal::QueueFull { waiting: 1 };
        let problems: [(Problem, &str); 7] = [
            (WriteError::Busy.into(), "busy"),
            (WriteError::Expired.into(), "timeout"),
            (WriteError::Unknown(key).into(), "unknown_outcome"),
            (WriteError::Refused(full).into(), "queue_full"),
            (OpenError::Closing.into(), "closing"),
            (OpenError::Full(Full::All).into(), "too_many_streams"),
            (
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "x", "").after_commit(),
                "unknown_outcome",
            ),
        ];
        for (problem, code) in problems {
            assert_eq!((problem.status.as_u16(), problem.code), (503, code));
            assert_eq!(problem.into_response().headers()["retry-after"], "1", "{code}");
        }
    }
}
