//! SQLite's write-ahead log beside a checkpointer: folded, bounded, and nothing lost.

use std::time::Duration;

use invshop::store::Place;
use invshop::writer::Command;

use crate::harness::{Backend, TestShop, place};
use crate::raw::Raw;

/// What the log may grow to here, in bytes: some hundred orders.
const LOG_BYTES_MAX: u64 = 512 * 1024;
const ORDERS: u64 = 600;

fn log_bytes(shop: &TestShop) -> u64 {
    let Place::Sqlite(file) = &shop.opening.place else { panic!("a file") };
    std::fs::metadata(format!("{}-wal", file.display())).unwrap().len()
}

/// Places orders one after another, and tells how long the log was at most.
async fn orders(shop: &TestShop, from: u64, mut round: impl AsyncFnMut()) -> u64 {
    let mut longest = 0;
    for id in from..from + ORDERS {
        shop.run(Command::Place(place(&id.to_string(), &[("MUG", 1)]))).await.unwrap();
        if id % 4 == 0 {
            round().await;
        }
        longest = longest.max(log_bytes(shop));
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_folded_beside_the_writer_and_does_not_grow_for_ever() {
    let shop = TestShop::new(Backend::Sqlite).await;
    shop.item("MUG", 10_000).await;
    let mut folding = shop.shop.db.checkpointer(LOG_BYTES_MAX).await.unwrap().unwrap();
    let free = orders(&shop, 0, async || ()).await;
    assert!(free > 2 * LOG_BYTES_MAX, "commits do not fold it themselves: {free} bytes");
    folding.round().await.unwrap();
    assert_eq!(log_bytes(&shop), 0, "longer than it may be: folded whole and cut off");

    let bound = LOG_BYTES_MAX + LOG_BYTES_MAX / 2;
    let longest = orders(&shop, ORDERS, async || folding.round().await.unwrap()).await;
    assert!(longest <= bound, "{longest} bytes");

    // A reader keeps what it sees in the log: writers hardly wait for it, and once it
    // is gone the log is folded.
    let mut reader = Raw::open(&shop.opening.place).await;
    reader.execute("begin; select count(*) from journal").await;
    orders(&shop, 2 * ORDERS, async || ()).await;
    let beside = async {
        for id in 0..20 {
            folding.round().await.unwrap();
            let order = place(&format!("beside-{id}"), &[("MUG", 1)]);
            shop.run(Command::Place(order)).await.unwrap();
        }
    };
    // Waiting each time as long as writers wait for each other would take minutes.
    tokio::time::timeout(Duration::from_secs(30), beside).await.unwrap();
    assert!(log_bytes(&shop) > LOG_BYTES_MAX, "it cannot be folded whole");
    reader.execute("commit").await;
    let folded = async {
        while log_bytes(&shop) > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            folding.round().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), folded).await.unwrap();
    folding.close().await;
    shop.end().await;
}
