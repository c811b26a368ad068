//! `attention`, `stop-sale` and `resume-sale`: each trouble is shown with a command that
//! solves it, and is gone after it.

use invshop::clock::{Clock as _, SystemClock};
use invshop::writer::Command;
use serde_json::{Value, json};

use super::{Cli, both_shops};
use crate::acts::state;
use crate::harness::place;
use crate::raw::Raw;

/// (what, about, command) of all that is wrong.
fn troubles(cli: &Cli) -> Vec<(String, String, String)> {
    let wrong = cli.findings(&["attention"]);
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let rows = wrong["data"].as_array().unwrap().iter();
    rows.map(|one| (text(one, "kind"), text(one, "subject"), text(one, "command"))).collect()
}

/// Has a command done that no verb does.
async fn done(cli: &Cli, command: Command) {
    let shop = cli.shop().await;
    shop.submit(command, None).await.unwrap();
    shop.close().await;
}

/// Runs a command that `attention` named.
fn follow(cli: &Cli, command: &str, words: &[(&str, &str)]) {
    let words: Vec<&str> = command
        .split(' ')
        .skip(1)
        .map(|word| words.iter().find(|(from, _)| *from == word).map_or(word, |(_, to)| to))
        .collect();
    cli.ok(&words);
}

both_shops!(every_trouble_is_shown_and_solved, |cli| {
    assert_eq!(cli.json(&["attention"]), json!({ "data": [] }));
    cli.ok(&["item", "create", "MUG", "--on-hand", "1"]);
    cli.ok(&["item", "create", "CUP", "--on-hand", "1"]);
    cli.ok(&["order", "place", "1", "MUG:3", "--allow-backorder"]);
    done(&cli, Command::Import(state("7", &[("GHOST", 1, 0), ("CUP", 3, 3)]))).await;
    // Paid when nothing of it is left.
    cli.ok(&["order", "place", "2", "MUG:1", "--allow-backorder"]);
    cli.ok(&["order", "cancel", "2"]);
    cli.ok(&["order", "pay", "2", "--payment-id", "P-1"]);
    cli.ok(&["order", "pay", "2", "--payment-id", "P-2"]);
    // Shipped whole, never paid.
    cli.ok(&["item", "create", "JAR", "--on-hand", "1"]);
    cli.ok(&["order", "place", "3", "JAR:1", "--payment", "required"]);
    cli.ok(&["order", "ship", "3"]);
    let of = |kind: &str, about: &str, command: &str| {
        (kind.to_owned(), about.to_owned(), command.to_owned())
    };
    let expected = [
        of("short_order", "cli:1", "invshop order allocate cli:1"),
        of("unmapped_line", "web:7", "invshop order map web:7 --line 1 SKU"),
        of("discrepancy", "CUP at main", "invshop stock count CUP N --location main"),
        of("refund_due", "cli:2", "invshop order refund cli:2 --payment-id P-1"),
        of("refund_due", "cli:2", "invshop order refund cli:2 --payment-id P-2"),
        of("unpaid_accepted", "cli:3", "invshop order pay cli:3"),
    ];
    assert_eq!(troubles(&cli), expected);
    // As adjusted stock fills nothing by itself (R56).
    cli.ok(&["stock", "adjust", "MUG", "--by", "2", "--reason", "found"]);
    cli.ok(&["item", "create", "BOWL", "--on-hand", "1"]);
    for (_, _, command) in expected {
        follow(&cli, &command, &[("SKU", "BOWL"), ("N", "0")]);
    }
    assert_eq!(cli.json(&["attention"]), json!({ "data": [] }));
    let text = cli.ok(&["attention"]);
    assert!(text.contains("nothing needs attention"), "{text}");
});

both_shops!(a_daemon_that_does_not_decide_and_a_job_that_failed_are_shown, |cli| {
    cli.ok(&["item", "create", "MUG", "--on-hand", "1"]);
    done(&cli, Command::PlaceLater(place("1", &[("MUG", 1)]))).await;
    let mut raw = Raw::open(&cli.place()).await;
    let now = SystemClock.now().as_millis();
    raw.execute(&format!("update order_queue set queued_at = {now}")).await;
    assert_eq!(cli.json(&["attention"]), json!({ "data": [] }), "it has only just come");
    raw.execute("update order_queue set queued_at = 1").await;
    raw.execute(
        "insert into job_run (job, due_at, node, started_at, lease_until, finished_at, outcome, detail)
         values ('backup', 1, 'n', 1, 1, 1, 'failed', 'the disk is full')",
    )
    .await;
    let kinds: Vec<String> = troubles(&cli).into_iter().map(|one| one.0).collect();
    assert_eq!(kinds, ["orders_waiting", "job_failed"]);
    // Done by hand, it is done; what did not fail needs no row.
    cli.ok(&["db", "backup", cli.path().join("by-hand.gz").to_str().unwrap()]);
    cli.ok(&["db", "verify"]);
    cli.ok(&["db", "backup", cli.path().join("again.gz").to_str().unwrap()]);
    let kinds: Vec<String> = troubles(&cli).into_iter().map(|one| one.0).collect();
    assert_eq!(kinds, ["orders_waiting"]);
    let runs =
        raw.texts("select job || ' ' || outcome || ' ' || node from job_run order by due_at");
    assert_eq!(runs.await, ["backup done by hand", "backup failed n"]);
});

both_shops!(what_is_not_the_answer_to_a_trouble_leaves_it, |cli| {
    // One of two payments was given back, and nobody said which.
    cli.ok(&["item", "create", "MUG", "--on-hand", "1"]);
    cli.ok(&["order", "place", "1", "MUG:1"]);
    cli.ok(&["order", "cancel", "1"]);
    cli.ok(&["order", "pay", "1", "--payment-id", "P-1"]);
    cli.ok(&["order", "refund", "1", "--payment-id", "P-1"]);
    cli.ok(&["order", "pay", "1", "--payment-id", "P-2"]);
    cli.ok(&["order", "refund", "1"]);
    let due: Vec<String> = troubles(&cli).into_iter().map(|one| one.2).collect();
    assert_eq!(due, ["invshop order refund cli:1 --payment-id P-2"]);
    let unknown = cli.error(1, &["order", "refund", "1", "--payment-id", "P-3"]);
    assert_eq!(unknown["code"], "unknown_name", "{unknown}");
    cli.ok(&["order", "refund", "1", "--payment-id", "P-2"]);
    // A count of before did not see what left.
    cli.ok(&["item", "create", "CUP", "--on-hand", "1"]);
    let before = SystemClock.now().to_string();
    cli.ok(&["order", "place", "7", "CUP:3", "--allow-backorder"]);
    cli.ok(&["order", "ship", "7", "--line", "1:3"]);
    cli.ok(&["stock", "count", "CUP", "1", "--observed-at", &before]);
    assert_eq!(troubles(&cli)[0].0, "discrepancy");
    cli.ok(&["stock", "count", "CUP", "0"]);
    // Nobody knows of which item they left.
    done(&cli, Command::Import(state("8", &[("GHOST", 2, 2)]))).await;
    assert_eq!(troubles(&cli)[0].2, "invshop order map web:8 --line 1 SKU");
    cli.ok(&["order", "map", "web:8", "--line", "1", "MUG"]);
    assert_eq!(cli.json(&["stock", "show", "MUG"])["on_hand"], 0);
});

both_shops!(a_sale_is_stopped_and_resumed, |cli| {
    cli.ok(&["item", "create", "MUG", "--on-hand", "3"]);
    let stopped = cli.json(&["stop-sale", "MUG", "--reason", "recalled", "--key", "k1"]);
    assert_eq!(
        (&stopped["item"]["status"], &stopped["item"]["available_to_promise"]),
        (&json!("stopped"), &json!(0))
    );
    assert_eq!(
        cli.json(&["stop-sale", "MUG", "--reason", "recalled", "--key", "k1"])["replayed"],
        true
    );
    assert_eq!(cli.json(&["item", "list", "--status", "stopped"])["data"][0]["sku"], "MUG");
    assert_eq!(cli.error(1, &["order", "place", "1", "MUG:1"])["code"], "insufficient_stock");
    let terms = cli.json(&["stock", "explain", "MUG"])["terms"].clone();
    let stopped = terms.as_array().unwrap().iter().find(|term| term["name"] == "stopped");
    assert_eq!(stopped.unwrap()["units"], -3, "{terms}");
    let resumed = cli.json(&["resume-sale", "MUG"]);
    assert_eq!(resumed["item"]["available_to_promise"], 3);
    assert_eq!(cli.error(1, &["stop-sale", "NONE"])["code"], "unknown_sku");
});
