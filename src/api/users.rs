//! `/v1/users`: people a key holder registers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::Api;
use super::auth::{May, ReadUsers, WriteUsers};
use super::body::{Body, Object, text_opt};
use super::document::parameters::{IfNoneMatch, IfUser, Once};
use super::etag;
use super::problem::{Answered, Problem};
use super::query::{Parameters, Segment, limit};
use crate::domain::{Email, Refusal, UserId, Versions};
use crate::people::{self, Change, Held, PeopleError, ProfileError, Said, UserView, Written};
use crate::reports::Page;
use crate::writer::WriteError;

/// What may be said of somebody; what is left out stays as it is, and `null` takes away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserChange)]
pub(super) struct Fields {
    /// One address is one user of a key holder.
    #[serde(default, deserialize_with = "text_opt")]
    email: Option<Email>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    name: Said<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    phone: Said<String>,
    /// A postal address, in whatever fields the shop has.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    address: Said<Object>,
    /// Whatever else is to be kept.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    attributes: Said<Object>,
}

/// Somebody new.
#[derive(Debug)]
pub(super) struct NewUser;

impl PartialSchema for NewUser {
    fn schema() -> RefOr<Schema> {
        let mut schema = Fields::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.push("email".to_owned());
            object.properties.insert("email".to_owned(), Ref::from_schema_name("Email").into());
        }
        schema
    }
}

impl ToSchema for NewUser {}

impl std::fmt::Debug for Fields {
    /// Never what is known: what is debugged is logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fields")
    }
}

impl Fields {
    fn into_change(self) -> Change {
        // An object is what it is, or it would not have been read.
        let fields = |Object(object)| match object {
            Value::Object(fields) => fields,
            _ => Map::new(),
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

/// Registers somebody for the key holder.
///
/// The same again is a replay; under the key of a request whose user was erased since, nobody is
/// registered (422 `unknown_user`).
#[utoipa::path(
    post,
    path = "/users",
    operation_id = "register_user",
    tag = "users",
    security(("key" = [WriteUsers::SCOPE])),
    params(Once),
    request_body(content = NewUser, examples(
        ("buyer" = (
            summary = "With an address",
            value = json!({
                "email": "buyer@example.com", "name": "A Buyer",
                "address": { "street": "12 Sample Street", "city": "Sampletown" },
            })
        )),
    )),
    responses(
        (status = 201, body = UserView, headers(
            ("ETag" = String, description = "The version of the user."),
            ("Location" = String, description = "Where it can be read."),
        )),
        (status = 200, body = UserView, headers(
            ("Idempotent-Replayed" = bool, description = "`true`: it was done before."),
        )),
    ),
    extensions(("x-refusals" = json!([
        "409 already_exists", "422 idempotency_mismatch", "422 unknown_user", "503 busy",
        "503 unknown_outcome",
    ]))),
)]
pub(super) async fn register(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteUsers>,
    headers: HeaderMap,
    Body(given): Body<Fields>,
) -> Answered {
    let doing = super::doing(&caller, &headers)?;
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

/// Shows a user; others' are unknown to a storefront.
#[utoipa::path(
    get,
    path = "/users/{user_id}",
    operation_id = "show_user",
    tag = "users",
    security(("key" = [ReadUsers::SCOPE])),
    params(("user_id" = UserId, Path, example = "usr_1"), IfNoneMatch),
    responses(
        (status = 200, body = UserView, headers(
            ("ETag" = String, description = "The version of the user."),
        )),
        (status = 304, description = "It is as it was read.", headers(
            ("ETag" = String, description = "The version of the user."),
        )),
    ),
    extensions(("x-refusals" = json!(["404 unknown_user"]))),
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<ReadUsers>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Answered {
    let user = people::user(&api.shop, caller.of_people(), id_of(&id)?).await.map_err(of_path)?;
    let tag = tag(&user);
    if let Some(tag) = etag::known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], Json(user)).into_response())
}

/// Changes what is known of a user; what is left out stays as it is, `null` takes away.
#[utoipa::path(
    put,
    path = "/users/{user_id}",
    operation_id = "change_user",
    tag = "users",
    security(("key" = [WriteUsers::SCOPE])),
    params(("user_id" = UserId, Path, example = "usr_1"), IfUser, Once),
    request_body(content = Fields, examples(
        ("phone" = (
            summary = "A telephone number, and no name any more",
            value = json!({ "phone": "030 123456", "name": null })
        )),
    )),
    responses((status = 200, body = UserView, headers(
        ("ETag" = String, description = "The version of the user."),
        ("Idempotent-Replayed" = Option<bool>, description = "`true` where it was done before."),
    ))),
    extensions(("x-refusals" = json!([
        "404 unknown_user", "409 already_exists", "412 version_conflict",
        "422 idempotency_mismatch", "503 busy", "503 unknown_outcome",
    ]))),
)]
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteUsers>,
    Segment(id): Segment,
    headers: HeaderMap,
    Body(given): Body<Fields>,
) -> Answered {
    let id = id_of(&id)?;
    // What is wrong with a request is said before what its conditions find.
    let doing = super::doing(&caller, &headers)?;
    let change = given.into_change();
    change.check().map_err(PeopleError::from)?;
    let expected = expected(&headers)?;
    let is_conditional = expected.is_some();
    let written = people::change(&api.shop, doing, (id, expected), change).await;
    Ok(shown(StatusCode::OK, written.map_err(|error| of_condition(error, is_conditional))?))
}

/// The versions that `If-Match` asks for. Which of them is there is decided where it cannot
/// change any more.
fn expected(headers: &HeaderMap) -> Result<Option<Versions>, Problem> {
    let Some(versions) = etag::versions(headers) else { return Ok(None) };
    Versions::new(versions).map(Some).ok_or_else(|| {
        let detail = "If-Match is none of this user's tags";
        Problem::new(StatusCode::PRECONDITION_FAILED, "version_conflict", detail)
    })
}

/// A version that is not there any more is a condition that failed where one was made.
fn of_condition(error: PeopleError, is_conditional: bool) -> Problem {
    let problem = of_path(error);
    if is_conditional { problem.precondition("version_conflict") } else { problem }
}

/// Erases what is known of a user, here and in its orders; these stay. Again is no error.
#[utoipa::path(
    delete,
    path = "/users/{user_id}",
    operation_id = "erase_user",
    tag = "users",
    security(("key" = [WriteUsers::SCOPE])),
    params(("user_id" = UserId, Path, example = "usr_2"), IfUser, Once),
    responses((status = 204, description = "Nothing is known of it any more.")),
    extensions(("x-refusals" = json!([
        "404 unknown_user", "412 version_conflict", "422 idempotency_mismatch", "503 busy", "503 unknown_outcome",
    ]))),
)]
pub(super) async fn erase(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteUsers>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Answered {
    let id = id_of(&id)?;
    let doing = super::doing(&caller, &headers)?;
    let expected = expected(&headers)?;
    let is_conditional = expected.is_some();
    let erased = people::erase(&api.shop, doing, (id, expected)).await;
    erased.map_err(|error| of_condition(error, is_conditional))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Entries of a page; 50 when nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Lists users, the first registered first; a storefront sees its own only.
#[utoipa::path(
    get,
    path = "/users",
    operation_id = "list_users",
    tag = "users",
    security(("key" = [ReadUsers::SCOPE])),
    params(Pages),
    responses((status = 200, body = Page<UserView>)),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<ReadUsers>,
    Parameters(given): Parameters<Pages>,
) -> Answered {
    let limit = limit(given.limit)?;
    let page = people::list(&api.shop, caller.of_people(), given.cursor.as_deref(), limit).await?;
    Ok(Json(page).into_response())
}

/// Hands over all that is held on a user, its orders by pages.
#[utoipa::path(
    get,
    path = "/users/{user_id}/export",
    operation_id = "export_user",
    tag = "users",
    security(("key" = [ReadUsers::SCOPE])),
    params(("user_id" = UserId, Path, example = "usr_1"), Pages),
    responses((status = 200, body = Held)),
    extensions(("x-refusals" = json!(["404 unknown_user"]))),
)]
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
