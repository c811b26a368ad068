//! What came in, opened: what there is to do with it, and of all that hints at one order only
//! once.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;

use super::Channel;
use super::inbox::{ORDER, Opened};
use crate::connectors::{ChannelError, Event, Hint, Intake, OrderSource, RawOrder};
use crate::domain::RemoteId;
use crate::store::inbox::Stored;

/// Events that are remembered, each with its order: what is told of one that was forgotten is
/// read once more.
const EVENTS_MAX: usize = 10_000;

/// Something that came in, opened.
pub(super) struct Thing {
    pub(super) stored: Stored,
    /// The one order it is about: two things of one order come one after the other.
    pub(super) order: Option<String>,
    pub(super) work: Work,
    event: Option<Event>,
}

/// What there is to do with it.
pub(super) enum Work {
    /// A state of an order.
    Order(RawOrder),
    /// Something is to be read again.
    Hints(Vec<Hint>),
    /// Nothing, and why.
    Nothing(String),
    /// It cannot be read.
    Unusable(String),
    /// What it is about could not be asked for now.
    Failed(ChannelError),
}

/// An event of which an order was read: its id and the order, when that was told, whole
/// seconds, and the last thing that came in of it.
pub(super) type ReadEvent = ((String, String), (i64, i64));

/// Events whose orders were read. What else is told of one after that, and was told by the
/// channel no later, says nothing new: an event is over when it is told.
#[derive(Debug, Default)]
pub(super) struct ReadEvents(Mutex<HashMap<(String, String), (i64, i64)>>);

impl ReadEvents {
    /// Orders were read of events.
    pub(super) fn remember(&self, read: Vec<ReadEvent>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() + read.len() > EVENTS_MAX {
            all.clear();
        }
        for (key, (told_at, id)) in read {
            let known = all.entry(key).or_insert((told_at, id));
            *known = (known.0.max(told_at), known.1.max(id));
        }
    }

    /// Whether the order of a thing was read after all that it tells of; one that is dealt with
    /// once more, because somebody wants that, is read.
    fn has(&self, thing: &Thing) -> bool {
        let Some((key, (told_at, id))) = thing.event() else { return false };
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&key).is_some_and(|known| told_at <= known.0 && id > known.1)
    }
}

impl Thing {
    /// The event and the order that it tells of, where it says both, and when.
    pub(super) fn event(&self) -> Option<ReadEvent> {
        let event = self.event.as_ref()?;
        let told_at = event.told_at?.as_millis().div_euclid(1000);
        Some(((event.id.clone(), self.order.clone()?), (told_at, self.stored.id)))
    }

    /// Whether all that it says is that an order is to be read again.
    fn only_hints(&self) -> bool {
        matches!(&self.work, Work::Hints(hints) if matches!(hints[..], [Hint::Order(_)]))
    }
}

impl Channel {
    /// Opens what came in. Of hints at one order the last will do, and none that tells of an
    /// event which the order was read after.
    pub(super) async fn open_all(&self, waiting: Vec<Stored>) -> Vec<Thing> {
        let mut things: Vec<Thing> =
            waiting.into_iter().map(|stored| self.open_one(stored)).collect();
        self.find_orders(&mut things).await;
        let mut hinted = HashSet::new();
        for thing in things.iter_mut().rev().filter(|thing| thing.only_hints()) {
            let why = if self.read_events.has(thing) {
                "the order was read with another delivery of its event"
            } else if thing.order.clone().is_some_and(|order| !hinted.insert(order)) {
                "the order is read with a later hint"
            } else {
                continue;
            };
            // What a list named is read by itself: that it was read is proof for others.
            if thing.stored.kind != ORDER {
                thing.work = Work::Nothing(why.to_owned());
            }
        }
        things
    }

    fn open_one(&self, stored: Stored) -> Thing {
        let mut event = None;
        let work = match (self.open_kept(&stored), self.connector.intake()) {
            (Err(error), _) => Work::Unusable(error.to_string()),
            (Ok(Opened::Order(raw)), _) => Work::Order(raw),
            (Ok(Opened::Named(id)), _) => Work::Hints(vec![Hint::Order(id)]),
            (Ok(Opened::Delivery(call)), Intake::HttpWebhook(webhook)) => {
                event = webhook.event(&call);
                match webhook.decode(&call) {
                    Err(error) => Work::Unusable(error.to_string()),
                    Ok(hints) => Work::Hints(hints),
                }
            }
            _ => Work::Unusable("its channel takes no webhooks".to_owned()),
        };
        let order = match &work {
            Work::Order(raw) => Some(raw.id.to_string()),
            Work::Hints(hints) => match hints.as_slice() {
                [Hint::Order(id) | Hint::Deleted(id)] => Some(id.to_string()),
                _ => None,
            },
            _ => None,
        };
        Thing { stored, order, work, event }
    }

    /// Asks for the orders of what names none, for each once.
    async fn find_orders(&self, things: &mut [Thing]) {
        let Some(orders) = self.connector.orders() else { return };
        let named: HashSet<Vec<RemoteId>> = things.iter().filter_map(parts_of).collect();
        let ask = |parts: Vec<RemoteId>| async move {
            let found = order_of(orders, &parts).await;
            (parts, found)
        };
        let found = join_all(named.into_iter().map(ask)).await;
        let found: HashMap<_, _> = found.into_iter().collect();
        for thing in things {
            match parts_of(thing).and_then(|parts| found.get(&parts)) {
                None => {}
                Some(Ok(Some(order))) => {
                    thing.order = Some(order.to_string());
                    thing.work = Work::Hints(vec![Hint::Order(order.clone())]);
                }
                Some(Ok(None)) => {
                    thing.work = Work::Nothing("what it names is of no order there".to_owned());
                }
                Some(Err(error)) => thing.work = Work::Failed(error.clone()),
            }
        }
    }
}

/// What a thing names of an order that it does not name.
fn parts_of(thing: &Thing) -> Option<Vec<RemoteId>> {
    let Work::Hints(hints) = &thing.work else { return None };
    let part = |hint: &Hint| match hint {
        Hint::OrderOf(part) => Some(part.clone()),
        _ => None,
    };
    let parts: Option<Vec<RemoteId>> = hints.iter().map(part).collect();
    parts.filter(|parts| !parts.is_empty())
}

/// The order of parts that are of one: that of the first that the channel shows.
async fn order_of(
    orders: &dyn OrderSource,
    parts: &[RemoteId],
) -> Result<Option<RemoteId>, ChannelError> {
    for part in parts {
        if let Some(order) = orders.order_of(part).await? {
            return Ok(Some(order));
        }
    }
    Ok(None)
}
