//! Benches of the ledger.

fn main() {}
