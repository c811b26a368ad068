//! Channels end to end: a simulated shop, its lane, and the ledger between them.

mod bulk;
mod chaos;
mod daemons;
mod hooks;
mod orders;
mod push;
mod recorded;
mod recording;
mod replay;
mod world;
