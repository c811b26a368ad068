//! What should be bought: items at or below their reorder point.

use serde::Serialize;

use super::ReportError;
use super::items::Shown;
use crate::domain::{AllocationPolicy, ItemId};
use crate::store::Db;
use crate::store::item_reads::{self, ItemPage};

/// Items a page.
const PAGE_MAX: i64 = 500;

/// An item at or below its reorder point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LowStockRow {
    /// Its current SKU.
    pub sku: String,
    /// What it is called.
    pub title: String,
    /// At or below this ATP it is low.
    pub reorder_point: i64,
    /// What a request may have.
    pub available_to_promise: i64,
    /// Units physically there, everywhere.
    pub on_hand: i64,
    /// Units promised to open orders.
    pub reserved: i64,
    /// Units owed to accepted orders.
    pub shortfall: i64,
}

/// The active items whose ATP is at or below their reorder point, by SKU. The
/// same items as a list filtered by [`super::ItemFilter::low_stock`].
pub async fn low_stock(db: &Db, policy: AllocationPolicy) -> Result<Vec<LowStockRow>, ReportError> {
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let mut page = ItemPage { watched: true, ..ItemPage::default() };
    let mut low = Vec::new();
    loop {
        let ids = item_reads::page(&mut conn, &page, PAGE_MAX).await?;
        let Some((_, last)) = ids.last() else {
            return Ok(low);
        };
        last.as_str().clone_into(&mut page.after);
        let ids: Vec<ItemId> = ids.into_iter().map(|(id, _)| id).collect();
        let shown = Shown::load(&mut conn, ids.clone()).await?;
        for id in ids.into_iter().filter(|id| shown.is_low(*id, policy)) {
            let point = shown.records.get(&id).and_then(|record| record.reorder_point);
            let (Some(item), Some(reorder_point)) = (shown.view(id, policy)?, point) else {
                continue;
            };
            low.push(LowStockRow {
                sku: item.sku,
                title: item.title,
                reorder_point,
                available_to_promise: item.totals.available_to_promise,
                on_hand: item.totals.on_hand,
                reserved: item.totals.reserved,
                shortfall: item.totals.shortfall,
            });
        }
    }
}
