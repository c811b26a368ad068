//! The integration tests: one binary, every test on both databases.

mod auditor;
mod dice;
mod harness;
mod model;
mod raw;
mod smoke;
