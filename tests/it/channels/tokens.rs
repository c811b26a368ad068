//! Tokens of channels: asked for once for all who use a channel, kept sealed, and never an
//! older one in the place of a newer.

use std::path::Path;
use std::sync::Arc;

use invshop::backup::{self, Restoring, Watch};
use invshop::clock::Clock as _;
use invshop::config::ChannelConfig;
use invshop::connectors::registry::KINDS;
use invshop::connectors::{MemoryTokens, Token, TokenStore};
use invshop::sandbox::shopify::ShopifyShop;
use invshop::shop::Shop;
use invshop::sync::{self, Channel, SyncError};
use tokio::task::JoinSet;

use super::world::{config, secret};
use crate::both;
use crate::harness::TestShop;
use crate::raw::Raw;
use crate::store::secrecy::{contains, everything};

const APP: (&str, &str) = ("app-TEST", "hush-hush-TEST");
const HOUR_MS: u64 = 60 * 60 * 1000;

/// A shop that gives tokens of a day to its one app.
struct Lamps {
    web: ShopifyShop,
    serving: JoinSet<()>,
}

impl Lamps {
    async fn open(test: &TestShop) -> Self {
        let clock = test.clock.clone();
        let now = Arc::new(move || clock.now().as_millis());
        let (web, serve) = ShopifyShop::open(now, APP).await.unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve);
        Self { web, serving }
    }

    fn config(&self) -> ChannelConfig {
        self.config_with(APP)
    }

    fn config_with(&self, (id, hush): (&str, &str)) -> ChannelConfig {
        let credentials = [("client_id", id), ("client_secret", hush)]
            .map(|(name, text)| (name.to_owned(), secret(text)));
        ChannelConfig {
            kind: "shopify".to_owned(),
            credentials: credentials.into(),
            ..config("lamps", &self.web.url())
        }
    }

    /// How often somebody asked for a token.
    fn asked(&self) -> u64 {
        let state = self.web.state();
        state.requests.get("POST /admin/oauth/access_token").copied().unwrap_or_default()
    }

    /// The tokens that are believed.
    fn given(&self) -> Vec<String> {
        self.web.state().tokens.keys().cloned().collect()
    }
}

/// One process that has the channel open.
struct Node {
    shop: Arc<Shop>,
    channels: Vec<Arc<Channel>>,
}

impl Node {
    async fn open(test: &TestShop, configs: &[ChannelConfig]) -> Self {
        let shop = Arc::new(test.another().await);
        let channels = sync::open_all(&shop, KINDS, configs).await.unwrap();
        Self { shop, channels }
    }

    /// Asks the channel something.
    async fn ask(&self) -> Result<(), SyncError> {
        self.channels[0].check().await.map(drop)
    }

    async fn end(self) {
        drop(self.channels);
        Arc::into_inner(self.shop).unwrap().close().await;
    }
}

async fn kept(test: &TestShop) -> i64 {
    Raw::open(&test.opening.place).await.number("select count(*) from channel_token").await
}

both!(a_token_is_kept_over_a_restart_and_replaced_before_it_ends, |shop| {
    let lamps = Lamps::open(&shop).await;
    for _ in 0..2 {
        let node = Node::open(&shop, &[lamps.config()]).await;
        node.ask().await.unwrap();
        node.ask().await.unwrap();
        node.end().await;
    }
    assert_eq!(lamps.asked(), 1);
    let node = Node::open(&shop, &[lamps.config()]).await;
    // Six minutes before it ends, and then four.
    for (wait, asked) in [(24 * HOUR_MS - 361_000, 1), (120_000, 2)] {
        shop.clock.advance_millis(wait);
        node.ask().await.unwrap();
        assert_eq!(lamps.asked(), asked);
    }
    let other = Node::open(&shop, &[lamps.config()]).await;
    other.ask().await.unwrap();
    assert_eq!(lamps.asked(), 2);
    other.end().await;
    node.end().await;
});

both!(a_token_stands_sealed_and_the_credentials_nowhere, |shop| {
    let lamps = Lamps::open(&shop).await;
    let node = Node::open(&shop, &[lamps.config()]).await;
    node.ask().await.unwrap();
    node.end().await;
    assert_eq!(kept(&shop).await, 1);
    let all = everything(&shop).await;
    assert!(contains(&all, "lamps"), "what is there is found");
    let [token] = <[String; 1]>::try_from(lamps.given()).unwrap();
    for secret in [token.as_str(), APP.0, APP.1] {
        assert!(!contains(&all, secret), "{secret} stands in plain");
    }
});

both!(what_other_credentials_were_given_is_not_used, |shop| {
    let lamps = Lamps::open(&shop).await;
    let node = Node::open(&shop, &[lamps.config()]).await;
    node.ask().await.unwrap();
    node.end().await;
    // A secret that the shop does not know: what is kept would still be believed.
    let other = Node::open(&shop, &[lamps.config_with((APP.0, "another"))]).await;
    assert_eq!(kept(&shop).await, 0, "forgotten with the credentials");
    other.ask().await.unwrap_err();
    assert_eq!(lamps.asked(), 2);
    other.end().await;
    // The same client at another address.
    let moved = Lamps::open(&shop).await;
    let [first, second] = [&lamps, &moved].map(Lamps::config);
    for (config, asked) in [(&first, (3, 0)), (&second, (3, 1)), (&first, (4, 1))] {
        let node = Node::open(&shop, std::slice::from_ref(config)).await;
        node.ask().await.unwrap();
        assert_eq!((lamps.asked(), moved.asked()), asked);
        node.end().await;
    }
    assert_eq!(kept(&shop).await, 1);
    Node::open(&shop, &[]).await.end().await;
    assert_eq!(kept(&shop).await, 0, "forgotten with the channel");
});

both!(what_is_kept_for_others_is_not_used_by_who_has_the_channel_open, |shop| {
    let lamps = Lamps::open(&shop).await;
    let node = Node::open(&shop, &[lamps.config()]).await;
    // Somebody who has other credentials, and opened the channel later.
    let other = sync::tokens(&shop.shop, &lamps.config_with(("other", "other")));
    other.keep(token("of another", &shop, 0)).await;
    node.ask().await.unwrap();
    node.ask().await.unwrap();
    assert_eq!(lamps.asked(), 1);
    node.end().await;
});

both!(two_who_use_a_channel_share_a_token, |shop| {
    let lamps = Lamps::open(&shop).await;
    let configs = [lamps.config()];
    let (one, two) = (Node::open(&shop, &configs).await, Node::open(&shop, &configs).await);
    one.ask().await.unwrap();
    two.ask().await.unwrap();
    assert_eq!(lamps.asked(), 1);
    // The shop takes it back: whoever notices first asks, and the other finds what it got.
    for round in 2..6 {
        lamps.web.state().tokens.clear();
        one.ask().await.unwrap();
        two.ask().await.unwrap();
        one.ask().await.unwrap();
        assert_eq!(lamps.asked(), round);
    }
    // Both at once: each once at most, and nobody again after that.
    lamps.web.state().tokens.clear();
    let (first, second) = tokio::join!(one.ask(), two.ask());
    first.unwrap();
    second.unwrap();
    let asked = lamps.asked();
    assert!((6..=7).contains(&asked), "{asked}");
    let third = Node::open(&shop, &configs).await;
    for node in [&one, &two, &third] {
        node.ask().await.unwrap();
    }
    assert_eq!(lamps.asked(), asked);
    for node in [one, two, third] {
        node.end().await;
    }
});

fn token(text: &str, test: &TestShop, later_ms: i64) -> Token {
    let asked_at = test.clock_now().plus_millis(later_ms).unwrap();
    let ends_at = asked_at.plus_millis(24 * 60 * 60 * 1000).unwrap();
    Token { secret: secret(text), asked_at, ends_at }
}

/// Whatever keeps tokens keeps the newest.
async fn keeps_the_newest(test: &TestShop, [one, two]: [&dyn TokenStore; 2]) {
    let text = |token: Token| token.secret.expose().to_owned();
    assert!(one.find().await.is_none());
    assert_eq!(text(one.keep(token("second", test, 2)).await), "second");
    // Who asked before and hears of it later, and who asked at the same moment.
    assert_eq!(text(two.keep(token("first", test, 1)).await), "second");
    assert_eq!(text(two.keep(token("beside", test, 2)).await), "second");
    assert_eq!(text(two.find().await.unwrap()), "second");
    assert_eq!(text(two.keep(token("third", test, 3)).await), "third");
    let found = one.find().await.unwrap();
    let third = token("third", test, 3);
    assert_eq!((found.asked_at, found.ends_at), (third.asked_at, third.ends_at));
    assert_eq!(text(found), "third");
}

both!(an_older_token_never_takes_the_place_of_a_newer, |shop| {
    let lamps = Lamps::open(&shop).await;
    let configs = [lamps.config()];
    let (here, there) = (Node::open(&shop, &configs).await, Node::open(&shop, &configs).await);
    let stores = [&here, &there].map(|node| sync::tokens(&node.shop, &configs[0]));
    keeps_the_newest(&shop, [stores[0].as_ref(), stores[1].as_ref()]).await;
    let memory = MemoryTokens::default();
    keeps_the_newest(&shop, [&memory, &memory]).await;
    here.end().await;
    there.end().await;
});

// A node whose clock is ahead asked for it: it is refused, and replaced all the same.
both!(a_refused_token_of_the_future_is_replaced, |shop| {
    let lamps = Lamps::open(&shop).await;
    let configs = [lamps.config()];
    let (one, two) = (Node::open(&shop, &configs).await, Node::open(&shop, &configs).await);
    let store = sync::tokens(&shop.shop, &configs[0]);
    store.keep(token("believed no more", &shop, 600_000)).await;
    one.ask().await.unwrap();
    two.ask().await.unwrap();
    assert_eq!(lamps.asked(), 1);
    one.end().await;
    two.end().await;
});

both!(without_its_table_a_channel_works_on_with_the_token_it_knows, |shop| {
    let mut lamps = Lamps::open(&shop).await;
    let node = Node::open(&shop, &[lamps.config()]).await;
    Raw::open(&shop.opening.place).await.execute("drop table channel_token").await;
    for _ in 0..3 {
        node.ask().await.unwrap();
    }
    assert_eq!(lamps.asked(), 1);
    lamps.web.state().tokens.clear();
    node.ask().await.unwrap();
    node.ask().await.unwrap();
    assert_eq!(lamps.asked(), 2);
    node.end().await;
    lamps.serving.shutdown().await;
});

// What is damaged, or belongs to another channel, opens for nobody.
both!(what_cannot_be_opened_is_asked_for_anew, |shop| {
    let lamps = Lamps::open(&shop).await;
    let other = ChannelConfig { name: "lights".to_owned(), ..lamps.config() };
    let configs = [lamps.config(), other];
    let node = Node::open(&shop, &configs).await;
    node.ask().await.unwrap();
    node.channels[1].check().await.unwrap();
    node.end().await;
    assert_eq!((lamps.asked(), kept(&shop).await), (2, 2));
    let swap = "update channel_token set sealed = (
        select o.sealed from channel_token as o where o.channel_id <> channel_token.channel_id)
        where channel_id = (select min(channel_id) from channel_token)";
    Raw::open(&shop.opening.place).await.execute(swap).await;
    shop.clock.advance_millis(1);
    for _ in 0..2 {
        let node = Node::open(&shop, &configs).await;
        node.ask().await.unwrap();
        node.channels[1].check().await.unwrap();
        node.end().await;
        assert_eq!(lamps.asked(), 3);
    }
});

both!(a_backup_has_no_token_and_a_restore_leaves_none, |shop| {
    let lamps = Lamps::open(&shop).await;
    let node = Node::open(&shop, &[lamps.config()]).await;
    node.ask().await.unwrap();
    node.end().await;
    assert_eq!(kept(&shop).await, 1);
    let (file, now) = (shop.dir().join("shop.backup"), shop.clock_now());
    let stop = std::sync::atomic::AtomicBool::new(false);
    let watch = || Watch { rows: &|_, _| (), stop: &stop };
    backup::write(&shop.shop.db, Path::new(&file), (now, false), watch()).await.unwrap();
    let restoring = Restoring {
        file: &file,
        place: &shop.opening.place,
        key_file: &shop.opening.key_file,
        replace: true,
        now,
    };
    backup::restore(restoring, watch()).await.unwrap();
    assert_eq!(kept(&shop).await, 0);
    let node = Node::open(&shop, &[lamps.config()]).await;
    node.ask().await.unwrap();
    assert_eq!(lamps.asked(), 2);
    node.end().await;
});
