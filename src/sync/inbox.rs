//! What comes in is kept before anything is made of it, sealed.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::Channel;
use crate::connectors::{DecodeError, Event, Inbound, ListedOrder, RawOrder};
use crate::domain::RemoteId;
use crate::secret::Hashed;
use crate::store::StoreError;
use crate::store::inbox::{self, Stored};

/// A delivery, in the table's words.
pub(crate) const DELIVERY: &str = "delivery";
/// An order that was read.
pub(crate) const ORDER: &str = "order";
/// What a state of an order begins with, in its name, of which only the last change is known.
/// The name of one that was read is hexadecimal, and as long.
const NAMED: &str = "at";
const NAMED_DIGITS: usize = 32 - NAMED.len();
/// Things that may wait for one channel: more than a day's, so that a sender that floods
/// does not fill the disk.
pub(crate) const WAITING_MAX: i64 = 100_000;

/// A delivery as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    method: String,
    url: String,
    query: String,
    /// Values as text where they are, else left out: signatures were checked before.
    headers: Vec<(String, String)>,
    /// Base64 costs a third; hexadecimal would double it.
    body: String,
    received_at: String,
}

/// What is to be kept, not sealed yet.
struct Plain {
    dedupe_key: String,
    event: Option<String>,
    bytes: Vec<u8>,
}

/// What was kept, opened.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A delivery.
    Delivery(Box<Inbound>),
    /// An order.
    Order(RawOrder),
    /// The name of an order that changed.
    Named(RemoteId),
}

impl Opened {
    /// All of it, as text.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Order(raw) => String::from_utf8_lossy(&raw.body).into_owned(),
            Self::Named(id) => format!("the order {id} changed; it is read by its id\n"),
            Self::Delivery(call) => {
                let mut text = format!("{} {}\n", call.method, call.url);
                for (name, value) in &call.headers {
                    let value = String::from_utf8_lossy(value);
                    let _infallible = writeln!(text, "{name}: {value}");
                }
                text.push('\n');
                text.push_str(&String::from_utf8_lossy(&call.body));
                text
            }
        }
    }
}

/// Where what came in from a channel belongs, sealed.
pub(crate) fn context(channel: i64, dedupe_key: &str) -> String {
    format!("inbox {channel} {dedupe_key}")
}

/// Headers that are kept: what tells an event, and no keys.
fn is_kept(name: &str) -> bool {
    name.starts_with("x-") && !name.contains("signature") || name == "content-type"
}

impl Channel {
    fn context(&self, dedupe_key: &str) -> String {
        context(self.id, dedupe_key)
    }

    /// Keeps a delivery that was verified; false when the same waits already.
    pub(crate) async fn keep_delivery(
        &self,
        call: &Inbound,
        (dedupe_key, event): (String, Option<Event>),
    ) -> Result<bool, StoreError> {
        let text = |(name, value): &(String, Vec<u8>)| {
            Some((name.clone(), String::from_utf8(value.clone()).ok()?))
        };
        let kept = Kept {
            method: call.method.clone(),
            url: call.url.clone(),
            query: call.query.clone(),
            headers: call
                .headers
                .iter()
                .filter(|(name, _)| is_kept(name))
                .filter_map(text)
                .collect(),
            body: BASE64.encode(&call.body),
            received_at: call.received_at.to_string(),
        };
        let plain = serde_json::to_vec(&kept).unwrap_or_default();
        let event = event.map(|event| event.id);
        let kept = self.keep_all(DELIVERY, vec![Plain { dedupe_key, event, bytes: plain }]).await?;
        Ok(kept == 1)
    }

    /// Keeps orders as they were listed; how many are new.
    pub(crate) async fn keep_orders(&self, orders: &[ListedOrder]) -> Result<usize, StoreError> {
        // Two states of one order are two things.
        let plain = |listed: &ListedOrder| {
            let (dedupe_key, bytes) = match listed {
                ListedOrder::Whole(raw) => {
                    (format!("order {} {}", raw.id, self.hash(&raw.body)), raw.body.clone())
                }
                ListedOrder::Named { id, changed_at } => {
                    let moment = changed_at.as_millis();
                    (format!("order {id} {NAMED}{moment:0NAMED_DIGITS$}"), Vec::new())
                }
            };
            Plain { dedupe_key, event: None, bytes }
        };
        self.keep_all(ORDER, orders.iter().map(plain).collect()).await
    }

    async fn keep_all(&self, kind: &'static str, things: Vec<Plain>) -> Result<usize, StoreError> {
        let random = self.shop.random.as_ref();
        let seal = |Plain { dedupe_key, event, bytes }: Plain| {
            let sealed = self.shop.key.seal(&self.context(&dedupe_key), &bytes, random);
            inbox::New { kind, dedupe_key, event, sealed }
        };
        let sealed: Vec<_> = things.into_iter().map(seal).collect();
        let (id, now) = (self.id, self.shop.clock.now().as_millis());
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move {
                let mut new = 0;
                for one in sealed {
                    new += usize::from(inbox::insert(&mut conn, id, one, now).await?);
                }
                Ok(new)
            })
        });
        written.await
    }

    /// A name of a body that tells nothing of it.
    fn hash(&self, plain: &[u8]) -> String {
        let hash = self.shop.key.keyed_hash(Hashed::Inbox, plain);
        hash[..16].iter().fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
    }

    /// Opens what was kept.
    pub(crate) fn open_kept(&self, stored: &Stored) -> Result<Opened, DecodeError> {
        let wrong = |why: String| DecodeError { field: "inbox".to_owned(), why };
        let context = self.context(&stored.dedupe_key);
        let plain = self.shop.key.open(&context, &stored.sealed);
        let plain = plain.map_err(|error| wrong(error.to_string()))?;
        if stored.kind == ORDER {
            let id =
                stored.dedupe_key.strip_prefix("order ").and_then(|rest| rest.rsplit_once(' '));
            let id = id.and_then(|(id, state)| Some((RemoteId::new(id).ok()?, state)));
            let (id, state) = id.ok_or_else(|| wrong("an order without an id".to_owned()))?;
            if state.starts_with(NAMED) {
                return Ok(Opened::Named(id));
            }
            return Ok(Opened::Order(RawOrder { id, body: plain }));
        }
        let kept: Kept =
            serde_json::from_slice(&plain).map_err(|error| wrong(error.to_string()))?;
        let body = BASE64.decode(kept.body);
        let received_at = crate::clock::Timestamp::parse(&kept.received_at);
        Ok(Opened::Delivery(Box::new(Inbound {
            method: kept.method,
            url: kept.url,
            query: kept.query,
            headers: kept.headers.into_iter().map(|(name, text)| (name, text.into())).collect(),
            body: body.map_err(|error| wrong(error.to_string()))?,
            received_at: received_at.map_err(|error| wrong(error.to_string()))?,
        })))
    }
}
