//! What one of several daemons does for all: each hold expires, each run of a job is
//! done once, and what a lost node had is taken over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use invshop::clock::{Clock as _, ManualClock, SharedClock, SystemClock, Timestamp};
use invshop::config::Schedule;
use invshop::shop::{Opening, Shop};
use invshop::store::Place;
use invshop::writer::Command;

use crate::both;
use crate::daemon::Daemon;
use crate::harness::{Backend, TestShop, has_postgres, place};
use crate::raw::Raw;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until a query gives a number that is wanted; the number.
async fn until(raw: &mut Raw, query: &str, wanted: impl Fn(i64) -> bool) -> i64 {
    let began = Instant::now();
    loop {
        let number = raw.number(query).await;
        if wanted(number) {
            return number;
        }
        assert!(began.elapsed() < PATIENCE, "{query}: {number}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Places an order whose hold was due long ago by the daemon's clock, which is the
/// system's: the test's stands still in the past.
async fn due(shop: &TestShop, id: &str) {
    let mut order = place(id, &[("MUG", 1)]);
    order.payment_required = true;
    order.hold_ms = Some(1_000);
    shop.run(Command::Place(order)).await.unwrap();
}

const HOLDER: &str = "select count(*) from lease where name = 'sweep' and node = ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_expire_on_one_node_and_another_takes_over() {
    if !has_postgres() {
        return;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    shop.item("MUG", 50).await;
    let (one, other) = (Daemon::start(&shop), Daemon::start(&shop));
    let mut raw = Raw::open(&shop.opening.place).await;
    let expired = "select count(*) from orders where status = 'cancelled'";
    due(&shop, "1").await;
    until(&mut raw, expired, |count| count == 1).await;
    let holder = raw.texts("select node from lease where name = 'sweep'").await.remove(0);
    let process: u32 = holder.split('/').nth(1).unwrap().parse().unwrap();
    let (holds, waits) = if process == one.id() { (one, other) } else { (other, one) };
    assert_eq!(process, holds.id(), "{holder}");

    // Killed it lets nothing go: the other waits until the lease is over.
    holds.signal("-KILL");
    assert!(!holds.wait().success());
    due(&shop, "2").await;
    until(&mut raw, expired, |count| count == 2).await;
    until(&mut raw, &format!("{HOLDER} '{holder}'"), |count| count == 0).await;
    let epoch = raw.number("select epoch from lease where name = 'sweep'").await;
    assert_eq!(epoch, 2, "the next holder has the next epoch");

    // Ended in order it lets go at once.
    waits.signal("-TERM");
    assert!(waits.wait().success());
    let later = "select count(*) from lease where held_until > (extract(epoch from clock_timestamp()) * 1000)::bigint";
    assert_eq!(raw.number(later).await, 0);
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_run_of_a_job_is_done_once_by_two_nodes() {
    if !has_postgres() {
        return;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    shop.item("MUG", 50).await;
    let folder = shop.dir().join("kept");
    let folder = folder.to_str().unwrap();
    let settings = [
        ("INVSHOP__SCHEDULE__VERIFY", "never"),
        ("INVSHOP__SCHEDULE__BACKUP", "* * * * * *"),
        ("INVSHOP__SCHEDULE__BACKUP_DIRECTORY", folder),
        ("INVSHOP__SCHEDULE__BACKUP_KEEP", "1000"),
    ];
    let nodes = [Daemon::start_with(&shop, &settings), Daemon::start_with(&shop, &settings)];
    let mut raw = Raw::open(&shop.opening.place).await;
    let done = "select count(*) from job_run where outcome = 'done'";
    until(&mut raw, done, |count| count >= 6).await;
    for node in nodes {
        node.signal("-TERM");
        assert!(node.wait().success());
    }
    // A file for each run, named by its second: none was done twice.
    let runs = raw.number(done).await;
    let failed = raw.number("select count(*) from job_run where outcome = 'failed'").await;
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!((failed, i64::try_from(files).unwrap() - runs <= 1), (0, true), "{runs} {files}");
    shop.end().await;
}

// Due once a year, half a year ago: longer than old runs are kept.
both!(a_run_whose_node_was_lost_is_taken_over_and_another_is_not, |shop| {
    shop.item("MUG", 50).await;
    let now = SystemClock.now();
    let month: u32 = now.to_string().get(5..7).unwrap().parse().unwrap();
    let yearly = format!("0 0 0 1 {} *", (month + 5) % 12 + 1);
    let settings = [("INVSHOP__SCHEDULE__VERIFY", yearly.as_str())];
    let mut raw = Raw::open(&shop.opening.place).await;
    let due = yearly.parse::<Schedule>().unwrap().last_due(now).unwrap().as_millis();
    let far = i64::MAX / 2;
    raw.execute(&format!(
        "insert into job_run (job, due_at, node, started_at, lease_until)
         values ('verify', {due}, 'gone/1/x', {due}, {far})"
    ))
    .await;
    let ended = "select count(*) from job_run where finished_at is not null";
    let daemon = Daemon::start_with(&shop, &settings);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(raw.number(ended).await, 0, "its node may be at it still");
    raw.execute("update job_run set lease_until = 1").await;
    until(&mut raw, ended, |count| count == 1).await;
    let runs = raw.texts("select node || ' ' || outcome from job_run").await;
    assert_eq!(runs.len(), 1);
    assert!(runs[0].ends_with(" done") && !runs[0].starts_with("gone"), "{runs:?}");
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
});

both!(a_run_of_a_clock_that_was_ahead_keeps_nothing_from_being_done, |shop| {
    shop.item("MUG", 50).await;
    let mut raw = Raw::open(&shop.opening.place).await;
    let ahead = SystemClock.now().as_millis() + 40 * 24 * 60 * 60 * 1000;
    raw.execute(&format!(
        "insert into job_run (job, due_at, node, started_at, lease_until, finished_at, outcome)
         values ('verify', {ahead}, 'fast/1/x', {ahead}, {ahead}, {ahead}, 'done')"
    ))
    .await;
    let daemon = Daemon::start_with(&shop, &[("INVSHOP__SCHEDULE__VERIFY", "* * * * * *")]);
    let done = format!("select count(*) from job_run where outcome = 'done' and due_at < {ahead}");
    until(&mut raw, &done, |count| count > 0).await;
    until(&mut raw, "select count(*) from job_run where node = 'fast/1/x'", |count| count == 0)
        .await;
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_on_one_file_is_refused_by_the_first_ones_process() {
    let shop = TestShop::new(Backend::Sqlite).await;
    let first = Daemon::start(&shop);
    crate::harness::http()
        .build()
        .unwrap()
        .get(format!("{}/readyz", first.base()))
        .send()
        .await
        .unwrap();
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_invshopd"))
        .env("INVSHOP__DATABASE__URL", format!("sqlite:{}/shop.db", shop.dir().display()))
        .env("INVSHOP__DATABASE__KEY", format!("file:{}", shop.key_path().display()))
        .env("INVSHOP__SERVER__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("a daemon (process {}) runs", first.id())), "{said}");
    first.signal("-KILL");
    first.wait();
    let next = Daemon::start(&shop);
    next.signal("-TERM");
    assert!(next.wait().success(), "what a killed one held is free");
    shop.end().await;
}

// Leases, deadlines and times of nodes would differ by as much as their clocks do.
both!(nodes_go_by_the_clock_of_the_server_they_share, |shop| {
    let wrong = ManualClock::new(Timestamp::parse("2001-01-01").unwrap());
    let clock = Arc::new(SharedClock::new(Arc::new(wrong)));
    let opening = Opening { clock, random: shop.random(), ..shop.opening.clone() };
    let is_shared = matches!(opening.place, Place::Postgres(_));
    let node = Shop::open(opening).await.unwrap();
    let apart = node.clock.now().as_millis() - SystemClock.now().as_millis();
    assert_eq!(apart.abs() < 60_000, is_shared, "{apart} ms");
    node.close().await;
});
