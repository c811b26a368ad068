//! Channels as people work with them: `channel`, `listing`, `inbox`, `reconcile`, `demo`.

use std::fs;
use std::sync::Arc;

use invshop::clock::{Clock as _, SystemClock};
use invshop::sandbox::woocommerce::{Managed, Now, Shop as WebShop};
use serde_json::json;
use tokio::task::JoinSet;

use super::{Cli, both_shops, said};
use crate::harness::Backend;

/// A web shop that is connected to the shop of the command line.
pub(super) async fn connected(cli: &Cli) -> (WebShop, JoinSet<()>) {
    let now: Now = Arc::new(|| SystemClock.now().as_millis());
    let (web, serve) = WebShop::open(now, ("ck_TEST", "cs_TEST")).await.unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(serve);
    let file = cli.path().join("invshop.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(cli.path().join("cs"), "cs_TEST\n").unwrap();
    let channel = format!(
        "{text}\n[[channel]]\nname = 'web'\nkind = 'woocommerce'\nurl = '{}'\n\
         requests_per_second = 1000\n[channel.credentials]\nconsumer_key = 'file:ck'\n\
         consumer_secret = 'file:cs'\n",
        web.url()
    );
    fs::write(&file, channel).unwrap();
    fs::write(cli.path().join("ck"), "ck_TEST").unwrap();
    (web, serving)
}

both_shops!(a_shop_is_connected_step_by_step, |cli| {
    let (web, _serving) = connected(&cli).await;
    cli.ok(&["item", "create", "MUG", "--on-hand", "7"]);
    cli.ok(&["item", "create", "POT", "--on-hand", "5"]);
    let mug = web.state().add_product("MUG", 9, 990);
    let pot = web.state().add_product("pot", 5, 990);
    web.state().products.get_mut(&pot).unwrap().managed = Managed::Own;
    let listed = cli.json(&["channel", "list"]);
    assert_eq!(listed["data"][0]["mode"], "shadow");
    assert_eq!(
        (&listed["data"][0]["mode_from"], &listed["data"][0]["numbers"]),
        (&json!("file"), &json!(0))
    );
    assert_eq!(cli.json(&["listing", "discover", "web"]), json!({ "listings": 2, "uncounted": 0 }));
    // Only the SKU that is the same byte for byte is proposed.
    let listings = cli.json(&["listing", "list", "web", "--unmapped"]);
    assert_eq!(
        (&listings["data"][0]["proposed"], &listings["data"][1]["proposed"]),
        (&json!("MUG"), &json!(null))
    );
    assert_eq!(cli.error(2, &["listing", "map", "web", "--exact"])["code"], "usage");
    assert_eq!(cli.json(&["--yes", "listing", "map", "web", "--exact"])["mapped"], 1);
    cli.ok(&["listing", "map", "web", &pot.to_string(), "POT"]);
    assert_eq!(cli.error(1, &["listing", "map", "web", "99", "POT"])["code"], "unknown_listing");
    assert_eq!(cli.error(1, &["listing", "list", "nowhere"])["code"], "unknown_channel");

    // What would change is shown, and too much of it needs its own yes.
    let plan = cli.findings(&["channel", "push", "web", "--dry-run"]);
    assert_eq!(plan["data"][0]["cause"], "pending", "{plan}");
    assert_eq!((&plan["data"][0]["wanted"], &plan["data"][0]["shown"]), (&json!(7), &json!(9)));
    let large = cli.error(1, &["--yes", "channel", "mode", "web", "live"]);
    assert_eq!((&large["code"], &large["changes"]), (&json!("large_change"), &json!(1)));
    cli.ok(&["--yes", "channel", "mode", "web", "live", "--yes-large"]);
    let status = &cli.json(&["channel", "list"])["data"][0];
    assert_eq!(
        (&status["mode"], &status["mode_from"], &status["numbers"]),
        (&json!("live"), &json!("command"), &json!(2))
    );
    // What is mapped while it is live is written at once: that is shown first, too.
    web.state().add_product("LID", 4, 990);
    cli.ok(&["item", "create", "LID"]);
    cli.ok(&["listing", "discover", "web"]);
    let exact = ["--yes", "listing", "map", "web", "--exact"];
    let large = cli.error(1, &exact);
    assert_eq!((&large["code"], &large["zeros"]), (&json!("large_change"), &json!(1)), "{large}");
    let plan = cli.json(&[&exact[..], &["--dry-run"]].concat());
    assert_eq!((&plan["new"], &plan["changed_numbers"][0]["after"]), (&json!(1), &json!(0)));
    assert_eq!(cli.json(&["channel", "list"])["data"][0]["numbers"], 2, "nothing was written");
    assert_eq!(cli.json(&[&exact[..], &["--yes-large"]].concat())["mapped"], 1);
    assert_eq!(cli.json(&["channel", "list"])["data"][0]["numbers"], 3);
    cli.ok(&["listing", "unmap", "web", &(pot + 1).to_string()]);
    assert_eq!(cli.json(&["channel", "pause", "web"])["mode"], "paused");
    assert_eq!(cli.json(&["channel", "resume", "web"])["mode"], "shadow");

    web.buy(&[(mug, 1)]);
    let pulled = cli.json(&["channel", "pull", "web"]);
    assert_eq!((&pulled["listed"], &pulled["new"]), (&json!(1), &json!(1)));
    let inbox = cli.json(&["inbox", "list"]);
    assert_eq!(
        (&inbox["data"][0]["state"], &inbox["data"][0]["kind"]),
        (&json!("pending"), &json!("order"))
    );
    let number = inbox["data"][0]["id"].to_string();
    let shown = cli.ok(&["inbox", "show", &number]);
    assert!(shown.contains("line_items"), "{shown}");
    assert_eq!(cli.error(1, &["inbox", "replay", "12345"])["code"], "unknown_inbox");
    assert_eq!(cli.json(&["inbox", "dead"]), json!({ "data": [] }));
    let drift = cli.findings(&["reconcile"]);
    let causes: Vec<_> =
        drift["data"].as_array().unwrap().iter().map(|one| &one["cause"]).collect();
    assert_eq!(causes, ["pending", "unmapped"], "{drift}");
    let checked = cli.say(&["--json", "channel", "check", "web"]);
    assert!(!checked.json()["data"].as_array().unwrap().is_empty(), "{checked:?}");
    cli.ok(&["listing", "unmap", "web", &pot.to_string()]);
    cli.ok(&["db", "verify"]);
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_channel_is_told_by_its_key() {
    let cli = Cli::new(Backend::Sqlite).await;
    let file = cli.path().join("invshop.toml");
    let text = fs::read_to_string(&file).unwrap();
    let channel = "[[channel]]\nname = 'web'\nkind = 'wocommerce'\n\
                   [[channel]]\nname = 'b'\nkind = 'woocommerce'\n[channel.credentials]\nkey = 'file:k'\n";
    fs::write(cli.path().join("k"), "x").unwrap();
    fs::write(&file, format!("{text}\n{channel}")).unwrap();
    let error = cli.error(2, &["channel", "list"]);
    assert_eq!(error["code"], "config");
    let keys: Vec<&str> = error["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["key"].as_str().unwrap())
        .collect();
    let expected = [
        "channel[0].kind",
        "channel[1].url",
        "channel[1].credentials.consumer_key",
        "channel[1].credentials.consumer_secret",
        "channel[1].credentials.key",
    ];
    assert_eq!(keys, expected, "{error}");
    // The daemon says the same before it runs.
    let mut daemon = std::process::Command::new(env!("CARGO_BIN_EXE_invshopd"));
    daemon.current_dir(cli.path()).arg("--check");
    let said = said(&mut daemon);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("channel[0].kind: there is no kind \"wocommerce\""), "{said:?}");
}

#[test]
fn the_demo_comes_to_rest_and_adds_up() {
    let cli = Cli::nothing();
    let said = cli.say(&["--json", "demo", "--exit", "--orders", "60", "--seed", "3"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let proof = said.json();
    assert!(proof["orders"].as_u64().unwrap() >= 60, "{proof}");
    assert_eq!(proof["findings"], json!([]));
    assert_eq!(proof["daemon_killed"], 1, "in the middle, and begun again: {proof}");
    assert_eq!(proof["oversold_by_shops"], proof["shortfall"]);
    assert!(proof["shortfall"].as_i64().unwrap() >= 10, "everybody bought the last ones: {proof}");
    assert!(fs::read_dir(cli.path()).unwrap().next().is_none(), "it leaves nothing behind");
}
