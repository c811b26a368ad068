//! How soon a sale is shown: from its commit to the channel's acknowledgement, over three
//! simulated shops that answer after 20 ms, alone and while a bulk of 10 000 numbers drains.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use invshop::clock::{Clock as _, SystemClock};
use invshop::config::{ChannelConfig, ChannelMode, RulesConfig};
use invshop::connectors::registry::KINDS;
use invshop::domain::{ExternalId, LocationCode, OrderRef, Quantity, Sku};
use invshop::ledger::stock::{ImportMode, Place as At, StockRow};
use invshop::orders::{LineRequest, Place};
use invshop::sandbox::woocommerce::{Now, Shop as WebShop};
use invshop::secret::Secret;
use invshop::shop::{CLI_ACCOUNT, FIRST_LOCATION, Shop};
use invshop::sync::{self, Channel, Lane};
use invshop::writer::{CHUNK_ROWS_MAX, Command};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::arguments::Arguments;
use crate::drive::float;
use crate::report::{Goal, Line, Report, note};
use crate::shops::{Bed, Kind, chunk_of, open_batch};
use crate::wanted::{ITEMS, ON_HAND, sku};

const NAMES: [&str; 3] = ["web", "outlet", "market"];
/// Requests a second that a shop takes.
const REQUESTS: u32 = 1_000;
/// How long a request travels, milliseconds.
const TRAVELS_MS: u64 = 20;
/// Orders a second.
const ORDERS: u64 = 50;
/// Seconds of sales that are not counted.
const WARM_UP: u64 = 1;
/// What a bulk adds to every level.
const BULK: i64 = 5;
/// How long all numbers may take to be right.
const SETTLE_MAX: Duration = Duration::from_mins(5);

/// Three shops that show 10 000 items, with their lanes.
struct World {
    shop: Arc<Shop>,
    webs: Vec<WebShop>,
    channels: Vec<Arc<Channel>>,
    /// The item of each product, by shop.
    items: Vec<HashMap<u64, u64>>,
    running: JoinSet<()>,
    stop: CancellationToken,
}

/// Measures both databases.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    let seconds = if arguments.quick { 3 } else { 20 };
    for &kind in &arguments.database {
        let (made, shop) = bed.stocked(kind).await?;
        let mut world = World::open(Arc::new(shop)).await?;
        // What is said for the first time is prepared, and connections are made.
        world.sell(0, WARM_UP).await?;
        let alone = world.sell(ORDERS * WARM_UP, seconds).await?;
        world.settled().await?;
        let begun = Instant::now();
        world.bulk().await?;
        let beside = world.sell(ORDERS * (WARM_UP + seconds), seconds).await?;
        world.settled().await?;
        let drained = begun.elapsed();
        world.add_lines(report, kind, (&alone, &beside), drained);
        world.end().await?;
        bed.remove(&made).await?;
    }
    Ok(())
}

/// Times from commit to acknowledgement, milliseconds, ascending.
struct Lags(Vec<f64>);

impl Lags {
    /// What so many of a hundred did not exceed.
    fn at(&self, percent: usize) -> f64 {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default()
    }

    fn told(&self) -> String {
        format!("{:.0}/{:.0} ms", self.at(50), self.at(99))
    }
}

/// A live shop that takes so many requests a second.
pub(crate) fn config(name: &str, url: &str, requests: u32) -> anyhow::Result<ChannelConfig> {
    let secret = |text: &str| Secret::resolve(text, &|_| None, std::path::Path::new(""));
    let credentials = BTreeMap::from([
        ("consumer_key".to_owned(), secret("ck_BENCH")?),
        ("consumer_secret".to_owned(), secret("cs_BENCH")?),
    ]);
    Ok(ChannelConfig {
        name: name.to_owned(),
        kind: "woocommerce".to_owned(),
        url: Some(url.to_owned()),
        mode: ChannelMode::Live,
        locations: None,
        places: BTreeMap::new(),
        stale_after_seconds: 1_800,
        poll_seconds: 60,
        requests_per_second: Some(requests),
        credentials,
        webhook: None,
        rules: RulesConfig::default(),
    })
}

impl World {
    async fn open(shop: Arc<Shop>) -> anyhow::Result<Self> {
        let (mut running, stop) = (JoinSet::new(), CancellationToken::new());
        let (mut webs, mut items, mut channels) = (Vec::new(), Vec::new(), Vec::new());
        for name in NAMES {
            let now: Now = Arc::new(|| SystemClock.now().as_millis());
            let (web, serve) = WebShop::open(now, ("ck_BENCH", "cs_BENCH")).await?;
            running.spawn(serve);
            let config = config(name, &web.url(), REQUESTS)?;
            let connector = sync::connectors(&shop, KINDS, std::slice::from_ref(&config));
            let connector = connector.ok().and_then(|mut all| all.pop()).context("no connector")?;
            let channel = Arc::new(Channel::open(&shop, config, connector).await?);
            let products: HashMap<u64, u64> = (0..ITEMS)
                .map(|item| (web.state().add_product(&sku(item), ON_HAND, 990), item))
                .collect();
            note(&format!("{name}: mapping {ITEMS} listings"));
            sync::discover(&channel).await?;
            for (product, item) in &products {
                sync::map(&channel, &product.to_string(), &Sku::new(&sku(*item))?).await?;
            }
            webs.push(web);
            items.push(products);
            channels.push(channel);
        }
        running.spawn(sync::follow(Arc::clone(&shop), stop.clone()));
        for channel in &channels {
            let lane = Lane::new(Arc::clone(channel), "bench".to_owned(), None);
            running.spawn(lane.run(stop.clone()));
        }
        let world = Self { shop, webs, channels, items, running, stop };
        world.settled().await?;
        for web in &world.webs {
            ensure!(web.state().writes.is_empty(), "what is right is not written");
            web.state().faults.delay_ms = TRAVELS_MS;
        }
        Ok(world)
    }

    /// Waits until every number is right, everywhere.
    async fn settled(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < SETTLE_MAX {
            sleep(Duration::from_millis(200)).await;
            sync::find_dirty(&self.shop).await?;
            let statuses = sync::statuses(&self.channels).await?;
            if statuses.iter().all(|one| one.dirty == 0) {
                return Ok(());
            }
        }
        anyhow::bail!("the numbers were not right after {} s", SETTLE_MAX.as_secs())
    }

    /// Sells items one after another, each once; how long each took to be shown.
    async fn sell(&mut self, first: u64, seconds: u64) -> anyhow::Result<Lags> {
        for web in &self.webs {
            web.state().writes.clear();
        }
        let mut sold: HashMap<u64, Instant> = HashMap::new();
        let mut shown = vec![0; self.webs.len()];
        let mut lags = Vec::new();
        let mut placing = JoinSet::new();
        let mut ticks = interval(Duration::from_millis(1000 / ORDERS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut looks = interval(Duration::from_millis(1));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut next, end) = (first, first + ORDERS * seconds);
        let mut waited = None;
        let all = usize::try_from(ORDERS * seconds)? * self.webs.len();
        while lags.len() < all {
            tokio::select! {
                _ = ticks.tick(), if next < end => {
                    let (shop, item) = (Arc::clone(&self.shop), next);
                    placing.spawn(async move { place(&shop, item).await.map(|at| (item, at)) });
                    next += 1;
                }
                Some(placed) = placing.join_next() => {
                    let (item, at) = placed??;
                    sold.insert(item, at);
                }
                _ = looks.tick() => {
                    self.look((&(first..end), &sold), &mut shown, &mut lags);
                }
            }
            if next == end {
                let since: Instant = *waited.get_or_insert_with(Instant::now);
                ensure!(since.elapsed() < SETTLE_MAX, "{} of {all} were shown", lags.len());
            }
        }
        lags.sort_by(f64::total_cmp);
        Ok(Lags(lags))
    }

    /// Sees which writes have come: each of them was acknowledged with this.
    fn look(
        &self,
        (all, sold): (&Range<u64>, &HashMap<u64, Instant>),
        shown: &mut [usize],
        lags: &mut Vec<f64>,
    ) {
        let now = Instant::now();
        for ((web, items), shown) in self.webs.iter().zip(&self.items).zip(shown) {
            let state = web.state();
            while let Some((product, number)) = state.writes.get(*shown) {
                // One unit less than there is, with or without the bulk: the sale is in it.
                let is_sale = [ON_HAND - 1, ON_HAND + BULK - 1].contains(number);
                let item = items.get(product).filter(|item| is_sale && all.contains(item));
                match item.map(|item| sold.get(item)) {
                    // It may be seen there before its answer is seen here.
                    Some(None) => break,
                    Some(Some(at)) => lags.push((now - *at).as_secs_f64() * 1000.0),
                    None => {}
                }
                *shown += 1;
            }
        }
    }

    /// A file changes every level.
    async fn bulk(&self) -> anyhow::Result<()> {
        let rows = (0..ITEMS).map(|item| {
            let location = Some(LocationCode::new(FIRST_LOCATION)?);
            let place = At { sku: Sku::new(&sku(item))?, location };
            Ok(StockRow { place, quantity: Quantity::new(BULK)? })
        });
        let rows = rows.collect::<anyhow::Result<Vec<_>>>()?;
        let batch = open_batch(&self.shop, "stock", rows.len()).await?;
        let mut done = 0;
        for rows in rows.chunks(CHUNK_ROWS_MAX) {
            let chunk = chunk_of(batch, &mut done, rows.len())?;
            let (rows, mode) = (rows.to_vec(), ImportMode::Add);
            let command = Command::StockRows { chunk, rows, mode, observed_at: None };
            self.shop.submit(command, None).await?;
        }
        self.shop.submit(Command::BatchApplied(batch), None).await?;
        Ok(())
    }

    fn add_lines(
        &self,
        report: &mut Report,
        kind: Kind,
        (alone, beside): (&Lags, &Lags),
        drained: Duration,
    ) {
        let line = |what: &str, (ours, beside): (String, String), figure, unit, goal| Line {
            what: format!("{}, {what}", kind.name()),
            ours,
            beside,
            figure,
            unit,
            goal,
            detail: Default::default(),
        };
        let told = || (alone.told(), String::new());
        let soon = |aim: f64| Goal::AtMost { floor: 2.0 * aim, aim };
        let sale = "sale to channel, 50 orders/s, 3 x 10 000 listings, 20 ms";
        report.add(line(&format!("{sale}: p50"), told(), alone.at(50), "ms", soon(300.0)));
        report.add(line(&format!("{sale}: p99"), told(), alone.at(99), "ms", soon(2000.0)));
        for (name, percent) in [("p50", 50), ("p99", 99)] {
            let ratio = beside.at(percent) / alone.at(percent);
            let both = (beside.told(), alone.told());
            let goal = Goal::AtMost { floor: 1.25, aim: 1.25 };
            report.add(line(&format!("the same beside a bulk: {name}"), both, ratio, "x", goal));
        }
        let seconds = drained.as_secs_f64();
        let rate = float(ITEMS * u64::try_from(self.webs.len()).unwrap_or(0)) / seconds;
        let ours = format!("{rate:.0} numbers/s");
        let all = (ours, String::new());
        report.add(line(
            "the bulk and the sales beside it are shown",
            all,
            seconds,
            "s",
            Goal::None,
        ));
    }

    async fn end(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        sleep(Duration::from_millis(500)).await;
        self.running.shutdown().await;
        self.channels.clear();
        Arc::try_unwrap(self.shop).ok().context("the shop is still open")?.close().await;
        Ok(())
    }
}

/// Sells one unit of an item; when it was committed.
async fn place(shop: &Shop, item: u64) -> anyhow::Result<Instant> {
    let line =
        LineRequest { sku: Sku::new(&sku(item))?, quantity: Quantity::new(1)?, unit_price: None };
    let order = Place {
        reference: OrderRef {
            source: CLI_ACCOUNT.to_owned(),
            external_id: ExternalId::new(&format!("sale-{item}"))?,
        },
        lines: vec![line],
        location: None,
        payment_required: false,
        allow_backorder: false,
        hold_ms: None,
        currency: None,
        placed_at: None,
        personal: None,
        user: None,
    };
    shop.submit(Command::Place(order), None).await?;
    Ok(Instant::now())
}
