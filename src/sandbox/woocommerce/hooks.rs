//! Webhooks: signed, sent once, and given up after a few failures without a word.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Shop, document};

/// Failures in a row after which a webhook is off: the code compares with more than five.
const FAILURES_MAX: u32 = 6;
/// How long the shop waits for an answer.
const WAIT: Duration = Duration::from_secs(5);

/// A webhook as the shop keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) url: String,
    pub(super) secret: String,
    pub(super) status: String,
    pub(super) failures: u32,
}

/// What happens to calls on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mishaps {
    /// Of a hundred so many never leave.
    pub dropped_percent: u32,
    /// Each is sent so many times more.
    pub repeated: u32,
    /// They leave in another order.
    pub is_shuffled: bool,
}

/// A call that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    hook: u64,
    topic: String,
    url: String,
    secret: String,
    body: Vec<u8>,
}

impl Hook {
    pub(super) fn document(&self, id: u64) -> Value {
        json!({
            "id": id, "name": self.name, "status": self.status, "topic": self.topic,
            "delivery_url": self.url,
        })
    }
}

/// What webhooks are sent with.
pub type Caller = reqwest::Client;

/// Makes one.
pub fn caller() -> Result<Caller, reqwest::Error> {
    // It fails only where one is there already.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().no_proxy().build()
}

impl Shop {
    /// Takes what there is to tell, as it is told now: bodies are made when they are sent.
    pub fn deliveries(&self) -> Vec<Delivery> {
        let mut state = self.state();
        let events = std::mem::take(&mut state.queue);
        let mut all = Vec::new();
        for (topic, id) in events {
            let body = match topic.split('.').next() {
                Some("order") => state.orders.get(&id).map(|one| document::order(&state, id, one)),
                _ => state.products.get(&id).map(|one| document::alone(&state, id, one)),
            };
            let body = body.unwrap_or_else(|| json!({ "id": id })).to_string().into_bytes();
            for (hook, one) in &state.hooks {
                if one.topic == topic && one.status == "active" {
                    let (url, secret) = (one.url.clone(), one.secret.clone());
                    let (hook, topic, body) = (*hook, topic.clone(), body.clone());
                    all.push(Delivery { hook, topic, url, secret, body });
                }
            }
        }
        all
    }

    /// Makes the calls that are due, with what happens to them on their way; `random` gives
    /// a number below its argument. How many arrived.
    pub async fn deliver(
        &self,
        http: &Caller,
        mishaps: Mishaps,
        random: &mut (dyn FnMut(u32) -> u32 + Send),
    ) -> usize {
        let mut calls = Vec::new();
        for delivery in self.deliveries() {
            if random(100) >= mishaps.dropped_percent {
                calls.extend(std::iter::repeat_n(delivery, 1 + mishaps.repeated as usize));
            }
        }
        if mishaps.is_shuffled {
            for last in (1..calls.len()).rev() {
                let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
                calls.swap(last, random(bound) as usize);
            }
        }
        let mut arrived = 0;
        for call in calls {
            arrived += usize::from(self.call(http, &call).await);
        }
        arrived
    }

    async fn call(&self, http: &Caller, call: &Delivery) -> bool {
        let signature = Hmac::<Sha256>::new_from_slice(call.secret.as_bytes()).map(|mut mac| {
            mac.update(&call.body);
            BASE64.encode(mac.finalize().into_bytes())
        });
        let (resource, event) = call.topic.split_once('.').unwrap_or((&call.topic, ""));
        // It numbers its calls by the second, so that several have one number.
        let number = format!("{:x}", call.hook.wrapping_mul(31) ^ self.seconds().unsigned_abs());
        let answer = http
            .post(&call.url)
            .header("content-type", "application/json")
            .header("x-wc-webhook-source", format!("{}/", self.url()))
            .header("x-wc-webhook-topic", &call.topic)
            .header("x-wc-webhook-resource", resource)
            .header("x-wc-webhook-event", event)
            .header("x-wc-webhook-signature", signature.unwrap_or_default())
            .header("x-wc-webhook-id", call.hook.to_string())
            .header("x-wc-webhook-delivery-id", number)
            .timeout(WAIT)
            .body(call.body.clone())
            .send()
            .await;
        let took = answer.is_ok_and(|answer| (200..=302).contains(&answer.status().as_u16()));
        if let Some(hook) = self.state().hooks.get_mut(&call.hook) {
            hook.failures = if took { 0 } else { hook.failures + 1 };
            if hook.failures > FAILURES_MAX {
                "disabled".clone_into(&mut hook.status);
            }
        }
        took
    }
}
