//! Simulated shops that speak the vendors' own protocols on loopback, with faults.
//!
//! They know nothing of the connectors they are asked by: what they answer is written
//! after the vendors' contracts and recorded exchanges, else a connector would only prove
//! itself. Tests and `invshop demo` sell on them.

pub mod bazaar;
pub mod shopify;
pub mod woocommerce;
