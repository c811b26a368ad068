//! The integration tests: one binary, every test on both databases.

mod auditor;
mod batches;
mod dice;
mod gate;
mod harness;
mod model;
mod raw;
mod smoke;
