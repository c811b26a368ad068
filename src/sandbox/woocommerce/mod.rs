//! A WooCommerce shop: products, orders, stock and webhooks as observed on version 11.0.1.
//!
//! It takes its own stock when it sells, gives it back when an order is cancelled, writes
//! whatever number it is told without looking, and calls nobody twice.

mod auth;
mod document;
mod hooks;
mod routes;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;

pub use hooks::{Caller, Delivery, Mishaps, caller};
pub use state::{Faults, Managed, Order, OrderLine, Product, ShopState};

/// Where the shop's time comes from, milliseconds since 1970.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A running shop; clones are the same one.
#[derive(Clone)]
pub struct Shop {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<ShopState>,
    now: Now,
    address: SocketAddr,
    /// The keys of its one user.
    key: String,
    secret: String,
}

impl std::fmt::Debug for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a WooCommerce shop at {}", self.inner.address)
    }
}

impl Shop {
    /// A shop without products on a port of its own, and what has to be awaited for it to
    /// serve.
    pub async fn open(
        now: Now,
        (key, secret): (&str, &str),
    ) -> std::io::Result<(Self, impl Future<Output = ()> + Send + use<>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inner = Inner {
            state: Mutex::new(ShopState {
                currency: "EUR".to_owned(),
                // That of the shop that was observed: a time taken for UTC is hours off.
                utc_offset: -5 * 3600,
                ..ShopState::default()
            }),
            now,
            address,
            key: key.to_owned(),
            secret: secret.to_owned(),
        };
        let shop = Self { inner: Arc::new(inner) };
        let router = routes::router(shop.clone());
        let serving = async move {
            // It ends when the task that awaits it does.
            axum::serve(listener, router).await.ok();
        };
        Ok((shop, serving))
    }

    /// Its address, as it is configured in the shop itself.
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// What is in it, to look at or to change by hand.
    pub fn state(&self) -> MutexGuard<'_, ShopState> {
        // Whoever panicked with it left whole rows behind.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Webhooks that are called.
    pub fn hooks(&self) -> usize {
        let state = self.state();
        state.hooks.values().filter(|hook| hook.status == "active").count()
    }

    /// What time it is there, whole seconds since 1970.
    pub(super) fn seconds(&self) -> i64 {
        (self.inner.now)() / 1000 - self.state().clock_behind
    }

    /// Somebody buys units of products and pays: its stock goes down at once, below 0 too
    /// where two buy the last. The number of the order.
    pub fn buy(&self, lines: &[(u64, i64)]) -> u64 {
        let now = self.seconds();
        self.state().buy(lines, now)
    }

    /// Somebody changes the status of an order by hand.
    pub fn set_status(&self, order: u64, status: &str) -> bool {
        let now = self.seconds();
        self.state().set_status(order, status, now)
    }

    /// A clerk types a number.
    pub fn type_stock(&self, product: u64, quantity: i64) {
        let now = self.seconds();
        self.state().set_stock(product, quantity, now);
    }
}
