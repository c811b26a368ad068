//! What the program says about itself: log lines on stderr, and counters.
//!
//! Logging is the one thing that is global to the process; counters are made
//! once by whoever assembles the program and passed on, so that tests see only
//! their own. Data goes to stdout and is not this module's.

mod metrics;
mod origin;
mod streams;

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

pub use metrics::{Counter, Counters};
pub use origin::{Guessed, Origin};
pub use streams::OfStreams;

/// The variable that says in full what is logged, as `warn,invshop::sync=debug`.
pub const FILTER_VARIABLE: &str = "INVSHOP_LOG";

/// Libraries that say too much.
const QUIET: &str = "sqlx=warn,tokio_cron_scheduler=warn";

/// How much is logged when [`FILTER_VARIABLE`] does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// Errors only.
    Error,
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
            Self::Error => "error",
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

/// Changes how much is logged, later.
#[derive(Clone, Debug)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Logs so much from now on, unless [`FILTER_VARIABLE`] says otherwise.
    pub fn set(&self, verbosity: Verbosity) -> Result<(), TelemetryError> {
        let filter = filter(verbosity, given().as_deref())?;
        // It fails only when the subscriber is gone, and then nothing is logged anyway.
        self.0.reload(filter).ok();
        Ok(())
    }
}

/// Logs to stderr from now on; a second call changes nothing.
///
/// An error means that [`FILTER_VARIABLE`] cannot be understood; nothing is
/// logged then.
pub fn init(verbosity: Verbosity, format: Format) -> Result<Level, TelemetryError> {
    let (filter, level) = reload::Layer::new(filter(verbosity, given().as_deref())?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        Format::Json => lines.json().flatten_event(true).boxed(),
        // Left alone on a terminal, the library minds NO_COLOR.
        Format::Human if std::io::stderr().is_terminal() => lines.boxed(),
        Format::Human => lines.with_ansi(false).boxed(),
    };
    // It fails only when there is a subscriber already: that of the first call, or a test's.
    tracing_subscriber::registry().with(filter).with(lines).try_init().ok();
    Ok(Level(level))
}

fn given() -> Option<String> {
    std::env::var_os(FILTER_VARIABLE).map(|value| value.to_string_lossy().into_owned())
}

/// The filter: what the variable says, else the verbosity.
///
/// `sqlx` logs every statement at `debug`, and the clock of jobs its own life at
/// `info`, which would drown our own lines: they stay at `warn` unless they are named.
fn filter(verbosity: Verbosity, given: Option<&str>) -> Result<EnvFilter, TelemetryError> {
    let rest = given.filter(|given| !given.trim().is_empty()).unwrap_or(verbosity.as_str());
    Ok(EnvFilter::try_new(format!("{QUIET},{rest}"))?)
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The variable is not a list of `TARGET=LEVEL` or `LEVEL`.
    #[error("{FILTER_VARIABLE} cannot be understood; write for example info,invshop::writer=debug")]
    Filter(#[from] ParseError),
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
            let expected = format!("tokio_cron_scheduler=warn,{expected}");
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
}
