//! What a channel limits by the day, and numbers whose changes nobody tells of.

use invshop::domain::Quantity;
use invshop::ledger::stock::Change;
use invshop::sync;

use super::world::World;
use crate::both;
use crate::harness::sku;
use crate::raw::Raw;

const MINUTE_MS: u64 = 60 * 1000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// Changes of one number that the marketplace takes in a day.
const TAKEN: usize = 250;

fn receive(units: i64) -> Change {
    Change::Receive(Quantity::new(units).unwrap())
}

both!(r70_a_thousand_changes_are_few_writes_and_the_last_is_right, |shop| {
    let mut world = World::new(&shop, &[]).await;
    world.stall("market", &[("north", "main")]).await;
    shop.item("MUG", 10).await;
    let mug = world.offer("MUG", &[("north", 10)]).await;
    let market = world.stalls[0].shop.clone();
    market.state().daily_max = Some(TAKEN);
    // All of it on one day.
    let today = u64::try_from(shop.clock_now().as_millis()).unwrap() % DAY_MS;
    shop.clock.advance_millis(DAY_MS - today);
    for _ in 0..1_000 {
        shop.stock("MUG", "main", receive(1)).await.unwrap();
        shop.clock.advance_millis(MINUTE_MS);
        sync::find_dirty(&world.shop).await.unwrap();
        world.stalls[0].lane.look().await;
    }
    let writes = market.state().writes.len();
    assert!((TAKEN / 2..TAKEN * 9 / 10 + 1).contains(&writes), "{writes}");
    assert!(market.state().stock_of(mug, "north").unwrap() > 900, "they are spread over the day");
    // Sold out goes at once, whatever the day has left.
    let rest = shop.level("MUG", "main").await[0];
    shop.stock("MUG", "main", Change::WriteOff(Quantity::new(rest).unwrap())).await.unwrap();
    sync::find_dirty(&world.shop).await.unwrap();
    world.stalls[0].lane.look().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(0));
    // And what came after is there in the end.
    shop.stock("MUG", "main", receive(7)).await.unwrap();
    shop.clock.advance_millis(DAY_MS);
    world.settle().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(7));
    assert_eq!((market.state().over_daily, world.unsettled().await), (0, 0));
    world.end().await;
});

both!(what_waits_for_the_day_is_explained, |shop| {
    let mut world = World::new(&shop, &[]).await;
    world.stall("market", &[("north", "main")]).await;
    shop.item("MUG", 10).await;
    let mug = world.offer("MUG", &[("north", 10)]).await;
    let market = world.stalls[0].shop.clone();
    let today = u64::try_from(shop.clock_now().as_millis()).unwrap() / DAY_MS;
    let used = format!("update push set writes = 225, written_on = {today}");
    Raw::open(&shop.opening.place).await.execute(&used).await;
    shop.stock("MUG", "main", receive(1)).await.unwrap();
    world.settle().await;
    assert_eq!(market.state().stock_of(mug, "north"), Some(10));
    let told = sync::explain(&world.stalls[0].channel, &sku("MUG")).await.unwrap();
    let reason = told.numbers[0].reason.clone().unwrap();
    assert!(reason.contains("225 were made"), "{reason}");
    assert!(told.numbers[0].known.seen_at.is_some());
    world.end().await;
});

both!(r43_what_nobody_tells_of_is_looked_at_in_turn, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    // One more than are looked at together.
    let mut products = Vec::new();
    for number in 0..101 {
        products.push(world.item(&format!("MUG-{number:03}"), 100).await[0]);
    }
    let low = world.item("LOW", 3).await[0];
    world.settle().await;
    let web = world.webs[0].shop.clone();
    // Plugins write past everything that would tell of it.
    for product in products.iter().chain([&low]) {
        web.state().products.get_mut(product).unwrap().stock += 5;
    }
    world.webs[0].lane.sweep_next();
    world.settle().await;
    let wrong = |world: &World<'_>| {
        let shown = |product: &u64| world.webs[0].shop.state().stock_of(*product);
        products.iter().filter(|product| shown(product) != Some(100)).count()
    };
    assert_eq!(web.state().stock_of(low), Some(3), "what is nearly sold out comes first");
    assert!((40..60).contains(&wrong(&world)), "{}", wrong(&world));
    for _ in 0..2 {
        shop.clock.advance_millis(MINUTE_MS);
        world.webs[0].lane.sweep_next();
        world.settle().await;
    }
    assert_eq!((wrong(&world), world.unsettled().await), (0, 0));
    let status = world.webs[0].channel.status().await.unwrap();
    assert!(status.seen_since.is_some());
    world.end().await;
});
