//! A test's shop with simulated shops of every kind connected to it, each with its lane.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use invshop::api::{Api, Manner, serve};
use invshop::clock::Clock as _;
use invshop::config::{ChannelConfig, ChannelMode, RulesConfig, WebhookConfig};
use invshop::connectors::registry::KINDS;
use invshop::domain::AllocationPolicy;
use invshop::reports;
use invshop::sandbox::bazaar::Bazaar;
use invshop::sandbox::shopify::{Bucket, ShopifyShop};
use invshop::sandbox::woocommerce::{Managed, Now, Product, Shop as WebShop};
use invshop::secret::Secret;
use invshop::shop::Shop;
use invshop::sync::{self, Channel, Lane};
use invshop::webhooks;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::harness::{TestShop, sku};
use crate::raw::Raw;

/// What a shop signs its webhooks with: with everything that is hard to quote.
pub(super) const HOOK_SECRET: &str = "it's a \"secret\" & <more>";

/// A secret as the configuration would give it.
pub(super) fn secret(text: &str) -> Secret {
    Secret::resolve(text, &|_| None, std::path::Path::new("")).unwrap()
}

/// A shop with web shops.
pub(super) struct World<'s> {
    pub(super) test: &'s TestShop,
    pub(super) shop: Arc<Shop>,
    pub(super) webs: Vec<Web>,
    pub(super) stalls: Vec<Stall>,
    pub(super) outlets: Vec<Outlet>,
    serving: JoinSet<()>,
}

/// A web shop and the lane that serves it.
pub(super) struct Web {
    pub(super) shop: WebShop,
    pub(super) channel: Arc<Channel>,
    pub(super) lane: Lane,
}

/// A marketplace and the lane that serves it.
pub(super) struct Stall {
    pub(super) shop: Bazaar,
    pub(super) channel: Arc<Channel>,
    pub(super) lane: Lane,
}

/// A Shopify shop and the lane that serves it.
pub(super) struct Outlet {
    pub(super) shop: ShopifyShop,
    /// Its locations, in the order of what feeds them.
    pub(super) places: Vec<u64>,
    pub(super) channel: Arc<Channel>,
    pub(super) lane: Lane,
}

/// Places of a marketplace, and the one location that feeds each.
pub(super) type Places<'p> = &'p [(&'p str, &'p str)];

/// How a marketplace is configured.
pub(super) fn stall_config(name: &str, url: &str, places: Places<'_>) -> ChannelConfig {
    let fed = |(place, code): &(&str, &str)| ((*place).to_owned(), vec![(*code).to_owned()]);
    ChannelConfig {
        kind: "bazaar".to_owned(),
        places: places.iter().map(fed).collect(),
        credentials: BTreeMap::from([("token".to_owned(), secret("token-TEST"))]),
        ..config(name, url)
    }
}

/// How a Shopify shop is configured whose locations are fed by these.
pub(super) fn outlet_config(name: &str, url: &str, fed: &[(u64, &[&str])]) -> ChannelConfig {
    let codes = |codes: &[&str]| codes.iter().map(|&code| code.to_owned()).collect();
    let webhook = Some(WebhookConfig { secret: secret("app-secret"), previous: None });
    ChannelConfig {
        kind: "shopify".to_owned(),
        places: fed.iter().map(|&(place, feeds)| (place.to_string(), codes(feeds))).collect(),
        credentials: BTreeMap::from([("access_token".to_owned(), secret("token-TEST"))]),
        webhook,
        ..config(name, url)
    }
}

/// How a channel is configured.
pub(super) fn config(name: &str, url: &str) -> ChannelConfig {
    let credentials = BTreeMap::from([
        ("consumer_key".to_owned(), secret("ck_TEST")),
        ("consumer_secret".to_owned(), secret("cs_TEST")),
    ]);
    ChannelConfig {
        name: name.to_owned(),
        kind: "woocommerce".to_owned(),
        url: Some(url.to_owned()),
        mode: ChannelMode::Live,
        locations: None,
        places: BTreeMap::new(),
        poll_seconds: 3600,
        stale_after_seconds: 1800,
        requests_per_second: Some(10_000),
        credentials,
        webhook: Some(WebhookConfig { secret: secret(HOOK_SECRET), previous: None }),
        rules: RulesConfig::default(),
    }
}

impl<'s> World<'s> {
    /// Web shops of these names, their time the test's.
    pub(super) async fn new(test: &'s TestShop, names: &[&str]) -> Self {
        Self::with(test, names, |config| config).await
    }

    /// The same with changes to how they are configured.
    pub(super) async fn with(
        test: &'s TestShop,
        names: &[&str],
        change: impl Fn(ChannelConfig) -> ChannelConfig,
    ) -> Self {
        let shop = Arc::new(test.another().await);
        let (mut serving, mut webs) = (JoinSet::new(), Vec::new());
        for name in names {
            let clock = test.clock.clone();
            let now: Now = Arc::new(move || clock.now().as_millis());
            let (web, serve) = WebShop::open(now, ("ck_TEST", "cs_TEST")).await.unwrap();
            serving.spawn(serve);
            let config = change(config(name, &web.url()));
            webs.push(Self::connect(&shop, config, web).await);
        }
        Self { test, shop, webs, stalls: Vec::new(), outlets: Vec::new(), serving }
    }

    async fn connect(shop: &Arc<Shop>, config: ChannelConfig, web: WebShop) -> Web {
        let (channel, lane) = Self::lane(shop, config).await;
        Web { shop: web, channel, lane }
    }

    /// The lane of a channel as it is configured.
    pub(super) async fn lane(shop: &Arc<Shop>, config: ChannelConfig) -> (Arc<Channel>, Lane) {
        let configs = [config.clone()];
        let connector = sync::connectors(shop, KINDS, &configs).unwrap().remove(0);
        let channel = Arc::new(Channel::open(shop, config, connector).await.unwrap());
        let lane = Lane::new(Arc::clone(&channel), "node".to_owned(), None);
        (channel, lane)
    }

    /// Connects a marketplace with places that are fed by one location each, and with
    /// one more that none feeds.
    pub(super) async fn stall(&mut self, name: &str, places: Places<'_>) -> Bazaar {
        let clock = self.test.clock.clone();
        let now: Now = Arc::new(move || clock.now().as_millis());
        let mut ids: Vec<&str> = places.iter().map(|(place, _)| *place).collect();
        ids.push("unfed");
        let (bazaar, serve) = Bazaar::open(now, "token-TEST", &ids).await.unwrap();
        self.serving.spawn(serve);
        let config = stall_config(name, &bazaar.url(), places);
        let (channel, lane) = Self::lane(&self.shop, config).await;
        self.stalls.push(Stall { shop: bazaar.clone(), channel, lane });
        bazaar
    }

    /// Connects a Shopify shop with a location for each of these, fed by the ledger's of
    /// these names. Its points are no matter: its time is the test's, in which little passes.
    pub(super) async fn outlet(&mut self, name: &str, feeds: &[&[&str]]) -> ShopifyShop {
        let clock = self.test.clock.clone();
        let now: Now = Arc::new(move || clock.now().as_millis());
        let (shop, serve) = ShopifyShop::open(now, ("app", "app-secret")).await.unwrap();
        self.serving.spawn(serve);
        shop.set_token("token-TEST");
        shop.state().bucket = Bucket::new(1_000_000_000, 1_000_000);
        let named = feeds.iter().map(|feeds| feeds.join(" and "));
        let places: Vec<u64> = named.map(|name| shop.state().add_location(&name)).collect();
        let fed: Vec<_> = places.iter().copied().zip(feeds.iter().copied()).collect();
        let config = outlet_config(name, &shop.url(), &fed);
        let (channel, lane) = Self::lane(&self.shop, config).await;
        self.outlets.push(Outlet { shop: shop.clone(), places, channel, lane });
        shop
    }

    /// Sells an item that there is in the first Shopify shop, with units at each of its
    /// locations, mapped; the variant. Nothing is settled yet.
    pub(super) async fn add_variant(&mut self, name: &str, units: &[i64]) -> u64 {
        let Outlet { shop, places, channel, .. } = &self.outlets[0];
        let stock: Vec<_> = places.iter().copied().zip(units.iter().copied()).collect();
        let variant = shop.state().add_variant(name, &stock, 990);
        sync::discover(channel).await.unwrap();
        for place in places {
            sync::map(channel, &format!("{variant}@{place}"), &sku(name)).await.unwrap();
        }
        variant
    }

    /// Offers an item that there is in the first marketplace, with units at its places,
    /// mapped; its id there.
    pub(super) async fn offer(&mut self, name: &str, stock: &[(&str, i64)]) -> u64 {
        let id = self.add_offer(name, stock).await;
        self.settle().await;
        id
    }

    /// The same, not settled yet.
    pub(super) async fn add_offer(&mut self, name: &str, stock: &[(&str, i64)]) -> u64 {
        let stall = &self.stalls[0];
        let id = stall.shop.state().add_offer(name, stock, 990);
        sync::discover(&stall.channel).await.unwrap();
        for (place, _) in stock {
            let listing = format!("offer-{id}@{place}");
            sync::map(&stall.channel, &listing, &sku(name)).await.unwrap();
        }
        id
    }

    /// An item with the same stock in the ledger and in every web shop, mapped; its ids
    /// there.
    pub(super) async fn item(&mut self, name: &str, units: i64) -> Vec<u64> {
        let ids = self.add_item(name, units).await;
        self.settle().await;
        ids
    }

    /// The same, not settled yet.
    pub(super) async fn add_item(&mut self, name: &str, units: i64) -> Vec<u64> {
        self.test.item(name, units).await;
        let mut ids = Vec::new();
        for web in &self.webs {
            let id = web.shop.state().add_product(name, units, 990);
            sync::discover(&web.channel).await.unwrap();
            sync::map(&web.channel, &id.to_string(), &sku(name)).await.unwrap();
            ids.push(id);
        }
        ids
    }

    /// Whatever a lane waits for is tried with its next step.
    pub(super) fn forget_pauses(&mut self) {
        let webs = self.webs.iter_mut().map(|web| &mut web.lane);
        let stalls = self.stalls.iter_mut().map(|stall| &mut stall.lane);
        let outlets = self.outlets.iter_mut().map(|outlet| &mut outlet.lane);
        for lane in webs.chain(stalls).chain(outlets) {
            lane.forget_pauses();
        }
    }

    /// Lets a second pass: times of shops are whole seconds.
    pub(super) fn tick(&self) {
        self.test.clock.advance_millis(1000);
    }

    /// One step of a lane, with its orders read.
    pub(super) async fn step(&mut self, web: usize) {
        sync::find_dirty(&self.shop).await.unwrap();
        sync::find_push_backs(&self.shop).await.unwrap();
        let lane = &mut self.webs[web].lane;
        lane.pull_next();
        lane.step().await.unwrap();
    }

    /// The same of a marketplace's lane.
    pub(super) async fn step_stall(&mut self, stall: usize) {
        sync::find_dirty(&self.shop).await.unwrap();
        let lane = &mut self.stalls[stall].lane;
        lane.pull_next();
        lane.step().await.unwrap();
    }

    /// The same of a Shopify shop's lane.
    pub(super) async fn step_outlet(&mut self, outlet: usize) {
        sync::find_dirty(&self.shop).await.unwrap();
        let lane = &mut self.outlets[outlet].lane;
        lane.pull_next();
        lane.step().await.unwrap();
    }

    /// Steps of all lanes until nothing is left to do.
    pub(super) async fn settle(&mut self) {
        for _ in 0..3 {
            for web in 0..self.webs.len() {
                self.tick();
                self.step(web).await;
            }
            for stall in 0..self.stalls.len() {
                self.tick();
                self.step_stall(stall).await;
            }
            for outlet in 0..self.outlets.len() {
                self.tick();
                self.step_outlet(outlet).await;
            }
        }
    }

    /// What a request may have of an item.
    pub(super) async fn available(&self, name: &str) -> i64 {
        let item = reports::item(&self.shop.db, &sku(name), AllocationPolicy::Split).await;
        item.unwrap().unwrap().totals.available_to_promise
    }

    /// All channels.
    pub(super) fn channels(&self) -> impl Iterator<Item = &Arc<Channel>> {
        let webs = self.webs.iter().map(|web| &web.channel);
        let all = webs.chain(self.stalls.iter().map(|stall| &stall.channel));
        all.chain(self.outlets.iter().map(|outlet| &outlet.channel))
    }

    /// Numbers that are dirty or have a problem.
    pub(super) async fn unsettled(&self) -> i64 {
        let query = "select count(*) from push
                     where dirty_seq > pushed_seq or remote_changed > 0 or problem is not null";
        Raw::open(&self.test.opening.place).await.number(query).await
    }

    /// Numbers that nothing explained.
    pub(super) async fn drifts(&self) -> i64 {
        let query = "select count(*) from journal where kind = 'channel.drift'";
        Raw::open(&self.test.opening.place).await.number(query).await
    }

    /// What is known of the numbers, to be read by whoever looks for a failure.
    pub(super) async fn numbers(&self) -> Vec<String> {
        let query = "select channel_id || ' ' || holder || '@' || place || ': ' || dirty_seq || '/' || pushed_seq
              || ' base ' || coalesce(baseline, -1) || ' flow ' || taken || ',' || given
              || ' from ' || taken_from || ',' || given_from || ' until '
              || coalesce(taken_until, -1) || ',' || coalesce(given_until, -1)
              || ' sending ' || coalesce(sending, -1) || ' retry ' || retry_at
              || ' changed ' || remote_changed || ' ' || coalesce(problem, '')
            from push order by channel_id, holder";
        Raw::open(&self.test.opening.place).await.texts(query).await
    }

    /// Serves the API with all channels; its address.
    pub(super) async fn serve_api(&mut self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let channels = self.webs.iter().map(|web| Arc::clone(&web.channel)).collect();
        let api = Api::new(Arc::clone(&self.shop), AllocationPolicy::Split);
        let router = api.with_channels(channels).router();
        // As the daemon serves it: who asks has an address.
        let manner = Manner::plain(Duration::ZERO);
        self.serving.spawn(serve(listener, router, manner, CancellationToken::new()));
        base
    }

    /// Serves the webhooks of all channels; the address they are told.
    pub(super) async fn serve_hooks(&mut self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let channels: Vec<_> = self.channels().map(Arc::clone).collect();
        let router: axum::Router = webhooks::router(&channels, Some(&base)).into();
        self.serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        for web in &mut self.webs {
            web.lane = Lane::new(Arc::clone(&web.channel), "node".to_owned(), Some(&base));
        }
        for stall in &mut self.stalls {
            stall.lane = Lane::new(Arc::clone(&stall.channel), "node".to_owned(), Some(&base));
        }
        for outlet in &mut self.outlets {
            outlet.lane = Lane::new(Arc::clone(&outlet.channel), "node".to_owned(), Some(&base));
        }
        base
    }

    /// Ends; no invariant was broken.
    pub(super) async fn end(mut self) {
        self.serving.shutdown().await;
        self.webs.clear();
        self.stalls.clear();
        self.outlets.clear();
        assert_eq!(self.shop.counters.invariant_violations.get(), 0, "broken invariants");
        match Arc::try_unwrap(self.shop) {
            Ok(shop) => shop.close().await,
            // A connection that serves webhooks ends when its client does.
            Err(shared) => shared.db.close().await,
        }
    }
}

/// A product with variations, or one of them, that shows eight.
pub(super) fn variable(parent: Option<u64>, managed: Managed, name: &str) -> Product {
    Product {
        name: name.to_owned(),
        sku: name.to_owned(),
        parent,
        is_variable: parent.is_none(),
        managed,
        stock: 8,
        price: 1500,
        modified: 0,
    }
}
