//! The REST API, over real HTTP on both databases.

mod batch;
pub(crate) mod client;
mod input;
mod keys;
mod later;
mod orders;
mod stock;
mod unread;
