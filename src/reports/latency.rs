//! How long sales waited until channels had the number.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::ReportError;
use super::sales::{self, SalesPeriod, date_of};
use crate::store::Db;
use crate::store::sold::{self, SLOT_MS};

/// How long sales of one day waited until a channel had the number. Times are bounds of
/// what was counted: at least the time itself, and at most an eighth more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncLatencyRow {
    /// The day in the calendar asked for; none for all days.
    pub date: Option<NaiveDate>,
    /// The channel.
    pub channel: String,
    /// Numbers that were pushed with a sale in them.
    pub sales: i64,
    /// Half of them waited no longer than so many milliseconds.
    pub p50_ms: i64,
    /// 95 of 100.
    pub p95_ms: i64,
    /// 99 of 100.
    pub p99_ms: i64,
    /// All of them.
    pub max_ms: i64,
}

/// How long sales waited until channels had the number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncLatency {
    /// The first day.
    pub from: NaiveDate,
    /// The last day, which is part of it.
    pub to: NaiveDate,
    /// Whose calendar: the name of its time zone.
    pub time_zone: String,
    /// By channel and day; days without sales are left out.
    pub data: Vec<SyncLatencyRow>,
    /// By channel over all days.
    pub totals: Vec<SyncLatencyRow>,
}

type Counts = BTreeMap<i64, i64>;

/// Adds up how long sales waited, by the day the channel acknowledged the number.
pub async fn sync_latency(db: &Db, period: SalesPeriod) -> Result<SyncLatency, ReportError> {
    let SalesPeriod { from, to, time_zone } = period;
    sales::check(period)?;
    let mut days: BTreeMap<(String, NaiveDate), Counts> = BTreeMap::new();
    let mut all: BTreeMap<String, Counts> = BTreeMap::new();
    let mut reader = db.snapshot().await?;
    // Day by day, so that memory does not grow with the period.
    let (mut at, until) = sales::window(period);
    while at < until {
        let next = until.min(at + 96 * SLOT_MS);
        for slot in sold::slots(&mut reader.conn(), at, next).await? {
            let date = date_of(slot.at, time_zone)?;
            if from <= date && date <= to {
                let day = days.entry((slot.channel.clone(), date)).or_default();
                *day.entry(slot.bound_ms).or_default() += slot.sales;
                *all.entry(slot.channel).or_default().entry(slot.bound_ms).or_default() +=
                    slot.sales;
            }
        }
        at = next;
    }
    let data = days.into_iter().map(|((channel, date), counts)| row(channel, Some(date), &counts));
    let totals = all.into_iter().map(|(channel, counts)| row(channel, None, &counts));
    let time_zone = time_zone.name().to_owned();
    Ok(SyncLatency { from, to, time_zone, data: data.collect(), totals: totals.collect() })
}

fn row(channel: String, date: Option<NaiveDate>, counts: &Counts) -> SyncLatencyRow {
    let sales: i64 = counts.values().sum();
    let within = |hundredths: i64| {
        let wanted = (i128::from(sales) * i128::from(hundredths) + 99) / 100;
        let mut seen = 0_i128;
        let found = counts.iter().find(|(_, count)| {
            seen += i128::from(**count);
            seen >= wanted
        });
        found.map_or(0, |(bound, _)| *bound)
    };
    SyncLatencyRow {
        date,
        channel,
        sales,
        p50_ms: within(50),
        p95_ms: within(95),
        p99_ms: within(99),
        max_ms: within(100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_a_hundred_waited_no_longer() {
        let counts = Counts::from([(100, 50), (200, 45), (800, 4), (5_000, 1)]);
        let row = row("web".to_owned(), None, &counts);
        assert_eq!((row.sales, row.p50_ms, row.p95_ms), (100, 100, 200));
        assert_eq!((row.p99_ms, row.max_ms), (800, 5_000));
        let one = super::row("web".to_owned(), None, &Counts::from([(7, 1)]));
        assert_eq!((one.p50_ms, one.max_ms), (7, 7));
    }
}
