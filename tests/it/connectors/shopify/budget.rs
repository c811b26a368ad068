//! The first look at a large shop of the smallest plan: how long it takes, and what it costs.
//!
//! The time is tokio's, paused and moved by hand: the shop's bucket fills by it, and the
//! connector waits by it. Calls are real ones on loopback, and time moves only while nobody
//! has anything to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use invshop::clock::Timestamp;
use invshop::connectors::Window;
use invshop::sandbox::shopify::{Financial, ShopifyShop};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::opened;
use super::twin::{APP, NOW, TOKEN, read_to_the_end};

const VARIANTS: usize = 100_000;
const ORDERS: usize = 1_000;
/// The smallest plan (shopify.dev, "API limits").
const POINTS_MAX: u128 = 2_000;
const POINTS_PER_SECOND: u128 = 100;
/// How far time moves at once, and how often everybody may go on before.
const STEP: Duration = Duration::from_millis(500);
const TURNS: usize = 30;

/// Moves the time while a shop is asked nothing.
async fn pass_time(shop: &ShopifyShop) {
    let asked = || shop.state().requests.values().sum::<u64>();
    loop {
        let before = asked();
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        if asked() == before {
            tokio::time::advance(STEP).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_look_at_100_000_variants_stays_within_the_smallest_bucket() {
    let began = Instant::now();
    let now = move || NOW + i64::try_from(began.elapsed().as_millis()).unwrap();
    let (shop, serve) = ShopifyShop::open(Arc::new(now), APP).await.unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(serve);
    shop.set_token(TOKEN);
    {
        let mut state = shop.state();
        let main = state.add_location("Main");
        for number in 0..VARIANTS {
            state.add_variant(&format!("SKU-{number}"), &[(main, 5)], 990);
        }
        let first = *state.variants.keys().next().unwrap();
        let item = state.variants[&first].item;
        state.type_stock(item, main, 1_000_000);
        for _ in 0..ORDERS {
            state.buy(&[(first, main, 1)], Financial::Paid).unwrap();
        }
    }
    let connector = opened(&shop.url(), &[("access_token", TOKEN)]).unwrap();
    let (catalog, reads) = (connector.catalog().unwrap(), connector.stock_read().unwrap());
    let orders = connector.orders().unwrap();
    let at = |millis: i64| Timestamp::from_millis(millis).unwrap();
    let window = Window { from: at(NOW - 60_000), until: at(NOW + 60_000) };
    let look = async {
        let page = |cursor: Option<_>| async move { catalog.listings(cursor.as_ref()).await };
        let (listings, _) = read_to_the_end!(page);
        let page = |cursor: Option<_>| async move { reads.read_all(cursor.as_ref()).await };
        let (numbers, _) = read_to_the_end!(page);
        let page = |cursor: Option<_>| async move { orders.changed(window, cursor.as_ref()).await };
        let (named, _) = read_to_the_end!(page);
        (listings.len(), numbers.len(), named.len())
    };
    let found = tokio::select! {
        found = look => found,
        () = pass_time(&shop) => unreachable!("it never ends"),
    };
    assert_eq!(found, (VARIANTS, VARIANTS, ORDERS));
    let state = shop.state();
    let (spent, took) = (u128::try_from(state.spent).unwrap(), began.elapsed().as_millis());
    assert_eq!(state.throttled, 0, "none was one too many");
    // Seven points for each variant, six for each number, one for each name, and two a page.
    let pages = VARIANTS.div_ceil(110) as u64;
    let expected = [("inventoryItems", pages), ("orders", 10), ("productVariants", pages)];
    let expected = expected.map(|(name, pages)| (format!("query {name}"), pages));
    assert_eq!(state.requests, BTreeMap::from(expected));
    assert_eq!(spent, 13 * VARIANTS as u128 + ORDERS as u128 + 2 * (2 * u128::from(pages) + 10));
    assert!(spent <= POINTS_MAX + took * POINTS_PER_SECOND / 1000, "{spent} points in {took} ms");
    // It waits for nothing else than points.
    assert!(took * POINTS_PER_SECOND / 1000 < spent * 11 / 10, "{spent} points in {took} ms");
}
