//! `listing stock`: listings that a channel does not keep at a place.

use std::fs;
use std::sync::Arc;

use invshop::clock::{Clock as _, SystemClock};
use invshop::sandbox::shopify::{Bucket, ShopifyShop};
use serde_json::json;
use tokio::task::JoinSet;

use super::channels::connected;
use super::{Cli, both_shops};

/// A Shopify shop with two places, connected and live; its ids of these.
async fn lamps(cli: &Cli) -> (ShopifyShop, [u64; 2], JoinSet<()>) {
    let now = Arc::new(|| SystemClock.now().as_millis());
    let (shop, serve) = ShopifyShop::open(now, ("app", "app-secret")).await.unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(serve);
    shop.set_token("token-TEST");
    shop.state().bucket = Bucket::new(1_000_000_000, 1_000_000);
    let places = ["Main", "Store"].map(|name| shop.state().add_location(name));
    let file = cli.path().join("invshop.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(cli.path().join("token"), "token-TEST").unwrap();
    let [main, store] = places;
    let channel = format!(
        "{text}\n[[channel]]\nname = 'lamps'\nkind = 'shopify'\nurl = '{}'\nmode = 'live'\n\
         [channel.credentials]\naccess_token = 'file:token'\n\
         [channel.places]\n{main} = ['main']\n{store} = ['store']\n",
        shop.url()
    );
    fs::write(&file, channel).unwrap();
    (shop, places, serving)
}

both_shops!(what_is_not_kept_at_a_place_is_kept_there_by_a_plan, |cli| {
    cli.ok(&["location", "create", "store", "--kind", "store"]);
    let (shop, [main, store], _serving) = lamps(&cli).await;
    cli.ok(&["item", "create", "MUG"]);
    let mug = shop.state().add_variant("MUG", &[(main, 10)], 990);
    let pot = shop.state().add_variant("POT", &[(main, 5)], 990);
    cli.ok(&["listing", "discover", "lamps"]);
    cli.ok(&["listing", "map", "lamps", &format!("{mug}@{main}"), "MUG"]);
    let place = store.to_string();
    let stock = ["listing", "stock", "lamps", "--place", place.as_str()];
    let with = |more: &[&'static str]| [&stock[..], more].concat();
    let plan = cli.json(&with(&["--dry-run"]));
    let step = |id: u64, sku: Option<&str>| {
        let text = if id == mug { "MUG" } else { "POT" };
        json!({ "listing": id.to_string(), "sku_text": text, "title": text, "sku": sku,
                "is_begun": false })
    };
    let steps = plan["data"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{plan}");
    for (found, mut expected) in steps.iter().zip([step(mug, Some("MUG")), step(pot, None)]) {
        expected["title"] = found["title"].clone();
        assert_eq!(*found, expected);
    }
    assert_eq!(
        (&plan["dry_run"], &plan["counted"], &plan["mapped"]),
        (&json!(true), &json!(2), &json!(1))
    );
    assert_eq!(shop.state().stock_of(mug, store), None, "nothing was done");
    assert!(cli.ok(&with(&["--dry-run"])).contains("nothing was written"));
    // It is much, and it is asked for.
    let large = cli.error(1, &with(&["--yes"]));
    assert_eq!((&large["code"], &large["changes"]), (&json!("large_change"), &json!(2)));
    assert_eq!(cli.error(2, &with(&["--yes-large"]))["code"], "usage");
    let one = mug.to_string();
    let done = cli.json(&[&stock[..], &[one.as_str(), "--yes", "--yes-large"]].concat());
    assert_eq!((&done["done"]["begun"], &done["done"]["mapped"]), (&json!(1), &json!(1)), "{done}");
    let shown = |id| shop.state().stock_of(id, store);
    assert_eq!((shown(mug), shown(pot)), (Some(0), None), "only what was named");
    assert_eq!(cli.json(&["channel", "list"])["data"][0]["numbers"], 2);
    cli.ok(&with(&["--yes", "--yes-large"]));
    let again = cli.json(&stock);
    assert_eq!(
        (&again["data"], &again["kept"], &again["dry_run"]),
        (&json!([]), &json!(2), &json!(false))
    );
    // What cannot be.
    assert_eq!(cli.error(1, &[&stock[..], &["999"]].concat())["code"], "unknown_listing");
    let unfed = ["listing", "stock", "lamps", "--place", "999"];
    assert_eq!(cli.error(1, &unfed)["code"], "unfed_place");
    cli.ok(&["channel", "pause", "lamps"]);
    let paused = cli.error(1, &stock);
    assert_eq!(paused["code"], "not_live");
    assert!(paused["message"].as_str().unwrap().starts_with("lamps is paused"), "{paused}");
    cli.ok(&with(&["--dry-run"]));
    cli.ok(&["db", "verify"]);
});

both_shops!(a_kind_that_keeps_all_everywhere_says_so, |cli| {
    let (_web, _serving) = connected(&cli).await;
    let error = cli.error(1, &["listing", "stock", "web", "--place", "x", "--dry-run"]);
    assert_eq!(error["code"], "not_supported");
    assert_eq!(error["message"], "web: its kind is not told what to keep at which place");
    assert_eq!(cli.error(2, &["listing", "stock", "web"])["code"], "usage");
});
