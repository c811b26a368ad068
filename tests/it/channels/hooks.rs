//! Webhooks of a shop: believed when signed, kept before they are answered, and only hints.

use invshop::config::ChannelConfig;
use invshop::connectors::registry::KINDS;
use invshop::domain::AccountName;
use invshop::ledger::catalogue::NewAccount;
use invshop::sandbox::woocommerce::{Managed, Mishaps};
use invshop::sync::{self, Channel};
use invshop::writer::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::world::{World, config, variable};
use crate::acts::refused;
use crate::api::client::Client;
use crate::both;
use crate::harness::{http, sku};
use crate::raw::Raw;

async fn inbox(world: &World<'_>, state: &str) -> i64 {
    let query = format!("select count(*) from inbox where kind = 'delivery' and state = '{state}'");
    Raw::open(&world.test.opening.place).await.number(&query).await
}

both!(a_product_that_carries_its_variations_number_is_looked_at, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    world.serve_hooks().await;
    shop.item("SHIRT", 8).await;
    let web = world.webs[0].shop.clone();
    let parent = web.state().add(variable(None, Managed::Own, "SHIRT"));
    let red = web.state().add(variable(Some(parent), Managed::Parent, "SHIRT-RED"));
    let channel = world.webs[0].channel.clone();
    sync::discover(&channel).await.unwrap();
    sync::map(&channel, &red.to_string(), &sku("SHIRT")).await.unwrap();
    world.settle().await;
    web.deliveries();
    world.tick();
    // The shop tells of the product, which is no listing, and not of its variation.
    web.type_stock(parent, 3);
    web.deliver(&client(), Mishaps::default(), &mut |_| 99).await;
    world.settle().await;
    assert_eq!(web.state().stock_of(red), Some(8));
    world.end().await;
});

fn client() -> reqwest::Client {
    http().build().unwrap()
}

both!(a_webhook_brings_an_order_at_once, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let base = world.serve_hooks().await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    web.deliveries();
    world.tick();
    web.buy(&[(mug, 2)]);
    let http = client();
    // The same several times at once is one thing that waits.
    let mishaps = Mishaps { repeated: 4, ..Mishaps::default() };
    assert!(web.deliver(&http, mishaps, &mut |_| 99).await >= 10);
    assert!(inbox(&world, "pending").await <= 3, "{}", inbox(&world, "pending").await);
    world.webs[0].lane.step().await.unwrap();
    assert_eq!((world.available("MUG").await, inbox(&world, "pending").await), (8, 0));
    assert_eq!(Raw::open(&shop.opening.place).await.number("select count(*) from orders").await, 1);

    // Nobody else is believed, and nothing of it is kept.
    let done = inbox(&world, "done").await;
    let url = format!("{base}/webhooks/web");
    let forged = http.post(&url).header("x-wc-webhook-topic", "order.updated");
    let forged = forged.header("x-wc-webhook-signature", "bm9ib2R5").body("{\"id\":1}");
    assert_eq!(forged.send().await.unwrap().status(), 401);
    let unsigned = http.post(&url).header("x-wc-webhook-topic", "order.updated").body("{\"id\":1}");
    assert_eq!(unsigned.send().await.unwrap().status(), 401);
    let ping = http.post(&url).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(ping.body("webhook_id=6").send().await.unwrap().status(), 200);
    let nobody = http.post(format!("{base}/webhooks/nobody")).body("x").send().await.unwrap();
    assert_eq!(nobody.status(), 404);
    let long = http.post(&url).body(vec![b'x'; 2 * 1024 * 1024]).send().await.unwrap();
    assert_eq!(long.status(), 413);
    assert_eq!((inbox(&world, "pending").await, inbox(&world, "done").await), (0, done));
    let metrics = world.shop.counters.text().unwrap();
    let forged = "invshop_webhook_deliveries_total{channel=\"web\",outcome=\"forged\"} 2";
    assert!(metrics.contains(forged), "{metrics}");
    world.end().await;
});

both!(a_shop_that_is_switched_off_has_lost_no_order, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    world.serve_hooks().await;
    let mug = world.item("MUG", 10).await[0];
    let web = world.webs[0].shop.clone();
    web.deliveries();
    world.tick();
    let order = web.buy(&[(mug, 2)]);
    world.settle().await;
    assert_eq!(world.available("MUG").await, 8);
    web.set_status(order, "on-hold");
    web.state().faults.is_off = true;
    assert!(web.deliver(&client(), Mishaps::default(), &mut |_| 99).await > 0);
    world.webs[0].lane.step().await.unwrap_err();
    assert_eq!(world.available("MUG").await, 8, "what cannot be asked for is not gone");
    web.state().faults.is_off = false;
    shop.clock.advance_millis(60_000);
    world.settle().await;
    assert_eq!((world.available("MUG").await, inbox(&world, "pending").await), (8, 0));
    world.end().await;
});

both!(a_delivery_that_cannot_be_read_is_kept_and_shown, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let base = world.serve_hooks().await;
    let body = "{\"id\":\"no number\"}";
    let signature = sign(body);
    let sent = client()
        .post(format!("{base}/webhooks/web"))
        .header("x-wc-webhook-topic", "order.updated")
        .header("x-wc-webhook-signature", signature)
        .body(body);
    assert_eq!(sent.send().await.unwrap().status(), 200);
    world.webs[0].lane.step().await.unwrap();
    assert_eq!(inbox(&world, "dead").await, 1);
    let reason = "select reason from inbox where state = 'dead'";
    let reason = Raw::open(&shop.opening.place).await.texts(reason).await.remove(0);
    assert!(reason.starts_with("id: "), "{reason}");
    // What it holds is not to be read in the database.
    let sealed = Raw::open(&shop.opening.place).await.texts("select dedupe_key from inbox").await;
    assert!(sealed.iter().all(|key| !key.contains("no number")), "{sealed:?}");
    world.end().await;
});

fn sign(body: &str) -> String {
    use base64::Engine as _;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac =
        Hmac::<sha2::Sha256>::new_from_slice(super::world::HOOK_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

both!(channels_are_asked_about_over_http, |shop| {
    let mut world = World::new(&shop, &["outlet"]).await;
    let mug = world.item("MUG", 10).await[0];
    let base = world.serve_api().await;
    let key = crate::daemon::key(&shop).await;
    let storefront = Client::new(&base, &key);
    assert_eq!(storefront.get("/v1/channels").await.status, 403, "it is not for storefronts");
    let key = invshop::secret::ApiKey::generate(shop.random().as_ref());
    let office = NewAccount {
        name: AccountName::new("office").unwrap(),
        role: "operator",
        key: Some((key.prefix().to_owned(), key.hash())),
    };
    shop.run(Command::CreateAccount(office)).await.unwrap();
    let office = Client::new(&base, key.expose());
    let listed = office.get("/v1/channels").await.body;
    assert_eq!(
        (&listed["data"][0]["name"], &listed["data"][0]["mode"]),
        (&"outlet".into(), &"live".into())
    );
    let explained = office.get("/v1/inventory/MUG/explain?channel=outlet").await.body;
    assert_eq!((&explained["channel"], &explained["mode"]), (&"outlet".into(), &"live".into()));
    assert!(explained["numbers"][0]["terms"].is_array(), "{explained}");
    assert_eq!(office.get("/v1/inventory/NO/explain?channel=outlet").await.status, 404);
    shop.item("LID", 1).await;
    let unsold = office.get("/v1/inventory/LID/explain?channel=outlet").await;
    assert_eq!((unsold.status, unsold.code()), (404, "not_sold"));
    assert_eq!(office.get("/v1/inventory/MUG/explain?channel=no").await.status, 422);
    let ready = office.get("/readyz").await.body;
    let lane = serde_json::json!({
        "channel": "outlet", "mode": "live", "failing": false, "blind": false,
    });
    assert_eq!(ready["lanes"], serde_json::json!([lane]));
    let paused = office.post("/v1/channels/outlet/pause", &serde_json::json!({})).await;
    assert_eq!((paused.status, &paused.body["mode"]), (200, &"paused".into()));
    // Who did it, from where, and with which request.
    let said = "select a.name || ' ' || j.data from journal as j
                join account as a on a.id = j.account_id where j.kind = 'channel.paused'";
    let said = Raw::open(&shop.opening.place).await.texts(said).await.concat();
    let (who, data) = said.split_once(' ').unwrap();
    let request = paused.headers["x-request-id"].to_str().unwrap();
    let expected = serde_json::json!({
        "channel": "outlet", "mode": "paused", "address": "127.0.0.1", "request_id": request,
    });
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!((who, data), ("office", expected));
    world.tick();
    world.webs[0].shop.buy(&[(mug, 3)]);
    assert_eq!(
        office.post("/v1/channels/outlet/pull", &serde_json::json!({})).await.body["inbox_pending"],
        1
    );
    shop.run(Command::Place(crate::harness::place("A", &[("MUG", 1)]))).await.unwrap();
    world.settle().await;
    assert_eq!(
        world.webs[0].shop.state().stock_of(mug),
        Some(7),
        "nothing is told while it is paused"
    );
    assert_eq!(world.available("MUG").await, 6, "and its orders come in");
    let resumed = office.post("/v1/channels/outlet/resume", &serde_json::json!({})).await;
    assert_eq!(resumed.body["mode"], "live");
    assert_eq!(office.post("/v1/channels/outlet/push", &serde_json::json!({})).await.status, 200);
    world.settle().await;
    assert_eq!(world.webs[0].shop.state().stock_of(mug), Some(6));
    world.webs[0].shop.state().faults.is_off = true;
    let failed = office.post("/v1/channels/outlet/pull", &serde_json::json!({})).await;
    assert_eq!((failed.status, failed.code()), (502, "channel_failed"));
    world.webs[0].shop.state().faults.is_off = false;
    let none = office.post("/v1/channels/none/push", &serde_json::json!({})).await;
    assert_eq!((none.status, none.code()), (404, "unknown_channel"));
    assert_eq!(office.post("/v1/channels/outlet/dance", &serde_json::json!({})).await.status, 404);
    world.end().await;
});

// Orders of both would be one another's: the key holder would have the shop's customers.
both!(a_channel_and_a_key_holder_have_no_name_in_common, |shop| {
    let world = World::new(&shop, &["web"]).await;
    let account = |name: &str| NewAccount {
        name: AccountName::new(name).unwrap(),
        role: "storefront",
        key: None,
    };
    let taken = refused(shop.run(Command::CreateAccount(account("web"))).await);
    assert_eq!(taken.to_string(), "the channel 'web' exists already");
    shop.run(Command::CreateAccount(account("front"))).await.unwrap();
    let web = &world.webs[0];
    for name in ["front", "cli"] {
        let config = ChannelConfig { name: name.to_owned(), ..config(name, &web.shop.url()) };
        let connector = sync::connectors(&world.shop, KINDS, std::slice::from_ref(&config));
        let connector = connector.unwrap().remove(0);
        let refused = Channel::open(&world.shop, config, connector).await.unwrap_err().to_string();
        assert!(refused.contains("is a key holder's"), "{refused}");
    }
    world.end().await;
});

both!(nobody_without_a_name_here_sends_a_body, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let base = world.serve_hooks().await;
    let address = base.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /webhooks/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
    world.end().await;
});
