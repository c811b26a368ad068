//! The API of a test's shop on a loopback port, and clients with keys of their own.

use std::sync::Arc;
use std::time::Duration;

use invshop::api::{Api, Keys, Load, Manner, serve};
use invshop::config::{Config, Inputs};
use invshop::domain::{AccountName, AllocationPolicy};
use invshop::events::Feed;
use invshop::ledger::catalogue::NewAccount;
use invshop::secret::ApiKey;
use invshop::shop::Shop;
use invshop::writer::Command;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use super::document;
use crate::harness::TestShop;

/// How long requests under way may take at the end.
const DRAIN: Duration = Duration::from_secs(20);

/// As a daemon serves without TLS.
pub(super) const fn manner() -> Manner {
    Manner::plain(DRAIN)
}

/// A served shop: a second process' view of the test's.
pub(crate) struct Served {
    base: String,
    shop: Arc<Shop>,
    keys: Arc<Keys>,
    feed: Arc<Feed>,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

/// Somebody with a key.
#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    http: reqwest::Client,
    key: Option<String>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) replayed: bool,
    pub(crate) body: Value,
    pub(crate) headers: reqwest::header::HeaderMap,
}

impl Reply {
    /// The stable code of a problem.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("none")
    }
}

impl Served {
    pub(crate) async fn new(shop: &TestShop) -> Self {
        Self::of(shop, OpenApiRouter::new(), |api| api).await
    }

    /// With other routes beside its own.
    pub(crate) async fn beside(shop: &TestShop, beside: OpenApiRouter) -> Self {
        Self::of(shop, beside, |api| api).await
    }

    /// With so much to work on at the same time.
    pub(crate) async fn with_load(shop: &TestShop, load: Load) -> Self {
        Self::of(shop, OpenApiRouter::new(), |api| api.with_load(load)).await
    }

    /// Over connections that are served in another manner, as settings of a configuration say.
    pub(crate) async fn over(shop: &TestShop, manner: Manner, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let inputs = Inputs { overrides: settings.collect(), ..Inputs::default() };
        let config = Config::load(&inputs).unwrap();
        Self::served(shop, manner, OpenApiRouter::new(), |api| api.configured(&config)).await
    }

    /// Served as settings of a configuration say.
    pub(crate) async fn configured(shop: &TestShop, settings: &[(&str, &str)]) -> Self {
        Self::over(shop, manner(), settings).await
    }

    async fn of(shop: &TestShop, beside: OpenApiRouter, set: impl FnOnce(Api) -> Api) -> Self {
        Self::served(shop, manner(), beside, set).await
    }

    async fn served(
        shop: &TestShop,
        manner: Manner,
        beside: OpenApiRouter,
        set: impl FnOnce(Api) -> Api,
    ) -> Self {
        let shop = Arc::new(shop.another().await);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let api = set(Api::new(Arc::clone(&shop), AllocationPolicy::Split));
        let (keys, feed, router) = (api.keys(), api.feed(), api.router_beside(beside));
        let mut serving = JoinSet::new();
        serving.spawn(Arc::clone(&feed).run(stop.clone()));
        serving.spawn(serve(listener, router, manner, stop.clone()));
        Self { base, shop, keys, feed, stop, serving }
    }

    /// A client whose new key has a role.
    pub(crate) async fn client(&self, name: &str, role: &'static str) -> Client {
        let key = ApiKey::generate(self.shop.random.as_ref());
        let account = NewAccount {
            name: AccountName::new(name).unwrap(),
            role,
            key: Some((key.prefix().to_owned(), key.hash())),
        };
        self.shop.submit(Command::CreateAccount(account), None).await.unwrap();
        self.with_key(Some(key.expose().to_owned()))
    }

    /// Asks for a token with a form, and with a name and a password where they are given.
    pub(crate) async fn oauth(
        &self,
        form: &[(&str, String)],
        basic: Option<(String, String)>,
    ) -> Reply {
        let client = self.with_key(None);
        let pairs = form.iter().map(|(name, value)| {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            format!("{}={}", encode(name), encode(value))
        });
        let request = client
            .request(Method::POST, "/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(pairs.collect::<Vec<_>>().join("&"));
        let request = match basic {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        };
        client.send(request).await
    }

    /// The shop as it is served, with its counters.
    pub(crate) fn shop(&self) -> &Shop {
        &self.shop
    }

    /// What is told to those who listen.
    pub(crate) const fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// How many listen.
    pub(crate) fn listeners(&self) -> usize {
        self.feed.listeners()
    }

    /// Where it is served.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Writes down what keys were used since the last time.
    pub(crate) async fn write_uses(&self) {
        self.keys.write_uses(&self.shop).await.unwrap();
    }

    pub(crate) fn with_key(&self, key: Option<String>) -> Client {
        let http = crate::harness::http().timeout(Duration::from_mins(1)).build().unwrap();
        Client { base: self.base.clone(), http, key }
    }

    /// Ends: whatever was asked is answered, and no invariant was broken.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.serving.join_all().await;
        drop(self.feed);
        assert_eq!(self.shop.counters.invariant_violations.get(), 0, "broken invariants");
        Arc::into_inner(self.shop).unwrap().close().await;
    }
}

impl Client {
    /// Somebody who has a key of a shop that is served elsewhere.
    pub(crate) fn new(base: &str, key: &str) -> Self {
        let http = crate::harness::http().timeout(Duration::from_mins(1)).build().unwrap();
        Self { base: base.to_owned(), http, key: Some(key.to_owned()) }
    }

    /// Where it asks.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The key it asks with.
    pub(crate) fn key(&self) -> &str {
        self.key.as_deref().unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Reply {
        let (http, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = http.execute(request).await.unwrap();
        let headers = response.headers().clone();
        let status = response.status().as_u16();
        let replayed = headers.get("idempotent-replayed").is_some();
        assert!(headers.contains_key("x-request-id"), "every answer has a name");
        let kind = headers.get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        // Whatever is asked in a test, what is answered is what the document has.
        document::check(method.as_str(), &path, status, &headers, &text);
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        if status >= 400 {
            // OAuth has errors of its own, which are problems too (RFC 6749 §5.2).
            let kinds = ["application/problem+json", "application/json"];
            let kind = kind.as_deref().unwrap_or_default();
            assert!(kinds.contains(&kind), "{kind} {text}");
            assert_eq!(kind == kinds[1], body.get("error").is_some(), "{text}");
            assert_eq!(body["status"], status, "{text}");
        }
        Reply { status, replayed, body, headers }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// The type and the text of what is not JSON.
    pub(crate) async fn text(&self, path: &str) -> (String, String) {
        let response = self.request(Method::GET, path).send().await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, response.text().await.unwrap())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PUT, path).json(body)).await
    }
}
