//! Orders that were taken to be decided later are decided, as they came.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::orders::Decide;
use crate::shop::Shop;
use crate::shop::turn::Turn;
use crate::store::StoreError;
use crate::store::waiting::{self, Waiting};
use crate::writer::{Command, Request, WriteError};

/// How often it looks for orders that another node took.
const EVERY: Duration = Duration::from_millis(500);
/// How long an order waits that failed for a reason of its own, at first; twice as long
/// each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
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
    let mut failing = Failing::default();
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
            decided = decide_all(&shop, &mut turn, &mut failing) => {
                if let Err(error) = decided {
                    tracing::warn!(error = %error, "orders that wait cannot be read");
                }
            }
        }
    }
    turn.let_go().await;
}

/// Orders that could not be decided for a reason of their own: how often, and when each
/// is tried again. They keep nothing behind them waiting.
#[derive(Debug, Default)]
struct Failing(HashMap<i64, (u32, Instant)>);

impl Failing {
    fn is_put_off(&self, order: &Waiting) -> bool {
        self.0.get(&order.id).is_some_and(|(_, again_at)| Instant::now() < *again_at)
    }

    fn failed(&mut self, order: &Waiting) {
        let (times, _) = self.0.get(&order.id).copied().unwrap_or((0, Instant::now()));
        let pause = FIRST_PAUSE.saturating_mul(1 << times.min(10));
        self.0.insert(order.id, (times + 1, Instant::now() + pause));
    }
}

/// Decides what waits, as it came. Where the writer has no room, or the database fails,
/// the rest waits: a later order must not be decided before an earlier one.
async fn decide_all(shop: &Shop, turn: &mut Turn, failing: &mut Failing) -> Result<(), StoreError> {
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
        let due: Vec<&Waiting> = page.iter().filter(|order| !failing.is_put_off(order)).collect();
        let is_full = AtomicBool::new(false);
        let answers = join_all(due.iter().map(|order| decide(shop, order, &is_full))).await;
        let mut left = 0;
        for (order, answer) in due.into_iter().zip(answers) {
            match answer {
                Ok(()) => drop(failing.0.remove(&order.id)),
                Err(error) if is_its_own(&error) => {
                    failing.failed(order);
                    let order = order.reference.to_string();
                    tracing::warn!(order, error = %error, "an order could not be decided; it waits on");
                }
                Err(_) => left += 1,
            }
        }
        if left > 0 {
            tracing::warn!(orders = left, "orders could not be decided now; they wait on");
            return Ok(());
        }
    }
}

/// Whether a failure is about the order alone.
const fn is_its_own(error: &WriteError) -> bool {
    matches!(error, WriteError::Broken(_) | WriteError::Refused(_))
}

async fn page(shop: &Shop, after: i64) -> Result<Vec<Waiting>, StoreError> {
    let limit = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
    waiting::page(&mut shop.db.read().await?.conn(), after, limit).await
}

async fn decide(shop: &Shop, order: &Waiting, is_full: &AtomicBool) -> Result<(), WriteError> {
    if is_full.load(Ordering::Relaxed) {
        return Err(WriteError::Busy);
    }
    let mut decision =
        Decide { reference: order.reference.clone(), terms: order.terms, refusal: None };
    let mut answer = submit(shop, &decision).await;
    if let Err(WriteError::Refused(refusal)) = answer {
        // It cannot be held for a reason other than stock: that is its decision.
        decision.refusal = Some(refusal);
        answer = submit(shop, &decision).await;
    }
    if matches!(answer, Err(WriteError::Busy)) {
        is_full.store(true, Ordering::Relaxed);
    }
    answer
}

async fn submit(shop: &Shop, decision: &Decide) -> Result<(), WriteError> {
    let request = Request::new(shop.account, Command::Decide(decision.clone()));
    shop.writer.submit(request).await.map(drop)
}
