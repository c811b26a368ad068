//! What the service manager is told: systemd's notify protocol (`sd_notify(3)`), where
//! the variable `NOTIFY_SOCKET` asks for it, and nothing elsewhere.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::writer::Writer;

/// Says that requests are answered.
pub(super) fn ready() {
    say(&[NotifyState::Ready]);
}

/// Says that the end has begun.
pub(super) fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// Says that the configuration is read again; [`reloaded`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(error = %error, "the service manager was not told"),
    }
}

/// Says that the configuration was read again.
pub fn reloaded() {
    ready();
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(error = %error, "the service manager was not told");
    }
}

/// Tells the watchdog that the process lives, twice as often as it asks. It says
/// nothing of the database: a restart does not bring that back.
pub(super) async fn watchdog(writer: Writer, stop: CancellationToken) {
    let Some(every) = sd_notify::watchdog_enabled() else {
        return stop.cancelled().await;
    };
    let mut ticks = interval((every / 2).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = writer.ended() => return,
            _ = ticks.tick() => say(&[NotifyState::Watchdog]),
        }
    }
}
