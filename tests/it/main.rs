//! The integration tests: one binary, every test on both databases.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking, and what it skipped by printing"
)]

mod batches;
mod cli;
mod export;
mod harness;
mod import;
mod reads;
mod smoke;
mod verify;
