//! Everything at once, by seeds: webhooks dropped, doubled and shuffled, answers lost,
//! outages, hands at the numbers. When it stops, shops and ledger are equal.

use std::collections::BTreeMap;

use invshop::domain::{AllocationPolicy, Delta, Quantity};
use invshop::ledger::stock::Change;
use invshop::reports;
use invshop::sandbox::woocommerce::Mishaps;
use invshop::sync;
use invshop::writer::Command;

use super::world::World;
use crate::dice::Dice;
use crate::harness::{Backend, TestShop, has_postgres, http, place, sku};
use crate::raw::Raw;

/// Things that are sold.
const ITEMS: [(&str, i64); 3] = [("MUG", 12), ("POT", 3), ("LAST", 1)];
/// Steps of one history.
const STEPS: usize = 40;

/// One history, to its end.
async fn history(backend: Backend, seed: u64) {
    let test = TestShop::new(backend).await;
    let mut world = World::new(&test, &["web", "other"]).await;
    world.serve_hooks().await;
    let mut ids = BTreeMap::new();
    for (name, units) in ITEMS {
        ids.insert(name, world.item(name, units).await);
    }
    let (mut dice, http) = (Dice::new(seed), http().build().unwrap());
    let (mut sold, mut placed) = (Vec::new(), 0);
    for step in 0..STEPS {
        if dice.chance(70) {
            world.tick();
        }
        act(&mut world, &mut dice, &ids, (&mut sold, &mut placed)).await;
        for web in 0..2 {
            let mishaps = Mishaps { dropped_percent: 30, repeated: 1, is_shuffled: true };
            let mut throw = |below: u32| u32::try_from(dice.below(below as usize)).unwrap();
            world.webs[web].shop.deliver(&http, mishaps, &mut throw).await;
            sync::find_dirty(&world.shop).await.unwrap();
            let lane = &mut world.webs[web].lane;
            if step % 5 == 4 {
                lane.pull_next();
            }
            // A shop that is down is no failure of the test.
            lane.step().await.ok();
        }
    }
    for web in &world.webs {
        web.shop.state().faults = invshop::sandbox::woocommerce::Faults::default();
        web.shop.state().sell_before_write.clear();
    }
    // Whatever waits for its time is due; a hand at a number that nobody told of is found
    // by comparing.
    for _ in 0..3 {
        test.clock.advance_millis(20 * 60 * 1000);
        world.settle().await;
        for web in &world.webs {
            sync::reconcile(&web.channel, true).await.unwrap();
        }
    }
    world.settle().await;
    check(&world, &ids, seed).await;
    world.end().await;
    test.end().await;
}

type Sold = Vec<(usize, u64)>;

async fn act(
    world: &mut World<'_>,
    dice: &mut Dice,
    ids: &BTreeMap<&str, Vec<u64>>,
    (sold, placed): (&mut Sold, &mut u64),
) {
    let (name, _) = *dice.pick(&ITEMS);
    let web = dice.below(2);
    let (shop, id) = (world.webs[web].shop.clone(), ids[name][web]);
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

async fn check(world: &World<'_>, ids: &BTreeMap<&str, Vec<u64>>, seed: u64) {
    for (name, _) in ITEMS {
        let item = reports::item(&world.shop.db, &sku(name), AllocationPolicy::Split).await;
        let totals = item.unwrap().unwrap().totals;
        for (web, id) in world.webs.iter().zip(&ids[name]) {
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
    for one in &world.webs {
        let channel = one.channel.name();
        let query = format!(
            "select external_id || ' ' || status from orders where source = '{channel}'
             order by external_id"
        );
        let found: BTreeMap<String, String> = raw
            .texts(&query)
            .await
            .iter()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(id, status)| (id.to_owned(), status.to_owned()))
            .collect();
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
