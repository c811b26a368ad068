//! What the demo ends in: not that it looked well, but that it adds up.

use std::time::Duration;

use invshop::config::Config;
use invshop::reports;
use invshop::shop::{Opening, Shop};
use serde::Serialize;

use super::market::Market;
use crate::failure::Failure;

/// What was found after everything came to rest.
#[derive(Debug, Serialize)]
pub(super) struct Proof {
    /// How often the daemon was killed meanwhile.
    pub(super) daemon_killed: u32,
    /// Orders that shops took.
    pub(super) orders: usize,
    /// Orders that the ledger has not, or has otherwise.
    pub(super) orders_missing: Vec<String>,
    /// Listings that show something else than the ledger implies.
    pub(super) listings_wrong: Vec<String>,
    /// Listings that were compared.
    pub(super) listings: usize,
    /// Broken invariants.
    pub(super) findings: Vec<String>,
    /// Entries of the journal.
    pub(super) entries: u64,
    /// Units that shops sold beyond what there was, and units that the ledger says it owes.
    pub(super) oversold_by_shops: i64,
    /// The same by the ledger.
    pub(super) shortfall: i64,
    /// Units that the ledger promised beyond what there is: never any.
    pub(super) oversold_by_the_ledger: i64,
    /// How long it took after the last sale, milliseconds; none where it did not come to rest.
    pub(super) converged_ms: Option<u128>,
}

impl Proof {
    /// Whether all of it holds.
    pub(super) const fn holds(&self) -> bool {
        self.orders_missing.is_empty()
            && self.listings_wrong.is_empty()
            && self.findings.is_empty()
            && self.oversold_by_shops == self.shortfall
            && self.oversold_by_the_ledger == 0
            && self.converged_ms.is_some()
    }

    /// The same for people.
    pub(super) fn text(&self) -> String {
        let say =
            |good: bool, line: String| format!("{} {line}", if good { "ok  " } else { "FAIL" });
        let names = |list: &[String]| list.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let mut lines = vec![
            say(self.findings.is_empty(), format!("the books are sound: {} entries", self.entries)),
            say(
                self.orders_missing.is_empty(),
                format!("{} orders of the shops are in the ledger, once each", self.orders),
            ),
            say(
                self.listings_wrong.is_empty(),
                format!("{} listings show what the ledger implies", self.listings),
            ),
            say(self.oversold_by_the_ledger == 0, "the ledger promised no unit twice".to_owned()),
            say(
                self.oversold_by_shops == self.shortfall,
                format!(
                    "{} units were sold by two shops at the same moment; {} are owed",
                    self.oversold_by_shops, self.shortfall
                ),
            ),
        ];
        lines.push(match self.converged_ms {
            Some(millis) => say(true, format!("at rest {millis} ms after the last sale")),
            None => say(false, "it did not come to rest".to_owned()),
        });
        for list in [&self.orders_missing, &self.listings_wrong, &self.findings] {
            if !list.is_empty() {
                lines.push(format!("     {}", names(list)));
            }
        }
        lines.join("\n")
    }
}

/// Proves what is there, with the daemon ended.
pub(super) async fn prove(
    config: &Config,
    market: &Market,
    (took, daemon_killed): (Option<Duration>, u32),
) -> Result<Proof, Failure> {
    let shop = Shop::open(Opening::of(config)).await?;
    let proof = look(&shop, market, took).await;
    shop.close().await;
    Ok(Proof { daemon_killed, ..proof? })
}

async fn look(shop: &Shop, market: &Market, took: Option<Duration>) -> Result<Proof, Failure> {
    let verified = reports::verify(&shop.db, &mut |_| {}).await?;
    let ledger = market.ledger(shop).await?;
    let (mut wrong, mut listings) = (Vec::new(), 0);
    let (mut oversold, mut shortfall, mut promised) = (0, 0, 0);
    for (sku, units) in Market::goods() {
        let Some(item) = ledger.iter().find(|item| item.sku == sku) else {
            wrong.push(sku.to_owned());
            continue;
        };
        let shown = market.shown(sku);
        listings += shown.len();
        if shown.iter().any(|shown| *shown != Some(item.totals.available_to_promise)) {
            wrong.push(format!("{sku}: {shown:?}"));
        }
        oversold += (market.sold(sku) - units).max(0);
        shortfall += item.totals.shortfall;
        promised += (item.totals.reserved - item.totals.on_hand).max(0);
    }
    Ok(Proof {
        daemon_killed: 0,
        orders: market.orders(),
        orders_missing: market.missing_orders(shop).await?,
        listings_wrong: wrong,
        listings,
        findings: verified.findings.iter().map(ToString::to_string).collect(),
        entries: verified.entries,
        oversold_by_shops: oversold,
        shortfall,
        oversold_by_the_ledger: promised,
        converged_ms: took.map(|took| took.as_millis()),
    })
}
