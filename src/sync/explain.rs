//! Why a channel is told what it is told, and what it is known to show.

use serde::Serialize;
use utoipa::ToSchema;

use super::Channel;
use super::expect::Expected;
use super::listing::MapError;
use super::target::over;
use crate::clock::Timestamp;
use crate::config::ChannelMode;
use crate::domain::{ItemId, PublishRules, Sku};
use crate::reports::Shelf;
use crate::store::listings::{self, ListingRules, StoredListing};
use crate::store::pushes::{self, PushRow};
use crate::store::{self, Conn, StoreError};

/// Listings of one item on one channel that are explained.
const LISTINGS_MAX: i64 = 500;

/// One step from what is available to what is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PublishTerm {
    /// What it is: `available` at a location, `pooled`, or the name of a rule.
    pub name: &'static str,
    /// The location, of what is available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What it adds; negative where it takes away.
    pub units: i64,
    /// What the rule says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<i64>,
    /// Whose rule it is: `listing`, `channel` or `connector`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<&'static str>,
}

/// A write that may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SendingView {
    /// The number.
    pub quantity: i64,
    /// Until when it may reach the channel.
    #[schema(required)]
    pub until: Option<Timestamp>,
}

/// What a channel is known to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct KnownView {
    /// The number the channel last confirmed.
    #[schema(required)]
    pub baseline: Option<i64>,
    /// When.
    #[schema(required)]
    pub confirmed_at: Option<Timestamp>,
    /// What it may show now, with the orders that came in since: the least and the most.
    #[schema(required)]
    pub expected: Option<[i64; 2]>,
    /// A write that may be under way.
    #[schema(required)]
    pub sending: Option<SendingView>,
    /// Whether it is not known to be right.
    pub dirty: bool,
    /// The newest entry that changed what it should be.
    pub dirty_seq: i64,
    /// The entry up to which it is known to be right.
    pub pushed_seq: i64,
    /// How often somebody said that it shows something else, since it was last read.
    pub remote_changed: i64,
    /// How often it was tried in vain.
    pub attempts: i64,
    /// When it is tried again.
    #[schema(required)]
    pub retry_at: Option<Timestamp>,
    /// When the channel last said what it shows.
    #[schema(required)]
    pub seen_at: Option<Timestamp>,
    /// How often it was written on the last day it was.
    pub writes: i64,
    /// What is wrong with it.
    #[schema(required)]
    pub problem: Option<String>,
}

/// A listing's number, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExplainedListing {
    /// The listings that show it: the channel's ids.
    pub listings: Vec<String>,
    /// What carries it there.
    pub holder: String,
    /// The channel's place of it, where the channel has places.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// What adds up to it.
    pub terms: Vec<PublishTerm>,
    /// What the channel is told.
    pub published: i64,
    /// What the channel is known to show.
    pub known: KnownView,
    /// Why it is not known to show what it is told; none where it does.
    #[schema(required)]
    pub reason: Option<String>,
}

/// An item on a channel, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExplainedChannel {
    /// The channel.
    pub channel: String,
    /// The item's current SKU.
    pub sku: String,
    /// What the channel is for now.
    #[schema(value_type = ChannelMode)]
    pub mode: &'static str,
    /// Its numbers of the item.
    pub numbers: Vec<ExplainedListing>,
}

/// Explains what a channel is told of an item, all of one moment.
pub async fn explain(channel: &Channel, sku: &Sku) -> Result<ExplainedChannel, MapError> {
    let mode = channel.mode().await?;
    let mut reader = channel.shop.db.snapshot().await?;
    let mut conn = reader.conn();
    let found = store::catalogue::resolve(&mut conn, vec![sku.to_string()]).await?;
    let item = found.first().map(|(_, item)| item.id);
    let item = item.ok_or_else(|| MapError::UnknownSku(sku.clone()))?;
    let all = listings::of_item(&mut conn, channel.id, item, LISTINGS_MAX).await?;
    if all.is_empty() {
        return Err(MapError::NotSold { channel: channel.name().to_owned(), sku: sku.clone() });
    }
    let shelf = Shelf::load(&mut conn, vec![item]).await?;
    let mut numbers: Vec<ExplainedListing> = Vec::new();
    for one in &all {
        let shared =
            numbers.iter_mut().find(|known| known.holder == one.holder && known.place == one.place);
        match shared {
            Some(known) => known.listings.push(one.external_id.clone()),
            None => numbers.push(channel.explained(&mut conn, (&shelf, item), one, mode).await?),
        }
    }
    Ok(ExplainedChannel {
        channel: channel.name().to_owned(),
        sku: shelf.sku(item),
        mode: mode.as_str(),
        numbers,
    })
}

impl Channel {
    async fn explained(
        &self,
        conn: &mut Conn<'_>,
        (shelf, item): (&Shelf, ItemId),
        listing: &StoredListing,
        mode: ChannelMode,
    ) -> Result<ExplainedListing, StoreError> {
        let (holder, place) = (listing.holder.clone(), listing.place.clone());
        let own = listings::rules_of(conn, self.id, vec![holder.clone()]).await?;
        let own = own.get(&(holder.clone(), place.clone())).copied().unwrap_or_default();
        let row = pushes::find(conn, (self.id, &holder, &place)).await?;
        let stale = self.stale_buffer(conn).await?;
        let (terms, published) = self.terms((shelf, item), &place, own, stale);
        let known = row.as_ref().map_or_else(KnownView::nothing, known);
        let now = self.shop.clock.now();
        let reason = reason(&known, published, mode, now);
        let listings = vec![listing.external_id.clone()];
        Ok(ExplainedListing { listings, holder, place, terms, published, known, reason })
    }

    /// What adds up to a number, and the number.
    fn terms(
        &self,
        (shelf, item): (&Shelf, ItemId),
        place: &str,
        own: ListingRules,
        stale: i64,
    ) -> (Vec<PublishTerm>, i64) {
        let mut terms = Vec::new();
        let ours = shelf.locations.iter().filter(|location| self.sells_from(place, location));
        for location in ours {
            terms.push(PublishTerm {
                name: "available",
                location: Some(location.code.to_string()),
                units: shelf.available_at(item, location),
                rule: None,
                from: None,
            });
        }
        let sum: i64 = terms.iter().map(|term| term.units).sum();
        let available = shelf.available_from(item, |location| self.sells_from(place, location));
        if available != sum {
            // A bundle's parts may lie at different locations.
            let units = available - sum;
            terms.push(PublishTerm {
                name: "pooled",
                location: None,
                units,
                rule: None,
                from: None,
            });
        }
        let rules = over(self.rules(), own);
        let buffered = rules.steps(available, self.channel_max()).buffered;
        let steps = rules.holding_back(stale).steps(available, self.channel_max());
        let PublishRules { buffer, share_percent, max_quantity, min_quantity } = rules;
        let of = |is_own: bool| if is_own { "listing" } else { "channel" };
        let published = steps.published.get();
        let rest = [
            ("buffer", buffered - available, Some(buffer), of(own.buffer.is_some())),
            // Held back while another channel is blind.
            ("stale_buffer", steps.buffered - buffered, Some(stale), "channel"),
            (
                "share_percent",
                steps.shared - steps.buffered,
                Some(share_percent),
                of(own.share_percent.is_some()),
            ),
            (
                "min_quantity",
                steps.enough - steps.shared,
                Some(min_quantity),
                of(own.min_quantity.is_some()),
            ),
            (
                "max_quantity",
                steps.bounded - steps.enough,
                max_quantity,
                of(own.max_quantity.is_some()),
            ),
            ("channel_max", published - steps.bounded, Some(self.channel_max()), "connector"),
        ];
        terms.extend(rest.into_iter().map(|(name, units, rule, from)| PublishTerm {
            name,
            location: None,
            units,
            rule,
            from: Some(from),
        }));
        (terms, published)
    }
}

impl KnownView {
    /// Of a number that has no row: its listing is not counted there.
    const fn nothing() -> Self {
        Self {
            baseline: None,
            confirmed_at: None,
            expected: None,
            sending: None,
            dirty: false,
            dirty_seq: 0,
            pushed_seq: 0,
            remote_changed: 0,
            attempts: 0,
            retry_at: None,
            seen_at: None,
            writes: 0,
            problem: None,
        }
    }
}

fn known(row: &PushRow) -> KnownView {
    let at = |millis: i64| Timestamp::from_millis(millis).ok();
    let expected = row.known.map(|known| Expected::of(&known, row.flow));
    KnownView {
        baseline: row.known.map(|known| known.baseline),
        confirmed_at: row.known.and_then(|known| at(known.confirmed_at)),
        expected: expected.map(|expected| [expected.low, expected.high]),
        sending: row
            .sending
            .map(|sending| SendingView { quantity: sending.quantity, until: at(sending.until) }),
        dirty: row.dirty_seq > row.pushed_seq || row.remote_changed > 0,
        dirty_seq: row.dirty_seq,
        pushed_seq: row.pushed_seq,
        remote_changed: row.remote_changed,
        seen_at: row.seen_at.and_then(at),
        writes: row.writes,
        attempts: row.attempts,
        retry_at: Some(row.retry_at).filter(|retry_at| *retry_at > 0).and_then(at),
        problem: row.problem.clone(),
    }
}

/// Why a number is not known to be what it should.
fn reason(known: &KnownView, published: i64, mode: ChannelMode, now: Timestamp) -> Option<String> {
    if known.dirty_seq == 0 {
        return Some(
            "the channel does not count the listing: nothing carries its number".to_owned(),
        );
    }
    let is_right = !known.dirty && known.expected == Some([published, published]);
    if is_right && known.problem.is_none() {
        return None;
    }
    if mode != ChannelMode::Live {
        return Some(format!("the channel is {mode}: it is told nothing"));
    }
    if let Some(problem) = &known.problem {
        let when = known.retry_at.filter(|at| *at > now);
        let when = when.map_or("soon".to_owned(), |at| format!("at {at}"));
        return Some(format!("{problem}: it is tried again {when}"));
    }
    if let Some(sending) = known.sending {
        return Some(format!("{} is being written, or nobody knows", sending.quantity));
    }
    if known.baseline.is_none() {
        return Some("the channel has confirmed no number yet".to_owned());
    }
    if let Some(at) = known.retry_at.filter(|at| known.attempts == 0 && *at > now) {
        let writes = known.writes;
        return Some(format!(
            "the channel takes few changes of a number in a day, and {writes} were made: the \
             next is at {at}, or as soon as it is sold out"
        ));
    }
    if known.dirty_seq > known.pushed_seq {
        return Some(format!("entry {} changed it and is not pushed yet", known.dirty_seq));
    }
    if known.remote_changed > 0 {
        return Some("the channel may show another number: it is read again".to_owned());
    }
    let [low, high] = known.expected.unwrap_or_default();
    Some(if low == high {
        format!("{high} is expected there: orders of the channel changed it")
    } else {
        format!(
            "{low} to {high} are expected there: a sale may have been before or after the write"
        )
    })
}
