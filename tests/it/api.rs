//! The REST API, over real HTTP on both databases.

mod audit;
mod batch;
mod battery;
mod browser;
pub(crate) mod client;
mod conflicts;
mod connections;
mod counts;
pub(crate) mod document;
mod guests;
mod input;
mod keys;
mod later;
mod limits;
mod orders;
mod repeats;
mod stock;
mod together;
mod tokens;
mod unread;
mod users;
