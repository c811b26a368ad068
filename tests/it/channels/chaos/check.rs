//! What must hold of all shops together when nothing goes wrong any more.

use std::collections::BTreeSet;

use invshop::domain::AllocationPolicy;
use invshop::reports;

use super::{ITEMS, Ids, Past, Spot, market, outlet, webs};
use crate::channels::world::World;
use crate::harness::sku;
use crate::raw::Raw;

/// Every number is the ledger's, every order is there once and stands as at its shop, and
/// nothing waits.
pub(super) async fn equal(world: &World<'_>, ids: &Ids, past: &Past) {
    for (name, ..) in ITEMS {
        let item = reports::item(&world.shop.db, &sku(name), AllocationPolicy::Split).await;
        let item = item.unwrap().unwrap();
        let sold = &ids[name];
        if !world.stalls.is_empty() {
            market::check_number(world, &item, sold.offer).await;
        }
        if !world.outlets.is_empty() {
            outlet::check_number(world, &item, sold.variant).await;
        }
        let wanted = item.totals.available_to_promise;
        webs::check_number(world, name, &sold.webs, wanted).await;
    }
    assert_eq!(world.unsettled().await, 0, "{:#?}", world.numbers().await);
    let mut raw = Raw::open(&world.test.opening.place).await;
    market::check_orders(world, &mut raw).await;
    webs::check_orders(world, &mut raw).await;
    let reasons = "select coalesce(reason, '') from inbox where state = 'dead'";
    assert_eq!(raw.texts(reasons).await, Vec::<String>::new());
    if !world.outlets.is_empty() {
        outlet::check_orders(world, &mut raw, &past.outlet).await;
    }
    explained(&mut raw, &past.typed).await;
}

/// No number is said to have been typed that nobody typed.
async fn explained(raw: &mut Raw, typed: &BTreeSet<Spot>) {
    let drifts = "select data from journal where kind = 'channel.drift' order by seq";
    for drift in raw.texts(drifts).await {
        let said: serde_json::Value = serde_json::from_str(&drift).unwrap();
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        let spot = (text("channel"), text("holder"), text("place"));
        assert!(typed.contains(&spot), "nobody typed it: {drift}");
    }
}
