//! The daemon: put the parts together, supervise them, and end in order.
//!
//! Everything that goes on beside requests is a named task of `Tasks`; one that
//! ends before it is told to takes the process down, so that whoever supervises it
//! starts a whole one. The end goes with the flow: no new requests, those under way
//! finish, then the tasks stop, then the writer's queue runs empty, then the
//! database closes.

mod agree;
mod every;
mod fold;
mod jobs;
mod lanes;
mod refused;
mod service;
mod sweep;
mod tasks;

mod uses;
mod waiting;
mod work;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use service::{reloaded, reloading};

use crate::api::{Api, Certificate, Manner, TlsError, serve};
use crate::config::Config;
use crate::connectors::registry::KINDS;
use crate::domain::AllocationPolicy;
use crate::shop::{Opening, Shop, ShopError};
use crate::store::{DaemonLock, Place, StoreError};
use crate::sync::{self, Channel};
use crate::webhooks;
use tasks::Tasks;

/// How long requests under way may take to finish when the daemon ends.
const DRAIN: Duration = Duration::from_secs(20);
/// How long the tasks beside them may take after that.
const TASKS_DRAIN: Duration = Duration::from_secs(5);
/// Where Linux tells the name of the machine.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Why the daemon cannot run.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The shop cannot be opened.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// The database has a daemon already, or cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Channels are configured in a way that cannot work.
    #[error(transparent)]
    Channels(#[from] sync::OpenError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// A task is gone that must not be: a bug. Whoever supervises the process starts
    /// it again.
    #[error("the task '{0}' ended unexpectedly")]
    TaskEnded(&'static str),
}

/// Listens on an address.
pub async fn listen(address: std::net::SocketAddr) -> Result<TcpListener, DaemonError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| DaemonError::Listen { address: address.to_string(), source })
}

/// Checks that the daemon could run: opens the shop as [`run`] would, and changes
/// nothing.
pub async fn check(config: &Config) -> Result<(), DaemonError> {
    certificate(config).await?;
    let shop = Shop::open(Opening::of(config)).await?;
    let connectors = sync::connectors(&shop, KINDS, &config.channels);
    shop.close().await;
    connectors.map(drop).map_err(|problems| sync::OpenError::Problems(problems).into())
}

/// Runs until it is stopped, with the configured locations there: takes no new
/// requests then, finishes those under way, and closes the database.
pub async fn run(
    config: &Config,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), DaemonError> {
    let certificate = certificate(config).await?;
    let opening = Opening::of(config);
    let _lock = match &opening.place {
        Place::Sqlite(file) if file.exists() => Some(DaemonLock::take(file)?),
        Place::Sqlite(_) | Place::Postgres(_) => None,
    };
    let shop = Arc::new(Shop::open(opening).await?);
    shop.create_configured(&config.locations).await?;
    let channels = sync::open_all(&shop, KINDS, &config.channels).await?;
    let (requests_stop, tasks_stop) = (CancellationToken::new(), CancellationToken::new());
    let mut requests = Tasks::default();
    let mut tasks = Tasks::default();
    start_tasks(&mut tasks, &shop, config, (&channels, &tasks_stop)).await?;
    start_channels(&mut tasks, &shop, config, (&channels, &tasks_stop));
    let api = api(&shop, config).with_channels(channels.clone());
    tasks.start("uses", uses::run(Arc::clone(&shop), api.keys(), tasks_stop.clone()));
    requests.start("events", api.feed().run(requests_stop.clone()));
    let hooks = webhooks::router(&channels, config.server.public_url.as_deref());
    drop(channels);
    let router = api.router_beside(hooks);
    let tls = certificate.as_ref().map(Certificate::handshakes);
    if let Some(certificate) = certificate {
        tasks.start("certificate", certificate.renew(tasks_stop.clone()));
    }
    let trusted = config.server.trusted_proxies.clone();
    let manner = Manner { tls, trusted, ..Manner::plain(DRAIN) };
    requests.start("requests", serve(listener, router, manner, requests_stop.clone()));
    tracing::info!(place = shop.db.place(), "ready");
    service::ready().await;

    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        () = shop.writer.ended() => Err(DaemonError::TaskEnded("writer")),
        name = requests.ended() => Err(DaemonError::TaskEnded(name)),
        name = tasks.ended() => Err(DaemonError::TaskEnded(name)),
    };

    service::stopping().await;
    requests_stop.cancel();
    // A little longer than requests are given, so that it is they who say so.
    requests.drain(DRAIN + TASKS_DRAIN).await;
    tasks_stop.cancel();
    tasks.drain(TASKS_DRAIN).await;
    // A request that was cut off may still hold it: the end of the process closes it.
    if let Some(shop) = Arc::into_inner(shop)
        && tokio::time::timeout(DRAIN, shop.close()).await.is_err()
    {
        tracing::warn!("the database is closed by the end of the process: it was in use");
    }
    ended
}

/// What the daemon proves itself with; none where it speaks plain HTTP.
async fn certificate(config: &Config) -> Result<Option<Certificate>, TlsError> {
    match config.server.tls.clone() {
        Some(files) => Certificate::load(files).await.map(Some),
        None => Ok(None),
    }
}

/// What goes on with channels; nothing where there is none.
fn start_channels(
    tasks: &mut Tasks,
    shop: &Arc<Shop>,
    config: &Config,
    (channels, stop): (&[Arc<Channel>], &CancellationToken),
) {
    if channels.is_empty() {
        return;
    }
    let (node, url) = (node(shop), config.server.public_url.clone());
    tasks.start("follow", sync::follow(Arc::clone(shop), stop.clone()));
    tasks.start("lanes", lanes::run(channels.to_vec(), node, url, stop.clone()));
    tasks.start("count", lanes::count(Arc::clone(shop), channels.to_vec(), stop.clone()));
}

fn api(shop: &Arc<Shop>, config: &Config) -> Api {
    let policy =
        if config.orders.split { AllocationPolicy::Split } else { AllocationPolicy::OneLocation };
    Api::new(Arc::clone(shop), policy).configured(config)
}

/// What goes on beside requests.
async fn start_tasks(
    tasks: &mut Tasks,
    shop: &Arc<Shop>,
    config: &Config,
    (channels, stop): (&[Arc<Channel>], &CancellationToken),
) -> Result<(), DaemonError> {
    let node = node(shop);
    tasks.start("sweep", sweep::run(Arc::clone(shop), node.clone(), stop.clone()));
    tasks.start("clock", agree::run(Arc::clone(shop), stop.clone()));
    tasks.start("orders", waiting::run(Arc::clone(shop), node.clone(), stop.clone()));
    let schedule = (config.schedule.clone(), channels.to_vec());
    tasks.start("jobs", jobs::run(Arc::clone(shop), schedule, node, stop.clone()));
    tasks.start("refused", refused::run(Arc::clone(shop), stop.clone()));
    tasks.start("watchdog", service::watchdog(shop.writer.clone(), stop.clone()));
    if let Some(checkpointer) = shop.db.checkpointer(fold::LOG_BYTES_MAX).await? {
        tasks.start("checkpoint", fold::run(checkpointer, stop.clone()));
    }
    Ok(())
}

/// The name of this daemon among others: its machine, its process, and what no
/// other process before or after has.
fn node(shop: &Shop) -> String {
    let host = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    let host = if host.trim().is_empty() { "host" } else { host.trim() };
    let mut bytes = [0; 16];
    shop.random.fill(&mut bytes);
    let unique = Uuid::from_bytes(bytes).simple().to_string();
    format!("{host}/{}/{}", std::process::id(), unique.get(..8).unwrap_or(&unique))
}
