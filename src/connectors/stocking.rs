//! What a channel keeps at which of its places: found, and begun where it is not.
//!
//! A channel with places may keep a number of a listing at some of them only. At the others
//! it shows none, and none can be written there until it is told to keep one.

use super::{Answer, Cursor, Holder, Page};
use crate::domain::RemoteId;

/// Numbers that are begun in one call at most: so many are asked for again where a call fails.
pub const KEEP_MAX: usize = 10;

/// A listing that the channel counts, as it stands at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Countable {
    /// The channel's id of it.
    pub id: RemoteId,
    /// The ids it has in the lines of orders.
    pub order_keys: Vec<RemoteId>,
    /// What carries its number at the place, or would.
    pub holder: Holder,
    /// The text that stands for a SKU there, as it is.
    pub sku_text: String,
    /// What it is called there.
    pub title: String,
    /// Whether the channel keeps a number of it at the place.
    pub is_kept: bool,
}

/// What became of one number that was to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It is kept from now on, with 0 units.
    Begun,
    /// It was kept before: nothing was done, and its number is what it was.
    Already,
    /// The channel does not keep this one.
    Refused {
        /// Its words.
        detail: String,
    },
}

/// Says what a channel keeps at its places, and has it keep more. For kinds whose places do
/// not hold all that the channel counts.
pub trait Stocking: Send + Sync {
    /// All listings that are counted, as they stand at one place, page by page.
    fn countable<'a>(
        &'a self,
        place: &'a RemoteId,
        after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<Countable>>;

    /// Has numbers kept, at most [`KEEP_MAX`]; one outcome for each, in their order. What is
    /// kept already is left as it is. An error is one of the whole call, of which some may be
    /// done: the same again does what is left.
    fn keep<'a>(&'a self, holders: &'a [Holder]) -> Answer<'a, Vec<Keeping>>;
}
