//! What channels showed that nothing explained, and what is off now.

use chrono::NaiveDate;
use serde::Serialize;

use super::sales::SalesPeriod;
use super::view::{json, time};
use super::{ReportError, days};
use crate::clock::Timestamp;
use crate::domain::Refusal;
use crate::store::drift::{self, DriftSaid};
use crate::store::{Db, StoreError};

/// Rows of a report: more are a shop that fights with another program.
const ROWS_MAX: usize = 100_000;

/// A number that nothing explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriftRow {
    /// The entry of the journal that says it.
    pub seq: i64,
    /// When it was noticed.
    pub at: Timestamp,
    /// The day that was in the calendar asked for.
    pub date: NaiveDate,
    /// The channel.
    pub channel: String,
    /// The item's current SKU.
    pub sku: Option<String>,
    /// What carries the number there.
    pub holder: String,
    /// The channel's place of it; empty where it has none.
    pub place: String,
    /// Why.
    pub cause: String,
    /// What was shown.
    pub shown: Option<i64>,
    /// The least that was expected, and the most.
    pub expected: Option<[i64; 2]>,
    /// What the ledger implied.
    pub wanted: Option<i64>,
}

/// What the last comparison of a channel found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriftNow {
    /// The channel.
    pub channel: String,
    /// When all its numbers were compared.
    pub compared_at: Timestamp,
    /// Why numbers were off; none where none was.
    pub cause: Option<String>,
    /// How many.
    pub listings: i64,
}

/// What channels showed that nothing explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The first day.
    pub from: NaiveDate,
    /// The last day, which is part of it.
    pub to: NaiveDate,
    /// Whose calendar: the name of its time zone.
    pub time_zone: String,
    /// What the last comparisons found, whatever the days.
    pub now: Vec<DriftNow>,
    /// What was noticed in those days, the oldest first.
    pub data: Vec<DriftRow>,
}

/// What was noticed within some days, and what the last comparisons found.
pub async fn drift(db: &Db, period: SalesPeriod) -> Result<Drift, ReportError> {
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let mut data = Vec::new();
    let page = async |after, window, limit| drift::said(&mut conn, after, window, limit).await;
    let take = |said, date| {
        if data.len() == ROWS_MAX {
            let message = format!("more than {ROWS_MAX} rows: ask for fewer days");
            return Err(Refusal::invalid("to", message).into());
        }
        data.push(row(said, date)?);
        Ok(())
    };
    days::each(period, page, take).await?;
    let now = drift::now(&mut conn).await?.into_iter().map(|one| {
        let (cause, listings) = one.found.unzip();
        let compared_at = time(one.compared_at)?;
        Ok(DriftNow { channel: one.channel, compared_at, cause, listings: listings.unwrap_or(0) })
    });
    let now = now.collect::<Result<_, StoreError>>()?;
    let SalesPeriod { from, to, time_zone } = period;
    Ok(Drift { from, to, time_zone: time_zone.name().to_owned(), now, data })
}

fn row(said: DriftSaid, date: NaiveDate) -> Result<DriftRow, StoreError> {
    let data = json(said.data.as_deref())?;
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    let ends = data["expected"].as_array().map(Vec::as_slice);
    let expected = match ends {
        Some([low, high]) => low.as_i64().zip(high.as_i64()).map(|(low, high)| [low, high]),
        _ => None,
    };
    Ok(DriftRow {
        seq: said.seq,
        at: time(said.at)?,
        date,
        channel: text("channel"),
        sku: said.sku,
        holder: text("holder"),
        place: text("place"),
        cause: text("cause"),
        shown: data["shown"].as_i64(),
        expected,
        wanted: data["wanted"].as_i64(),
    })
}
