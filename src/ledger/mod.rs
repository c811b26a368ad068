//! What a movement does: pure decisions over rows read under lock.
//!
//! The writer loads a [`Working`] set under lock; the functions here change it
//! and append journal entries; the writer then writes the differences. Nothing
//! here waits, reads a clock or sees a database. A decision ends in one of
//! three ways ([`Stop`]): it is refused, it needs rows that were not loaded, or
//! it found the books broken.

pub mod catalogue;
mod change;
mod expire;
mod fill;
mod lookup;
mod low;
mod revert;
pub mod sale;
pub mod stock;
mod stop;
mod take;
mod working;

pub use change::{Added, Movement};
pub use expire::{due, expire, fill_freed};
pub use fill::{FILL_LINES_MAX, fill, fill_item, fill_rest};
pub use low::raise_low;
pub use revert::{RevertRow, revert};
pub use stop::{Broken, Decided, Need, Stop, each};
pub use take::{check_owed, take_holds};
pub use working::{
    Context, Holders, Kept, LevelSlot, OrderPolicy, OrderSlot, Policy, ShortWindow, Working,
};
