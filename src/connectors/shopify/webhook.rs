//! Calls of a shop: signed with the secret of the app, made again for four hours, and in no
//! order. They carry no time that is signed, so that one may be replayed: they only hint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::FutureExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::api::Document;
use super::ids::{number, numbered};
use super::stock::UserError;
use super::{Listed, Shopify, endless};
use crate::clock::Timestamp;
use crate::connectors::{
    Answer, ChannelError, DecodeError, ErrorKind, Event, Forged, Handshake, Hint, Holder, Inbound,
    Subscription, Urgency, Webhook, WebhookSecrets,
};
use crate::domain::RemoteId;
use crate::secret::Secret;

/// What matters to stock. Parcels change their order, which is told by `ORDERS_UPDATED`; their
/// own topics would need one more scope (`read_fulfillments`). Where units leave from is told of
/// fulfilment orders, and whether their order counts as changed then is nowhere written. Those
/// come last: an app without a scope for them hears of the others.
const TOPICS: [&str; 16] = [
    "ORDERS_CREATE",
    "ORDERS_UPDATED",
    "ORDERS_EDITED",
    "ORDERS_CANCELLED",
    "ORDERS_DELETE",
    "REFUNDS_CREATE",
    "INVENTORY_LEVELS_UPDATE",
    "INVENTORY_LEVELS_CONNECT",
    "INVENTORY_LEVELS_DISCONNECT",
    "FULFILLMENT_ORDERS_MOVED",
    "FULFILLMENT_ORDERS_SPLIT",
    "FULFILLMENT_ORDERS_MERGED",
    "FULFILLMENT_ORDERS_CANCELLED",
    "FULFILLMENT_ORDERS_ORDER_ROUTING_COMPLETE",
    "FULFILLMENT_ORDERS_PLACED_ON_HOLD",
    "FULFILLMENT_ORDERS_HOLD_RELEASED",
];
/// Fulfilment orders that one call names at most; all are of one order.
const WORK_MAX: usize = 10;
/// Pages of the list of webhooks at most.
const PAGES_MAX: usize = 100;
/// The longest id of an event.
const EVENT_MAX: usize = 64;
/// How the id of a fulfilment order begins.
const WORK_GID: &str = "gid://shopify/FulfillmentOrder/";
const LIST: Document =
    Document::reading("read the webhooks", include_str!("graphql/subscriptions.graphql"), 110);
const SUBSCRIBE: Document =
    Document::writing("set up webhooks", include_str!("graphql/subscribe.graphql"), 15);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct All {
    webhook_subscriptions: Listed<Hook>,
}

#[derive(Deserialize)]
struct Hook {
    id: String,
    topic: String,
    uri: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    webhook_subscription_create: Option<MadeHook>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MadeHook {
    webhook_subscription: Option<Hook>,
    user_errors: Vec<UserError>,
}

impl Hook {
    fn subscription(self, is_new: bool) -> Result<Subscription, ChannelError> {
        // Those that fail eight times in a row are removed: one that is there is called.
        let id = numbered(LIST.what, &self.id)?;
        Ok(Subscription { id, topic: self.topic, url: self.uri, is_active: true, is_new })
    }
}

impl Shopify {
    async fn hooks(&self) -> Result<Vec<Hook>, ChannelError> {
        let (mut hooks, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let variables = json!({ "after": after });
            let all: All = self.api.run(&LIST, &variables, Urgency::Ordinary).await?;
            after = all.webhook_subscriptions.next();
            hooks.extend(all.webhook_subscriptions.nodes);
            if after.is_none() {
                return Ok(hooks);
            }
        }
        Err(endless(&LIST, "webhooks", "the app"))
    }

    async fn make_hook(&self, topic: &str, url: &str) -> Result<Hook, ChannelError> {
        let variables = json!({ "topic": topic, "uri": url });
        let made: Made = self.api.run(&SUBSCRIBE, &variables, Urgency::Ordinary).await?;
        let error = |kind| ChannelError::new(SUBSCRIBE.what, kind);
        let nothing = || error(ErrorKind::Unreadable("it does not say what was made".to_owned()));
        let made = made.webhook_subscription_create.ok_or_else(nothing)?;
        if let Some(refused) = made.user_errors.into_iter().next() {
            let (code, detail) = refused.refusal();
            return Err(error(ErrorKind::Refused { code, detail }));
        }
        made.webhook_subscription.ok_or_else(nothing)
    }
}

/// The fulfilment orders that are named anywhere in what a call says: each topic names them
/// elsewhere.
fn find_work(value: &Value, found: &mut Vec<RemoteId>) {
    match value {
        Value::String(text) => {
            let id = text.starts_with(WORK_GID).then(|| number(text)).flatten();
            if let Some(id) = id.filter(|id| found.len() < WORK_MAX && !found.contains(id)) {
                found.push(id);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| find_work(one, found)),
        Value::Object(fields) => fields.values().for_each(|one| find_work(one, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Webhook for Shopify {
    fn handshake(&self, _: &Inbound) -> Option<Handshake> {
        None
    }

    fn verify(&self, call: &Inbound, secrets: &WebhookSecrets<'_>) -> Result<(), Forged> {
        let given = call.header("x-shopify-hmac-sha256").ok_or(Forged::Unsigned)?;
        let given = BASE64.decode(given).map_err(|_| Forged::Signature)?;
        let signs = |secret: &Secret| {
            // A key of any length is taken; the comparison takes the same time for all.
            Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).is_ok_and(|mut mac| {
                mac.update(&call.body);
                mac.verify_slice(&given).is_ok()
            })
        };
        let sound = signs(secrets.secret) | secrets.previous.is_some_and(signs);
        if sound { Ok(()) } else { Err(Forged::Signature) }
    }

    /// A delivery keeps its id when it is made again.
    fn dedupe_key(&self, call: &Inbound) -> String {
        let id = call.header("x-shopify-webhook-id").and_then(|id| std::str::from_utf8(id).ok());
        let is_one = |id: &&str| !id.is_empty() && id.len() <= 64;
        let hash = || BASE64.encode(Sha256::digest(&call.body));
        id.filter(is_one).map_or_else(hash, ToOwned::to_owned)
    }

    fn event(&self, call: &Inbound) -> Option<Event> {
        let text = |name| std::str::from_utf8(call.header(name)?).ok();
        let id = text("x-shopify-event-id").filter(|id| !id.is_empty() && id.len() <= EVENT_MAX)?;
        let told_at = text("x-shopify-triggered-at").and_then(|at| Timestamp::parse(at).ok());
        Some(Event { id: id.to_owned(), told_at })
    }

    fn decode(&self, call: &Inbound) -> Result<Vec<Hint>, DecodeError> {
        let wrong =
            |field: &str, why: &str| DecodeError { field: field.to_owned(), why: why.to_owned() };
        let topic = call.header("x-shopify-topic").and_then(|one| std::str::from_utf8(one).ok());
        let topic = topic.ok_or_else(|| wrong("X-Shopify-Topic", "is missing"))?;
        let body: Value =
            serde_json::from_slice(&call.body).map_err(|_| wrong("body", "it is no JSON"))?;
        let id = |field: &str| {
            let number = body.get(field).and_then(Value::as_u64);
            let number = number.ok_or_else(|| wrong(field, "it is no id"))?;
            Ok(RemoteId::of_numbers(&[number]))
        };
        if topic.starts_with("fulfillment_orders/") {
            let mut named = Vec::new();
            find_work(&body, &mut named);
            if named.is_empty() {
                return Err(wrong("body", "it names no fulfilment order"));
            }
            return Ok(named.into_iter().map(Hint::OrderOf).collect());
        }
        Ok(vec![match topic {
            "refunds/create" | "fulfillments/create" | "fulfillments/update" => {
                Hint::Order(id("order_id")?)
            }
            // What was edited is named by a document of its own.
            "orders/edited" => {
                let edited = body.get("order_edit").and_then(|edit| edit.get("order_id"));
                let number = edited.and_then(Value::as_u64);
                let number = number.ok_or_else(|| wrong("order_edit.order_id", "it is no id"))?;
                Hint::Order(RemoteId::of_numbers(&[number]))
            }
            "orders/delete" => Hint::Deleted(id("id")?),
            topic if topic.starts_with("orders/") => Hint::Order(id("id")?),
            topic if topic.starts_with("inventory_levels/") => Hint::Stock(Holder {
                id: id("inventory_item_id")?,
                location: Some(id("location_id")?),
            }),
            _ => Hint::Nothing,
        }])
    }

    /// The secret is that of the app: it cannot be chosen.
    fn subscribe<'a>(&'a self, url: &'a str, _: &'a Secret) -> Answer<'a, Vec<Subscription>> {
        async move {
            let mut hooks = self.hooks().await?;
            hooks.retain(|hook| hook.uri == url);
            let known = hooks.len();
            for topic in TOPICS {
                if !hooks.iter().any(|hook| hook.topic == topic) {
                    match self.make_hook(topic, url).await {
                        Ok(hook) => hooks.push(hook),
                        // What was made is told of first; this is told when it fails again.
                        Err(_) if hooks.len() > known => break,
                        Err(error) => return Err(error),
                    }
                }
            }
            let all = hooks.into_iter().enumerate();
            all.map(|(index, hook)| hook.subscription(index >= known)).collect()
        }
        .boxed()
    }
}
