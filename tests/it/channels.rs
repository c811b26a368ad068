//! Channels end to end: a simulated shop, its lane, and the ledger between them.

mod bulk;
mod chaos;
mod daemons;
mod desk;
mod hooks;
mod orders;
mod push;
mod push_back;
mod recorded;
mod recording;
mod replay;
mod world;
