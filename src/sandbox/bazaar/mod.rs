//! A marketplace that exists only in this program, shaped otherwise than a web shop: JSON
//! over a bearer token, lists by cursor, a number for each place, writes that say which
//! number they expect, signed webhooks that are made again until they are taken.
//!
//! It takes its own stock when somebody orders, says for each line how much, and gives it
//! back when an order is cancelled, unless it is told not to.

mod document;
mod hooks;
mod routes;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;

pub use crate::sandbox::woocommerce::{Caller, Mishaps, Now};
pub use state::{BazaarState, Cost, Faults, Offer, Order, OrderLine, Status};

/// A running marketplace account; clones are the same one.
#[derive(Clone)]
pub struct Bazaar {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<BazaarState>,
    now: Now,
    address: SocketAddr,
    token: String,
}

impl std::fmt::Debug for Bazaar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a bazaar at {}", self.inner.address)
    }
}

impl Bazaar {
    /// An account with places, by their ids, and no offers, on a port of its own; and what
    /// has to be awaited for it to serve.
    pub async fn open(
        now: Now,
        token: &str,
        places: &[&str],
    ) -> std::io::Result<(Self, impl Future<Output = ()> + Send + use<>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Mutex::new(BazaarState::with_places(places));
        let inner = Inner { state, now, address, token: token.to_owned() };
        let bazaar = Self { inner: Arc::new(inner) };
        let router = routes::router(bazaar.clone());
        let serving = async move {
            // It ends when the task that awaits it does.
            axum::serve(listener, router).await.ok();
        };
        Ok((bazaar, serving))
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// What is in it, to look at or to change by hand.
    pub fn state(&self) -> MutexGuard<'_, BazaarState> {
        // Whoever panicked with it left whole rows behind.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What time it is there, milliseconds since 1970.
    pub(super) fn millis(&self) -> i64 {
        (self.inner.now)() - self.state().clock_behind
    }

    /// Somebody orders units of offers from places: they are taken off at once. It sells
    /// nobody what it says it has not; the number of the order where it was taken.
    pub fn buy(&self, lines: &[(u64, &str, i64)]) -> Option<u64> {
        let now = self.millis();
        self.state().buy(lines, now)
    }

    /// An order leaves whole.
    pub fn ship(&self, order: u64) -> bool {
        let now = self.millis();
        self.state().ship(order, now)
    }

    /// What is left of an order will not leave.
    pub fn cancel(&self, order: u64) -> bool {
        let now = self.millis();
        self.state().cancel(order, now)
    }

    /// A clerk types a number, whatever was there.
    pub fn type_stock(&self, offer: u64, place: &str, quantity: i64) {
        self.state().set_stock(offer, place, quantity);
    }
}
