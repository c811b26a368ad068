//! Connectors: the one client they all call with, and the shape they all have.

mod bazaar;
mod http;
mod shape;
mod trials;
pub(crate) mod woocommerce;
