//! The journal is followed, and the numbers of items that changed are found dirty.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::shop::Shop;
use crate::store::{self, StoreError, channels, pushes, sold};

/// The name of this follower.
const NAME: &str = "dirty";
/// How often the journal is looked at.
const EVERY: Duration = Duration::from_millis(50);
/// Entries that are looked at together.
const ENTRIES_MAX: i64 = 10_000;

/// Follows the journal until it is stopped. Several nodes may: what they write is the same.
pub async fn follow(shop: Arc<Shop>, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = find_dirty(&shop).await {
            tracing::warn!(error = %error, "the journal cannot be followed");
        }
    }
}

/// Finds every number dirty whose item changed until now.
pub async fn find_dirty(shop: &Shop) -> Result<(), StoreError> {
    loop {
        let mut reader = shop.db.read().await?;
        let (newest, _) = store::journal::newest(&mut reader.conn()).await?;
        let done = pushes::followed(&mut reader.conn(), NAME).await?;
        if newest <= done {
            return Ok(());
        }
        if done == 0 {
            drop(reader);
            return begin(shop, newest).await;
        }
        let until = newest.min(done + ENTRIES_MAX);
        let (alone, together) = pushes::changed_items(&mut reader.conn(), done, until).await?;
        let sales = sold::sales(&mut reader.conn(), done, until).await?;
        drop(reader);
        let written = shop.db.write(move |mut conn| {
            Box::pin(async move {
                if !sales.is_empty() {
                    sold::mark(&mut conn, &sales).await?;
                }
                for (items, is_urgent) in [(alone, true), (together, false)] {
                    if !items.is_empty() {
                        pushes::mark_items(&mut conn, items, until, is_urgent).await?;
                    }
                }
                pushes::follow(&mut conn, NAME, until).await
            })
        });
        written.await?;
    }
}

/// Begins at the newest entry: everything may have changed before.
async fn begin(shop: &Shop, newest: i64) -> Result<(), StoreError> {
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move {
            for channel in channels::all(&mut conn).await? {
                pushes::mark_channel(&mut conn, channel.id, newest).await?;
            }
            pushes::follow(&mut conn, NAME, newest).await
        })
    });
    written.await
}
