//! Webhooks: what a channel calls us with, and whether it still does.

use std::time::Duration;

use tokio::time::Instant;

use super::inbox::WAITING_MAX;
use super::{Channel, SyncError};
use crate::connectors::{Forged, Handshake, Inbound, Intake, WebhookSecrets};
use crate::store::{StoreError, inbox, pushes};

/// How often it is looked whether the channel still calls: it may stop without a word.
const LOOK_EVERY: Duration = Duration::from_mins(15);

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// It only asks whether somebody is there.
    Handshake(Handshake),
    /// It is kept.
    Kept,
    /// The same waits already.
    Duplicate,
    /// The channel itself did not make it.
    Forged(Forged),
    /// The channel is not to call: its kind does not, or it has no secret here.
    Unwanted,
    /// Too much waits already: the sender should come again.
    Full,
}

impl Channel {
    /// Takes a call of the channel: it is kept before it is answered, and looked at later.
    pub async fn receive(&self, call: &Inbound) -> Result<Received, StoreError> {
        let Intake::HttpWebhook(webhook) = self.connector.intake() else {
            return Ok(Received::Unwanted);
        };
        if let Some(handshake) = webhook.handshake(call) {
            return Ok(Received::Handshake(handshake));
        }
        let Some((secret, previous)) = self.secrets() else {
            return Ok(Received::Unwanted);
        };
        if let Err(forged) = webhook.verify(call, &WebhookSecrets { secret, previous }) {
            return Ok(Received::Forged(forged));
        }
        let mut reader = self.shop.db.read().await?;
        let waiting = inbox::count_pending(&mut reader.conn(), self.id).await?;
        drop(reader);
        if waiting >= WAITING_MAX {
            return Ok(Received::Full);
        }
        let names = (webhook.dedupe_key(call), webhook.event(call));
        let kept = self.keep_delivery(call, names).await?;
        Ok(if kept { Received::Kept } else { Received::Duplicate })
    }
}

/// The webhooks of a channel, as they should be.
#[derive(Debug)]
pub(super) struct Hooks {
    url: Option<String>,
    looked_at: Option<Instant>,
}

impl Hooks {
    pub(super) fn new(public_url: Option<&str>, channel: &str) -> Self {
        let url = public_url.map(|base| format!("{base}/webhooks/{channel}"));
        Self { url, looked_at: None }
    }

    /// They are looked at with the next step, whenever that was done last.
    pub(super) const fn next(&mut self) {
        self.looked_at = None;
    }

    /// Makes sure, now and then, that the channel calls us. What it told nobody meanwhile is
    /// looked for: its orders are read in any case, and now all its numbers.
    pub(super) async fn look_after(&mut self, channel: &Channel) -> Result<(), SyncError> {
        let (Some(url), Some((secret, _)), Intake::HttpWebhook(webhook)) =
            (&self.url, channel.secrets(), channel.connector.intake())
        else {
            return Ok(());
        };
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        self.looked_at = Some(Instant::now());
        let subscriptions = webhook.subscribe(url, secret).await?;
        let silent = subscriptions.iter().filter(|one| !one.is_active).count();
        if silent > 0 {
            tracing::warn!(channel = channel.name(), silent, "webhooks of a channel are off");
        }
        let made = subscriptions.iter().filter(|one| one.is_new).count();
        if made > 0 {
            let id = channel.id;
            let looked = channel.shop.db.write(move |mut conn| {
                Box::pin(async move { pushes::look_at_all(&mut conn, id).await })
            });
            let numbers = looked.await?;
            let channel = channel.name();
            tracing::info!(
                channel,
                made,
                numbers,
                "webhooks were set up: all numbers are looked at"
            );
        }
        Ok(())
    }
}
