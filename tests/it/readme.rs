//! What the README tells people to type does what it says.

use std::process::Command as Process;

use invshop::domain::AccountName;
use invshop::ledger::catalogue::NewKey;
use invshop::secret::ApiKey;
use invshop::writer::Command;

use crate::daemon::Daemon;
use crate::harness::{Backend, TestShop, has_postgres};

/// The fenced blocks that follow the marks.
fn walk_through() -> String {
    let text = include_str!("../../README.md");
    let marked = text.split("<!-- The next block is run by a test. -->").skip(1);
    let block = |after: &str| {
        let (_, block) = after.split_once("```sh\n").unwrap();
        block.split_once("```").unwrap().0.to_owned()
    };
    marked.map(block).collect()
}

async fn walk(backend: Backend) {
    let shop = TestShop::new(backend).await;
    let key = ApiKey::generate(shop.random().as_ref());
    let new = NewKey {
        account: AccountName::new("office").unwrap(),
        role: "operator",
        prefix: key.prefix().to_owned(),
        hash: key.hash(),
        expires_at: None,
    };
    shop.run(Command::CreateKey(new)).await.unwrap();
    let daemon = Daemon::start(&shop);
    let script = format!("set -euo pipefail\n{}", walk_through());
    let run = Process::new("bash")
        .args(["-c", &script])
        .env("BASE", daemon.base())
        .env("KEY", key.expose())
        .env("no_proxy", "*")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{said}\n{wrong}");
    let calls = walk_through().lines().filter(|line| line.starts_with("api \"")).count();
    assert!(said.contains("\"user_id\":\"usr_1\""), "{said}");
    assert!(calls >= 31, "{calls} calls");
    assert!(said.contains("\"Big pot\""), "{said}");
    assert!(said.contains("\"status\":\"shipped\""), "{said}");
    assert!(said.contains("\"unknown_sku\""), "{said}");
    assert!(said.contains("\nevent: order.placed\ndata: {\"seq\":"), "{said}");
    assert!(said.contains("\"next_cursor\":\"10\""), "{said}");
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walk_through_works_on_sqlite() {
    walk(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walk_through_works_on_postgres() {
    if has_postgres() {
        walk(Backend::Postgres).await;
    }
}
