//! invshop: a stock ledger for sellers on many channels.

pub mod clock;
pub mod config;
pub mod domain;
pub mod ledger;
pub mod orders;
pub mod reports;
pub mod secret;
pub mod shop;
pub mod store;
pub mod telemetry;
pub mod writer;
