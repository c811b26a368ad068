//! The query of a URL: strict, like bodies.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::reports::LIMIT_MAX;

/// Entries of a page when nothing is said.
const LIMIT: usize = 50;

/// The parameters of a query; unknown ones and repeated ones are refused.
#[derive(Debug)]
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // What no text of the shop can hold is not looked for: PostgreSQL has no NUL.
        if let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            && let Some((name, _)) =
                pairs.iter().find(|(_, value)| value.contains(char::is_control))
        {
            let name: String = name.chars().filter(|one| !one.is_control()).take(40).collect();
            return Err(Problem::invalid(&name, "holds a control character"));
        }
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => {
                let detail = rejection.body_text();
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail))
            }
        }
    }
}

/// The part of a path that names something, or the parts.
#[derive(Debug)]
pub(super) struct Segment<T = String>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(rejection) => {
                let detail = rejection.body_text();
                Err(Problem::new(StatusCode::BAD_REQUEST, "malformed_path", detail))
            }
        }
    }
}

/// The entries of a page that were asked for.
pub(super) fn limit(given: Option<usize>) -> Result<usize, Problem> {
    match given {
        None => Ok(LIMIT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::invalid("limit", format!("expected 1 to {LIMIT_MAX}"))),
    }
}
