//! Channels that take so many changes of one listing a day, and no more until the next.
//!
//! The first changes go out as they come. Then they are spread over the rest of the day,
//! each with all that changed since the one before; and some are kept for selling out (R70).

use crate::clock::Timestamp;
use crate::connectors::WriteRules;
use crate::domain::Quantity;
use crate::store::pushes::PushRow;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Of so many changes one is kept for the number 0.
const KEPT_ONE_IN: i64 = 10;

/// How many changes of a number a channel takes in a day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Daily {
    max: i64,
}

impl Daily {
    /// By what a channel's kind takes; none where it takes any number.
    pub(super) fn of(rules: &WriteRules) -> Option<Self> {
        rules.daily_max.map(|max| Self { max: i64::from(max) })
    }

    /// Whether a number may be written now; else when it may, UTC milliseconds.
    pub(super) fn may_write(
        self,
        row: &PushRow,
        target: Quantity,
        now: Timestamp,
    ) -> Result<(), i64> {
        let now = now.as_millis();
        let (today, used) = (day(now), used(row, now));
        let tomorrow = (today + 1) * DAY_MS;
        let kept = (self.max / KEPT_ONE_IN).max(1);
        // Of a single change nothing can be kept.
        let most = if target == Quantity::ZERO { self.max } else { (self.max - kept).max(1) };
        if used >= most {
            return Err(tomorrow);
        }
        if target == Quantity::ZERO || used < most / 2 {
            return Ok(());
        }
        let gap = (tomorrow - now) / (most - used);
        let next = row.known.map_or(0, |known| known.confirmed_at) + gap;
        if now < next { Err(next.min(tomorrow)) } else { Ok(()) }
    }
}

/// The channel did not take the write that was counted last.
pub(super) fn take_back(row: &mut PushRow) {
    row.writes = (row.writes - 1).max(0);
}

/// Counts a write of a number, when it is sent.
pub(super) fn count(row: &mut PushRow, now: Timestamp) {
    let now = now.as_millis();
    (row.writes, row.written_on) = (used(row, now) + 1, Some(day(now)));
}

const fn day(millis: i64) -> i64 {
    millis.div_euclid(DAY_MS)
}

fn used(row: &PushRow, now: i64) -> i64 {
    if row.written_on == Some(day(now)) { row.writes } else { 0 }
}
