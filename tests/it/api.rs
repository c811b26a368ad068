//! The REST API, over real HTTP on both databases.

mod batch;
mod battery;
pub(crate) mod client;
mod conflicts;
mod counts;
mod input;
mod keys;
mod later;
mod orders;
mod stock;
mod unread;
