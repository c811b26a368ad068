//! WooCommerce, over its REST API v3.
//!
//! What is said of it here was seen on a shop with WooCommerce 11.0.1, or stands in its
//! own documentation (woocommerce.github.io/woocommerce-rest-api-docs). Three things
//! shape all of it: a write that is answered 200 proves nothing, so every stored number
//! is looked at; PHP may write anything before a document; and webhooks are lost without
//! a word, so they only hint.

mod api;
mod catalog;
mod document;
mod fulfilment;
mod orders;
mod pages;
mod probe;
mod stock;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::registry::{Kind, Settings};
use super::{
    Answer, Authority, Capability, Catalog, ChannelError, Compare, Connector, DecodeError, Deducts,
    Fulfilment, FulfilmentRules, Grouping, Heard, Intake, IntakeKind, Measure, OrderSource,
    OrderWindow, Probe, QuantityMeaning, Quota, Restores, StockMeaning, StockRead, StockWrite,
    WriteAnswer, WriteRules, Zero,
};
use crate::clock::Clock;
use crate::secret::{Random, Secret};
use api::Api;

/// The kind, as the configuration names it.
pub const KIND: &str = "woocommerce";
/// The most entries of a page, and of a batch: more are refused (400, and 413).
const PAGE_MAX: usize = 100;
/// Shops on small machines answer some four requests a second; none documents a limit.
const QUOTA: Quota = Quota {
    measure: Measure::Requests,
    capacity: 20,
    fills_in: Duration::from_secs(5),
    reserve: 4,
};
/// The largest number a shop is told: it fits into every column it may be kept in.
const QUANTITY_MAX: i64 = 999_999_999;

/// The entry of the registry.
pub(super) const ENTRY: Kind =
    Kind { name: KIND, has_url: true, credentials: &[&["consumer_key", "consumer_secret"]], open };

fn open(settings: &Settings<'_>) -> Result<Arc<dyn Connector>, String> {
    let credential = |name: &str| {
        settings.credentials.get(name).cloned().ok_or_else(|| format!("{name} is missing"))
    };
    let access = Access {
        url: settings.url.unwrap_or_default().to_owned(),
        key: credential("consumer_key")?,
        secret: credential("consumer_secret")?,
        requests_per_second: settings.requests_per_second,
    };
    let (clock, random) = (Arc::clone(&settings.clock), Arc::clone(&settings.random));
    WooCommerce::new(access, clock, random)
        .map(|shop| Arc::new(shop.heard_by(settings.heard.clone())) as Arc<dyn Connector>)
        .map_err(|error| error.to_string())
}

/// How a shop is reached.
#[derive(Clone, Debug)]
pub struct Access {
    /// Its address, as it is configured in the shop itself: keys are signed with it where
    /// it has no TLS.
    pub url: String,
    /// The consumer key, `ck_…`.
    pub key: Secret,
    /// The consumer secret, `cs_…`.
    pub secret: Secret,
    /// How fast it may be asked, where that is known better than by default.
    pub requests_per_second: Option<u32>,
}

/// One shop.
#[derive(Debug)]
pub struct WooCommerce {
    api: Api,
    capability: Capability,
    /// Whether lists of orders can be sorted by their last change: not in old versions.
    sorts_by_change: AtomicBool,
    /// How many orders it is able to answer at once, as far as is known, in each of its lists.
    orders_per_page: [AtomicUsize; 2],
}

/// Why a shop cannot be asked at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Its address.
    #[error(transparent)]
    Url(#[from] DecodeError),
    /// The client.
    #[error(transparent)]
    Client(#[from] ChannelError),
}

impl WooCommerce {
    /// Has somebody told of every call.
    fn heard_by(mut self, heard: Heard) -> Self {
        self.api.heard_by(heard);
        self
    }

    /// A shop that was not asked anything yet.
    pub fn new(
        access: Access,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, AccessError> {
        let quota = access.requests_per_second.map_or(QUOTA, |rate| Quota {
            capacity: rate.saturating_mul(5),
            reserve: rate,
            ..QUOTA
        });
        Ok(Self {
            api: Api::new(access, quota, clock, random)?,
            capability: Capability { quotas: vec![quota], ..capability() },
            sorts_by_change: AtomicBool::new(true),
            orders_per_page: [const { AtomicUsize::new(orders::ORDERS_PAGE_MAX) }; 2],
        })
    }
}

fn capability() -> Capability {
    Capability {
        kind: KIND,
        orders: Some(OrderWindow {
            granularity: Duration::from_secs(1),
            // An order that changed in the very second is left out.
            is_inclusive: false,
            // An order is stored before it takes anything off a number.
            lag: Duration::ZERO,
            overlap: Duration::from_mins(2),
            span_max: None,
            history_max: None,
            page_max: orders::ORDERS_PAGE_MAX,
            pages_move: true,
            omits: &["trash"],
        }),
        stock: Some(StockMeaning {
            quantity: QuantityMeaning::Available,
            authority: Authority::Ledger,
            has_locations: false,
            // Pending orders take nothing; on-hold, processing and completed ones do.
            deducts: Deducts::AtPayment,
            // A cancelled order gives back, a refunded one only what it says.
            restores_on_cancel: Restores::AsTold,
            // An order's own changes are told with it, and what is edited; no others.
            tells_every_change: false,
            read_max: PAGE_MAX,
        }),
        write: Some(WriteRules {
            targets_max: PAGE_MAX,
            // Variations are written by parent.
            grouping: Grouping::PerGroup,
            answer: WriteAnswer::Stored,
            compare: Compare::None,
            quantity_max: QUANTITY_MAX,
            zero: Zero::Number,
            daily_max: None,
        }),
        has_catalog: true,
        fulfilment: Some(FulfilmentRules { ships_parts: false, cancels: true }),
        intake: IntakeKind::HttpWebhook,
        quotas: vec![QUOTA],
    }
}

impl Connector for WooCommerce {
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

    fn probe(&self) -> Answer<'_, Probe> {
        probe::probe(self).boxed()
    }
}
