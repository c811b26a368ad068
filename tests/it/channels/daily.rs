//! What a channel limits by the day, and numbers whose changes nobody tells of.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use invshop::connectors::registry::KINDS;
use invshop::connectors::{
    Answer, Capability, Catalog, Connector, Cursor, Fulfilment, Holder, Intake, OrderSource, Page,
    Probe, RemoteLevel, StockRead, StockWrite, Urgency,
};
use invshop::domain::Quantity;
use invshop::ledger::stock::{Change, Place, StockCommand};
use invshop::sandbox::bazaar::Bazaar;
use invshop::shop::Shop;
use invshop::sync::{self, Channel, Lane};
use invshop::writer::Command;

use super::world::{World, stall_config};
use crate::both;
use crate::harness::{TestShop, sku};
use crate::raw::Raw;

const MINUTE_MS: u64 = 60 * 1000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// Changes of one number that the marketplace takes in a day.
const TAKEN: usize = 250;

/// A marketplace that takes so many changes of a number in a day, and says so.
#[derive(Debug)]
struct Limited {
    shop: Bazaar,
    inner: Arc<dyn Connector>,
    capability: Capability,
    /// Where all mugs are written off while it is asked what it shows.
    sells_out: Mutex<Option<Arc<Shop>>>,
}

impl StockRead for Limited {
    fn read<'a>(&'a self, holders: &'a [Holder], urgency: Urgency) -> Answer<'a, Vec<RemoteLevel>> {
        async move {
            let read = self.inner.stock_read().unwrap().read(holders, urgency).await;
            let shop = self.sells_out.lock().unwrap().take();
            if let Some(shop) = shop {
                let place = Place { sku: sku("MUG"), location: None };
                let change = Change::WriteOff(Quantity::new(11).unwrap());
                let command = StockCommand {
                    place,
                    change,
                    reason: None,
                    effective_at: None,
                    if_version: None,
                };
                shop.submit(Command::Stock(command), None).await.unwrap();
                sync::find_dirty(&shop).await.unwrap();
            }
            read
        }
        .boxed()
    }

    fn read_all<'a>(&'a self, after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteLevel>> {
        self.inner.stock_read().unwrap().read_all(after)
    }
}

impl Connector for Limited {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn intake(&self) -> Intake<'_> {
        self.inner.intake()
    }

    fn orders(&self) -> Option<&dyn OrderSource> {
        self.inner.orders()
    }

    fn stock_read(&self) -> Option<&dyn StockRead> {
        Some(self)
    }

    fn stock_write(&self) -> Option<&dyn StockWrite> {
        self.inner.stock_write()
    }

    fn catalog(&self) -> Option<&dyn Catalog> {
        self.inner.catalog()
    }

    fn fulfilment(&self) -> Option<&dyn Fulfilment> {
        self.inner.fulfilment()
    }

    fn probe(&self) -> Answer<'_, Probe> {
        self.inner.probe()
    }
}

/// Such a marketplace with ten mugs, there and in the ledger.
async fn limited(shop: &TestShop) -> (World<'_>, Arc<Limited>, u64) {
    let mut world = World::new(shop, &[]).await;
    let market = world.stall("market", &[("north", "main")]).await;
    let config = stall_config("market", &market.url(), &[("north", "main")]);
    let inner = sync::connectors(&world.shop, KINDS, std::slice::from_ref(&config)).unwrap();
    let inner = inner.into_iter().next().unwrap();
    let mut capability = inner.capability().clone();
    capability.write.as_mut().unwrap().daily_max = Some(u32::try_from(TAKEN).unwrap());
    let (shop_there, sells_out) = (market.clone(), Mutex::new(None));
    let limited = Arc::new(Limited { shop: shop_there, inner, capability, sells_out });
    let connector: Arc<dyn Connector> = Arc::clone(&limited) as Arc<dyn Connector>;
    let channel = Arc::new(Channel::open(&world.shop, config, connector).await.unwrap());
    world.stalls[0].lane = Lane::new(Arc::clone(&channel), "node".to_owned(), None);
    world.stalls[0].channel = channel;
    market.state().daily_max = Some(TAKEN);
    shop.item("MUG", 10).await;
    let mug = world.offer("MUG", &[("north", 10)]).await;
    (world, limited, mug)
}

/// As if the number had been written so often today.
async fn written_today(world: &World<'_>, writes: usize) {
    let today = u64::try_from(world.test.clock_now().as_millis()).unwrap() / DAY_MS;
    let used = format!("update push set writes = {writes}, written_on = {today}");
    Raw::open(&world.test.opening.place).await.execute(&used).await;
}

fn receive(units: i64) -> Change {
    Change::Receive(Quantity::new(units).unwrap())
}

both!(r70_a_thousand_changes_are_few_writes_and_the_last_is_right, |shop| {
    let (mut world, limited, mug) = limited(&shop).await;
    let market = limited.shop.clone();
    // All of it on one day.
    let today = u64::try_from(shop.clock_now().as_millis()).unwrap() % DAY_MS;
    shop.clock.advance_millis(DAY_MS - today);
    for _ in 0..1_000 {
        shop.stock("MUG", "main", receive(1)).await.unwrap();
        shop.clock.advance_millis(MINUTE_MS);
        sync::find_dirty(&world.shop).await.unwrap();
        world.stalls[0].lane.look().await;
    }
    let writes = market.state().writes.len();
    assert!((TAKEN / 2..TAKEN * 9 / 10 + 1).contains(&writes), "{writes}");
    assert!(market.state().stock_of(mug, "north").unwrap() > 900, "they are spread over the day");
    // Sold out goes at once, whatever the day has left.
    let rest = shop.level("MUG", "main").await[0];
    shop.stock("MUG", "main", Change::WriteOff(Quantity::new(rest).unwrap())).await.unwrap();
    sync::find_dirty(&world.shop).await.unwrap();
    world.stalls[0].lane.look().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(0));
    // And what came after is there in the end.
    shop.stock("MUG", "main", receive(7)).await.unwrap();
    shop.clock.advance_millis(DAY_MS);
    world.settle().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(7));
    assert_eq!(market.state().over_daily, 0);
    assert_eq!(world.unsettled().await, 0);
    world.end().await;
});

both!(what_waits_for_the_day_is_explained_and_sells_out_at_once, |shop| {
    let (mut world, limited, mug) = limited(&shop).await;
    let market = limited.shop.clone();
    // All that is not kept for selling out.
    written_today(&world, TAKEN * 9 / 10).await;
    // As after writes that met something else.
    Raw::open(&shop.opening.place).await.execute("update push set attempts = 2").await;
    shop.stock("MUG", "main", receive(1)).await.unwrap();
    world.settle().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(10));
    let told = sync::explain(&world.stalls[0].channel, &sku("MUG")).await.unwrap();
    let reason = told.numbers[0].reason.clone().unwrap();
    assert!(reason.contains("225 were made"), "{reason}");
    shop.stock("MUG", "main", Change::WriteOff(Quantity::new(11).unwrap())).await.unwrap();
    world.settle().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(0), "that is what some are kept for");
    written_today(&world, TAKEN).await;
    shop.stock("MUG", "main", receive(1)).await.unwrap();
    shop.clock.advance_millis(DAY_MS);
    world.settle().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(1));
    assert_eq!(market.state().over_daily, 0);
    assert_eq!(world.unsettled().await, 0);
    world.end().await;
});

// It sells out while the channel is asked, before it is decided that the rest waits.
both!(what_sells_out_while_the_channel_is_asked_does_not_wait, |shop| {
    let (mut world, market, mug) = limited(&shop).await;
    written_today(&world, TAKEN * 9 / 10).await;
    shop.stock("MUG", "main", receive(1)).await.unwrap();
    sync::find_dirty(&world.shop).await.unwrap();
    *market.sells_out.lock().unwrap() = Some(Arc::clone(&world.shop));
    world.stalls[0].lane.look().await;
    assert!(market.sells_out.lock().unwrap().is_none(), "it was asked");
    world.stalls[0].lane.look().await;
    assert_eq!(market.shop.state().stock_of(mug, "north"), Some(0));
    drop(market);
    world.end().await;
});

both!(r43_what_nobody_tells_of_is_looked_at_in_turn, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    // One more than are looked at together.
    let mut products = Vec::new();
    for number in 0..101 {
        products.push(world.item(&format!("MUG-{number:03}"), 100).await[0]);
    }
    let low = world.item("LOW", 3).await[0];
    world.settle().await;
    let web = world.webs[0].shop.clone();
    // Plugins write past everything that would tell of it.
    for product in products.iter().chain([&low]) {
        web.state().products.get_mut(product).unwrap().stock += 5;
    }
    let seen = async |world: &World<'_>| world.webs[0].channel.status().await.unwrap().seen_since;
    let before = seen(&world).await;
    world.webs[0].lane.sweep_next();
    world.settle().await;
    let wrong = |world: &World<'_>| {
        let shown = |product: &u64| world.webs[0].shop.state().stock_of(*product);
        products.iter().filter(|product| shown(product) != Some(100)).count()
    };
    assert_eq!(web.state().stock_of(low), Some(3), "what is nearly sold out comes first");
    assert_eq!(wrong(&world), 2, "as many as are read in one call");
    for _ in 0..2 {
        shop.clock.advance_millis(MINUTE_MS);
        world.webs[0].lane.sweep_next();
        world.settle().await;
    }
    assert_eq!((wrong(&world), world.unsettled().await), (0, 0));
    assert!(seen(&world).await > before);
    world.end().await;
});
