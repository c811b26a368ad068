//! How a channel tells that something happened. Whatever it says is a hint to read
//! again, never a fact.

use super::{Answer, DecodeError, Holder};
use crate::clock::Timestamp;
use crate::domain::RemoteId;
use crate::secret::Secret;

/// How a connector hears of events.
pub enum Intake<'a> {
    /// The channel calls us.
    HttpWebhook(&'a dyn Webhook),
    /// The channel writes into a queue.
    Queue(&'a dyn Queue),
    /// It does not: it is only polled.
    PollOnly,
}

impl std::fmt::Debug for Intake<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::HttpWebhook(_) => "HttpWebhook",
            Self::Queue(_) => "Queue",
            Self::PollOnly => "PollOnly",
        })
    }
}

/// A call of a channel, byte for byte.
#[derive(Clone)]
pub struct Inbound {
    /// Its method, upper case.
    pub method: String,
    /// Where it went, as the channel was told: behind a proxy it is not what arrives.
    pub url: String,
    /// The query without its `?`.
    pub query: String,
    /// Its headers: names in lower case, in the order they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body, raw.
    pub body: Vec<u8>,
    /// When it came.
    pub received_at: Timestamp,
}

/// Bodies hold customers, and headers signatures: neither is shown.
impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with {} bytes", self.method, self.body.len())
    }
}

impl Inbound {
    /// The first header of a name in lower case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_slice())
    }
}

/// The secrets that signatures are checked with: after a change the one before is
/// believed for a while.
#[derive(Debug)]
pub struct WebhookSecrets<'a> {
    /// The present one.
    pub secret: &'a Secret,
    /// The one before.
    pub previous: Option<&'a Secret>,
}

/// An answer that a call gets at once, unstored: it carries no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Why a call is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forged {
    /// It has no signature.
    Unsigned,
    /// Its signature is not that of its body.
    Signature,
    /// It is older than replays are allowed to be.
    Stale,
}

/// What should be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// An order.
    Order(RemoteId),
    /// An order that was deleted, as the channel says: one it does not show is gone then,
    /// however old it is.
    Deleted(RemoteId),
    /// The order that something belongs to which names none: the channel is asked for it.
    OrderOf(RemoteId),
    /// The number of a holder, as the channel says it was at that moment.
    Stock(Holder),
    /// A listing.
    Listing(RemoteId),
    /// Nothing that matters here.
    Nothing,
}

/// Something that happened at a channel, and that several deliveries tell of: each of what it
/// is subscribed to gets its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The channel's id of it.
    pub id: String,
    /// When the delivery was made, by the channel's clock: one event may be told of in parts.
    pub told_at: Option<Timestamp>,
}

/// A webhook as the channel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The channel's id of it.
    pub id: RemoteId,
    /// What it is called for.
    pub topic: String,
    /// Where it goes.
    pub url: String,
    /// Whether it is called: some channels stop silently.
    pub is_active: bool,
    /// Whether it was not there, or not called, and was set up just now: what happened before
    /// may have been told to nobody.
    pub is_new: bool,
}

/// Takes the calls of a channel.
pub trait Webhook: Send + Sync {
    /// The answer to a call that only asks whether somebody is there.
    fn handshake(&self, call: &Inbound) -> Option<Handshake>;

    /// Whether the channel itself made the call. Compares in constant time.
    fn verify(&self, call: &Inbound, secrets: &WebhookSecrets<'_>) -> Result<(), Forged>;

    /// What two deliveries of one event have in common, and no others.
    fn dedupe_key(&self, call: &Inbound) -> String;

    /// The event that a delivery tells of beside others, where the channel says one.
    fn event(&self, _call: &Inbound) -> Option<Event> {
        None
    }

    /// What a stored call hints at.
    fn decode(&self, call: &Inbound) -> Result<Vec<Hint>, DecodeError>;

    /// Makes sure that the channel calls an address for all that matters, and says
    /// what it has now. The secret is the one it signs with.
    fn subscribe<'a>(&'a self, url: &'a str, secret: &'a Secret) -> Answer<'a, Vec<Subscription>>;
}

/// Reads a queue that the channel writes into.
pub trait Queue: Send + Sync {
    /// The next messages, at most ten; empty after a while without any.
    fn receive(&self) -> Answer<'_, Vec<Message>>;

    /// What a stored message hints at.
    fn decode(&self, body: &[u8]) -> Result<Vec<Hint>, DecodeError>;

    /// Removes a message that is stored.
    fn remove<'a>(&'a self, message: &'a Message) -> Answer<'a, ()>;
}

/// A message of a queue.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// What two deliveries of one event have in common.
    pub dedupe_key: String,
    /// What the queue wants to hear when it is to be removed.
    pub receipt: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// A body may hold customers: it is never shown.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the message {} with {} bytes", self.dedupe_key, self.body.len())
    }
}
