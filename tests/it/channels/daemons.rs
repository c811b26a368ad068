//! Real daemons serving simulated shops: killed, frozen, and together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use invshop::clock::{Clock as _, SystemClock};
use invshop::connectors::registry::KINDS;
use invshop::domain::AllocationPolicy;
use invshop::reports;
use invshop::sandbox::woocommerce::{Mishaps, Now, Shop as WebShop, caller};
use invshop::sync;
use tokio::task::JoinSet;

use super::world::config;
use crate::both;
use crate::daemon::Daemon;
use crate::harness::{Backend, TestShop, has_postgres, sku};
use crate::raw::Raw;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// A web shop with one item, and the file that connects it.
struct Street {
    web: WebShop,
    mug: u64,
    _serving: JoinSet<()>,
}

impl Street {
    /// Opens it: 50 mugs here and there, mapped, and the configuration beside the shop.
    async fn open(test: &TestShop) -> Self {
        let now: Now = Arc::new(|| SystemClock.now().as_millis());
        let (web, serve) = WebShop::open(now, ("ck_TEST", "cs_TEST")).await.unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve);
        test.item("MUG", 50).await;
        let mug = web.state().add_product("MUG", 50, 990);
        // The clock of the test stands still, and keys are signed with the time.
        let mut opening = test.opening.clone();
        (opening.clock, opening.random) = (Arc::new(SystemClock), test.random());
        let shop = Arc::new(invshop::shop::Shop::open(opening).await.unwrap());
        let channels = sync::open_all(&shop, KINDS, &[config("web", &web.url())]).await.unwrap();
        sync::discover(&channels[0]).await.unwrap();
        sync::map(&channels[0], &mug.to_string(), &sku("MUG")).await.unwrap();
        drop(channels);
        Arc::into_inner(shop).unwrap().close().await;
        let text = format!(
            "[[channel]]\nname = 'web'\nkind = 'woocommerce'\nurl = '{}'\nmode = 'live'\n\
             poll_seconds = 5\nrequests_per_second = 1000\n[channel.credentials]\n\
             consumer_key = 'ck_TEST'\nconsumer_secret = 'cs_TEST'\n",
            web.url()
        );
        std::fs::write(test.dir().join("invshop.toml"), text).unwrap();
        Self { web, mug, _serving: serving }
    }

    /// Waits until the shop shows what the ledger implies, with so many orders in it.
    async fn equal(&self, test: &TestShop, orders: i64) {
        let began = Instant::now();
        let mut raw = Raw::open(&test.opening.place).await;
        loop {
            let item = reports::item(&test.shop.db, &sku("MUG"), AllocationPolicy::Split).await;
            let units = item.unwrap().unwrap().totals.available_to_promise;
            let here = raw.number("select count(*) from orders where source = 'web'").await;
            let dirty = "select count(*) from push where dirty_seq > pushed_seq";
            let dirty = raw.number(dirty).await;
            if here == orders && dirty == 0 && self.web.state().stock_of(self.mug) == Some(units) {
                return;
            }
            let shown = self.web.state().stock_of(self.mug);
            assert!(
                began.elapsed() < PATIENCE,
                "{here} of {orders}, {units} and {shown:?}, {dirty}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

both!(a_daemon_that_is_killed_goes_on_where_it_was, |shop| {
    let street = Street::open(&shop).await;
    let mut orders = 0;
    for round in 0..3 {
        let daemon = Daemon::start(&shop);
        for _ in 0..4 {
            street.web.buy(&[(street.mug, 1)]);
            orders += 1;
            shop.stock(
                "MUG",
                "main",
                invshop::ledger::stock::Change::Adjust(invshop::domain::Delta::new(-1).unwrap()),
            )
            .await
            .unwrap();
            tokio::time::sleep(Duration::from_millis(150 * (round + 1))).await;
        }
        daemon.signal("-KILL");
        assert!(!daemon.wait().success());
    }
    let daemon = Daemon::start(&shop);
    street.equal(&shop, orders).await;
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_channels_of_a_frozen_node_are_taken_over() {
    if !has_postgres() {
        return;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    let street = Street::open(&shop).await;
    let nodes = [Daemon::start(&shop), Daemon::start(&shop)];
    street.web.buy(&[(street.mug, 1)]);
    street.equal(&shop, 1).await;
    let mut raw = Raw::open(&shop.opening.place).await;
    let holder = "select node from lease where name = 'lane web'";
    let holder = raw.texts(holder).await.remove(0);
    let at = nodes.iter().position(|node| holder.contains(&format!("/{}/", node.id()))).unwrap();
    nodes[at].signal("-STOP");
    let began = Instant::now();
    street.web.buy(&[(street.mug, 2)]);
    street.equal(&shop, 2).await;
    let took = began.elapsed();
    let next = raw.texts("select node from lease where name = 'lane web'").await.remove(0);
    assert_ne!(next, holder);
    println!("taken over and equal after {} ms", took.as_millis());
    nodes[at].signal("-CONT");
    street.web.buy(&[(street.mug, 3)]);
    street.equal(&shop, 3).await;
    for node in nodes {
        node.signal("-TERM");
        assert!(node.wait().success());
    }
    shop.end().await;
}

both!(a_daemon_hears_its_webhooks_and_tells_how_it_stands, |shop| {
    let street = Street::open(&shop).await;
    let file = shop.dir().join("invshop.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let slow = text.replace("poll_seconds = 5", "poll_seconds = 86400");
    // Its address is known once it listens: a port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let text =
        format!("[server]\npublic_url = '{url}'\n{slow}[channel.webhook]\nsecret = 'signs'\n");
    std::fs::write(&file, text).unwrap();
    let listen = format!("127.0.0.1:{port}");
    let daemon = Daemon::start_with(&shop, &[("INVSHOP__SERVER__LISTEN", listen.as_str())]);
    // It subscribes by itself, after it has read the orders that are there.
    let began = Instant::now();
    while street.web.hooks() < 7 {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    street.web.deliveries();
    street.web.buy(&[(street.mug, 2)]);
    let http = caller().unwrap();
    street.web.deliver(&http, Mishaps::default(), &mut |_| 99).await;
    street.equal(&shop, 1).await;
    let metrics = http.get(format!("{}/metrics", daemon.base())).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let kept = "invshop_webhook_deliveries_total{channel=\"web\",outcome=\"kept\"}";
    assert!(metrics.contains(kept), "{metrics}");
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
});
