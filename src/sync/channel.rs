//! A channel that is connected: its configuration, its connector, and its row.

use std::fmt::Write as _;
use std::sync::Arc;

use super::SyncError;
use super::opened::ReadEvents;
use crate::config::{ChannelConfig, ChannelMode, Problem};
use crate::connectors::registry::{self, Kind, Settings};
use crate::connectors::{Capability, Connector, Heard};
use crate::domain::{Location, PublishRules};
use crate::secret::Secret;
use crate::shop::Shop;
use crate::store::channels::{self, StoredChannel};
use crate::store::{self, StoreError};

/// One connected account.
#[derive(Debug)]
pub struct Channel {
    /// The shop it sells for.
    pub(crate) shop: Arc<Shop>,
    /// How it is configured.
    pub(crate) config: ChannelConfig,
    /// Its id in the database.
    pub(crate) id: i64,
    pub(crate) connector: Arc<dyn Connector>,
    /// Events whose orders were read.
    pub(super) read_events: ReadEvents,
}

/// The connectors of the configured channels, or all that is wrong with their settings.
/// Asks nobody anything.
pub fn connectors(
    shop: &Shop,
    kinds: &[Kind],
    configured: &[ChannelConfig],
) -> Result<Vec<Arc<dyn Connector>>, Vec<Problem>> {
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for (index, config) in configured.iter().enumerate() {
        let settings = Settings {
            url: config.url.as_deref(),
            credentials: &config.credentials,
            requests_per_second: config.requests_per_second,
            clock: Arc::clone(&shop.clock),
            random: Arc::clone(&shop.random),
            heard: heard(shop, &config.name),
            tokens: super::tokens(shop, config),
        };
        match registry::open(kinds, &config.kind, &settings) {
            Ok(connector) => {
                let wrong = wrong_places(config, connector.capability());
                problems.extend(wrong.map(|(setting, message)| Problem {
                    key: format!("channel[{index}].{setting}"),
                    line: None,
                    message: format!("{message} (channel {:?})", config.name),
                }));
                all.push(connector);
            }
            Err(wrong) => problems.extend(wrong.into_iter().map(|wrong| Problem {
                key: format!("channel[{index}].{}", wrong.setting),
                line: None,
                message: format!("{} (channel {:?})", wrong.message, config.name),
            })),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

/// Counts the calls of a channel.
fn heard(shop: &Shop, channel: &str) -> Heard {
    let (counters, channel) = (Arc::clone(&shop.counters), channel.to_owned());
    Heard::new(move |what, outcome| counters.asked(&channel, what, outcome))
}

/// What is wrong with where a channel sells from, by its setting.
fn wrong_places(config: &ChannelConfig, can: &Capability) -> Option<(&'static str, String)> {
    let has_places = can.stock.as_ref().is_some_and(|stock| stock.has_locations);
    let kind = &config.kind;
    if has_places && config.locations.is_some() {
        let message = format!("{kind} has places: [channel.places] says what feeds each");
        return Some(("locations", message));
    }
    let too_much = !has_places && !config.places.is_empty();
    too_much.then(|| ("places", format!("{kind} has no places")))
}

impl Channel {
    /// Connects a channel: its row is made where it is new.
    pub async fn open(
        shop: &Arc<Shop>,
        config: ChannelConfig,
        connector: Arc<dyn Connector>,
    ) -> Result<Self, StoreError> {
        let taken = store::accounts::find(&mut shop.db.read().await?.conn(), &config.name).await?;
        if taken.is_some() {
            return Err(StoreError::SourceTaken(config.name));
        }
        let stored = stored(shop, &config).await?;
        let (shop, read_events) = (Arc::clone(shop), ReadEvents::default());
        Ok(Self { shop, config, id: stored.id, connector, read_events })
    }

    /// Its name: the source of its orders.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The shop it sells for.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// What it signs its webhooks with now, and what before, where it does.
    pub fn secrets(&self) -> Option<(&Secret, Option<&Secret>)> {
        let webhook = self.config.webhook.as_ref()?;
        Some((&webhook.secret, webhook.previous.as_ref()))
    }

    /// Asks the account what it can do, and changes nothing.
    pub async fn check(&self) -> Result<crate::connectors::Probe, SyncError> {
        Ok(self.connector.probe().await?)
    }

    /// Its row.
    pub(crate) async fn stored(&self) -> Result<StoredChannel, StoreError> {
        stored(&self.shop, &self.config).await
    }

    /// What it is for now: what was set by command goes before the configuration.
    pub(crate) async fn mode(&self) -> Result<ChannelMode, StoreError> {
        let set = self.stored().await?.mode.and_then(|mode| mode.parse().ok());
        Ok(set.unwrap_or(self.config.mode))
    }

    /// The rules all its listings begin with.
    pub(crate) fn rules(&self) -> PublishRules {
        let rules = self.config.rules;
        PublishRules {
            buffer: i64::from(rules.buffer),
            share_percent: i64::from(rules.share_percent),
            max_quantity: rules.max_quantity.map(i64::from),
            min_quantity: i64::from(rules.min_quantity),
        }
    }

    /// Whether one of its places sells from a location; the place is empty where it has none.
    pub(crate) fn sells_from(&self, place: &str, location: &Location) -> bool {
        if !place.is_empty() {
            let codes = self.config.places.get(place);
            return codes
                .is_some_and(|codes| codes.iter().any(|code| code == location.code.as_str()));
        }
        match &self.config.locations {
            Some(codes) => codes.iter().any(|code| code == location.code.as_str()),
            None => location.serves_orders(),
        }
    }

    /// Whether some location feeds a place.
    pub(crate) fn is_fed(&self, place: &str) -> bool {
        place.is_empty() || self.config.places.contains_key(place)
    }

    /// The one location that feeds a place, where it is only one.
    pub(crate) fn only_location_of(&self, place: &str) -> Option<&str> {
        match self.config.places.get(place)?.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Finds all its numbers dirty where the rules they were computed by are others now.
    pub(crate) async fn apply_rules(&self) -> Result<(), StoreError> {
        let mut rules = format!("{:?} {:?}", self.config.rules, self.config.locations);
        let stale = self.stale_buffer(&mut self.shop.db.read().await?.conn()).await?;
        if stale > 0 {
            rules.push_str(" while another channel is blind");
        }
        if !self.config.places.is_empty() {
            let _infallible = write!(rules, " {:?}", self.config.places);
        }
        if self.stored().await?.rules.as_deref() == Some(&rules) {
            return Ok(());
        }
        let (id, name, now) = (self.id, self.config.name.clone(), self.shop.clock.now());
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move {
                channels::set_rules(&mut conn, id, &rules).await?;
                let entry = super::entry(crate::domain::Kind::ChannelRules, &name, now);
                let entries = [entry];
                let seq =
                    store::journal::append_aside(&mut conn, &entries, now.as_millis()).await?;
                store::pushes::mark_channel(&mut conn, id, seq).await
            })
        });
        written.await.map(drop)
    }

    /// Something beside orders and numbers failed, and what that means.
    pub(super) async fn complain(&self, complaint: &'static str, error: &SyncError) {
        tracing::warn!(channel = self.name(), %error, "{complaint}");
        self.note_failure(error).await;
    }

    /// Writes down that it could not be asked.
    pub(crate) async fn note_failure(&self, error: &SyncError) {
        let (id, now) = (self.id, self.shop.clock.now().as_millis());
        let told = error.to_string();
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move { channels::failed(&mut conn, id, now, &told).await })
        });
        if let Err(error) = written.await {
            tracing::debug!(error = %error, "the failure of a channel is not written down");
        }
    }
}

async fn stored(shop: &Shop, config: &ChannelConfig) -> Result<StoredChannel, StoreError> {
    let found = channels::find(&mut shop.db.read().await?.conn(), &config.name).await?;
    if let Some(found) = found {
        return Ok(found);
    }
    let (name, kind, now) =
        (config.name.clone(), config.kind.clone(), shop.clock.now().as_millis());
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move { channels::ensure(&mut conn, &name, &kind, now).await })
    });
    written.await
}
