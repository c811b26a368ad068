//! invshop: a stock ledger for sellers on many channels.

pub mod clock;
pub mod secret;
