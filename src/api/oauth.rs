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
use serde::Deserialize;
use serde_json::json;

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
#[derive(Deserialize)]
struct Form {
    grant_type: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
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
        let document = json!({
            "error": error, "error_description": description,
            "type": "about:blank", "title": title, "status": status.as_u16(),
            "code": error, "detail": description,
        });
        let mut response = (status, Json(document)).into_response();
        if is_client {
            let basic = HeaderValue::from_static(r#"Basic realm="invshop", charset="UTF-8""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
            response.extensions_mut().insert(Guessed);
        }
        response
    }
}

/// `POST /oauth/token`: a token for a key. Nobody on the way keeps the answer.
pub(super) async fn token(State(api): State<Arc<Api>>, request: Request) -> Response {
    let mut response = give(&api, request).await.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn give(api: &Api, request: Request) -> Result<Response, Failed> {
    let headers = request.headers().clone();
    let origin = request.extensions().get::<Origin>().cloned();
    let form = read(request).await?;
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
    let document = json!({
        "access_token": issued.token.expose_secret(),
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": issued.rights.scopes(),
    });
    Ok(Json(document).into_response())
}

async fn read(request: Request) -> Result<Form, Failed> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let description = "the body must be a form: application/x-www-form-urlencoded";
        return Err(refused("invalid_request", description));
    }
    let bytes = body::bytes(request).await?;
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

/// `GET /.well-known/jwks.json`: what tokens can be verified with elsewhere (RFC 7517).
pub(super) async fn keys(State(api): State<Arc<Api>>) -> Answered {
    let keys = api.tokens.keys().published(&api.shop).await.map_err(|error| failed(&error))?;
    let key = |PublicKey { kid, x, y }| {
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
                "x": x, "y": y })
    };
    let keys: Vec<_> = keys.into_iter().map(key).collect();
    let is_empty = keys.is_empty();
    let document = Json(json!({ "keys": keys }));
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
