//! What the journal says of some days, in whose calendar is asked for.

use chrono::NaiveDate;

use super::ReportError;
use super::sales::{SalesPeriod, check, date_of, window};
use crate::store::StoreError;
use crate::store::acts::Act;
use crate::store::drift::DriftSaid;

/// Entries a page.
const PAGE: i64 = 1000;

/// Something that the journal says: its place, and when it was written down.
pub(super) trait Said {
    fn seq(&self) -> i64;
    fn at(&self) -> i64;
}

impl Said for Act {
    fn seq(&self) -> i64 {
        self.seq
    }

    fn at(&self) -> i64 {
        self.at
    }
}

impl Said for DriftSaid {
    fn seq(&self) -> i64 {
        self.seq
    }

    fn at(&self) -> i64 {
        self.at
    }
}

/// Takes what was said in a period, the oldest first, each with its day. A page is of so many
/// entries after a seq, in a window of time that has more than the period.
pub(super) async fn each<T: Said>(
    period: SalesPeriod,
    mut page: impl AsyncFnMut(i64, (i64, i64), i64) -> Result<Vec<T>, StoreError>,
    mut take: impl FnMut(T, NaiveDate) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    check(period)?;
    let (window, days) = (window(period), period.from..=period.to);
    let mut after = 0;
    loop {
        let entries = page(after, window, PAGE).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = last.seq();
        for said in entries {
            let date = date_of(said.at(), period.time_zone)?;
            if days.contains(&date) {
                take(said, date)?;
            }
        }
    }
}
