//! What must hold of a Shopify shop and the ledger when nothing goes wrong any more.

use std::collections::BTreeMap;

use invshop::reports::ItemView;
use invshop::sandbox::shopify::Order;

use super::FEEDS;
use super::outlet::{Past, wanted};
use crate::channels::world::World;
use crate::raw::Raw;

/// Each location shows what the ledger may promise at what feeds it.
pub(super) async fn check_number(world: &World<'_>, item: &ItemView, variant: u64) {
    let numbers = world.numbers().await;
    let outlet = &world.outlets[0];
    for (place, feeds) in outlet.places.iter().zip(FEEDS) {
        let state = outlet.shop.state();
        assert_eq!(
            state.stock_of(variant, *place),
            Some(wanted(item, feeds)),
            "{} at {feeds:?}, {:?}, {:?}\n{numbers:#?}",
            item.sku,
            item.levels,
            state.writes
        );
    }
}

/// Units of a line: those that left, and those that are still to leave.
type Units = (i64, i64);

/// What the shop says of each line.
fn there(order: &Order) -> BTreeMap<u64, Units> {
    let parcels = order.parcels.iter().filter(|parcel| !parcel.is_cancelled);
    let left: Vec<_> = parcels.flat_map(|parcel| &parcel.lines).collect();
    let units = |line: u64| left.iter().filter(|one| one.line == line).map(|one| one.units).sum();
    order.lines.iter().map(|line| (line.id, (units(line.id), order.unfulfilled(line.id)))).collect()
}

/// What the ledger says of each line, by order and the shop's id of the line.
async fn here(raw: &mut Raw) -> BTreeMap<u64, BTreeMap<u64, Units>> {
    let query = "select o.external_id || ' ' || r.line || ' ' || l.shipped || ' '
                        || (l.held + l.shortfall)
                 from orders as o
                 join order_line as l on l.order_id = o.id
                 join channel as c on c.name = o.source
                 join remote_line as r on r.channel_id = c.id and r.order_key = o.external_id
                                      and r.number = l.line
                 where o.source = 'lamps'";
    let mut all: BTreeMap<u64, BTreeMap<u64, Units>> = BTreeMap::new();
    for row in raw.texts(query).await {
        let numbers: Vec<i64> = row.split(' ').map(|text| text.parse().unwrap()).collect();
        let [order, line, shipped, open] = numbers[..] else { panic!("{row}") };
        let lines = all.entry(order.unsigned_abs()).or_default();
        assert_eq!(lines.insert(line.unsigned_abs(), (shipped, open)), None, "a line twice");
    }
    all
}

/// Every order is here once, and each unit of it left here as often as there.
pub(super) async fn check_orders(world: &World<'_>, raw: &mut Raw, past: &Past) {
    let orders = world.outlets[0].shop.state().orders.clone();
    let mut here = here(raw).await;
    let told = told(raw).await;
    for (id, order) in &orders {
        let there = there(order);
        let here = here.remove(id);
        let told = told.get(id);
        let is_waiting =
            told.is_some_and(|told| told.iter().any(|told| told.starts_with("pending")));
        assert!(!is_waiting, "of order {id} is still to be told: {told:?}");
        let Some(here) = here else {
            // One that was over before it was heard of promises nothing.
            let is_nothing = there.values().all(|units| *units == (0, 0));
            assert!(is_nothing, "order {id} is not here: {order:#?}");
            continue;
        };
        if told.is_none_or(|told| !told.iter().any(|told| told.starts_with("refused"))) {
            assert_eq!(here, there, "order {id}, here and there: {told:?} {order:#?}");
        }
    }
    for (id, lines) in here {
        assert!(past.deleted.contains(&id), "order {id} of nobody");
        assert!(lines.values().all(|(_, open)| *open == 0), "order {id} is gone: {lines:?}");
    }
}

/// What the shop was told of each order, and how that ended.
async fn told(raw: &mut Raw) -> BTreeMap<u64, Vec<String>> {
    let query = "select o.external_id || ' ' || p.state || ' ' || p.kind || ' '
                        || coalesce(p.reason, '')
                 from push_back as p join orders as o on o.id = p.order_id
                 where o.source = 'lamps'";
    let mut all: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for row in raw.texts(query).await {
        let (order, told) = row.split_once(' ').unwrap();
        all.entry(order.parse().unwrap()).or_default().push(told.to_owned());
    }
    all
}
