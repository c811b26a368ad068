//! What the program says about itself: log lines on stderr, and counters.
//!
//! Logging is the one thing that is global to the process; counters are made
//! once by whoever assembles the program and passed on, so that tests see only
//! their own. Data goes to stdout and is not this module's.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that says in full what is logged, as `warn,invshop::sync=debug`.
pub const FILTER_VARIABLE: &str = "INVSHOP_LOG";

/// How much is logged when [`FILTER_VARIABLE`] does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// Warnings and errors: for a command.
    #[default]
    Warn,
    /// Also what happens in the large: for the daemon, and `-v`.
    Info,
    /// Also how: `-vv`.
    Debug,
    /// Everything: `-vvv` and more.
    Trace,
}

impl Verbosity {
    /// The verbosity of so many `-v`.
    pub fn from_count(count: u8) -> Self {
        match count {
            0 => Self::Warn,
            1 => Self::Info,
            2 => Self::Debug,
            _ => Self::Trace,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people; in colour on a terminal, unless `NO_COLOR` is set.
    #[default]
    Human,
    /// One JSON object a line, for machines.
    Json,
}

/// Logs to stderr from now on; a second call changes nothing.
///
/// An error means that [`FILTER_VARIABLE`] cannot be understood; nothing is
/// logged then.
pub fn init(verbosity: Verbosity, format: Format) -> Result<(), TelemetryError> {
    let given = std::env::var_os(FILTER_VARIABLE).map(|value| value.to_string_lossy().into_owned());
    let filter = filter(verbosity, given.as_deref())?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match format {
        Format::Json => lines.json().flatten_event(true).finish().try_init(),
        // Left alone on a terminal, the library minds NO_COLOR.
        Format::Human if std::io::stderr().is_terminal() => lines.finish().try_init(),
        Format::Human => lines.with_ansi(false).finish().try_init(),
    };
    // It fails only when there is a subscriber already: that of the first call, or a test's.
    installed.ok();
    Ok(())
}

/// The filter: what the variable says, else the verbosity.
///
/// `sqlx` logs every statement at `debug`, which would drown our own lines, so
/// it stays at `warn` unless it is named.
fn filter(verbosity: Verbosity, given: Option<&str>) -> Result<EnvFilter, TelemetryError> {
    let rest = given.filter(|given| !given.trim().is_empty()).unwrap_or(verbosity.as_str());
    Ok(EnvFilter::try_new(format!("sqlx=warn,{rest}"))?)
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The variable is not a list of `TARGET=LEVEL` or `LEVEL`.
    #[error("{FILTER_VARIABLE} cannot be understood; write for example info,invshop::writer=debug")]
    Filter(#[from] ParseError),
}

/// A number that only grows; it starts at 0 with the process.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts so many more; after 2⁶⁴ it starts again at 0, as metrics may.
    pub fn add(&self, count: u64) {
        // Counters order nothing else, so the cheapest ordering is enough.
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the program counts; one set for each that is assembled, no globals.
#[derive(Debug, Default)]
pub struct Counters {
    /// Broken invariants that were noticed: `invshop_invariant_violations_total`.
    /// Anything but 0 is a bug and wakes someone.
    pub invariant_violations: Counter,
    /// Transactions begun again after a deadlock or a serialisation failure:
    /// `invshop_deadlock_retries_total`.
    pub deadlock_retries: Counter,
    /// Batches decided again because a need lay outside the locked set:
    /// `invshop_batch_redos_total`.
    pub batch_redos: Counter,
    /// Batches committed: the count of `invshop_ledger_batch_size`.
    pub batches: Counter,
    /// Commands decided, refusals included: the sum of `invshop_ledger_batch_size`.
    pub commands: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_is_the_verbosity_unless_the_variable_says_otherwise() {
        for (verbosity, given, expected) in [
            (Verbosity::from_count(0), None, "sqlx=warn,warn"),
            (Verbosity::from_count(1), Some(" "), "sqlx=warn,info"),
            (Verbosity::from_count(9), None, "sqlx=warn,trace"),
            (Verbosity::Trace, Some("error"), "sqlx=warn,error"),
            (Verbosity::Warn, Some("debug,sqlx=info"), "sqlx=info,debug"),
        ] {
            let filter = filter(verbosity, given).unwrap();
            assert_eq!(filter.to_string(), expected);
        }
    }

    #[test]
    fn a_filter_that_cannot_be_understood_is_an_error_that_names_the_variable() {
        let error = filter(Verbosity::Warn, Some("invshop=loud")).unwrap_err();
        assert!(error.to_string().contains("INVSHOP_LOG"), "{error}");
    }

    #[test]
    fn a_second_init_changes_nothing() {
        init(Verbosity::Warn, Format::Human).unwrap();
        init(Verbosity::Trace, Format::Json).unwrap();
    }

    #[test]
    fn counters_count_on_their_own() {
        let counters = Counters::default();
        counters.batches.add(1);
        counters.batches.add(2);
        assert_eq!(counters.batches.get(), 3);
        assert_eq!(counters.commands.get(), 0);
        assert_eq!(Counters::default().batches.get(), 0);
    }
}
