//! `/metrics`: the names that are promised, in a form that a scraper reads.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command as Process, Stdio};

use serde_json::json;

use crate::api::client::Served;
use crate::both;

/// The names of the contract, with their labels.
const PROMISED: [(&str, &[&str]); 14] = [
    ("invshop_http_requests_total", &["route", "method", "status"]),
    ("invshop_http_request_seconds", &[]),
    ("invshop_ledger_commands_total", &["command", "outcome"]),
    ("invshop_ledger_commit_seconds", &[]),
    ("invshop_ledger_batch_size", &[]),
    ("invshop_invariant_violations_total", &[]),
    ("invshop_build_info", &[]),
    ("invshop_channel_dirty_listings", &["channel"]),
    ("invshop_channel_oldest_dirty_seconds", &["channel"]),
    ("invshop_channel_requests_total", &["channel", "operation", "outcome"]),
    ("invshop_sale_to_push_seconds", &[]),
    ("invshop_drift_listings", &["channel", "cause"]),
    ("invshop_inbox_pending", &[]),
    ("invshop_webhook_deliveries_total", &["channel", "outcome"]),
];

/// The metrics that the README lists: the first column of its table.
fn documented() -> BTreeSet<String> {
    let lines = include_str!("../../README.md").lines();
    let named = lines.filter_map(|line| line.strip_prefix("| `invshop_"));
    let name = |rest: &str| rest.split(['`', '{']).next().unwrap().to_owned();
    named.map(|rest| format!("invshop_{}", name(rest))).collect()
}

fn names(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|rest| rest.split(' ').next().unwrap().to_owned()).collect()
}

/// The labels of a metric's first line.
fn labels(text: &str, name: &str) -> BTreeSet<String> {
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap();
    let (_, rest) = line.split_once('{').unwrap();
    // A route has braces of its own.
    let (inner, _) = rest.rsplit_once('}').unwrap();
    inner.split(',').map(|pair| pair.split('=').next().unwrap().to_owned()).collect()
}

/// What Prometheus itself says of a text.
fn promtool(text: &str) {
    let mut command = Process::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match command.stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            assert!(std::env::var_os("INVSHOP_CI").is_none(), "promtool: {error}");
            return println!("SKIPPED: no promtool (run scripts/test)");
        }
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.trim().is_empty(), "{said}\n{text}");
}

both!(metrics_have_the_promised_names_and_what_happened_in_them, |shop| {
    shop.item("MUG", 1).await;
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    let order = |id: &str| json!({ "order_id": id, "lines": [{ "sku": "MUG", "quantity": 1 }] });
    assert_eq!(web.post("/v1/orders", &order("1")).await.status, 201);
    assert_eq!(web.post("/v1/orders", &order("1")).await.status, 200);
    assert_eq!(web.post("/v1/orders", &order("2")).await.status, 409);
    assert_eq!(web.get("/v1/orders/1").await.status, 200);
    assert_eq!(web.get("/v1/made-up-by-an-attacker").await.status, 404);
    let counters = &served.shop().counters;
    counters.job_ended("verify", "done");
    counters.delivered("web", "kept");
    counters.dirty("web", 3, 2);
    counters.asked("web", "read the orders", "ok");
    counters.reached("web", 250);
    counters.became_due("web", 7);
    counters.settled("web", 5);
    counters.behind("web", true);
    counters.drifted(&[("web".into(), "gone".into(), 4), ("web".into(), "lost_push".into(), 1)]);
    counters.drifted(&[("web".into(), "manual_edit".into(), 2)]);

    let (kind, text) = served.with_key(None).text("/metrics").await;
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    for line in [
        "invshop_ledger_commands_total{command=\"place\",outcome=\"done\"} 1",
        "invshop_ledger_commands_total{command=\"place\",outcome=\"replayed\"} 1",
        "invshop_ledger_commands_total{command=\"place\",outcome=\"insufficient_stock\"} 1",
        "invshop_http_requests_total{method=\"POST\",route=\"/v1/orders\",status=\"201\"} 1",
        "invshop_http_requests_total{method=\"GET\",route=\"/v1/orders/{order_id}\",status=\"200\"} 1",
        "invshop_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "invshop_invariant_violations_total 0",
        "invshop_channel_requests_total{channel=\"web\",operation=\"read_the_orders\",outcome=\"ok\"} 1",
        "invshop_sale_to_push_seconds_bucket{channel=\"web\",le=\"0.3\"} 1",
        "invshop_sale_to_push_seconds_sum{channel=\"web\"} 0.25",
        "invshop_channel_due_total{channel=\"web\"} 7",
        "invshop_channel_settled_total{channel=\"web\"} 5",
        "invshop_channel_behind{channel=\"web\"} 1",
        "invshop_drift_listings{cause=\"manual_edit\",channel=\"web\"} 2",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    assert!(!text.contains("made-up"), "{text}");
    assert!(!text.contains("lost_push"), "what is over is not shown: {text}");

    let names = names(&text);
    assert_eq!(names, documented(), "the README's table has other names");
    for (name, wanted) in PROMISED {
        assert!(names.contains(name), "{name}");
        let wanted: BTreeSet<String> = wanted.iter().map(|label| (*label).to_owned()).collect();
        if !wanted.is_empty() {
            assert_eq!(labels(&text, name), wanted, "{name}");
        }
    }
    promtool(&text);
    served.end().await;
});
