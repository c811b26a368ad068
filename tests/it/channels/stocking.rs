//! Listings that a channel does not keep at a place, kept there by a plan.

use std::ops::ControlFlow;
use std::sync::Arc;

use invshop::clock::Clock as _;
use invshop::config::{ChannelConfig, ChannelMode, WebhookConfig};
use invshop::domain::{LocationKind, Quantity};
use invshop::ledger::stock::Change;
use invshop::sandbox::shopify::{Bucket, ShopifyShop};
use invshop::sync::{self, Channel, Lane, MapError, StockingError, StockingPlan, SyncError};
use tokio::task::JoinSet;

use super::world::{World, config, secret};
use crate::both;
use crate::harness::{TestShop, sku};
use crate::raw::Raw;

/// A shop whose store begins to sell: ten mugs at its main place, mapped, and nothing at its
/// store, where the ledger has four.
struct Lamps<'s> {
    world: World<'s>,
    shop: ShopifyShop,
    channel: Arc<Channel>,
    lane: Lane,
    main: u64,
    store: u64,
    mug: u64,
    _serving: JoinSet<()>,
}

impl<'s> Lamps<'s> {
    async fn new(test: &'s TestShop) -> Self {
        let world = World::new(test, &[]).await;
        let clock = test.clock.clone();
        let now = Arc::new(move || clock.now().as_millis());
        let (shop, serve) = ShopifyShop::open(now, ("app", "app-secret")).await.unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve);
        shop.set_token("token-TEST");
        shop.state().bucket = Bucket::new(1_000_000_000, 1_000_000);
        let main = shop.state().add_location("Main");
        let store = shop.state().add_location("Store");
        let mug = shop.state().add_variant("MUG", &[(main, 10)], 990);
        test.location("store", LocationKind::Store).await;
        let config = ChannelConfig {
            kind: "shopify".to_owned(),
            places: [(main, "main"), (store, "store")]
                .map(|(place, feeds)| (place.to_string(), vec![feeds.to_owned()]))
                .into(),
            credentials: [("access_token".to_owned(), secret("token-TEST"))].into(),
            webhook: Some(WebhookConfig { secret: secret("app-secret"), previous: None }),
            ..config("lamps", &shop.url())
        };
        let (channel, lane) = World::lane(&world.shop, config).await;
        test.item("MUG", 10).await;
        test.stock("MUG", "store", Change::Receive(Quantity::new(4).unwrap())).await.unwrap();
        let mut lamps = Self { world, shop, channel, lane, main, store, mug, _serving: serving };
        lamps.map(mug, "MUG").await;
        lamps.settle().await;
        lamps
    }

    /// A variant at the main place is an item.
    async fn map(&self, variant: u64, item: &str) {
        sync::discover(&self.channel).await.unwrap();
        let listing = format!("{variant}@{}", self.main);
        sync::map(&self.channel, &listing, &sku(item)).await.unwrap();
    }

    async fn settle(&mut self) {
        // A number that is seen for the first time is believed when the list of orders had
        // the time to follow.
        for _ in 0..13 {
            self.world.tick();
            sync::find_dirty(&self.world.shop).await.unwrap();
            self.lane.pull_next();
            self.lane.step().await.unwrap();
        }
    }

    async fn plan(&self) -> StockingPlan {
        self.planned(&[]).await.unwrap()
    }

    async fn planned(&self, listings: &[String]) -> Result<StockingPlan, StockingError> {
        sync::plan_stocking(&self.channel, (&self.store.to_string(), listings), &go_on).await
    }

    async fn apply(&self) -> sync::Stocked {
        sync::apply_stocking(self.plan().await, &go_on).await.unwrap()
    }

    fn at_store(&self, variant: u64) -> Option<i64> {
        self.shop.state().stock_of(variant, self.store)
    }

    /// Whether a variant's item is active at the store, whatever its number.
    fn is_active(&self, variant: u64) -> bool {
        let state = self.shop.state();
        let level = state.levels.get(&(state.variants[&variant].item, self.store));
        level.is_some_and(|level| level.is_active)
    }

    /// Writes: the number, and what it expected.
    fn writes(&self) -> Vec<(i64, Option<i64>)> {
        self.shop.state().writes.iter().map(|write| (write.quantity, write.expected)).collect()
    }

    /// Listings at the store, each with what carries its number and its SKU, where they are.
    async fn listed(&self) -> Vec<String> {
        let query = format!(
            "select l.external_id || case when l.holder = '' then ' uncounted' else '' end
                    || coalesce(' ' || i.sku, '')
             from listing as l left join item as i on i.id = l.item_id
             where l.place = '{}' order by l.id",
            self.store
        );
        Raw::open(&self.world.test.opening.place).await.texts(&query).await
    }

    async fn is_settled(&self) {
        assert_eq!(self.world.unsettled().await, 0, "{:?}", self.world.numbers().await);
        assert_eq!(self.world.drifts().await, 0);
    }

    async fn end(self) {
        drop((self.channel, self.lane));
        self.world.end().await;
    }
}

fn go_on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

both!(a_listing_is_kept_where_it_was_not_and_shows_the_ledgers_number, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let (main, store) = (lamps.main, lamps.store);
    let [pot, bag, cup] = ["POT", "BAG", "CUP"].map(|sku| {
        let places: &[(u64, i64)] =
            if sku == "CUP" { &[(main, 3), (store, 40)] } else { &[(main, 5)] };
        lamps.shop.state().add_variant(sku, places, 990)
    });
    let bag_item = lamps.shop.state().variants[&bag].item;
    lamps.shop.state().track(bag_item, false);
    shop.item("CUP", 3).await;
    lamps.map(cup, "CUP").await;
    lamps.settle().await;
    // The plan changes nothing, here or there.
    let before = (lamps.listed().await, lamps.shop.state().levels.clone());
    let plan = lamps.plan().await;
    assert_eq!((plan.counted, plan.kept, plan.mapped()), (3, 1, 1));
    let steps = plan.steps.iter().map(|one| (one.listing.as_str(), one.sku.as_deref()));
    let (mug, pot_id) = (lamps.mug.to_string(), pot.to_string());
    assert_eq!(steps.collect::<Vec<_>>(), [(mug.as_str(), Some("MUG")), (pot_id.as_str(), None)]);
    assert!(plan.is_large(), "two of three");
    assert_eq!((lamps.listed().await, lamps.shop.state().levels.clone()), before);
    let stocked = sync::apply_stocking(plan, &go_on).await.unwrap();
    assert_eq!((stocked.begun, stocked.mapped, stocked.refused.len()), (2, 1, 0));
    assert_eq!((lamps.at_store(lamps.mug), lamps.at_store(pot)), (Some(0), Some(0)));
    lamps.settle().await;
    assert_eq!(lamps.writes(), [(4, Some(0))], "over the number that it began with");
    assert_eq!((lamps.at_store(lamps.mug), lamps.at_store(pot)), (Some(4), Some(0)));
    assert_eq!(lamps.at_store(cup), Some(40), "what is kept already is left as it is");
    assert!(!lamps.is_active(bag), "what is not counted is left alone");
    let listed = lamps.listed().await;
    assert_eq!(listed, [format!("{mug} MUG"), pot_id, cup.to_string()]);
    lamps.is_settled().await;
    assert_eq!(lamps.plan().await.steps, [], "once is enough");
    let told = "select count(*) from journal where kind = 'listing.mapped'";
    assert_eq!(Raw::open(&shop.opening.place).await.number(told).await, 3);
    lamps.end().await;
});

both!(a_crash_before_the_number_is_begun_is_made_up_for, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let mug = lamps.mug;
    // It ends before the channel is told.
    lamps.shop.state().faults.hang = 1;
    let plan = lamps.plan().await;
    tokio::select! {
        ended = sync::apply_stocking(plan, &go_on) => panic!("nobody answered: {ended:?}"),
        () = async { while lamps.shop.state().faults.hang > 0 { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(
        (lamps.at_store(mug), lamps.listed().await),
        (None, vec![format!("{mug} uncounted MUG")])
    );
    lamps.settle().await;
    lamps.is_settled().await;
    // And after, before it is written down; somebody reads what there is in between.
    lamps.shop.state().faults.lose_replies = 1;
    let plan = lamps.plan().await;
    assert!(!plan.steps[0].is_begun);
    tokio::select! {
        ended = sync::apply_stocking(plan, &go_on) => panic!("its answer is lost: {ended:?}"),
        () = async { while !lamps.is_active(mug) { tokio::task::yield_now().await } } => {}
    }
    sync::discover(&lamps.channel).await.unwrap();
    lamps.settle().await;
    assert_eq!(lamps.at_store(mug), Some(0));
    let plan = lamps.plan().await;
    assert_eq!((plan.steps.len(), plan.steps[0].is_begun), (1, true));
    let stocked = sync::apply_stocking(plan, &go_on).await.unwrap();
    assert_eq!((stocked.begun, stocked.mapped), (0, 1));
    lamps.settle().await;
    assert_eq!((lamps.at_store(mug), lamps.writes()), (Some(4), vec![(4, Some(0))]));
    lamps.is_settled().await;
    assert_eq!(lamps.plan().await.steps, []);
    lamps.end().await;
});

both!(a_lost_answer_is_asked_for_again, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    lamps.shop.state().faults.lose_replies = 1;
    let stocked = lamps.apply().await;
    assert_eq!((stocked.begun, stocked.mapped), (1, 1));
    lamps.settle().await;
    assert_eq!((lamps.at_store(lamps.mug), lamps.writes()), (Some(4), vec![(4, Some(0))]));
    lamps.end().await;
});

both!(what_others_did_meanwhile_and_what_is_refused_is_left_alone, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let (mug, store) = (lamps.mug, lamps.store);
    let item = lamps.shop.state().variants[&mug].item;
    let plan = lamps.plan().await;
    lamps.shop.state().locations.get_mut(&store).unwrap().is_active = false;
    let stocked = sync::apply_stocking(plan, &go_on).await.unwrap();
    assert_eq!((stocked.begun, stocked.mapped, stocked.refused.len()), (0, 0, 1));
    assert_eq!(stocked.refused[0].why, "The location couldn't be found.");
    assert_eq!(lamps.listed().await, [format!("{mug} uncounted")]);
    lamps.shop.state().locations.get_mut(&store).unwrap().is_active = true;
    // Somebody types a number there between the plan and its application.
    let plan = lamps.plan().await;
    lamps.shop.state().type_stock(item, store, 7);
    let stocked = sync::apply_stocking(plan, &go_on).await.unwrap();
    assert_eq!((stocked.begun, stocked.mapped, stocked.already), (0, 0, 1));
    lamps.settle().await;
    assert_eq!((lamps.at_store(mug), lamps.listed().await), (Some(7), vec![mug.to_string()]));
    assert!(lamps.writes().is_empty());
    lamps.is_settled().await;
    lamps.end().await;
});

both!(a_listing_that_was_taken_away_there_is_kept_again, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let (mug, store) = (lamps.mug, lamps.store);
    lamps.apply().await;
    lamps.settle().await;
    let item = lamps.shop.state().variants[&mug].item;
    lamps.shop.state().deactivate(item, store);
    sync::reconcile(&lamps.channel, sync::Look::fixing()).await.unwrap();
    lamps.settle().await;
    assert_eq!(lamps.world.unsettled().await, 1, "the channel has it no more");
    let stocked = lamps.apply().await;
    assert_eq!((stocked.begun, stocked.mapped), (1, 1));
    lamps.settle().await;
    assert_eq!((lamps.at_store(mug), lamps.writes()), (Some(4), vec![(4, Some(0)); 2]));
    lamps.is_settled().await;
    lamps.end().await;
});

both!(a_place_is_only_filled_where_that_can_be_asked_for, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let (mug, store) = (lamps.mug, lamps.store.to_string());
    let refused = |error: StockingError| error.to_string();
    let unfed = sync::plan_stocking(&lamps.channel, ("999", &[]), &go_on).await.unwrap_err();
    assert!(matches!(unfed, StockingError::Listing(MapError::UnfedPlace { .. })), "{unfed}");
    let none = sync::plan_stocking(&lamps.channel, ("", &[]), &go_on).await.unwrap_err();
    assert!(matches!(none, StockingError::Listing(MapError::UnfedPlace { .. })), "{none}");
    let unknown = lamps.planned(&["999".to_owned()]).await.unwrap_err();
    assert!(refused(unknown).starts_with("lamps has no listing 999"));
    let item = lamps.shop.state().variants[&mug].item;
    lamps.shop.state().track(item, false);
    let uncounted = lamps.planned(&[format!("{mug}@{store}")]).await.unwrap_err();
    assert!(refused(uncounted).starts_with("lamps does not count the listing"));
    lamps.shop.state().track(item, true);
    let stop = |_: usize| ControlFlow::Break(());
    let stopped = sync::plan_stocking(&lamps.channel, (&store, &[]), &stop).await.unwrap_err();
    assert!(matches!(stopped, StockingError::Sync(SyncError::Interrupted)), "{stopped}");
    let stocked = sync::apply_stocking(lamps.plan().await, &stop).await.unwrap();
    assert_eq!((stocked.begun, stocked.left), (0, 1));
    // What is told nothing is planned for, and told nothing.
    lamps.channel.set_mode(Some(ChannelMode::Shadow)).await.unwrap();
    let shadow = sync::apply_stocking(lamps.plan().await, &go_on).await.unwrap_err();
    assert!(refused(shadow).starts_with("lamps is shadow: it is told nothing"));
    assert!(!lamps.is_active(mug));
    lamps.world.stall("market", &[("north", "main")]).await;
    let market = &lamps.world.stalls[0].channel;
    let other = sync::plan_stocking(market, ("north", &[]), &go_on).await.unwrap_err();
    assert_eq!(refused(other), "market: its kind is not told what to keep at which place");
    lamps.end().await;
});
