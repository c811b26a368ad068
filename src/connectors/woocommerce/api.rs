//! Calls of a shop: where they go, and how it knows who is asking.
//!
//! Over TLS the keys are sent (HTTP Basic). A shop without it takes only requests that
//! are signed (OAuth 1.0a without tokens, RFC 5849 §3.4; HMAC-SHA256, the secret followed
//! by `&`): the signature goes over the address that is configured in the shop, each
//! nonce is taken once, and the clock may be off by a quarter of an hour.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use sha2::Sha256;

use super::Access;
use super::document::{document, explain};
use super::{AccessError, PAGE_MAX};
use crate::clock::Clock;
use crate::connectors::{
    Budget, Call, ChannelError, ChannelHttp, Cursor, DecodeError, ErrorKind, Heard, Quota, Reply,
    Urgency, WRITE_MAX,
};
use crate::secret::Random;

/// Where the API is, below the address of the shop. Keys work on this form only.
const ROOT: &str = "wp-json/wc/v3/";
/// What stays as it is in a signed address (RFC 3986, unreserved).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A query: names and values, not encoded.
pub(super) type Query<'a> = &'a [(&'a str, String)];

/// The API of one shop.
#[derive(Debug)]
pub(super) struct Api {
    http: ChannelHttp,
    root: Url,
    access: Access,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Api {
    pub(super) fn new(
        access: Access,
        quota: Quota,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, AccessError> {
        let root = root(&access.url)?;
        let http = ChannelHttp::new(Budget::new(&[quota]), nothing, Arc::clone(&clock))?;
        Ok(Self { http, root, access, clock, random })
    }

    /// Has somebody told of every call.
    pub(super) fn heard_by(&mut self, heard: Heard) {
        self.http = self.http.clone().heard_by(heard);
    }

    /// Whether the keys are sent, over TLS, and not only used to sign.
    pub(super) fn has_tls(&self) -> bool {
        self.root.scheme() == "https"
    }

    /// Reads a document.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        query: Query<'_>,
    ) -> Result<(T, HeaderMap), ChannelError> {
        self.get_urgent(what, path, query, Urgency::Ordinary).await
    }

    /// The same, in the time that is kept for what cannot wait.
    pub(super) async fn get_urgent<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        query: Query<'_>,
        urgency: Urgency,
    ) -> Result<(T, HeaderMap), ChannelError> {
        let call = self.call(what, Method::GET, path, query)?;
        let call = if urgency == Urgency::Urgent { call.urgent() } else { call };
        let reply = self.send(call).await?;
        Ok((document(&reply)?, reply.headers))
    }

    /// Sends a document and reads the answer.
    pub(super) async fn send_json<T: DeserializeOwned>(
        &self,
        what: &'static str,
        (method, path): (Method, &str),
        body: &serde_json::Value,
        urgency: Urgency,
    ) -> Result<T, ChannelError> {
        let call = self.call(what, method, path, &[])?.within(WRITE_MAX);
        let call = call.with(|request| request.json(body));
        let call = if urgency == Urgency::Urgent { call.urgent() } else { call };
        document(&self.send(call).await?)
    }

    async fn send(&self, call: Call) -> Result<Reply, ChannelError> {
        let reply = self.http.send(call).await?;
        self.http.succeeded(reply, explain)
    }

    fn call(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        query: Query<'_>,
    ) -> Result<Call, ChannelError> {
        let unsound = |error| {
            ChannelError::new(what, ErrorKind::Unreachable(format!("its address: {error}")))
        };
        let mut url = self.root.join(path).map_err(unsound)?;
        let mut pairs: Vec<(String, String)> =
            query.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
        if !self.has_tls() {
            self.sign(&method, &url, &mut pairs);
        }
        url.set_query(Some(&joined(&pairs)).filter(|query| !query.is_empty()).map(String::as_str));
        let call = self.http.call(what, method, url);
        if !self.has_tls() {
            return Ok(call);
        }
        let (key, secret) = (self.access.key.expose(), self.access.secret.expose());
        Ok(call.with(|request| request.basic_auth(key, Some(secret))))
    }

    /// Adds what tells who is asking to the query of a request.
    fn sign(&self, method: &Method, url: &Url, pairs: &mut Vec<(String, String)>) {
        let mut nonce = [0; 16];
        self.random.fill(&mut nonce);
        let nonce = nonce.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").ok();
            text
        });
        let seconds = self.clock.now().as_millis() / 1000;
        for (name, value) in [
            ("oauth_consumer_key", self.access.key.expose()),
            ("oauth_timestamp", &seconds.to_string()),
            ("oauth_nonce", &nonce),
            ("oauth_signature_method", "HMAC-SHA256"),
        ] {
            pairs.push((name.to_owned(), encoded(value)));
        }
        let signature =
            signature(self.access.secret.expose(), method.as_str(), url.as_str(), pairs);
        pairs.push(("oauth_signature".to_owned(), encoded(&signature)));
    }
}

/// The page after one, where there is one: by what the shop says, else by how full it is.
pub(super) fn next_page(headers: &HeaderMap, page: usize, rows: usize) -> Option<Cursor> {
    let pages = headers.get("x-wp-totalpages").and_then(|pages| pages.to_str().ok()?.parse().ok());
    let more = pages.map_or(rows >= PAGE_MAX, |pages: usize| page < pages && rows > 0);
    more.then(|| Cursor((page + 1).to_string()))
}

/// The number of the page that a cursor names.
pub(super) fn page_of(what: &'static str, after: Option<&Cursor>) -> Result<usize, ChannelError> {
    let Some(Cursor(text)) = after else { return Ok(1) };
    text.parse().map_err(|_| {
        let why = "where the list goes on is not a page".to_owned();
        ChannelError::new(what, ErrorKind::Unreadable(why))
    })
}

/// A shop says nothing of a budget.
const fn nothing(_: &HeaderMap) -> Option<(crate::connectors::Measure, crate::connectors::Said)> {
    None
}

/// The root of the API of a shop.
fn root(address: &str) -> Result<Url, DecodeError> {
    let wrong = |why: String| DecodeError { field: "url".to_owned(), why };
    let mut url = Url::parse(address).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("expected the address of a shop, as https://shop.example".to_owned()));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong("expected only the address; keys have keys of their own".to_owned()));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url.join(ROOT).map_err(|error| wrong(error.to_string()))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// The signature of a request with encoded parameters (RFC 5849 §3.4.1 and §3.4.2).
fn signature(secret: &str, method: &str, url: &str, pairs: &[(String, String)]) -> String {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let base = format!("{method}&{}&{}", encoded(url), encoded(&joined(&sorted)));
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(format!("{secret}&").as_bytes()) else {
        return String::new();
    };
    mac.update(base.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Computed by another program (Python's hmac and urllib) over the same request.
    #[test]
    fn a_signature_is_that_of_the_rule() {
        let pair = |name: &str, value: &str| (encoded(name), encoded(value));
        let pairs = [
            pair("per_page", "5"),
            pair("modified_after", "2026-11-22T17:41:31"),
            pair("search", "mug & lid"),
            pair("oauth_consumer_key", "ck_LAB"),
            pair("oauth_timestamp", "1795368749"),
            pair("oauth_nonce", "bgksvxsdmogisuuv"),
            pair("oauth_signature_method", "HMAC-SHA256"),
        ];
        let url = "http://localhost:18080/wp-json/wc/v3/products";
        assert_eq!(
            signature("cs_LAB", "GET", url, &pairs),
            "bFubU6kTJUWfEp5KzzrdqxYJhDf8BxEBphiwie+AjHo="
        );
    }

    #[test]
    fn an_address_is_that_of_a_shop_and_nothing_more() {
        let of = |address: &str| root(address).map(|url| url.to_string());
        let api = |base: &str| Ok(format!("{base}/wp-json/wc/v3/"));
        assert_eq!(of("https://shop.example"), api("https://shop.example"));
        assert_eq!(of("http://shop.example:8080/sub/"), api("http://shop.example:8080/sub"));
        for wrong in
            ["shop.example", "ftp://shop.example", "https://ck:cs@shop.example", "https://s/?a=1"]
        {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
