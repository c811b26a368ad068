//! Calls of the marketplace: signed with their time, and made again until they are taken.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::FutureExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Bazaar;
use crate::connectors::{
    Answer, DecodeError, Forged, Handshake, Hint, Holder, Inbound, Subscription, Urgency, Webhook,
    WebhookSecrets,
};
use crate::domain::RemoteId;
use crate::secret::Secret;

const SUBSCRIBE: &str = "set up the webhook";
/// How far the time of a call may be from now, milliseconds: an older one is a replay.
const WINDOW_MS: i64 = 5 * 60 * 1000;

/// Something that happened.
#[derive(Debug, Deserialize)]
struct Event {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    order: Option<String>,
    offer: Option<String>,
    place: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Hook {
    url: Option<String>,
    active: bool,
}

impl Webhook for Bazaar {
    fn handshake(&self, _: &Inbound) -> Option<Handshake> {
        None
    }

    fn verify(&self, call: &Inbound, secrets: &WebhookSecrets<'_>) -> Result<(), Forged> {
        let given = call.header("x-bazaar-signature").ok_or(Forged::Unsigned)?;
        let time = call.header("x-bazaar-timestamp").ok_or(Forged::Unsigned)?;
        let given = unhex(given).ok_or(Forged::Signature)?;
        let signs = |secret: &Secret| {
            // A key of any length is taken; the comparison takes the same time for all.
            Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).is_ok_and(|mut mac| {
                mac.update(time);
                mac.update(b".");
                mac.update(&call.body);
                mac.verify_slice(&given).is_ok()
            })
        };
        if !(signs(secrets.secret) | secrets.previous.is_some_and(signs)) {
            return Err(Forged::Signature);
        }
        let seconds = std::str::from_utf8(time).ok().and_then(|text| text.parse::<i64>().ok());
        let millis = seconds.and_then(|seconds| seconds.checked_mul(1000));
        let age = millis.and_then(|at| call.received_at.as_millis().checked_sub(at));
        if age.is_none_or(|age| age.saturating_abs() > WINDOW_MS) {
            return Err(Forged::Stale);
        }
        Ok(())
    }

    /// An event keeps its id when it is told again.
    fn dedupe_key(&self, call: &Inbound) -> String {
        let event = serde_json::from_slice::<Event>(&call.body).ok();
        event
            .and_then(|event| event.id)
            .filter(|id| id.len() <= 64)
            .unwrap_or_else(|| BASE64.encode(Sha256::digest(&call.body)))
    }

    fn decode(&self, call: &Inbound) -> Result<Vec<Hint>, DecodeError> {
        let wrong =
            |field: &str, why: &str| DecodeError { field: field.to_owned(), why: why.to_owned() };
        let event: Event = serde_json::from_slice(&call.body)
            .map_err(|_| wrong("body", "it has another shape than an event"))?;
        let id = |field: &str, text: Option<&String>| {
            let text = text.ok_or_else(|| wrong(field, "is missing"))?;
            RemoteId::new(text).map_err(|error| wrong(field, &error.to_string()))
        };
        Ok(vec![match event.kind.as_str() {
            "order.changed" => Hint::Order(id("order", event.order.as_ref())?),
            "stock.changed" => Hint::Stock(Holder {
                id: id("offer", event.offer.as_ref())?,
                location: Some(id("place", event.place.as_ref())?),
            }),
            _ => Hint::Nothing,
        }])
    }

    fn subscribe<'a>(&'a self, url: &'a str, secret: &'a Secret) -> Answer<'a, Vec<Subscription>> {
        async move {
            // Its secret is never shown: it is set whether it was this one or not.
            let body = json!({ "url": url, "secret": secret.expose() });
            let call = (Method::PUT, "webhook");
            let hook: Hook = self.api.put(SUBSCRIBE, call, (&body, 1), Urgency::Ordinary).await?;
            Ok(vec![Subscription {
                id: RemoteId::of_numbers(&[1]),
                topic: "everything".to_owned(),
                url: hook.url.unwrap_or_default(),
                is_active: hook.active,
                // It does not say how it was before.
                is_new: false,
            }])
        }
        .boxed()
    }
}

/// Bytes from their hexadecimal digits.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|one| u8::try_from(one).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| Some(digit(pair[0])? * 16 + digit(pair[1])?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}
