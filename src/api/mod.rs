//! REST under `/v1`: routes, who may use them, and what they answer.
//!
//! A peer of the command line over the same library: handlers turn a request into
//! one command for the writer, or one question to the reports, and the answer into
//! JSON. Nothing is decided here. A client that hangs up does not stop its command:
//! the writer works on it in a task of its own.

mod auth;
mod batch;
mod body;
mod channels;
mod etag;
mod health;
mod inventory;
mod items;
mod keys;
mod movements;
mod order_facts;
mod orders;
mod problem;
mod query;
mod request;
mod serve;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use keys::Keys;
pub use serve::serve;
pub use tls::{Certificate, Handshakes, TlsError};

use crate::domain::{AllocationPolicy, Key};
use crate::shop::Shop;
use crate::sync::Channel;
use crate::writer::{Answer, Command, Request, WriteError};
use auth::Caller;
use problem::Problem;

/// Requests that are worked on at the same time: more are told to come again.
const REQUESTS_MAX: usize = 1024;
/// Batches of movements that are worked on at the same time: each is hundreds of
/// commands, and the writer's queue has room for four of them.
const BATCHES_MAX: usize = 2;
/// How long a command may wait in the writer's queue.
const COMMAND_MAX: Duration = Duration::from_secs(10);

/// What the handlers work with.
#[derive(Debug)]
pub struct Api {
    shop: Arc<Shop>,
    policy: AllocationPolicy,
    keys: Arc<Keys>,
    requests: Semaphore,
    batches: Semaphore,
    channels: Vec<Arc<Channel>>,
}

impl Api {
    /// Over an opened shop.
    pub fn new(shop: Arc<Shop>, policy: AllocationPolicy) -> Self {
        let (requests, batches) = (Semaphore::new(REQUESTS_MAX), Semaphore::new(BATCHES_MAX));
        Self { shop, policy, keys: Arc::default(), requests, batches, channels: Vec::new() }
    }

    /// With the channels that can be asked about.
    #[must_use]
    pub fn with_channels(mut self, channels: Vec<Arc<Channel>>) -> Self {
        self.channels = channels;
        self
    }

    /// What is known of keys, whose last use somebody should write down.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys)
    }

    /// All routes.
    pub fn router(self) -> Router {
        self.router_beside(Router::new())
    }

    /// All routes, with others beside them that are named and counted as they are.
    pub fn router_beside(self, beside: Router) -> Router {
        let api = Arc::new(self);
        let v1 = Router::new()
            .route("/inventory", get(inventory::list).post(items::create))
            .route("/inventory/batch-get", post(inventory::batch_get))
            .route("/inventory/batch", post(batch::post))
            .route(
                "/inventory/{sku}",
                get(inventory::show).put(items::change).delete(items::discontinue),
            )
            .route("/inventory/{sku}/movements", get(inventory::movements).post(movements::post))
            .route("/inventory/{sku}/explain", get(inventory::explain))
            .route("/orders", get(orders::list).post(orders::place))
            .route("/orders/{order_id}", get(orders::show))
            .route("/orders/{order_id}/cancel", put(orders::cancel))
            .route("/orders/{order_id}/payments", post(order_facts::pay))
            .route("/orders/{order_id}/shipments", post(order_facts::ship))
            .route("/orders/{order_id}/returns", post(order_facts::take_back))
            .route("/channels", get(channels::list))
            .route("/channels/{name}/{action}", post(channels::act))
            .layer(middleware::from_fn_with_state(Arc::clone(&api), request::admit));
        Router::new()
            .nest("/v1", v1)
            .route("/healthz", get(health::process))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(health::metrics))
            .merge(beside.with_state(()))
            .fallback(async || Problem::not_found("not_found", "there is nothing at this path"))
            .method_not_allowed_fallback(async || {
                let detail = "this path has no such method";
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
            })
            .layer(middleware::from_fn_with_state(Arc::clone(&api), request::name))
            .with_state(api)
    }

    /// Has a command done for the caller, under its `Idempotency-Key` where it sent one.
    async fn submit(
        &self,
        caller: &Caller,
        command: Command,
        headers: &HeaderMap,
    ) -> Result<Answer, Problem> {
        self.submit_under(caller, command, idempotency_key(headers)?).await
    }

    /// The same under a key that is known already.
    async fn submit_under(
        &self,
        caller: &Caller,
        command: Command,
        key: Option<Key>,
    ) -> Result<Answer, Problem> {
        Ok(self.write(caller, command, key, Instant::now() + COMMAND_MAX).await?)
    }

    /// The same, and it must be begun by then.
    async fn write(
        &self,
        caller: &Caller,
        command: Command,
        key: Option<Key>,
        deadline: Instant,
    ) -> Result<Answer, WriteError> {
        let mut request = Request::new(caller.account, command).with_key(key);
        request.show = matches!(request.command, Command::Place(_) | Command::PlaceLater(_));
        request.deadline = Some(deadline);
        self.shop.writer.submit(request).await
    }
}

/// The `Idempotency-Key` of a request.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<Key>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let wrong = |message: String| Problem::invalid("Idempotency-Key", message);
    let text = value.to_str().map_err(|_| wrong("is not printable ASCII".to_owned()))?;
    Key::new(text).map(Some).map_err(|error| wrong(error.to_string()))
}

/// The answer to a command: a replay is 200 and says that it is one.
fn written(status: StatusCode, answer: &Answer, body: Response) -> Response {
    if !answer.replayed {
        return (status, body).into_response();
    }
    let replayed = [("Idempotent-Replayed", HeaderValue::from_static("true"))];
    (StatusCode::OK, replayed, body).into_response()
}
