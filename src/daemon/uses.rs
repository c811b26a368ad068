//! Writes the last use of API keys down now and then, and at the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::api::Keys;
use crate::shop::Shop;

/// How old what `key list` shows may be.
const EVERY: Duration = Duration::from_mins(1);

/// Writes until it is stopped, then once more.
pub(super) async fn run(shop: Arc<Shop>, keys: Arc<Keys>, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            biased;
            () = stop.cancelled() => true,
            _ = ticks.tick() => false,
        };
        if let Err(error) = keys.write_uses(&shop).await {
            tracing::warn!(error = %error, "the last use of keys could not be written");
        }
        if last {
            return;
        }
    }
}
