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
use std::io::{self, Write as _};
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::GzEncoder;
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
    json: Text,
    page: Text,
    /// What the page may do: it has one style, and nothing of any host.
    policy: HeaderValue,
}

/// A text in the forms in which it is sent, each made once: sending it copies nothing.
#[derive(Debug)]
struct Text {
    plain: Bytes,
    packed: Option<Bytes>,
    tag: HeaderValue,
}

impl Text {
    fn of(text: String) -> Self {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(&text));
        let tag = HeaderValue::try_from(format!("\"{digest}\""));
        let tag = tag.unwrap_or(HeaderValue::from_static("\"-\""));
        Self { packed: packed(text.as_bytes()).ok(), plain: text.into(), tag }
    }

    /// As a client takes it; nothing but its tag where the client has it.
    fn answer(&self, headers: &HeaderMap, kind: &'static str) -> Response {
        let kept = [(header::CACHE_CONTROL, KEPT)];
        if let Some(tag) = etag::known(headers, &self.tag) {
            return (StatusCode::NOT_MODIFIED, kept, [(header::ETAG, tag)]).into_response();
        }
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let about = [kind, (header::ETAG, self.tag.clone())];
        match self.packed.clone().filter(|_| takes_gzip(headers)) {
            Some(packed) => {
                let coding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
                (kept, about, coding, packed).into_response()
            }
            None => (kept, about, self.plain.clone()).into_response(),
        }
    }
}

fn packed(text: &[u8]) -> io::Result<Bytes> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text)?;
    packer.finish().map(Bytes::from)
}

/// Whether a client takes what is packed (RFC 9110 §12.5.3): it names the coding, or all of them,
/// and does not say that it is worth nothing to it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    let codings = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let (mut gzip, mut any) = (None, None);
    for coding in codings {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches(['q', 'Q', '=']).parse::<f32>();
        let is_taken = weight.is_ok_and(|weight| weight > 0.0);
        match name.trim() {
            "*" => any = Some(is_taken),
            name if name.eq_ignore_ascii_case("gzip") => gzip = Some(is_taken),
            _ => {}
        }
    }
    gzip.or(any).unwrap_or(false)
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
    pub(super) fn text(&self) -> String {
        format!("{:#}\n", self.whole)
    }

    /// Says in an answer of a route that it is deprecated, where it is.
    pub(super) fn tell(&self, method: &str, route: &str, headers: &mut HeaderMap) {
        if self.deprecated.is_empty() {
            return;
        }
        let told = |method: &str| self.deprecated.get(&(method.to_owned(), route.to_owned()));
        // What answers GET answers HEAD too, and with the same headers (RFC 9110 §9.3.2).
        let told = told(method).or_else(|| told("GET").filter(|_| method == "HEAD"));
        if let Some(told) = told {
            told.tell(headers);
        }
    }

    fn written(&self) -> &Written {
        self.written.get_or_init(|| {
            let (json, page) = (Text::of(self.text()), Text::of(page::page(&self.whole)));
            let style = STANDARD.encode(Sha256::digest(page::STYLE));
            let policy =
                format!("default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'");
            let policy = HeaderValue::try_from(policy);
            let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'none'"));
            Written { json, page, policy }
        })
    }
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
    document.written().json.answer(&headers, "application/json")
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
    let mut response = written.page.answer(&headers, "text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, written.policy.clone());
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn asks_for(codings: &'static [&'static str]) -> HeaderMap {
        let lines =
            codings.iter().map(|one| (header::ACCEPT_ENCODING, HeaderValue::from_static(one)));
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name, line);
        }
        headers
    }

    #[test]
    fn who_says_nothing_or_refuses_it_is_sent_nothing_packed() {
        let taken: &[&[&str]] =
            &[&["gzip"], &["br, GZIP;q=0.5"], &["*"], &["br", "gzip"], &["*;q=0, gzip; q=0.001"]];
        for codings in taken {
            assert!(takes_gzip(&asks_for(codings)), "{codings:?}");
        }
        let refused: &[&[&str]] = &[
            &[],
            &["identity"],
            &["br"],
            &["gzip;q=0"],
            &["*, gzip;q=0.000"],
            &["gzip;q=x"],
            &[""],
        ];
        for codings in refused {
            assert!(!takes_gzip(&asks_for(codings)), "{codings:?}");
        }
    }

    #[tokio::test]
    async fn each_form_is_made_once() {
        let text = Text::of("what is said ".repeat(1_000));
        for (codings, form) in
            [(&["identity"], &text.plain), (&["gzip"], text.packed.as_ref().unwrap())]
        {
            let sent = text.answer(&asks_for(codings), "text/plain").into_body();
            let sent = sent.collect().await.unwrap().to_bytes();
            assert_eq!(sent.as_ptr(), form.as_ptr(), "{codings:?} is a copy");
        }
    }
}
