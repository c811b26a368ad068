//! Web shops in a history: one number for each thing, written over whatever is there.

use invshop::domain::{Delta, Quantity};
use invshop::ledger::stock::Change;
use invshop::sandbox::woocommerce::Faults;
use invshop::writer::Command;

use super::{ITEMS, Ids, Past, orders};
use crate::channels::world::World;
use crate::dice::Dice;
use crate::harness::place;
use crate::raw::Raw;

/// Something happens in a web shop, or in the ledger.
pub(super) async fn act(
    world: &mut World<'_>,
    dice: &mut Dice,
    ids: &Ids,
    (web, Past { sold, placed, typed, .. }): (usize, &mut Past),
) {
    let (name, ..) = *dice.pick(&ITEMS);
    let (shop, id) = (world.webs[web].shop.clone(), ids[name].webs[web]);
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
        8 => {
            let channel = world.webs[web].channel.name().to_owned();
            typed.insert((channel, id.to_string(), String::new()));
            shop.type_stock(id, dice.range(0, 9));
        }
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

/// Nothing goes wrong any more.
pub(super) fn mend(world: &World<'_>) {
    for web in &world.webs {
        web.shop.state().faults = Faults::default();
        web.shop.state().sell_before_write.clear();
    }
}

/// Each shows what the ledger may promise of a thing.
pub(super) async fn check_number(world: &World<'_>, name: &str, webs: &[u64], wanted: i64) {
    let numbers = world.numbers().await;
    for (web, id) in world.webs.iter().zip(webs) {
        let shown = web.shop.state().stock_of(*id).unwrap();
        let (channel, writes) = (web.channel.name(), web.shop.state().writes.clone());
        assert_eq!(shown, wanted, "{name} on {channel}, {writes:?}\n{numbers:#?}");
    }
}

/// The orders of each are the ledger's.
pub(super) async fn check_orders(world: &World<'_>, raw: &mut Raw) {
    for one in &world.webs {
        let found = orders(raw, one.channel.name()).await;
        let state = one.shop.state();
        assert!(found.len() <= state.orders.len(), "an order of nobody");
        for (order, there) in &state.orders {
            let here = found.get(&order.to_string()).map_or("none", String::as_str);
            let there = there.status.as_str();
            let agrees = match there {
                "completed" => here == "shipped",
                "cancelled" => matches!(here, "cancelled" | "none"),
                _ => matches!(here, "open" | "backordered"),
            };
            assert!(agrees, "order {order} is {there} there and {here} here");
        }
    }
}
