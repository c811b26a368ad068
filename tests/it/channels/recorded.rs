//! The deliveries of a live shop, as they were received: posted to the address they would
//! be posted to, with the simulated shop showing what the live one showed.

use std::collections::BTreeMap;

use invshop::clock::Timestamp;
use invshop::config::WebhookConfig;
use invshop::sandbox::woocommerce::{OrderLine, ShopState};
use invshop::sync;

use super::recording::{Delivery, HOOK_SECRET, Recording, forget, modified, put, seconds};
use super::world::{World, secret};
use crate::both;
use crate::dice::Dice;
use crate::harness::{TestShop, http, sku};
use crate::raw::Raw;

/// Before the first delivery, with all products there.
const BEFORE: &str = "2026-11-22T17:40:00";
/// Listings that count their stock, and the item of each: two colours of the hoodie have
/// one number, so they are one item here.
const MAPPED: [(u64, &str); 6] =
    [(11, "MUG"), (15, "STR"), (17, "TS-S"), (18, "TS-M"), (21, "HD"), (22, "HD")];

/// The shop as it was before the first delivery, in the ledger and in the simulation.
async fn before<'s>(test: &'s TestShop, recording: &Recording) -> World<'s> {
    test.clock.set(Timestamp::parse(&format!("{BEFORE}Z")).unwrap());
    let mut world = World::with(test, &["web"], |mut config| {
        config.webhook = Some(WebhookConfig { secret: secret(HOOK_SECRET), previous: None });
        config
    })
    .await;
    let web = &world.webs[0];
    recording.fill(&mut web.shop.state(), seconds(BEFORE));
    sync::discover(&web.channel).await.unwrap();
    for (listing, name) in MAPPED {
        let units = web.shop.state().stock_of(listing).unwrap();
        if listing != 22 {
            test.item(name, units).await;
        }
        sync::map(&web.channel, &listing.to_string(), &sku(name)).await.unwrap();
    }
    world.settle().await;
    world
}

/// Posts a delivery as it was received, with some of it changed; the status of the answer.
async fn post(
    url: &str,
    delivery: &Delivery,
    change: impl FnOnce(&mut BTreeMap<String, String>, &mut Vec<u8>),
) -> u16 {
    const OF_THE_CONNECTION: [&str; 4] =
        ["host", "connection", "content-length", "accept-encoding"];
    let mut headers: BTreeMap<_, _> = delivery.headers.iter().cloned().collect();
    headers.retain(|name, _| !OF_THE_CONNECTION.contains(&name.as_str()));
    let mut body = delivery.body.clone();
    change(&mut headers, &mut body);
    let mut request = http().build().unwrap().post(url).body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status().as_u16()
}

/// What the ledger should say of each order, from what the shop shows: where it stands,
/// and the units of each of its lines that left or will leave.
fn expected(state: &ShopState) -> Vec<String> {
    let mut all = Vec::new();
    for (id, order) in &state.orders {
        // Of one all units were taken off by hand: it has no line.
        if order.lines.is_empty() {
            assert_eq!(*id, 30);
            continue;
        }
        let status = match order.status.as_str() {
            "processing" | "on-hold" => "open",
            // What promises nothing and was never here is not recorded.
            "pending" | "failed" | "cancelled" | "trash" => continue,
            other => panic!("order {id}: {other}"),
        };
        let mut lines: Vec<String> = order.lines.iter().map(units).collect();
        lines.sort_unstable();
        all.push(format!("{id} {status} {}", lines.join(" ")));
    }
    all.sort_unstable();
    all
}

/// The item of a line and its units that left or will leave.
fn units(line: &OrderLine) -> String {
    let (_, name) = MAPPED.iter().find(|(listing, _)| *listing == line.product).unwrap();
    format!("{name} {}", line.quantity - line.restocked)
}

/// The same as the ledger has it.
async fn recorded(world: &World<'_>) -> Vec<String> {
    let mut raw = Raw::open(&world.test.opening.place).await;
    let mut all = raw.texts("select external_id || ' ' || status from orders").await;
    for order in &mut all {
        let (id, status) = order.split_once(' ').unwrap();
        // What is owed depends on what came first.
        let status = if status == "backordered" { "open" } else { status };
        let lines = format!(
            "select i.sku || ' ' || (l.ordered - l.cancelled)
             from order_line l join orders o on o.id = l.order_id
             join item i on i.id = l.item_id
             where o.external_id = '{id}'"
        );
        let mut lines = raw.texts(&lines).await;
        lines.sort_unstable();
        *order = format!("{id} {status} {}", lines.join(" "));
    }
    all.sort_unstable();
    all
}

/// At rest every order is there once as the shop shows it, every unit of it is held or
/// owed, nothing waits and nothing is dead, and the shop shows what may be sold.
async fn is_at_rest(world: &World<'_>) {
    let mut raw = Raw::open(&world.test.opening.place).await;
    let dead = "select coalesce(reason, '') from inbox where state = 'dead'";
    assert_eq!(raw.texts(dead).await, Vec::<String>::new(), "dead");
    assert_eq!(raw.number("select count(*) from inbox where state = 'pending'").await, 0);
    let web = world.webs[0].shop.clone();
    let expected = expected(&web.state());
    assert_eq!(expected.len(), 26, "orders that were paid: {expected:?}");
    assert_eq!(recorded(world).await, expected);
    let mut units: BTreeMap<&str, i64> = BTreeMap::new();
    for order in web.state().orders.values().filter(|order| order.status == "processing") {
        for line in &order.lines {
            let (_, name) = MAPPED.iter().find(|(listing, _)| *listing == line.product).unwrap();
            *units.entry(name).or_default() += line.quantity - line.restocked;
        }
    }
    for (listing, name) in MAPPED {
        let open = format!(
            "select cast(coalesce(sum(held + shortfall), 0) as bigint) from order_line
             where item_id = (select id from item where sku = '{name}')"
        );
        assert_eq!(raw.number(&open).await, units.get(name).copied().unwrap_or(0), "{name}");
        let shown = web.state().stock_of(listing);
        assert_eq!(shown, Some(world.available(name).await), "{name}: {:?}", world.numbers().await);
    }
    assert_eq!(world.unsettled().await, 0, "{:?}", world.numbers().await);
}

both!(recorded_deliveries_in_their_order_leave_what_the_shop_shows, |shop| {
    if let Some(recording) = Recording::read() {
        let mut world = before(&shop, &recording).await;
        let url = format!("{}/webhooks/web", world.serve_hooks().await);
        let web = world.webs[0].shop.clone();
        // The shop is at each delivery as the delivery shows it: its numbers move by
        // themselves, are typed, and lie behind what was written to them.
        for (index, delivery) in recording.deliveries.iter().enumerate() {
            let document = delivery.document();
            if let Some(at) = modified(&document) {
                let at = Timestamp::from_millis(at * 1000).unwrap();
                shop.clock.set(shop.clock_now().max(at));
            }
            put(&mut web.state(), &document);
            forget(&mut web.state(), delivery);
            assert_eq!(post(&url, delivery, |_, _| {}).await, 200, "{}", delivery.name);
            if index % 7 == 0 {
                sync::find_dirty(&world.shop).await.unwrap();
                world.webs[0].lane.step().await.unwrap();
            }
        }
        world.settle().await;
        is_at_rest(&world).await;
        world.end().await;
    }
});

both!(recorded_deliveries_shuffled_and_doubled_leave_what_the_shop_shows, |shop| {
    if let Some(recording) = Recording::read() {
        let mut world = before(&shop, &recording).await;
        let url = format!("{}/webhooks/web", world.serve_hooks().await);
        recording.fill(&mut world.webs[0].shop.state(), i64::MAX);
        let last = recording.exchange("orders-list-after-checkout");
        let orders = world.webs[0].shop.state().orders.clone();
        let listed = orders.values().filter(|order| order.status != "trash").count();
        assert_eq!(listed.to_string(), last.headers["x-wp-total"], "all that there was");
        shop.clock.set(Timestamp::parse("2026-11-22T17:50:00Z").unwrap());
        let mut twice: Vec<_> = recording.deliveries.iter().chain(&recording.deliveries).collect();
        let mut dice = Dice::new(11);
        for last in (1..twice.len()).rev() {
            twice.swap(last, dice.below(last + 1));
        }
        for (index, delivery) in twice.iter().enumerate() {
            assert_eq!(post(&url, delivery, |_, _| {}).await, 200, "{}", delivery.name);
            if index % 23 == 0 {
                world.webs[0].lane.step().await.unwrap();
            }
        }
        // By the deliveries alone, before the shop is asked for what changed.
        world.webs[0].lane.step().await.unwrap();
        assert_eq!(recorded(&world).await, expected(&world.webs[0].shop.state()));
        world.settle().await;
        is_at_rest(&world).await;
        world.end().await;
    }
});

both!(recorded_deliveries_that_were_tampered_with_are_refused, |shop| {
    if let Some(recording) = Recording::read() {
        let mut world = World::with(&shop, &["web", "other"], |mut config| {
            let text = if config.name == "web" { HOOK_SECRET } else { "another secret" };
            config.webhook = Some(WebhookConfig { secret: secret(text), previous: None });
            config
        })
        .await;
        let base = world.serve_hooks().await;
        let (url, other) = (format!("{base}/webhooks/web"), format!("{base}/webhooks/other"));
        let mut dice = Dice::new(12);
        for delivery in recording.deliveries.iter().filter(|delivery| !delivery.is_ping()) {
            let at = dice.below(delivery.body.len());
            let name = &delivery.name;
            let status = post(&url, delivery, |_, body| body[at] ^= 1).await;
            assert_eq!(status, 401, "{name}: byte {at}");
            let status = post(&url, delivery, |_, body| _ = body.pop()).await;
            assert_eq!(status, 401, "{name}: cut");
            let status = post(&url, delivery, |headers, _| {
                headers.remove("x-wc-webhook-signature").unwrap();
            });
            assert_eq!(status.await, 401, "{name}: unsigned");
            assert_eq!(post(&other, delivery, |_, _| {}).await, 401, "{name}: another's secret");
        }
        let kept = "select count(*) from inbox";
        assert_eq!(Raw::open(&shop.opening.place).await.number(kept).await, 0);
        world.end().await;
    }
});
