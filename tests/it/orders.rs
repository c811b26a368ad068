//! The order's life, by what happens to it.

mod bundles;
mod cancelling;
mod conservation;
mod identity;
mod imports;
mod payments;
mod placing;
mod returns;
mod shipping;
mod statuses;
mod waiting;
