//! Everything at once, by seeds: webhooks dropped, doubled and shuffled, answers lost,
//! outages, hands at the numbers. When it stops, shops and ledger are equal.

use std::collections::{BTreeMap, BTreeSet};

use invshop::domain::{LocationKind, Quantity};
use invshop::ledger::stock::Change;
use invshop::sandbox::woocommerce::{Caller, Mishaps};
use invshop::shop::Shop;
use invshop::sync::{self, Lane};

use super::world::World;
use crate::dice::Dice;
use crate::harness::{Backend, TestShop, has_postgres, http};
use crate::raw::Raw;

mod check;
mod market;
mod outlet;
mod outlet_check;
mod webs;

/// Things that are sold, and units of them at the main location and in the store.
const ITEMS: [(&str, i64, i64); 3] = [("MUG", 9, 3), ("POT", 2, 1), ("LAST", 1, 0)];
/// The places of the marketplace, and what feeds each.
const PLACES: [(&str, &str); 2] = [("north", "main"), ("south", "store")];
/// What feeds each location of the Shopify shop.
const FEEDS: [&[&str]; 2] = [&["main"], &["store"]];
/// Requests to the Shopify shop that a history takes at most: to connect it, to list its orders
/// and to look at its numbers in each step until all is settled, and for each thing that happens
/// the order with all its parts, twice as two changes may be of one moment, and each of its
/// numbers read and written.
const REQUESTS: u64 = 120;
const REQUESTS_OF_EVENT: u64 = 12;
/// What happens to webhooks on their way.
const MISHAPS: Mishaps = Mishaps { dropped_percent: 30, repeated: 1, is_shuffled: true };

/// A shop of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Party {
    Web(usize),
    Market,
    Outlet,
}

/// Which shops take part, and for how many steps. In each step something happens in one of
/// them, and all have their turn.
#[derive(Clone, Copy, Debug)]
struct Cast {
    parties: &'static [Party],
    steps: usize,
}

const SHOPS_AND_MARKET: Cast =
    Cast { parties: &[Party::Web(0), Party::Web(1), Party::Market], steps: 22 };
const SHOP_AND_OUTLET: Cast = Cast { parties: &[Party::Web(0), Party::Outlet], steps: 30 };

/// What a thing is in each shop.
#[derive(Debug, Default)]
struct Sold {
    webs: Vec<u64>,
    offer: u64,
    variant: u64,
}

type Ids = BTreeMap<&'static str, Sold>;

/// A number of a channel: the name of that, what carries it, and the place.
type Spot = (String, String, String);

/// What happened so far.
#[derive(Default)]
struct Past {
    /// Orders of web shops.
    sold: Vec<(usize, u64)>,
    /// Orders of the marketplace.
    ordered: Vec<u64>,
    /// Orders placed here.
    placed: u64,
    /// What happened at the Shopify shop.
    outlet: outlet::Past,
    /// Numbers that somebody typed: nothing else has to explain them.
    typed: BTreeSet<Spot>,
}

impl Cast {
    fn has(self, party: Party) -> bool {
        self.parties.contains(&party)
    }

    /// All shops with the same stock as the ledger.
    async fn enter(self, test: &TestShop) -> (World<'_>, Ids) {
        let names: &[&str] = if self.has(Party::Web(1)) { &["web", "other"] } else { &["web"] };
        let mut world = World::new(test, names).await;
        test.location("store", LocationKind::Store).await;
        if self.has(Party::Market) {
            world.stall("market", &PLACES).await;
        }
        if self.has(Party::Outlet) {
            world.outlet("lamps", &FEEDS).await;
        }
        world.serve_hooks().await;
        let mut ids = Ids::new();
        for (name, main, store) in ITEMS {
            let mut sold = Sold { webs: world.add_item(name, main).await, ..Sold::default() };
            if let Ok(units) = Quantity::positive(store) {
                test.stock(name, "store", Change::Receive(units)).await.unwrap();
            }
            if self.has(Party::Market) {
                let stock = [("north", main), ("south", store)];
                sold.offer = world.add_offer(name, &stock).await;
            }
            if self.has(Party::Outlet) {
                sold.variant = world.add_variant(name, &[main, store]).await;
            }
            ids.insert(name, sold);
        }
        world.settle().await;
        (world, ids)
    }
}

/// One history, to its end.
async fn history(backend: Backend, cast: Cast, seed: u64) -> Tally {
    // Whoever looks for a failure throws the same again.
    println!("seed {seed}");
    let test = TestShop::new(backend).await;
    let (mut world, ids) = cast.enter(&test).await;
    let (mut dice, http) = (Dice::new(seed), http().build().unwrap());
    let mut past = Past { outlet: outlet::Past::new(seed), ..Past::default() };
    for step in 0..cast.steps {
        if dice.chance(70) {
            world.tick();
        }
        match *dice.pick(cast.parties) {
            Party::Market => market::act(&world, &mut dice, &ids, &mut past),
            Party::Web(web) => webs::act(&mut world, &mut dice, &ids, (web, &mut past)).await,
            Party::Outlet => {
                for _ in 0..2 {
                    outlet::act(&world, &mut dice, &ids, &mut past).await;
                }
            }
        }
        for party in cast.parties {
            serve(&mut world, *party, (&http, &mut dice), step).await;
        }
    }
    webs::mend(&world);
    market::mend(&world);
    outlet::mend(&world, &http).await;
    // Whatever waits for its time is due; a hand at a number that nobody told of is found
    // by comparing.
    for _ in 0..3 {
        test.clock.advance_millis(20 * 60 * 1000);
        world.forget_pauses();
        world.settle().await;
        for channel in world.channels() {
            sync::reconcile(channel, sync::Look::fixing()).await.unwrap();
        }
    }
    // What no order explains is believed when all lists had the time to follow.
    for _ in 0..3 {
        test.clock.advance_millis(10_000);
        world.forget_pauses();
        world.settle().await;
    }
    check::equal(&world, &ids, &past).await;
    let tally = Tally { events: past.outlet.events, ..Tally::of(&world).await };
    world.end().await;
    test.end().await;
    tally
}

/// What happened, so that a history in which nothing did proves nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Numbers that the Shopify shop refused because something else was there.
    stale: u64,
    /// What happened at it or to what it sells, and requests to it.
    events: u64,
    requests: u64,
    /// Things that it was told of its orders, and of these such as it did not take.
    told: i64,
    refused: i64,
}

impl Tally {
    async fn of(world: &World<'_>) -> Self {
        let Some(outlet) = world.outlets.first() else { return Self::default() };
        let mut raw = Raw::open(&world.test.opening.place).await;
        let told = "select count(*) from push_back where state = 'done' and reason is null";
        let told = raw.number(told).await;
        let refused = "select count(*) from push_back where state = 'refused'";
        let refused = raw.number(refused).await;
        let state = outlet.shop.state();
        let requests = state.requests.values().sum();
        Self { stale: state.stale, events: 0, requests, told, refused }
    }

    fn and(self, other: Self) -> Self {
        Self {
            stale: self.stale + other.stale,
            events: self.events + other.events,
            requests: self.requests + other.requests,
            told: self.told + other.told,
            refused: self.refused + other.refused,
        }
    }
}

/// The webhooks of a shop are on their way, and its lane has its turn.
async fn serve(
    world: &mut World<'_>,
    party: Party,
    (http, dice): (&Caller, &mut Dice),
    step: usize,
) {
    let mut throw = |below: u32| u32::try_from(dice.below(below as usize)).unwrap();
    match party {
        Party::Web(web) => {
            let web = &mut world.webs[web];
            web.shop.deliver(http, MISHAPS, &mut throw).await;
            turn(&world.shop, &mut web.lane, step).await;
        }
        Party::Market => {
            let stall = &mut world.stalls[0];
            stall.shop.deliver(http, MISHAPS, &mut throw).await;
            turn(&world.shop, &mut stall.lane, step).await;
        }
        Party::Outlet => {
            let outlet = &mut world.outlets[0];
            outlet.shop.deliver(http, MISHAPS, &mut throw).await;
            let shop = outlet.shop.clone();
            tokio::select! {
                () = turn(&world.shop, &mut outlet.lane, step) => {}
                // Who waits for an answer that never comes is stopped.
                () = outlet::hangs(&shop) => {}
            }
        }
    }
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
        history(Backend::Sqlite, SHOPS_AND_MARKET, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shops_and_ledger_are_equal_when_the_faults_stop_on_postgres() {
    if !has_postgres() {
        return;
    }
    for seed in seeds(80) {
        history(Backend::Postgres, SHOPS_AND_MARKET, seed).await;
    }
}

/// Histories with a Shopify shop in them.
async fn histories_of_shopify(backend: Backend) {
    let (mut all, mut count) = (Tally::default(), 0);
    for seed in seeds(40) {
        let tally = history(backend, SHOP_AND_OUTLET, seed).await;
        println!("{tally:?}");
        let most = REQUESTS + REQUESTS_OF_EVENT * tally.events;
        assert!(tally.requests <= most, "more than {most}: {tally:?}");
        (all, count) = (all.and(tally), count + 1);
    }
    if count > 1 {
        assert!(all.stale > 2 && all.told > 20, "nothing happened: {all:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shopify_and_ledger_are_equal_when_the_faults_stop_on_sqlite() {
    histories_of_shopify(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shopify_and_ledger_are_equal_when_the_faults_stop_on_postgres() {
    if has_postgres() {
        histories_of_shopify(Backend::Postgres).await;
    }
}
