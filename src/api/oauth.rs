//! `POST /oauth/token` and the published keys: OAuth 2.0 for whoever rather shows a token that
//! ends soon than a key that does not.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Unproven;
use super::body;
use super::limit::Standing;
use super::problem::{Answered, Problem};
use crate::access::{PublicKey, Rights, SigningError};
use crate::secret::ApiKey;
use crate::telemetry::{Guessed, Origin};

const GRANT: &str = "client_credentials";
/// Characters of a scope that are repeated to who asked for it.
const SCOPE_CHARS_SHOWN: usize = 60;
/// How long whoever verifies tokens may keep the published keys: half of how long a new key is
/// published before it signs.
const KEYS_FOR: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The form of a request (RFC 6749 §4.4.2); a client may send who it is in it (§2.3.1).
#[derive(Deserialize, ToSchema)]
#[schema(as = TokenRequest)]
struct Form {
    #[schema(required, nullable = false, pattern = "^client_credentials$")]
    grant_type: Option<String>,
    /// Scopes with blanks between them; without it all that the key has.
    #[schema(nullable = false)]
    scope: Option<String>,
    /// The public part of the key; here or as the user of `Authorization: Basic`.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The rest of the key, or the whole of it; here or as the password.
    #[schema(nullable = false, value_type = Option<String>, format = "password")]
    client_secret: Option<SecretString>,
}

/// A token (RFC 6749 §5.1).
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct Granted {
    access_token: String,
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// Seconds until it ends.
    expires_in: i64,
    /// What it may be used for.
    scope: String,
}

/// Why there is no token, in the words of OAuth (RFC 6749 §5.2) and as a problem.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenRefusal {
    #[schema(pattern = "^(invalid_client|invalid_request|invalid_scope|unsupported_grant_type)$")]
    error: &'static str,
    error_description: String,
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[schema(minimum = 400, maximum = 401)]
    status: u16,
    /// The same as `error`.
    code: &'static str,
    /// The same as `error_description`.
    detail: String,
}

/// A published key (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    r#use: &'static str,
    alg: &'static str,
    kid: String,
    x: String,
    y: String,
}

/// What tokens can be verified with.
#[derive(Debug, Serialize, ToSchema)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// Why there is no token.
enum Failed {
    /// In the words of OAuth (RFC 6749 §5.2): an error and its description.
    Refused(&'static str, String),
    /// As everywhere here.
    Problem(Problem),
    /// The key holder asks for too much.
    Limited(Standing),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

fn refused(error: &'static str, description: impl Into<String>) -> Failed {
    Failed::Refused(error, description.into())
}

impl IntoResponse for Failed {
    /// What clients of OAuth know, with what every problem here has.
    fn into_response(self) -> Response {
        let (error, description) = match self {
            Self::Problem(problem) => return problem.into_response(),
            Self::Limited(standing) => return standing.refusal(),
            Self::Refused(error, description) => (error, description),
        };
        let is_client = error == "invalid_client";
        let status = if is_client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let title = status.canonical_reason().unwrap_or("Error");
        let refusal = TokenRefusal {
            error,
            error_description: description.clone(),
            kind: "about:blank",
            title,
            status: status.as_u16(),
            code: error,
            detail: description,
        };
        let mut response = (status, Json(refusal)).into_response();
        if is_client {
            let basic = HeaderValue::from_static(r#"Basic realm="invshop", charset="UTF-8""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
            response.extensions_mut().insert(Guessed);
        }
        response
    }
}

/// Gives a token for a key: for whoever rather shows something that ends soon.
#[utoipa::path(
    post,
    path = "/oauth/token",
    operation_id = "give_token",
    tag = "access",
    request_body(
        content = Form,
        content_type = "application/x-www-form-urlencoded",
        examples(("key" = (
            summary = "With the two parts of a key",
            value = json!("grant_type=client_credentials&client_id=ID&client_secret=SECRET&scope=stock:read")
        ))),
    ),
    responses(
        (status = 200, body = Granted),
        (status = 400, body = TokenRefusal, description = "The request is wrong."),
        (status = 401, body = TokenRefusal, description = "The client is not known.", headers(
            ("WWW-Authenticate" = String, description = "`Basic`."),
        )),
    ),
    extensions(("x-refusals" = json!([
        "400 body_incomplete", "408 request_timeout", "413 body_too_large", "500 internal",
        "503 database_unavailable",
    ]))),
)]
pub(super) async fn token(State(api): State<Arc<Api>>, request: Request) -> Response {
    let mut response = give(&api, request).await.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn give(api: &Api, request: Request) -> Result<Response, Failed> {
    let headers = request.headers().clone();
    let origin = request.extensions().get::<Origin>().cloned();
    let form = read(api, request).await?;
    let grant = form.grant_type.as_deref().unwrap_or_default();
    if grant.is_empty() {
        return Err(refused("invalid_request", format!("grant_type is missing: {GRANT}")));
    }
    if grant != GRANT {
        let description = format!("the only grant there is: grant_type={GRANT}");
        return Err(refused("unsupported_grant_type", description));
    }
    let key = credentials(&headers, &form)?;
    let proven = api.prove_key(&key).await;
    let (holder, ends_at) = proven.map_err(|why| {
        api.note(&why, origin.as_ref());
        let ended = "the client is not known, its secret is wrong, or it ended";
        match why {
            Unproven::Store(error) => Problem::of_store(&error).into(),
            _ => refused("invalid_client", ended),
        }
    })?;
    if let Some(limits) = &api.limits {
        let standing = limits.of_account(holder.account);
        if !standing.is_granted() {
            return Err(Failed::Limited(standing));
        }
    }
    let asked = match form.scope.as_deref().map(Rights::of_scopes) {
        None => holder.rights,
        Some(Ok(asked)) if asked.among(holder.rights) == asked => asked,
        Some(Ok(_)) => {
            let description = format!("this client may have: {}", holder.rights.scopes());
            return Err(refused("invalid_scope", description));
        }
        Some(Err(unknown)) => {
            // A description has no quotes and nothing but ASCII (§5.2).
            let odd = |one: &char| one.is_ascii_graphic() && !matches!(one, '"' | '\\');
            let unknown: String = unknown.chars().filter(odd).take(SCOPE_CHARS_SHOWN).collect();
            return Err(refused("invalid_scope", format!("'{unknown}' is no scope")));
        }
    };
    let issued = api.tokens.issue(&api.shop, &holder, asked, ends_at).await;
    let issued = issued.map_err(|error| failed(&error))?;
    let granted = Granted {
        access_token: issued.token.expose_secret().to_owned(),
        token_type: "Bearer",
        expires_in: issued.expires_in,
        scope: issued.rights.scopes(),
    };
    Ok(Json(granted).into_response())
}

async fn read(api: &Api, request: Request) -> Result<Form, Failed> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let description = "the body must be a form: application/x-www-form-urlencoded";
        return Err(refused("invalid_request", description));
    }
    let bytes = body::bytes(api, request).await?;
    let unreadable =
        || refused("invalid_request", "the form cannot be read, or says a thing twice");
    let form: Form = serde_urlencoded::from_bytes(&bytes).map_err(|_| unreadable())?;
    // What says nothing is as good as left out (RFC 6749 §3.2).
    let said = |one: Option<String>| one.filter(|text| !text.is_empty());
    let secret = form.client_secret.filter(|secret| !secret.expose_secret().is_empty());
    let (scope, client_id) = (said(form.scope), said(form.client_id));
    Ok(Form { grant_type: form.grant_type, scope, client_id, client_secret: secret })
}

/// The key of a client, by what it shows: its id is the public part of a key, its secret the
/// rest of it, or the whole key.
fn credentials(headers: &HeaderMap, form: &Form) -> Result<ApiKey, Failed> {
    let unknown = || refused("invalid_client", "the client is not known, or its secret is wrong");
    let (id, secret) = match (headers.get(header::AUTHORIZATION), &form.client_secret) {
        (Some(_), Some(_)) => {
            let description = "show who you are once: in the header or in the form";
            return Err(refused("invalid_request", description));
        }
        (Some(basic), None) => basic_auth(basic).ok_or_else(unknown)?,
        (None, Some(secret)) => (form.client_id.clone().unwrap_or_default(), secret.clone()),
        (None, None) => {
            let description = "show who you are: client_id and client_secret, or Basic";
            return Err(refused("invalid_client", description));
        }
    };
    let prefix = id.strip_prefix("inv_").unwrap_or(&id);
    let secret = secret.expose_secret();
    let rest = secret.strip_prefix(&format!("inv_{prefix}_")).unwrap_or(secret);
    let whole = SecretString::from(format!("inv_{prefix}_{rest}"));
    ApiKey::parse(whole.expose_secret()).map_err(|_| unknown())
}

fn basic_auth(value: &HeaderValue) -> Option<(String, SecretString)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded =
        SecretString::from(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
    let (id, secret) = decoded.expose_secret().split_once(':')?;
    Some((id.to_owned(), secret.into()))
}

/// Shows the keys that tokens can be verified with elsewhere (RFC 7517).
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "show_keys",
    tag = "access",
    responses((status = 200, body = Jwks)),
    extensions(("x-refusals" = json!(["500 internal", "503 database_unavailable"]))),
)]
pub(super) async fn keys(State(api): State<Arc<Api>>) -> Answered {
    let keys = api.tokens.keys().published(&api.shop).await.map_err(|error| failed(&error))?;
    let key = |PublicKey { kid, x, y }| {
        let (kty, crv, r#use, alg) = ("EC", "P-256", "sig", "ES256");
        Jwk { kty, crv, r#use, alg, kid, x, y }
    };
    let keys: Vec<_> = keys.into_iter().map(key).collect();
    let is_empty = keys.is_empty();
    let document = Json(Jwks { keys });
    // Before the first token there is no key, and nobody is to believe that for minutes.
    let kept = if is_empty { HeaderValue::from_static("no-store") } else { KEYS_FOR };
    Ok(([(header::CACHE_CONTROL, kept)], document).into_response())
}

fn failed(error: &SigningError) -> Problem {
    if let SigningError::Store(error) = error {
        return Problem::of_store(error);
    }
    tracing::error!(error = %error, "the keys of tokens cannot be used");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an internal error")
}
