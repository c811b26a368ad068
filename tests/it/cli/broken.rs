//! Broken surroundings: a clear message, exit 2, and nothing acknowledged lost.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

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
    sqlite(&cli, true, &["create table their_own (number integer)"]).await;
    let before = fs::read(&file).unwrap();
    for words in [&["stock", "list"][..], &["db", "migrate"]] {
        assert_eq!(cli.error(2, words)["code"], "database_foreign");
    }
    assert_eq!(fs::read(&file).unwrap(), before);
    let said = cli.say(&["--json", "doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
}

const OF_THE_FUTURE: &str = "insert into _sqlx_migrations
    (version, description, success, checksum, execution_time) values (99, 'later', true, '00', 0)";

both_shops!(a_newer_schema_is_refused_with_both_versions, |cli| {
    match &cli.database {
        None => sqlite(&cli, false, &[OF_THE_FUTURE]).await,
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
        assert!(message.contains("99") && message.contains('1'), "{message}");
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
    fs::copy(env!("CARGO_BIN_EXE_invshop"), &binary).unwrap();
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

/// How a disk gets full here: a small one of its own where the system lets us
/// mount one, else a limit on the size of each file.
const FULL_DISK: &str = r#"
set -eu
shop=$1 invshop=$2 small=$3
if [ "$small" = disk ]; then
  mkdir "$shop/small"
  mount -t tmpfs -o size=2m tmpfs "$shop/small"
  cp "$shop"/invshop.* "$shop/small"
  cd "$shop/small"
  # All but what the first orders need.
  head -c 1500000 /dev/zero >filler
else
  cd "$shop"
  # A write beyond the limit is to fail, not to kill. The unit is 512 bytes.
  trap '' XFSZ
  ulimit -f 500
fi
placed=0
while "$invshop" --json order place "f$placed" MUG:1 >answer 2>error; do
  placed=$((placed + 1))
  [ "$placed" -lt 5000 ] || exit 90
done || code=$?
tail -n 1 error
if [ "$small" = disk ]; then rm filler; else exec "$invshop" --json order list --all; fi
"$invshop" --json order place after MUG:1 >answer
"$invshop" --json order list --all
"#;
