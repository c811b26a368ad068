//! Why something cannot be read.

use thiserror::Error;

use crate::domain::{OrderRef, Refusal};
use crate::store::StoreError;

/// Why a report has no answer.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was asked for makes no sense, or is not known.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A sum of money is beyond 64 bits.
    #[error("the sum of money of {what} is too large to count")]
    Overflow {
        /// What was summed.
        what: String,
    },
}

/// Why a name does not lead to one order.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No order has this name.
    #[error("no order is known as '{text}'")]
    Unknown {
        /// What was asked for.
        text: String,
    },
    /// Several sources use the id.
    #[error("'{text}' is the id of several orders: {}", .orders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// The orders it may mean; at most ten are named.
        orders: Vec<OrderRef>,
    },
}

impl ResolveError {
    /// The stable code that scripts match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(_) => "store",
            Self::Unknown { .. } => "unknown_order",
            Self::Ambiguous { .. } => "ambiguous_order",
        }
    }
}
