//! Everything at once, by seeds: webhooks dropped, doubled and shuffled, answers lost,
//! outages, hands at the numbers. When it stops, shops and ledger are equal.

use std::collections::BTreeMap;

use invshop::domain::{AllocationPolicy, Delta, LocationKind, Quantity};
use invshop::ledger::stock::Change;
use invshop::reports;
use invshop::sandbox::bazaar::Status;
use invshop::sandbox::woocommerce::Mishaps;
use invshop::shop::Shop;
use invshop::sync::{self, Lane};
use invshop::writer::Command;

use super::world::World;
use crate::dice::Dice;
use crate::harness::{Backend, TestShop, has_postgres, http, place, sku};
use crate::raw::Raw;

/// Things that are sold, and units of them at the main location and in the store.
const ITEMS: [(&str, i64, i64); 3] = [("MUG", 9, 3), ("POT", 2, 1), ("LAST", 1, 0)];
/// The places of the marketplace, and what feeds each.
const PLACES: [(&str, &str); 2] = [("north", "main"), ("south", "store")];
/// Web shops; the shop after them is the marketplace.
const WEBS: usize = 2;
/// Steps of one history.
const STEPS: usize = 22;

/// Ids of the things in each web shop, and on the marketplace.
type Ids = BTreeMap<&'static str, (Vec<u64>, u64)>;

/// What happened so far.
#[derive(Default)]
struct Past {
    /// Orders of web shops.
    sold: Vec<(usize, u64)>,
    /// Orders of the marketplace.
    ordered: Vec<u64>,
    /// Orders placed here.
    placed: u64,
}

/// One history, to its end.
async fn history(backend: Backend, seed: u64) {
    let test = TestShop::new(backend).await;
    let mut world = World::new(&test, &["web", "other"]).await;
    test.location("store", LocationKind::Store).await;
    world.stall("market", &PLACES).await;
    world.serve_hooks().await;
    let mut ids = Ids::new();
    for (name, main, store) in ITEMS {
        let webs = world.add_item(name, main).await;
        if let Ok(units) = Quantity::positive(store) {
            test.stock(name, "store", Change::Receive(units)).await.unwrap();
        }
        let offer = world.add_offer(name, &[("north", main), ("south", store)]).await;
        ids.insert(name, (webs, offer));
    }
    world.settle().await;
    let (mut dice, http) = (Dice::new(seed), http().build().unwrap());
    let mut past = Past::default();
    for step in 0..STEPS {
        if dice.chance(70) {
            world.tick();
        }
        match dice.below(WEBS + 1) {
            WEBS => act_there(&mut world, &mut dice, &ids, &mut past),
            web => act(&mut world, &mut dice, &ids, (web, &mut past)).await,
        }
        let mishaps = Mishaps { dropped_percent: 30, repeated: 1, is_shuffled: true };
        let mut throw = |below: u32| u32::try_from(dice.below(below as usize)).unwrap();
        for web in 0..WEBS {
            world.webs[web].shop.deliver(&http, mishaps, &mut throw).await;
            turn(&world.shop, &mut world.webs[web].lane, step).await;
        }
        world.stalls[0].shop.deliver(&http, mishaps, &mut throw).await;
        turn(&world.shop, &mut world.stalls[0].lane, step).await;
    }
    for web in &world.webs {
        web.shop.state().faults = invshop::sandbox::woocommerce::Faults::default();
        web.shop.state().sell_before_write.clear();
    }
    world.stalls[0].shop.state().faults = invshop::sandbox::bazaar::Faults::default();
    world.stalls[0].shop.state().sell_before_write.clear();
    // Whatever waits for its time is due; a hand at a number that nobody told of is found
    // by comparing.
    for _ in 0..3 {
        test.clock.advance_millis(20 * 60 * 1000);
        world.settle().await;
        for web in &world.webs {
            sync::reconcile(&web.channel, sync::Look::fixing()).await.unwrap();
        }
        sync::reconcile(&world.stalls[0].channel, sync::Look::fixing()).await.unwrap();
    }
    world.settle().await;
    check(&world, &ids, seed).await;
    world.end().await;
    test.end().await;
}

/// A lane has its turn.
async fn turn(shop: &Shop, lane: &mut Lane, step: usize) {
    sync::find_dirty(shop).await.unwrap();
    if step % 5 == 4 {
        lane.pull_next();
    }
    // The faults are over before its pauses would be.
    lane.forget_pauses();
    // A shop that is down is no failure of the test.
    lane.step().await.ok();
}

/// Something happens on the marketplace.
fn act_there(world: &mut World<'_>, dice: &mut Dice, ids: &Ids, past: &mut Past) {
    let (name, ..) = *dice.pick(&ITEMS);
    let (market, offer) = (world.stalls[0].shop.clone(), ids[name].1);
    let (place, _) = *dice.pick(&PLACES);
    match dice.below(10) {
        0..=2 => past.ordered.extend(market.buy(&[(offer, place, dice.range(1, 2))])),
        3 => past.ordered.extend(market.buy(&[(offer, "north", 1), (offer, "south", 1)])),
        4 if !past.ordered.is_empty() => {
            let order = *dice.pick(&past.ordered);
            let ended = if dice.chance(50) { market.ship(order) } else { market.cancel(order) };
            // What ended stays ended.
            assert!(ended || market.state().orders[&order].status != Status::Open);
        }
        5 => market.type_stock(offer, place, dice.range(0, 9)),
        6 => market.state().faults.lose_replies = 1,
        7 => market.state().faults.too_many = 1,
        8 => market.state().sell_before_write = vec![(offer, place.to_owned(), 1)],
        _ => {
            let is_down = dice.chance(40);
            market.state().faults.is_down = is_down;
            market.state().keeps_cancelled = dice.chance(30);
        }
    }
}

async fn act(
    world: &mut World<'_>,
    dice: &mut Dice,
    ids: &Ids,
    (web, Past { sold, placed, .. }): (usize, &mut Past),
) {
    let (name, ..) = *dice.pick(&ITEMS);
    let (shop, id) = (world.webs[web].shop.clone(), ids[name].0[web]);
    match dice.below(13) {
        0..=3 => sold.push((web, shop.buy(&[(id, dice.range(1, 2))]))),
        4 if !sold.is_empty() => {
            let (web, order) = *dice.pick(sold);
            let status = *dice.pick(&["completed", "cancelled", "on-hold", "processing"]);
            // What was finished stays finished: nobody can know what was done with it.
            let state = world.webs[web].shop.state().orders[&order].status.clone();
            if state != "completed" && state != "cancelled" {
                world.webs[web].shop.set_status(order, status);
            }
        }
        5 => {
            *placed += 1;
            let order = place(&format!("own-{placed}"), &[(name, 1)]);
            world.test.run(Command::Place(order)).await.ok();
        }
        6 => {
            let change = Change::Receive(Quantity::new(dice.range(1, 3)).unwrap());
            world.test.stock(name, "main", change).await.unwrap();
        }
        7 => {
            let change = Change::Adjust(Delta::new(-1).unwrap());
            world.test.stock(name, "main", change).await.ok();
        }
        8 => shop.type_stock(id, dice.range(0, 9)),
        9 => shop.state().faults.lose_replies = 1,
        10 => shop.state().faults.too_many = 1,
        // Sold between the read of a number and its write.
        11 => shop.state().sell_before_write = vec![(id, 1)],
        _ => {
            let is_down = dice.chance(40);
            shop.state().faults.is_down = is_down;
        }
    }
}

async fn check(world: &World<'_>, ids: &Ids, seed: u64) {
    for (name, ..) in ITEMS {
        let item = reports::item(&world.shop.db, &sku(name), AllocationPolicy::Split).await;
        let item = item.unwrap().unwrap();
        let (totals, (webs, offer)) = (item.totals, &ids[name]);
        for (place, location) in PLACES {
            let level = item.levels.iter().find(|level| level.location == location);
            let wanted = level.map_or(0, |level| level.totals.available_to_promise);
            let numbers = world.numbers().await;
            let state = world.stalls[0].shop.state();
            assert_eq!(
                state.stock_of(*offer, place),
                Some(wanted),
                "seed {seed}: {name} at {place}, {level:?}, {:?}\n{numbers:#?}",
                state.writes
            );
        }
        for (web, id) in world.webs.iter().zip(webs) {
            let shown = web.shop.state().stock_of(*id).unwrap();
            let (channel, writes) = (web.channel.name(), web.shop.state().writes.clone());
            assert_eq!(
                shown,
                totals.available_to_promise,
                "seed {seed}: {name} on {channel}, {totals:?}, {writes:?}\n{:#?}",
                world.numbers().await
            );
        }
    }
    assert_eq!(world.unsettled().await, 0, "seed {seed}");
    let mut raw = Raw::open(&world.test.opening.place).await;
    let found = orders(&mut raw, "market").await;
    let market = world.stalls[0].shop.clone();
    let there = market.state().orders.clone();
    assert!(found.len() <= there.len(), "seed {seed}: an order of nobody");
    for (order, there) in there {
        let here = found.get(&format!("order-{order}")).map_or("none", String::as_str);
        let agrees = match there.status {
            Status::Shipped => here == "shipped",
            Status::Cancelled => matches!(here, "cancelled" | "none"),
            Status::Open => matches!(here, "open" | "backordered"),
        };
        assert!(agrees, "seed {seed}: order {order} is {:?} there and {here} here", there.status);
    }
    for one in &world.webs {
        let found = orders(&mut raw, one.channel.name()).await;
        let state = one.shop.state();
        assert!(found.len() <= state.orders.len(), "seed {seed}: an order of nobody");
        for (order, there) in &state.orders {
            let here = found.get(&order.to_string()).map_or("none", String::as_str);
            let there = there.status.as_str();
            let agrees = match there {
                "completed" => here == "shipped",
                "cancelled" => matches!(here, "cancelled" | "none"),
                _ => matches!(here, "open" | "backordered"),
            };
            assert!(agrees, "seed {seed}: order {order} is {there} there and {here} here");
        }
    }
    let dead = raw.number("select count(*) from inbox where state = 'dead'").await;
    assert_eq!(dead, 0, "seed {seed}");
}

/// What the ledger makes of the orders of a channel, by its own ids.
async fn orders(raw: &mut Raw, channel: &str) -> BTreeMap<String, String> {
    let query = format!(
        "select external_id || ' ' || status from orders where source = '{channel}'
         order by external_id"
    );
    let lines = raw.texts(&query).await;
    let pairs = lines.iter().map(|line| line.split_once(' ').unwrap());
    pairs.map(|(id, status)| (id.to_owned(), status.to_owned())).collect()
}

/// Seeds of a run, from where `INVSHOP_CHAOS_SEED` says.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let first = std::env::var("INVSHOP_CHAOS_SEED").ok().and_then(|text| text.parse().ok());
    first.map_or(1..count + 1, |seed| seed..seed + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shops_and_ledger_are_equal_when_the_faults_stop_on_sqlite() {
    for seed in seeds(120) {
        history(Backend::Sqlite, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shops_and_ledger_are_equal_when_the_faults_stop_on_postgres() {
    if !has_postgres() {
        return;
    }
    for seed in seeds(80) {
        history(Backend::Postgres, seed).await;
    }
}
