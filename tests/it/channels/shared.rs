//! One channel with two nodes, or with much to do at once.

use std::pin::pin;
use std::sync::Arc;

use invshop::config::ChannelConfig;
use invshop::sandbox::shopify::Financial;
use invshop::shop::Shop;
use invshop::sync::{self, Lane};
use invshop::writer::Command;

use super::shopify::Lamps;
use super::world::{World, config, outlet_config};
use crate::both;
use crate::harness::{Backend, TestShop, has_postgres, place, sku};
use crate::raw::Raw;

/// How often anything is looked at that is waited for.
const LOOKS_MAX: usize = 10_000_000;

/// Another node with a channel: a shop of its own, and a lane of this name.
async fn beside(test: &TestShop, config: ChannelConfig, node: &str) -> (Arc<Shop>, Lane) {
    let shop = Arc::new(test.another().await);
    let (channel, _) = World::lane(&shop, config).await;
    (shop, Lane::new(channel, node.to_owned(), None))
}

async fn close(shop: Arc<Shop>, lane: Lane) {
    drop(lane);
    Arc::into_inner(shop).unwrap().close().await;
}

/// Waits until so many wait in the database for what others have.
async fn waiting(raw: &mut Raw, count: i64) {
    let query = "select count(*) from pg_stat_activity
                 where datname = current_database() and wait_event_type = 'Lock'";
    for _ in 0..LOOKS_MAX {
        if raw.number(query).await >= count {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("fewer than {count} wait");
}

// One node may be late, and still be at what another has taken over: what the shop took off
// for a line is counted once, whoever writes it down.
both!(what_two_nodes_record_of_one_line_at_once_is_counted_once, |test| {
    let mut world = World::new(&test, &[]).await;
    let shop = world.outlet("lamps", &[&["main"]]).await;
    test.item("MUG", 9).await;
    let mug = world.add_variant("MUG", &[9]).await;
    world.settle().await;
    world.tick();
    let main = world.outlets[0].places[0];
    let config = outlet_config("lamps", &shop.url(), &[(main, &["main"])]);
    // As if it had the channel too: under the same name.
    let (second, mut other) = beside(&test, config, "node").await;
    shop.state().buy(&[(mug, main, 2)], Financial::Paid).unwrap();
    world.outlets[0].channel.pull_now().await.unwrap();
    let mut lane = world.outlets.remove(0).lane;
    match test.backend() {
        Backend::Sqlite => {
            let (one, two) = tokio::join!(lane.step(), other.step());
            one.and(two).unwrap();
        }
        Backend::Postgres => {
            // Both have read what was taken before, where nothing keeps them from it, when
            // neither has written.
            let mut held = Raw::open(&test.opening.place).await;
            held.execute("begin; select 1 from push for update").await;
            let release = async {
                let mut raw = Raw::open(&test.opening.place).await;
                waiting(&mut raw, 2).await;
                held.execute("rollback").await;
            };
            let (one, two, ()) = tokio::join!(lane.step(), other.step(), release);
            one.and(two).unwrap();
        }
    }
    let mut raw = Raw::open(&test.opening.place).await;
    assert_eq!(raw.texts("select taken || ' ' || given from push").await, ["2 0"]);
    assert_eq!(raw.texts("select '' || units from deduction").await, ["2"]);
    close(second, other).await;
    drop((lane, raw));
    world.end().await;
});

// What came in may be more than is dealt with while a node may keep a channel unasked. On SQLite
// there is one node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reads_a_long_inbox_keeps_its_channel() {
    if !has_postgres() {
        return;
    }
    let test = TestShop::new(Backend::Postgres).await;
    let mut world = World::new(&test, &["web"]).await;
    let mug = world.item("MUG", 500).await[0];
    let web = world.webs[0].shop.clone();
    for _ in 0..230 {
        web.buy(&[(mug, 1)]);
    }
    let config = ChannelConfig { poll_seconds: 3600, ..config("web", &web.url()) };
    let (second, mut other) = beside(&test, config, "other").await;
    let one = world.webs.remove(0);
    let (channel, mut lane) = (one.channel, one.lane);
    assert_eq!(channel.pull_now().await.unwrap().new, 230);
    let mut raw = Raw::open(&test.opening.place).await;
    let pending = "select count(*) from inbox where state = 'pending'";
    let (mut left, mut looks) = (raw.number(pending).await, 0);
    {
        let mut step = pin!(lane.step());
        for _ in 0..LOOKS_MAX {
            tokio::select! {
                biased;
                ended = &mut step => {
                    ended.unwrap();
                    break;
                }
                () = tokio::task::yield_now() => {}
            }
            let now = raw.number(pending).await;
            if now < left {
                (left, looks) = (now, looks + 1);
                if looks <= 2 {
                    // Half of what it is leased for goes by with a part of the inbox.
                    test.clock.advance_millis(15_000);
                } else if looks == 3 {
                    let before = asked(&web);
                    other.step().await.unwrap();
                    assert_eq!(asked(&web), before, "another node has taken the channel");
                }
            }
        }
    }
    assert!(looks >= 3, "it was read at once");
    assert_eq!(world.available("MUG").await, 270);
    close(second, other).await;
    drop((channel, lane, raw));
    world.end().await;
    test.end().await;
}

/// Requests a web shop was asked.
fn asked(web: &invshop::sandbox::woocommerce::Shop) -> u64 {
    web.state().requests.values().sum()
}

// Numbers are written over only where the shop refuses what it does not expect, so that no
// order has to be read after them: without an end they would keep orders from being read.
both!(shopify_a_backlog_of_numbers_does_not_keep_orders_from_being_read, |test| {
    let mut lamps = Lamps::new(&test).await;
    let names: Vec<String> = (0..40).map(|index| format!("POT-{index}")).collect();
    let mut pots = Vec::new();
    for name in &names {
        pots.push(lamps.shop.state().add_variant(name, &[(lamps.main, 5)], 990));
        test.item(name, 5).await;
    }
    sync::discover(&lamps.channel).await.unwrap();
    for (pot, name) in pots.iter().zip(&names) {
        let listing = format!("{pot}@{}", lamps.main);
        sync::map(&lamps.channel, &listing, &sku(name)).await.unwrap();
    }
    lamps.settle().await;
    assert_eq!(lamps.writes(), []);
    // Orders are always due to be read.
    let config = ChannelConfig { poll_seconds: 0, ..lamps.config.clone() };
    (lamps.channel, lamps.lane) = World::lane(&lamps.world.shop, config).await;
    lamps.settle().await;
    let lines: Vec<(&str, i64)> = names[..10].iter().map(|name| (name.as_str(), 1)).collect();
    test.run(Command::Place(place("A", &lines))).await.unwrap();
    lamps.channel.push_all().await.unwrap();
    sync::find_dirty(&lamps.world.shop).await.unwrap();
    assert_eq!(lamps.world.unsettled().await, 42);
    let before = lamps.shop.state().requests["query orders"];
    for (step, left) in [(1, 17), (2, 0)] {
        lamps.world.tick();
        lamps.lane.step().await.unwrap();
        let orders = lamps.shop.state().requests["query orders"];
        assert_eq!((orders - before, lamps.world.unsettled().await), (step, left), "in turn");
    }
    assert_eq!(lamps.writes().len(), 10);
    lamps.end().await;
});
