//! REST under `/v1`: routes, who may use them, and what they answer.
//!
//! A peer of the command line over the same library: handlers turn a request into
//! one command for the writer, or one question to the reports, and the answer into
//! JSON. Nothing is decided here. A client that hangs up does not stop its command:
//! the writer works on it in a task of its own.

#![expect(unused_qualifications, reason = "what the macro of utoipa writes names types in full")]

mod auth;
mod batch;
mod body;
mod browser;
mod channels;
mod connections;
mod document;
mod etag;
mod events;
mod health;
mod inventory;
mod items;
mod keys;
mod limit;
mod movements;
mod oauth;
mod order_facts;
mod orders;
mod peer;
mod problem;
mod query;
mod request;
mod serve;
mod tls;
mod users;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::util::option_layer;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use keys::Keys;
pub use request::Load;
pub use serve::{Manner, serve};
pub use tls::{Certificate, Handshakes, TlsError};

use crate::access::Tokens;
use crate::config::Config;
use crate::domain::{AllocationPolicy, Key};
use crate::events::{Bounds, Feed};
use crate::people::Doing;
use crate::reports::ItemReads;
use crate::shop::Shop;
use crate::sync::Channel;
use crate::writer::{Answer, Command, Request, WriteError};
use auth::Caller;
use document::Document;
use limit::Limits;
use problem::Problem;

/// Batches of movements that are worked on at the same time: each is hundreds of
/// commands, and the writer's queue has room for four of them.
const BATCHES_MAX: usize = 2;
/// Bytes below which an answer is not worth packing: one packet has them.
const PACKED_BYTES_MIN: u16 = 1024;
/// How long a command may wait in the writer's queue.
const COMMAND_MAX: Duration = Duration::from_secs(10);

/// What the handlers work with.
#[derive(Debug)]
pub struct Api {
    shop: Arc<Shop>,
    policy: AllocationPolicy,
    keys: Arc<Keys>,
    items: ItemReads,
    load: Load,
    requests: Semaphore,
    batches: Semaphore,
    channels: Vec<Arc<Channel>>,
    tokens: Tokens,
    limits: Option<Limits>,
    trusted_proxies: Vec<IpNet>,
    cors_origins: Vec<String>,
    is_tls: bool,
    warned: AtomicBool,
    feed: Arc<Feed>,
    /// What is served, as soon as that is known.
    document: OnceLock<Document>,
}

impl Api {
    /// Over an opened shop, without limits, and with tokens in the shop's own name.
    pub fn new(shop: Arc<Shop>, policy: AllocationPolicy) -> Self {
        let tokens = Tokens::own(&shop);
        let feed = Arc::new(Feed::new(Arc::clone(&shop), Bounds::default()));
        let load = Load::default();
        Self {
            shop,
            policy,
            keys: Arc::default(),
            items: ItemReads::default(),
            load,
            requests: Semaphore::new(load.requests_max),
            batches: Semaphore::new(BATCHES_MAX),
            channels: Vec::new(),
            tokens,
            limits: None,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            is_tls: false,
            warned: AtomicBool::new(false),
            feed,
            document: OnceLock::new(),
        }
    }

    /// As the configuration says: whom it believes, and how much each may ask for.
    #[must_use]
    pub fn configured(mut self, config: &Config) -> Self {
        self.tokens = Tokens::of(&self.shop, config);
        self.limits = Limits::of(&config.rate_limit);
        self.trusted_proxies.clone_from(&config.server.trusted_proxies);
        self.cors_origins.clone_from(&config.server.cors_origins);
        self.is_tls = config.server.tls.is_some();
        self
    }

    /// With the channels that can be asked about.
    #[must_use]
    pub fn with_channels(mut self, channels: Vec<Arc<Channel>>) -> Self {
        self.channels = channels;
        self
    }

    /// With so much to work on at the same time.
    #[must_use]
    pub fn with_load(mut self, load: Load) -> Self {
        self.requests = Semaphore::new(load.requests_max);
        self.load = load;
        self
    }

    /// What is known of keys, whose last use somebody should write down.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys)
    }

    /// Says once that a proxy is not believed: all who ask through it are one client.
    fn warn_of_proxy(&self, peer: IpAddr) {
        if self.limits.is_some() && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "a proxy says whom it asks for and is not believed: all its clients count as one \
                 until server.trusted_proxies names it"
            );
        }
    }

    /// What is told to those who listen, while somebody runs it.
    pub fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.feed)
    }

    /// All routes.
    pub fn router(self) -> Router {
        self.router_beside(OpenApiRouter::default())
    }

    /// All routes, with others beside them that are named, counted and documented as they are.
    pub fn router_beside(self, beside: OpenApiRouter) -> Router {
        let cors = browser::cors(&self.cors_origins);
        let api = Arc::new(self);
        let admitted = || middleware::from_fn_with_state(Arc::clone(&api), request::admit);
        let v1 = v1()
            .layer(middleware::from_fn_with_state(Arc::clone(&api), auth::authenticate))
            .layer(admitted())
            .layer(compression())
            .layer(middleware::map_response(etag::of_form));
        let routes = OpenApiRouter::with_openapi(document::empty())
            .nest("/v1", v1)
            .merge(OpenApiRouter::default().routes(routes!(oauth::token)).layer(admitted()))
            .merge(about().layer(middleware::map_response(etag::of_form)))
            .merge(process())
            .merge(beside.with_state(()));
        let (routes, described) = routes.split_for_parts();
        api.document.get_or_init(|| Document::of(&described));
        let all = routes
            .fallback(async || Problem::not_found("not_found", "there is nothing at this path"))
            .method_not_allowed_fallback(async || {
                let detail = "this path has no such method";
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
            })
            .layer(middleware::from_fn_with_state(Arc::clone(&api), auth::limit_address))
            // A browser asks first, and shows nothing then.
            .layer(option_layer(cors))
            .layer(middleware::from_fn_with_state(Arc::clone(&api), request::name));
        all.with_state(api)
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

/// What a key or token is needed for.
fn v1() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(inventory::list, items::create))
        .routes(routes!(inventory::batch_get))
        .routes(routes!(batch::post))
        .routes(routes!(inventory::show, items::change, items::discontinue))
        .routes(routes!(inventory::movements, movements::post))
        .routes(routes!(inventory::explain))
        .routes(routes!(orders::list, orders::place))
        .routes(routes!(orders::show))
        .routes(routes!(orders::cancel))
        .routes(routes!(order_facts::pay))
        .routes(routes!(order_facts::ship))
        .routes(routes!(order_facts::take_back))
        .routes(routes!(users::list, users::register))
        .routes(routes!(users::show, users::change, users::erase))
        .routes(routes!(users::export))
        .routes(routes!(events::listen))
        .routes(routes!(events::socket::listen))
        .routes(routes!(channels::list))
        .routes(routes!(channels::act))
}

/// What says what there is.
fn about() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(document::json)).routes(routes!(document::page))
}

/// What watches over the process and verifies tokens.
fn process() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(oauth::keys))
        .routes(routes!(health::process))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

/// The document of these routes with others beside them, without a shop.
pub fn document_beside(beside: OpenApiRouter) -> String {
    let token = OpenApiRouter::default().routes(routes!(oauth::token));
    let own = OpenApiRouter::with_openapi(document::empty()).nest("/v1", v1());
    let own = own.merge(token).merge(about()).merge(process());
    let mut described = own.into_openapi();
    described.merge(beside.into_openapi());
    Document::of(&described).text()
}

/// Long answers are packed, quickly; what is streamed goes as it comes.
fn compression() -> CompressionLayer<impl Predicate> {
    let long = SizeAbove::new(PACKED_BYTES_MIN).and(NotForContentType::SSE);
    CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest).compress_when(long)
}

/// How something is done for the caller about its users.
fn doing(caller: &Caller, headers: &HeaderMap) -> Result<Doing, Problem> {
    let deadline = Some(Instant::now() + COMMAND_MAX);
    Ok(Doing { asker: caller.of_people(), key: idempotency_key(headers)?, deadline })
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
