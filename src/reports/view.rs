//! The small shapes that several answers share.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::domain::Totals;
use crate::store::StoreError;

/// The most entries of one page.
pub const LIMIT_MAX: usize = 500;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Where the next page starts; `null` after the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `limit` entries made of up to `limit + 1`.
    pub(super) fn cut(mut data: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = data.len() > limit;
        data.truncate(limit);
        let next_cursor = data.last().filter(|_| more).map(cursor);
        Self { data, next_cursor }
    }
}

/// The number of entries asked for, within 1..=[`LIMIT_MAX`].
pub(super) fn limit_of(limit: usize) -> usize {
    limit.clamp(1, LIMIT_MAX)
}

/// One more than the page holds, to know whether another follows.
pub(super) fn probe(limit: usize) -> i64 {
    i64::try_from(limit + 1).unwrap_or(i64::MAX)
}

/// Money as it is shown: minor units and the currency's code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AmountView {
    /// Minor units.
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: String,
}

impl AmountView {
    /// An amount, where both parts are known.
    pub(super) fn of(amount: Option<i64>, currency: Option<&str>) -> Option<Self> {
        Some(Self { amount: amount?, currency: currency?.to_owned() })
    }
}

/// The four totals of a level, and what they leave to promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TotalsView {
    /// Units physically there.
    pub on_hand: i64,
    /// Units promised to open orders.
    pub reserved: i64,
    /// Units owed to accepted orders.
    pub shortfall: i64,
    /// Units withheld from sale.
    pub safety: i64,
    /// `max(0, on_hand − reserved − safety − shortfall)`.
    pub available_to_promise: i64,
}

impl From<Totals> for TotalsView {
    fn from(totals: Totals) -> Self {
        Self {
            on_hand: totals.on_hand,
            reserved: totals.reserved,
            shortfall: totals.shortfall,
            safety: totals.safety,
            available_to_promise: totals.available_to_promise(),
        }
    }
}

/// A stored time as it is shown.
pub(super) fn time(millis: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millis(millis).map_err(|error| bad("a time", error))
}

/// A stored value that cannot be shown.
pub(super) fn bad(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Decode { statement: "reports", message: format!("{what}: {error}") }
}

/// A stored JSON text; `null` where there is none.
pub(super) fn json(text: Option<&str>) -> Result<serde_json::Value, StoreError> {
    let Some(text) = text else {
        return Ok(serde_json::Value::Null);
    };
    serde_json::from_str(text).map_err(|error| bad("a JSON text", error))
}
