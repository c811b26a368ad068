//! All nodes of a shop go by one clock: the database server's.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::shop::Shop;

/// How often the clock is set: a good one is off by milliseconds after that.
const EVERY: Duration = Duration::from_secs(30);

/// Sets the clock until it is stopped.
pub(super) async fn run(shop: Arc<Shop>, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = shop.agree_on_time().await {
            tracing::debug!(error = %error, "the clock goes on as it was set last");
        }
    }
}
