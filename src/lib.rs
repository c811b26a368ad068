//! invshop: a stock ledger for sellers on many channels.
//!
//! # The flow
//!
//! A request or a fact becomes a [`writer::Command`]. The writer drains its
//! queue into batches, reads under lock the rows a batch touches
//! ([`store`]), has each command decided in arrival order ([`orders`],
//! [`ledger`]: pure functions over a [`ledger::Working`] set), writes the
//! differences, appends the journal entries under the journal's lock, commits,
//! and only then answers. Whoever wants to know what happened reads the
//! journal: it is the ledger, the outbox, the change feed and the audit log.
//!
//! # The layers
//!
//! `bin → {daemon → {api → {access, events, people}, backup, rekey}, import} → reports → shop → writer → orders → ledger → domain`, and
//! `writer → store → domain` (with the row types of `ledger`). [`clock`],
//! [`secret`], [`config`] and [`telemetry`] are leaves. A test holds the `use`
//! lines against this.
//!
//! # The words
//!
//! - *item*: what is sold; its *SKU* is a name it may change, its id is not.
//! - *location*: a place that holds stock.
//! - *level*: the running totals of one item at one location: *on hand*,
//!   *reserved*, *shortfall* (owed to accepted orders), *safety* (withheld).
//! - *available to promise*: `max(0, on_hand − reserved − safety − shortfall)`.
//! - *movement*: one immutable change of one level; *journal*: all facts in
//!   commit order, movements among them.
//! - *request*: asks for something and may be refused; *fact*: has happened and
//!   is always recorded.
//! - *batch*: all that one import wrote, under one id.
//! - *event*: an entry of the journal as it is told to those who listen.

pub mod access;
pub mod api;
pub mod backup;
pub mod clock;
pub mod config;
pub mod connectors;
pub mod daemon;
pub mod domain;
pub mod events;
pub mod import;
pub mod ledger;
pub mod orders;
pub mod people;
pub mod rekey;
pub mod reports;
pub mod sandbox;
pub mod secret;
pub mod shop;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod webhooks;
pub mod writer;
