//! Time as a value: the `Clock` that is passed in, and the `Timestamp` it gives.
//!
//! Everything that is stored or decided takes its time from a [`Clock`], so a
//! test or a simulation owns time completely. Waiting is not done here: timers
//! use `tokio::time`. This module must not know time zones beyond an offset in
//! a text it reads; reports bring their own zone.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate};
use serde::{Deserialize, Serialize};

/// 9999-12-31T23:59:59.999Z: the last year RFC 3339 can write in four digits.
const MILLIS_MAX: i64 = 253_402_300_799_999;

/// How much of a text that could not be read is repeated in the error, in characters.
const QUOTE_CHARS_MAX: usize = 40;

/// The source of the present moment for all facts.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment; later calls may give an earlier one.
    fn now(&self) -> Timestamp;

    /// Told what time it is for all nodes of a shop; a clock that is nobody's but its own
    /// goes on as it does.
    fn agree(&self, _now: Timestamp) {}
}

/// A moment in UTC, in whole milliseconds since 1970.
///
/// Lies within the years 1970 to 9999. Written as
/// `2026-03-02T09:15:00.123Z`, always with three digits, so that the texts sort
/// as the moments do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(MILLIS_MAX);

    /// The moment so many milliseconds after the start of 1970, UTC.
    pub fn from_millis(millis: i64) -> Result<Self, TimestampError> {
        if (0..=MILLIS_MAX).contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(TimestampError::OutOfRange)
        }
    }

    /// Reads RFC 3339 with any offset, or `YYYY-MM-DD` as midnight UTC.
    ///
    /// Digits below the millisecond are cut off, never rounded up: a fact must
    /// not come to lie later than it happened.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let millis = if is_date(text) {
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()
                .and_then(|date| date.and_hms_opt(0, 0, 0))
                .map(|midnight| midnight.and_utc().timestamp_millis())
        } else {
            DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.timestamp_millis())
        };
        match millis {
            Some(millis) => Self::from_millis(millis),
            None => Err(TimestampError::Malformed { quote: quote(text) }),
        }
    }

    /// Milliseconds since the start of 1970, UTC.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The moment so many milliseconds later, or earlier when negative.
    pub fn plus_millis(self, millis: i64) -> Result<Self, TimestampError> {
        let sum = self.0.checked_add(millis).ok_or(TimestampError::OutOfRange)?;
        Self::from_millis(sum)
    }
}

/// Whether the text has the shape `YYYY-MM-DD`; chrono alone would accept `+026-3-002`.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

fn quote(text: &str) -> String {
    let mut quote: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    if quote.len() < text.len() {
        quote.push('…');
    }
    quote
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The constructors keep the value within chrono's range; an error here is loud.
        let moment = DateTime::from_timestamp_millis(self.0).ok_or(fmt::Error)?;
        write!(f, "{}", moment.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_string()
    }
}

/// Why something is not a [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// The text is no date and time with an offset.
    #[error(
        "\"{quote}\" is not a time: write 2026-03-02T09:15:00Z, 2026-03-02T10:15:00+01:00 \
         or 2026-03-02 (midnight UTC)"
    )]
    Malformed {
        /// The text, or its beginning when it is long.
        quote: String,
    },
    /// The moment lies outside the years 1970 to 9999.
    #[error("the time lies outside the years 1970 to 9999")]
    OutOfRange,
}

/// The clock of the machine: the only place that reads it.
///
/// A machine clock set outside the years 1970 to 9999 is held at the nearer
/// end of that range.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let now = std::time::SystemTime::now();
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(MILLIS_MAX);
        Timestamp(millis.min(MILLIS_MAX))
    }
}

/// The system's clock, until it is told the time that all nodes of a shop agree on; from
/// then on it goes by that, whatever is done to the system's.
#[derive(Debug)]
pub struct SharedClock {
    system: Arc<dyn Clock>,
    begun: Instant,
    /// What it was when the clock began by the time agreed on; [`NOT_AGREED`] before.
    agreed: AtomicI64,
}

/// Nobody has told a [`SharedClock`] the time.
const NOT_AGREED: i64 = i64::MIN;

impl SharedClock {
    /// Goes by a clock until it is told better.
    pub fn new(system: Arc<dyn Clock>) -> Self {
        Self { system, begun: Instant::now(), agreed: AtomicI64::new(NOT_AGREED) }
    }

    fn since_begun(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(MILLIS_MAX)
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        match self.agreed.load(Ordering::Relaxed) {
            NOT_AGREED => self.system.now(),
            begun => Timestamp(begun.saturating_add(self.since_begun()).clamp(0, MILLIS_MAX)),
        }
    }

    fn agree(&self, now: Timestamp) {
        self.agreed.store(now.0 - self.since_begun(), Ordering::Relaxed);
    }
}

/// A clock that moves only when told; its clones share one time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    millis: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that stands at the moment given.
    pub fn new(start: Timestamp) -> Self {
        Self { millis: Arc::new(AtomicI64::new(start.0)) }
    }

    /// Moves to a moment, which may lie in the past.
    pub fn set(&self, moment: Timestamp) {
        self.millis.store(moment.0, Ordering::SeqCst);
    }

    /// Moves forward by so many milliseconds, at most to [`Timestamp::MAX`].
    pub fn advance_millis(&self, millis: u64) {
        let step = i64::try_from(millis).unwrap_or(MILLIS_MAX);
        let later = |now: i64| now.saturating_add(step).min(MILLIS_MAX);
        self.millis.update(Ordering::SeqCst, Ordering::SeqCst, later);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.millis.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_timestamp_is_written_in_utc_with_three_digits() {
        assert_eq!(at("2026-03-02T09:15:00Z").to_string(), "2026-03-02T09:15:00.000Z");
        assert_eq!(at("2026-03-02T10:15:00.1+01:00").to_string(), "2026-03-02T09:15:00.100Z");
        assert_eq!(Timestamp::MIN.to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_shared_clock_goes_by_what_was_agreed_whatever_becomes_of_the_systems() {
        let system = ManualClock::new(at("2001-01-01"));
        let clock = SharedClock::new(Arc::new(system.clone()));
        assert_eq!(clock.now(), at("2001-01-01"));
        clock.agree(at("2026-03-02T09:15:00Z"));
        system.set(at("2030-01-01"));
        let now = clock.now();
        assert!((at("2026-03-02T09:15:00Z")..at("2026-03-02T09:16:00Z")).contains(&now), "{now}");
        clock.agree(at("2026-03-02T08:00:00Z"));
        assert!(clock.now() < at("2026-03-02T08:01:00Z"));
    }

    #[test]
    fn what_is_below_a_millisecond_is_cut_off_not_rounded() {
        assert_eq!(at("2026-03-02T09:15:00.123999999Z"), at("2026-03-02T09:15:00.123Z"));
        assert_eq!(at("9999-12-31T23:59:59.9999999Z"), Timestamp::MAX);
    }

    #[test]
    fn a_date_alone_is_midnight_utc() {
        assert_eq!(at("2026-03-02"), at("2026-03-02T00:00:00Z"));
        assert_eq!(at("2024-02-29").as_millis(), 1_709_164_800_000);
    }

    #[test]
    fn texts_that_are_no_time_are_refused_with_an_example() {
        for text in [
            "",
            "now",
            "2026-03-02T09:15:00",
            "2026-3-2",
            "+026-03-02",
            "2026-02-30",
            "2026-02-30T00:00:00Z",
            "2026-03-02T24:00:00Z",
            "10000-01-01T00:00:00Z",
            " 2026-03-02",
        ] {
            let error = Timestamp::parse(text).unwrap_err();
            assert_eq!(error, TimestampError::Malformed { quote: text.to_owned() });
            assert!(error.to_string().contains("2026-03-02T09:15:00Z"), "{error}");
        }
    }

    #[test]
    fn a_long_text_is_quoted_only_in_part() {
        let error = Timestamp::parse(&"ü".repeat(1_000)).unwrap_err();
        assert_eq!(error, TimestampError::Malformed { quote: "ü".repeat(40) + "…" });
    }

    #[test]
    fn moments_outside_the_years_1970_to_9999_are_refused() {
        for text in ["1969-12-31", "1970-01-01T00:30:00+01:00", "9999-12-31T23:59:59-01:00"] {
            assert_eq!(Timestamp::parse(text), Err(TimestampError::OutOfRange), "{text}");
        }
        assert_eq!(Timestamp::from_millis(-1), Err(TimestampError::OutOfRange));
        assert_eq!(Timestamp::MAX.plus_millis(1), Err(TimestampError::OutOfRange));
        assert_eq!(Timestamp::MAX.plus_millis(i64::MAX), Err(TimestampError::OutOfRange));
        assert_eq!(Timestamp::MIN.plus_millis(i64::MIN), Err(TimestampError::OutOfRange));
    }

    #[test]
    fn adding_milliseconds_goes_both_ways() {
        let noon = at("2026-03-02T12:00:00Z");
        assert_eq!(noon.plus_millis(1_500), Ok(at("2026-03-02T12:00:01.500Z")));
        assert_eq!(noon.plus_millis(-43_200_000), Ok(at("2026-03-02")));
    }

    #[test]
    fn json_carries_the_text_form_and_refuses_others() {
        let json = serde_json::to_string(&at("2026-03-02T09:15:00.123Z")).unwrap();
        assert_eq!(json, "\"2026-03-02T09:15:00.123Z\"");
        assert_eq!(
            serde_json::from_str::<Timestamp>(&json).unwrap(),
            at("2026-03-02T09:15:00.123Z")
        );
        assert!(serde_json::from_str::<Timestamp>("1772442900123").is_err());
        assert!(serde_json::from_str::<Timestamp>("\"soon\"").is_err());
    }

    #[test]
    fn texts_sort_as_the_moments_do() {
        let moments = [Timestamp::MIN, at("2026-03-02T09:15:00.009Z"), at("2026-11-02")];
        assert!(moments.is_sorted());
        assert!(moments.map(|moment| moment.to_string()).is_sorted());
    }

    #[test]
    fn a_manual_clock_moves_only_when_told_and_shares_its_time() {
        let clock = ManualClock::new(at("2026-03-02"));
        let twin = clock.clone();
        clock.advance_millis(250);
        assert_eq!(twin.now(), at("2026-03-02T00:00:00.250Z"));
        twin.set(at("2026-03-01"));
        assert_eq!(clock.now(), at("2026-03-01"));
        clock.advance_millis(u64::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[test]
    fn the_system_clock_gives_a_time_after_this_was_written() {
        assert!(SystemClock.now() > at("2026-01-01"));
    }
}
