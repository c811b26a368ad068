//! The integration tests: one binary, every test on both databases.

mod acts;
mod harness;
mod ledger;
mod orders;
mod probe;
mod scenarios;
mod smoke;
