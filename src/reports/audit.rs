//! Who did what to the shop itself, and who was not let in.

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;

use super::sales::SalesPeriod;
use super::view::{json, time};
use super::{ReportError, days};
use crate::clock::Timestamp;
use crate::domain::{Kind, Refusal};
use crate::store::acts::{self, Act};
use crate::store::{Db, StoreError};

/// Acts of a report at most.
const ACTS_MAX: usize = 100_000;
/// Refused attempts that are shown one by one: more are an attack, and hide no act.
const REFUSED_MAX: usize = 10_000;
/// What they are in the journal.
const REFUSED: &str = Kind::AuthRefused.event_type();

/// An act, or an attempt that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// The entry of the journal that says it.
    pub seq: i64,
    /// When it was written down.
    pub at: Timestamp,
    /// The day that was in the calendar asked for.
    pub date: NaiveDate,
    /// What happened, as the journal's consumers know it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who did it: a key holder; none for who was not let in.
    pub actor: Option<String>,
    /// From where; none for the command line.
    pub address: Option<String>,
    /// The name of the request it came with.
    pub request_id: Option<String>,
    /// The import it is about.
    pub batch: Option<i64>,
    /// What else is known of it.
    pub data: Value,
}

/// Who did what within some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// The first day.
    pub from: NaiveDate,
    /// The last day, which is part of it.
    pub to: NaiveDate,
    /// Whose calendar: the name of its time zone.
    pub time_zone: String,
    /// Entries of refused attempts that are left out: only so many are shown.
    pub refused_left_out: u64,
    /// What happened in those days, the oldest first.
    pub data: Vec<AuditRow>,
}

/// What was done and refused within some days.
pub async fn audit(db: &Db, period: SalesPeriod) -> Result<Audit, ReportError> {
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let mut data = Vec::new();
    let (mut refused, mut refused_left_out) = (0, 0);
    let page = async |after, window, limit| acts::page(&mut conn, after, window, limit).await;
    let take = |act: Act, date| {
        if act.kind == REFUSED {
            refused += 1;
            if refused > REFUSED_MAX {
                refused_left_out += 1;
                return Ok(());
            }
        }
        if data.len() == ACTS_MAX + REFUSED_MAX {
            let message = format!("more than {ACTS_MAX} acts: ask for fewer days");
            return Err(Refusal::invalid("to", message).into());
        }
        data.push(row(act, date)?);
        Ok(())
    };
    days::each(period, page, take).await?;
    let SalesPeriod { from, to, time_zone } = period;
    let time_zone = time_zone.name().to_owned();
    Ok(Audit { from, to, time_zone, refused_left_out, data })
}

fn row(act: Act, date: NaiveDate) -> Result<AuditRow, StoreError> {
    let mut data = json(act.data.as_deref())?;
    let mut taken = |name: &str| {
        let value = data.as_object_mut().and_then(|fields| fields.remove(name));
        value.and_then(|value| value.as_str().map(ToOwned::to_owned))
    };
    let (address, request_id) = (taken("address"), taken("request_id"));
    Ok(AuditRow {
        seq: act.seq,
        at: time(act.at)?,
        date,
        kind: act.kind,
        actor: act.account,
        address,
        request_id,
        batch: act.batch,
        data,
    })
}
