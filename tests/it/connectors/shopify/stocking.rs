//! What is stocked at a location, and what is from now on.

use invshop::connectors::{Countable, Holder, Keeping};
use invshop::domain::RemoteId;
use invshop::sandbox::shopify::Bucket;

use super::twin::{World, at, read_to_the_end};

impl World {
    async fn countable(&self, location: u64) -> (Vec<Countable>, usize) {
        let place = RemoteId::of_numbers(&[location]);
        let (stocking, place) = (self.connector.stocking().unwrap(), &place);
        let page =
            |cursor: Option<_>| async move { stocking.countable(place, cursor.as_ref()).await };
        read_to_the_end!(page)
    }

    async fn keep(&self, holders: &[Holder]) -> Vec<Keeping> {
        self.connector.stocking().unwrap().keep(holders).await.unwrap()
    }

    fn asked(&self, field: &str) -> u64 {
        self.shop.state().requests.get(field).copied().unwrap_or_default()
    }
}

const ACTIVATE: &str = "mutation inventoryActivate";

#[tokio::test]
async fn what_is_counted_is_listed_as_it_stands_at_a_location() {
    let world = World::new().await;
    world.shop.state().bucket = Bucket::new(1_000_000_000, 1_000_000);
    let [main, other] = ["Main", "Other"].map(|name| world.shop.state().add_location(name));
    let (mug, here) = world.stocked("MUG", main, 5);
    let there = at(&world.shop.state(), mug, other);
    let (untracked, _) = world.stocked("BAG", main, 5);
    let item = world.shop.state().variants[&untracked].item;
    world.shop.state().track(item, false);
    for number in 0..299 {
        world.stocked(&format!("SKU-{number}"), other, 1);
    }
    let (all, pages) = world.countable(other).await;
    assert_eq!((all.len(), pages), (300, 2), "what is not tracked has no number anywhere");
    let found = all.iter().find(|one| one.sku_text == "MUG").unwrap();
    assert_eq!((&found.holder, &found.order_keys), (&there, &vec![there.id.clone()]));
    assert_eq!((found.id.as_str(), found.is_kept), (mug.to_string().as_str(), false));
    assert_eq!(all.iter().filter(|one| one.is_kept).count(), 299);
    let (all, _) = world.countable(main).await;
    let found: Vec<_> = all.iter().filter(|one| one.is_kept).map(|one| &one.holder).collect();
    assert_eq!(found, [&here]);
    // A level that is inactive is as none.
    world.shop.state().deactivate(item_of(&here), main);
    let (all, _) = world.countable(main).await;
    assert!(all.iter().all(|one| !one.is_kept));
    world.is_sound();
}

fn item_of(holder: &Holder) -> u64 {
    holder.id.as_str().parse().unwrap()
}

#[tokio::test]
async fn an_item_begins_with_nothing_and_an_active_one_is_not_touched() {
    let world = World::new().await;
    let [main, other] = ["Main", "Other"].map(|name| world.shop.state().add_location(name));
    let (mug, here) = world.stocked("MUG", main, 5);
    let there = at(&world.shop.state(), mug, other);
    let gone = Holder { id: RemoteId::of_numbers(&[7]), location: there.location.clone() };
    let nowhere = Holder { location: None, ..there.clone() };
    let outcomes = world.keep(&[here, there.clone(), gone, nowhere]).await;
    let refused = |detail: &str| Keeping::Refused { detail: detail.to_owned() };
    let expected = [
        Keeping::Already,
        Keeping::Begun,
        refused("The inventory item couldn't be found."),
        refused("it names no location"),
    ];
    assert_eq!(outcomes, expected);
    let stock = |location| world.shop.state().stock_of(mug, location);
    assert_eq!((stock(main), stock(other)), (Some(5), Some(0)));
    assert_eq!(world.asked(ACTIVATE), 2, "nothing is asked for what is active");
    world.shop.state().type_stock(item_of(&there), other, 8);
    assert_eq!(world.keep(std::slice::from_ref(&there)).await, [Keeping::Already]);
    assert_eq!(stock(other), Some(8));
    // Again after somebody ended it: the answer of the past is not taken for this one's.
    world.shop.state().deactivate(item_of(&there), other);
    assert_eq!(world.keep(std::slice::from_ref(&there)).await, [Keeping::Begun]);
    assert_eq!(stock(other), Some(0));
    world.is_sound();
}

#[tokio::test]
async fn a_call_without_an_answer_is_made_again_and_does_nothing_twice() {
    let world = World::new().await;
    let [main, other] = ["Main", "Other"].map(|name| world.shop.state().add_location(name));
    let (mug, _) = world.stocked("MUG", main, 5);
    let there = [at(&world.shop.state(), mug, other)];
    let stocking = world.connector.stocking().unwrap();
    world.shop.state().faults.lose_replies = 1;
    let lost = stocking.keep(&there).await.unwrap_err();
    assert!(lost.is_unknown(), "{lost}");
    assert_eq!(world.keep(&there).await, [Keeping::Already]);
    world.shop.state().deactivate(item_of(&there[0]), other);
    world.shop.state().faults.fail_writes = 1;
    stocking.keep(&there).await.unwrap_err();
    assert_eq!(world.shop.state().stock_of(mug, other), None);
    world.is_sound();
}
