//! `/v1/users`: people a key holder registers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Api;
use super::auth::{Caller, May, ReadUsers, WriteUsers};
use super::body::{Body, Object, text_opt};
use super::etag;
use super::problem::{Answered, Problem};
use super::query::{Parameters, Segment, limit};
use crate::domain::{Email, Refusal, UserId};
use crate::people::{self, Change, PeopleError, ProfileError, UserView, Written};
use crate::writer::WriteError;

/// What may be said of somebody; what is left out stays as it is, and `null` takes away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    #[serde(default, deserialize_with = "text_opt")]
    email: Option<Email>,
    #[serde(default, deserialize_with = "given")]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    phone: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    address: Option<Option<Object>>,
    #[serde(default, deserialize_with = "given")]
    attributes: Option<Option<Object>>,
}

/// What is there, `null` too, is not what is left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

impl std::fmt::Debug for Fields {
    /// Never what is known: what is debugged is logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fields")
    }
}

impl Fields {
    fn into_change(self) -> Change {
        let fields = |object: Option<Object>| -> Option<Map<String, Value>> {
            match object {
                Some(Object(Value::Object(fields))) => Some(fields),
                _ => None,
            }
        };
        Change {
            email: self.email,
            name: self.name,
            phone: self.phone,
            address: self.address.map(fields),
            attributes: self.attributes.map(fields),
        }
    }
}

/// `POST /v1/users`: registers somebody. The same again is a replay.
pub(super) async fn register(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteUsers>,
    headers: HeaderMap,
    Body(given): Body<Fields>,
) -> Answered {
    let doing = api.doing(&caller, &headers)?;
    let written = people::register(&api.shop, doing, given.into_change()).await?;
    let location = HeaderValue::try_from(format!("/v1/users/{}", written.user.user_id));
    let mut response = shown(StatusCode::CREATED, written);
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A user after a command, with its tag.
fn shown(status: StatusCode, Written { user, answer }: Written) -> Response {
    let tag = tag(&user);
    let body = ([(header::ETAG, tag)], Json(user)).into_response();
    super::written(status, &answer, body)
}

/// `"VERSION"`.
fn tag(user: &UserView) -> HeaderValue {
    let text = format!("\"{}\"", user.version);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"unknown\""))
}

fn id_of(text: &str) -> Result<UserId, Problem> {
    let unknown = || Refusal::UnknownUser { user: text.to_owned() };
    text.parse().map_err(|_| Problem::from(unknown()).of_path("unknown_user"))
}

/// `GET /v1/users/{user_id}`.
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<ReadUsers>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Answered {
    let user = people::user(&api.shop, caller.of_people(), id_of(&id)?).await.map_err(of_path)?;
    let tag = tag(&user);
    if etag::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], Json(user)).into_response())
}

/// `PUT /v1/users/{user_id}`: changes what is said, in the version of `If-Match`.
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteUsers>,
    Segment(id): Segment,
    headers: HeaderMap,
    Body(given): Body<Fields>,
) -> Answered {
    let id = id_of(&id)?;
    let expected = match etag::versions(&headers) {
        None => None,
        Some(versions) if versions.is_empty() => {
            let detail = "If-Match is none of this user's tags";
            let status = StatusCode::PRECONDITION_FAILED;
            return Err(Problem::new(status, "version_conflict", detail));
        }
        Some(versions) => Some(expected_of(&api, &caller, id, &versions).await?),
    };
    let doing = api.doing(&caller, &headers)?;
    let written = people::change(&api.shop, doing, (id, expected), given.into_change());
    let written = written.await.map_err(of_path).map_err(|problem| match expected {
        Some(_) => problem.precondition("version_conflict"),
        None => problem,
    })?;
    Ok(shown(StatusCode::OK, written))
}

/// Of the versions that a condition names the one that is there, or the first.
async fn expected_of(
    api: &Api,
    caller: &Caller,
    id: UserId,
    versions: &[i64],
) -> Result<i64, Problem> {
    let first = versions.first().copied().unwrap_or_default();
    if versions.len() < 2 {
        return Ok(first);
    }
    let now = people::user(&api.shop, caller.of_people(), id).await.map_err(of_path)?.version;
    Ok(versions.iter().copied().find(|version| *version == now).unwrap_or(first))
}

/// `DELETE /v1/users/{user_id}`: what is known goes, the orders stay. Again is no error.
pub(super) async fn erase(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteUsers>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Answered {
    let doing = api.doing(&caller, &headers)?;
    let erased = people::erase(&api.shop, doing, id_of(&id)?).await;
    erased.map_err(of_path)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/users`: the first registered first; a storefront sees its own only.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<ReadUsers>,
    Parameters(given): Parameters<Pages>,
) -> Answered {
    let limit = limit(given.limit)?;
    let page = people::list(&api.shop, caller.of_people(), given.cursor.as_deref(), limit).await?;
    Ok(Json(page).into_response())
}

/// `GET /v1/users/{user_id}/export`: all that is held on somebody, its orders by pages.
pub(super) async fn export(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<ReadUsers>,
    Segment(id): Segment,
    Parameters(given): Parameters<Pages>,
) -> Answered {
    let limit = limit(given.limit)?;
    let page = (caller.name.as_str(), given.cursor.as_deref(), limit);
    let asker = caller.of_people();
    let held = people::held(&api.shop, asker, id_of(&id)?, page).await.map_err(of_path)?;
    Ok(Json(held).into_response())
}

/// The user that the path names is not there: 404.
fn of_path(error: PeopleError) -> Problem {
    Problem::from(error).of_path("unknown_user")
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Profile(ProfileError::Field { field, message }) => {
                Self::invalid(field, message)
            }
            PeopleError::Write(WriteError::Refused(Refusal::AlreadyExists { what, name })) => {
                let id = name.clone();
                Self::from(Refusal::AlreadyExists { what, name }).with("user_id", id)
            }
            PeopleError::Write(error) => error.into(),
            PeopleError::Store(error) => error.into(),
            PeopleError::Report(error) => error.into(),
            PeopleError::AfterCommit(error) => Self::from(*error).after_commit(),
            PeopleError::Profile(error) | PeopleError::Unreadable { error, .. } => {
                tracing::error!(error = %error, "what is known of a user cannot be read");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an internal error")
            }
        }
    }
}
