//! Items that are asked for at the same time, read together.
//!
//! A read of one item is some statements, most of whose time goes into asking for them; of
//! many items it is as many. So whoever comes while others are read waits for
//! the next turn, and is read with all who came meanwhile: the busier a daemon is, the less
//! each read costs it. Nothing is kept: what is shown was read after it was asked for.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Semaphore, oneshot};

use super::items::ItemState;
use super::states::item_states;
use crate::domain::{AllocationPolicy, Sku};
use crate::store::{Db, StoreError};

/// Reads under way at the same time: SQLite has connections for twice as many.
const TURNS_MAX: usize = 2;
/// Items that are read together at most: the first of them waits for the last.
const TOGETHER_MAX: usize = 64;

/// What one who waits is told. The database's error is everybody's.
type Told = Result<Option<ItemState>, Arc<StoreError>>;

/// One who waits for an item.
#[derive(Debug)]
struct Wanted {
    sku: Sku,
    tell: oneshot::Sender<Told>,
}

/// The reads of items of one process.
#[derive(Debug)]
pub struct ItemReads {
    waiting: Mutex<Vec<Wanted>>,
    turns: Semaphore,
}

impl Default for ItemReads {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turns: Semaphore::new(TURNS_MAX) }
    }
}

impl ItemReads {
    /// One item by any of its names, with what tells its states apart, as it is after this
    /// was asked for.
    pub async fn state(
        &self,
        db: &Db,
        sku: &Sku,
        policy: AllocationPolicy,
    ) -> Result<Option<ItemState>, Arc<StoreError>> {
        self.join(sku, &|skus: Vec<Sku>| async move { item_states(db, &skus, policy).await }).await
    }

    async fn join<R, F>(&self, sku: &Sku, read: &R) -> Told
    where
        R: Fn(Vec<Sku>) -> F,
        F: Future<Output = Result<Vec<Option<ItemState>>, StoreError>>,
    {
        let (tell, mut told) = oneshot::channel();
        self.waiting().push(Wanted { sku: sku.clone(), tell });
        let heard = tokio::select! {
            biased;
            heard = &mut told => heard.ok(),
            turn = self.turns.acquire() => {
                // Nobody ends the turns; without one it is read all the same.
                let _turn = turn.ok();
                self.read_until(&mut told, read).await
            }
        };
        match heard {
            Some(told) => told,
            // Whoever read it went away, or something that was read with it cannot be read.
            None => Ok(read(vec![sku.clone()]).await?.into_iter().next().flatten()),
        }
    }

    /// Reads all who wait, the first first, until one of them is told; `None` where nobody will.
    async fn read_until<R, F>(&self, told: &mut oneshot::Receiver<Told>, read: &R) -> Option<Told>
    where
        R: Fn(Vec<Sku>) -> F,
        F: Future<Output = Result<Vec<Option<ItemState>>, StoreError>>,
    {
        loop {
            match told.try_recv() {
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Closed) => return None,
                Ok(told) => return Some(told),
            }
            let together = self.take();
            if together.is_empty() {
                break; // Another turn has it.
            }
            let skus = together.iter().map(|wanted| wanted.sku.clone()).collect();
            tell(together, read(skus).await);
        }
        told.await.ok()
    }

    fn take(&self) -> Vec<Wanted> {
        let mut waiting = self.waiting();
        waiting.retain(|wanted| !wanted.tell.is_closed());
        let count = waiting.len().min(TOGETHER_MAX);
        waiting.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Wanted>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells those who wait what was read for them. Where one item cannot be read, nobody is
/// told: each looks for itself then, and only one finds what is wrong.
fn tell(together: Vec<Wanted>, read: Result<Vec<Option<ItemState>>, StoreError>) {
    match read {
        Ok(states) => {
            for (wanted, state) in together.into_iter().zip(states) {
                let _gone = wanted.tell.send(Ok(state));
            }
        }
        Err(error) if error.is_lost() => {
            let error = Arc::new(error);
            for wanted in together {
                let _gone = wanted.tell.send(Err(Arc::clone(&error)));
            }
        }
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use futures_util::future::{join, join_all};
    use tokio::sync::Notify;

    use super::*;
    use crate::reports::{ItemView, TotalsView};

    fn sku(name: &str) -> Sku {
        Sku::new(name).unwrap()
    }

    fn state(sku: &Sku) -> ItemState {
        let item = ItemView {
            sku: sku.to_string(),
            title: String::new(),
            status: "active".to_owned(),
            version: 1,
            totals: TotalsView::default(),
            price: None,
            attributes: serde_json::Value::Null,
            levels: Vec::new(),
        };
        ItemState { item, stock_seq: 0, parts_version: 0 }
    }

    fn states(skus: &[Sku]) -> Vec<Option<ItemState>> {
        skus.iter().map(|sku| (sku.as_str() != "NONE").then(|| state(sku))).collect()
    }

    #[tokio::test]
    async fn who_comes_while_others_are_read_is_read_with_all_who_came() {
        let (reads, calls) = (ItemReads::default(), AtomicUsize::new(0));
        let read = |skus: Vec<Sku>| {
            calls.fetch_add(1, Ordering::Relaxed);
            assert!(skus.len() <= TOGETHER_MAX);
            async move {
                tokio::task::yield_now().await;
                Ok(states(&skus))
            }
        };
        let names: Vec<Sku> = (0..200).map(|number| sku(&format!("S{number}"))).collect();
        let told = join_all(names.iter().map(|sku| reads.join(sku, &read))).await;
        for (sku, told) in names.iter().zip(told) {
            assert_eq!(told.unwrap().unwrap().item.sku, sku.as_str());
        }
        // The first two turns find whoever is there by then; the rest come in four.
        assert!(calls.load(Ordering::Relaxed) <= 6, "{calls:?}");
        assert!(reads.join(&sku("NONE"), &read).await.unwrap().is_none());
        assert!(reads.waiting().is_empty());
    }

    #[tokio::test]
    async fn whoever_reads_may_go_away_and_nobody_else_is_left_without() {
        let (reads, gate) = (ItemReads::default(), Notify::new());
        let (first, second) = (sku("A"), sku("B"));
        let stuck = |_: Vec<Sku>| async {
            gate.notified().await;
            Ok(Vec::new())
        };
        let read = |skus: Vec<Sku>| async move { Ok(states(&skus)) };
        let mut one = Box::pin(reads.join(&first, &stuck));
        let mut two = Box::pin(reads.join(&first, &stuck));
        assert!(is_pending(&mut one).await && is_pending(&mut two).await, "both turns are taken");
        let mut third = Box::pin(reads.join(&first, &stuck));
        let mut waits = Box::pin(reads.join(&second, &read));
        assert!(is_pending(&mut third).await && is_pending(&mut waits).await);
        drop(one);
        // It has the turn, and whoever waits with it.
        assert!(is_pending(&mut third).await);
        assert!(reads.waiting().is_empty());
        drop(third);
        assert_eq!(waits.await.unwrap().unwrap().item.sku, "B");
        drop(two);
        assert!(reads.join(&first, &read).await.unwrap().is_some());
    }

    async fn is_pending<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn a_lost_database_is_told_once_and_what_cannot_be_read_is_found_alone() {
        let (reads, calls) = (ItemReads::default(), AtomicUsize::new(0));
        let (good, bad) = (sku("GOOD"), sku("BAD"));
        let lost = |_: Vec<Sku>| {
            calls.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::task::yield_now().await;
                Err(StoreError::Connection(sqlx::Error::PoolTimedOut))
            }
        };
        let all = join_all((0..50).map(|_| reads.join(&good, &lost))).await;
        assert!(all.iter().all(|told| told.as_ref().is_err_and(|error| error.is_lost())));
        assert!(calls.load(Ordering::Relaxed) <= 3, "{calls:?}");

        let broken = |skus: Vec<Sku>| async move {
            tokio::task::yield_now().await;
            if skus.iter().any(|sku| sku.as_str() == "BAD") {
                let message = "no item".to_owned();
                return Err(StoreError::Decode { statement: "ITEM", message });
            }
            Ok(states(&skus))
        };
        let all = join_all((0..20).map(|_| reads.join(&good, &broken)));
        let (all, one) = join(all, reads.join(&bad, &broken)).await;
        assert!(all.into_iter().all(|told| told.unwrap().is_some()));
        assert!(matches!(one.unwrap_err().as_ref(), StoreError::Decode { .. }));
    }
}
