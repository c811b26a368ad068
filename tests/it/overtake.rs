//! Who goes first: orders beside an import, and whoever waits for a transaction to begin.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use invshop::domain::BatchId;
use invshop::ledger::catalogue::{ItemRow, NewBatch};
use invshop::writer::{Chunk, Command, Detail, Request, WriteError};
use tokio::time::Instant;

use crate::harness::{Backend, TestShop, has_postgres, place, sku};
use crate::raw::Raw;

/// Callers that ask again as soon as they are answered.
const CALLERS: usize = 4;
/// Orders of each.
const ORDERS: usize = 40;
/// Rows the import says it has: more than are ever written.
const ROWS: i64 = 1_000_000;

async fn open_batch(shop: &TestShop) -> BatchId {
    let open = Command::BatchOpen(NewBatch {
        kind: "items",
        file_name: "items.csv".to_owned(),
        content_hash: [7; 32],
        options: "{}".to_owned(),
        rows_total: ROWS,
    });
    match shop.run(open).await.unwrap().detail {
        Detail::Id(id) => BatchId::new(id),
        other => panic!("an import without an id: {other:?}"),
    }
}

/// Orders and one-row chunks at the same time; (batches, chunks) until the orders are placed.
async fn beside_an_import(shop: &TestShop) -> (u64, u64) {
    shop.item("MUG", 1_000_000).await;
    let batch = open_batch(shop).await;
    let (ended, next) = (AtomicBool::new(false), AtomicI64::new(0));
    let chunks = async {
        while !ended.load(Ordering::Relaxed) {
            let done_before = next.fetch_add(1, Ordering::Relaxed);
            let chunk = Chunk { batch, done_before, done_after: done_before + 1 };
            let rows = vec![(sku(&format!("ROW-{done_before}")), ItemRow::default())];
            shop.run(Command::ItemRows { chunk, rows }).await.unwrap();
        }
    };
    let before = shop.shop.counters.batches.get();
    let caller = async |caller: usize| {
        for order in 0..ORDERS {
            let order = place(&format!("{caller}-{order}"), &[("MUG", 1)]);
            shop.run(Command::Place(order)).await.unwrap();
        }
    };
    let callers = async {
        join_all((0..CALLERS).map(caller)).await;
        ended.store(true, Ordering::Relaxed);
        (shop.shop.counters.batches.get() - before, next.load(Ordering::Relaxed))
    };
    let ((), (batches, chunks)) = join(chunks, callers).await;
    (batches, u64::try_from(chunks).unwrap())
}

// On one thread whoever was answered has asked again before the writer looks, so
// that it is not chance who is in the queue.
async fn orders_overtake(backend: Backend) {
    let shop = TestShop::new(backend).await;
    let (batches, chunks) = beside_an_import(&shop).await;
    assert!(batches >= ORDERS as u64, "{batches} batches");
    assert!(chunks >= 2, "the import starves: {chunks} chunks in {batches} batches");
    assert!(chunks * 3 <= batches, "{chunks} of {batches} batches were chunks of the import");
    shop.end().await;
}

#[tokio::test]
async fn orders_overtake_the_chunks_of_an_import_on_sqlite() {
    orders_overtake(Backend::Sqlite).await;
}

#[tokio::test]
async fn orders_overtake_the_chunks_of_an_import_on_postgres() {
    if has_postgres() {
        orders_overtake(Backend::Postgres).await;
    }
}

// Only SQLite has a begin that waits for somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_passes_while_a_transaction_begins_is_kept() {
    let shop = TestShop::new(Backend::Sqlite).await;
    shop.item("MUG", 5).await;
    let other = shop.another().await;
    let held = other.db.begin().await.unwrap();
    let deadline = Instant::now() + Duration::from_millis(20);
    let mut request = Request::new(shop.shop.account, Command::Place(place("1", &[("MUG", 1)])));
    request.deadline = Some(deadline);
    let release = async {
        tokio::time::sleep_until(deadline).await;
        held.rollback().await;
    };
    let (reply, ()) = join(shop.shop.writer.submit(request), release).await;
    assert!(matches!(reply, Err(WriteError::Expired)), "{reply:?}");
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders").await, 0);
    shop.run(Command::Place(place("2", &[("MUG", 1)]))).await.unwrap();
    other.close().await;
    shop.end().await;
}
