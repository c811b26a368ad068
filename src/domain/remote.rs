//! What a channel shows: numbers that are not the ledger's.

use std::fmt;

/// A number as a channel shows it. What is not known is never 0: it is not written
/// over, and not counted (R68).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoteQuantity {
    /// A whole number, below 0 too where the channel sold more than it had.
    Known(i64),
    /// The channel does not count this listing.
    Untracked,
    /// What it shows cannot be read as a whole number.
    Unreadable,
}

impl RemoteQuantity {
    /// The number, where there is one.
    pub const fn known(self) -> Option<i64> {
        match self {
            Self::Known(number) => Some(number),
            Self::Untracked | Self::Unreadable => None,
        }
    }
}

impl fmt::Display for RemoteQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(number) => number.fmt(f),
            Self::Untracked => f.write_str("untracked"),
            Self::Unreadable => f.write_str("unreadable"),
        }
    }
}
