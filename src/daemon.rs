//! The daemon: put the parts together, serve, sweep, and end in order.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::{Api, serve};
use crate::config::LocationConfig;
use crate::domain::AllocationPolicy;
use crate::shop::{Opening, Shop, ShopError};
use crate::writer::{Command, Request};

/// How long requests under way may take to finish when the daemon ends.
const DRAIN: Duration = Duration::from_secs(20);
/// How often holds that are due are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How long a sweep may wait for its turn.
const SWEEP_MAX: Duration = Duration::from_secs(10);

/// Why the daemon cannot run.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The shop cannot be opened.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The writer is gone: a bug. Whoever supervises the process starts it again.
    #[error("the writer ended unexpectedly")]
    WriterEnded,
}

/// Listens on an address.
pub async fn listen(address: std::net::SocketAddr) -> Result<TcpListener, DaemonError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| DaemonError::Listen { address: address.to_string(), source })
}

/// Runs until it is stopped, with the configured locations there: takes no new requests then, finishes those under way,
/// and closes the database.
pub async fn run(
    opening: Opening,
    locations: &[LocationConfig],
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), DaemonError> {
    let policy =
        if opening.orders.split { AllocationPolicy::Split } else { AllocationPolicy::OneLocation };
    let shop = Arc::new(Shop::open(opening).await?);
    shop.create_configured(locations).await?;
    let router = Api::new(Arc::clone(&shop), policy).router();
    tracing::info!(place = shop.db.place(), "ready");
    let mut result = Ok(());
    let watched = async {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = shop.writer.ended() => {
                result = Err(DaemonError::WriterEnded);
                stop.cancel();
            }
        }
    };
    tokio::join!(serve(listener, router, stop.clone(), DRAIN), sweep(&shop, &stop), watched);
    // A request that was cut off may still hold it: the end of the process closes it.
    if let Some(shop) = Arc::into_inner(shop)
        && tokio::time::timeout(DRAIN, shop.close()).await.is_err()
    {
        tracing::warn!("the database is closed by the end of the process: it was in use");
    }
    result
}

/// Expires holds that are due on levels nobody else touches.
async fn sweep(shop: &Shop, stop: &CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let mut request = Request::new(shop.account, Command::ExpireDue);
        request.deadline = Some(Instant::now() + SWEEP_MAX);
        let swept = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            swept = shop.writer.submit(request) => swept,
        };
        if let Err(error) = swept {
            tracing::warn!(error = %error, "holds that are due could not be expired");
        }
    }
}
