//! `token …` and `report audit`: who is let in, and who did what.

use serde_json::{Value, json};

use super::{Cli, both_shops};

/// A token that nobody here signed.
const FOREIGN: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0.eyJzdWIiOiJ3ZWIifQ.AAAA";

both_shops!(keys_of_tokens_are_shown_and_exchanged, |cli| {
    assert_eq!(cli.json(&["token", "keys"])["data"], json!([]));
    let first = cli.json(&["token", "rotate"])["created"].clone();
    assert_eq!(cli.json(&["token", "keys"])["data"], json!([first]));
    // To end what there is needs to be said twice.
    assert_eq!(cli.error(2, &["token", "rotate", "--now"])["hint"], "add --yes");
    let second = cli.json(&["token", "rotate", "--now", "--yes"])["created"].clone();
    assert_ne!(second["kid"], first["kid"]);
    let keys = cli.json(&["token", "keys"])["data"].clone();
    let said = |at: usize| (&keys[at]["kid"], keys[at]["state"].as_str().unwrap());
    assert_eq!((said(0), said(1)), ((&first["kid"], "ended"), (&second["kid"], "signs")));
    let shown = cli.ok(&["token", "keys"]);
    assert!(shown.contains(second["kid"].as_str().unwrap()), "{shown}");
});

both_shops!(a_token_is_looked_at, |cli| {
    assert_eq!(cli.error(1, &["token", "inspect", "no.token"])["code"], "malformed_token");
    let said = cli.say(&["--json", "token", "inspect", FOREIGN]);
    let (code, document) = (said.code, said.json());
    assert_eq!((code, &document["accepted"]), (Some(1), &json!(false)), "{said:?}");
    let part = |part: &str, name: &str| document[part][name].clone();
    assert_eq!((part("header", "kid"), part("claims", "sub")), (json!("k1"), json!("web")));
    assert!(document["reason"].is_string(), "{document}");
});

both_shops!(who_did_what_is_reported, |cli| {
    let made = cli.json(&["key", "create", "--name", "till", "--role", "reader"]);
    cli.ok(&["location", "create", "store"]);
    let audit = ["report", "audit", "--from", "2025-01-01", "--to", "2034-01-01"];
    let said = cli.json(&audit);
    let rows = said["data"].as_array().unwrap();
    let kinds: Vec<&Value> = rows.iter().map(|row| &row["type"]).collect();
    assert_eq!(kinds[kinds.len() - 2..], ["key.created", "location.created"]);
    let row = &rows[rows.len() - 2];
    assert_eq!((&row["actor"], &row["address"]), (&json!("cli"), &Value::Null), "{row}");
    assert!(!said.to_string().contains(made["key"].as_str().unwrap()), "a secret was shown");
    let csv = cli.ok(&[&audit[..], &["--format", "csv"]].concat());
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("at,date,type,actor,address,request_id,about"), "{csv}");
    assert_eq!(lines.len(), rows.len() + 1, "{csv}");
    // A day on which nothing was done.
    let before = cli.json(&["report", "audit", "--from", "2025-01-01", "--to", "2025-01-01"]);
    assert_eq!((&before["data"], &before["refused_left_out"]), (&json!([]), &json!(0)));
    let turned = ["report", "audit", "--from", "2026-03-02", "--to", "2026-03-01"];
    assert_eq!(cli.error(1, &turned)["code"], "invalid");
});
