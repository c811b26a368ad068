//! The database itself: its schema, its last line of defence, and what opens it.

mod constraints;
mod log;
mod opening;
mod schema;
pub(crate) mod secrecy;
mod statements;
