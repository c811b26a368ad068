//! Why a step of a lane was not done.

use thiserror::Error;

use crate::connectors::ChannelError;
use crate::store::StoreError;
use crate::writer::WriteError;

/// A failure of a step: it is done again as a whole, later.
#[derive(Debug, Error)]
pub enum SyncError {
    /// The channel.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The channel cannot do what is asked for.
    #[error("{channel}: its kind {cannot}")]
    Cannot {
        /// Its name.
        channel: String,
        /// What it cannot.
        cannot: &'static str,
    },
    /// Open orders are gone there in a way of which nothing is made.
    #[error(
        "open orders of {channel} are gone there, as in a shop that was put back from a backup: \
         {orders}; their units are held until `invshop order cancel {channel}:ORDER` lets them go"
    )]
    GoneAtOnce {
        /// The channel.
        channel: String,
        /// Its ids of some of them.
        orders: String,
    },
    /// It was stopped between two steps; what was marked until then stays so.
    #[error("interrupted")]
    Interrupted,
}
