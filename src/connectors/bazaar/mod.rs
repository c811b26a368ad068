//! The bazaar: the simulated marketplace of tests and of `invshop demo`.
//!
//! No vendor has this API; it stands for those that are shaped otherwise than a web shop:
//! a bearer token, lists by cursor, a number for each place, writes that are refused when
//! another number is there than expected, and webhooks with a time that are made again.
//! It tells how much it took for each line of an order, which it does when it is placed.

mod api;
mod orders;
mod stock;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::registry::{Kind, Settings};
use super::{
    Answer, Authority, Capability, Catalog, Compare, Connector, Deducts, Finding, Fulfilment,
    Grouping, Intake, IntakeKind, Measure, OrderSource, OrderWindow, Probe, QuantityMeaning, Quota,
    Restores, StockMeaning, StockRead, StockWrite, WriteAnswer, WriteRules, Zero,
};
use api::Api;

/// The kind, as the configuration names it.
pub const KIND: &str = "bazaar";
/// Entries of a page at most.
const PAGE_MAX: usize = 50;
/// Changes of one write at most.
const CHANGES_MAX: usize = 25;
/// The largest number it takes.
const QUANTITY_MAX: i64 = 1_000_000;
/// A read costs a point, a write one and another for each change.
const QUOTA: Quota = Quota {
    measure: Measure::Points,
    capacity: 1_000,
    fills_in: Duration::from_secs(20),
    reserve: 100,
};

/// The entry of the registry.
pub(super) const ENTRY: Kind = Kind { name: KIND, has_url: true, credentials: &[&["token"]], open };

fn open(settings: &Settings<'_>) -> Result<Arc<dyn Connector>, String> {
    let token = settings.credentials.get("token").cloned().ok_or("token is missing")?;
    let quota = settings.requests_per_second.map_or(QUOTA, |rate| Quota {
        measure: Measure::Requests,
        capacity: rate.saturating_mul(5),
        fills_in: Duration::from_secs(5),
        reserve: rate,
    });
    let clock = Arc::clone(&settings.clock);
    let api = Api::new(settings.url.unwrap_or_default(), token, quota, clock)?;
    let api = api.heard_by(settings.heard.clone());
    Ok(Arc::new(Bazaar { api, capability: capability(quota) }))
}

/// One account.
#[derive(Debug)]
struct Bazaar {
    api: Api,
    capability: Capability,
}

fn capability(quota: Quota) -> Capability {
    Capability {
        kind: KIND,
        orders: Some(OrderWindow {
            granularity: Duration::from_millis(1),
            is_inclusive: true,
            lag: Duration::ZERO,
            overlap: Duration::from_secs(30),
            span_max: None,
            history_max: None,
            page_max: PAGE_MAX,
            // What changes goes to the end, after the cursor: it may come twice.
            pages_move: true,
            omits: &[],
        }),
        stock: Some(StockMeaning {
            quantity: QuantityMeaning::Available,
            authority: Authority::Ledger,
            has_locations: true,
            deducts: Deducts::AtOrder,
            // The order says what is still taken for it.
            restores_on_cancel: Restores::AsTold,
            tells_every_change: true,
            read_max: PAGE_MAX,
        }),
        write: Some(WriteRules {
            targets_max: CHANGES_MAX,
            grouping: Grouping::Free,
            answer: WriteAnswer::Stored,
            compare: Compare::Number,
            quantity_max: QUANTITY_MAX,
            zero: Zero::Number,
            daily_max: None,
        }),
        has_catalog: true,
        fulfilment: None,
        intake: IntakeKind::HttpWebhook,
        quotas: vec![quota],
    }
}

impl Connector for Bazaar {
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
        None
    }

    fn probe(&self) -> Answer<'_, Probe> {
        async {
            let found = |text: String| Finding { is_problem: false, text };
            let places = self.places().await?;
            let mut findings = vec![found("the token is accepted".to_owned())];
            findings.extend(
                places
                    .into_iter()
                    .map(|place| found(format!("it has the place {} ({})", place.id, place.name))),
            );
            Ok(Probe { capability: self.capability.clone(), findings })
        }
        .boxed()
    }
}
