//! The OpenAPI document, made from the routes that are served, and a page of it to read.
//!
//! Routes are added with their documentation or not at all (`OpenApiRouter`), so what is served is
//! documented. What routes have in common is written once (`finish`), what a word means stands
//! beside its bounds (`words`). Nothing here asks the database.

mod codes;
mod deprecation;
mod finish;
mod page;
pub(super) mod parameters;
pub(super) mod words;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

use super::{Api, etag};
use deprecation::Deprecation;
use parameters::IfNoneMatch;

/// Whoever has it asks again whether it is still so: another daemon may say more.
const KEPT: HeaderValue = HeaderValue::from_static("no-cache");

const ABOUT: &str = "\
A stock ledger for sellers on many channels that does not oversell and can explain every number.

Requests and answers are JSON in UTF-8; times are RFC 3339 in UTC; money is in minor units. Lists \
take `limit` and `cursor`, and answer `{\"data\": [...], \"next_cursor\": ...}`. Every error is a \
problem (RFC 9457) with a stable `code`; a path that does not exist is 404 `not_found`, a method \
that a path does not have is 405 `method_not_allowed`. Names that are not known are refused, in \
bodies and in queries. Fields may be added to answers, and types to events.";

/// The document of a daemon.
#[derive(Debug)]
pub(super) struct Document {
    whole: Value,
    /// By method and route.
    deprecated: HashMap<(String, String), Deprecation>,
    written: OnceLock<Written>,
}

/// Both forms of the document with their tags. They are made when somebody asks.
#[derive(Debug)]
struct Written {
    json: (String, HeaderValue),
    page: (String, HeaderValue),
    /// What the page may do: it has one style, and nothing of any host.
    policy: HeaderValue,
}

/// The document before any route is in it.
pub(super) fn empty() -> OpenApi {
    let info = InfoBuilder::new().title("invshop").version("1").description(Some(ABOUT));
    let components = words::components().build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

impl Document {
    /// Of all routes.
    pub(super) fn of(routes: &OpenApi) -> Self {
        let whole = finish::finish(serde_json::to_value(routes).unwrap_or_default());
        let mut deprecated = HashMap::new();
        let paths = whole["paths"].as_object();
        for (path, item) in paths.into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if let Some(told) = operation.as_object().and_then(Deprecation::of) {
                    deprecated.insert((method.to_ascii_uppercase(), path.clone()), told);
                }
            }
        }
        Self { whole, deprecated, written: OnceLock::new() }
    }

    /// The document as it is served.
    pub(super) fn text(&self) -> &str {
        &self.written().json.0
    }

    /// Says in an answer of a route that it is deprecated, where it is.
    pub(super) fn tell(&self, method: &str, route: &str, headers: &mut HeaderMap) {
        if self.deprecated.is_empty() {
            return;
        }
        if let Some(told) = self.deprecated.get(&(method.to_owned(), route.to_owned())) {
            told.tell(headers);
        }
    }

    fn written(&self) -> &Written {
        self.written.get_or_init(|| {
            let json = format!("{:#}\n", self.whole);
            let page = page::page(&self.whole);
            let style = STANDARD.encode(Sha256::digest(page::STYLE));
            let policy =
                format!("default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'");
            let policy = HeaderValue::try_from(policy);
            let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'none'"));
            let (json_tag, page_tag) = (tag(&json), tag(&page));
            Written { json: (json, json_tag), page: (page, page_tag), policy }
        })
    }
}

fn tag(text: &str) -> HeaderValue {
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    HeaderValue::try_from(format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"-\""))
}

/// A text that is the same until another daemon serves it.
fn kept(headers: &HeaderMap, (text, tag): &(String, HeaderValue), kind: &'static str) -> Response {
    let about = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, KEPT)];
    if let Some(tag) = etag::known(headers, tag) {
        let about = [(header::ETAG, tag), (header::CACHE_CONTROL, KEPT)];
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    (about, kind, text.clone()).into_response()
}

/// This document: OpenAPI 3.1, made from the routes that are served.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "process",
    params(IfNoneMatch),
    responses(
        (status = 200, body = Object, headers(("ETag" = String, description = "Its state."))),
        (status = 304),
    ),
)]
pub(super) async fn json(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let Some(document) = api.document.get() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    kept(&headers, &document.written().json, "application/json")
}

/// This document as one page to read: it asks no other host for anything.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "docs",
    tag = "process",
    params(IfNoneMatch),
    responses(
        (
            status = 200,
            body = String,
            content_type = "text/html",
            headers(("ETag" = String, description = "Its state.")),
        ),
        (status = 304),
    ),
)]
pub(super) async fn page(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let Some(document) = api.document.get() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let written = document.written();
    let mut response = kept(&headers, &written.page, "text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, written.policy.clone());
    response
}
