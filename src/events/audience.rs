//! Who listens, and to what of it.

use thiserror::Error;

use super::event::{Entry, Event, Frame};
use super::types::{Concern, Types, concern};
use crate::domain::{ItemId, LocationCode, Sku};
use crate::store::{self, Db, StoreError};

/// Who listens: what it may hear, and in how many words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Those who run the shop: everything.
    Staff,
    /// Those who read along: everything but who may do what.
    Reader,
    /// A storefront: stock and items in the words that are for everybody, and its own
    /// orders. Of others' orders nothing but what they do to stock.
    Storefront {
        /// The source of its own orders.
        own_source: String,
    },
}

/// What somebody wants to hear of.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Who it is.
    pub audience: Audience,
    /// Only of these types.
    pub types: Types,
    /// Only of this item.
    pub item: Option<ItemId>,
    /// Only of this location.
    pub location: Option<LocationCode>,
}

/// Why there is no such selection.
#[derive(Debug, Error)]
pub enum SelectionError {
    /// No item has or had the SKU.
    #[error("there is no item '{0}'")]
    UnknownSku(Sku),
    /// No location has the code.
    #[error("there is no location '{0}'")]
    UnknownLocation(LocationCode),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Selection {
    /// Everything that somebody may hear.
    pub fn all(audience: Audience) -> Self {
        Self { audience, types: Types::default(), item: None, location: None }
    }

    /// Only what is about an item, by any name it ever had.
    pub async fn of_item(mut self, db: &Db, sku: &Sku) -> Result<Self, SelectionError> {
        let mut reader = db.read().await?;
        let found = store::catalogue::resolve(&mut reader.conn(), vec![sku.to_string()]).await?;
        let item = found.first().map(|(_, item)| item.id);
        self.item = Some(item.ok_or_else(|| SelectionError::UnknownSku(sku.clone()))?);
        Ok(self)
    }

    /// Only what is about a location.
    pub async fn of_location(
        mut self,
        db: &Db,
        code: LocationCode,
    ) -> Result<Self, SelectionError> {
        let all = store::locations::all(&mut db.read().await?.conn()).await?;
        if !all.iter().any(|location| location.code == code) {
            return Err(SelectionError::UnknownLocation(code));
        }
        self.location = Some(code);
        Ok(self)
    }

    /// An event in the words of the audience; `None` where it is not for it, or not asked for.
    pub(super) fn pick<'e>(&self, event: &'e Event) -> Option<&'e Frame> {
        match event {
            Event::Entry(entry) => self.pick_entry(entry),
            // It may be what was asked for, and nobody can tell.
            Event::Unreadable(_, frame) => Some(frame),
        }
    }

    /// The same of an entry that can be read.
    pub(super) fn pick_entry<'e>(&self, event: &'e Entry) -> Option<&'e Frame> {
        let is_wanted = self.types.has(event.kind())
            && self.item.is_none_or(|item| event.item() == Some(item))
            && self.location.as_ref().is_none_or(|code| event.location() == Some(code.as_str()));
        if !is_wanted {
            return None;
        }
        let concern = concern(event.kind());
        match &self.audience {
            Audience::Staff => Some(event.full()),
            Audience::Reader => (concern != Concern::Audit).then(|| event.full()),
            Audience::Storefront { own_source } if event.source() == Some(own_source) => {
                matches!(concern, Concern::Stock | Concern::Order).then(|| event.own())
            }
            Audience::Storefront { .. } => (concern == Concern::Stock).then(|| event.public()),
        }
    }
}
