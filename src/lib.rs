//! invshop: a stock ledger for sellers on many channels.

pub mod clock;
pub mod config;
pub mod secret;
pub mod telemetry;
