//! Channels to which more numbers become due than are settled.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use invshop::config::ChannelMode;
use invshop::reports;
use invshop::sandbox::woocommerce::Managed;
use invshop::sync::{self, Channel};
use invshop::writer::Command;

use super::world::{World, variable};
use crate::both;
use crate::harness::{TestShop, place, sku};

/// Numbers of the shop: of each a call writes one only, as each is of a product of its own
/// with variations.
const NUMBERS: usize = 20;
/// How long a call takes, milliseconds.
const CALL_MS: u64 = 100_000;
/// What stands as its failure.
const COMPLAINT: &str = "for five minutes and longer more numbers became due than were settled";

fn name(item: usize) -> String {
    format!("SHIRT-{item:02}")
}

async fn stocked(shop: &TestShop) -> World<'_> {
    let mut world = World::new(shop, &["web"]).await;
    let web = world.webs[0].shop.clone();
    let mut ids = Vec::new();
    for item in 0..NUMBERS {
        shop.item(&name(item), 8).await;
        let parent = web.state().add(variable(None, Managed::No, ""));
        ids.push(web.state().add(variable(Some(parent), Managed::Own, &name(item))));
    }
    sync::discover(&world.webs[0].channel).await.unwrap();
    for (item, id) in ids.iter().enumerate() {
        sync::map(&world.webs[0].channel, &id.to_string(), &sku(&name(item))).await.unwrap();
    }
    world.settle().await;
    assert!(web.state().writes.is_empty(), "what is right is not written");
    world
}

/// Sells one of each of some items; their numbers are due then.
async fn sell(world: &World<'_>, items: std::ops::Range<usize>) {
    let names: Vec<String> = items.clone().map(name).collect();
    let lines: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let order = place(&format!("{items:?}"), &lines);
    world.test.run(Command::Place(order)).await.unwrap();
    sync::find_dirty(&world.shop).await.unwrap();
}

/// What is said of the channel: as its failure, as trouble, and to the one who monitors it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    failure: String,
    troubles: Vec<String>,
    behind: i64,
}

async fn said(world: &World<'_>, channel: &Channel) -> Said {
    let failure = channel.status().await.unwrap().failure.unwrap_or_default();
    let troubles = reports::attention(&world.shop.db, world.test.clock_now()).await.unwrap();
    let told = |one: reports::Trouble| format!("{}: {}", one.kind.as_str(), one.detail);
    let troubles = troubles.into_iter().map(told).collect();
    Said { failure, troubles, behind: metric(world, "behind") }
}

/// What is said of a channel that falls behind, or does not.
fn saying(behind: bool) -> Said {
    let failure = if behind { COMPLAINT.to_owned() } else { String::new() };
    let troubles = behind.then(|| format!("channel_fails: {COMPLAINT}")).into_iter().collect();
    Said { failure, troubles, behind: i64::from(behind) }
}

fn metric(world: &World<'_>, name: &str) -> i64 {
    let text = world.shop.counters.text().unwrap();
    let of = format!("invshop_channel_{name}{{channel=\"web\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&of)).map_or(0, |value| value.parse().unwrap())
}

/// Settles all numbers, one call in a hundred seconds; after each so many more become due,
/// until all did that there are. What was said of the channel at each call.
async fn settle_slowly(world: &mut World<'_>, due: usize, more: usize) -> Vec<Said> {
    world.test.clock.advance_millis(CALL_MS);
    sell(world, 0..due).await;
    let (mut sold, mut told) = (due, Vec::new());
    // The lane is out of the world while it is at work.
    let mut web = world.webs.remove(0);
    {
        let mut look = pin!(web.lane.look());
        loop {
            // While the lane is at work the shop does nothing: no call is answered before what
            // was said until then is read and its time has passed.
            let has_called = poll_fn(|context| {
                let shop = web.shop.state();
                if shop.writes.len() > told.len() {
                    return Poll::Ready(true);
                }
                context.waker().wake_by_ref();
                look.as_mut().poll(context).map(|()| false)
            });
            if !has_called.await {
                break;
            }
            if told.len() == 9 {
                // That orders can be read is no news of the numbers.
                web.channel.pull_now().await.unwrap();
            }
            told.push(said(world, &web.channel).await);
            world.test.clock.advance_millis(CALL_MS);
            let next = (sold + more).min(NUMBERS);
            if next > sold {
                sell(world, sold..next).await;
            }
            sold = next;
        }
    }
    world.webs.push(web);
    assert_eq!((told.len(), world.unsettled().await), (NUMBERS, 0), "each once");
    told
}

both!(r32_more_that_becomes_due_than_is_settled_is_told_until_it_is_over, |shop| {
    let mut world = stocked(&shop).await;
    let counted = |world: &World<'_>| (metric(world, "due_total"), metric(world, "settled_total"));
    let before = counted(&world);
    let told = settle_slowly(&mut world, 2, 2).await;
    // A number more waits with each call until all twenty became due, and then one less; the
    // one that waits longest does so for longer than five minutes at the eighth.
    let behind = |call| (7..11).contains(&call);
    assert_eq!(told, (0..NUMBERS).map(|call| saying(behind(call))).collect::<Vec<_>>());
    let channel = world.webs[0].channel.clone();
    assert_eq!(said(&world, &channel).await, saying(false));
    assert_eq!(counted(&world), (before.0 + 20, before.1 + 20));
    world.end().await;
});

both!(r32_many_that_become_due_at_once_are_not_told, |shop| {
    let mut world = stocked(&shop).await;
    let told = settle_slowly(&mut world, NUMBERS, 0).await;
    assert_eq!(told, vec![saying(false); NUMBERS]);
    world.end().await;
});

both!(r32_a_channel_that_is_down_is_said_to_be_down, |shop| {
    let mut world = stocked(&shop).await;
    let channel = world.webs[0].channel.clone();
    world.webs[0].shop.state().faults.is_down = true;
    let mut told = Vec::new();
    for item in 0..6 {
        shop.clock.advance_millis(CALL_MS);
        sell(&world, item..item + 1).await;
        world.forget_pauses();
        world.webs[0].lane.look().await;
        told.push(said(&world, &channel).await);
    }
    let behind: Vec<i64> = told.iter().map(|one| one.behind).collect();
    assert_eq!(behind, [0, 0, 0, 0, 1, 1]);
    for one in &told {
        // Why it falls behind is what somebody has to know.
        assert!(one.failure.contains("503"), "{one:?}");
    }
    world.webs[0].shop.state().faults.is_down = false;
    shop.clock.advance_millis(CALL_MS);
    world.forget_pauses();
    world.webs[0].lane.pull_next();
    world.webs[0].lane.look().await;
    shop.clock.advance_millis(CALL_MS);
    world.webs[0].lane.look().await;
    assert_eq!(said(&world, &channel).await, saying(false));
    world.end().await;
});

both!(r32_a_channel_that_is_paused_does_not_fall_behind, |shop| {
    let mut world = stocked(&shop).await;
    let channel = world.webs[0].channel.clone();
    channel.set_mode(Some(ChannelMode::Paused)).await.unwrap();
    for item in 0..8 {
        shop.clock.advance_millis(CALL_MS);
        sell(&world, item..item + 1).await;
        world.webs[0].lane.look().await;
        assert_eq!(said(&world, &channel).await, saying(false));
    }
    world.end().await;
});
