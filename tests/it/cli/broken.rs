//! Broken surroundings: a clear message, exit 2, and nothing acknowledged lost.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use invshop::store::SCHEMA_VERSION;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};

use super::{Cli, both_shops, said};
use crate::harness::Backend;

/// Who has no rights but everybody's, on every system known.
const NOBODY: u32 = 65_534;

#[test]
fn a_missing_database_is_named_and_not_created() {
    let cli = Cli::nothing();
    let error = cli.error(2, &["stock", "list"]);
    assert_eq!(error["code"], "database_missing");
    assert_eq!(error["hint"], "`invshop init` creates one");
    assert!(fs::read_dir(cli.path()).unwrap().next().is_none());
}

#[test]
fn every_problem_of_a_configuration_is_listed() {
    let cli = Cli::nothing();
    let config = cli.path().join("invshop.toml");
    fs::write(&config, "[orders]\nhold_seconds = 0\nspilt = true\n[sever]\n").unwrap();
    let error = cli.error(2, &["stock", "list"]);
    assert_eq!(error["code"], "config");
    let keys: Vec<&Value> =
        error["problems"].as_array().unwrap().iter().map(|problem| &problem["key"]).collect();
    assert_eq!(keys, ["orders.hold_seconds", "orders.spilt", "sever"]);
    let said = cli.say(&["stock", "list"]);
    assert!(keys.iter().all(|key| said.stderr.contains(key.as_str().unwrap())), "{said:?}");
    let said = cli.say(&["--json", "doctor"]);
    assert_eq!((said.code, &said.json()["data"][0]["state"]), (Some(1), &json!("fail")));
    fs::write(&config, "[orders\n").unwrap();
    let error = cli.error(2, &["stock", "list"]);
    assert!(error["message"].as_str().unwrap().contains("line 1"), "{error}");
    let error = cli.error(2, &["--config", "other.toml", "stock", "list"]);
    assert!(error["message"].as_str().unwrap().contains("other.toml"), "{error}");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let cli = Cli::new(Backend::Sqlite).await;
    let file = cli.path().join("invshop.db");
    remove_database(&cli);
    fs::write(&file, "these are not the bytes of a database, however long one reads them").unwrap();
    assert_eq!(cli.error(2, &["stock", "list"])["code"], "database_damaged");
    remove_database(&cli);
    their_sql(&cli, true, &["create table their_own (number integer)"]).await;
    let before = fs::read(&file).unwrap();
    for words in [&["stock", "list"][..], &["db", "migrate"]] {
        assert_eq!(cli.error(2, words)["code"], "database_foreign");
    }
    assert!(fs::read(&file).unwrap() == before, "not a byte of it has changed");
    let said = cli.say(&["--json", "doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
}

const OF_THE_FUTURE: &str = "insert into _sqlx_migrations
    (version, description, success, checksum, execution_time) values (99, 'later', true, '00', 0)";

both_shops!(a_newer_schema_is_refused_with_both_versions, |cli| {
    match &cli.database {
        None => their_sql(&cli, false, &[OF_THE_FUTURE]).await,
        Some(name) => {
            let url = std::env::var("INVSHOP_TEST_POSTGRES").unwrap();
            let (server, _) = url.rsplit_once('/').unwrap();
            let url = format!("{server}/{name}");
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            connection.execute(OF_THE_FUTURE).await.unwrap();
        }
    }
    for words in [&["stock", "list"][..], &["db", "migrate"]] {
        let error = cli.error(2, words);
        assert_eq!(error["code"], "schema_newer");
        let message = error["message"].as_str().unwrap();
        let known = SCHEMA_VERSION.to_string();
        assert!(message.contains("99") && message.contains(&known), "{message}");
    }
});

both_shops!(migrating_a_current_schema_changes_nothing, |cli| {
    let done = cli.json(&["db", "migrate"]);
    assert_eq!(done["before"], done["after"]);
});

both_shops!(a_key_that_is_not_the_database_s_own_is_refused, |cli| {
    let config = fs::read_dir(cli.path()).unwrap().map(|entry| entry.unwrap().path());
    let key = config.into_iter().find(|path| path.extension().is_some_and(|end| end == "key"));
    let key = key.unwrap();
    let own = fs::read(&key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let error = cli.error(2, &["stock", "list"]);
    assert_eq!(error["code"], "key_file");
    assert!(error["message"].as_str().unwrap().contains("0644"), "{error}");
    fs::remove_file(&key).unwrap();
    assert_eq!(cli.error(2, &["stock", "list"])["code"], "key_file");
    let other = Cli::new(Backend::Sqlite).await;
    fs::copy(other.path().join("invshop.db.key"), &key).unwrap();
    assert_eq!(cli.error(2, &["stock", "list"])["code"], "wrong_key");
    let said = cli.say(&["--json", "doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    fs::write(&key, own).unwrap();
    cli.ok(&["stock", "list"]);
});

#[test]
fn a_server_that_does_not_answer_is_named_without_its_password() {
    let cli = Cli::nothing();
    let url = "postgres://shop:a-secret@127.0.0.1:1/shop";
    let mut command = cli.command(&["stock", "list"]);
    let said = said(command.env("INVSHOP__DATABASE__URL", url));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("127.0.0.1:1"), "{said:?}");
    assert!(!said.stderr.contains("a-secret"), "{said:?}");
}

/// Root may write everything, so root runs the binary as nobody, from a copy
/// that nobody can reach.
#[tokio::test]
async fn a_read_only_database_can_be_read_and_says_why_it_is_not_written() {
    let cli = Cli::new(Backend::Sqlite).await;
    cli.ok(&["item", "create", "MUG", "--on-hand", "3"]);
    let file = cli.path().join("invshop.db");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let binary = cli.path().join("invshop");
    // Another process writes the copy: a file that this one has open for writing
    // goes to the child of any other test, and cannot be run while it lives.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_invshop")).arg(&binary).status();
    assert!(copied.unwrap().success());
    let root = fs::metadata(cli.path()).unwrap().uid() == 0;
    if root {
        for entry in fs::read_dir(cli.path()).unwrap() {
            chown(entry.unwrap().path(), Some(NOBODY), None).unwrap();
        }
        chown(cli.path(), Some(NOBODY), None).unwrap();
    }
    let run = |words: &[&str]| {
        let mut command = Command::new(&binary);
        command.current_dir(cli.path()).arg("--json").args(words).env_clear();
        if root {
            command.uid(NOBODY);
        }
        said(&mut command)
    };
    let shown = run(&["stock", "show", "MUG"]);
    assert_eq!((shown.code, &shown.json()["on_hand"]), (Some(0), &json!(3)));
    let refused = run(&["stock", "receive", "MUG", "1"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert_eq!(refused.error()["code"], "database_read_only");
    let doctor = run(&["doctor"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    assert_eq!(run(&["stock", "show", "MUG"]).json()["on_hand"], 3);
}

/// Places orders until the disk is full, and one more when it is not any more.
/// Prints how many were acknowledged, the error, and all orders. The disk is a
/// small one of its own, or a limit on the size of each file stands for it.
const FILL_THE_DISK: &str = r#"
set -eu
invshop=$1 small=$2 said=$PWD
if [ "$small" = disk ]; then
  mkdir small
  mount -t tmpfs -o size=3m tmpfs small
  cp invshop.* small
  cd small
  head -c 2650000 /dev/zero >filler
fi
(
  if [ "$small" = limit ]; then
    # A write beyond the limit is to fail, not to kill. The unit is 512 bytes.
    trap '' XFSZ
    ulimit -f 400
  fi
  placed=0 code=0
  while [ $code = 0 ] && [ $placed -lt 3000 ]; do
    "$invshop" --json order place "f$placed" MUG:1 >"$said/answer" 2>"$said/error" || code=$?
    [ $code != 0 ] || placed=$((placed + 1))
  done
  echo "$placed $code"
  tail -n 1 "$said/error"
)
rm -f filler
"$invshop" --json order place after MUG:1 >"$said/answer"
"$invshop" --json order list --all
"#;

#[tokio::test]
async fn what_is_not_sound_is_found_and_named() {
    let cli = Cli::new(Backend::Sqlite).await;
    cli.ok(&["item", "create", "MUG", "--on-hand", "3"]);
    their_sql(&cli, false, &["update level set on_hand = 4"]).await;
    let said = cli.say(&["--json", "db", "verify"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let finding = &said.json()["findings"][0];
    assert_eq!((&finding["kind"], &finding["sku"]), (&json!("level_fold"), &json!("MUG")));
    let said = cli.say(&["db", "verify"]);
    assert!(said.code == Some(1) && said.stdout.contains("level_fold"), "{said:?}");
}

#[tokio::test]
async fn a_broken_invariant_is_told_with_its_item_location_and_orders() {
    let cli = Cli::new(Backend::Sqlite).await;
    cli.ok(&["item", "create", "MUG", "--on-hand", "3"]);
    cli.ok(&["order", "place", "7", "MUG:2"]);
    let lower = ["pragma ignore_check_constraints = on", "update level set reserved = 1"];
    their_sql(&cli, false, &lower).await;
    let said = cli.say(&["--json", "order", "cancel", "7"]);
    assert_eq!((said.code, &said.error()["code"]), (Some(2), &json!("broken_invariant")));
    let answer = said.error()["message"].to_string();
    let line = said.stderr.lines().find(|line| line.contains("broken invariant"));
    let line = line.unwrap_or_else(|| panic!("{said:?}"));
    for told in [answer.as_str(), line] {
        assert!(told.contains("MUG at main") && told.contains("cli:7"), "{told}");
    }
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["subject"], &line["orders"]), (&json!("cli:7"), &json!("cli:7")));
}

#[tokio::test]
async fn a_full_disk_is_named_and_every_acknowledged_order_is_there() {
    let cli = Cli::new(Backend::Sqlite).await;
    let words = ["unshare", "--user", "--map-root-user", "--mount", "sh"];
    let mut own_mounts = Command::new(words[0]);
    own_mounts.args(&words[1..]).args(["-c", "mount -t tmpfs -o size=1m tmpfs ."]);
    let may_mount = own_mounts.current_dir(cli.path()).output();
    if may_mount.is_ok_and(|output| output.status.success()) {
        let message = fill_the_disk(&cli, &words, ("disk", "disk_full"));
        assert!(message.contains("invshop.db: the disk is full"), "{message}");
    } else {
        println!("SKIPPED: the system lets us mount no disk of our own");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_named_and_not_called_unreachable() {
    let cli = Cli::new(Backend::Sqlite).await;
    let message = fill_the_disk(&cli, &["sh"], ("limit", "database_io"));
    assert!(message.contains("invshop.db cannot be read or written"), "{message}");
}

/// Runs the script; every order that was acknowledged must be there. What was
/// said of the one that was not.
fn fill_the_disk(cli: &Cli, words: &[&str], (small, code): (&str, &str)) -> String {
    cli.ok(&["item", "create", "MUG", "--on-hand", "5000"]);
    let mut script = Command::new(words[0]);
    script.args(&words[1..]).args([
        "-c",
        FILL_THE_DISK,
        "sh",
        env!("CARGO_BIN_EXE_invshop"),
        small,
    ]);
    let said = said(script.current_dir(cli.path()));
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<&str> = said.stdout.lines().collect();
    let [count, error, orders] = lines[..] else {
        panic!("{} lines: {}", lines.len(), said.stderr)
    };
    let (placed, exit) = count.split_once(' ').unwrap();
    let placed: usize = placed.parse().unwrap();
    assert!(placed > 0 && exit == "2", "{count}");
    let error: Value = serde_json::from_str(error).unwrap();
    assert_eq!(error["error"]["code"], code, "{error}");
    let orders: Value = serde_json::from_str(orders).unwrap();
    let held = orders["data"].as_array().unwrap().iter().map(|order| &order["lines"][0]["held"]);
    assert!(held.clone().all(|held| *held == 1));
    assert_eq!(held.count(), placed + 1, "those acknowledged, and the one after");
    error["error"]["message"].to_string()
}

fn remove_database(cli: &Cli) {
    for end in ["", "-wal", "-shm"] {
        // The files beside it are there only sometimes.
        fs::remove_file(cli.path().join(format!("invshop.db{end}"))).ok();
    }
}

async fn their_sql(cli: &Cli, create: bool, statements: &[&'static str]) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(cli.path().join("invshop.db"))
        .create_if_missing(create);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    for statement in statements {
        connection.execute(*statement).await.unwrap();
    }
    connection.close().await.unwrap();
}
