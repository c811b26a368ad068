//! Offers of the marketplace and their numbers, one for each place.
//!
//! A holder is an offer at a place. A write names the number it expects there, and is
//! refused (`stale`) where another one is.

use std::collections::{BTreeSet, HashMap};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Listed;
use super::{Bazaar, PAGE_MAX};
use crate::connectors::{
    Answer, Catalog, ChannelError, Cursor, ErrorKind, Group, Holder, Page, RemoteLevel,
    RemoteListing, StockOutcome, StockRead, StockTarget, StockWrite, Ticket, TicketState, Urgency,
};
use crate::domain::{RemoteId, RemoteQuantity};

const READ: &str = "read stock";
const WRITE: &str = "write stock";
const LISTINGS: &str = "read the offers";
const PLACES: &str = "read the places";

/// Something that is sold.
#[derive(Debug, Deserialize)]
struct Offer {
    id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    seller_sku: String,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    stock: Vec<Level>,
}

#[derive(Debug, Deserialize)]
struct Level {
    place: String,
    /// Missing is not null, and neither is 0.
    #[serde(default)]
    available: Value,
}

/// A place that stock is kept at.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    pub(super) id: String,
    pub(super) name: String,
}

fn quantity(value: &Value) -> RemoteQuantity {
    match value {
        Value::Null => RemoteQuantity::Untracked,
        value => value.as_i64().map_or(RemoteQuantity::Unreadable, RemoteQuantity::Known),
    }
}

impl Offer {
    fn levels(&self) -> Vec<RemoteLevel> {
        let level = |level: &Level| {
            let (id, location) = (RemoteId::new(&self.id), RemoteId::new(&level.place));
            let holder = Holder { id: id.ok()?, location: Some(location.ok()?) };
            Some(RemoteLevel { holder, quantity: Some(quantity(&level.available)) })
        };
        self.stock.iter().filter_map(level).collect()
    }
}

impl Bazaar {
    /// All places of the account.
    pub(super) async fn places(&self) -> Result<Vec<Place>, ChannelError> {
        let listed: Listed<Place> = self.api.get(PLACES, "places", &[], Urgency::Ordinary).await?;
        Ok(listed.data)
    }

    async fn offers(
        &self,
        what: &'static str,
        after: Option<&Cursor>,
    ) -> Result<(Vec<Offer>, Option<Cursor>), ChannelError> {
        let mut query = vec![("limit", PAGE_MAX.to_string())];
        query.extend(after.map(|Cursor(text)| ("cursor", text.clone())));
        let listed: Listed<Offer> = self.api.get(what, "offers", &query, Urgency::Ordinary).await?;
        let next = listed.next();
        Ok((listed.data, next))
    }
}

impl Catalog for Bazaar {
    fn listings<'a>(&'a self, after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteListing>> {
        async move {
            let (offers, next) = self.offers(LISTINGS, after).await?;
            let listing = |offer: Offer| {
                let id = RemoteId::new(&offer.id).map_err(|error| {
                    ChannelError::new(LISTINGS, ErrorKind::Unreadable(error.to_string()))
                })?;
                let counted =
                    |level: &RemoteLevel| level.quantity != Some(RemoteQuantity::Untracked);
                let levels = offer.levels();
                Ok(RemoteListing {
                    order_keys: vec![id.clone()],
                    id,
                    holders: levels.into_iter().filter(counted).map(|one| one.holder).collect(),
                    sku_text: offer.seller_sku,
                    title: offer.title,
                    is_active: offer.active,
                    quantity: None,
                })
            };
            let rows = offers.into_iter().map(listing).collect::<Result<_, ChannelError>>()?;
            Ok(Page { rows, next })
        }
        .boxed()
    }
}

impl StockRead for Bazaar {
    fn read<'a>(&'a self, holders: &'a [Holder], urgency: Urgency) -> Answer<'a, Vec<RemoteLevel>> {
        async move {
            let ids: BTreeSet<&str> = holders.iter().map(|holder| holder.id.as_str()).collect();
            let ids: Vec<&str> = ids.into_iter().collect();
            let mut found = HashMap::new();
            for some in ids.chunks(PAGE_MAX) {
                let query = [("ids", some.join(",")), ("limit", PAGE_MAX.to_string())];
                let listed: Listed<Offer> = self.api.get(READ, "offers", &query, urgency).await?;
                let levels = listed.data.iter().flat_map(Offer::levels);
                found.extend(levels.map(|level| (level.holder, level.quantity)));
            }
            let level = |holder: &Holder| RemoteLevel {
                holder: holder.clone(),
                quantity: found.get(holder).copied().flatten(),
            };
            Ok(holders.iter().map(level).collect())
        }
        .boxed()
    }

    fn read_all<'a>(&'a self, after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteLevel>> {
        async move {
            let (offers, next) = self.offers(READ, after).await?;
            Ok(Page { rows: offers.iter().flat_map(Offer::levels).collect(), next })
        }
        .boxed()
    }
}

/// What became of one change.
#[derive(Debug, Deserialize)]
struct Outcome {
    status: u16,
    #[serde(default)]
    available: Value,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Outcome {
    fn outcome(self) -> StockOutcome {
        match self.status {
            200 => StockOutcome::Stored(quantity(&self.available)),
            409 => StockOutcome::Stale { current: Some(quantity(&self.available)) },
            _ => StockOutcome::Refused { code: self.code, detail: self.message },
        }
    }
}

#[derive(Debug, Deserialize)]
struct Written {
    results: Vec<Outcome>,
}

impl StockWrite for Bazaar {
    fn group_of(&self, _: &Holder) -> Group {
        Group(String::new())
    }

    fn write<'a>(
        &'a self,
        targets: &'a [StockTarget],
        urgency: Urgency,
    ) -> BoxFuture<'a, Result<Vec<StockOutcome>, ChannelError>> {
        async move {
            // A write that expects nothing would be one that nobody can take back.
            let sound = |target: &StockTarget| {
                let place = target.holder.location.as_ref()?;
                Some(json!({
                    "offer": target.holder.id.as_str(), "place": place.as_str(),
                    "quantity": target.quantity.get(), "expected": target.expected?,
                }))
            };
            let changes: Vec<Option<Value>> = targets.iter().map(sound).collect();
            let sent: Vec<&Value> = changes.iter().flatten().collect();
            let points = u32::try_from(1 + sent.len()).unwrap_or(u32::MAX);
            let mut results = Vec::new();
            if !sent.is_empty() {
                let body = json!({ "changes": sent });
                let call = (Method::POST, "stock");
                let written: Written = self.api.put(WRITE, call, (&body, points), urgency).await?;
                results = written.results;
            }
            let mut results = results.into_iter();
            let outcome = |change: &Option<Value>| match change {
                Some(_) => results.next().map_or(StockOutcome::Unknown, Outcome::outcome),
                None => StockOutcome::Refused {
                    code: "nothing_expected".to_owned(),
                    detail: "the write does not say which number it expects".to_owned(),
                },
            };
            Ok(changes.iter().map(outcome).collect())
        }
        .boxed()
    }

    fn ticket<'a>(&'a self, _: &'a Ticket) -> Answer<'a, TicketState> {
        // Nothing is done later here, so there is none that it knows.
        async { Ok(TicketState::Lost) }.boxed()
    }
}
