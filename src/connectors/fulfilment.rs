//! What a channel is told of its own orders: what has left, and what will not.

use super::Answer;
use crate::domain::{FactId, Quantity, RemoteId};

/// Units of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineUnits {
    /// The channel's id of the line.
    pub line: RemoteId,
    /// How many.
    pub quantity: Quantity,
    /// How many of the line left in all until then, these included: a channel that knows of
    /// so many was told before.
    pub left: Quantity,
}

/// A parcel that has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The channel's id of the order.
    pub order: RemoteId,
    /// Our id of the shipment: told again, it is the same parcel.
    pub shipment: FactId,
    /// What is in it.
    pub lines: Vec<LineUnits>,
    /// Whether nothing is left to be shipped after it.
    pub is_last: bool,
    /// Under which number it can be followed, and with whom.
    pub tracking: Option<Tracking>,
}

/// How a parcel can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// Its number.
    pub number: String,
    /// Who carries it.
    pub carrier: Option<String>,
}

/// What the channel made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It knows now.
    Done,
    /// It knew.
    Already,
    /// It will do it in a while: it is told again until it knows.
    UnderWay,
    /// It does not want to know.
    Refused {
        /// Its own code.
        code: String,
        /// Its words.
        detail: String,
    },
}

/// Tells a channel what became of its orders.
pub trait Fulfilment: Send + Sync {
    /// Tells that a parcel has left.
    fn ship<'a>(&'a self, parcel: &'a Parcel) -> Answer<'a, Told>;

    /// Tells that nothing more of an order will leave, and why, as it was said here.
    fn cancel<'a>(&'a self, order: &'a RemoteId, reason: Option<&'a str>) -> Answer<'a, Told>;
}
