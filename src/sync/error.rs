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
}
