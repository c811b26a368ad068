//! A marketplace in a history: a number for each place, written over what is expected.

use invshop::reports::ItemView;
use invshop::sandbox::bazaar::{Faults, Status};

use super::{ITEMS, Ids, PLACES, Past, orders};
use crate::channels::world::World;
use crate::dice::Dice;
use crate::raw::Raw;

/// Something happens on the marketplace.
pub(super) fn act(world: &World<'_>, dice: &mut Dice, ids: &Ids, past: &mut Past) {
    let (name, ..) = *dice.pick(&ITEMS);
    let (market, offer) = (world.stalls[0].shop.clone(), ids[name].offer);
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
        5 => {
            let spot = ("market".to_owned(), format!("offer-{offer}"), place.to_owned());
            past.typed.insert(spot);
            market.type_stock(offer, place, dice.range(0, 9));
        }
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

/// Nothing goes wrong any more.
pub(super) fn mend(world: &World<'_>) {
    for stall in &world.stalls {
        stall.shop.state().faults = Faults::default();
        stall.shop.state().sell_before_write.clear();
    }
}

/// Each place shows what the ledger may promise of a thing at what feeds it.
pub(super) async fn check_number(world: &World<'_>, item: &ItemView, offer: u64) {
    let numbers = world.numbers().await;
    for (place, location) in PLACES {
        let level = item.levels.iter().find(|level| level.location == location);
        let wanted = level.map_or(0, |level| level.totals.available_to_promise);
        let state = world.stalls[0].shop.state();
        assert_eq!(
            state.stock_of(offer, place),
            Some(wanted),
            "{} at {place}, {level:?}, {:?}\n{numbers:#?}",
            item.sku,
            state.writes
        );
    }
}

/// Its orders are the ledger's.
pub(super) async fn check_orders(world: &World<'_>, raw: &mut Raw) {
    for stall in &world.stalls {
        let found = orders(raw, stall.channel.name()).await;
        let there = stall.shop.state().orders.clone();
        assert!(found.len() <= there.len(), "an order of nobody");
        for (order, there) in there {
            let here = found.get(&format!("order-{order}")).map_or("none", String::as_str);
            let agrees = match there.status {
                Status::Shipped => here == "shipped",
                Status::Cancelled => matches!(here, "cancelled" | "none"),
                Status::Open => matches!(here, "open" | "backordered"),
            };
            assert!(agrees, "order {order} is {:?} there and {here} here", there.status);
        }
    }
}
