//! What was sold, by the shop's own business days.
//!
//! An order belongs to the day that the shop's calendar showed at the moment it
//! was placed. Days are told by the calendar, order by order, not by adding 24
//! hours: days of 23 and 25 hours lose and double nothing (R46, R48).

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use serde::Serialize;

use super::ReportError;
use super::view::{AmountView, bad};
use crate::domain::Refusal;
use crate::store::report_reads::{self, SoldRow};
use crate::store::{Db, StoreError};

/// Orders a page.
const PAGE_MAX: i64 = 500;
/// The most days of one report: ten years.
const DAYS_MAX: i64 = 3660;
/// No calendar is farther from UTC than this, in milliseconds.
const OFFSET_MS_MAX: i64 = 26 * 3600 * 1000;

/// Which days, in whose calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SalesPeriod {
    /// The first day.
    pub from: NaiveDate,
    /// The last day, which is part of it.
    pub to: NaiveDate,
    /// Whose calendar.
    pub time_zone: Tz,
}

/// What was sold in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SalesSum {
    /// Orders with at least one unit that was not cancelled.
    pub orders: i64,
    /// Units that were not cancelled.
    pub units: i64,
    /// Of these, units whose price is unknown: they are in no revenue.
    pub units_without_price: i64,
    /// Their price by currency.
    pub revenue: Vec<AmountView>,
}

/// What was sold on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SalesDay {
    /// The day in the shop's calendar.
    pub date: NaiveDate,
    /// What was sold.
    #[serde(flatten)]
    pub sum: SalesSum,
}

/// What was sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sales {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Whose calendar: the name of its time zone.
    pub time_zone: String,
    /// Every day of the period, also those without sales.
    pub days: Vec<SalesDay>,
    /// The whole period, added up by itself.
    pub total: SalesSum,
}

/// Adds up what was sold within a period by days. Cancelled units are not sold;
/// units that came back were.
pub async fn sales(db: &Db, period: SalesPeriod) -> Result<Sales, ReportError> {
    let SalesPeriod { from, to, time_zone } = period;
    check(period)?;
    let window = window(period);
    let mut days: BTreeMap<NaiveDate, Sum> = BTreeMap::new();
    let mut total = Sum::default();
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let mut after = (i64::MIN, 0);
    loop {
        let rows = report_reads::sold(&mut conn, window, after, PAGE_MAX).await?;
        let Some(last) = rows.last() else { break };
        after = (last.placed_at, last.order);
        for row in rows.iter().filter(|row| row.units > 0) {
            let date = date_of(row.placed_at, time_zone)?;
            if from <= date && date <= to {
                let day = days.entry(date).or_default();
                let added = day.add(row).and_then(|()| total.add(row));
                let what = || format!("the orders of {date}");
                added.ok_or_else(|| ReportError::Overflow { what: what() })?;
            }
        }
    }
    let dates = from.iter_days().take_while(|date| *date <= to);
    let day = |date| SalesDay { date, sum: days.remove(&date).unwrap_or_default().shown() };
    Ok(Sales {
        from,
        to,
        time_zone: time_zone.name().to_owned(),
        days: dates.map(day).collect(),
        total: total.shown(),
    })
}

/// Refuses a period that ends before it begins, or is too long.
pub(super) fn check(period: SalesPeriod) -> Result<(), ReportError> {
    let SalesPeriod { from, to, .. } = period;
    let count = (to - from).num_days() + 1;
    if (1..=DAYS_MAX).contains(&count) {
        return Ok(());
    }
    let message = format!("{from} to {to} is {count} days; 1 to {DAYS_MAX} are possible");
    Err(Refusal::invalid("to", message).into())
}

/// A time in which all moments of a period are, whatever the calendar, milliseconds.
pub(super) fn window(period: SalesPeriod) -> (i64, i64) {
    (midnight(period.from) - OFFSET_MS_MAX, midnight(period.to) + 2 * OFFSET_MS_MAX)
}

/// The start of a day as UTC has it, in milliseconds.
fn midnight(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}

pub(super) fn date_of(millis: i64, time_zone: Tz) -> Result<NaiveDate, StoreError> {
    let moment = DateTime::from_timestamp_millis(millis);
    let moment = moment.ok_or_else(|| bad("a time", format!("{millis} is out of range")))?;
    Ok(moment.with_timezone(&time_zone).date_naive())
}

#[derive(Debug, Default)]
struct Sum {
    orders: i64,
    last_order: Option<i64>,
    units: i64,
    units_without_price: i64,
    revenue: BTreeMap<String, i64>,
}

impl Sum {
    /// Adds a line; the lines of an order follow each other. `None` on overflow.
    fn add(&mut self, row: &SoldRow) -> Option<()> {
        if self.last_order != Some(row.order) {
            self.orders += 1;
            self.last_order = Some(row.order);
        }
        self.units = self.units.checked_add(row.units)?;
        match (row.unit_price, &row.currency) {
            (Some(price), Some(currency)) => {
                let sum = self.revenue.entry(currency.clone()).or_default();
                *sum = sum.checked_add(price.checked_mul(row.units)?)?;
            }
            _ => self.units_without_price = self.units_without_price.checked_add(row.units)?,
        }
        Some(())
    }

    fn shown(self) -> SalesSum {
        let revenue = self.revenue.into_iter();
        SalesSum {
            orders: self.orders,
            units: self.units,
            units_without_price: self.units_without_price,
            revenue: revenue.map(|(currency, amount)| AmountView { amount, currency }).collect(),
        }
    }
}
