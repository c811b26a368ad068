//! Webhooks: signed with their time, and made again until somebody takes them.

use std::fmt::Write as _;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Bazaar, Caller, Mishaps, document};

/// Calls of one event in vain after which it is given up.
const ATTEMPTS_MAX: u32 = 5;
/// How long it waits for an answer.
const WAIT: Duration = Duration::from_secs(5);

/// Where it calls, and what it signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) url: String,
    pub(super) secret: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    id: u64,
    about: About,
    attempts: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    Order(u64),
    Stock { offer: u64, place: String },
}

impl Event {
    pub(super) const fn order(id: u64) -> Self {
        Self { id: 0, about: About::Order(id), attempts: 0 }
    }

    pub(super) fn stock(offer: u64, place: &str) -> Self {
        Self { id: 0, about: About::Stock { offer, place: place.to_owned() }, attempts: 0 }
    }

    pub(super) fn named(self, id: u64) -> Self {
        Self { id, ..self }
    }

    fn document(&self) -> Value {
        let id = format!("event-{}", self.id);
        match &self.about {
            About::Order(order) => {
                json!({ "id": id, "type": "order.changed", "order": document::order_id(*order) })
            }
            About::Stock { offer, place } => json!({
                "id": id, "type": "stock.changed", "offer": document::offer_id(*offer),
                "place": place,
            }),
        }
    }
}

impl Bazaar {
    /// Forgets all that it had to tell.
    pub fn forget(&self) {
        self.state().events.clear();
    }

    /// Events that wait to be told.
    pub fn waiting(&self) -> usize {
        self.state().events.len()
    }

    /// Makes the calls that are due, with what happens to them on their way; `random`
    /// gives a number below its argument. What nobody took is due again. How many arrived.
    pub async fn deliver(
        &self,
        http: &Caller,
        mishaps: Mishaps,
        random: &mut (dyn FnMut(u32) -> u32 + Send),
    ) -> usize {
        let (hook, mut events) = {
            let mut state = self.state();
            (state.hook.clone(), std::mem::take(&mut state.events))
        };
        let Some(hook) = hook else { return 0 };
        if mishaps.is_shuffled {
            for last in (1..events.len()).rev() {
                let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
                events.swap(last, random(bound) as usize);
            }
        }
        let mut arrived = 0;
        for mut event in events {
            let mut is_taken = false;
            if random(100) >= mishaps.dropped_percent {
                for _ in 0..=mishaps.repeated {
                    let took = self.call(http, &hook, &event).await;
                    arrived += usize::from(took);
                    is_taken |= took;
                }
            }
            event.attempts += 1;
            if !is_taken && event.attempts < ATTEMPTS_MAX {
                self.state().events.push(event);
            }
        }
        arrived
    }

    async fn call(&self, http: &Caller, hook: &Hook, event: &Event) -> bool {
        let (body, seconds) = (event.document().to_string(), self.millis() / 1000);
        let Some(signature) = sign(&hook.secret, seconds, body.as_bytes()) else { return false };
        let answer = http
            .post(&hook.url)
            .header("content-type", "application/json")
            .header("x-bazaar-timestamp", seconds.to_string())
            .header("x-bazaar-signature", signature)
            .timeout(WAIT)
            .body(body)
            .send()
            .await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

/// The signature of a call: over its time, a dot, and its body; in hexadecimal.
fn sign(secret: &str, seconds: i64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    Some(bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    }))
}
