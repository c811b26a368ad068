//! How channels stand, and what a person may change of that.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Channel, MapError};
use crate::clock::Timestamp;
use crate::config::ChannelMode;
use crate::domain::{AccountId, Kind};
use crate::shop::Shop;
use crate::store::{
    self, Db, StoreError, channels, drift, inbox, listings, push_state, pushes, sold,
};
use crate::telemetry::Origin;

/// How a channel stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// Which connector.
    pub kind: String,
    /// What it is for now.
    #[schema(value_type = ChannelMode)]
    pub mode: &'static str,
    /// Who says so: `file` or `command`.
    #[schema(pattern = "^(file|command)$")]
    pub mode_from: &'static str,
    /// Numbers that are ours to show there.
    pub numbers: i64,
    /// Of these, those that are not known to be right.
    pub dirty: i64,
    /// Of these, those that somebody has to look at.
    pub problems: i64,
    /// How long the number waits that waits longest, in seconds.
    #[schema(required)]
    pub oldest_dirty_seconds: Option<i64>,
    /// Since when every number was looked at once: one by one, or all when they were compared.
    #[schema(required)]
    pub seen_since: Option<Timestamp>,
    /// What came in and was not dealt with yet.
    pub inbox_pending: i64,
    /// When its orders were last read to the end.
    #[schema(required)]
    pub pulled_at: Option<Timestamp>,
    /// Why it could not be asked, since it last could; or that it falls behind.
    #[schema(required)]
    pub failure: Option<String>,
    /// Since when its orders could not be read for too long.
    #[schema(required)]
    pub blind_since: Option<Timestamp>,
    /// How well it agreed with the ledger when it was last compared.
    #[schema(required)]
    pub agreement: Option<Agreement>,
    /// When what it showed was last believed.
    #[schema(required)]
    pub stock_from: Option<Timestamp>,
    /// What its numbers were taken for then: `physical`, `available` or `published`.
    #[schema(required)]
    pub basis: Option<String>,
}

/// How well a channel agrees with the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Agreement {
    /// When all numbers were compared.
    #[schema(required)]
    pub at: Option<Timestamp>,
    /// Our numbers there.
    pub numbers: i64,
    /// Of these, those it showed as the ledger has them.
    pub right: i64,
}

/// A listing as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListingView {
    /// The channel's id of it, with `@PLACE` where the channel has places.
    pub listing: String,
    /// The text that stands for a SKU there.
    pub sku_text: String,
    /// What it is called there.
    pub title: String,
    /// The item it is.
    pub sku: Option<String>,
    /// The item that has exactly the SKU that stands there, where it is not mapped.
    pub proposed: Option<String>,
    /// Whether the channel counts it.
    pub counted: bool,
}

/// Something that came in, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InboxView {
    /// Its number.
    pub id: i64,
    /// The channel.
    pub channel: String,
    /// `delivery` or `order`.
    pub kind: String,
    /// `pending`, `done` or `dead`.
    pub state: String,
    /// When it came.
    pub received_at: Option<Timestamp>,
    /// How often it was tried in vain.
    pub attempts: i64,
    /// Why nothing came of it.
    pub reason: Option<String>,
    /// The event that it tells of beside others, by the channel's id.
    pub event: Option<String>,
}

impl Channel {
    /// How it stands.
    pub async fn status(&self) -> Result<ChannelStatus, StoreError> {
        let stored = self.stored().await?;
        let set = stored.mode.as_deref().and_then(|mode| mode.parse::<ChannelMode>().ok());
        let mut reader = self.shop.db.read().await?;
        let state = push_state::state(&mut reader.conn(), self.id).await?;
        let inbox_pending = inbox::count_pending(&mut reader.conn(), self.id).await?;
        let standing = drift::standing(&mut reader.conn(), self.id).await?;
        let now = self.shop.clock.now().as_millis();
        let moment = |at| Timestamp::from_millis(at).ok();
        let agreement = standing.compared.map(|(at, numbers, right)| Agreement {
            at: moment(at),
            numbers,
            right,
        });
        let compared_at = standing.compared.map(|(at, ..)| at);
        let seen = state.seen_at.map(|at| at.max(compared_at.unwrap_or(0)));
        let (stock_from, basis) = standing.believed.unzip();
        Ok(ChannelStatus {
            name: self.config.name.clone(),
            kind: self.config.kind.clone(),
            mode: set.unwrap_or(self.config.mode).as_str(),
            mode_from: if set.is_some() { "command" } else { "file" },
            numbers: state.numbers,
            dirty: state.dirty,
            problems: state.problems,
            oldest_dirty_seconds: state.oldest_at.map(|at| (now - at).max(0) / 1000),
            seen_since: seen.filter(|at| *at > 0).and_then(moment),
            inbox_pending,
            pulled_at: stored.pulled_at.and_then(|at| Timestamp::from_millis(at).ok()),
            failure: stored.trouble().map(|(_, failure)| failure.to_owned()),
            blind_since: stored.blind_at.and_then(moment),
            agreement,
            stock_from: stock_from.and_then(moment),
            basis,
        })
    }

    /// Sets what it is for, from the command line; none leaves it to the configuration.
    pub async fn set_mode(&self, mode: Option<ChannelMode>) -> Result<(), StoreError> {
        self.set_mode_for(mode, self.shop.account, None).await
    }

    /// The same for a key holder, who asks from somewhere.
    pub async fn set_mode_for(
        &self,
        mode: Option<ChannelMode>,
        account: AccountId,
        origin: Option<&Origin>,
    ) -> Result<(), StoreError> {
        let kind = match mode {
            Some(ChannelMode::Paused) => Kind::ChannelPaused,
            _ => Kind::ChannelResumed,
        };
        let (id, now) = (self.id, self.shop.clock.now());
        let mut entry = super::entry(kind, self.name(), now);
        let shown = mode.unwrap_or(self.config.mode).as_str();
        let mut data = json!({ "channel": self.name(), "mode": shown });
        if let Some(origin) = origin {
            origin.on(&mut data);
        }
        (entry.account, entry.data) = (Some(account), Some(data.to_string()));
        let text = mode.map(|mode| mode.as_str().to_owned());
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move {
                channels::set_mode(&mut conn, id, text).await?;
                // What was sold while it was told nothing did not wait for it.
                sold::forget_sales(&mut conn, id).await?;
                let entries = [entry];
                let seq =
                    store::journal::append_aside(&mut conn, &entries, now.as_millis()).await?;
                pushes::mark_channel(&mut conn, id, seq).await
            })
        });
        written.await.map(drop)
    }

    /// All its numbers are looked at by its lane, also those that wait after a failure.
    pub async fn push_all(&self) -> Result<u64, StoreError> {
        let id = self.id;
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move { pushes::look_at_all(&mut conn, id).await })
        });
        written.await
    }

    /// A page of its listings.
    pub async fn listings(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<(Vec<ListingView>, Option<i64>), MapError> {
        let mut reader = self.shop.db.read().await?;
        let mut conn = reader.conn();
        let page = listings::page(&mut conn, self.id, after, limit).await?;
        let last = page
            .last()
            .map(|one| one.id)
            .filter(|_| i64::try_from(page.len()).is_ok_and(|rows| rows == limit));
        let texts: Vec<String> =
            page.iter().filter(|one| one.item.is_none()).map(|one| one.sku_text.clone()).collect();
        let known = store::catalogue::resolve(&mut conn, texts).await?;
        let view = |one: listings::StoredListing| {
            let proposed = known.iter().find(|(text, _)| text.as_str() == one.sku_text);
            let place =
                if one.place.is_empty() { String::new() } else { format!("@{}", one.place) };
            ListingView {
                listing: format!("{}{place}", one.external_id),
                proposed: proposed
                    .filter(|_| one.item.is_none() && self.is_fed(&one.place))
                    .map(|(_, item)| item.sku.to_string()),
                sku_text: one.sku_text,
                title: one.title,
                sku: one.sku,
                counted: !one.holder.is_empty(),
            }
        };
        Ok((page.into_iter().map(view).collect(), last))
    }
}

/// What came in, newest first: of one state, or all where it is empty.
pub async fn inbox_list(db: &Db, state: &str, limit: i64) -> Result<Vec<InboxView>, StoreError> {
    let mut reader = db.read().await?;
    let listed = inbox::list(&mut reader.conn(), i64::MAX, state, limit).await?;
    let view = |one: inbox::Listed| InboxView {
        id: one.id,
        channel: one.channel,
        kind: one.kind,
        state: one.state,
        received_at: Timestamp::from_millis(one.received_at).ok(),
        attempts: one.attempts,
        reason: one.reason,
        event: one.event,
    };
    Ok(listed.into_iter().map(view).collect())
}

/// Has something that came in dealt with again; false where there is none, or its like
/// waits already.
pub async fn inbox_replay(db: &Db, id: i64) -> Result<bool, StoreError> {
    db.write(move |mut conn| Box::pin(async move { inbox::replay(&mut conn, id).await })).await
}

/// How a lane does, in what anybody may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LaneState {
    /// The channel.
    pub channel: String,
    /// What it is for now.
    #[schema(value_type = ChannelMode)]
    pub mode: &'static str,
    /// Whether it could last not be asked, or falls behind.
    pub failing: bool,
    /// Whether its orders could not be read for too long.
    pub blind: bool,
}

/// How the lanes of all channels do.
pub async fn lanes(channels: &[Arc<Channel>]) -> Result<Vec<LaneState>, StoreError> {
    let mut all = Vec::new();
    for channel in channels {
        let stored = channel.stored().await?;
        let set = stored.mode.as_deref().and_then(|mode| mode.parse().ok());
        all.push(LaneState {
            channel: channel.name().to_owned(),
            mode: set.unwrap_or(channel.config.mode).as_str(),
            failing: stored.trouble().is_some(),
            blind: stored.blind_at.is_some(),
        });
    }
    Ok(all)
}

/// The channels of a shop by their configuration.
pub async fn statuses(channels: &[Arc<Channel>]) -> Result<Vec<ChannelStatus>, StoreError> {
    let mut all = Vec::new();
    for channel in channels {
        all.push(channel.status().await?);
    }
    Ok(all)
}

impl Channel {
    /// What came in, opened, as text: for the one who looks why it cannot be used.
    pub async fn inbox_show(&self, id: i64) -> Result<Option<String>, StoreError> {
        let mut reader = self.shop.db.read().await?;
        let found = inbox::find(&mut reader.conn(), id).await?;
        Ok(found.filter(|stored| stored.channel_id == self.id).map(|stored| {
            match self.open_kept(&stored) {
                Ok(opened) => opened.text(),
                Err(error) => error.to_string(),
            }
        }))
    }
}

/// Opens the channels of a configuration, as a daemon, a command line or a test does, and
/// forgets the tokens of others.
pub async fn open_all(
    shop: &Arc<Shop>,
    kinds: &[crate::connectors::registry::Kind],
    configured: &[crate::config::ChannelConfig],
) -> Result<Vec<Arc<Channel>>, OpenError> {
    let connectors = super::connectors(shop, kinds, configured).map_err(OpenError::Problems)?;
    let mut channels = Vec::new();
    for (config, connector) in configured.iter().zip(connectors) {
        channels.push(Arc::new(Channel::open(shop, config.clone(), connector).await?));
    }
    if let Err(error) = super::tokens::forget_others(shop, configured).await {
        tracing::warn!(error = %error, "tokens of other channels are kept");
    }
    Ok(channels)
}

/// Why channels cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Their settings.
    #[error("{}", lines(.0))]
    Problems(Vec<crate::config::Problem>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn lines(problems: &[crate::config::Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    format!("the channels cannot be opened:\n  {}", lines.join("\n  "))
}
