//! When something that failed is tried again: the one place that knows.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff as _;
use tokio::time::Instant;

use crate::connectors::Retry;

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST: Duration = Duration::from_mins(15);
/// By how much longer each is than the one before.
const FACTOR: f64 = 2.0;
/// Failures after which a single thing is left to a person: about three hours.
pub(super) const ATTEMPTS_MAX: i64 = 20;

/// How long to wait after so many failures one after another, at least 1; a channel that
/// says when gets its way.
pub(super) fn pause(failures: i64, retry: Retry) -> Duration {
    if let Retry::After(wait) = retry {
        return wait;
    }
    let mut growing = ExponentialBackoffBuilder::new()
        .with_initial_interval(FIRST)
        .with_max_interval(LONGEST)
        .with_multiplier(FACTOR)
        .with_randomization_factor(0.0)
        .with_max_elapsed_time(None)
        .build();
    let mut pause = FIRST;
    for _ in 0..failures.clamp(1, 64) {
        pause = growing.next_backoff().unwrap_or(LONGEST);
    }
    match retry {
        // Somebody has to change something: to look now and then costs little.
        Retry::Never => pause.max(Duration::from_mins(1)),
        _ => pause,
    }
}

/// Failures of one thing, one after another, and the pause that the last of them began.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    failures: i64,
    until: Option<Instant>,
}

impl Pauses {
    /// Nothing failed yet.
    pub(super) const fn new() -> Self {
        Self { failures: 0, until: None }
    }

    /// Whether it has to wait still.
    pub(super) fn lasts(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether it failed when it was last tried.
    pub(super) const fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// It failed once more; how long it waits now.
    pub(super) fn failed(&mut self, retry: Retry) -> Duration {
        self.failures += 1;
        let pause = pause(self.failures, retry);
        self.until = Some(Instant::now() + pause);
        pause
    }

    /// It went well.
    pub(super) fn worked(&mut self) {
        *self = Self::default();
    }

    /// It is tried with the next step; what failed before still counts.
    pub(super) fn forget(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let of = |failures| pause(failures, Retry::Backoff);
        assert_eq!(of(1), Duration::from_secs(1));
        assert_eq!(of(2), Duration::from_secs(2));
        assert_eq!(of(5), Duration::from_secs(16));
        assert_eq!(of(1_000), LONGEST);
        assert_eq!(of(0), Duration::from_secs(1));
        assert_eq!(pause(1, Retry::Never), Duration::from_mins(1));
        let said = Duration::from_secs(7);
        assert_eq!(pause(9, Retry::After(said)), said);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_and_grows_until_it_works() {
        let mut pauses = Pauses::default();
        assert!(!pauses.lasts() && !pauses.has_failed());
        assert_eq!(pauses.failed(Retry::Backoff), Duration::from_secs(1));
        assert!(pauses.lasts() && pauses.has_failed());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!pauses.lasts() && pauses.has_failed());
        assert_eq!(pauses.failed(Retry::Backoff), Duration::from_secs(2));
        pauses.forget();
        assert!(!pauses.lasts(), "it is tried at once");
        assert_eq!(pauses.failed(Retry::Backoff), Duration::from_secs(4));
        pauses.worked();
        assert!(!pauses.lasts() && !pauses.has_failed());
        assert_eq!(pauses.failed(Retry::Backoff), Duration::from_secs(1));
    }
}
