//! The listings of a channel: found, so that somebody can say what they are.

use super::{Answer, Cursor, Holder, Page};
use crate::domain::{RemoteId, RemoteQuantity};

/// A listing as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteListing {
    /// The channel's id of it.
    pub id: RemoteId,
    /// The ids it has in the lines of orders.
    pub order_keys: Vec<RemoteId>,
    /// What carries its number, one for each location; empty where nothing does.
    pub holders: Vec<Holder>,
    /// The text that stands for a SKU there, as it is; may be empty, and several
    /// listings may have one.
    pub sku_text: String,
    /// What it is called there.
    pub title: String,
    /// Whether it can be bought now.
    pub is_active: bool,
    /// The number that was shown with it, where one was.
    pub quantity: Option<RemoteQuantity>,
}

/// Finds listings.
pub trait Catalog: Send + Sync {
    /// All listings, page by page.
    fn listings<'a>(&'a self, after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteListing>>;
}
