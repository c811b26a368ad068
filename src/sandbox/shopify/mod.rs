//! A Shopify shop: its Admin API of 2026-10, as far as stock and orders need it.
//!
//! It reads real documents, answers what they ask for and nothing else, and takes points for
//! it. It takes its own stock when it sells, counts apart what is sold and has not left, and
//! writes a number only where the number is there that is expected. What the published
//! schema leaves open is a named habit, see [`Quirks`].

mod changes;
mod cost;
mod document;
mod execute;
mod graph;
mod hooks;
mod nodes;
mod orders;
mod parcels;
mod plan;
mod returns;
mod routes;
mod sales;
mod schema;
mod search;
mod shelf;
mod state;
mod stock;
mod trade;
mod values;
mod work;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;

pub use crate::sandbox::woocommerce::{Caller, Mishaps, Now, caller};
pub use cost::Bucket;
pub use orders::{
    Financial, Line, Order, Parcel, ParcelLine, Readiness, Refund, RefundLine, Restock, Work,
    WorkLine,
};
pub use state::{
    Counted, Exchange, Faults, Item, Level, Location, Policy, Product, Quirks, State, Unstocked,
    Variant, Write,
};

/// The version that is spoken.
pub const VERSION: &str = "2026-10";

/// A running shop; clones are the same one.
#[derive(Clone)]
pub struct ShopifyShop {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    schema: schema::Schema,
    address: SocketAddr,
    /// The id and the secret of its one app.
    id: String,
    secret: String,
}

impl std::fmt::Debug for ShopifyShop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a Shopify shop at {}", self.inner.address)
    }
}

impl ShopifyShop {
    /// A shop without products on a port of its own, with one app by its id and its secret;
    /// and what has to be awaited for it to serve.
    pub async fn open(
        now: Now,
        (id, secret): (&str, &str),
    ) -> std::io::Result<(Self, impl Future<Output = ()> + Send + use<>)> {
        let schema = schema::Schema::read()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (id, secret) = (id.to_owned(), secret.to_owned());
        let state = Mutex::new(State::new(now));
        let shop = Self { inner: Arc::new(Inner { state, schema, address, id, secret }) };
        let router = routes::router(shop.clone());
        let serving = async move {
            // It ends when the task that awaits it does.
            axum::serve(listener, router).await.ok();
        };
        Ok((shop, serving))
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// What is in it, to look at or to change by hand.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked with it left whole rows behind.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a token believed for ever.
    pub fn set_token(&self, token: &str) {
        self.state().tokens.insert(token.to_owned(), i64::MAX);
    }
}
