//! The orders of a channel: found by what changed, fetched by id, decoded from what
//! was stored.

use futures_util::FutureExt as _;

use super::{Answer, Cursor, DecodeError, Holder, Page};
use crate::clock::Timestamp;
use crate::domain::{Money, Quantity, RemoteId};

/// From when to when orders changed that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The beginning, the overlap with the window before included.
    pub from: Timestamp,
    /// The end: taken before the first page is asked for.
    pub until: Timestamp,
}

/// An order as the channel wrote it: kept before anything is made of it.
#[derive(Clone, PartialEq, Eq)]
pub struct RawOrder {
    /// The channel's id of it.
    pub id: RemoteId,
    /// The document.
    pub body: Vec<u8>,
}

/// A body holds customers: it is never shown.
impl std::fmt::Debug for RawOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "order {} with {} bytes", self.id, self.body.len())
    }
}

/// An order in a list of what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedOrder {
    /// All of it.
    Whole(RawOrder),
    /// That it changed, and when: what it is now is asked for by its id, where that is not
    /// known yet.
    Named {
        /// The channel's id of it.
        id: RemoteId,
        /// When it last changed, by the channel's clock; the version of that state.
        changed_at: Timestamp,
    },
}

impl From<RawOrder> for ListedOrder {
    fn from(raw: RawOrder) -> Self {
        Self::Whole(raw)
    }
}

/// Which of two states of an order is newer; the larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemoteVersion {
    /// The channel's time of the last change: two changes may have one.
    ChangedAt(Timestamp),
    /// A number that grows with each change.
    Number(i64),
}

/// An order as it is now: a state, not an event. What happened follows from the state
/// before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteOrder {
    /// The channel's id.
    pub id: RemoteId,
    /// What people call it there.
    pub number: Option<String>,
    /// How new this is; `None` where the channel does not say: fetch it then.
    pub version: Option<RemoteVersion>,
    /// When it last changed, by the channel's clock: lists are asked for from here on.
    pub changed_at: Option<Timestamp>,
    /// Where it stands.
    pub state: RemoteState,
    /// The channel's own word for that.
    pub status: String,
    /// When it was placed.
    pub placed_at: Option<Timestamp>,
    /// What it comes to.
    pub total: Option<Money>,
    /// Its lines.
    pub lines: Vec<RemoteLine>,
}

/// Where an order stands, as far as stock is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteState {
    /// Nothing is promised yet: it waits for its payment, or was not finished.
    Pending,
    /// Accepted: its units are promised.
    Open,
    /// All of it has left.
    Shipped,
    /// Nothing more of it will leave.
    Cancelled,
    /// It is gone: deleted, or in the bin.
    Deleted,
}

/// What a channel took off its own numbers for a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deducted {
    /// It does not say: its kind does ([`StockMeaning::deducts`](super::StockMeaning::deducts)).
    Unsaid,
    /// Units of the line's holder, or of its listing's.
    Units(Quantity),
    /// Units of several holders.
    At(Spread),
}

/// What a channel took off several holders for a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Units of each, as it says; fewer than none where more came back than was taken there.
    pub said: Vec<(Holder, i64)>,
    /// Units beside these that it took off one of the holders, and does not say which: the one
    /// that they are known to be taken off from before, else the first of `homes`.
    pub unsaid: i64,
    /// Of the unsaid, units that it may have put back there without saying so.
    pub unsure: i64,
    /// Where the unsaid may have been taken off, one at least; the first where nothing else is
    /// known.
    pub homes: Vec<Holder>,
}

impl Deducted {
    /// Units of all holders together; `None` where the channel does not say.
    pub fn units(&self) -> Option<i64> {
        match self {
            Self::Unsaid => None,
            Self::Units(units) => Some(units.get()),
            Self::At(spread) => {
                Some(spread.said.iter().map(|(_, units)| units).sum::<i64>() + spread.unsaid)
            }
        }
    }
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteLine {
    /// The channel's id of the line.
    pub id: RemoteId,
    /// What it is of, by the ids a listing is known by in orders. Never by its SKU,
    /// which is only shown: texts change.
    pub order_keys: Vec<RemoteId>,
    /// The text that stands for a SKU there, as it is.
    pub sku_text: String,
    /// What it is called there.
    pub title: String,
    /// Units ordered.
    pub ordered: Quantity,
    /// Of these, units that will not leave any more, but for those that came back.
    pub cancelled: Quantity,
    /// Of these, units that have left.
    pub shipped: Quantity,
    /// Of these, units that came back into stock there, whether they had left or not.
    pub restocked: Quantity,
    /// Of these, units that had not left; `None` where the channel does not tell them apart.
    pub kept_back: Option<Quantity>,
    /// What the channel took off its own numbers for it by now.
    pub deducted: Deducted,
    /// Where the channel wants it to leave from, where that is one place.
    pub holder: Option<Holder>,
    /// The price of one unit.
    pub unit_price: Option<Money>,
}

/// One order, asked for by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// As it is.
    Found(RawOrder),
    /// The channel has none of this id (any more).
    Gone,
}

/// Reads orders.
pub trait OrderSource: Send + Sync {
    /// A page of the orders that changed in a window.
    fn changed<'a>(
        &'a self,
        window: Window,
        after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<ListedOrder>>;

    /// A page of the orders that changed in a window and that [`changed`](Self::changed)
    /// leaves out, where there are such ([`OrderWindow::omits`](super::OrderWindow::omits)).
    fn omitted<'a>(
        &'a self,
        _window: Window,
        _after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<RawOrder>> {
        async { Ok(Page { rows: Vec::new(), next: None }) }.boxed()
    }

    /// One order as it is now.
    fn fetch<'a>(&'a self, id: &'a RemoteId) -> Answer<'a, Fetched>;

    /// The order that something belongs to which a webhook named
    /// ([`Hint::OrderOf`](super::Hint::OrderOf)); none where the channel shows no such thing.
    fn order_of<'a>(&'a self, _part: &'a RemoteId) -> Answer<'a, Option<RemoteId>> {
        async { Ok(None) }.boxed()
    }

    /// What a document says: pure, so that it can be done again by a newer program.
    fn decode(&self, body: &[u8]) -> Result<RemoteOrder, DecodeError>;
}
