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

both_shops!(the_customers_of_orders_are_forgotten, |cli| {
    cli.ok(&["item", "create", "MUG", "--on-hand", "9"]);
    cli.ok(&["order", "place", "1", "MUG:1", "--email", "guest@example.com"]);
    cli.ok(&["order", "place", "2", "MUG:1"]);
    let made = cli.json(&["user", "create", "a.buyer@example.com"]);
    let user = made["user"]["user_id"].as_str().unwrap();
    cli.ok(&["order", "place", "3", "MUG:1", "--user", user]);
    let forget = |more: &[&'static str]| [&["order", "forget-customer"], more].concat();

    let entry = |id: &str, name: &str, value: bool| json!({ "order_id": id, name: value });
    let planned = cli.json(&forget(&["1", "cli:2", "1", "--dry-run"]));
    let known = [entry("cli:1", "known", true), entry("cli:2", "known", false)];
    assert_eq!((&planned["dry_run"], &planned["orders"]), (&json!(true), &json!(known)));
    assert_eq!(cli.error(2, &forget(&["1"]))["hint"], "add --yes");
    cli.error(2, &forget(&["1", "2", "--key", "k", "--yes"]));
    // One that cannot be forgotten keeps all of them.
    let of_user = cli.error(1, &forget(&["1", "3", "--yes"]));
    assert!(of_user["hint"].as_str().unwrap().contains(user), "{of_user}");
    assert_eq!(cli.error(1, &forget(&["1", "9", "--yes"]))["code"], "unknown_order");
    assert_eq!(cli.json(&["order", "show", "1"])["customer"]["email"], "guest@example.com");

    let done = cli.json(&forget(&["1", "--key", "k", "--yes"]));
    assert_eq!(done["orders"], json!([entry("cli:1", "replayed", false)]));
    assert_eq!(done["log_remains"], false);
    let again = cli.json(&forget(&["1", "2", "--yes"]));
    let expected = [entry("cli:1", "replayed", true), entry("cli:2", "replayed", false)];
    assert_eq!(again["orders"], json!(expected));
    assert_eq!(cli.json(&["order", "show", "1"]).get("customer"), None);
    let history = cli.json(&["order", "history", "1"]).to_string();
    assert!(history.contains("order.customer_forgotten"), "{history}");
    assert!(!history.contains("guest@"), "{history}");
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
