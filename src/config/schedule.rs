//! `[schedule]`: when the daemon does what nobody asks it for.

use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};

use crate::clock::Timestamp;

/// The word that turns a job off.
const NEVER: &str = "never";
/// Fields of an expression: second, minute, hour, day of month, month, day of week.
const FIELDS: usize = 6;

/// `[schedule]`: cron expressions of jobs, all in UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleConfig {
    /// When the whole database is proven; `None` is never.
    pub verify: Option<Schedule>,
    /// When all numbers of all channels are compared; `None` is never.
    pub reconcile: Option<Schedule>,
    /// When a backup is made; `None` is never.
    pub backup: Option<Schedule>,
    /// Where backups go.
    pub backup_directory: PathBuf,
    /// How many backups of the schedule are kept, at least 1.
    pub backup_keep: u32,
}

/// When a job is due: a cron expression of six fields in UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    text: String,
    cron: Cron,
}

impl Schedule {
    /// The expression.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The last time at or before `now` at which the job was due; `None` where that
    /// is before any time there is.
    pub fn last_due(&self, now: Timestamp) -> Option<Timestamp> {
        let now = DateTime::<Utc>::from_timestamp_millis(now.as_millis())?;
        let due = self.cron.find_previous_occurrence(&now, true).ok()?;
        // Cron knows whole seconds only.
        Timestamp::from_millis(due.timestamp() * 1000).ok()
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != FIELDS {
            return Err(format!(
                "expected six fields (second minute hour day month weekday, in UTC), as \
                 \"0 30 3 * * *\", or \"{NEVER}\"; found {}",
                fields.len()
            ));
        }
        let is_bound = |field: &str| field != "*" && field != "?";
        if is_bound(fields[3]) && is_bound(fields[5]) {
            // Programs disagree on whether one of them or both must be true.
            return Err("names a day of the month and a weekday: give one, the other is *".into());
        }
        let parser = CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).build();
        let cron = parser.parse(text).map_err(|error| format!("is no cron expression: {error}"))?;
        if cron.find_next_occurrence(&DateTime::UNIX_EPOCH, true).is_err() {
            return Err("never comes true: there is no such day".to_owned());
        }
        Ok(Self { text: text.to_owned(), cron })
    }
}

/// A schedule, or none for `never`.
pub(super) fn schedule(text: &str) -> Result<Option<Schedule>, String> {
    if text == NEVER { Ok(None) } else { text.parse().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(expression: &str, now: &str) -> Option<String> {
        let schedule: Schedule = expression.parse().unwrap();
        schedule.last_due(Timestamp::parse(now).unwrap()).map(|due| due.to_string())
    }

    #[test]
    fn a_job_was_last_due_at_or_before_now() {
        let night = "0 30 3 * * *";
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(due(night, "2026-03-02T03:30:00Z"), of("2026-03-02T03:30:00.000Z"));
        assert_eq!(due(night, "2026-03-02T03:29:59.999Z"), of("2026-03-01T03:30:00.000Z"));
        let year = "0 0 0 1 1 *";
        assert_eq!(due(year, "2026-11-26T12:00:00Z"), of("2026-01-01T00:00:00.000Z"));
        assert_eq!(due("*/10 * * * * *", "2026-03-02T03:30:19.5Z"), of("2026-03-02T03:30:10.000Z"));
    }

    #[test]
    fn what_is_no_schedule_is_told_why() {
        for (text, said) in [
            ("30 3 * * *", "expected six fields"),
            ("daily", "expected six fields"),
            ("0 61 3 * * *", "is no cron expression"),
            ("0 0 0 31 2 *", "never comes true"),
            ("0 0 3 1 * MON", "names a day of the month and a weekday"),
        ] {
            let error = schedule(text).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
        assert_eq!(schedule("never"), Ok(None));
    }
}
