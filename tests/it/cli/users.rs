//! `user …` and `db rotate-key`: people, and the key they are sealed with.

use serde_json::{Value, json};

use super::{Cli, both_shops};

both_shops!(people_are_registered_shown_changed_handed_over_and_erased, |cli| {
    cli.ok(&["item", "create", "MUG", "--on-hand", "9"]);
    let address = r#"{"city":"Sampletown"}"#;
    let create =
        ["user", "create", "A.Buyer@example.com", "--name", "A Buyer", "--address", address];
    let made = cli.json(&create);
    let id = made["user"]["user_id"].as_str().unwrap().to_owned();
    assert_eq!((&made["replayed"], &made["user"]["account"]), (&json!(false), &json!("cli")));
    assert_eq!(cli.json(&create)["replayed"], true);
    let taken = cli.error(1, &["user", "create", "a.buyer@EXAMPLE.com"]);
    assert_eq!((&taken["code"], &taken["name"]), (&json!("already_exists"), &json!(id)));
    let card = cli.error(1, &["user", "create", "b@example.com", "--name", "4242424242424242"]);
    assert_eq!(card["code"], "invalid", "{card}");
    assert!(!card.to_string().contains("4242"), "{card}");
    cli.error(2, &["user", "create", "nobody"]);

    // By its id, or by its address in any letters.
    assert_eq!(cli.json(&["user", "show", "A.BUYER@example.com"])["user_id"], json!(id));
    let changed = cli.json(&[
        "user",
        "change",
        &id,
        "--phone",
        "030 1234",
        "--no",
        "name",
        "--if-version",
        "1",
    ]);
    assert_eq!((&changed["user"]["name"], &changed["user"]["version"]), (&Value::Null, &json!(2)));
    let stale = cli.error(1, &["user", "change", &id, "--name", "B", "--if-version", "1"]);
    assert_eq!(stale["code"], "version_conflict");
    cli.error(2, &["user", "change", &id, "--name", "B", "--no", "name"]);
    assert_eq!(cli.json(&["user", "list"])["data"][0]["user_id"], json!(id));

    cli.ok(&["order", "place", "1", "MUG:1", "--user", &id, "--email", "A.Buyer@example.com"]);
    let unknown = cli.error(1, &["order", "place", "2", "MUG:1", "--user", "usr_99"]);
    assert_eq!((&unknown["code"], &unknown["user_id"]), (&json!("unknown_user"), &json!("usr_99")));
    assert_eq!(cli.json(&["order", "list", "--user", &id])["data"][0]["order_id"], "1");
    let held = cli.json(&["user", "export", &id]);
    assert_eq!(held["user"]["phone"], "030 1234");
    assert_eq!(held["orders"][0]["customer"]["email"], "A.Buyer@example.com");

    rotated(&cli, &id);

    assert_eq!(cli.error(2, &["user", "erase", &id])["hint"], "add --yes");
    let erased = cli.json(&["user", "erase", &id, "--yes"]);
    assert_eq!((&erased["orders"], &erased["log_remains"]), (&json!(1), &json!(false)));
    assert_eq!(cli.json(&["user", "erase", &id, "--yes"])["replayed"], true);
    assert_eq!(cli.error(1, &["user", "show", &id])["code"], "unknown_user");
    assert_eq!(cli.error(1, &["user", "show", "a.buyer@example.com"])["code"], "unknown_user");
    assert_eq!(cli.json(&["order", "show", "1"])["status"], "open");
    let audit =
        cli.json(&["report", "audit", "--from", "2025-01-01", "--to", "2034-01-01"]).to_string();
    assert!(audit.contains("user.erased") && audit.contains("instance_key.rotated"), "{audit}");
    let scrubbed = cli.json(&["db", "scrub", "--yes"]);
    assert!(scrubbed["database"].is_string(), "{scrubbed}");
    cli.ok(&["db", "verify"]);
});

/// The key is exchanged between two commands, and nothing is lost.
fn rotated(cli: &Cli, id: &str) {
    assert_eq!(cli.error(2, &["db", "rotate-key"])["hint"], "add --yes");
    let rotated = cli.json(&["db", "rotate-key", "--yes"]);
    assert_eq!(rotated["rows"], 2, "{rotated}");
    assert_eq!(rotated["scrubbed"], true);
    let kept = rotated["kept"].as_str().unwrap();
    assert!(kept.ends_with(rotated["before"].as_str().unwrap()), "{rotated}");
    assert!(cli.path().join(kept).exists());
    assert_eq!(cli.json(&["user", "show", id])["phone"], "030 1234");
    let again = ["user", "create", "A.Buyer@example.com"];
    assert_eq!(cli.error(1, &again)["code"], "already_exists", "addresses are known again");
}
