//! The integration tests: one binary, every test on both databases.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking, and what it skipped by printing"
)]

mod acts;
mod api;
mod as_of;
mod auditor;
mod backup;
mod batches;
mod catalogue;
mod channels;
mod cli;
mod concurrency;
mod conflicts;
mod connectors;
mod daemon;
mod dice;
mod edges;
mod events;
mod export;
mod gate;
mod harness;
mod import;
mod import_batches;
mod kill;
mod layering;
mod ledger;
mod metrics;
mod model;
mod nodes;
mod orders;
mod outage;
mod overtake;

mod probe;
mod proxied;
mod raw;
mod readme;
mod reads;
mod rekey;
mod reports;
mod sale;
mod scenarios;
mod scrub;
mod server;
mod service;
mod settling;
mod silence;
mod smoke;
mod source;
mod store;
mod storefront;
mod tls;
mod turns;
mod verify;
