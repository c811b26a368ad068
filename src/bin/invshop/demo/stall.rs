//! A simulated shop of the demo, of any kind.

use std::sync::Arc;

use invshop::clock::{Clock as _, SystemClock};
use invshop::sandbox::bazaar::{Bazaar, Status};
use invshop::sandbox::shopify::{Bucket, Financial, ShopifyShop};
use invshop::sandbox::woocommerce::{Caller, Mishaps, Now, Shop as WebShop};
use tokio::task::JoinSet;

/// The place of the marketplace, which the one location feeds.
const PLACE: &str = "depot";
/// The app that the Shopify shop knows.
const APP: &str = "app_demo";
/// The plan of the Shopify shop, and the points of its bucket (shopify.dev, "API limits"). The
/// smallest has half of them: orders come here as fast as no shop of that plan has them, and
/// it would show them all some seconds later.
const PLAN: &str = "Advanced";
const POINTS_MAX: i64 = 4_000;
const POINTS_PER_SECOND: i64 = 200;

/// What a shop is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    WooCommerce,
    Shopify,
    Marketplace,
}

impl Kind {
    /// What it is called.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::WooCommerce => "WooCommerce",
            Self::Shopify => "Shopify, plan Advanced",
            Self::Marketplace => "a marketplace",
        }
    }
}

/// A shop that is served.
pub(super) enum Stall {
    Web(WebShop),
    /// With the one location it has, which the one location feeds.
    Shopify(ShopifyShop, u64),
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
    /// A shop on a port of its own.
    pub(super) async fn open(
        kind: Kind,
        secret: &str,
        serving: &mut JoinSet<()>,
    ) -> std::io::Result<Self> {
        let now: Now = Arc::new(|| SystemClock.now().as_millis());
        Ok(match kind {
            Kind::WooCommerce => {
                let (shop, serve) = WebShop::open(now, ("ck_demo", secret)).await?;
                serving.spawn(serve);
                Self::Web(shop)
            }
            Kind::Shopify => {
                let (shop, serve) = ShopifyShop::open(now, (APP, secret)).await?;
                serving.spawn(serve);
                let location = {
                    let mut state = shop.state();
                    PLAN.clone_into(&mut state.plan);
                    state.bucket = Bucket::new(POINTS_MAX, POINTS_PER_SECOND);
                    state.add_location("Warehouse")
                };
                Self::Shopify(shop, location)
            }
            Kind::Marketplace => {
                let (bazaar, serve) = Bazaar::open(now, secret, &[PLACE]).await?;
                serving.spawn(serve);
                Self::Bazaar(bazaar)
            }
        })
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Web(shop) => shop.url(),
            Self::Shopify(shop, _) => shop.url(),
            Self::Bazaar(bazaar) => bazaar.url(),
        }
    }

    /// What is said of it in its block of the configuration, after what all have.
    pub(super) fn settings(&self, secret: &str) -> String {
        match self {
            Self::Web(_) => format!(
                "kind = \"woocommerce\"\nrequests_per_second = 500\n[channel.credentials]\n\
                 consumer_key = \"ck_demo\"\nconsumer_secret = \"{secret}\"\n"
            ),
            // It is asked as fast as its plan allows, which it says with each answer.
            Self::Shopify(_, location) => format!(
                "kind = \"shopify\"\n[channel.credentials]\nclient_id = \"{APP}\"\n\
                 client_secret = \"{secret}\"\n[channel.places]\n{location} = [\"main\"]\n"
            ),
            Self::Bazaar(_) => format!(
                "kind = \"bazaar\"\nrequests_per_second = 500\n[channel.credentials]\n\
                 token = \"{secret}\"\n[channel.places]\n{PLACE} = [\"main\"]\n"
            ),
        }
    }

    /// Adds something that is sold; its id.
    pub(super) fn add(&self, sku: &str, units: i64, price: i64) -> u64 {
        match self {
            Self::Web(shop) => shop.state().add_product(sku, units, price),
            Self::Shopify(shop, location) => {
                shop.state().add_variant(sku, &[(*location, units)], price)
            }
            Self::Bazaar(bazaar) => bazaar.state().add_offer(sku, &[(PLACE, units)], price),
        }
    }

    /// The listing of something, as invshop names it.
    pub(super) fn listing(&self, id: u64) -> String {
        match self {
            Self::Web(_) => id.to_string(),
            Self::Shopify(_, location) => format!("{id}@{location}"),
            Self::Bazaar(_) => format!("offer-{id}@{PLACE}"),
        }
    }

    pub(super) fn stock_of(&self, id: u64) -> Option<i64> {
        match self {
            Self::Web(shop) => shop.state().stock_of(id),
            Self::Shopify(shop, location) => shop.state().stock_of(id, *location),
            Self::Bazaar(bazaar) => bazaar.state().stock_of(id, PLACE),
        }
    }

    /// Somebody buys, where the shop still sells it; the order.
    pub(super) fn buy(&self, id: u64, units: i64) -> Option<u64> {
        match self {
            Self::Web(shop) => Some(shop.buy(&[(id, units)])),
            Self::Shopify(shop, location) => {
                shop.state().buy(&[(id, *location, units)], Financial::Paid)
            }
            Self::Bazaar(bazaar) => bazaar.buy(&[(id, PLACE, units)]),
        }
    }

    pub(super) fn cancel(&self, order: u64) {
        match self {
            Self::Web(shop) => shop.set_status(order, "cancelled"),
            Self::Shopify(shop, _) => shop.state().cancel(order, "CUSTOMER", true),
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
            Self::Shopify(shop, _) => {
                let state = shop.state();
                let orders = state.orders.iter().map(|(id, order)| Sold {
                    id: id.to_string(),
                    is_cancelled: order.cancelled.is_some(),
                    lines: order.lines.iter().map(|line| (line.variant, line.quantity)).collect(),
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
            Self::Shopify(shop, _) => shop.state().faults.is_down,
            Self::Bazaar(bazaar) => bazaar.state().faults.is_down,
        }
    }

    pub(super) fn break_down(&self, is_down: bool) {
        match self {
            Self::Web(shop) => shop.state().faults.is_down = is_down,
            Self::Shopify(shop, _) => shop.state().faults.is_down = is_down,
            Self::Bazaar(bazaar) => bazaar.state().faults.is_down = is_down,
        }
    }

    /// What it had to tell is forgotten.
    pub(super) fn forget(&self) {
        match self {
            Self::Web(shop) => drop(shop.deliveries()),
            Self::Shopify(shop, _) => shop.forget(),
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
            Self::Shopify(shop, _) => shop.deliver(http, mishaps, random).await,
            Self::Bazaar(bazaar) => bazaar.deliver(http, mishaps, random).await,
        };
    }
}
