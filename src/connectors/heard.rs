//! Who is told of every call that was made: how many, and how they ended.

use std::fmt;
use std::sync::Arc;

use super::{ChannelError, ErrorKind};

/// Is told of calls: what was asked for, and how it ended. Both are words of the program,
/// a bounded number of them.
#[derive(Clone)]
pub struct Heard(Arc<dyn Fn(&'static str, &'static str) + Send + Sync>);

impl Heard {
    /// Has something told.
    pub fn new(tell: impl Fn(&'static str, &'static str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(super) fn tell(&self, what: &'static str, outcome: &'static str) {
        (self.0)(what, outcome);
    }
}

impl Default for Heard {
    /// Nobody is told.
    fn default() -> Self {
        Self::new(|_, _| ())
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heard")
    }
}

/// How a call ended that was answered.
pub(super) const fn of_status(status: u16) -> &'static str {
    match status {
        200..=299 => "ok",
        300..=399 => "redirected",
        400..=499 => "refused",
        _ => "broken",
    }
}

/// How a call ended that was not.
pub(super) const fn of_error(error: &ChannelError) -> &'static str {
    match error.kind {
        ErrorKind::Unreachable(_) => "unreachable",
        ErrorKind::Timeout => "timeout",
        ErrorKind::NotSent => "not_sent",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::TooLarge { .. } => "too_large",
        _ => "failed",
    }
}
