//! The integration tests: one binary, every test on both databases.

mod acts;
mod harness;
mod layering;
mod ledger;
mod orders;
mod probe;
mod scenarios;
mod smoke;
mod source;
mod store;
