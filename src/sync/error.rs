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
    /// So many of its open orders are gone there that nothing is made of it.
    #[error(
        "{gone} of {asked} open orders that {channel} was asked for are gone there: a shop that \
         was put back from a backup looks so, and they are held; `invshop order cancel` lets one go"
    )]
    GoneAtOnce {
        /// The channel.
        channel: String,
        /// Orders it has not.
        gone: usize,
        /// Orders it was asked for.
        asked: usize,
    },
    /// It was stopped between two steps; what was marked until then stays so.
    #[error("interrupted")]
    Interrupted,
}
