//! Every verb at least once, and what is refused.

use invshop::orders::MapLine;
use invshop::writer::Command;
use serde_json::{Value, json};

use super::{Cli, both_shops};
use crate::acts::state;
use crate::harness::{reference, sku};

both_shops!(a_walk_through_every_verb, |cli| {
    catalogue(&cli);
    stock(&cli);
    stock_history(&cli);
    orders(&cli);
    shipping(&cli);
    returns_and_shortfall(&cli);
    lists(&cli);
    reports(&cli);
});

fn catalogue(cli: &Cli) {
    let made = cli.json(&[
        "item",
        "create",
        "MUG",
        "--title",
        "Coffee mug",
        "--price",
        "12.90",
        "--cost",
        "4.1",
        "--currency",
        "EUR",
        "--on-hand",
        "10",
        "--reorder-point",
        "3",
        "--barcode",
        "4006381333931",
        "--attributes",
        "{\"colour\": \"red\"}",
    ]);
    assert_eq!(made["item"]["price"], json!({ "amount": 1290, "currency": "EUR" }));
    assert_eq!(made["item"]["cost"]["amount"], 410);
    assert_eq!(made["item"]["available_to_promise"], 10);
    cli.ok(&["item", "create", "LID", "--on-hand", "4"]);
    cli.ok(&["item", "create", "SET", "--component", "MUG:1", "--component", "LID:1"]);
    assert_eq!(cli.json(&["item", "show", "SET"])["available_to_promise"], 4);
    let changed = cli.json(&["item", "update", "MUG", "--price", "13.50"]);
    assert_eq!(changed["item"]["price"]["amount"], 1350);
    assert_eq!(changed["item"]["title"], "Coffee mug", "what is not named stays");
    cli.ok(&["item", "create", "OLD", "--title", "To be renamed"]);
    let renamed = cli.json(&["item", "rename", "OLD", "NEW", "--key", "r1"]);
    assert_eq!(renamed["item"]["aliases"], json!(["OLD"]));
    assert_eq!(cli.json(&["item", "rename", "OLD", "NEW", "--key", "r1"])["replayed"], true);
    assert_eq!(cli.json(&["item", "show", "OLD"])["sku"], "NEW");
    let plan = cli.json(&["item", "discontinue", "NEW", "--dry-run"]);
    assert_eq!((&plan["dry_run"], &plan["refused"]), (&json!(true), &json!(false)));
    let error = cli.error(2, &["item", "discontinue", "NEW"]);
    assert_eq!(error["hint"], "add --yes", "nobody can be asked");
    assert_eq!(cli.json(&["item", "show", "NEW"])["status"], "active");
    cli.ok(&["item", "discontinue", "NEW", "--yes"]);
    assert_eq!(cli.json(&["item", "list", "--status", "discontinued"])["data"][0]["sku"], "NEW");
}

fn stock(cli: &Cli) {
    let made = cli.json(&["location", "create", "store", "--kind", "store", "--name", "Shop"]);
    assert_eq!(made["location"]["code"], "store");
    let error = cli.error(1, &["stock", "receive", "MUG", "5"]);
    assert_eq!(error["code"], "location_required");
    assert_eq!(error["locations"], json!(["main", "store"]));
    let at = |words: &[&str]| {
        let words = [&["stock"], words, &["--location", "main"]].concat();
        level(&cli.json(&words)["item"], "main")
    };
    assert_eq!(at(&["receive", "MUG", "5", "--reason", "delivery 7"])["on_hand"], 15);
    assert_eq!(at(&["adjust", "MUG", "--by", "-2", "--reason", "broken"])["on_hand"], 13);
    assert_eq!(at(&["count", "MUG", "12"])["on_hand"], 12);
    assert_eq!(at(&["write-off", "MUG", "1", "--reason", "lost"])["on_hand"], 11);
    assert_eq!(at(&["safety", "MUG", "1"])["available_to_promise"], 10);
    let moved = cli.json(&["stock", "transfer", "MUG", "3", "--from", "main", "--to", "store"]);
    assert_eq!(level(&moved["item"], "store")["on_hand"], 3);
    assert_eq!(moved["item"]["on_hand"], 11);
    let version = level(&moved["item"], "main")["version"].to_string();
    let again = ["stock", "receive", "MUG", "1", "--location", "main", "--if-version", "1"];
    let error = cli.error(1, &again);
    assert_eq!(
        (&error["code"], error["actual"].to_string()),
        (&json!("version_conflict"), version)
    );
    let error = cli.error(
        1,
        &["stock", "adjust", "MUG", "--by", "-100", "--reason", "slip", "--location", "main"],
    );
    assert_eq!((&error["code"], &error["available"]), (&json!("insufficient_stock"), &json!(8)));
}

fn stock_history(cli: &Cli) {
    let history = cli.json(&["stock", "history", "MUG", "--location", "main", "--oldest-first"]);
    let kinds = history["data"].as_array().unwrap().iter().map(|entry| entry["kind"].clone());
    let wanted =
        json!(["count", "receipt", "adjustment", "count", "write_off", "safety", "transfer_out"]);
    assert_eq!(kinds.collect::<Value>(), wanted);
    assert!(cli.ok(&["stock", "history", "MUG"]).contains("delivery 7"));
    let first = history["data"][0]["at"].as_str().unwrap();
    let then = cli.json(&["stock", "as-of", "MUG", first]);
    assert_eq!((&then["on_hand"], &then["final"]), (&json!(10), &json!(true)));
    let error = cli.error(1, &["stock", "as-of", "MUG", "9999-01-01"]);
    assert_eq!(error["code"], "invalid");
}

fn orders(cli: &Cli) {
    let place = [
        "order",
        "place",
        "1001",
        "MUG:2",
        "SET:1",
        "--price",
        "MUG:12.90",
        "--price",
        "SET:20",
        "--currency",
        "EUR",
        "--payment",
        "required",
        "--email",
        "buyer@example.com",
        "--reserve-for",
        "3600",
    ];
    let placed = cli.json(&place);
    let order = &placed["order"];
    assert_eq!((&order["status"], &order["total"]["amount"]), (&json!("pending"), &json!(4580)));
    assert_eq!(cli.json(&place)["replayed"], true);
    let mut other = place;
    other[3] = "MUG:3";
    assert_eq!(cli.error(1, &other)["code"], "idempotency_mismatch");
    let shown = cli.json(&["order", "show", "cli:1001"]);
    assert_eq!(shown["customer"]["email"], "buyer@example.com");
    assert_eq!(shown["lines"][1]["parts"].as_array().unwrap().len(), 2);
    assert!(!cli.ok(&["order", "list"]).contains("buyer@example.com"));
    let paid = cli.json(&["order", "pay", "1001", "--payment-id", "p1", "--amount", "45.80"]);
    assert_eq!((&paid["outcome"], &paid["order"]["status"]), (&json!("confirmed"), &json!("open")));
    let again = cli.json(&["order", "pay", "1001", "--payment-id", "p1", "--amount", "45.80"]);
    assert_eq!(again["replayed"], true);
    assert_eq!(cli.json(&["order", "accept", "1001"])["order"]["accepted"], true);
}

fn shipping(cli: &Cli) {
    let moved =
        cli.json(&["order", "allocate", "1001", "--from", "main", "--to", "store", "--line", "1"]);
    let first = &moved["order"]["lines"][0]["allocations"];
    assert_eq!((&first[0]["location"], &first[0]["held"]), (&json!("store"), &json!(2)));
    let ship = ["order", "ship", "1001", "--line", "1:1", "--key", "s1", "--tracking", "T 1"];
    let shipped = cli.json(&ship);
    assert_eq!((&shipped["shipment_id"], &shipped["replayed"]), (&json!("s1"), &json!(false)));
    assert_eq!(shipped["order"]["status"], "partially_shipped");
    assert_eq!(cli.json(&ship)["replayed"], true);
    let plan = cli.json(&["order", "cancel", "1001", "--line", "1:9", "--dry-run"]);
    assert_eq!(plan["lines"], json!([{ "line": 1, "sku": "MUG", "quantity": 1 }]));
    let cancelled = cli.json(&["order", "cancel", "1001", "--line", "1:1", "--reason", "too late"]);
    assert_eq!(cancelled["order"]["lines"][0]["cancelled"], 1);
    assert_eq!(cli.json(&["order", "ship", "1001"])["order"]["status"], "shipped");
    assert_eq!(cli.json(&["order", "cancel", "1001"])["replayed"], true, "a repeat is a no-op");
    cli.ok(&["order", "place", "1002", "LID:1"]);
    cli.ok(&["order", "ship", "1002"]);
    assert_eq!(cli.error(1, &["order", "cancel", "1002"])["code"], "already_shipped");
}

fn returns_and_shortfall(cli: &Cli) {
    let back = cli.json(&[
        "order",
        "return",
        "1001",
        "--line",
        "2.2:1",
        "--disposition",
        "restock",
        "--key",
        "b1",
    ]);
    let parts = &back["order"]["lines"][1]["parts"];
    assert_eq!((&parts[1]["sku"], &parts[1]["returned"]), (&json!("LID"), &json!(1)));
    let words = ["order", "return", "1001", "--line", "1:1", "--disposition", "write_off"];
    assert_eq!(cli.json(&words)["order"]["lines"][0]["returned"], 1);
    let owed = cli.json(&["order", "place", "1003", "LID:9", "--allow-backorder"]);
    assert_eq!(owed["order"]["status"], "backordered");
    cli.ok(&["stock", "adjust", "LID", "--by", "2", "--reason", "found", "--location", "main"]);
    let plan = cli.json(&["order", "allocate", "--all", "--dry-run"]);
    assert_eq!(plan["data"][0]["was_short"], plan["data"][0]["still_short"]);
    let done = cli.json(&["order", "allocate", "--all"]);
    let row = &done["data"][0];
    let (was, still) = (row["was_short"].as_i64().unwrap(), row["still_short"].as_i64().unwrap());
    assert_eq!(was - still, 2, "a correction fills only on purpose: {row}");
    cli.ok(&["stock", "adjust", "LID", "--by", "1", "--reason", "found", "--location", "main"]);
    let filled = cli.json(&["order", "allocate", "1003"]);
    assert_eq!(filled["order"]["lines"][0]["shortfall"], still - 1);
    let history = cli.json(&["order", "history", "1003"]);
    assert_eq!(history["data"][0]["kind"], "order.placed");
}

fn lists(cli: &Cli) {
    let first = cli.json(&["order", "list", "--limit", "2"]);
    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = cli.json(&["order", "list", "--cursor", cursor]);
    assert_eq!(rest["data"][0]["order_id"], "1001");
    assert_eq!(rest["next_cursor"], Value::Null);
    let short = cli.json(&["order", "list", "--status", "backordered"]);
    assert_eq!(short["data"][0]["order_id"], "1003");
    let found = cli.json(&["stock", "list", "--q", "mug"]);
    assert_eq!(found["data"][0]["sku"], "MUG");
    assert!(cli.ok(&["stock", "list", "--location", "store"]).contains("MUG"));
    assert!(cli.ok(&["stock", "list", "--low"]).contains("no items"));
}

fn reports(cli: &Cli) {
    let explained = cli.json(&["stock", "explain", "MUG"]);
    let terms = explained["terms"].as_array().unwrap().iter();
    let sum: i64 = terms.map(|term| term["units"].as_i64().unwrap()).sum();
    assert_eq!(explained["available_to_promise"], sum);
    assert!(cli.ok(&["stock", "explain", "SET"]).contains("makes"));
    let value = cli.json(&["report", "stock-value"]);
    let rows = value["data"].as_array().unwrap();
    let total = value["totals"].as_array().unwrap().iter().find(|sum| sum["currency"] == "EUR");
    let cost = rows.iter().filter_map(|row| row["cost"].as_i64()).sum::<i64>();
    assert_eq!(total.unwrap()["cost"], cost);
    let csv = cli.ok(&["report", "stock-value", "--format", "csv"]);
    assert_eq!(csv.lines().next(), Some("sku,location,on_hand,currency,cost,price"));
    assert_eq!(csv.lines().count(), rows.len() + 1);
    cli.ok(&["item", "update", "MUG", "--reorder-point", "500"]);
    let low = cli.json(&["report", "low-stock"]);
    assert_eq!(low["data"][0]["sku"], "MUG");
    let low = cli.ok(&["report", "low-stock", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&low).unwrap()["data"][0]["sku"], "MUG");
    let placed = cli.json(&["order", "show", "1001"])["placed_at"].as_str().unwrap().to_owned();
    let (day, _) = placed.split_once('T').unwrap();
    let sales = ["report", "sales", "--from", day, "--to", day, "--tz", "UTC"];
    let sold = cli.json(&sales);
    let revenue = sold["total"]["revenue"].as_array().unwrap();
    assert_eq!(revenue[0], json!({ "amount": 3290, "currency": "EUR" }), "one MUG was cancelled");
    let csv = cli.ok(&[&sales[..], &["--format", "csv"]].concat());
    assert!(csv.lines().nth(1).unwrap().ends_with("EUR,32.90"), "{csv}");
    assert_eq!(cli.error(2, &["report", "sales", "--from", day, "--to", "x"])["code"], "usage");
    assert_eq!(
        cli.error(1, &["report", "sales", "--from", day, "--to", "2001-01-01"])["field"],
        "to"
    );
    proven(cli);
}

/// `db verify` finds nothing.
fn proven(cli: &Cli) {
    let proof = cli.json(&["db", "verify"]);
    assert_eq!((&proof["clean"], &proof["findings"]), (&json!(true), &json!([])));
    assert!(proof["entries"].as_i64().unwrap() > 0);
}

fn level(item: &Value, location: &str) -> Value {
    let levels = item["levels"].as_array().unwrap();
    levels.iter().find(|level| level["location"] == location).unwrap().clone()
}

#[test]
fn a_slip_on_the_command_line_is_2_and_names_the_word() {
    let cli = Cli::nothing();
    for (words, word) in [
        (&["stok"][..], "stok"),
        (&["stock", "receive", "MUG", "many"], "many"),
        (&["stock", "receive", "MUG", "-5"], "-5"),
        (&["order", "place", "1", "MUG"], "SKU:UNITS"),
        (&["order", "list", "--status", "lost"], "backordered"),
        (&["order", "return", "1", "--line", "1:1", "--disposition", "burn"], "burn"),
        (&["stock", "as-of", "MUG", "yesterday"], "yesterday"),
        (&["report", "sales"], "--from"),
    ] {
        let error = cli.error(2, words);
        assert_eq!(error["code"], "usage", "{words:?}");
        assert!(error["message"].as_str().unwrap().contains(word), "{words:?}: {error}");
    }
}

both_shops!(a_refusal_is_1_and_names_what_is_at_fault, |cli| {
    cli.ok(&["item", "create", "MUG", "--on-hand", "1"]);
    let error = cli.error(1, &["order", "place", "1", "MUG:2", "MUG:3"]);
    assert_eq!(error["code"], "insufficient_stock");
    assert_eq!(error["shortages"], json!([{ "sku": "MUG", "requested": 5, "available": 1 }]));
    assert_eq!(cli.error(1, &["stock", "show", "CUP"])["sku"], "CUP");
    assert_eq!(cli.error(1, &["order", "show", "9"])["order_id"], "9");
    assert_eq!(cli.error(1, &["item", "create", "MUG"])["code"], "already_exists");
    let error = cli.error(1, &["stock", "receive", "MUG", "1", "--location", "moon"]);
    assert_eq!((&error["code"], &error["location"]), (&json!("unknown_location"), &json!("moon")));
    for words in [
        &["order", "place", "shop:1", "MUG:1"][..],
        &["order", "place", "1", "MUG:1", "--email", "nobody"],
        &["order", "place", "1", "MUG:1", "--price", "CUP:1", "--currency", "EUR"],
        &["order", "place", "1", "MUG:1", "--price", "MUG:1.234", "--currency", "EUR"],
        &["item", "create", "CUP", "--price", "1"],
        &["item", "create", "CUP", "--attributes", "[1]"],
    ] {
        assert_eq!(cli.error(2, words)["code"], "usage", "{words:?}");
    }
    cli.ok(&["stock", "receive", "MUG", "1", "--key", "k"]);
    let error = cli.error(1, &["stock", "receive", "MUG", "2", "--key", "k"]);
    assert_eq!((&error["code"], &error["key"]), (&json!("idempotency_mismatch"), &json!("k")));
    assert_eq!(cli.json(&["order", "list"])["data"], json!([]), "refusals write nothing");
});

both_shops!(a_sku_that_looks_like_something_else_stays_as_it_is, |cli| {
    for sku in ["0017", "90.750", "1E5", "=1+1", "a:b", "Ä-ß"] {
        cli.ok(&["item", "create", sku, "--on-hand", "2"]);
        let id = format!("order of {}", sku.replace(':', ""));
        cli.ok(&["order", "place", &id, &format!("{sku}:1")]);
        let shown = cli.json(&["order", "show", &id]);
        assert_eq!(shown["lines"][0]["sku"], sku);
    }
});

both_shops!(allocating_finds_items_that_were_ordered_under_another_name, |cli| {
    cli.ok(&["item", "create", "MUG"]);
    cli.ok(&["order", "place", "old", "MUG:2", "--allow-backorder"]);
    cli.ok(&["item", "rename", "MUG", "CUP"]);
    let shop = cli.shop().await;
    shop.submit(Command::Import(state("7", &[("GHOST", 3, 0)])), None).await.unwrap();
    let map = MapLine { reference: reference("web:7"), line: 1, sku: sku("CUP") };
    shop.submit(Command::MapLine(map), None).await.unwrap();
    shop.close().await;
    // A correction fills nothing by itself.
    cli.ok(&["stock", "adjust", "CUP", "--by", "5", "--reason", "found"]);
    let done = cli.json(&["order", "allocate", "--all"]);
    for row in done["data"].as_array().unwrap() {
        assert_eq!((&row["still_short"], &row["order"]["status"]), (&json!(0), &json!("open")));
        assert_eq!(row["order"]["lines"][0]["item"], "CUP");
    }
    assert_eq!(done["data"].as_array().unwrap().len(), 2);
});

both_shops!(the_id_that_a_fact_was_given_is_the_key_that_repeats_it, |cli| {
    cli.ok(&["item", "create", "MUG", "--on-hand", "5"]);
    cli.ok(&["order", "place", "1", "MUG:3"]);
    let back = ["--disposition", "restock"];
    for (words, name) in [
        (&["order", "pay", "1"][..], "payment_id"),
        (&["order", "ship", "1", "--line", "1:2"], "shipment_id"),
        (&["order", "return", "1", "--line", "1:1", back[0], back[1]], "return_id"),
    ] {
        let first = cli.json(words);
        let key = ["--key", first[name].as_str().unwrap()];
        let again = cli.json(&[words, &key].concat());
        assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
        assert_eq!(again[name], first[name]);
        assert_eq!(again["order"]["version"], first["order"]["version"]);
    }
    assert_eq!(cli.json(&["stock", "show", "MUG"])["on_hand"], 4);
});
