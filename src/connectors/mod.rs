//! Channels: what each kind of them can do, behind one shape.
//!
//! A connector turns what the ledger wants to say into requests, and replies into words
//! of [`crate::domain`]. It is made of facets that are there or not; what it can do is
//! data ([`Capability`]). It sees neither database nor configuration, never waits, never
//! repeats a call ([`ChannelHttp`]) and never decides what a number should be.

pub mod bazaar;
mod budget;
mod capability;
mod catalog;
mod error;
mod fulfilment;
mod heard;
mod http;
mod intake;
mod orders;
pub mod registry;
pub mod shopify;
mod stock;
mod stocking;
mod tokens;
pub mod woocommerce;

use std::fmt;

use futures_util::future::BoxFuture;
use thiserror::Error;

pub use budget::{Bill, Budget, Mark, Measure, Quota, Said, Urgency};
pub use capability::{
    Authority, Capability, Compare, Deducts, FulfilmentRules, Grouping, IntakeKind, OrderWindow,
    QuantityMeaning, Restores, StockMeaning, WriteAnswer, WriteRules, Zero,
};
pub use catalog::{Catalog, RemoteListing};
pub use error::{ChannelError, ErrorKind, Retry};
pub use fulfilment::{Fulfilment, LineUnits, Parcel, Told, Tracking};
pub use heard::Heard;
pub(crate) use http::PAGE;
pub use http::{Call, ChannelHttp, Listen, Reply};
pub use intake::{
    Event, Forged, Handshake, Hint, Inbound, Intake, Message, Queue, Subscription, Webhook,
    WebhookSecrets,
};
pub use orders::{
    Deducted, Fetched, ListedOrder, OrderSource, RawOrder, RemoteLine, RemoteOrder, RemoteState,
    RemoteVersion, Spread, Window,
};
pub use stock::{
    Group, Holder, RemoteLevel, StockOutcome, StockRead, StockTarget, StockWrite, Ticket,
    TicketState, WRITE_MAX,
};
pub use stocking::{Countable, KEEP_MAX, Keeping, Stocking};
pub use tokens::{MemoryTokens, Token, TokenStore};

/// What a call to a channel will have answered.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ChannelError>>;

/// Where a list goes on; the connector's own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub rows: Vec<T>,
    /// Where the next one begins; `None` on the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same with each of its rows as something else.
    pub(crate) fn into<U: From<T>>(self) -> Page<U> {
        Page { rows: self.rows.into_iter().map(U::from).collect(), next: self.next }
    }
}

/// Why a stored document cannot be understood: it is kept, and tried again by a newer
/// program. Names the field and never its content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {why}")]
pub struct DecodeError {
    /// The field at fault, as a path.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

/// What is true of one account, as it was found by asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What this account can do.
    pub capability: Capability,
    /// What a person should know, a sentence each: what was found, and what to do
    /// where it is less than it could be.
    pub findings: Vec<Finding>,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether something should be done.
    pub is_problem: bool,
    /// What was found, and what to do.
    pub text: String,
}

/// One connected account.
pub trait Connector: fmt::Debug + Send + Sync {
    /// What its kind can do. The facets agree with it.
    fn capability(&self) -> &Capability;

    /// How it tells that something happened.
    fn intake(&self) -> Intake<'_>;

    /// Its orders.
    fn orders(&self) -> Option<&dyn OrderSource>;

    /// Its numbers.
    fn stock_read(&self) -> Option<&dyn StockRead>;

    /// What its numbers are written by.
    fn stock_write(&self) -> Option<&dyn StockWrite>;

    /// Its listings.
    fn catalog(&self) -> Option<&dyn Catalog>;

    /// What it is told of its orders.
    fn fulfilment(&self) -> Option<&dyn Fulfilment>;

    /// What it keeps at which of its places, where that may be a part of what it counts.
    fn stocking(&self) -> Option<&dyn Stocking> {
        None
    }

    /// Asks the account what it can do, and changes nothing.
    fn probe(&self) -> Answer<'_, Probe>;
}
