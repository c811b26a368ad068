//! Channels end to end: a simulated shop, its lane, and the ledger between them.

mod chaos;
mod daemons;
mod hooks;
mod orders;
mod places;
mod push;
mod world;
