//! What can go wrong with a call to a channel, and whether it may be made again.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::budget::PAUSE_MAX;

/// Why a call to a channel failed. Its text is for a shop owner: it never holds a
/// secret, a body or a name of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {kind}")]
pub struct ChannelError {
    /// What was asked for, as a verb with its object: "read the orders".
    pub what: &'static str,
    /// What went wrong.
    pub kind: ErrorKind,
    /// Whether the whole operation may be done again, and when.
    pub retry: Retry,
}

/// Whether an operation may be done again as a whole, decided where the failure is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again: somebody has to change something first.
    Never,
    /// Later, and later each time.
    Backoff,
    /// Not before so long.
    After(Duration),
}

/// The kinds of failure, as `channel check` tells them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nobody could be reached, or the connection broke.
    Unreachable(String),
    /// No answer in time: what was asked for may have been done.
    Timeout,
    /// The budget left no room in time: nothing was asked for.
    NotSent,
    /// The shop does not know who is asking, or says so for any reason.
    Unauthorized(String),
    /// It knows, and does not allow it.
    Forbidden(String),
    /// There is no such thing there.
    NotFound(String),
    /// Too many calls.
    RateLimited,
    /// The shop itself fails: 5xx, maintenance, a page of its proxy.
    Broken(String),
    /// It redirects: the address in the configuration is not the shop's own.
    Redirected(String),
    /// The answer is not what the contract says.
    Unreadable(String),
    /// The answer is longer than is taken.
    TooLarge {
        /// The most that is taken, in bytes.
        bytes_max: usize,
    },
    /// The shop refuses what was asked for.
    Refused {
        /// The shop's own code.
        code: String,
        /// Its words.
        detail: String,
    },
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the channel cannot be reached: {why}"),
            Self::Timeout => f.write_str("the channel did not answer in time"),
            Self::NotSent => f.write_str(
                "it was not sent: the channel allows fewer calls than there are to make",
            ),
            Self::Unauthorized(why) => write!(f, "the channel does not accept the keys: {why}"),
            Self::Forbidden(why) => write!(f, "the keys do not allow it: {why}"),
            Self::NotFound(what) => write!(f, "the channel has no such thing: {what}"),
            Self::RateLimited => f.write_str("the channel wants fewer calls"),
            Self::Broken(how) => write!(f, "the channel fails: {how}"),
            Self::Redirected(to) => {
                write!(f, "the channel redirects to {to}: its url should be that one")
            }
            Self::Unreadable(why) => write!(f, "the answer of the channel cannot be read: {why}"),
            Self::TooLarge { bytes_max } => {
                write!(f, "the answer of the channel is longer than {bytes_max} bytes")
            }
            Self::Refused { code, detail } => {
                write!(f, "the channel refuses it: {detail} ({code})")
            }
        }
    }
}

impl ChannelError {
    /// A failure that is to be tried again as its kind says.
    pub fn new(what: &'static str, kind: ErrorKind) -> Self {
        let retry = match &kind {
            ErrorKind::Unreachable(_)
            | ErrorKind::Timeout
            | ErrorKind::NotSent
            | ErrorKind::RateLimited
            | ErrorKind::Broken(_)
            // Shops answer so while they are updated.
            | ErrorKind::Unreadable(_)
            | ErrorKind::TooLarge { .. } => Retry::Backoff,
            ErrorKind::Unauthorized(_)
            | ErrorKind::Forbidden(_)
            | ErrorKind::NotFound(_)
            | ErrorKind::Redirected(_)
            | ErrorKind::Refused { .. } => Retry::Never,
        };
        Self { what, kind, retry }
    }

    /// The same failure, not to be tried before so long; an hour at most, because a
    /// channel that asks for more is mistaken.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry = Retry::After(wait.min(PAUSE_MAX));
        self
    }

    /// Whether what was asked for may have been done all the same. A write that
    /// failed so is read before anything is written again.
    pub const fn is_unknown(&self) -> bool {
        !matches!(
            self.kind,
            ErrorKind::NotSent
                | ErrorKind::Unauthorized(_)
                | ErrorKind::Forbidden(_)
                | ErrorKind::NotFound(_)
                | ErrorKind::RateLimited
                | ErrorKind::Redirected(_)
                | ErrorKind::Refused { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_done_is_unknown_and_the_rest_is_not() {
        let unknown = |kind| ChannelError::new("write stock", kind).is_unknown();
        assert!(unknown(ErrorKind::Timeout));
        assert!(unknown(ErrorKind::Broken("502".to_owned())));
        assert!(unknown(ErrorKind::Unreadable("half a document".to_owned())));
        assert!(unknown(ErrorKind::TooLarge { bytes_max: 1 }));
        assert!(!unknown(ErrorKind::RateLimited));
        assert!(!unknown(ErrorKind::NotSent));
        assert!(!unknown(ErrorKind::Unauthorized("401".to_owned())));
    }
}
