//! Orders are read from a channel into the inbox.
//!
//! The watermark is the channel's own time of the newest change that was seen, never this
//! machine's: a shop whose clock is behind would hide its orders otherwise. It goes forward
//! only when a window was read to its end.

use std::collections::HashMap;

use super::order::{self, Known};
use super::{Channel, SyncError};
use crate::clock::Timestamp;
use crate::connectors::{ListedOrder, OrderSource, OrderWindow, Window};
use crate::domain::RemoteId;
use crate::store::channels;

/// How far back a channel is read that was never read.
const HISTORY_MS: i64 = 60 * 24 * 60 * 60 * 1000;
/// How far ahead of this machine's clock a channel's may be.
const AHEAD_MS: i64 = 24 * 60 * 60 * 1000;
/// After how long no second change can be of the moment of the first, milliseconds: the
/// times of changes are whole seconds.
pub(super) const MOMENT_MS: i64 = 2_000;
/// A change that is older is read once, and not once more: no second one can be of its moment,
/// if the clocks agree to this.
const YOUNG_MS: i64 = 60_000;
/// Pages of one window at most: a list without an end is an error, never "the rest is gone".
const PAGES_MAX: usize = 10_000;
/// Orders whose state is remembered, so that the overlap is not stored again and again.
const REMEMBERED_MAX: usize = 20_000;

/// What it means where the list of what was thrown away cannot be read.
pub(super) const BIN_UNREAD: &str = "orders that were thrown away cannot be read";

/// Which of a channel's lists of orders is read.
#[derive(Clone, Copy, Debug)]
enum List {
    Changed,
    Omitted,
}

/// What of a channel's orders was seen lately.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<String, Sight>);

/// How an order was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sight {
    /// What tells its state from others.
    state: u64,
    /// When it is to be read once more, milliseconds; never for one that was listed whole.
    again_at: Option<i64>,
}

/// What is to be done with an order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It was not seen so before.
    First,
    /// It was seen so, and may have changed at the same moment since.
    Again,
    /// It is known.
    None,
}

impl Seen {
    fn look(&self, id: &str, state: u64, now: Timestamp) -> Look {
        match self.0.get(id).filter(|sight| sight.state == state) {
            None => Look::First,
            Some(sight) if sight.again_at.is_some_and(|at| at <= now.as_millis()) => Look::Again,
            Some(_) => Look::None,
        }
    }

    fn remember(&mut self, id: String, sight: Sight) {
        if self.0.len() >= REMEMBERED_MAX {
            // What is stored twice is found to be known when it is looked at.
            self.0.clear();
        }
        self.0.insert(id, sight);
    }
}

/// What a pull found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Orders in the lists.
    pub listed: usize,
    /// Of these, states that were not known.
    pub new: usize,
}

impl Channel {
    /// Reads the orders that changed into the inbox, and those that were thrown away, and
    /// records nothing: whoever has the lane does. A bin that cannot be read is noted and
    /// is no failure.
    pub async fn pull_now(&self) -> Result<Pulled, SyncError> {
        let mut seen = Seen::default();
        let changed = self.pull(&mut seen).await?;
        match self.pull_omitted(None, &mut seen).await {
            Ok(omitted) => Ok(Pulled {
                listed: changed.listed + omitted.listed,
                new: changed.new + omitted.new,
            }),
            Err(error) => {
                self.complain(BIN_UNREAD, &error).await;
                Ok(changed)
            }
        }
    }

    /// Reads the orders that changed since the last time into the inbox.
    pub(crate) async fn pull(&self, seen: &mut Seen) -> Result<Pulled, SyncError> {
        let Some((orders, rules)) = self.order_source() else {
            return Ok(Pulled::default());
        };
        let now = self.shop.clock.now();
        let watermark = self.stored().await?.watermark;
        let overlap = i64::try_from(rules.overlap.as_millis()).unwrap_or(i64::MAX);
        let from = watermark.map_or(now.as_millis() - HISTORY_MS, |mark| mark - overlap);
        let (pulled, newest) = self.read(orders, (List::Changed, from, now), seen).await?;
        self.note_pulled(newest.max(watermark), now).await?;
        Ok(pulled)
    }

    /// Reads into the inbox what the list of changes leaves out, since it was last looked at
    /// or as far back as anything is read: an order that was thrown away would hold its
    /// units for ever where nobody was told of it.
    pub(crate) async fn pull_omitted(
        &self,
        last: Option<Timestamp>,
        seen: &mut Seen,
    ) -> Result<Pulled, SyncError> {
        let Some((orders, rules)) = self.order_source() else {
            return Ok(Pulled::default());
        };
        if rules.omits.is_empty() {
            return Ok(Pulled::default());
        }
        let now = self.shop.clock.now();
        // Its times are the channel's, whose clock may be another.
        let from =
            last.map_or(now.as_millis() - HISTORY_MS, |last| last.min(now).as_millis() - AHEAD_MS);
        Ok(self.read(orders, (List::Omitted, from, now), seen).await?.0)
    }

    fn order_source(&self) -> Option<(&dyn OrderSource, &OrderWindow)> {
        Some((self.connector.orders()?, self.connector.capability().orders.as_ref()?))
    }

    /// Reads a list to its end; the channel's time of the newest change in it.
    async fn read(
        &self,
        orders: &dyn OrderSource,
        (list, from, now): (List, i64, Timestamp),
        seen: &mut Seen,
    ) -> Result<(Pulled, Option<i64>), SyncError> {
        let moment = |millis: i64| Timestamp::from_millis(millis.max(0)).unwrap_or(now);
        let window = Window { from: moment(from), until: moment(now.as_millis() + AHEAD_MS) };
        let (mut cursor, mut pulled, mut newest) = (None, Pulled::default(), None);
        for _ in 0..PAGES_MAX {
            let page = match list {
                List::Changed => orders.changed(window, cursor.as_ref()).await?,
                List::Omitted => orders.omitted(window, cursor.as_ref()).await?.into(),
            };
            pulled.listed += page.rows.len();
            let changes = page.rows.iter().map(|listed| match listed {
                ListedOrder::Named { changed_at, .. } => Some(*changed_at),
                ListedOrder::Whole(raw) => orders.decode(&raw.body).ok()?.changed_at,
            });
            newest = newest.max(changes.flatten().map(Timestamp::as_millis).max());
            pulled.new += self.keep_new(page.rows, seen).await?;
            cursor = page.next;
            if cursor.is_none() {
                return Ok((pulled, newest));
            }
        }
        Err(SyncError::Cannot {
            channel: self.name().to_owned(),
            cannot: "lists orders without an end",
        })
    }

    /// Keeps what was not seen before of a page of orders; how much is new.
    async fn keep_new(&self, rows: Vec<ListedOrder>, seen: &mut Seen) -> Result<usize, SyncError> {
        // They are read after this.
        let now = self.shop.clock.now();
        let (mut fresh, mut sights) = (Vec::new(), Vec::new());
        for listed in rows {
            let (id, state) = state_of(&listed);
            let look = seen.look(id.as_str(), state, now);
            let is_young = match &listed {
                ListedOrder::Named { changed_at, .. } => {
                    now.as_millis() - changed_at.as_millis() < YOUNG_MS
                }
                ListedOrder::Whole(_) => false,
            };
            let again_at = match look {
                Look::None => continue,
                Look::First => is_young.then(|| now.as_millis() + MOMENT_MS),
                Look::Again => None,
            };
            sights.push((id.to_string(), Sight { state, again_at }));
            // What a webhook told of was read then, and is read once more.
            if again_at.is_none() || !self.is_read(&listed).await? {
                fresh.push(listed);
            }
        }
        let new = if fresh.is_empty() { 0 } else { self.keep_orders(&fresh).await? };
        for (id, sight) in sights {
            seen.remember(id, sight);
        }
        Ok(new)
    }

    /// Whether an order of which only the last change is listed is here as it was then.
    async fn is_read(&self, listed: &ListedOrder) -> Result<bool, SyncError> {
        let ListedOrder::Named { id, changed_at } = listed else { return Ok(false) };
        let Ok(reference) = order::reference(self.name(), id) else { return Ok(false) };
        let known = self.known(&reference).await?;
        Ok(matches!(known, Known::At(version) if version >= changed_at.as_millis()))
    }

    async fn note_pulled(&self, newest: Option<i64>, now: Timestamp) -> Result<(), SyncError> {
        let (id, now) = (self.id, now.as_millis());
        // Nothing was seen: the same history is asked for again.
        let watermark = newest.unwrap_or(now - HISTORY_MS);
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move { channels::pulled(&mut conn, id, watermark, now).await })
        });
        Ok(written.await?)
    }
}

/// The id of an order of a list, and what tells its state from others.
fn state_of(listed: &ListedOrder) -> (&RemoteId, u64) {
    match listed {
        ListedOrder::Whole(raw) => (&raw.id, short_hash(&raw.body)),
        ListedOrder::Named { id, changed_at } => (id, changed_at.as_millis().unsigned_abs()),
    }
}

/// Tells two states apart; one taken for another is found by the next webhook or change.
fn short_hash(body: &[u8]) -> u64 {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(body);
    u64::from_be_bytes(hash.first_chunk::<8>().copied().unwrap_or_default())
}
