//! Writes down now and then, and at the end, who was not believed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::shop::Shop;

/// How old what `report audit` shows may be.
const EVERY: Duration = Duration::from_secs(10);

/// Writes until it is stopped, then once more.
pub(super) async fn run(shop: Arc<Shop>, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            biased;
            () = stop.cancelled() => true,
            _ = ticks.tick() => false,
        };
        // What failed was told where it failed.
        let written = shop.write_refused().await;
        if last || written.is_err() && stop.is_cancelled() {
            return;
        }
    }
}
