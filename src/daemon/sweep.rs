//! The sweeper: holds that are due expire, also where nobody touches their levels.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::shop::Shop;
use crate::shop::turn::Turn;
use crate::writer::{Command, Request};

/// How often holds that are due are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// How long a sweep may wait for its turn.
const SWEEP_MAX: Duration = Duration::from_secs(10);
/// The lease of the node that sweeps.
const LEASE: &str = "sweep";

/// Sweeps until it is stopped; of several nodes one does.
pub(super) async fn run(shop: Arc<Shop>, node: String, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = Turn::new(&shop, LEASE, node);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = sweep(&shop, &mut turn) => {}
        }
    }
    turn.let_go().await;
}

async fn sweep(shop: &Shop, turn: &mut Turn) {
    match turn.is_ours().await {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => {
            tracing::warn!(error = %error, "who expires holds that are due cannot be told");
            return;
        }
    }
    let mut request = Request::new(shop.account, Command::ExpireDue);
    request.deadline = Some(Instant::now() + SWEEP_MAX);
    if let Err(error) = shop.writer.submit(request).await {
        tracing::warn!(error = %error, "holds that are due could not be expired");
    }
}
