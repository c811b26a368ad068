//! The integration tests: one binary, every test on both databases.

mod harness;
mod reads;
mod reports;
mod smoke;
mod verify;
