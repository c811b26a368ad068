//! A Shopify shop in a history: compared writes at two locations, orders that are edited,
//! refunded, moved and held there, and parcels and cancellations that are told to it.

use std::collections::BTreeSet;

use invshop::domain::{Delta, Quantity};
use invshop::ledger::stock::Change;
use invshop::reports::ItemView;
use invshop::sandbox::shopify::{Faults, Financial, Order, Restock, ShopifyShop, State};
use invshop::sync;
use invshop::writer::Command;

use super::{FEEDS, ITEMS, Ids, Spot};
use crate::channels::world::World;
use crate::dice::Dice;
use crate::harness::place;
use crate::raw::Raw;

pub(super) use super::outlet_check::{check_number, check_orders};

/// What happened at the shop so far.
#[derive(Debug, Default)]
pub(super) struct Past {
    orders: Vec<u64>,
    /// Orders that were deleted.
    pub(super) deleted: BTreeSet<u64>,
    /// Parcels and orders of the ledger.
    made: u64,
    /// What happened there, and here of what it sells: whatever it has to be asked for.
    pub(super) events: u64,
    /// Whether somebody types numbers, or deletes orders.
    has_hands: bool,
}

impl Past {
    pub(super) fn new(seed: u64) -> Self {
        Self { has_hands: seed % 2 == 1, ..Self::default() }
    }
}

/// When a write of stock has come that is never answered.
pub(super) async fn hangs(shop: &ShopifyShop) {
    if shop.state().faults.hang == 0 {
        std::future::pending::<()>().await;
    }
    while shop.state().faults.hang > 0 {
        tokio::task::yield_now().await;
    }
}

/// Something happens at the shop, or in the ledger to an order of it.
pub(super) async fn act(
    world: &World<'_>,
    dice: &mut Dice,
    ids: &Ids,
    super::Past { outlet: past, typed, .. }: &mut super::Past,
) {
    let shop = world.outlets[0].shop.clone();
    let places = world.outlets[0].places.clone();
    let was_done = match dice.below(20) {
        0..=5 => buy(&mut shop.state(), dice, (ids, &places), past),
        6..=8 => change(&mut shop.state(), dice, &places, (past, typed)),
        9 | 10 => leave(&mut shop.state(), dice, &places, past),
        11..=14 => here(world, dice, past).await,
        15 | 16 => stock(world, dice, past).await,
        17 | 18 => trouble(&mut shop.state(), dice, (ids, &places)),
        _ if past.has_hands => hands(&mut shop.state(), dice, (ids, &places), (past, typed)),
        _ => trouble(&mut shop.state(), dice, (ids, &places)),
    };
    past.events += u64::from(was_done);
}

/// The number of an item at a location.
fn spot(item: u64, place: u64) -> Spot {
    ("lamps".to_owned(), item.to_string(), place.to_string())
}

/// What a clerk does with an order may be at any location of its items: nothing says where.
fn touched<'o>(order: &'o Order, places: &'o [u64]) -> impl Iterator<Item = Spot> + 'o {
    let items = order.lines.iter().map(|line| line.item);
    items.flat_map(|item| places.iter().map(move |place| spot(item, *place)))
}

/// Somebody buys something, from one location or from both; whether that could be done, as
/// with all that follows.
fn buy(state: &mut State, dice: &mut Dice, (ids, places): (&Ids, &[u64]), past: &mut Past) -> bool {
    let variant = ids[dice.pick(&ITEMS).0].variant;
    let other = ids[dice.pick(&ITEMS).0].variant;
    let (place, units) = (*dice.pick(places), dice.range(1, 2));
    let financial = *dice.pick(&[Financial::Paid, Financial::Pending, Financial::Authorized]);
    let order = match dice.below(8) {
        0 => state.buy_split(&[(variant, &[(places[0], 1), (places[1], units)])], financial),
        1 => state.buy(&[(variant, places[0], units), (other, places[1], 1)], financial),
        // One variant on two lines.
        2 => state.buy(&[(variant, place, 1), (variant, place, units)], financial),
        _ => state.buy(&[(variant, place, units)], financial),
    };
    past.orders.extend(order);
    order.is_some()
}

/// An order, and a line of it.
fn pick(state: &State, dice: &mut Dice, past: &Past) -> Option<(u64, u64)> {
    let there: Vec<u64> =
        past.orders.iter().copied().filter(|id| state.orders.contains_key(id)).collect();
    let id = *(!there.is_empty()).then(|| dice.pick(&there))?;
    let lines: Vec<u64> = state.orders[&id].lines.iter().map(|line| line.id).collect();
    Some((id, *dice.pick(&lines)))
}

/// An order is changed there; what cannot be done is not.
fn change(
    state: &mut State,
    dice: &mut Dice,
    places: &[u64],
    (past, typed): (&Past, &mut BTreeSet<Spot>),
) -> bool {
    let Some((order, line)) = pick(state, dice, past) else { return false };
    let (place, units) = (*dice.pick(places), dice.range(1, 2));
    let restock = *dice.pick(&[Restock::Cancel, Restock::Return, Restock::None]);
    let has_hands = past.has_hands;
    match dice.below(6) {
        0 => state.edit_line(order, line, dice.range(0, 3)),
        // Nothing that is told says that an edit put units back elsewhere.
        1 if has_hands => {
            typed.extend(touched(&state.orders[&order], places));
            state.edit_line_to(order, (line, dice.range(0, 1)), place)
        }
        2 => state.refund(order, line, units, restock).is_some(),
        // Nor always from where units were taken that never left, and are put elsewhere.
        1 | 3 if has_hands || restock == Restock::Return => {
            if restock == Restock::Cancel {
                typed.extend(touched(&state.orders[&order], places));
            }
            state.refund_to(order, (line, units), restock, place).is_some()
        }
        1..=4 => state.cancel(order, "CUSTOMER", dice.chance(60)),
        _ => {
            state.pay(order, *dice.pick(&[Financial::Paid, Financial::Voided]));
            true
        }
    }
}

/// What is to leave leaves, is held, or is to leave from elsewhere.
fn leave(state: &mut State, dice: &mut Dice, places: &[u64], past: &Past) -> bool {
    let Some((order, line)) = pick(state, dice, past) else { return false };
    let place = *dice.pick(places);
    let works: Vec<u64> = state.orders[&order].work.iter().map(|work| work.id).collect();
    let work = *dice.pick(&works);
    let later = state.seconds() + dice.range(1, 20);
    match dice.below(8) {
        0..=2 => !state.fulfil(order, &[(line, dice.range(1, 2))]).is_empty(),
        3 | 4 => state.move_work(order, line, dice.range(1, 2), place),
        5 => state.hold_work(order, work),
        6 => state.release_work(order, work),
        _ => state.schedule_work(order, work, later),
    }
}

/// Units of an order of the shop leave here, or it is cancelled here.
async fn here(world: &World<'_>, dice: &mut Dice, past: &mut Past) -> bool {
    let shop = world.outlets[0].shop.clone();
    let Some((order, _)) = pick(&shop.state(), dice, past) else { return false };
    let name = format!("lamps:{order}");
    past.made += 1;
    let parcel = format!("parcel-{}", past.made);
    // It may not be here yet, or nothing of it may be left: then nothing is done.
    match dice.below(6) {
        0 | 1 => world.test.ship(&name, &parcel).await.is_ok(),
        2..=4 => {
            let open = format!(
                "select count(*) from order_line as l join orders as o on o.id = l.order_id
                 where o.source = 'lamps' and o.external_id = '{order}' and l.line = 1
                   and l.held + l.shortfall > 0"
            );
            let is_open = Raw::open(&world.test.opening.place).await.number(&open).await > 0;
            is_open && world.test.ship_lines(&name, &parcel, &[(1, 1)]).await.is_ok()
        }
        _ => world.test.cancel(&name).await.is_ok(),
    }
}

/// The ledger's stock moves.
async fn stock(world: &World<'_>, dice: &mut Dice, past: &mut Past) -> bool {
    let (name, location) = (dice.pick(&ITEMS).0, dice.pick(&FEEDS)[0]);
    match dice.below(3) {
        0 => {
            past.made += 1;
            let order = place(&format!("lamp-{}", past.made), &[(name, 1)]);
            world.test.run(Command::Place(order)).await.is_ok()
        }
        1 => {
            let change = Change::Receive(Quantity::new(dice.range(1, 3)).unwrap());
            world.test.stock(name, location, change).await.is_ok()
        }
        _ => {
            let change = Change::Adjust(Delta::new(-1).unwrap());
            world.test.stock(name, location, change).await.is_ok()
        }
    }
}

/// Something goes wrong from now on, or no longer.
fn trouble(state: &mut State, dice: &mut Dice, (ids, places): (&Ids, &[u64])) -> bool {
    let variant = ids[dice.pick(&ITEMS).0].variant;
    match dice.below(16) {
        0 => state.faults.lose_replies = 1,
        1 | 2 => state.faults.lose_changes = 1,
        3 => state.faults.turn_away = 1,
        4 => state.faults.fail = 1,
        5 => state.faults.fail_inside = 1,
        6 => state.faults.fail_writes = 1,
        7 => state.faults.fail_orders = 1,
        8 => state.faults.concurrent = 1,
        9 => state.faults.hang = 1,
        // The shop says how long it wants to be left alone: a second of real time.
        10 if dice.chance(30) => state.faults.too_many = 1,
        10..=12 => state.sell_before_write = vec![(variant, *dice.pick(places), 1)],
        13 => state.finish_jobs(),
        14 => state.faults.is_down = dice.chance(40),
        _ => {
            state.quirks.oversells = dice.chance(30);
            state.quirks.updates_first = dice.chance(50);
            state.quirks.cancels_later = dice.chance(50);
        }
    }
    true
}

/// Somebody does what nothing explains.
fn hands(
    state: &mut State,
    dice: &mut Dice,
    (ids, places): (&Ids, &[u64]),
    (past, typed): (&mut Past, &mut BTreeSet<Spot>),
) -> bool {
    let item = state.item_of(ids[dice.pick(&ITEMS).0].variant).unwrap();
    let (place, number) = (*dice.pick(places), dice.range(0, 9));
    match dice.below(4) {
        0 | 1 => {
            typed.insert(spot(item, place));
            state.type_stock(item, place, number);
            true
        }
        2 => {
            typed.insert(spot(item, place));
            state.type_after_stale = Some((item, place, number));
            true
        }
        _ => {
            let has_left = |order: &Order| !order.parcels.is_empty();
            let Some((order, _)) = pick(state, dice, past) else { return false };
            let spots: Vec<Spot> = touched(&state.orders[&order], places).collect();
            let is_gone = !has_left(&state.orders[&order]) && state.delete_order(order);
            if is_gone {
                // Where its units were moved to before that, nothing tells any more.
                typed.extend(spots);
                past.deleted.insert(order);
            }
            is_gone
        }
    }
}

/// Nothing goes wrong any more, what was put off is done, and everything arrives.
pub(super) async fn mend(world: &World<'_>, http: &super::Caller) {
    for outlet in &world.outlets {
        {
            let mut state = outlet.shop.state();
            state.faults = Faults::default();
            state.sell_before_write.clear();
            state.type_after_stale = None;
            state.quirks.cancels_later = false;
            state.finish_jobs();
            let works = |(id, order): (&u64, &Order)| {
                order.work.iter().map(|work| (*id, work.id)).collect::<Vec<_>>()
            };
            let all: Vec<(u64, u64)> = state.orders.iter().flat_map(works).collect();
            for (order, work) in all {
                state.release_work(order, work);
            }
        }
        while outlet.shop.waiting() > 0 {
            let mishaps = super::Mishaps { dropped_percent: 0, repeated: 0, is_shuffled: true };
            outlet.shop.deliver(http, mishaps, &mut |_| 0).await;
        }
        // What was on hold there is told once more.
        let refused = "select distinct o.external_id from push_back as p
                       join orders as o on o.id = p.order_id
                       where p.state = 'refused' and p.reason like 'on_hold%'";
        for order in Raw::open(&world.test.opening.place).await.texts(refused).await {
            sync::tell_again(&world.shop, "lamps", &format!("lamps:{order}")).await.unwrap();
        }
    }
}

/// Units of an item that the ledger may promise at what feeds a location.
pub(super) fn wanted(item: &ItemView, feeds: &[&str]) -> i64 {
    let fed = item.levels.iter().filter(|level| feeds.contains(&level.location.as_str()));
    fed.map(|level| level.totals.available_to_promise).sum()
}
