//! Orders that were taken to be decided later are decided, as they came.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::orders::Decide;
use crate::shop::Shop;
use crate::shop::turn::Turn;
use crate::store::StoreError;
use crate::store::waiting::{self, Waiting};
use crate::writer::{Command, Request, WriteError};

/// How often it looks for orders that another node took.
const EVERY: Duration = Duration::from_millis(500);
/// Orders that are decided together.
const PAGE_MAX: usize = 256;
/// The lease of the node that decides.
const LEASE: &str = "orders";

/// Decides orders until it is stopped; of several nodes one does, so that they are
/// decided as they came.
pub(super) async fn run(shop: Arc<Shop>, node: String, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = Turn::new(&shop, LEASE, node);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = shop.waiting.notified() => {}
            _ = ticks.tick() => {}
        }
        tokio::select! {
            biased;
            // A decision that is under way is done all the same.
            () = stop.cancelled() => break,
            decided = decide_all(&shop, &mut turn) => {
                if let Err(error) = decided {
                    tracing::warn!(error = %error, "orders that wait cannot be read");
                }
            }
        }
    }
    turn.let_go().await;
}

/// Decides what waits. What cannot be decided now is left for the next look, and
/// keeps nothing behind it waiting.
async fn decide_all(shop: &Shop, turn: &mut Turn) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = page(shop, after).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        if !turn.is_ours().await? {
            return Ok(());
        }
        join_all(page.iter().map(|order| decide(shop, order))).await;
    }
}

async fn page(shop: &Shop, after: i64) -> Result<Vec<Waiting>, StoreError> {
    let limit = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
    waiting::page(&mut shop.db.read().await?.conn(), after, limit).await
}

async fn decide(shop: &Shop, order: &Waiting) {
    let mut decision =
        Decide { reference: order.reference.clone(), terms: order.terms, refusal: None };
    let mut answer = submit(shop, &decision).await;
    if let Err(WriteError::Refused(refusal)) = answer {
        // It cannot be held for a reason other than stock: that is its decision.
        decision.refusal = Some(refusal);
        answer = submit(shop, &decision).await;
    }
    if let Err(error) = answer {
        let order = order.reference.to_string();
        tracing::warn!(order, error = %error, "an order could not be decided; it waits on");
    }
}

async fn submit(shop: &Shop, decision: &Decide) -> Result<(), WriteError> {
    let request = Request::new(shop.account, Command::Decide(decision.clone()));
    shop.writer.submit(request).await.map(drop)
}
