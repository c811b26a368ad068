//! `db backup`, `db restore`, `db copy`, `db stats` as people type them.

use std::fs;
use std::path::Path;

use serde_json::json;
use sqlx::{Connection as _, Executor as _};

use super::{Cli, both_shops};
use crate::harness::{self, Backend, has_postgres};

/// The example shop, with an order of each kind.
fn household(cli: &Cli) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/household");
    let file = |name: &str| example.join(name).to_str().unwrap().to_owned();
    for store in ["store-north", "store-south"] {
        cli.ok(&["location", "create", store, "--kind", "store"]);
    }
    cli.ok(&["import", "items", &file("items.csv")]);
    cli.ok(&["import", "stock", &file("stock-store-north.csv")]);
    cli.ok(&["import", "orders", &file("orders.csv")]);
    cli.ok(&["order", "place", "T-1", "MUG-RED-300:2", "--payment", "required"]);
    cli.ok(&["order", "pay", "T-1", "--payment-id", "P-1"]);
}

/// Everything that exports say of a shop.
fn exports(cli: &Cli, config: &[&str]) -> Vec<String> {
    let export = |kind| cli.ok(&[config, &["export", kind, "-"]].concat());
    ["items", "stock", "orders"].map(export).to_vec()
}

both_shops!(a_backup_restores_over_its_own_shop_after_a_yes, |cli| {
    cli.ok(&["item", "create", "MUG", "--on-hand", "5"]);
    let made = cli.json(&["db", "backup", "shop.backup"]);
    assert_eq!(made["seq"], cli.json(&["db", "stats"])["seq"]);
    assert!(made["rows"].as_u64().unwrap() > 5, "{made}");
    let error = cli.error(2, &["db", "backup", "shop.backup"]);
    assert_eq!(error["code"], "usage", "one that is there is not replaced without a yes");
    cli.ok(&["--yes", "db", "backup", "shop.backup"]);
    cli.ok(&["stock", "receive", "MUG", "9"]);
    assert_eq!(cli.error(2, &["db", "restore", "shop.backup"])["code"], "usage");
    assert_eq!(cli.error(2, &["db", "restore", "none"])["code"], "io");
    fs::write(cli.path().join("bad"), "not a backup").unwrap();
    assert_eq!(cli.error(2, &["--yes", "db", "restore", "bad"])["code"], "no_backup");
    let restored = cli.json(&["--yes", "db", "restore", "shop.backup"]);
    assert_eq!((&restored["replaced"], &restored["clean"]), (&json!(true), &json!(true)));
    assert_eq!(cli.json(&["stock", "show", "MUG"])["on_hand"], 5);
    cli.ok(&["order", "place", "1", "MUG:1"]);
    cli.ok(&["db", "verify"]);
    let said = cli.ok(&["--yes", "db", "restore", "shop.backup"]);
    assert!(said.contains("restored") && said.contains("sound"), "{said}");
});

both_shops!(stats_count_what_there_is, |cli| {
    cli.ok(&["item", "create", "MUG", "--on-hand", "5"]);
    cli.ok(&["order", "place", "1", "MUG:1"]);
    let stats = cli.json(&["db", "stats"]);
    let rows = |table: &str| {
        let tables = stats["tables"].as_array().unwrap();
        tables.iter().find(|one| one["table"] == table).unwrap()["rows"].clone()
    };
    assert_eq!((rows("item"), rows("orders"), rows("allocation")), (json!(1), json!(1), json!(1)));
    assert_eq!(rows("journal"), stats["seq"]);
    assert!(stats["bytes"].as_i64().unwrap() > 10_000, "{stats}");
    assert_eq!(stats["log_bytes"].is_null(), cli.database.is_some());
    assert!(cli.ok(&["db", "stats"]).contains("schema version"));
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_moves_to_postgres_and_is_the_same_there() {
    if !has_postgres() {
        return;
    }
    let cli = Cli::new(Backend::Sqlite).await;
    household(&cli);
    let before = exports(&cli, &[]);
    assert!(before.iter().all(|export| export.lines().count() > 10), "{before:?}");
    let (url, database) = harness::new_database().await;
    fs::write(cli.path().join("target.url"), &url).unwrap();
    let (to, here) = (["--to", "file:target.url"], ["--to", "sqlite:other.db"]);
    assert_eq!(cli.error(2, &["--yes", "db", "copy", here[0], here[1]])["code"], "usage");
    assert_eq!(cli.error(2, &["db", "copy", to[0], to[1]])["code"], "usage", "it needs a yes");

    let moved = cli.json(&["--yes", "db", "copy", to[0], to[1]]);
    assert!(!moved.to_string().contains("password"), "{moved}");
    let config = format!(
        "[database]\nurl = \"{url}\"\nkey = \"file:{}\"\n",
        cli.path().join("invshop.db.key").display()
    );
    fs::write(cli.path().join("there.toml"), config).unwrap();
    let there = ["--config", "there.toml"];
    assert_eq!(exports(&cli, &there), before);
    let on = |words: &[&str]| cli.ok(&[&there, words].concat());
    on(&["db", "verify"]);
    on(&["order", "ship", "T-1"]);
    on(&["order", "place", "T-2", "MUG-RED-300:1"]);
    on(&["item", "create", "NEW", "--on-hand", "1", "--location", "main"]);
    on(&["db", "verify"]);

    // The file says where its shop went, and refuses what does not ask it.
    for words in [&["stock", "list"][..], &["order", "place", "T-3", "MUG-RED-300:1"]] {
        let error = cli.error(2, words);
        assert_eq!(error["code"], "moved");
        assert!(!error.to_string().contains(&url), "{error}");
    }
    assert_eq!(cli.error(2, &["--yes", "db", "copy", to[0], to[1]])["code"], "moved");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(cli.path().join("invshop.db"));
    let mut raw = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let insert = "insert into journal (seq, at, kind, effective_at) values (99999, 1, 'x', 1)";
    let refused = raw.execute(insert).await.unwrap_err().to_string();
    assert!(refused.contains("moved"), "{refused}");
    raw.close().await.unwrap();
    harness::drop_database(&database).await;
    cli.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_does_not_move_onto_another() {
    if !has_postgres() {
        return;
    }
    let cli = Cli::new(Backend::Sqlite).await;
    cli.ok(&["item", "create", "MUG", "--on-hand", "5"]);
    let other = Cli::new(Backend::Postgres).await;
    let url = harness::url_of(other.database.as_ref().unwrap());
    let error = cli.error(1, &["--yes", "db", "copy", "--to", &url]);
    assert_eq!(error["code"], "has_shop");
    cli.ok(&["order", "place", "1", "MUG:1"]);
    assert_eq!(other.json(&["item", "list"])["data"], json!([]));
    other.end().await;
    cli.end().await;
}
