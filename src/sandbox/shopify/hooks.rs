//! Webhooks: signed over their bytes, made again as they were, and given up after a while.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::state::State;
use super::work::Moved;
use super::{Caller, Mishaps, ShopifyShop, VERSION, document};

/// How often a call is made again (shopify.dev, changelog of 2024-09-10).
const RETRIES_MAX: u32 = 8;
/// After how many failures in a row a subscription is removed that was made by the API
/// (Shopify at community.shopify.dev, topic 24625). What counts as one is not written down: here,
/// a round of [`ShopifyShop::deliver`] in which none of its calls was taken.
const FAILURES_MAX: u32 = 8;
/// What an app is told of after its subscriptions are gone.
const UNINSTALLED: &str = "APP_UNINSTALLED";
/// How long it waits for an answer.
const WAIT: Duration = Duration::from_secs(5);

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) topic: String,
    pub(super) uri: String,
    /// Failures in a row.
    pub(super) failures: u32,
}

/// A call that is to be made, with the body that it had at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    hook: u64,
    uri: String,
    topic: String,
    body: Vec<u8>,
    /// The same each time it is made.
    id: u64,
    /// The same for all that hear of one event.
    event: u64,
    triggered: i64,
    attempts: u32,
}

impl State {
    /// An order changed.
    pub(super) fn order_happened(&mut self, topic: &str, id: u64) {
        let Some(order) = self.orders.get(&id) else { return };
        let body = match topic {
            "ORDERS_EDITED" => document::edit(id, order),
            _ => document::order(self, id, order),
        };
        self.happened(topic, &body);
    }

    /// Something was taken back of an order.
    pub(super) fn refund_happened(&mut self, id: u64, refund: u64) {
        let found = super::nodes::refund(self, id, refund);
        let Some(body) = found.map(|refund| document::refund(id, refund)) else { return };
        self.happened("REFUNDS_CREATE", &body);
    }

    /// A number of an item changed at a location.
    pub(super) fn stock_happened(&mut self, item: u64, location: u64) {
        let body = document::level(self, item, location);
        self.happened("INVENTORY_LEVELS_UPDATE", &body);
    }

    /// An item is stocked at a location from now on.
    pub(super) fn connect_happened(&mut self, item: u64, location: u64) {
        let body = document::level(self, item, location);
        self.happened("INVENTORY_LEVELS_CONNECT", &body);
    }

    /// An item is no longer stocked at a location.
    pub(super) fn disconnect_happened(&mut self, item: u64, location: u64) {
        let body = json!({ "inventory_item_id": item, "location_id": location });
        self.happened("INVENTORY_LEVELS_DISCONNECT", &body);
    }

    /// An item changed, or is gone.
    pub(super) fn item_happened(&mut self, topic: &str, item: u64) {
        let body = document::item(self, item);
        self.happened(topic, &body);
    }

    /// An order is gone, and nothing is known of it but its id.
    pub(super) fn deletion_happened(&mut self, id: u64) {
        self.happened("ORDERS_DELETE", &json!({ "id": id }));
    }

    /// Units are to leave from another location.
    pub(super) fn move_happened(&mut self, id: u64, moved: Moved) {
        let Some(body) = document::moved(self, id, moved) else { return };
        self.happened("FULFILLMENT_ORDERS_MOVED", &body);
    }

    /// Something became of a fulfilment order.
    pub(super) fn work_happened(&mut self, topic: &str, id: u64, work: u64) {
        let Some(body) = document::work(self, id, work) else { return };
        self.happened(topic, &body);
    }

    /// What was under way is over: what is told from now on is another event.
    pub(super) const fn event_ends(&mut self) {
        self.event = None;
    }

    /// The app is no longer installed: nothing else is told to it, and nothing after that.
    pub(super) fn uninstall_happened(&mut self) {
        let body = document::shop(self);
        self.happened(UNINSTALLED, &body);
        self.hooks.clear();
        self.queue.retain(|call| call.topic == UNINSTALLED);
    }

    /// Counts the failures of subscriptions, by whether anything of them was taken: those
    /// that fail too often are removed, with what there was to tell.
    fn count_failures(&mut self, called: &BTreeMap<u64, bool>) {
        for (id, is_taken) in called {
            let Some(hook) = self.hooks.get_mut(id) else { continue };
            hook.failures = if *is_taken { 0 } else { hook.failures + 1 };
            if hook.failures >= FAILURES_MAX {
                self.hooks.remove(id);
                self.queue.retain(|call| call.hook != *id);
            }
        }
    }

    /// Whether a call is still to be made.
    fn is_wanted(&self, call: &Delivery) -> bool {
        self.hooks.contains_key(&call.hook) || call.topic == UNINSTALLED
    }

    /// Something is to be told to whoever wants to hear of it, as it is now.
    fn happened(&mut self, topic: &str, document: &Value) {
        let hooks = self.hooks.iter().filter(|(_, hook)| hook.topic == topic);
        let hooks: Vec<(u64, String)> = hooks.map(|(id, hook)| (*id, hook.uri.clone())).collect();
        if hooks.is_empty() {
            return;
        }
        let triggered = self.seconds();
        let event = if let Some(event) = self.event { event } else { self.small_id() };
        self.event = Some(event);
        let body = document::body(document);
        for (hook, uri) in hooks {
            let (id, body, topic) = (self.small_id(), body.clone(), topic.to_owned());
            self.queue.push(Delivery { hook, uri, topic, body, id, event, triggered, attempts: 0 });
        }
    }
}

/// A topic as calls name it: what it is about, a stroke, and what happened.
fn named(topic: &str) -> String {
    let topic = topic.to_lowercase();
    if let Some(event) = topic.strip_prefix("fulfillment_orders_") {
        return format!("fulfillment_orders/{event}");
    }
    topic.rsplit_once('_').map_or(topic.clone(), |(about, event)| format!("{about}/{event}"))
}

/// A number as an id of the kind that calls have.
fn uuid(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

impl ShopifyShop {
    /// Subscriptions that there are.
    pub fn hooks(&self) -> usize {
        self.state().hooks.len()
    }

    /// Forgets all that it had to tell.
    pub fn forget(&self) {
        self.state().queue.clear();
    }

    /// Calls that wait to be made.
    pub fn waiting(&self) -> usize {
        self.state().queue.len()
    }

    /// Makes the calls that are due, with what happens to them on their way; `random`
    /// gives a number below its argument. What nobody took is due again. How many arrived.
    pub async fn deliver(
        &self,
        http: &Caller,
        mishaps: Mishaps,
        random: &mut (dyn FnMut(u32) -> u32 + Send),
    ) -> usize {
        let mut calls = std::mem::take(&mut self.state().queue);
        if mishaps.is_shuffled {
            for last in (1..calls.len()).rev() {
                let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
                calls.swap(last, random(bound) as usize);
            }
        }
        let (mut arrived, mut called) = (0, BTreeMap::new());
        for mut call in calls {
            if !self.state().is_wanted(&call) {
                continue;
            }
            let mut is_taken = false;
            if random(100) >= mishaps.dropped_percent {
                for _ in 0..=mishaps.repeated {
                    let took = self.call(http, &call).await;
                    arrived += usize::from(took);
                    is_taken |= took;
                }
            }
            call.attempts += 1;
            *called.entry(call.hook).or_default() |= is_taken;
            if !is_taken && call.attempts <= RETRIES_MAX {
                self.state().queue.push(call);
            }
        }
        self.state().count_failures(&called);
        arrived
    }

    async fn call(&self, http: &Caller, call: &Delivery) -> bool {
        let Some(signature) = self.sign(&call.body) else { return false };
        let domain = self.state().domain.clone();
        let answer = http
            .post(&call.uri)
            .header("content-type", "application/json")
            .header("x-shopify-topic", named(&call.topic))
            .header("x-shopify-hmac-sha256", signature)
            .header("x-shopify-shop-domain", domain)
            .header("x-shopify-api-version", VERSION)
            .header("x-shopify-webhook-id", uuid(call.id))
            .header("x-shopify-event-id", uuid(call.event))
            .header("x-shopify-triggered-at", document::time(call.triggered))
            .timeout(WAIT)
            .body(call.body.clone())
            .send()
            .await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The signature of a body: in base 64, with the secret of the app, or the one before.
    pub fn sign(&self, body: &[u8]) -> Option<String> {
        let old = self.state().old_secret.clone();
        let secret = old.as_deref().unwrap_or(&self.inner.secret);
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
        mac.update(body);
        Some(BASE64.encode(mac.finalize().into_bytes()))
    }
}
