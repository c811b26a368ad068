//! The journal as events, for those who listen while it is written.
//!
//! Each entry is one event of one type (`event`), which is shown in as many words as
//! its listener may read (`audience`). One task of the process reads the journal
//! (`feed`) and keeps the newest events, made once for all who listen (`ring`); who
//! listens (`stream`) goes by a position in the journal: what the ring still has is
//! taken from there, what it has no more is read in pages, once for all who want the same
//! (`pages`). The journal is dense and in
//! commit order, so a position is all that is needed to lose nothing and to see nothing
//! twice.
//!
//! Nothing is decided and nothing is written here, and nothing of HTTP is known.

mod audience;
mod event;
mod feed;
mod pages;
mod places;
mod ring;
mod stream;
mod types;

pub use audience::{Audience, Selection, SelectionError};
pub use event::Frame;
pub use feed::{Bounds, Feed, OpenError, Opening};
pub use places::{Full, Room};
pub use stream::{End, HEARTBEAT, Page, Step, Stream, Transport};
pub use types::{Types, UnknownType};
