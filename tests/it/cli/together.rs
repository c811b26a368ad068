//! Several processes at once.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::{Cli, both_shops};
use crate::harness::Backend;

/// Processes that want the same unit.
const BUYERS: usize = 8;

both_shops!(of_many_processes_one_gets_the_last_unit, |cli| {
    cli.ok(&["item", "create", "LAST", "--on-hand", "1"]);
    let ids: Vec<String> = (0..BUYERS).map(|number| format!("buyer-{number}")).collect();
    let children: Vec<_> = ids
        .iter()
        .map(|id| {
            let mut command = cli.command(&["--json", "order", "place", id, "LAST:1"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut codes: Vec<Option<i32>> = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(1) {
            assert!(stderr.contains("insufficient_stock"), "{stderr}");
        }
        codes.push(output.status.code());
    }
    codes.sort_unstable();
    let mut wanted = vec![Some(0)];
    wanted.resize(BUYERS, Some(1));
    assert_eq!(codes, wanted);
    let item = cli.json(&["stock", "show", "LAST"]);
    assert_eq!((&item["reserved"], &item["on_hand"]), (&1.into(), &1.into()));
    assert_eq!(cli.json(&["order", "list"])["data"].as_array().unwrap().len(), 1);
});

/// A command that waits for its turn to write; it listens for Ctrl-C since its start.
fn waiting(cli: &Cli, arguments: &[&str]) -> Child {
    let mut command = cli.command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let at_the_door = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.contains(&"->") && fields.contains(&pid.as_str())
    };
    while !std::fs::read_to_string("/proc/locks").unwrap().lines().any(at_the_door) {
        assert_eq!(child.try_wait().unwrap(), None, "it did not wait");
        std::thread::yield_now();
    }
    child
}

fn press(child: &mut Child) {
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

#[tokio::test]
async fn ctrl_c_finishes_what_was_begun_and_pressed_again_stops_at_once() {
    let cli = Cli::new(Backend::Sqlite).await;
    cli.ok(&["item", "create", "MUG", "--on-hand", "9"]);
    let door = File::options().write(true).open(cli.path().join("invshop.db.write")).unwrap();
    for (id, twice) in [("once", false), ("twice", true)] {
        door.lock().unwrap();
        let mut child = waiting(&cli, &["order", "place", id, "MUG:1"]);
        press(&mut child);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains("press Ctrl-C again"), "{line}");
        if twice {
            press(&mut child);
            assert_eq!(child.wait().unwrap().code(), Some(130));
            door.unlock().unwrap();
            assert_eq!(cli.error(1, &["order", "show", id])["code"], "unknown_order");
        } else {
            door.unlock().unwrap();
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(130));
            assert!(String::from_utf8_lossy(&output.stdout).contains("placed order once"));
            cli.ok(&["order", "show", id]);
        }
    }
}

#[tokio::test]
async fn ctrl_c_ends_a_restore_with_nothing_written() {
    let cli = Cli::new(Backend::Sqlite).await;
    cli.ok(&["item", "create", "MUG", "--on-hand", "9"]);
    cli.ok(&["db", "backup", "shop.backup"]);
    cli.ok(&["stock", "receive", "MUG", "1"]);
    let door = File::options().write(true).open(cli.path().join("invshop.db.write")).unwrap();
    door.lock().unwrap();
    let mut child = waiting(&cli, &["--yes", "db", "restore", "shop.backup"]);
    press(&mut child);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("press Ctrl-C again"), "{line}");
    door.unlock().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    line.clear();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("interrupted; nothing was written"), "{line}");
    assert_eq!(cli.json(&["stock", "show", "MUG"])["on_hand"], 10);
}
