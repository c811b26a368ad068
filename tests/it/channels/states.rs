//! R17: from whatever state an order of a web shop is in to whatever state it goes, the
//! ledger moves by the book, and the shop shows what the ledger has.

use invshop::sync;

use super::world::World;
use crate::both;
use crate::harness::sku;
use crate::raw::Raw;

/// Units of each item before anything is sold, and units of each order.
const STOCK: i64 = 5;
const UNITS: i64 = 2;

/// The states of WooCommerce, and one that a plugin adds.
const STATES: [&str; 9] = [
    "pending",
    "failed",
    "on-hold",
    "processing",
    "completed",
    "cancelled",
    "refunded",
    "trash",
    "packed",
];

/// What an order means for stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Book {
    /// It has nothing.
    Nothing,
    /// Its units are promised and stand on the shelf.
    Held,
    /// Its units left.
    Left,
}

/// What a state means, where the shop has the units off its number or has not.
fn book(state: &str, reduced: bool) -> Book {
    match state {
        "on-hold" | "processing" => Book::Held,
        "completed" => Book::Left,
        // Giving money back brings no units back by itself: they are with the buyer.
        "refunded" if reduced => Book::Left,
        // What nobody knows is what it was, as the shop counts it.
        "packed" if reduced => Book::Held,
        _ => Book::Nothing,
    }
}

/// What an order means after a state that follows on another. What left has left: no state
/// brings it back, only a return does.
fn after(before: Book, state: &str, reduced: bool) -> Book {
    if before == Book::Left { Book::Left } else { book(state, reduced) }
}

/// Whether the shop has the units off its number after a state, given whether it had
/// before: as it was recorded of WooCommerce 11, but for the plugin's.
fn reduces(state: &str, before: bool) -> bool {
    match state {
        "on-hold" | "processing" | "completed" => true,
        "pending" | "failed" | "cancelled" => false,
        _ => before,
    }
}

/// What the ledger has of the item: on hand, and reserved.
fn level(book: Book) -> [i64; 2] {
    match book {
        Book::Nothing => [STOCK, 0],
        Book::Held => [STOCK, UNITS],
        Book::Left => [STOCK - UNITS, 0],
    }
}

/// One order that goes from one state to another.
struct Pair {
    name: String,
    states: [&'static str; 2],
    product: u64,
    order: u64,
}

both!(r17_every_pair_of_states_moves_the_stock_by_the_book, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let web = world.webs[0].shop.clone();
    let mut pairs = Vec::new();
    for from in STATES {
        for to in STATES {
            let name = format!("{from}-{to}").to_uppercase();
            shop.item(&name, STOCK).await;
            let product = web.state().add_product(&name, STOCK, 990);
            pairs.push(Pair { name, states: [from, to], product, order: 0 });
        }
    }
    let channel = std::sync::Arc::clone(&world.webs[0].channel);
    sync::discover(&channel).await.unwrap();
    for pair in &pairs {
        sync::map(&channel, &pair.product.to_string(), &sku(&pair.name)).await.unwrap();
    }
    world.settle().await;
    world.tick();
    for pair in &mut pairs {
        pair.order = web.buy(&[(pair.product, UNITS)]);
        // The shop makes an order in processing; it comes to its first state unseen.
        if pair.states[0] != "processing" {
            web.set_status(pair.order, pair.states[0]);
        }
    }
    world.settle().await;
    let mut wrong = Vec::new();
    for pair in &pairs {
        let reduced = reduces(pair.states[0], true);
        let expected = level(book(pair.states[0], reduced));
        let [on_hand, reserved, ..] = shop.level(&pair.name, "main").await;
        if [on_hand, reserved] != expected {
            wrong.push(format!("{}: {on_hand} {reserved}, not {expected:?}", pair.states[0]));
        }
    }
    world.tick();
    for pair in &pairs {
        web.set_status(pair.order, pair.states[1]);
    }
    // The bin is looked into now and then.
    world.webs[0].lane.look_for_omitted_next();
    world.settle().await;
    for pair in &pairs {
        let [from, to] = pair.states;
        let before = reduces(from, true);
        let expected = level(after(book(from, before), to, reduces(to, before)));
        let [on_hand, reserved, ..] = shop.level(&pair.name, "main").await;
        let shown = web.state().stock_of(pair.product).unwrap();
        // The shop took units off for an order that nobody was ever told of: below.
        let is_unheard_of = pair.states == ["trash", "trash"];
        let is_shown = shown == on_hand - reserved || is_unheard_of;
        if [on_hand, reserved] != expected || !is_shown {
            wrong.push(format!(
                "{from} -> {to}: {on_hand} {reserved} shown {shown}, not {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // That is found by comparing.
    sync::reconcile(&channel, sync::Look::fixing()).await.unwrap();
    world.settle().await;
    let unheard_of = pairs.iter().find(|pair| pair.states == ["trash", "trash"]).unwrap();
    assert_eq!(web.state().stock_of(unheard_of.product), Some(STOCK));
    world.end().await;
});

both!(a_bin_that_cannot_be_read_holds_up_nothing_and_is_told, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let order = web.buy(&[(mug, 3)]);
    world.settle().await;
    web.set_status(order, "trash");
    web.state().faults.hides_bin = true;
    world.webs[0].lane.look_for_omitted_next();
    world.tick();
    web.buy(&[(mug, 1)]);
    world.settle().await;
    assert_eq!(world.available("MUG").await, 6, "orders go on");
    let failure = async || {
        let query = "select coalesce(failure, '') from channel where name = 'web'";
        Raw::open(&shop.opening.place).await.texts(query).await.remove(0)
    };
    assert!(failure().await.contains("not allowed"), "{}", failure().await);
    web.state().faults.hides_bin = false;
    world.forget_pauses();
    world.settle().await;
    assert_eq!((world.available("MUG").await, failure().await), (9, String::new()));
    world.end().await;
});
