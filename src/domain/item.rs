//! Items as far as decisions need them.

use std::fmt;

use super::{ItemId, Sku};

/// The most bytes of the further fields of an item, as JSON.
pub const ATTRIBUTES_BYTES_MAX: usize = 16 * 1024;

/// Whether an item is still sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemStatus {
    /// Sold as long as there is stock.
    Active,
    /// Not offered until its sale is resumed: its ATP for requests is 0, whatever the
    /// rules; facts still apply.
    Stopped,
    /// No longer offered: its ATP for requests is 0; facts still apply.
    Discontinued,
}

impl ItemStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Stopped, Self::Discontinued];

    /// The name used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Stopped => "stopped",
            Self::Discontinued => "discontinued",
        }
    }

    /// Reads the name; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl fmt::Display for ItemStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One component of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundlePart {
    /// The component.
    pub item: ItemId,
    /// Units of it in one unit of the bundle, at least 1.
    pub per_unit: i64,
}

/// An item as decisions see it; the catalogue's other fields live in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// Its current SKU.
    pub sku: Sku,
    /// Whether it is still sold.
    pub status: ItemStatus,
    /// A bundle has no stock of its own.
    pub bundle: bool,
    /// At or below this ATP the item is low; `None` watches nothing.
    pub reorder_point: Option<i64>,
    /// Whether `stock.low` was raised and not yet re-armed.
    pub low: bool,
    /// Grows by one with each change of the catalogue entry.
    pub version: i64,
}
