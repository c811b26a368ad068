//! The only way to a channel: a budget before each call, a time and a length it may
//! have, and an answer that was looked at. It never repeats a call, follows no
//! redirect and takes no proxy from the environment: keys go where they belong.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{Budget, ChannelError, ErrorKind, Heard, Mark, Measure, Said, Urgency, heard};
use crate::clock::{Clock, Timestamp};

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a call may take in all, unless it says otherwise.
const CALL_MAX: Duration = Duration::from_secs(30);
/// The longest answer that is taken, in bytes, unless a call says otherwise.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Shops close idle connections after a while: ours go first (nginx: 75 s, php-fpm
/// behind it often 5 s to 60 s).
const IDLE_MAX: Duration = Duration::from_secs(4);
/// How an answer is called that is for people.
pub(crate) const PAGE: &str = "it is a page for people, not a document";
/// What of an answer that is no document may be said: enough to know a page by.
const GIST_CHARS_MAX: usize = 80;

/// What a connector hears in the headers of every answer about its budget.
pub type Listen = fn(&HeaderMap) -> Option<(Measure, Said)>;

/// A call that is to be made.
pub struct Call {
    what: &'static str,
    request: RequestBuilder,
    cost: u32,
    urgency: Urgency,
    limit: Duration,
    body_bytes_max: usize,
    refuses_in_body: bool,
}

/// Keys are in its headers, or its address: they are never shown.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a call to {}", self.what)
    }
}

impl Call {
    /// Takes so many points of the budget.
    #[must_use]
    pub const fn cost(mut self, points: u32) -> Self {
        self.cost = points;
        self
    }

    /// Its channel refuses a call for being one too many in a body, with a status of success:
    /// whoever reads that tells the budget.
    #[must_use]
    pub const fn refused_in_body(mut self) -> Self {
        self.refuses_in_body = true;
        self
    }

    /// May take the reserve of the budget.
    #[must_use]
    pub const fn urgent(mut self) -> Self {
        self.urgency = Urgency::Urgent;
        self
    }

    /// May take so long, the wait for the budget included: what was decided before that
    /// is not sent after it.
    #[must_use]
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// May be answered with so many bytes.
    #[must_use]
    pub const fn up_to(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Changes the request: headers, query, body, keys.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        self.request = change(self.request);
        self
    }
}

/// An answer, whatever its status.
#[derive(Clone)]
pub struct Reply {
    what: &'static str,
    /// When its call left.
    left_at: Mark,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Vec<u8>,
}

/// A body may hold customers: it is never shown.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {} with {} bytes", self.what, self.status, self.body.len())
    }
}

/// The calls of one channel. Clones share connections and budget.
#[derive(Clone, Debug)]
pub struct ChannelHttp {
    client: Client,
    budget: Budget,
    listen: Listen,
    clock: Arc<dyn Clock>,
    heard: Heard,
}

impl ChannelHttp {
    /// A client with a budget; `listen` hears what every answer says of it.
    pub fn new(
        budget: Budget,
        listen: Listen,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ChannelError> {
        // It fails only where one is there already.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder()
            .user_agent(concat!("invshop/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_MAX)
            .pool_idle_timeout(IDLE_MAX)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| failed("prepare calls", error))?;
        Ok(Self { client, budget, listen, clock, heard: Heard::default() })
    }

    /// Has somebody told of every call.
    #[must_use]
    pub fn heard_by(mut self, heard: Heard) -> Self {
        self.heard = heard;
        self
    }

    /// The budget, for what bodies say of it.
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// A call, named as a verb with its object: "read the orders".
    pub fn call(&self, what: &'static str, method: Method, url: Url) -> Call {
        Call {
            what,
            // Some shops answer failures with a page unless they are asked for JSON.
            request: self.client.request(method, url).header("accept", "application/json"),
            cost: 1,
            urgency: Urgency::Ordinary,
            limit: CALL_MAX,
            body_bytes_max: BODY_BYTES_MAX,
            refuses_in_body: false,
        }
    }

    /// Makes a call once. Every status is an answer but those that say "fewer calls".
    pub async fn send(&self, call: Call) -> Result<Reply, ChannelError> {
        let (what, begun) = (call.what, Instant::now());
        let end = begun + call.limit;
        let room = self.budget.take(call.cost, call.urgency);
        if tokio::time::timeout_at(end, room).await.is_err() {
            tracing::debug!(what, error = %ErrorKind::NotSent);
            self.heard.tell(what, "not_sent");
            return Err(ChannelError::new(what, ErrorKind::NotSent));
        }
        let result = tokio::time::timeout_at(end, self.exchange(call)).await;
        let result = result.unwrap_or(Err(ChannelError::new(what, ErrorKind::Timeout)));
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &result {
            Ok(reply) => {
                let status = reply.status.as_u16();
                tracing::debug!(what, status, duration_ms);
                self.heard.tell(what, heard::of_status(status));
            }
            Err(error) => {
                tracing::debug!(what, error = %error.kind, duration_ms);
                self.heard.tell(what, heard::of_error(error));
            }
        }
        result
    }

    async fn exchange(&self, call: Call) -> Result<Reply, ChannelError> {
        let (what, left_at) = (call.what, self.budget.mark());
        let response = call.request.send().await.map_err(|error| failed(what, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if let Some((measure, said)) = (self.listen)(&headers) {
            self.budget.said(measure, said);
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = retry_after(&headers, self.clock.now());
            self.budget.refused(wait);
            let error = ChannelError::new(what, ErrorKind::RateLimited);
            return Err(wait.map_or(error.clone(), |wait| error.after(wait)));
        }
        let body = whole(what, response, call.body_bytes_max).await?;
        if !call.refuses_in_body {
            self.budget.answered();
        }
        Ok(Reply { what, left_at, status, headers, body })
    }

    /// What a reply says that is no success, by its status alone; a connector that
    /// finds more in the body says so in `explain`.
    pub fn succeeded(
        &self,
        reply: Reply,
        explain: impl FnOnce(&Reply) -> Option<ErrorKind>,
    ) -> Result<Reply, ChannelError> {
        if reply.status.is_success() {
            return Ok(reply);
        }
        let kind = explain(&reply).unwrap_or_else(|| by_status(&reply));
        let error = ChannelError::new(reply.what, kind);
        // Maintenance says when it ends.
        let wait = retry_after(&reply.headers, self.clock.now());
        let wait = wait.filter(|_| reply.status.is_server_error());
        Err(wait.map_or(error.clone(), |wait| error.after(wait)))
    }
}

impl Reply {
    /// The document in the body. What does not fit is told by its place and never by
    /// its content.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ChannelError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            let why = match error.classify() {
                serde_json::error::Category::Eof => "it breaks off",
                serde_json::error::Category::Data => "it has another shape",
                _ if self.is_page() => PAGE,
                _ => "it is no JSON",
            };
            let why = format!("{why} at {place}");
            ChannelError::new(self.what, ErrorKind::Unreadable(why))
        })
    }

    /// What was asked for.
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// When its call left, for what the body says of the budget.
    pub const fn left_at(&self) -> Mark {
        self.left_at
    }

    /// Whether the body looks like HTML.
    pub fn is_page(&self) -> bool {
        self.body.trim_ascii_start().first() == Some(&b'<')
    }

    /// The title of a page, or how long what is no page is: a body is not repeated.
    fn gist(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        match title {
            Some((title, _)) if self.is_page() => {
                let words = title.split_whitespace().collect::<Vec<_>>().join(" ");
                let gist: String = words.chars().take(GIST_CHARS_MAX).collect();
                format!("a page \"{gist}\"")
            }
            _ if self.is_page() => "a page".to_owned(),
            _ => format!("{} bytes", self.body.len()),
        }
    }
}

fn by_status(reply: &Reply) -> ErrorKind {
    let told = format!("{} with {}", reply.status, reply.gist());
    match reply.status.as_u16() {
        300..=399 => {
            // Only where to: what follows may be the keys again.
            let to = reply.headers.get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.and_then(|to| Url::parse(to).ok());
            let to = to.map_or("elsewhere".to_owned(), |to| to.origin().ascii_serialization());
            ErrorKind::Redirected(to)
        }
        401 => ErrorKind::Unauthorized(told),
        403 => ErrorKind::Forbidden(told),
        404 | 410 => ErrorKind::NotFound(told),
        408 | 500.. => ErrorKind::Broken(told),
        status => ErrorKind::Refused { code: status.to_string(), detail: told },
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    // Some write whole seconds with a fraction: `2.0`.
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let wait = at.timestamp_millis().saturating_sub(now.as_millis());
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
}

async fn whole(
    what: &'static str,
    mut response: reqwest::Response,
    bytes_max: usize,
) -> Result<Vec<u8>, ChannelError> {
    let too_large = || ChannelError::new(what, ErrorKind::TooLarge { bytes_max });
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(what, error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What the library says, without the address: keys may be in its query.
fn failed(what: &'static str, error: reqwest::Error) -> ChannelError {
    if error.is_timeout() {
        return ChannelError::new(what, ErrorKind::Timeout);
    }
    let error = error.without_url();
    let mut told = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    ChannelError::new(what, ErrorKind::Unreachable(told))
}
