//! The integration tests: one binary, every test on both databases.

mod harness;
mod reads;
mod smoke;
mod verify;
