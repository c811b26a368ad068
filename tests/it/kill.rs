//! A process killed under load: nothing acknowledged is lost, nothing half done.
//!
//! The parent runs this test binary again as a child that works on the shop and
//! tells each acknowledgement on a line of its own. After a number of lines
//! drawn by the dice, never after a time, the child gets SIGKILL.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use invshop::clock::{ManualClock, Timestamp};
use invshop::domain::{FactId, Key, OrderRef};
use invshop::ledger::OrderPolicy;
use invshop::ledger::stock::Change;
use invshop::orders::{Payment, Place, Ship};
use invshop::secret::{KeyFile, SeededRandom};
use invshop::shop::{Opening, Shop};
use invshop::store;
use invshop::writer::{Command, WriteError};

use crate::dice::Dice;
use crate::harness::{Backend, START, TestShop, has_postgres, place, reference, units};
use crate::raw::Raw;

/// How often the process is killed on each database.
const KILLS: u64 = 50;
/// Callers at once in the child.
const CALLERS: u64 = 16;
/// Acknowledgements before a kill, at most.
const LINES_MAX: i64 = 60;
/// Where the child finds the shop; without it [`child_process`] is nobody's child.
const PLACE: &str = "INVSHOP_KILL_PLACE";
const KEY_FILE: &str = "INVSHOP_KILL_KEY";
const ROUND: &str = "INVSHOP_KILL_ROUND";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_a_kill_on_sqlite() {
    run(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_a_kill_on_postgres() {
    if has_postgres() {
        run(Backend::Postgres).await;
    }
}

async fn run(backend: Backend) {
    let mut shop = TestShop::new(backend).await;
    for name in ["MUG", "LID"] {
        shop.item(name, 0).await;
        shop.stock(name, "main", Change::Receive(units(1_000_000))).await.unwrap();
    }
    let mut dice = Dice::new(0x6b11);
    let mut acknowledged = BTreeMap::new();
    for round in 0..KILLS {
        let lines = usize::try_from(dice.range(1, LINES_MAX)).unwrap();
        let told = kill_after(&shop, round, lines);
        assert!(told.len() >= lines, "round {round}: the child told {} of {lines}", told.len());
        for line in told {
            let (order, state) = line.split_once(' ').unwrap();
            acknowledged.insert(order.to_owned(), rank(state).max(rank_of(&acknowledged, order)));
        }
        // As after a restart: a new writer on what the killed one left.
        shop.reopen(None).await;
    }
    check(&shop, &acknowledged).await;
    let count = acknowledged.len();
    println!("{backend:?}: {KILLS} kills, {count} orders acknowledged and all there");
    shop.end().await;
}

/// How far an order is: placed, paid, shipped.
fn rank(state: &str) -> u8 {
    match state {
        "placed" => 1,
        "paid" => 2,
        "shipped" => 3,
        other => panic!("the child told {other:?}"),
    }
}

fn rank_of(acknowledged: &BTreeMap<String, u8>, order: &str) -> u8 {
    acknowledged.get(order).copied().unwrap_or(0)
}

/// What the child told before it died.
fn kill_after(shop: &TestShop, round: u64, lines: usize) -> Vec<String> {
    let place = match &shop.opening.place {
        store::Place::Sqlite(path) => format!("sqlite:{}", path.display()),
        store::Place::Postgres(url) => url.clone(),
    };
    let mut child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_process", "--nocapture", "--test-threads=1"])
        .env(PLACE, place)
        .env(KEY_FILE, shop.key_path())
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // A line that the kill cut short was not told.
        if let Some(rest) = line.strip_prefix("ack ").and_then(|rest| rest.strip_suffix(" end")) {
            told.push(rest.to_owned());
            if told.len() == lines {
                child.kill().unwrap();
            }
        }
    }
    let status = child.wait().unwrap();
    assert!(!status.success(), "round {round}: the child ended by itself");
    told
}

/// Each acknowledged order is there once and at least as far as acknowledged;
/// none of all orders, acknowledged or not, is half done.
async fn check(shop: &TestShop, acknowledged: &BTreeMap<String, u8>) {
    let mut raw = Raw::open(&shop.opening.place).await;
    let found = raw
        .texts("select external_id || ' ' || case when shipped = 3 then 3 when payment = 'paid' then 2 else 1 end from orders")
        .await;
    let mut orders: BTreeMap<&str, u8> = BTreeMap::new();
    for line in &found {
        let (order, rank) = line.split_once(' ').unwrap();
        assert!(orders.insert(order, rank.parse().unwrap()).is_none(), "{order} is there twice");
    }
    for (order, rank) in acknowledged {
        let found = orders.get(order.as_str()).copied().unwrap_or(0);
        assert!(found >= *rank, "{order} was acknowledged as {rank} and is {found}");
    }
    let halves = "select count(*) from orders as o
      where (select count(*) from order_line as l where l.order_id = o.id) <> 2
         or (select coalesce(sum(a.held + a.shipped), 0) from allocation as a where a.order_id = o.id) <> 3
         or (select count(*) from journal as j where j.order_id = o.id and j.kind = 'order.placed') <> 1
         or (select count(*) from journal as j where j.order_id = o.id and j.kind = 'reserve') <> 2
         or (select count(*) from journal as j where j.order_id = o.id and j.kind = 'ship')
            <> case when o.shipped = 3 then 2 else 0 end
         or o.shipped not in (0, 3)";
    assert_eq!(raw.number(halves).await, 0, "orders are half done");
}

/// Not a test of its own: the process that [`run`] kills. Called without its
/// variables, as in every run of all tests, it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_process() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = place.into_string().unwrap();
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let opening = Opening {
        place: match place.strip_prefix("sqlite:") {
            Some(path) => store::Place::Sqlite(path.into()),
            None => store::Place::Postgres(place),
        },
        key_file: KeyFile::new(std::env::var_os(KEY_FILE).unwrap()),
        clock: Arc::new(ManualClock::new(Timestamp::parse(START).unwrap())),
        random: Arc::new(SeededRandom::new(0x6b11_0000 + round)),
        orders: OrderPolicy { split: true, hold_ms: 900_000 },
        faults: None,
    };
    let shop = Shop::open(opening).await.unwrap();
    let next = AtomicU64::new(0);
    // They work until they are killed.
    join_all((0..CALLERS).map(|_| serve(&shop, round, &next))).await;
}

async fn serve(shop: &Shop, round: u64, next: &AtomicU64) {
    loop {
        let order = format!("k{round}-{}", next.fetch_add(1, Ordering::Relaxed));
        let wish = Place { payment_required: true, ..place(&order, &[("MUG", 1), ("LID", 2)]) };
        tell(shop, Command::Place(wish), &order, "placed").await;
        tell(shop, pay(reference(&order)), &order, "paid").await;
        tell(shop, ship(reference(&order)), &order, "shipped").await;
    }
}

fn pay(reference: OrderRef) -> Command {
    Command::Pay(Payment {
        reference,
        payment_id: FactId::new("p").unwrap(),
        amount: None,
        currency: None,
    })
}

fn ship(reference: OrderRef) -> Command {
    Command::Ship(Ship {
        reference,
        shipment_id: FactId::new("s").unwrap(),
        lines: None,
        location: None,
        effective_at: None,
        tracking: None,
    })
}

/// Tells what was acknowledged, in one write and only after the answer.
async fn tell(shop: &Shop, command: Command, order: &str, state: &str) {
    let key = Key::new(&format!("{order}-{state}")).unwrap();
    let reply: Result<_, WriteError> = shop.submit(command, Some(key)).await;
    reply.unwrap();
    let line = format!("\nack {order} {state} end\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}
