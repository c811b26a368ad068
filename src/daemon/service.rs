//! What the service manager is told: systemd's notify protocol (`sd_notify(3)`), where
//! the variable `NOTIFY_SOCKET` asks for it, and nothing elsewhere.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::writer::Writer;

/// How long anything waits for being heard: it is said even so when it can be.
const SAYING_MAX: Duration = Duration::from_secs(1);

/// Says that requests are answered.
pub(super) async fn ready() {
    say(|| Ok(vec![NotifyState::Ready])).await;
}

/// Says that the end has begun.
pub(super) async fn stopping() {
    say(|| Ok(vec![NotifyState::Stopping])).await;
}

/// Says that the configuration is read again; [`reloaded`] ends it.
pub async fn reloading() {
    say(|| Ok(vec![NotifyState::Reloading, NotifyState::monotonic_usec_now()?])).await;
}

/// Says that the configuration was read again.
pub async fn reloaded() {
    ready().await;
}

/// Says something; goes on when nobody listens.
async fn say(state: impl FnOnce() -> io::Result<Vec<NotifyState<'static>>> + Send + 'static) {
    tokio::time::timeout(SAYING_MAX, saying(state)).await.ok();
}

/// On a thread that may wait: a manager that does not read lets the sender stand, and
/// everything of the runtime with it.
fn saying(
    state: impl FnOnce() -> io::Result<Vec<NotifyState<'static>>> + Send + 'static,
) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = state().and_then(|state| sd_notify::notify(&state)) {
            tracing::debug!(error = %error, "the service manager was not told");
        }
    })
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
            _ = ticks.tick() => {}
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            // To its end: one thread may stand there, not one more each time.
            _ = saying(|| Ok(vec![NotifyState::Watchdog])) => {}
        }
    }
}
