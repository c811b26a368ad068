//! `events tail`: what happened, and what happens.

use std::io::{BufRead as _, BufReader};
use std::process::{Command as Process, Stdio};

use serde_json::Value;

use super::{Cli, both_shops};

/// The documents of lines.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

both_shops!(events_are_printed_one_a_line, |cli| {
    cli.ok(&["item", "create", "MUG", "--on-hand", "10"]);
    let all = lines(&cli.ok(&["events", "tail"]));
    let seqs = all.iter().map(|event| event["seq"].as_i64().unwrap());
    assert!(seqs.eq(1..=i64::try_from(all.len()).unwrap()), "{all:?}");
    let same = cli.say(&["--json", "events", "tail"]);
    assert_eq!((lines(&same.stdout), same.stderr.as_str()), (all.clone(), ""));
    let some = lines(&cli.ok(&["events", "tail", "--after", "2", "--types", "item.*"]));
    assert_eq!(some.len(), 1);
    assert_eq!(some[0]["subject"]["sku"], "MUG");
    let error = cli.error(2, &["events", "tail", "--types", "item.made"]);
    assert!(error["message"].as_str().unwrap().contains("'item.made'"), "{error}");
    assert_eq!(cli.error(1, &["events", "tail", "--after", "999"])["code"], "cursor_ahead");
});

both_shops!(who_follows_is_told_until_ctrl_c, |cli| {
    let mut command = cli.command(&["events", "tail", "--follow", "--after", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&printed.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["seq"], 1);
    cli.ok(&["item", "create", "MUG"]);
    while next()["type"] != "item.created" {}
    Process::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
});
