//! What the stock is worth, at cost and at price.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ReportError;
use crate::store::Db;
use crate::store::report_reads::{self, ValueRow};

/// Levels a page.
const PAGE_MAX: i64 = 2000;

/// What an item's stock at one location is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StockValueRow {
    /// The item.
    pub sku: String,
    /// The location's code.
    pub location: String,
    /// Units physically there.
    pub on_hand: i64,
    /// Currency of both values; `null` where the item has neither cost nor price.
    pub currency: Option<String>,
    /// `on_hand × cost`, minor units; `null` where the cost is unknown.
    pub cost: Option<i64>,
    /// `on_hand × price`, minor units; `null` where the price is unknown.
    pub price: Option<i64>,
}

/// A sum over items. What is unknown is counted in units, never as 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StockValueSum {
    /// The location's code; `null` over all of them.
    pub location: Option<String>,
    /// The currency; `null` for items with neither cost nor price.
    pub currency: Option<String>,
    /// Units physically there.
    pub on_hand: i64,
    /// Their cost, minor units, as far as it is known.
    pub cost: i64,
    /// Units whose cost is unknown.
    pub on_hand_without_cost: i64,
    /// Their price, minor units, as far as it is known.
    pub price: i64,
    /// Units whose price is unknown.
    pub on_hand_without_price: i64,
}

/// What the stock is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StockValue {
    /// By currency.
    pub totals: Vec<StockValueSum>,
    /// By location and currency.
    pub locations: Vec<StockValueSum>,
}

/// Adds up what the stock is worth now. Each row is handed over as it is read,
/// so that memory does not grow with the catalogue.
pub async fn stock_value(
    db: &Db,
    each: &mut (dyn FnMut(StockValueRow) + Send),
) -> Result<StockValue, ReportError> {
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let mut sums: BTreeMap<(Option<String>, Option<String>), StockValueSum> = BTreeMap::new();
    let mut after = (0, 0);
    loop {
        let rows = report_reads::values(&mut conn, after, PAGE_MAX).await?;
        let Some(last) = rows.last() else { break };
        after = last.key;
        for row in rows {
            let row = valued(row)?;
            for location in [None, Some(row.location.clone())] {
                let key = (location.clone(), row.currency.clone());
                let sum = sums.entry(key).or_insert_with(|| StockValueSum {
                    location,
                    currency: row.currency.clone(),
                    ..StockValueSum::default()
                });
                add(sum, &row).ok_or_else(|| overflow(&row.sku))?;
            }
            each(row);
        }
    }
    let (totals, locations) = sums.into_values().partition(|sum| sum.location.is_none());
    Ok(StockValue { totals, locations })
}

fn overflow(sku: &str) -> ReportError {
    ReportError::Overflow { what: format!("the stock of {sku}") }
}

fn valued(row: ValueRow) -> Result<StockValueRow, ReportError> {
    let worth = |each: Option<i64>| match each {
        Some(each) => each.checked_mul(row.on_hand).map(Some).ok_or_else(|| overflow(&row.sku)),
        None => Ok(None),
    };
    Ok(StockValueRow {
        on_hand: row.on_hand,
        cost: worth(row.cost)?,
        price: worth(row.price)?,
        currency: row.currency.filter(|_| row.cost.is_some() || row.price.is_some()),
        sku: row.sku,
        location: row.location,
    })
}

fn add(sum: &mut StockValueSum, row: &StockValueRow) -> Option<()> {
    sum.on_hand = sum.on_hand.checked_add(row.on_hand)?;
    match row.cost {
        Some(cost) => sum.cost = sum.cost.checked_add(cost)?,
        None => sum.on_hand_without_cost = sum.on_hand_without_cost.checked_add(row.on_hand)?,
    }
    match row.price {
        Some(price) => sum.price = sum.price.checked_add(price)?,
        None => sum.on_hand_without_price = sum.on_hand_without_price.checked_add(row.on_hand)?,
    }
    Some(())
}
