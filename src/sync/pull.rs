//! Orders are read from a channel into the inbox.
//!
//! The watermark is the channel's own time of the newest change that was seen, never this
//! machine's: a shop whose clock is behind would hide its orders otherwise. It goes forward
//! only when a window was read to its end.

use std::collections::HashMap;

use super::{Channel, SyncError};
use crate::clock::Timestamp;
use crate::connectors::Window;
use crate::store::channels;

/// How far back a channel is read that was never read.
const HISTORY_MS: i64 = 60 * 24 * 60 * 60 * 1000;
/// How far ahead of this machine's clock a channel's may be.
const AHEAD_MS: i64 = 24 * 60 * 60 * 1000;
/// Pages of one window at most: a list without an end is an error, never "the rest is gone".
const PAGES_MAX: usize = 10_000;
/// Orders whose state is remembered, so that the overlap is not stored again and again.
const REMEMBERED_MAX: usize = 20_000;

/// What of a channel's orders was seen lately.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<String, u64>);

impl Seen {
    /// Whether an order was seen exactly so.
    fn is_known(&self, id: &str, hash: u64) -> bool {
        self.0.get(id) == Some(&hash)
    }

    fn remember(&mut self, id: String, hash: u64) {
        if self.0.len() >= REMEMBERED_MAX {
            // What is stored twice is found to be known when it is looked at.
            self.0.clear();
        }
        self.0.insert(id, hash);
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
    /// Reads the orders that changed into the inbox and records nothing: whoever has the
    /// lane does.
    pub async fn pull_now(&self) -> Result<Pulled, SyncError> {
        self.pull(&mut Seen::default()).await
    }

    /// Reads the orders that changed since the last time into the inbox.
    pub(crate) async fn pull(&self, seen: &mut Seen) -> Result<Pulled, SyncError> {
        let (Some(orders), Some(rules)) =
            (self.connector.orders(), self.connector.capability().orders.as_ref())
        else {
            return Ok(Pulled::default());
        };
        let now = self.shop.clock.now();
        let watermark = self.stored().await?.watermark;
        let overlap = i64::try_from(rules.overlap.as_millis()).unwrap_or(i64::MAX);
        let from = watermark.map_or(now.as_millis() - HISTORY_MS, |mark| mark - overlap);
        let moment = |millis: i64| Timestamp::from_millis(millis.max(0)).unwrap_or(now);
        let window = Window { from: moment(from), until: moment(now.as_millis() + AHEAD_MS) };
        let (mut cursor, mut pulled) = (None, Pulled::default());
        let mut newest = watermark;
        for _ in 0..PAGES_MAX {
            let page = orders.changed(window, cursor.as_ref()).await?;
            pulled.listed += page.rows.len();
            let mut fresh = Vec::new();
            for raw in page.rows {
                let hash = short_hash(&raw.body);
                let id = raw.id.to_string();
                if let Ok(order) = orders.decode(&raw.body) {
                    newest = newest.max(order.changed_at.map(Timestamp::as_millis));
                }
                if !seen.is_known(&id, hash) {
                    fresh.push((raw, id, hash));
                }
            }
            let raw: Vec<_> = fresh.iter().map(|(raw, _, _)| raw.clone()).collect();
            if !raw.is_empty() {
                pulled.new += self.keep_orders(&raw).await?;
            }
            for (_, id, hash) in fresh {
                seen.remember(id, hash);
            }
            cursor = page.next;
            if cursor.is_none() {
                self.note_pulled(newest, now).await?;
                return Ok(pulled);
            }
        }
        Err(SyncError::Cannot {
            channel: self.name().to_owned(),
            cannot: "lists orders without an end",
        })
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

/// Tells two states apart; one taken for another is found by the next webhook or change.
fn short_hash(body: &[u8]) -> u64 {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(body);
    u64::from_be_bytes(hash.first_chunk::<8>().copied().unwrap_or_default())
}
