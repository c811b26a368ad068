//! What a channel that knows parcels is told of them.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use invshop::connectors::registry::KINDS;
use invshop::connectors::{
    Answer, Capability, Catalog, Connector, Fulfilment, FulfilmentRules, Intake, OrderSource,
    Parcel, Probe, StockRead, StockWrite, Told,
};
use invshop::domain::RemoteId;
use invshop::orders::{Ship, ShipLine};
use invshop::sync::{self, Channel, Lane};
use invshop::writer::Command;

use super::world::{World, config};
use crate::acts::{shipment, shipped};
use crate::both;
use crate::harness::sku;

/// A web shop that takes parcels, and keeps what it was told.
#[derive(Debug)]
struct Parcels {
    shop: Arc<dyn Connector>,
    capability: Capability,
    told: Mutex<Vec<Parcel>>,
}

impl Connector for Parcels {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn intake(&self) -> Intake<'_> {
        self.shop.intake()
    }

    fn orders(&self) -> Option<&dyn OrderSource> {
        self.shop.orders()
    }

    fn stock_read(&self) -> Option<&dyn StockRead> {
        self.shop.stock_read()
    }

    fn stock_write(&self) -> Option<&dyn StockWrite> {
        self.shop.stock_write()
    }

    fn catalog(&self) -> Option<&dyn Catalog> {
        self.shop.catalog()
    }

    fn fulfilment(&self) -> Option<&dyn Fulfilment> {
        Some(self)
    }

    fn probe(&self) -> Answer<'_, Probe> {
        self.shop.probe()
    }
}

impl Fulfilment for Parcels {
    fn ship<'a>(&'a self, parcel: &'a Parcel) -> Answer<'a, Told> {
        self.told.lock().unwrap().push(parcel.clone());
        async { Ok(Told::Done) }.boxed()
    }

    fn cancel<'a>(&'a self, _: &'a RemoteId, _: Option<&'a str>) -> Answer<'a, Told> {
        async { Ok(Told::Done) }.boxed()
    }
}

/// A shipment, (line, units), whether it was the last, and the number to follow it by.
type Said = (String, Vec<(String, i64)>, bool, Option<String>);

impl Parcels {
    /// Takes the place of a world's first web shop.
    async fn instead(world: &mut World<'_>) -> Arc<Self> {
        let config = config("web", &world.webs[0].shop.url());
        let configs = [config.clone()];
        let shop = sync::connectors(&world.shop, KINDS, &configs).unwrap().remove(0);
        let fulfilment = Some(FulfilmentRules { ships_parts: true, cancels: true });
        let capability = Capability { fulfilment, ..shop.capability().clone() };
        let parcels = Arc::new(Self { shop, capability, told: Mutex::default() });
        let channel = Channel::open(&world.shop, config, Arc::clone(&parcels) as _).await.unwrap();
        world.webs[0].lane = Lane::new(Arc::new(channel), "node".to_owned(), None);
        parcels
    }

    /// What it was told since it was asked last.
    fn take(&self) -> Vec<Said> {
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        let line =
            |line: &invshop::connectors::LineUnits| (line.line.to_string(), line.quantity.get());
        told.into_iter()
            .map(|one| {
                let lines = one.lines.iter().map(line).collect();
                let number = one.tracking.map(|tracking| tracking.number);
                (one.shipment.to_string(), lines, one.is_last, number)
            })
            .collect()
    }
}

both!(each_parcel_is_told_with_what_is_in_it, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let parcels = Parcels::instead(&mut world).await;
    let mug = world.item("MUG", 10).await[0];
    world.item("POT", 10).await;
    shop.bundle("SET", &[("MUG", 2), ("POT", 1)]).await.unwrap();
    let web = world.webs[0].shop.clone();
    let set = web.state().add_product("SET", 5, 4_990);
    sync::discover(&world.webs[0].channel).await.unwrap();
    sync::map(&world.webs[0].channel, &set.to_string(), &sku("SET")).await.unwrap();
    world.settle().await;
    world.tick();
    let order = web.buy(&[(mug, 2), (set, 2)]);
    world.settle().await;
    let id = format!("web:{order}");
    let lines: Vec<String> =
        web.state().orders[&order].lines.iter().map(|line| line.id.to_string()).collect();
    assert_eq!(shop.level("MUG", "main").await, [10, 6, 0, 0]);

    shop.ship_lines(&id, "s1", &[(1, 1)]).await.unwrap();
    world.settle().await;
    assert_eq!(parcels.take(), [("s1".to_owned(), vec![(lines[0].clone(), 1)], false, None)]);
    // Two at once, told one after the other: each with its own.
    let tracked = Ship {
        tracking: Some("T 1".to_owned()),
        lines: Some(vec![shipped(2, 1)]),
        ..shipment(&id, "s2")
    };
    shop.run(Command::Ship(tracked)).await.unwrap();
    shop.ship(&id, "s3").await.unwrap();
    world.settle().await;
    let second = ("s2".to_owned(), vec![(lines[1].clone(), 1)], false, Some("T 1".to_owned()));
    let third = ("s3".to_owned(), vec![(lines[0].clone(), 1), (lines[1].clone(), 1)], true, None);
    assert_eq!(parcels.take(), [second, third]);
    assert_eq!(shop.level("MUG", "main").await, [4, 0, 0, 0]);
    assert_eq!(shop.level("POT", "main").await, [8, 0, 0, 0]);
    world.settle().await;
    assert_eq!(parcels.take(), []);

    // Parts of one in two parcels: it is told with the second.
    world.tick();
    let order = web.buy(&[(set, 1)]);
    world.settle().await;
    let id = format!("web:{order}");
    let line = web.state().orders[&order].lines[0].id.to_string();
    for (name, part, count) in [("m", 1, 2), ("p", 2, 1)] {
        let lines = Some(vec![ShipLine { part: Some(part), ..shipped(1, count) }]);
        shop.run(Command::Ship(Ship { lines, ..shipment(&id, name) })).await.unwrap();
        world.settle().await;
    }
    assert_eq!(parcels.take(), [("p".to_owned(), vec![(line, 1)], true, None)]);
    world.end().await;
});
