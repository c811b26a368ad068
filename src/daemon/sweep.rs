//! The sweeper: holds that are due expire, also where nobody touches their levels.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::shop::Shop;
use crate::store::{self, StoreError};
use crate::writer::{Command, Request};

/// How often holds that are due are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// How long a sweep may wait for its turn.
const SWEEP_MAX: Duration = Duration::from_secs(10);
/// The lease of the node that sweeps.
const LEASE: &str = "sweep";
/// How long a node that died keeps the others from sweeping.
const LEASE_MS: i64 = 10_000;

/// Sweeps until it is stopped; of several nodes one does.
pub(super) async fn run(shop: Arc<Shop>, node: String, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = Turn { shop: &shop, node, held_until: None };
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

async fn sweep(shop: &Shop, turn: &mut Turn<'_>) {
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

/// Whose turn it is to sweep. Two at once would do no harm, only work: so the lease
/// goes by the nodes' own clocks.
struct Turn<'a> {
    shop: &'a Shop,
    node: String,
    held_until: Option<i64>,
}

impl Turn<'_> {
    async fn is_ours(&mut self) -> Result<bool, StoreError> {
        if self.shop.db.file().is_some() {
            return Ok(true); // The one daemon of its file.
        }
        let now = self.shop.clock.now().as_millis();
        if self.held_until.is_some_and(|until| now < until - LEASE_MS / 2) {
            return Ok(true);
        }
        let (node, until) = (self.node.clone(), now + LEASE_MS);
        let taken = self.shop.db.write(move |mut conn| {
            Box::pin(async move { store::leases::take(&mut conn, LEASE, &node, now, until).await })
        });
        let taken = taken.await?;
        self.held_until = taken.then_some(until);
        Ok(taken)
    }

    /// The next node need not wait for the lease to end.
    async fn let_go(self) {
        if self.held_until.is_none() {
            return;
        }
        let (node, now) = (self.node, self.shop.clock.now().as_millis());
        let released = self.shop.db.write(move |mut conn| {
            Box::pin(async move { store::leases::release(&mut conn, LEASE, &node, now).await })
        });
        if let Err(error) = released.await {
            tracing::debug!(error = %error, "a lease is left to its end");
        }
    }
}
