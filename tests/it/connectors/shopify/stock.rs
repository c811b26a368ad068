//! Listings and numbers.

use invshop::clock::Timestamp;
use invshop::connectors::{ErrorKind, Holder, StockOutcome, StockTarget, Urgency};
use invshop::domain::{Quantity, RemoteQuantity, Seq};
use invshop::sandbox::shopify::{Bucket, State};

use super::opened;
use super::twin::{APP, World, at, read_to_the_end};

fn target(holder: &Holder, quantity: i64, expected: Option<i64>) -> StockTarget {
    StockTarget {
        holder: holder.clone(),
        quantity: Quantity::new(quantity).unwrap(),
        expected,
        known_until: Timestamp::from_millis(0).unwrap(),
        basis_seq: Seq::new(1),
        key: format!("1:{}:{quantity}", holder.id),
    }
}

fn known(number: i64) -> RemoteQuantity {
    RemoteQuantity::Known(number)
}

impl World {
    async fn write(&self, targets: &[StockTarget]) -> Vec<StockOutcome> {
        let writes = self.connector.stock_write().unwrap();
        writes.write(targets, Urgency::Ordinary).await.unwrap()
    }

    async fn read(&self, holders: &[Holder]) -> Vec<Option<RemoteQuantity>> {
        let reads = self.connector.stock_read().unwrap();
        let levels = reads.read(holders, Urgency::Ordinary).await.unwrap();
        levels.into_iter().map(|level| level.quantity).collect()
    }
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_replaced_when_it_ends() {
    let world = World::new().await;
    let keys = [("client_id", APP.0), ("client_secret", APP.1)];
    let connector = opened(&world.shop.url(), &keys).unwrap();
    let catalog = connector.catalog().unwrap();
    catalog.listings(None).await.unwrap();
    catalog.listings(None).await.unwrap();
    let tokens = |state: &State| state.tokens.len();
    assert_eq!(tokens(&world.shop.state()), 2, "the fixed one, and one");
    world.shop.state().tokens.clear();
    catalog.listings(None).await.unwrap();
    assert_eq!(tokens(&world.shop.state()), 1);
    let wrong = opened(&world.shop.url(), &[("client_id", APP.0), ("client_secret", "x")]).unwrap();
    let error = wrong.catalog().unwrap().listings(None).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unauthorized(_)), "{error}");
    let fixed = opened(&world.shop.url(), &[("access_token", "old")]).unwrap();
    let error = fixed.probe().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unauthorized(_)), "{error}");
    assert!(!error.to_string().contains("old"), "{error}");
}

#[tokio::test]
async fn listings_and_numbers_come_page_by_page_for_every_location() {
    let world = World::new().await;
    let locations: Vec<u64> =
        (0..12).map(|number| world.shop.state().add_location(&format!("Store {number}"))).collect();
    // Its clock stands still, and so does its bucket.
    world.shop.state().bucket = Bucket::new(1_000_000, 1_000);
    for number in 0..150 {
        world.stocked(&format!("SKU-{number}"), locations[0], number);
    }
    let everywhere: Vec<(u64, i64)> = locations.iter().map(|&location| (location, 3)).collect();
    let wide = world.shop.state().add_variant("WIDE", &everywhere, 990);
    let catalog = world.connector.catalog().unwrap();
    let page = |cursor: Option<_>| async move { catalog.listings(cursor.as_ref()).await };
    let (listings, pages) = read_to_the_end!(page);
    assert_eq!((listings.len(), pages), (151, 2));
    let found = listings.iter().find(|one| one.sku_text == "WIDE").unwrap();
    assert_eq!(found.holders.len(), 12, "more levels than a page has");
    assert_eq!(found.id.as_str(), wide.to_string());
    let reads = world.connector.stock_read().unwrap();
    let page = |cursor: Option<_>| async move { reads.read_all(cursor.as_ref()).await };
    let (levels, _) = read_to_the_end!(page);
    assert_eq!(levels.len(), 150 + 12);
    let apart = |state: &State| state.requests["query inventoryItem"];
    assert_eq!(apart(&world.shop.state()), 2, "the further levels of one");
    // Where many have more, a page has fewer items with more levels each.
    for number in 0..9 {
        world.shop.state().add_variant(&format!("WIDE-{number}"), &everywhere, 990);
    }
    let page = |cursor: Option<_>| async move { reads.read_all(cursor.as_ref()).await };
    let (levels, _) = read_to_the_end!(page);
    assert_eq!(levels.len(), 150 + 10 * 12);
    let page = |cursor: Option<_>| async move { catalog.listings(cursor.as_ref()).await };
    let (listings, _) = read_to_the_end!(page);
    let wide = listings.iter().filter(|one| one.holders.len() == 12).count();
    assert_eq!((listings.len(), wide), (160, 10));
    assert_eq!(apart(&world.shop.state()), 2, "none is asked for apart any more");
    world.is_sound();
}

#[tokio::test]
async fn a_list_that_would_break_off_is_read_in_slices() {
    let world = World::new().await;
    let location = world.shop.state().add_location("Main");
    {
        let mut state = world.shop.state();
        state.keeps_exchanges = false;
        state.bucket = Bucket::new(1_000_000_000, 1_000_000);
        for number in 0..25_100 {
            state.add_variant(&format!("SKU-{number}"), &[(location, 1)], 990);
        }
    }
    let reads = world.connector.stock_read().unwrap();
    let page = |cursor: Option<_>| async move { reads.read_all(cursor.as_ref()).await };
    let (levels, _) = read_to_the_end!(page);
    let ids: std::collections::HashSet<_> = levels.iter().map(|one| one.holder.clone()).collect();
    assert_eq!((levels.len(), ids.len()), (25_100, 25_100));
}

#[tokio::test]
async fn what_is_not_stocked_or_not_counted_has_no_number() {
    let world = World::new().await;
    let (main, other) = {
        let mut state = world.shop.state();
        (state.add_location("Main"), state.add_location("Other"))
    };
    let (mug, here) = world.stocked("MUG", main, 5);
    let (lamp, lamp_here) = world.stocked("LAMP", main, 2);
    let there = at(&world.shop.state(), mug, other);
    let item = world.shop.state().variants[&lamp].item;
    world.shop.state().items.get_mut(&item).unwrap().is_tracked = false;
    let numbers = world.read(&[there.clone(), here, lamp_here]).await;
    assert_eq!(numbers, [None, Some(known(5)), Some(RemoteQuantity::Untracked)]);
    let refused = world.write(&[target(&there, 4, Some(0))]).await;
    assert!(
        matches!(&refused[0], StockOutcome::Refused { code, .. } if code == "INVALID_LOCATION")
    );
    let unsaid = world.write(&[target(&there, 4, None)]).await;
    assert!(matches!(&unsaid[0], StockOutcome::Refused { code, .. } if code == "nothing_expected"));
    world.is_sound();
}

#[tokio::test]
async fn a_sale_is_never_written_over() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, holder) = world.stocked("MUG", main, 5);
    let (_, other) = world.stocked("LAMP", main, 9);
    world.shop.state().sell_before_write = vec![(mug, main, 1)];
    let outcomes = world.write(&[target(&other, 8, Some(9)), target(&holder, 3, Some(5))]).await;
    // A change is done whole or not at all: the other is written without the stale one.
    let stale = StockOutcome::Stale { current: None };
    assert_eq!(outcomes, [StockOutcome::Stored(known(8)), stale.clone()]);
    let both = [holder.clone(), other.clone()];
    assert_eq!(world.read(&both).await, [Some(known(4)), Some(known(8))]);
    // The same again after the failure has another name, and is not taken for a repetition.
    assert_eq!(world.write(&[target(&holder, 3, Some(5))]).await, [stale]);
    let outcomes = world.write(&[target(&other, 7, Some(8)), target(&holder, 2, Some(4))]).await;
    assert_eq!(outcomes, [StockOutcome::Stored(known(7)), StockOutcome::Stored(known(2))]);
    assert!(world.shop.state().writes.iter().all(|write| write.expected == Some(write.before)));
    world.is_sound();
}

#[tokio::test]
async fn what_was_written_once_is_written_again_when_it_is_right_again() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, holder) = world.stocked("MUG", main, 10);
    let targets = [target(&holder, 9, Some(10))];
    assert_eq!(world.write(&targets).await, [StockOutcome::Stored(known(9))]);
    let item = world.shop.state().variants[&mug].item;
    world.shop.state().type_stock(item, main, 10);
    assert_eq!(world.write(&targets).await, [StockOutcome::Stored(known(9))]);
    assert_eq!(world.read(&[holder]).await, [Some(known(9))], "no answer of the past");
    world.is_sound();
}

#[tokio::test]
async fn a_write_without_an_answer_is_not_done_twice() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (_, holder) = world.stocked("MUG", main, 5);
    let writes = world.connector.stock_write().unwrap();
    world.shop.state().faults.lose_replies = 1;
    let targets = [target(&holder, 3, Some(5))];
    let lost = writes.write(&targets, Urgency::Urgent).await.unwrap_err();
    assert!(lost.is_unknown(), "{lost}");
    assert_eq!(world.read(std::slice::from_ref(&holder)).await, [Some(known(3))]);
    assert_eq!(world.write(&targets).await, [StockOutcome::Stored(known(3))], "a repetition");
    assert_eq!(world.shop.state().writes.len(), 1);
    world.shop.state().faults.concurrent = 1;
    let targets = [target(&holder, 2, Some(3))];
    let busy = writes.write(&targets, Urgency::Urgent).await.unwrap_err();
    assert!(busy.is_unknown(), "{busy}");
    assert_eq!(world.write(&targets).await, [StockOutcome::Stored(known(2))]);
    world.is_sound();
}

#[tokio::test]
async fn r66_two_hundred_and_fifty_numbers_are_one_read_and_one_write() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let holders: Vec<Holder> =
        (0..250).map(|number| world.stocked(&format!("SKU-{number}"), main, 5).1).collect();
    let numbers = world.read(&holders).await;
    assert!(numbers.iter().all(|number| *number == Some(known(5))));
    let targets: Vec<_> = holders.iter().map(|holder| target(holder, 4, Some(5))).collect();
    let outcomes = world.write(&targets).await;
    assert!(outcomes.iter().all(|outcome| *outcome == StockOutcome::Stored(known(4))));
    assert_eq!(world.shop.state().requests.values().sum::<u64>(), 2);
    world.is_sound();
}

#[tokio::test]
async fn what_the_shop_says_of_its_points_is_heeded() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    world.stocked("MUG", main, 5);
    let catalog = world.connector.catalog().unwrap();
    world.shop.state().faults.too_many = 1;
    let refused = catalog.listings(None).await.unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::RateLimited), "{refused}");
    let other = opened(&world.shop.url(), &[("access_token", super::twin::TOKEN)]).unwrap();
    let catalog = other.catalog().unwrap();
    // What was taken too many is given back: twenty calls of 700 points fit into 2 000.
    for _ in 0..20 {
        catalog.listings(None).await.unwrap();
    }
    world.is_sound();
}
