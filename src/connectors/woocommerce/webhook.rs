//! Calls of a shop. It makes each once, forgets those that fail, stops calling after a
//! few failures in a row, and numbers them by the second: they only hint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::FutureExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::document::Failure;
use super::orders::id;
use super::{PAGE_MAX, WooCommerce};
use crate::connectors::{
    Answer, ChannelError, DecodeError, Forged, Handshake, Hint, Inbound, Subscription, Urgency,
    Webhook, WebhookSecrets,
};
use crate::secret::Secret;

const SUBSCRIBE: &str = "set up webhooks";
/// What matters to stock.
const TOPICS: [&str; 7] = [
    "order.created",
    "order.updated",
    "order.deleted",
    "order.restored",
    "product.created",
    "product.updated",
    "product.deleted",
];

impl Webhook for WooCommerce {
    /// A new webhook is tried by a form that nobody signed; only 200 will do.
    fn handshake(&self, call: &Inbound) -> Option<Handshake> {
        let is_form = call
            .header("content-type")
            .is_some_and(|kind| kind.starts_with(b"application/x-www-form-urlencoded"));
        let unnamed = call.header("x-wc-webhook-topic").is_none();
        let ping = call
            .body
            .strip_prefix(b"webhook_id=")
            .is_some_and(|id| (1..=20).contains(&id.len()) && id.iter().all(u8::is_ascii_digit));
        let answer = || Handshake { status: 200, content_type: "text/plain", body: String::new() };
        (is_form && unnamed && ping).then(answer)
    }

    fn verify(&self, call: &Inbound, secrets: &WebhookSecrets<'_>) -> Result<(), Forged> {
        let given = call.header("x-wc-webhook-signature").ok_or(Forged::Unsigned)?;
        let given = BASE64.decode(given).map_err(|_| Forged::Signature)?;
        let signs = |secret: &Secret| {
            let key = entities_decoded(secret.expose());
            // A key of any length is taken; the comparison takes the same time for all.
            Hmac::<Sha256>::new_from_slice(key.as_bytes()).is_ok_and(|mut mac| {
                mac.update(&call.body);
                mac.verify_slice(&given).is_ok()
            })
        };
        let sound = signs(secrets.secret) | secrets.previous.is_some_and(signs);
        if sound { Ok(()) } else { Err(Forged::Signature) }
    }

    /// What the shop calls the id of a delivery is the second it was made in.
    fn dedupe_key(&self, call: &Inbound) -> String {
        let header = |name| String::from_utf8_lossy(call.header(name).unwrap_or_default());
        let (hook, topic) = (header("x-wc-webhook-id"), header("x-wc-webhook-topic"));
        let body = Sha256::digest(&call.body);
        format!("{hook}:{topic}:{}", BASE64.encode(body))
    }

    fn decode(&self, call: &Inbound) -> Result<Vec<Hint>, DecodeError> {
        #[derive(Deserialize)]
        struct Named {
            id: u64,
        }
        let topic = call.header("x-wc-webhook-topic").unwrap_or_default();
        let wrong =
            |field: &str, why: &str| DecodeError { field: field.to_owned(), why: why.to_owned() };
        let topic =
            std::str::from_utf8(topic).map_err(|_| wrong("x-wc-webhook-topic", "it is no text"))?;
        let about = topic.split('.').next().unwrap_or_default();
        if !matches!(about, "order" | "product") {
            return Ok(vec![Hint::Nothing]);
        }
        // A body is made when it is sent: of what is gone by then it says only so. That it
        // is gone is a delivery of its own, and polling finds it.
        let gone = serde_json::from_slice::<Failure>(&call.body);
        if gone.is_ok_and(|failure| failure.code.ends_with("_invalid_id")) {
            return Ok(vec![Hint::Nothing]);
        }
        let named: Named = serde_json::from_slice(&call.body)
            .map_err(|_| wrong("id", "the body has none that is a number"))?;
        let named = id(named.id);
        Ok(vec![if about == "order" { Hint::Order(named) } else { Hint::Listing(named) }])
    }

    fn subscribe<'a>(&'a self, url: &'a str, secret: &'a Secret) -> Answer<'a, Vec<Subscription>> {
        async move {
            let mut known: Vec<(Hook, bool)> =
                self.hooks(url).await?.into_iter().map(|hook| (hook, false)).collect();
            for topic in TOPICS {
                let body = json!({
                    "name": format!("invshop {topic}"), "topic": topic, "delivery_url": url,
                    "secret": secret.expose(), "status": "active",
                });
                match known.iter_mut().find(|(hook, _)| hook.topic == topic) {
                    // Its secret is never shown: it is set whether it was this one or not.
                    Some((hook, is_new)) => {
                        let path = format!("webhooks/{}", hook.id);
                        *is_new = !hook.is_active();
                        *hook = self.save(Method::PUT, &path, &body).await?;
                    }
                    None => known.push((self.save(Method::POST, "webhooks", &body).await?, true)),
                }
            }
            Ok(known.into_iter().map(|(hook, is_new)| hook.into_subscription(is_new)).collect())
        }
        .boxed()
    }
}

#[derive(Debug, Deserialize)]
struct Hook {
    id: u64,
    topic: String,
    status: String,
    delivery_url: String,
}

impl Hook {
    fn is_active(&self) -> bool {
        self.status == "active"
    }

    fn into_subscription(self, is_new: bool) -> Subscription {
        Subscription {
            id: id(self.id),
            is_active: self.is_active(),
            is_new,
            topic: self.topic,
            url: self.delivery_url,
        }
    }
}

impl WooCommerce {
    /// The webhooks that call an address.
    async fn hooks(&self, url: &str) -> Result<Vec<Hook>, ChannelError> {
        let query = [("per_page", PAGE_MAX.to_string()), ("status", "all".to_owned())];
        let (mut hooks, _) = self.api.get::<Vec<Hook>>(SUBSCRIBE, "webhooks", &query).await?;
        hooks.retain(|hook| hook.delivery_url == url);
        Ok(hooks)
    }

    async fn save(&self, method: Method, path: &str, body: &Value) -> Result<Hook, ChannelError> {
        self.api.send_json(SUBSCRIBE, (method, path), body, Urgency::Ordinary).await
    }
}

/// WordPress signs with the secret after `wp_specialchars_decode(…, ENT_QUOTES)`: some
/// entities in it are the characters they stand for, each replaced once.
fn entities_decoded(secret: &str) -> String {
    const ENTITIES: [(&str, char); 14] = [
        ("&quot;", '"'),
        ("&#034;", '"'),
        ("&#x22;", '"'),
        ("&#039;", '\''),
        ("&#x27;", '\''),
        ("&lt;", '<'),
        ("&#060;", '<'),
        ("&#x3c;", '<'),
        ("&gt;", '>'),
        ("&#062;", '>'),
        ("&#x3e;", '>'),
        ("&amp;", '&'),
        ("&#038;", '&'),
        ("&#x26;", '&'),
    ];
    let mut decoded = String::with_capacity(secret.len());
    let mut rest = secret;
    while let Some(character) = rest.chars().next() {
        if let Some((left, found)) =
            ENTITIES.iter().find_map(|(text, found)| Some((rest.strip_prefix(text)?, *found)))
        {
            decoded.push(found);
            rest = left;
        } else {
            decoded.push(character);
            rest = rest.strip_prefix(character).unwrap_or_default();
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::entities_decoded;

    #[test]
    fn entities_of_a_secret_are_decoded_once() {
        assert_eq!(entities_decoded("a &amp;lt; b"), "a &lt; b");
        assert_eq!(entities_decoded("&quot;x&#039; & <y> &unknown;"), "\"x' & <y> &unknown;");
    }
}
