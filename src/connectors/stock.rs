//! The numbers of a channel: read, and written with what they rest on.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Answer, ChannelError, Cursor, Page, Urgency};
use crate::clock::Timestamp;
use crate::domain::{Quantity, RemoteId, RemoteQuantity, Seq};

/// The longest a write of numbers takes, the wait for the budget included: a lane that
/// loses its channel must not be heard for longer.
pub const WRITE_MAX: Duration = Duration::from_secs(20);

/// What carries a number on a channel. Several listings may share one: variations
/// whose stock is their parent's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// The channel's own id of it.
    pub id: RemoteId,
    /// The channel's own id of the location, where it has locations.
    pub location: Option<RemoteId>,
}

/// A number as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteLevel {
    /// What carries it.
    pub holder: Holder,
    /// The number; `None` where the channel has no such holder any more.
    pub quantity: Option<RemoteQuantity>,
}

/// A number that is to be written, with its causality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockTarget {
    /// Where to.
    pub holder: Holder,
    /// What to.
    pub quantity: Quantity,
    /// What the channel is expected to show before; a channel that can compare
    /// refuses the write when it does not.
    pub expected: Option<i64>,
    /// Everything that happened on the channel until then is in the number.
    pub known_until: Timestamp,
    /// The entry of the journal up to which the ledger is in it.
    pub basis_seq: Seq,
    /// The name of this write: the same again has the same, another number another.
    pub key: String,
}

/// What became of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StockOutcome {
    /// The channel holds this number now, as it says itself. Another one than asked
    /// for is a refusal, never a success.
    Stored(RemoteQuantity),
    /// It was taken; what is stored has to be read.
    Taken,
    /// It will be done; the ticket tells when it was.
    Accepted(Ticket),
    /// Nothing was written for the sake of others: it is next.
    NotWritten,
    /// Something else was there than expected; nothing was written.
    Stale {
        /// What was there, where the channel says so.
        current: Option<RemoteQuantity>,
    },
    /// The channel does not want this one.
    Refused {
        /// Its own code.
        code: String,
        /// Its words.
        detail: String,
    },
    /// Nobody knows: read before anything is written again.
    Unknown,
}

/// The channel's name of a write that it does later; kept until it is done or lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub String);

/// How far a ticket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// Not yet.
    Pending,
    /// Done: the outcomes of its holders.
    Done(Vec<(Holder, StockOutcome)>),
    /// The channel does not know it any more: read what is there.
    Lost,
}

/// Which targets belong into one call, where not all may.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub String);

/// Reads numbers.
pub trait StockRead: Send + Sync {
    /// The numbers of some holders, at most `read_max` of the capability; one answer
    /// for each, in their order.
    fn read<'a>(&'a self, holders: &'a [Holder], urgency: Urgency) -> Answer<'a, Vec<RemoteLevel>>;

    /// All numbers, page by page, for reconciling. A list that breaks off is an error
    /// and never "the rest is gone".
    fn read_all<'a>(&'a self, after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteLevel>>;
}

/// Writes numbers.
pub trait StockWrite: Send + Sync {
    /// The group of a holder.
    fn group_of(&self, holder: &Holder) -> Group;

    /// Writes numbers in one call: at most `targets_max` of the capability, of one
    /// group where it groups. One outcome for each, in their order. An error is one of
    /// the whole call: nothing of it was done, or nobody knows
    /// ([`ChannelError::is_unknown`]).
    fn write<'a>(
        &'a self,
        targets: &'a [StockTarget],
        urgency: Urgency,
    ) -> BoxFuture<'a, Result<Vec<StockOutcome>, ChannelError>>;

    /// How far a write is that was accepted.
    fn ticket<'a>(&'a self, ticket: &'a Ticket) -> Answer<'a, TicketState>;
}
