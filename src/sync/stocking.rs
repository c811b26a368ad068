//! Listings that a channel does not keep at one of its places, as a plan: it is told to keep
//! them there (`stocked`), and their numbers are written as those of others are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;

use super::retry::pause;
use super::{Channel, MapError, SyncError};
use crate::config::ChannelMode;
use crate::connectors::{Answer, Countable, Retry, Stocking};
use crate::domain::{ItemId, RemoteId};
use crate::store::listings::{self, StoredListing};
use crate::store::{StoreError, push_looks};

/// Pages of a catalogue at most: a list without an end is an error.
const PAGES_MAX: usize = 100_000;
/// How often one call is tried before all of it is given up.
const TRIES_MAX: i64 = 5;
/// Of the listings that a channel counts so many hundredths may be begun at a place without
/// a special yes.
const LARGE_PERCENT: usize = 10;

/// Told how far it is; [`ControlFlow::Break`] stops between two calls.
pub type Watch<'w> = dyn Fn(usize) -> ControlFlow<()> + Sync + 'w;

/// Why nothing is begun at a place.
#[derive(Debug, Error)]
pub enum StockingError {
    /// The channel, or the database.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A listing, or the place.
    #[error(transparent)]
    Listing(#[from] MapError),
    /// The channel is told nothing now.
    #[error(
        "{channel} is {mode}: it is told nothing\nhint: `invshop channel mode {channel} live` changes that; --dry-run shows the plan"
    )]
    NotLive {
        /// The channel.
        channel: String,
        /// What it is for.
        mode: ChannelMode,
    },
}

impl From<StoreError> for StockingError {
    fn from(error: StoreError) -> Self {
        Self::Sync(error.into())
    }
}

/// A listing that is to be kept at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StockingStep {
    /// The channel's id of it.
    pub listing: String,
    /// The text that stands for a SKU there.
    pub sku_text: String,
    /// What it is called there.
    pub title: String,
    /// The item that it is at the channel's other places, and will be at this one; none where
    /// it is none there, or not one.
    pub sku: Option<String>,
    /// Whether it is kept there already, by a run that ended before its number was begun.
    pub is_begun: bool,
    #[serde(skip)]
    pub(super) item: Option<ItemId>,
    /// Whether it was an item at the place before, of which the channel kept a number once.
    #[serde(skip)]
    pub(super) was_here: bool,
    #[serde(skip)]
    pub(super) countable: Countable,
}

/// What a channel would be told to keep at a place.
#[derive(Clone, Debug)]
pub struct StockingPlan {
    /// The place.
    pub place: String,
    /// Listings that the channel counts, wherever.
    pub counted: usize,
    /// Of these, those that it keeps at the place.
    pub kept: usize,
    /// What is to be done, listing by listing.
    pub steps: Vec<StockingStep>,
    pub(super) channel: Arc<Channel>,
}

impl StockingPlan {
    /// Whether so much changes that it needs a special yes.
    pub const fn is_large(&self) -> bool {
        self.steps.len().saturating_mul(100) > self.counted.saturating_mul(LARGE_PERCENT)
    }

    /// Listings whose numbers will be written.
    pub fn mapped(&self) -> usize {
        self.steps.iter().filter(|step| step.item.is_some()).count()
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }
}

impl Channel {
    /// What says what it keeps at its places; an error where its kind is not asked that.
    fn stocking(&self) -> Result<&dyn Stocking, SyncError> {
        let cannot = "is not told what to keep at which place";
        let unable = || SyncError::Cannot { channel: self.name().to_owned(), cannot };
        self.connector.stocking().ok_or_else(unable)
    }

    /// The same where it may be told to keep more: an error unless it is live.
    pub(super) async fn may_stock(&self) -> Result<&dyn Stocking, StockingError> {
        let stocking = self.stocking()?;
        match self.mode().await? {
            ChannelMode::Live => Ok(stocking),
            mode => Err(StockingError::NotLive { channel: self.name().to_owned(), mode }),
        }
    }

    /// An error unless it can be told now to keep listings at a place.
    pub async fn must_stock(&self) -> Result<(), StockingError> {
        self.may_stock().await.map(drop)
    }
}

/// What a channel does not keep at a place: of some listings, or of all where none is named.
/// Nothing is written. The channel may be in any mode.
pub async fn plan_stocking(
    channel: &Arc<Channel>,
    (place, named): (&str, &[String]),
    watch: &Watch<'_>,
) -> Result<StockingPlan, StockingError> {
    let stocking = channel.stocking()?;
    let unfed =
        || MapError::UnfedPlace { channel: channel.name().to_owned(), place: place.to_owned() };
    let at = RemoteId::new(place).ok().filter(|_| channel.is_fed(place)).ok_or_else(unfed)?;
    let mut missing: HashSet<&str> = named.iter().map(|one| id_of(one, place)).collect();
    let is_all = missing.is_empty();
    let is_pushed = !channel.mirrored().await?.contains_key(place);
    let (place, channel) = (place.to_owned(), Arc::clone(channel));
    let mut plan = StockingPlan { place, counted: 0, kept: 0, steps: Vec::new(), channel };
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let call = || stocking.countable(&at, cursor.as_ref());
        let (page, _) = tried(&call, &|| watch(plan.counted).is_break()).await?;
        plan.counted += page.rows.len();
        plan.kept += page.rows.iter().filter(|one| one.is_kept).count();
        let mut rows = page.rows;
        rows.retain(|one| missing.remove(one.id.as_str()) || is_all);
        plan.look(rows, is_pushed).await?;
        if watch(plan.counted).is_break() {
            return Err(SyncError::Interrupted.into());
        }
        cursor = page.next;
        if cursor.is_none() {
            return match missing.into_iter().min() {
                Some(listing) => Err(uncountable(&plan.channel, listing).await?.into()),
                None => Ok(plan),
            };
        }
    }
    let cannot = "lists what it sells without an end";
    Err(SyncError::Cannot { channel: plan.channel.name().to_owned(), cannot }.into())
}

/// Makes a call again where it fails, as its failure says; what it was answered, and how often
/// it failed before.
pub(super) async fn tried<'a, T>(
    call: &(dyn Fn() -> Answer<'a, T> + Sync),
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> Result<(T, i64), SyncError> {
    let mut failures = 0;
    loop {
        let error = match call().await {
            Ok(answered) => return Ok((answered, failures)),
            Err(error) => error,
        };
        failures += 1;
        if failures >= TRIES_MAX || error.retry == Retry::Never || is_stopped() {
            return Err(error.into());
        }
        tokio::time::sleep(pause(failures, error.retry)).await;
    }
}

/// The id in a listing's name, which may be followed by the place.
fn id_of<'n>(name: &'n str, place: &str) -> &'n str {
    name.strip_suffix(place).and_then(|name| name.strip_suffix('@')).unwrap_or(name)
}

/// Why a listing that was named is not among those that are counted.
async fn uncountable(channel: &Channel, listing: &str) -> Result<MapError, StoreError> {
    let mut reader = channel.shop.db.read().await?;
    let known = listings::of_ids(&mut reader.conn(), channel.id, vec![listing.to_owned()]).await?;
    if known.is_empty() {
        return Ok(super::listing::unknown(channel, listing));
    }
    Ok(MapError::Uncounted(channel.name().to_owned()))
}

impl StockingPlan {
    /// Adds what is to be done about the listings of a page.
    async fn look(&mut self, rows: Vec<Countable>, is_pushed: bool) -> Result<(), StoreError> {
        let mut reader = self.channel.shop.db.snapshot().await?;
        let (id, mut conn) = (self.channel.id, reader.conn());
        let ids = rows.iter().map(|one| one.id.to_string()).collect();
        let mut known: HashMap<String, Vec<StoredListing>> = HashMap::new();
        for one in listings::of_ids(&mut conn, id, ids).await? {
            known.entry(one.external_id.clone()).or_default().push(one);
        }
        let names: Vec<push_looks::Name> = rows
            .iter()
            .filter(|one| one.is_kept)
            .map(|one| (one.holder.id.to_string(), self.place.clone()))
            .collect();
        let shown = push_looks::items_of(&mut conn, id, &names).await?;
        let shown: HashSet<String> = shown.into_iter().map(|((holder, _), _)| holder).collect();
        for countable in rows {
            let listings = known.get(countable.id.as_str()).map_or(&[][..], Vec::as_slice);
            let here = listings.iter().find(|one| one.place == self.place);
            let here = here.filter(|one| one.item.is_some());
            // Its item was written down, and its number was not begun.
            let is_begun = here.is_some_and(|one| {
                let has_number = !is_pushed || shown.contains(countable.holder.id.as_str());
                countable.is_kept && (one.holder.is_empty() || !has_number)
            });
            if countable.is_kept && !is_begun {
                continue;
            }
            let like = here.or_else(|| only(listings));
            self.steps.push(StockingStep {
                listing: countable.id.to_string(),
                sku_text: countable.sku_text.clone(),
                title: countable.title.clone(),
                sku: like.and_then(|one| one.sku.clone()),
                is_begun,
                was_here: here.is_some_and(|one| !one.holder.is_empty()) && !is_begun,
                item: like.and_then(|one| one.item),
                countable,
            });
        }
        Ok(())
    }
}

/// A listing at one of the places where it is an item, where it is the same at all of them.
fn only(listings: &[StoredListing]) -> Option<&StoredListing> {
    let mapped = || listings.iter().filter(|one| !one.place.is_empty() && one.item.is_some());
    let items: BTreeSet<Option<ItemId>> = mapped().map(|one| one.item).collect();
    mapped().next().filter(|_| items.len() == 1)
}
