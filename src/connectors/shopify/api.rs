//! Documents sent to a shop: who asks, what they cost, and what an answer says.
//!
//! A document is answered 200 whatever became of it: what went wrong stands in `errors`
//! (shopify.dev, "API response status and error codes"). Each has a cost in points; what
//! was asked for too much is given back with the answer.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::token::{self, Keys, Tokens};
use crate::clock::Clock;
use crate::connectors::{
    Bill, Budget, Call, ChannelError, ChannelHttp, ErrorKind, Heard, Quota, Reply, Said,
    TokenStore, Urgency, WRITE_MAX,
};
use crate::secret::Secret;

/// Where documents go: the version that the documents of this connector were checked with.
const GRAPHQL: &str = "admin/api/2026-10/graphql.json";

/// A document of `graphql/`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document {
    /// What it is sent for, as a verb with its object.
    pub(super) what: &'static str,
    /// Its text.
    pub(super) text: &'static str,
    /// What it costs at most, in points: 1 for an object, 2 for a list and as much for each
    /// entry asked for, 10 for a change.
    pub(super) cost: u32,
    /// Whether it changes numbers: it is given up when its sender may have lost the channel.
    pub(super) is_write: bool,
}

impl Document {
    /// One that reads.
    pub(super) const fn reading(what: &'static str, text: &'static str, cost: u32) -> Self {
        Self { what, text, cost, is_write: false }
    }

    /// The same for a call that asks for less than it could.
    pub(super) const fn costing(self, cost: u32) -> Self {
        Self { cost, ..self }
    }

    /// One that changes something.
    pub(super) const fn writing(what: &'static str, text: &'static str, cost: u32) -> Self {
        Self { what, text, cost, is_write: true }
    }
}

/// The API of one shop.
#[derive(Debug)]
pub(super) struct Api {
    http: ChannelHttp,
    graphql: Url,
    tokens: Tokens,
}

#[derive(Deserialize)]
struct Answered<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<Failure>,
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    message: String,
    extensions: Option<FailureExtensions>,
}

#[derive(Deserialize)]
struct FailureExtensions {
    code: Option<String>,
}

#[derive(Deserialize)]
struct Extensions {
    cost: Option<Cost>,
}

#[derive(Deserialize)]
struct Cost {
    #[serde(rename = "requestedQueryCost")]
    requested: f64,
    #[serde(rename = "actualQueryCost")]
    actual: Option<f64>,
    #[serde(rename = "throttleStatus")]
    throttle: Throttle,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Throttle {
    maximum_available: f64,
    currently_available: f64,
    restore_rate: f64,
}

/// Points as whole numbers: what is not one is taken as the next lower.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn points(number: f64) -> u32 {
    if number.is_finite() { number.clamp(0.0, f64::from(u32::MAX)) as u32 } else { 0 }
}

impl Cost {
    fn said(&self) -> Said {
        let Throttle { maximum_available: all, currently_available: left, restore_rate: rate } =
            self.throttle;
        Said {
            left: Some(points(left)),
            capacity: Some(points(all)),
            fills_in: Duration::try_from_secs_f64(all / rate).ok(),
        }
    }

    /// How long until there is room for what was asked for.
    fn wait(&self) -> Duration {
        let missing = self.requested - self.throttle.currently_available;
        let seconds = (missing / self.throttle.restore_rate).max(0.0);
        Duration::try_from_secs_f64(seconds).unwrap_or_default().max(Duration::from_secs(1))
    }
}

impl Api {
    pub(super) fn new(
        url: &str,
        keys: Keys,
        quota: Quota,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let mut root = Url::parse(url).map_err(|error| error.to_string())?;
        // What keys are sent in the clear are seen on the way: only a simulated shop has no TLS.
        let is_here = root.scheme() == "http" && root.host_str() == Some("127.0.0.1");
        if !root.has_host() || root.scheme() != "https" && !is_here {
            return Err("expected the shop's address, as https://SHOP.myshopify.com".to_owned());
        }
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        let join = |path: &str| root.join(path).map_err(|error| error.to_string());
        let (graphql, token_url) = (join(GRAPHQL)?, join(token::PATH)?);
        let http =
            ChannelHttp::new(Budget::new(&[quota]), |_: &HeaderMap| None, Arc::clone(&clock))
                .map_err(|error| error.to_string())?;
        Ok(Self { http, graphql, tokens: Tokens::new(keys, token_url, clock) })
    }

    /// Has its tokens kept.
    pub(super) fn kept_in(mut self, store: Arc<dyn TokenStore>) -> Self {
        self.tokens = self.tokens.kept_in(store);
        self
    }

    /// Has somebody told of every call.
    pub(super) fn heard_by(mut self, heard: Heard) -> Self {
        self.http = self.http.heard_by(heard);
        self
    }

    /// Sends a document once, and reads what it was answered. One that changes something is
    /// given up after a time, whatever had to be done for it: its sender may have lost the
    /// channel by then.
    pub(super) async fn run<T: DeserializeOwned>(
        &self,
        document: &Document,
        variables: &Value,
        urgency: Urgency,
    ) -> Result<T, ChannelError> {
        let answer = self.run_with_token(document, variables, urgency);
        if !document.is_write {
            return answer.await;
        }
        let timeout = |_| ChannelError::new(document.what, ErrorKind::Timeout);
        tokio::time::timeout(WRITE_MAX, answer).await.map_err(timeout)?
    }

    /// A token that is not taken any more is replaced, and the document sent with the new
    /// one: nothing was done before.
    async fn run_with_token<T: DeserializeOwned>(
        &self,
        document: &Document,
        variables: &Value,
        urgency: Urgency,
    ) -> Result<T, ChannelError> {
        let token = self.tokens.current(&self.http).await?;
        let reply = self.send(document, variables, (&token, urgency)).await?;
        let is_refused = reply.status == reqwest::StatusCode::UNAUTHORIZED;
        if is_refused && self.tokens.refused(&token).await {
            let token = self.tokens.current(&self.http).await?;
            let reply = self.send(document, variables, (&token, urgency)).await?;
            if reply.status == reqwest::StatusCode::UNAUTHORIZED {
                self.tokens.refused(&token).await;
            }
            return self.read(document, reply);
        }
        self.read(document, reply)
    }

    async fn send(
        &self,
        document: &Document,
        variables: &Value,
        (token, urgency): (&Secret, Urgency),
    ) -> Result<Reply, ChannelError> {
        let body = json!({ "query": document.text, "variables": variables });
        let call = self.http.call(document.what, Method::POST, self.graphql.clone());
        let call = call
            .cost(document.cost)
            .refused_in_body()
            .with(|request| request.header("x-shopify-access-token", token.expose()).json(&body));
        let call: Call = if document.is_write { call.within(WRITE_MAX) } else { call };
        self.http.send(if urgency == Urgency::Urgent { call.urgent() } else { call }).await
    }

    fn read<T: DeserializeOwned>(
        &self,
        document: &Document,
        reply: Reply,
    ) -> Result<T, ChannelError> {
        let reply = self.http.succeeded(reply, explain)?;
        let left_at = reply.left_at();
        let Answered { data, errors, extensions } = reply.json::<Answered<Value>>()?;
        let cost = extensions.and_then(|extensions| extensions.cost);
        if let Some(cost) = &cost {
            let (taken, said) = (document.cost, cost.said());
            let cost = cost.actual.map_or(taken, points);
            self.http.budget().settle(Bill { taken, cost, left_at, said });
        }
        let error = |kind| ChannelError::new(document.what, kind);
        if let Some(failure) = errors.into_iter().next() {
            return Err(self.failed(document.what, failure, cost.as_ref()));
        }
        self.http.budget().answered();
        let data = data.filter(|data| !data.is_null());
        let data = data.ok_or_else(|| error(ErrorKind::Unreadable("it has no data".to_owned())))?;
        serde_json::from_value(data).map_err(|_| {
            error(ErrorKind::Unreadable("its data has another shape than was asked for".to_owned()))
        })
    }

    fn failed(&self, what: &'static str, failure: Failure, cost: Option<&Cost>) -> ChannelError {
        let code = failure.extensions.and_then(|extensions| extensions.code).unwrap_or_default();
        let message = failure.message;
        match code.as_str() {
            "THROTTLED" => {
                let wait = cost.map(Cost::wait);
                self.http.budget().refused(wait);
                let error = ChannelError::new(what, ErrorKind::RateLimited);
                wait.map_or(error.clone(), |wait| error.after(wait))
            }
            "ACCESS_DENIED" => ChannelError::new(what, ErrorKind::Forbidden(message)),
            "INTERNAL_SERVER_ERROR" | "TIMEOUT" => {
                ChannelError::new(what, ErrorKind::Broken(message))
            }
            _ => ChannelError::new(what, ErrorKind::Refused { code, detail: message }),
        }
    }
}

/// What an answer says that is no success; `None` where its status says it all.
fn explain(reply: &Reply) -> Option<ErrorKind> {
    let told = match reply.status.as_u16() {
        401 => return Some(ErrorKind::Unauthorized("the access token is not taken".to_owned())),
        402 => "the shop is frozen until its bill is paid",
        423 => "the shop is locked",
        404 => "there is no such shop: is the url that of SHOP.myshopify.com?",
        _ => return None,
    };
    Some(ErrorKind::Broken(told.to_owned()))
}
