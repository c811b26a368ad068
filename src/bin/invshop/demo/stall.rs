//! A simulated shop of the demo, of either kind.

use std::sync::Arc;

use invshop::clock::{Clock as _, SystemClock};
use invshop::sandbox::bazaar::{Bazaar, Status};
use invshop::sandbox::woocommerce::{Caller, Mishaps, Now, Shop as WebShop};
use tokio::task::JoinSet;

/// The place of the marketplace, which the one location feeds.
const PLACE: &str = "depot";

/// A shop that is served.
pub(super) enum Stall {
    Web(WebShop),
    Bazaar(Bazaar),
}

/// An order of a shop.
pub(super) struct Sold {
    /// The shop's own id of it.
    pub(super) id: String,
    pub(super) is_cancelled: bool,
    /// What of, and how many.
    pub(super) lines: Vec<(u64, i64)>,
}

impl Stall {
    /// A web shop, or a marketplace, on a port of its own.
    pub(super) async fn open(
        is_web: bool,
        secret: &str,
        serving: &mut JoinSet<()>,
    ) -> std::io::Result<Self> {
        let now: Now = Arc::new(|| SystemClock.now().as_millis());
        if is_web {
            let (shop, serve) = WebShop::open(now, ("ck_demo", secret)).await?;
            serving.spawn(serve);
            return Ok(Self::Web(shop));
        }
        let (bazaar, serve) = Bazaar::open(now, secret, &[PLACE]).await?;
        serving.spawn(serve);
        Ok(Self::Bazaar(bazaar))
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Web(shop) => shop.url(),
            Self::Bazaar(bazaar) => bazaar.url(),
        }
    }

    /// What it is called.
    pub(super) const fn title(&self) -> &'static str {
        match self {
            Self::Web(_) => "WooCommerce",
            Self::Bazaar(_) => "a marketplace",
        }
    }

    /// What is said of it in its block of the configuration, after what all have.
    pub(super) fn settings(&self, secret: &str) -> String {
        match self {
            Self::Web(_) => format!(
                "kind = \"woocommerce\"\n[channel.credentials]\nconsumer_key = \"ck_demo\"\n\
                 consumer_secret = \"{secret}\"\n"
            ),
            Self::Bazaar(_) => format!(
                "kind = \"bazaar\"\n[channel.credentials]\ntoken = \"{secret}\"\n\
                 [channel.places]\n{PLACE} = [\"main\"]\n"
            ),
        }
    }

    /// Adds something that is sold; its id.
    pub(super) fn add(&self, sku: &str, units: i64, price: i64) -> u64 {
        match self {
            Self::Web(shop) => shop.state().add_product(sku, units, price),
            Self::Bazaar(bazaar) => bazaar.state().add_offer(sku, &[(PLACE, units)], price),
        }
    }

    /// The listing of something, as invshop names it.
    pub(super) fn listing(&self, id: u64) -> String {
        match self {
            Self::Web(_) => id.to_string(),
            Self::Bazaar(_) => format!("offer-{id}@{PLACE}"),
        }
    }

    pub(super) fn stock_of(&self, id: u64) -> Option<i64> {
        match self {
            Self::Web(shop) => shop.state().stock_of(id),
            Self::Bazaar(bazaar) => bazaar.state().stock_of(id, PLACE),
        }
    }

    /// Somebody buys, where the shop still sells it; the order.
    pub(super) fn buy(&self, id: u64, units: i64) -> Option<u64> {
        match self {
            Self::Web(shop) => Some(shop.buy(&[(id, units)])),
            Self::Bazaar(bazaar) => bazaar.buy(&[(id, PLACE, units)]),
        }
    }

    pub(super) fn cancel(&self, order: u64) {
        match self {
            Self::Web(shop) => shop.set_status(order, "cancelled"),
            Self::Bazaar(bazaar) => bazaar.cancel(order),
        };
    }

    /// All its orders.
    pub(super) fn orders(&self) -> Vec<Sold> {
        match self {
            Self::Web(shop) => {
                let state = shop.state();
                let orders = state.orders.iter().map(|(id, order)| Sold {
                    id: id.to_string(),
                    is_cancelled: order.status == "cancelled",
                    lines: order.lines.iter().map(|line| (line.product, line.quantity)).collect(),
                });
                orders.collect()
            }
            Self::Bazaar(bazaar) => {
                let state = bazaar.state();
                let orders = state.orders.iter().map(|(id, order)| Sold {
                    id: format!("order-{id}"),
                    is_cancelled: order.status == Status::Cancelled,
                    lines: order.lines.iter().map(|line| (line.offer, line.quantity)).collect(),
                });
                orders.collect()
            }
        }
    }

    pub(super) fn is_down(&self) -> bool {
        match self {
            Self::Web(shop) => shop.state().faults.is_down,
            Self::Bazaar(bazaar) => bazaar.state().faults.is_down,
        }
    }

    pub(super) fn break_down(&self, is_down: bool) {
        match self {
            Self::Web(shop) => shop.state().faults.is_down = is_down,
            Self::Bazaar(bazaar) => bazaar.state().faults.is_down = is_down,
        }
    }

    /// What it had to tell is forgotten.
    pub(super) fn forget(&self) {
        match self {
            Self::Web(shop) => drop(shop.deliveries()),
            Self::Bazaar(bazaar) => bazaar.forget(),
        }
    }

    /// It calls its webhooks.
    pub(super) async fn deliver(
        &self,
        http: &Caller,
        mishaps: Mishaps,
        random: &mut (dyn FnMut(u32) -> u32 + Send),
    ) {
        match self {
            Self::Web(shop) => shop.deliver(http, mishaps, random).await,
            Self::Bazaar(bazaar) => bazaar.deliver(http, mishaps, random).await,
        };
    }
}
