//! What is done now and then, and once more at the end.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Does something now and then until it is stopped, then once more.
pub(super) async fn every<F: Future<Output = ()>>(
    pause: Duration,
    stop: CancellationToken,
    work: impl Fn() -> F,
) {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_last = tokio::select! {
            biased;
            () = stop.cancelled() => true,
            _ = ticks.tick() => false,
        };
        work().await;
        if is_last {
            return;
        }
    }
}
