//! Shopify, over its GraphQL Admin API 2026-10.
//!
//! What is said of it stands in its documentation (shopify.dev) and in its schema; none of
//! it was seen on a live shop. Three things shape all of it: a number is written only over
//! the number that is expected; each document has a cost, and the shop says what is left;
//! and an order is read in parts, because its whole would cost more than a document may.

mod api;
mod document;
mod fulfilment;
mod ids;
mod orders;
mod pages;
mod parts;
mod places;
mod probe;
mod slices;
mod stock;
mod stocking;
mod token;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde::Deserialize;

use super::registry::{Kind, Settings};
use super::{
    Answer, Authority, Capability, Catalog, ChannelError, Compare, Connector, Deducts, ErrorKind,
    Fulfilment, FulfilmentRules, Grouping, Heard, Intake, IntakeKind, Measure, OrderSource,
    OrderWindow, Probe, QuantityMeaning, Quota, Restores, StockMeaning, StockRead, StockWrite,
    Stocking, TokenStore, WriteAnswer, WriteRules, Zero,
};
use crate::clock::Clock;
use api::{Api, Document};
use token::Keys;

/// The kind, as the configuration names it.
pub const KIND: &str = "shopify";
/// Quantities of a write, and ids of a read, at most (shopify.dev, "Arrays").
const TARGETS_MAX: usize = 250;
/// The largest number it takes (`InventoryQuantityInput`).
const QUANTITY_MAX: i64 = 1_000_000_000;
/// The smallest plan's bucket: 100 points a second. Each answer says what it really is.
const QUOTA: Quota = Quota {
    measure: Measure::Points,
    capacity: 2_000,
    fills_in: Duration::from_secs(20),
    reserve: 100,
};
/// Orders that are older are shown to few apps (`read_all_orders`).
const HISTORY_MAX: Duration = Duration::from_hours(60 * 24);

/// The entry of the registry.
pub(super) const ENTRY: Kind = Kind {
    name: KIND,
    has_url: true,
    credentials: &[&["client_id", "client_secret"], &["access_token"]],
    open,
};

fn open(settings: &Settings<'_>) -> Result<Arc<dyn Connector>, String> {
    let credential = |name: &str| settings.credentials.get(name).cloned();
    let keys = match (credential("access_token"), credential("client_id")) {
        (Some(token), _) => Keys::Fixed(token),
        (None, Some(id)) => {
            let secret = credential("client_secret").ok_or("client_secret is missing")?;
            Keys::Grant { id, secret }
        }
        (None, None) => return Err("access_token is missing".to_owned()),
    };
    let quota = settings.requests_per_second.map_or(QUOTA, |rate| Quota {
        measure: Measure::Requests,
        capacity: rate.saturating_mul(5),
        fills_in: Duration::from_secs(5),
        reserve: rate,
    });
    let url = settings.url.unwrap_or_default();
    let shop = Shopify::new(url, keys, quota, Arc::clone(&settings.clock))?;
    let shop = shop.heard_by(settings.heard.clone()).kept_in(Arc::clone(&settings.tokens));
    Ok(Arc::new(shop))
}

/// One shop.
#[derive(Debug)]
struct Shopify {
    api: Api,
    capability: Capability,
    /// Names of writes whose end is not known.
    names: stock::Names,
    /// Cancellations that the shop has under way.
    cancelling: fulfilment::Cancelling,
    /// How many levels of an item its page is read with.
    width: pages::Width,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed<T> {
    nodes: Vec<T>,
    page_info: PageInfo,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    #[serde(default)]
    end_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// Where it goes on.
    fn next(&self) -> Option<String> {
        self.page_info.end_cursor.clone().filter(|_| self.page_info.has_next_page)
    }
}

/// What has more of something than is read of it, by its id there: it is not read in part.
fn endless(document: &Document, of: &str, id: &str) -> ChannelError {
    let why = format!("the {of} of {id} have no end");
    ChannelError::new(document.what, ErrorKind::Unreadable(why))
}

impl Shopify {
    /// A shop that was not asked anything yet, or what is wrong with its address.
    fn new(url: &str, keys: Keys, quota: Quota, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let api = Api::new(url, keys, quota, clock)?;
        Ok(Self {
            api,
            capability: capability(quota),
            names: stock::Names::default(),
            width: pages::Width::default(),
            cancelling: fulfilment::Cancelling::default(),
        })
    }

    /// Has somebody told of every call.
    fn heard_by(mut self, heard: Heard) -> Self {
        self.api = self.api.heard_by(heard);
        self
    }

    /// Has its tokens kept.
    fn kept_in(mut self, tokens: Arc<dyn TokenStore>) -> Self {
        self.api = self.api.kept_in(tokens);
        self
    }
}

fn capability(quota: Quota) -> Capability {
    Capability {
        kind: KIND,
        orders: Some(OrderWindow {
            granularity: Duration::from_secs(1),
            is_inclusive: true,
            // Searches are answered from an index that follows (shopify.dev, "Search syntax").
            lag: Duration::from_secs(10),
            // An order that is known is only named again: that costs a page of names.
            overlap: Duration::from_mins(15),
            span_max: None,
            history_max: Some(HISTORY_MAX),
            page_max: orders::PAGE_MAX,
            pages_move: true,
            omits: &[],
        }),
        stock: Some(StockMeaning {
            quantity: QuantityMeaning::Available,
            authority: Authority::Ledger,
            has_locations: true,
            deducts: Deducts::AtOrder,
            restores_on_cancel: Restores::AsTold,
            // A delivery that was given up is in no list.
            tells_every_change: false,
            read_max: TARGETS_MAX,
        }),
        write: Some(WriteRules {
            targets_max: TARGETS_MAX,
            grouping: Grouping::Free,
            answer: WriteAnswer::Stored,
            compare: Compare::Number,
            quantity_max: QUANTITY_MAX,
            zero: Zero::Number,
            daily_max: None,
        }),
        has_catalog: true,
        fulfilment: Some(FulfilmentRules { ships_parts: true, cancels: true }),
        intake: IntakeKind::HttpWebhook,
        quotas: vec![quota],
    }
}

impl Connector for Shopify {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn intake(&self) -> Intake<'_> {
        Intake::HttpWebhook(self)
    }

    fn orders(&self) -> Option<&dyn OrderSource> {
        Some(self)
    }

    fn stock_read(&self) -> Option<&dyn StockRead> {
        Some(self)
    }

    fn stock_write(&self) -> Option<&dyn StockWrite> {
        Some(self)
    }

    fn catalog(&self) -> Option<&dyn Catalog> {
        Some(self)
    }

    fn fulfilment(&self) -> Option<&dyn Fulfilment> {
        Some(self)
    }

    fn stocking(&self) -> Option<&dyn Stocking> {
        Some(self)
    }

    fn probe(&self) -> Answer<'_, Probe> {
        probe::probe(self).boxed()
    }
}
