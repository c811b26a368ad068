//! Pages of items with their levels: as many items as one document may cost.
//!
//! What is asked for is paid for before it is answered, and all but what was there is given
//! back: an item's levels are asked for as many as the shop's items have. Most shops have
//! few locations, and a page of them has many items.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::de::DeserializeOwned;
use serde_json::json;

use super::Shopify;
use super::api::Document;
use super::slices::Slice;
use crate::connectors::{ChannelError, Urgency};

/// What a document may cost (shopify.dev, "API limits"): a page of items takes all of it.
pub(super) const PAGE_COST: u32 = 1_000;
/// What a list costs beside its entries.
const LIST_COST: usize = 2;
/// Entries of a list at most.
const ROWS_MAX: usize = 250;
/// Levels of an item that are asked for with it; after the last its further levels are
/// asked for apart.
const WIDTHS: [usize; 4] = [2, 5, 20, 100];
/// Items of a page whose further levels are asked for apart: where there are more, the page is
/// read again, and each after it, with more levels of each.
const APART_MAX: usize = 2;

/// How many levels of an item its page is read with; never less than before.
#[derive(Debug, Default)]
pub(super) struct Width(AtomicUsize);

/// The rows of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    /// What reads them: `$first` rows with `$levels` levels each.
    pub(super) document: Document,
    /// What each costs without its levels, with the list of them.
    pub(super) each: usize,
    /// What each level costs.
    pub(super) each_level: usize,
}

/// A page of items that were asked for with some of their levels.
pub(super) trait Wide: DeserializeOwned {
    /// How many items have more of them.
    fn cut_short(&self) -> usize;
}

impl Rows {
    /// How many fit into a document with so many levels each, and what that costs.
    fn fit(&self, levels: usize) -> (usize, u32) {
        let each = self.each + self.each_level * levels;
        let all = usize::try_from(PAGE_COST).unwrap_or(usize::MAX) - LIST_COST;
        let first = (all / each).clamp(1, ROWS_MAX);
        (first, u32::try_from(LIST_COST + first * each).unwrap_or(PAGE_COST))
    }
}

/// What a slice is searched by.
pub(super) fn after_id(slice: &Slice) -> Option<String> {
    (!slice.from.is_empty()).then(|| format!("id:>{}", slice.from))
}

impl Shopify {
    /// A page of a list of items, where a slice of it stands.
    pub(super) async fn page<T: Wide>(
        &self,
        rows: &Rows,
        slice: &Slice,
    ) -> Result<T, ChannelError> {
        let query = after_id(slice);
        loop {
            let step = self.width.0.load(Ordering::Relaxed).min(WIDTHS.len() - 1);
            let (first, cost) = rows.fit(WIDTHS[step]);
            let variables = json!({
                "first": first, "levels": WIDTHS[step], "after": slice.after, "query": query,
            });
            let document = rows.document.costing(cost);
            let page: T = self.api.run(&document, &variables, Urgency::Ordinary).await?;
            if page.cut_short() <= APART_MAX || step + 1 == WIDTHS.len() {
                return Ok(page);
            }
            self.width.0.fetch_max(step + 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_as_many_rows_as_a_document_may_cost() {
        let document = Document::reading("read", "", PAGE_COST);
        let fit = |each, each_level, levels| Rows { document, each, each_level }.fit(levels);
        assert_eq!(fit(5, 2, 2), (110, 992));
        assert_eq!(fit(5, 2, 100), (4, 822));
        assert_eq!(fit(3, 3, 2), (110, 992));
        assert_eq!(fit(3, 3, 5), (55, 992));
        assert_eq!(fit(1, 1, 1), (250, 502));
        assert_eq!(fit(3, 3, 400), (1, 1205), "never none");
    }
}
