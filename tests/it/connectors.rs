//! Connectors: the one client they all call with, and the shape they all have.

use std::path::PathBuf;

mod bazaar;
mod http;
mod nonsense;
mod schema;
mod shape;
mod shopify;
mod trials;
pub(crate) mod woocommerce;

/// A folder of what was recorded of the channels; `None` where the records are not there.
fn contracts(name: &str) -> Option<PathBuf> {
    let contracts = match std::env::var_os("INVSHOP_CONTRACTS") {
        Some(given) => PathBuf::from(given),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/contracts"),
    };
    let folder = contracts.join(name);
    if !folder.is_dir() {
        println!("SKIPPED: no records at {}", folder.display());
        return None;
    }
    Some(folder)
}
