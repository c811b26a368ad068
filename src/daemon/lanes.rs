//! The lanes of the configured channels, each begun again when it panics.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::shop::Shop;
use crate::store::{drift, inbox, push_state, sold};
use crate::sync::{Channel, Lane, forget_blind};

/// How long a lane that panicked waits before it begins again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How often the numbers of metrics are counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// How long what was dealt with is kept, milliseconds: 30 days.
const KEEP_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// How long it is kept how long sales waited, milliseconds: 400 days, for a look a year back.
const KEEP_SLOTS_MS: i64 = 400 * 24 * 60 * 60 * 1000;

/// Serves channels until it is stopped.
pub(super) async fn run(
    channels: Vec<Arc<Channel>>,
    node: String,
    public_url: Option<String>,
    stop: CancellationToken,
) {
    let mut running = JoinSet::new();
    let mut of: HashMap<Id, Arc<Channel>> = HashMap::new();
    let start = |running: &mut JoinSet<()>, channel: &Arc<Channel>, wait: Duration| {
        let lane = Lane::new(Arc::clone(channel), node.clone(), public_url.as_deref());
        let stop = stop.clone();
        running
            .spawn(async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                lane.run(stop).await;
            })
            .id()
    };
    if let Some(channel) = channels.first()
        && let Err(error) = forget_blind(channel.shop(), &channels).await
    {
        tracing::warn!(error = %error, "channels that are gone may still count as blind");
    }
    for channel in &channels {
        of.insert(start(&mut running, channel, Duration::ZERO), Arc::clone(channel));
    }
    while let Some(ended) = running.join_next_with_id().await {
        let Err(error) = ended else { continue };
        let Some(channel) = of.remove(&error.id()).filter(|_| error.is_panic()) else { continue };
        tracing::error!(channel = channel.name(), error = %error, "a lane panicked: it begins again");
        let id = start(&mut running, &channel, AGAIN_AFTER);
        of.insert(id, channel);
    }
}

/// Counts what waits, for metrics, and deletes what was dealt with long ago.
pub(super) async fn count(shop: Arc<Shop>, channels: Vec<Arc<Channel>>, stop: CancellationToken) {
    let mut ticks = interval(COUNT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = count_once(&shop, &channels).await {
            tracing::debug!(error = %error, "what waits cannot be counted");
        }
    }
}

async fn count_once(
    shop: &Shop,
    channels: &[Arc<Channel>],
) -> Result<(), crate::store::StoreError> {
    let now = shop.clock.now().as_millis();
    let mut reader = shop.db.read().await?;
    for channel in channels {
        let state = push_state::state(&mut reader.conn(), channel.id).await?;
        let oldest = state.oldest_at.map_or(0, |at| (now - at).max(0) / 1000);
        shop.counters.dirty(channel.name(), state.dirty, oldest);
    }
    shop.counters.waiting(inbox::count_all_pending(&mut reader.conn()).await?);
    let found = drift::now(&mut reader.conn()).await?.into_iter();
    let found = found.filter_map(|one| one.found.map(|(cause, count)| (one.channel, cause, count)));
    shop.counters.drifted(&found.collect::<Vec<_>>());
    drop(reader);
    let before = now - KEEP_MS;
    let write = shop.db.write(move |mut conn| {
        Box::pin(async move {
            sold::forget(&mut conn, now - KEEP_SLOTS_MS).await?;
            inbox::forget(&mut conn, before).await
        })
    });
    write.await.map(drop)
}
