//! Calls of the marketplace: where they go, who asks, and what they cost.

use std::sync::Arc;

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::Clock;
use crate::connectors::{
    Budget, Call, ChannelError, ChannelHttp, Cursor, ErrorKind, Heard, Measure, Quota, Reply, Said,
    Urgency, WRITE_MAX,
};
use crate::secret::Secret;

/// Where the API is, below the address.
const ROOT: &str = "v1/";

/// A query: names and values, not encoded.
pub(super) type Query<'a> = &'a [(&'a str, String)];

/// The API of one account.
#[derive(Debug)]
pub(super) struct Api {
    http: ChannelHttp,
    root: Url,
    token: Secret,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Listed<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// Where the list goes on.
    pub(super) fn next(&self) -> Option<Cursor> {
        self.next_cursor.clone().map(Cursor)
    }
}

impl Api {
    pub(super) fn new(
        url: &str,
        token: Secret,
        quota: Quota,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let mut root = Url::parse(url).map_err(|error| error.to_string())?;
        if !matches!(root.scheme(), "http" | "https") || !root.has_host() {
            return Err("expected an address, as https://bazaar.example".to_owned());
        }
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        let root = root.join(ROOT).map_err(|error| error.to_string())?;
        let http = ChannelHttp::new(Budget::new(&[quota]), said, clock);
        Ok(Self { http: http.map_err(|error| error.to_string())?, root, token })
    }

    /// Has somebody told of every call.
    pub(super) fn heard_by(mut self, heard: Heard) -> Self {
        self.http = self.http.heard_by(heard);
        self
    }

    /// Reads a document.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        query: Query<'_>,
        urgency: Urgency,
    ) -> Result<T, ChannelError> {
        let call = self.call(what, Method::GET, path, urgency)?;
        self.send(call.with(|request| request.query(query))).await
    }

    /// Sends a document that costs points, and reads the answer.
    pub(super) async fn put<T: DeserializeOwned>(
        &self,
        what: &'static str,
        (method, path): (Method, &str),
        (body, points): (&Value, u32),
        urgency: Urgency,
    ) -> Result<T, ChannelError> {
        let call = self.call(what, method, path, urgency)?.within(WRITE_MAX).cost(points);
        self.send(call.with(|request| request.json(body))).await
    }

    fn call(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        urgency: Urgency,
    ) -> Result<Call, ChannelError> {
        let unsound = |error| {
            ChannelError::new(what, ErrorKind::Unreachable(format!("its address: {error}")))
        };
        let url = self.root.join(path).map_err(unsound)?;
        let call = self.http.call(what, method, url);
        let call = call.with(|request| request.bearer_auth(self.token.expose()));
        Ok(if urgency == Urgency::Urgent { call.urgent() } else { call })
    }

    async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<T, ChannelError> {
        let reply = self.http.send(call).await?;
        self.http.succeeded(reply, explain)?.json()
    }
}

/// What every answer says of the budget.
fn said(headers: &HeaderMap) -> Option<(Measure, Said)> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse().ok();
    let left = number("x-cost-left")?;
    let said = Said { left: Some(left), capacity: number("x-cost-limit"), fills_in: None };
    Some((Measure::Points, said))
}

/// A failure as it writes it.
#[derive(Debug, Deserialize)]
struct Failure {
    error: Told,
}

#[derive(Debug, Deserialize)]
struct Told {
    code: String,
    message: String,
}

/// What an answer says that is no success; `None` where its status says it all.
fn explain(reply: &Reply) -> Option<ErrorKind> {
    let status = reply.status.as_u16();
    let Ok(Failure { error: Told { code, message } }) = reply.json() else {
        let nothing = "nothing of its API is there: is the url right?";
        // Nothing is gone for that: it is not there to ask.
        return matches!(status, 404 | 410).then(|| ErrorKind::Broken(nothing.to_owned()));
    };
    Some(match status {
        401 => ErrorKind::Unauthorized(message),
        403 => ErrorKind::Forbidden(message),
        404 if code == "unknown_order" => ErrorKind::NotFound(message),
        404 | 410 | 500.. => ErrorKind::Broken(message),
        _ => ErrorKind::Refused { code, detail: message },
    })
}
