//! What a lane does now and then beside its steps: where it fails everything else goes on.

use std::time::Duration;

use tokio::time::Instant;

use super::ingest::retry_of;
use super::retry::Pauses;
use super::{Channel, SyncError};
use crate::clock::Timestamp;

/// Something that is done now and then.
#[derive(Debug)]
pub(super) struct Errand {
    every: Duration,
    /// What it means where it fails.
    complaint: &'static str,
    done_at: Option<(Instant, Timestamp)>,
    pauses: Pauses,
    failure: Option<SyncError>,
}

impl Errand {
    /// Something that is done so often; where it fails, that is said.
    pub(super) const fn new(every: Duration, complaint: &'static str) -> Self {
        let pauses = Pauses::new();
        Self { every, complaint, done_at: None, pauses, failure: None }
    }

    /// Whether it is to be done now. While it waits after a failure, that is written down
    /// again: what went well meanwhile has wiped it out.
    pub(super) async fn is_due(&self, channel: &Channel) -> bool {
        if self.done_at.is_some_and(|(at, _)| at.elapsed() < self.every) {
            return false;
        }
        if !self.pauses.lasts() {
            return true;
        }
        self.say_again(channel).await;
        false
    }

    /// Why it failed last is written down again, where it did.
    pub(super) async fn say_again(&self, channel: &Channel) {
        if let Some(error) = &self.failure {
            channel.note_failure(error).await;
        }
    }

    /// When it was last done, by the shop's clock.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.done_at.map(|(_, at)| at)
    }

    /// It was done from a moment on, or was not.
    pub(super) async fn ended(
        &mut self,
        channel: &Channel,
        began: (Instant, Timestamp),
        outcome: Result<(), SyncError>,
    ) {
        match outcome {
            Ok(()) => {
                self.done_at = Some(began);
                self.pauses.worked();
                self.failure = None;
            }
            Err(error) => {
                self.pauses.failed(retry_of(&error));
                channel.complain(self.complaint, &error).await;
                self.failure = Some(error);
            }
        }
    }

    /// It is done with the next step, whenever that was last.
    pub(super) fn next(&mut self) {
        self.done_at = None;
    }

    /// What it waits for after a failure is tried with the next step.
    pub(super) fn forget_pause(&mut self) {
        self.pauses.forget();
    }
}
