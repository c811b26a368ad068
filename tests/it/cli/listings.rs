//! What channels sell and why they show what they show: `listing rules`, `import listings`,
//! `export listings`, `stock explain --channel`.

use std::fs;

use serde_json::{Value, json};

use super::channels::connected;
use super::{Cli, both_shops};

/// Entries of a kind, as the history of an item shows nothing of channels.
fn term<'v>(explained: &'v Value, name: &str) -> &'v Value {
    let terms = explained["numbers"][0]["terms"].as_array().unwrap();
    terms.iter().find(|term| term["name"] == name).unwrap()
}

both_shops!(a_number_is_explained_step_by_step, |cli| {
    let (web, _serving) = connected(&cli).await;
    cli.ok(&["item", "create", "MUG", "--on-hand", "10"]);
    cli.ok(&["item", "create", "POT", "--on-hand", "5"]);
    let mug = web.state().add_product("MUG", 10, 990).to_string();
    cli.ok(&["listing", "discover", "web"]);
    cli.ok(&["--yes", "listing", "map", "web", "--exact"]);
    let rules = ["--buffer", "1", "--share-percent", "50", "--max-quantity", "3"];
    let shown = cli.json(&[&["listing", "rules", "web", &mug][..], &rules].concat());
    assert_eq!(
        shown["numbers"][0],
        json!({ "holder": shown["numbers"][0]["holder"], "sku": "MUG", "before": 10, "after": 3 })
    );
    let explained = cli.json(&["stock", "explain", "MUG", "--channel", "web"]);
    let number = &explained["numbers"][0];
    assert_eq!((&number["listings"], &number["published"]), (&json!([mug]), &json!(3)));
    let units = |name: &str| term(&explained, name)["units"].as_i64().unwrap();
    let names = [
        "available",
        "buffer",
        "stale_buffer",
        "share_percent",
        "min_quantity",
        "max_quantity",
        "channel_max",
    ];
    assert_eq!(names.map(units), [10, -1, 0, -5, 0, -1, 0]);
    assert_eq!(names.map(units).iter().sum::<i64>(), 3, "the terms add up");
    assert_eq!(term(&explained, "available")["location"], "main");
    assert_eq!(term(&explained, "buffer")["from"], "listing");
    assert_eq!(term(&explained, "min_quantity")["from"], "channel");
    let known = &number["known"];
    assert_eq!((&known["baseline"], &known["dirty"]), (&json!(null), &json!(true)));
    assert_eq!(number["reason"], "the channel is shadow: it is told nothing");
    let text = cli.ok(&["stock", "explain", "MUG", "--channel", "web"]);
    for said in ["available", "at main", "50, by the listing", "published", "not right"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let of = |words: &[&str], code: i32| cli.error(code, words)["code"].clone();
    assert_eq!(of(&["stock", "explain", "POT", "--channel", "web"], 1), "not_sold");
    assert_eq!(of(&["stock", "explain", "MUG", "--channel", "nowhere"], 1), "unknown_channel");
    assert_eq!(of(&["stock", "explain", "NO", "--channel", "web"], 1), "unknown_sku");
});

both_shops!(rules_of_one_listing_go_before_those_of_its_channel, |cli| {
    let (web, _serving) = connected(&cli).await;
    cli.ok(&["item", "create", "MUG", "--on-hand", "10"]);
    let mug = web.state().add_product("MUG", 10, 990).to_string();
    cli.ok(&["listing", "discover", "web"]);
    cli.ok(&["--yes", "listing", "map", "web", "--exact"]);
    let row = |shown: &Value, rule: &str| {
        let rows = shown["data"].as_array().unwrap();
        let row = rows.iter().find(|row| row["rule"] == rule).unwrap();
        (row["value"].clone(), row["from"].clone())
    };
    let rules = ["listing", "rules", "web", mug.as_str()];
    let plain = cli.json(&rules);
    assert_eq!(row(&plain, "share_percent"), (json!(100), json!("channel")));
    let plan = cli.json(&[&rules[..], &["--buffer", "4", "--dry-run"]].concat());
    assert_eq!(plan["numbers"][0]["after"], 6);
    assert_eq!(row(&cli.json(&rules), "buffer"), (json!(0), json!("channel")), "nothing was done");
    // On a live channel it needs a yes, and its own where it is much.
    cli.ok(&["--yes", "channel", "mode", "web", "live"]);
    let change = [&rules[..], &["--min-quantity", "99"]].concat();
    let large = cli.error(1, &[&["--yes"], &change[..]].concat());
    assert_eq!((&large["code"], &large["zeros"]), (&json!("large_change"), &json!(1)));
    assert_eq!(cli.error(2, &[&change[..], &["--yes-large"]].concat())["code"], "usage");
    cli.ok(&[&["--yes"], &change[..], &["--yes-large"]].concat());
    assert_eq!(row(&cli.json(&rules), "min_quantity"), (json!(99), json!("listing")));
    cli.ok(&[&["--yes"], &rules[..], &["--clear", "--yes-large"]].concat());
    assert_eq!(row(&cli.json(&rules), "min_quantity"), (json!(0), json!("channel")));
    assert_eq!(cli.error(1, &["listing", "rules", "web", "99999"])["code"], "unknown_listing");
    assert_eq!(cli.error(2, &[&rules[..], &["--share-percent", "101"]].concat())["code"], "usage");
});

both_shops!(a_file_of_listings_is_read_whole_or_not_at_all, |cli| {
    let (web, _serving) = connected(&cli).await;
    for sku in ["0017", "POT"] {
        cli.ok(&["item", "create", sku, "--on-hand", "10"]);
    }
    let mug = web.state().add_product("MUG", 10, 990);
    let pot = web.state().add_product("=POT", 10, 990);
    cli.ok(&["listing", "discover", "web"]);
    let file = cli.path().join("listings.csv");
    let name = "listings.csv";
    fs::write(
        &file,
        format!(
            "channel,sku,external_id,external_sku,buffer,share_percent,max_quantity,colour\n\
             web,0017,{mug},MUG,2,,7,red\n\
             web,NO,{pot},,,,,\n\
             wob,POT,{pot},,,,,\n\
             web,POT,999,,,,,\n\
             web,POT,{pot},POT,,,,\n\
             web,POT,{mug},,x,101,,\n"
        ),
    )
    .unwrap();
    let refused = cli.error(1, &["import", "listings", name]);
    assert_eq!((&refused["code"], &refused["bad_rows"]), (&json!("bad_rows"), &json!(5)));
    let told: Vec<(u64, &str)> = refused["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["line"].as_u64().unwrap(), one["column"].as_str().unwrap()))
        .collect();
    let expected = [
        (3, "sku"),
        (4, "channel"),
        (5, "external_id"),
        (6, "external_id"),
        (7, "buffer"),
        (7, "share_percent"),
    ];
    assert_eq!(told, expected, "{refused}");
    let listed = cli.json(&["listing", "list", "web"]);
    assert_eq!(listed["data"][0]["sku"], json!(null), "nothing was written");

    fs::write(&file, format!("channel,sku,external_id,buffer\nweb,0017,{mug},2\nweb,POT,{pot},\n"))
        .unwrap();
    let plan = cli.json(&["import", "listings", name, "--dry-run"]);
    assert_eq!(
        (
            &plan["channels"][0]["mapped"],
            &plan["channels"][0]["rules"],
            &plan["channels"][0]["new"]
        ),
        (&json!(2), &json!(1), &json!(2)),
        "{plan}"
    );
    assert_eq!(cli.json(&["listing", "list", "web"])["data"][0]["sku"], json!(null));
    cli.ok(&["import", "listings", name]);
    let listed = cli.json(&["listing", "list", "web"]);
    assert_eq!(
        (&listed["data"][0]["sku"], &listed["data"][1]["sku"]),
        (&json!("0017"), &json!("POT"))
    );
    let explained = cli.json(&["stock", "explain", "0017", "--channel", "web"]);
    assert_eq!(explained["numbers"][0]["published"], 8);

    // What was written out reads in again, byte for byte, and changes nothing.
    cli.ok(&["export", "listings", "out.csv"]);
    let out = fs::read_to_string(cli.path().join("out.csv")).unwrap();
    let expected = format!(
        "channel,sku,external_id,external_location,external_sku,buffer,share_percent,max_quantity\n\
         web,0017,{mug},,MUG,2,,\nweb,POT,{pot},,=POT,,,\n"
    );
    assert_eq!(out, expected);
    let again = cli.json(&["import", "listings", "out.csv"]);
    assert_eq!(
        (&again["channels"][0]["unchanged"], &again["channels"][0]["listings"]),
        (&json!(2), &json!(2))
    );
    cli.ok(&["--yes", "export", "listings", "out.csv", "--defuse"]);
    let out = fs::read_to_string(cli.path().join("out.csv")).unwrap();
    assert!(out.contains(",'=POT,"), "{out}");
    // An empty cell of a rule leaves it to the channel; a column that is not there nothing.
    fs::write(&file, format!("channel,sku,external_id\nweb,,{mug}\n")).unwrap();
    assert_eq!(cli.json(&["import", "listings", name])["channels"][0]["unchanged"], 1);
    fs::write(&file, format!("channel,sku,external_id,buffer\nweb,,{mug},\n")).unwrap();
    assert_eq!(cli.json(&["import", "listings", name])["channels"][0]["rules"], 1);
    let explained = cli.json(&["stock", "explain", "0017", "--channel", "web"]);
    assert_eq!(explained["numbers"][0]["published"], 10);
});
