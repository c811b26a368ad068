//! The checkpointer's rounds: SQLite's write-ahead log is folded beside the writer.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::store::Checkpointer;

/// How often: what piles up in between is folded in a few milliseconds.
const EVERY: Duration = Duration::from_millis(200);

/// A log of so many bytes is folded whole: twice what commits fold by themselves.
pub(super) const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Folds until it is stopped.
pub(super) async fn run(mut checkpointer: Checkpointer, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = checkpointer.round().await {
            tracing::warn!(error = %error, "the write-ahead log could not be folded");
        }
    }
    checkpointer.close().await;
}
