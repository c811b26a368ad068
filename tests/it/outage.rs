//! The database goes away under load and comes back: the daemon says so, waits for it,
//! and has lost nothing that it acknowledged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use invshop::clock::SystemClock;
use invshop::domain::{AccountName, LocationCode, Quantity};
use invshop::ledger::OrderPolicy;
use invshop::ledger::catalogue::{ItemRow, NewAccount, Upsert};
use invshop::reports;
use invshop::secret::{ApiKey, KeyFile, SeededRandom};
use invshop::shop::{Opening, Shop};
use invshop::store::Place;
use invshop::writer::Command;
use serde_json::json;

use crate::daemon::Daemon;
use crate::harness::{has_postgres, http, sku};
use crate::raw::Raw;
use crate::server::Server;

/// Clients at once.
const CLIENTS: u64 = 4;
/// Orders that are accepted between two events.
const ENOUGH: u64 = 60;
/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// A shop with much of one thing and nothing of another, and a storefront's key.
async fn create(opening: &Opening) -> String {
    let (shop, _) = Shop::create(opening.clone()).await.unwrap();
    for (name, on_hand) in [("MUG", 1_000_000), ("NONE-LEFT", 0)] {
        let row = ItemRow {
            location: Some(LocationCode::new("main").unwrap()),
            on_hand: Some(Quantity::new(on_hand).unwrap()),
            ..ItemRow::default()
        };
        let mode = Upsert::Create;
        let command = Command::Item { sku: sku(name), row: Box::new(row), mode };
        shop.submit(command, None).await.unwrap();
    }
    let key = ApiKey::generate(shop.random.as_ref());
    let account = NewAccount {
        name: AccountName::new("web").unwrap(),
        role: "storefront",
        key: Some((key.prefix().to_owned(), key.hash())),
    };
    shop.submit(Command::CreateAccount(account), None).await.unwrap();
    shop.close().await;
    key.expose().to_owned()
}

/// What clients see and were told.
#[derive(Default)]
struct Load {
    accepted: AtomicU64,
    unavailable: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Places orders until it is told to stop, each until it has an answer.
    async fn client(&self, base: &str, key: &str, client: u64) -> [BTreeSet<String>; 2] {
        let http = http().timeout(PATIENCE).build().unwrap();
        let mut told = [BTreeSet::new(), BTreeSet::new()];
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let id = format!("{client}-{number}");
            let sku = if number % 4 == 3 { "NONE-LEFT" } else { "MUG" };
            let order = json!({ "order_id": id, "lines": [{ "sku": sku, "quantity": 1 }] });
            let began = Instant::now();
            let status = loop {
                assert!(began.elapsed() < PATIENCE, "{id} has no answer");
                let request = http.post(format!("{base}/v1/orders")).bearer_auth(key);
                let response = request.json(&order).send().await.unwrap();
                let status = response.status().as_u16();
                if status != 503 {
                    let replayed = response.headers().contains_key("idempotent-replayed");
                    break if replayed { 201 } else { status };
                }
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                assert_eq!(response.headers()["content-type"], "application/problem+json");
                assert!(response.headers().contains_key("retry-after"));
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            match status {
                201 => told[0].insert(id),
                409 => told[1].insert(id),
                other => panic!("{id}: {other}"),
            };
            self.accepted.fetch_add(u64::from(status == 201), Ordering::Relaxed);
        }
        told
    }

    /// Waits until so many orders more were accepted.
    async fn more(&self) {
        let wanted = self.accepted.load(Ordering::Relaxed) + ENOUGH;
        let began = Instant::now();
        while self.accepted.load(Ordering::Relaxed) < wanted {
            assert!(began.elapsed() < PATIENCE, "nothing goes on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What the daemon says of itself.
async fn health(base: &str) -> [u16; 2] {
    let http = http().timeout(PATIENCE).build().unwrap();
    let [process, database] =
        ["healthz", "readyz"].map(|path| http.get(format!("{base}/{path}")).send());
    [process.await.unwrap().status().as_u16(), database.await.unwrap().status().as_u16()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stops_and_starts_under_load_loses_nothing() {
    if !has_postgres() {
        return;
    }
    let mut server = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let opening = Opening {
        place: Place::Postgres(server.url()),
        key_file: KeyFile::new(dir.path().join("shop.key")),
        clock: Arc::new(SystemClock),
        random: Arc::new(SeededRandom::new(11)),
        orders: OrderPolicy { split: true, hold_ms: 900_000 },
        faults: None,
    };
    let key = create(&opening).await;
    let daemon = Daemon::start_on(&opening, &[]);
    let base = daemon.base();
    let load = Load::default();
    let events = async {
        for signal in ["-INT", "-KILL"] {
            load.more().await;
            assert_eq!(health(base).await, [200, 200]);
            server.end(signal);
            assert_eq!(health(base).await, [200, 503], "it lives, and cannot work");
            let (before, began) = (load.unavailable.load(Ordering::Relaxed), Instant::now());
            while load.unavailable.load(Ordering::Relaxed) == before {
                assert!(began.elapsed() < PATIENCE, "no client was told");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            server.start_again().await;
            load.more().await;
        }
        assert_eq!(health(base).await, [200, 200]);
        load.stop.store(true, Ordering::Relaxed);
    };
    let clients = join_all((0..CLIENTS).map(|client| load.client(base, &key, client)));
    let ((), told) = tokio::join!(events, clients);
    daemon.signal("-TERM");
    assert!(daemon.wait().success(), "it ran all the time");

    let mut all = [BTreeSet::new(), BTreeSet::new()];
    for [accepted, refused] in told {
        all[0].extend(accepted);
        all[1].extend(refused);
    }
    let there = Raw::open(&opening.place).await.texts("select external_id from orders").await;
    assert_eq!(there.iter().cloned().collect::<BTreeSet<_>>().len(), there.len());
    assert_eq!(there.into_iter().collect::<BTreeSet<_>>(), all[0]);
    assert!(all[0].is_disjoint(&all[1]) && all[1].len() > 10);
    let shop = Shop::open(opening).await.unwrap();
    let verified = reports::verify(&shop.db, &mut |_| {}).await.unwrap();
    assert!(verified.is_clean(), "{verified:#?}");
    shop.close().await;
}
