//! What a decision changes beside levels and orders, and the one way to change a level.

use super::catalogue::{ItemFields, NewAccount, NewBatch, NewItem, NewKey, NewLocation};
use crate::domain::{
    AccountId, BatchId, BundlePart, DecisionTerms, Deltas, ItemId, ItemStatus, Kind, LevelKey,
    LocationId, OrderId, SealedUser, Seq, Sku, UserId,
};

/// Rows that only a catalogue or admin command adds.
#[derive(Clone, Debug)]
pub enum Added {
    /// A new item with its catalogue fields.
    Item(Box<NewItem>, ItemId),
    /// New catalogue fields of an item and its new version, guarded by the version before it.
    Fields(Box<ItemFields>, ItemId, i64),
    /// A new status of an item and its new version, guarded by the version before it.
    Status(ItemId, ItemStatus, i64),
    /// Whether an item is low.
    Low(ItemId, bool),
    /// A new current SKU and the item's new version; the old SKU stays as an alias.
    Sku(ItemId, Sku, i64),
    /// A new recipe.
    Recipe(ItemId, Vec<BundlePart>),
    /// A location.
    Location(NewLocation, LocationId),
    /// Sealed personal data of an order.
    Personal(OrderId, Vec<u8>),
    /// An order waits for its decision, on terms.
    Waits(OrderId, DecisionTerms),
    /// An order waits no more; why it was refused, as JSON, where it was.
    Decided(OrderId, Option<String>),
    /// A key holder and its key.
    Key(NewAccount, AccountId),
    /// A further key of a key holder.
    NextKey(NewKey, AccountId),
    /// The key of a prefix ends.
    KeyRevoked(String),
    /// Somebody a key holder registered.
    User(SealedUser, UserId, AccountId),
    /// What is known of a user now, and its new version.
    UserUpdated(SealedUser, UserId, i64),
    /// Nothing is known of a user any more.
    UserErased(UserId),
    /// Whose an order is.
    OrderUser(OrderId, UserId),
    /// Nothing is known of an order's customer any more, nor will be.
    CustomerForgotten(OrderId),
    /// An import begins, for a key holder.
    Batch(NewBatch, BatchId, AccountId),
    /// Rows of an import that are now written: (batch, rows done before, after).
    BatchProgress(BatchId, i64, i64),
    /// A new state of an import: (batch, from, to).
    BatchStatus(BatchId, &'static str, &'static str),
    /// Whether a level has room and shortfall left over, which the writer's next
    /// commands fill. The last word on a level counts.
    FillRest(LevelKey, bool),
    /// Taking an import back has begun, whether or not it was written whole.
    BatchReverting(BatchId),
}

/// One movement to post.
#[derive(Clone, Debug)]
pub struct Movement {
    /// The level.
    pub key: LevelKey,
    /// What it is.
    pub kind: Kind,
    /// What it changes.
    pub deltas: Deltas,
    /// Units the fact spoke of, where the deltas may say less.
    pub quantity: Option<i64>,
    /// When it took effect, if that was given.
    pub effective_at: Option<i64>,
    /// The order line and part it is for.
    pub order: Option<(OrderId, i64, i64)>,
    /// The entry it takes back.
    pub reverses: Option<Seq>,
    /// Further fields, a JSON object.
    pub data: Option<String>,
}

impl Movement {
    /// A movement with nothing else said.
    pub const fn new(key: LevelKey, kind: Kind, deltas: Deltas) -> Self {
        Self {
            key,
            kind,
            deltas,
            quantity: None,
            effective_at: None,
            order: None,
            reverses: None,
            data: None,
        }
    }

    /// For a part of an order line.
    #[must_use]
    pub const fn of(mut self, order: OrderId, line: i64, part: i64) -> Self {
        self.order = Some((order, line, part));
        self
    }
}
