//! What people do about channels reaches them: rules, mappings, and what is said of it.

use chrono::NaiveDate;
use invshop::config::{ChannelConfig, RulesConfig};
use invshop::reports::{self, SalesPeriod, SyncLatency};
use invshop::sync::{self, ListingWish, RuleChange};
use invshop::writer::Command;

use super::world::World;
use crate::both;
use crate::harness::{place, sku};
use crate::raw::Raw;

/// The days around a test, in a calendar far from UTC.
fn period(world: &World<'_>) -> SalesPeriod {
    let now = world.test.clock_now().to_string();
    let day: NaiveDate = now.split('T').next().unwrap().parse().unwrap();
    let (from, to) = (day.pred_opt().unwrap(), day.succ_opt().unwrap());
    SalesPeriod { from, to, time_zone: chrono_tz::Asia::Kathmandu }
}

async fn number(world: &World<'_>, query: &str) -> i64 {
    Raw::open(&world.test.opening.place).await.number(query).await
}

async fn buffer(world: &World<'_>, listing: u64, buffer: RuleChange) {
    let wish = ListingWish { listing: listing.to_string(), buffer, ..ListingWish::default() };
    let plan = sync::plan_listings(&world.webs[0].channel, &[wish]).await.unwrap();
    assert!(plan.problems.is_empty(), "{plan:?}");
    assert_eq!(sync::apply_listings(vec![plan]).await.unwrap(), 1);
}

both!(a_rule_of_a_listing_is_in_the_journal_and_on_the_shop, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    buffer(&world, mug, RuleChange::Set(3)).await;
    let said = "select count(*) from journal where kind = 'listing.rules' and item_id is not null";
    assert_eq!(number(&world, said).await, 1);
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(7), "the follower found the number dirty");
    let explained = sync::explain(&world.webs[0].channel, &sku("MUG")).await.unwrap();
    let one = &explained.numbers[0];
    assert_eq!((one.published, one.known.expected, &one.reason), (7, Some([7, 7]), &None));
    buffer(&world, mug, RuleChange::Clear).await;
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(10));
    // A sale that did not come in is not known; one that did is explained.
    world.tick();
    web.buy(&[(mug, 2)]);
    world.settle().await;
    let explained = sync::explain(&world.webs[0].channel, &sku("MUG")).await.unwrap();
    assert_eq!((explained.numbers[0].published, &explained.numbers[0].reason), (8, &None));
    world.end().await;
});

both!(lines_that_wait_for_a_listing_are_mapped_with_it, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    shop.item("MUG", 10).await;
    let web = world.webs[0].shop.clone();
    // The text of a line says nothing: another item has that SKU.
    shop.item("CUP", 10).await;
    let listing = web.state().add_product("CUP", 10, 990);
    sync::discover(&world.webs[0].channel).await.unwrap();
    world.tick();
    web.buy(&[(listing, 3)]);
    world.settle().await;
    let waiting = "select count(*) from order_line where item_id is null";
    assert_eq!(number(&world, waiting).await, 1);
    assert_eq!((world.available("MUG").await, world.available("CUP").await), (10, 10));
    let lines = sync::map(&world.webs[0].channel, &listing.to_string(), &sku("MUG")).await.unwrap();
    assert_eq!(lines, 1);
    assert_eq!(number(&world, waiting).await, 0);
    assert_eq!((world.available("MUG").await, world.available("CUP").await), (7, 10));
    world.settle().await;
    assert_eq!(web.state().stock_of(listing), Some(7));

    // A line that came in beside the mapping is found by the lane.
    let other = web.state().add_product("LID", 10, 990);
    sync::discover(&world.webs[0].channel).await.unwrap();
    world.tick();
    web.buy(&[(other, 2)]);
    world.settle().await;
    assert_eq!(number(&world, waiting).await, 1);
    let set = "update listing set item_id = (select id from item where sku = 'CUP')
               where sku_text = 'LID'";
    Raw::open(&shop.opening.place).await.execute(set).await;
    world.settle().await;
    assert_eq!((number(&world, waiting).await, world.available("CUP").await), (0, 8));
    world.end().await;
});

/// What needs attention, and where.
async fn troubles(world: &World<'_>) -> Vec<String> {
    let troubles = reports::attention(&world.shop.db, world.test.clock_now()).await.unwrap();
    troubles.into_iter().map(|one| format!("{} {}", one.kind.as_str(), one.subject)).collect()
}

async fn latency(world: &World<'_>) -> SyncLatency {
    reports::sync_latency(&world.shop.db, period(world)).await.unwrap()
}

both!(how_long_a_sale_waits_for_a_channel_is_measured_from_its_commit, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    world.item("MUG", 10).await;
    assert_eq!(latency(&world).await.totals, [], "a mapping is no sale");
    shop.run(Command::Place(place("A", &[("MUG", 1)]))).await.unwrap();
    // Of two sales in one push the older one waited longest, seen by the follower at once
    // or not.
    sync::find_dirty(&world.shop).await.unwrap();
    shop.clock.advance_millis(1_600);
    shop.run(Command::Place(place("B", &[("MUG", 1)]))).await.unwrap();
    shop.clock.advance_millis(1_400);
    world.step(0).await;
    let totals = latency(&world).await.totals;
    assert_eq!((totals.len(), totals[0].sales, totals[0].channel.as_str()), (1, 1, "web"));
    assert_eq!(totals[0].max_ms, 3_072, "3 s, by a bound an eighth above at most");
    let text = world.shop.counters.text().unwrap();
    for line in [
        "invshop_sale_to_push_seconds_count{channel=\"web\"} 1",
        "invshop_sale_to_push_seconds_sum{channel=\"web\"} 3",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
    assert!(text.contains("invshop_channel_requests_total{channel=\"web\""), "{text}");
    // A correction is no sale, and what was sold while a channel is told nothing did not
    // wait for it.
    shop.adjust("MUG", "main", 3).await.unwrap();
    world.settle().await;
    let channel = std::sync::Arc::clone(&world.webs[0].channel);
    channel.set_mode(Some(invshop::config::ChannelMode::Paused)).await.unwrap();
    shop.run(Command::Place(place("C", &[("MUG", 1)]))).await.unwrap();
    shop.clock.advance_millis(3_600_000);
    world.settle().await;
    channel.set_mode(None).await.unwrap();
    world.settle().await;
    assert_eq!(world.unsettled().await, 0);
    assert_eq!(latency(&world).await.totals[0].sales, 1);
    world.end().await;
});

both!(a_bundle_waits_with_the_sale_of_its_part, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    shop.item("LID", 10).await;
    shop.bundle("SET", &[("LID", 2)]).await.unwrap();
    let web = world.webs[0].shop.clone();
    let set = web.state().add_product("SET", 5, 990);
    sync::discover(&world.webs[0].channel).await.unwrap();
    sync::map(&world.webs[0].channel, &set.to_string(), &sku("SET")).await.unwrap();
    world.settle().await;
    shop.run(Command::Place(place("A", &[("LID", 2)]))).await.unwrap();
    world.settle().await;
    assert_eq!(web.state().stock_of(set), Some(4));
    assert_eq!(latency(&world).await.totals[0].sales, 1);
    world.end().await;
});

both!(a_number_typed_by_hand_is_in_the_report_of_drift, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    web.type_stock(mug, 15);
    let found = sync::reconcile(&world.webs[0].channel, sync::Look::fixing()).await.unwrap();
    assert_eq!(found.differences.len(), 1);
    let drift = reports::drift(&world.shop.db, period(&world)).await.unwrap();
    assert_eq!(drift.now[0].cause.as_deref(), Some("manual_edit"));
    assert_eq!((drift.now[0].listings, drift.data.len()), (1, 0));
    assert_eq!(troubles(&world).await, ["drift web"]);
    world.settle().await;
    let drift = reports::drift(&world.shop.db, period(&world)).await.unwrap();
    let row = &drift.data[0];
    assert_eq!((row.sku.as_deref(), row.cause.as_str()), (Some("MUG"), "manual_edit"));
    assert_eq!((row.shown, row.expected, row.wanted), (Some(15), Some([10, 10]), Some(10)));
    let found = sync::reconcile(&world.webs[0].channel, sync::Look::only()).await.unwrap();
    assert_eq!((found.right, found.differences.len()), (1, 0));
    let drift = reports::drift(&world.shop.db, period(&world)).await.unwrap();
    assert_eq!((drift.now[0].cause.as_ref(), drift.now[0].listings), (None, 0));
    assert_eq!(troubles(&world).await, [""; 0]);
    // Other days have none of it.
    let day = period(&world).from - chrono::Days::new(30);
    let before = SalesPeriod { from: day, to: day, ..period(&world) };
    assert_eq!(reports::drift(&world.shop.db, before).await.unwrap().data, []);
    world.end().await;
});

both!(what_is_listed_no_more_is_found_by_comparing, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mugs = [world.item("MUG", 10).await[0], world.item("POT", 4).await[0]];
    let web = world.webs[0].shop.clone();
    let compared = async |world: &World<'_>| {
        sync::reconcile(&world.webs[0].channel, sync::Look::only()).await.unwrap()
    };
    assert_eq!((compared(&world).await.right, compared(&world).await.off()), (2, 0));
    web.state().products.remove(&mugs[1]);
    // What is not ours makes up for nothing.
    web.state().add_product("CUP", 1, 990);
    let found = compared(&world).await;
    let gone = &found.differences.iter().find(|one| one.cause == sync::Cause::Gone).unwrap();
    assert_eq!((gone.holder.clone(), gone.confirmed), (mugs[1].to_string(), Some(4)));
    assert_eq!((found.shown, found.right, found.off()), (2, 1, 1));
    world.end().await;
});

fn careful(config: ChannelConfig) -> ChannelConfig {
    let stale_buffer = if config.name == "other" { 4 } else { 0 };
    ChannelConfig { rules: RulesConfig { stale_buffer, ..config.rules }, ..config }
}

both!(others_hold_back_while_a_channel_is_blind, |shop| {
    let mut world = World::with(&shop, &["web", "other"], careful).await;
    let ids = world.item("MUG", 10).await;
    let (web, other) = (world.webs[0].shop.clone(), world.webs[1].shop.clone());
    web.state().faults.is_down = true;
    let blind = "select count(*) from journal where kind = 'channel.blind'";
    let seen = "select count(*) from journal where kind = 'channel.seen'";
    world.webs[0].lane.pull_next();
    world.webs[0].lane.look().await;
    assert_eq!(number(&world, blind).await, 0, "a failure is not blindness yet");
    // Another node takes the lane: it is blind by the database, not by a node's memory.
    shop.clock.advance_millis(1_801_000);
    let lane = sync::Lane::new(world.webs[0].channel.clone(), "node".to_owned(), None);
    world.webs[0].lane = lane;
    for _ in 0..2 {
        world.webs[0].lane.pull_next();
        world.webs[0].lane.look().await;
    }
    assert_eq!(number(&world, blind).await, 1, "it is said once");
    assert!(world.webs[0].channel.status().await.unwrap().blind_since.is_some());
    assert!(troubles(&world).await.contains(&"channel_blind web".to_owned()));
    world.step(1).await;
    world.step(1).await;
    assert_eq!(other.state().stock_of(ids[1]), Some(6), "four are held back");
    let explained = sync::explain(&world.webs[1].channel, &sku("MUG")).await.unwrap();
    let terms = &explained.numbers[0].terms;
    assert_eq!(terms.iter().find(|term| term.name == "stale_buffer").unwrap().units, -4);
    let rules = "select count(*) from journal where kind = 'channel.rules'";
    let before = number(&world, rules).await;

    web.state().faults.is_down = false;
    world.webs[0].lane = sync::Lane::new(world.webs[0].channel.clone(), "node".to_owned(), None);
    world.webs[0].lane.look().await;
    assert_eq!((number(&world, blind).await, number(&world, seen).await), (1, 1));
    assert!(world.webs[0].channel.status().await.unwrap().blind_since.is_none());
    assert_eq!(troubles(&world).await, [""; 0]);
    world.step(1).await;
    world.step(1).await;
    assert_eq!(other.state().stock_of(ids[1]), Some(10));
    assert_eq!(number(&world, rules).await, before + 1);
    world.end().await;
});

both!(what_somebody_mapped_meanwhile_is_not_written_over, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    for name in ["MUG", "CUP"] {
        shop.item(name, 10).await;
    }
    let web = world.webs[0].shop.clone();
    let ids = ["A", "B"].map(|name| web.state().add_product(name, 10, 990).to_string());
    let channel = std::sync::Arc::clone(&world.webs[0].channel);
    sync::discover(&channel).await.unwrap();
    let wish = |listing: &String, line| ListingWish {
        line,
        listing: listing.clone(),
        sku: Some(sku("MUG")),
        buffer: RuleChange::Set(1),
        ..ListingWish::default()
    };
    let wishes = [wish(&ids[0], 2), wish(&ids[1], 3)];
    let plan = sync::plan_listings(&channel, &wishes).await.unwrap();
    assert_eq!((plan.figures.mapped, plan.figures.new, plan.figures.zeros), (2, 2, 0));
    sync::map(&channel, &ids[1], &sku("CUP")).await.unwrap();
    sync::apply_listings(vec![plan]).await.unwrap_err();
    let mapped = "select count(*) from listing where item_id is not null";
    let rules = "select count(*) from journal where kind = 'listing.rules'";
    assert_eq!((number(&world, mapped).await, number(&world, rules).await), (1, 0), "whole or not");
    // One number shows one item, in one file too.
    let twice = [ListingWish { line: 4, ..wishes[0].clone() }, wishes[0].clone()];
    let plan = sync::plan_listings(&channel, &twice).await.unwrap();
    let told: Vec<_> = plan.problems.iter().map(|one| (one.line, one.column)).collect();
    assert_eq!(told, [(2, "external_id")]);
    world.settle().await;
    world.end().await;
});
