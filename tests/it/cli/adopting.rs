//! `reconcile --fix adopt`: what a shop shows becomes a count, as a batch.

use serde_json::json;

use super::channels::connected;
use super::{Cli, both_shops};

both_shops!(what_a_shop_shows_is_counted_and_can_be_taken_back, |cli| {
    let (web, _serving) = connected(&cli).await;
    for sku in ["MUG", "POT", "CUP"] {
        cli.ok(&["item", "create", sku, "--on-hand", "10"]);
    }
    cli.ok(&["stock", "safety", "MUG", "1"]);
    let mug = web.state().add_product("MUG", 12, 990);
    web.state().add_product("POT", 10, 990);
    let cup = web.state().add_product("CUP", 4, 990).to_string();
    cli.ok(&["listing", "discover", "web"]);
    cli.ok(&["--yes", "listing", "map", "web", "--exact"]);
    // A number that is only a share says nothing of how many there are.
    cli.ok(&["listing", "rules", "web", &cup, "--share-percent", "50"]);
    // An order is recorded before anything is believed: 12 were there, 2 are promised.
    web.buy(&[(mug, 2)]);
    let adopt = ["reconcile", "--channel", "web", "--fix", "adopt"];
    let plan = cli.findings(&[&adopt[..], &["--dry-run"]].concat());
    let expected = json!([{
        "sku": "MUG", "location": "main", "holder": plan["data"][0]["holder"], "place": "",
        "shown": 10, "quantity": 11,
    }]);
    assert_eq!((&plan["data"], &plan["batch"]), (&expected, &json!(null)), "{plan}");
    assert!(plan["left"][0]["why"].as_str().unwrap().contains("50 %"), "{plan}");
    let level = |sku: &str| {
        let shown = cli.json(&["stock", "show", sku]);
        let of = |name: &str| shown[name].as_i64().unwrap();
        (of("on_hand"), of("reserved"), of("available_to_promise"))
    };
    assert_eq!(level("MUG"), (10, 2, 7), "nothing was counted");
    assert_eq!(cli.error(1, &[&["--yes"], &adopt[..]].concat())["code"], "large_change");
    assert_eq!(cli.error(2, &[&adopt[..], &["--yes-large"]].concat())["code"], "usage");
    let words = [&["--yes"], &adopt[..], &["--yes-large"]].concat();
    let adopted = cli.findings(&words);
    let batch = adopted["batch"].as_i64().unwrap().to_string();
    assert_eq!(level("MUG"), (13, 2, 10), "what is shown may be promised, beside what is safe");
    assert_eq!((level("POT"), level("CUP")), ((10, 0, 10), (10, 0, 10)));
    let left = cli.findings(&["reconcile", "--channel", "web"]);
    assert_eq!(left["data"].as_array().unwrap().len(), 1, "only the share is left: {left}");
    assert_eq!(cli.json(&["batch", "show", &batch])["kind"], "stock");
    cli.ok(&["--yes", "batch", "revert", &batch]);
    assert_eq!(level("MUG"), (10, 2, 7));
    // The same numbers as units on the shelf, promised ones among them, and beside them.
    let as_of = |basis: &str| {
        let words = [&adopt[..], &["--dry-run", "--basis", basis]].concat();
        let plan = cli.findings_or_done(&words);
        let counts = plan["data"].as_array().unwrap().clone();
        counts.iter().find(|one| one["sku"] == "MUG").unwrap()["quantity"].clone()
    };
    assert_eq!((as_of("physical"), as_of("available")), (json!(10), json!(10)));
    let words = [&words[..], &["--basis", "physical"]].concat();
    cli.findings_or_done(&words);
    assert_eq!(level("MUG"), (10, 2, 7), "ten on the shelf, two of them promised");
    let status = &cli.json(&["channel", "list"])["data"][0];
    assert_eq!(status["basis"], "physical");
    assert!(status["stock_from"].is_string(), "{status}");
    assert_eq!(status["agreement"]["numbers"], 3);
    assert_eq!(cli.error(2, &["reconcile", "--basis", "physical"])["code"], "usage");
    assert_eq!(cli.error(2, &["reconcile", "--fix", "adopt"])["code"], "usage");
    let csv = cli.say(&["reconcile", "--format", "csv"]);
    assert!(csv.stdout.starts_with("channel,holder,wanted,confirmed,shown,cause\n"), "{csv:?}");
    cli.ok(&["db", "verify"]);
});

both_shops!(reports_of_channels_have_every_shape, |cli| {
    let (_web, _serving) = connected(&cli).await;
    let days = ["--from", "2026-01-01", "--to", "2026-01-31", "--tz", "Europe/Berlin"];
    for (report, header) in [
        ("drift", "at,date,channel,sku,holder,cause,shown,expected_least,expected_most,wanted"),
        ("sync-latency", "date,channel,sales,p50_ms,p95_ms,p99_ms,max_ms"),
    ] {
        let words = [&["report", report][..], &days].concat();
        let document = cli.json(&words);
        assert_eq!(
            (&document["data"], &document["time_zone"]),
            (&json!([]), &json!("Europe/Berlin"))
        );
        let csv = cli.ok(&[&words[..], &["--format", "csv"]].concat());
        assert_eq!(csv.trim_end(), header);
        assert!(cli.ok(&words).contains("in those days"));
        let back = ["report", report, "--from", "2026-02-01", "--to", "2026-01-01"];
        assert_eq!(cli.error(1, &back)["code"], "invalid");
    }
});
