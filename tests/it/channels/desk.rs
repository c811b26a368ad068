//! What people do about channels reaches them: rules, mappings, and what is said of it.

use invshop::sync::{self, ListingWish, RuleChange};

use super::world::World;
use crate::both;
use crate::harness::sku;
use crate::raw::Raw;

async fn number(world: &World<'_>, query: &str) -> i64 {
    Raw::open(&world.test.opening.place).await.number(query).await
}

async fn buffer(world: &World<'_>, listing: u64, buffer: RuleChange) {
    let wish = ListingWish { listing: listing.to_string(), buffer, ..ListingWish::default() };
    let plan = sync::plan_listings(&world.webs[0].channel, &[wish]).await.unwrap();
    assert!(plan.problems.is_empty(), "{plan:?}");
    assert_eq!(sync::apply_listings(vec![plan]).await.unwrap(), 1);
}

both!(a_rule_of_a_listing_is_in_the_journal_and_on_the_shop, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    buffer(&world, mug, RuleChange::Set(3)).await;
    let said = "select count(*) from journal where kind = 'listing.rules' and item_id is not null";
    assert_eq!(number(&world, said).await, 1);
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(7), "the follower found the number dirty");
    let explained = sync::explain(&world.webs[0].channel, &sku("MUG")).await.unwrap();
    let one = &explained.numbers[0];
    assert_eq!((one.published, one.known.expected, &one.reason), (7, Some([7, 7]), &None));
    buffer(&world, mug, RuleChange::Clear).await;
    world.settle().await;
    assert_eq!(web.state().stock_of(mug), Some(10));
    // A sale that did not come in is not known; one that did is explained.
    world.tick();
    web.buy(&[(mug, 2)]);
    world.settle().await;
    let explained = sync::explain(&world.webs[0].channel, &sku("MUG")).await.unwrap();
    assert_eq!((explained.numbers[0].published, &explained.numbers[0].reason), (8, &None));
    world.end().await;
});

both!(lines_that_wait_for_a_listing_are_mapped_with_it, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    shop.item("MUG", 10).await;
    let web = world.webs[0].shop.clone();
    // The text of a line says nothing: another item has that SKU.
    shop.item("CUP", 10).await;
    let listing = web.state().add_product("CUP", 10, 990);
    sync::discover(&world.webs[0].channel).await.unwrap();
    world.tick();
    web.buy(&[(listing, 3)]);
    world.settle().await;
    let waiting = "select count(*) from order_line where item_id is null";
    assert_eq!(number(&world, waiting).await, 1);
    assert_eq!((world.available("MUG").await, world.available("CUP").await), (10, 10));
    let lines = sync::map(&world.webs[0].channel, &listing.to_string(), &sku("MUG")).await.unwrap();
    assert_eq!(lines, 1);
    assert_eq!(number(&world, waiting).await, 0);
    assert_eq!((world.available("MUG").await, world.available("CUP").await), (7, 10));
    world.settle().await;
    assert_eq!(web.state().stock_of(listing), Some(7));

    // A line that came in beside the mapping is found by the lane.
    let other = web.state().add_product("LID", 10, 990);
    sync::discover(&world.webs[0].channel).await.unwrap();
    world.tick();
    web.buy(&[(other, 2)]);
    world.settle().await;
    assert_eq!(number(&world, waiting).await, 1);
    let set = "update listing set item_id = (select id from item where sku = 'CUP')
               where sku_text = 'LID'";
    Raw::open(&shop.opening.place).await.execute(set).await;
    world.settle().await;
    assert_eq!((number(&world, waiting).await, world.available("CUP").await), (0, 8));
    world.end().await;
});
