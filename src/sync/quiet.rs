//! Open orders that a channel has not spoken of for long are asked for, a few at a time.
//!
//! An order that was deleted for good is in no list: it would hold its units for ever where
//! no webhook tells of it, as none does at WooCommerce (10.0.2) where it was not thrown away
//! before.

use std::time::Duration;

use tokio::time::Instant;

use super::errand::Errand;
use super::ingest::Outcome;
use super::{Channel, SyncError};
use crate::connectors::Fetched;
use crate::domain::{OrderId, RemoteId};
use crate::store::quiet_orders;

/// Orders that nothing was heard of for so long are asked for, milliseconds.
const QUIET_MS: i64 = 24 * 60 * 60 * 1000;
/// How long after all of them were asked for that is begun again.
const REST: Duration = Duration::from_hours(24);
/// Orders asked for at a time: numbers wait meanwhile.
const ASKED_MAX: usize = 5;
/// More than so many of them are not gone one by one: a shop that was put back from a
/// backup has none of its newer orders.
const GONE_MAX: usize = 2;

/// How far a lane is with asking.
#[derive(Debug)]
pub(super) struct Quiet {
    pub(super) errand: Errand,
    /// The last order that was asked for.
    after: OrderId,
    resting_since: Option<Instant>,
}

impl Quiet {
    pub(super) const fn new() -> Self {
        let complaint = "orders that nothing was heard of for long cannot be asked for";
        let errand = Errand::new(Duration::ZERO, complaint);
        Self { errand, after: OrderId::new(0), resting_since: None }
    }

    /// It is begun again with the next step.
    pub(super) fn next(&mut self) {
        (self.after, self.resting_since) = (OrderId::new(0), None);
    }

    /// Asks for the next few orders.
    pub(super) async fn ask(&mut self, channel: &Channel) {
        if self.resting_since.is_some_and(|since| since.elapsed() < REST)
            || !self.errand.is_due(channel).await
        {
            return;
        }
        let began = (Instant::now(), channel.shop.clock.now());
        let asked = channel.ask_for_quiet(self.after).await;
        let outcome = asked.map(|last| {
            self.resting_since = last.is_none().then(Instant::now);
            self.after = last.unwrap_or(OrderId::new(0));
        });
        self.errand.ended(channel, began, outcome).await;
    }
}

impl Channel {
    /// Asks for the next open orders that nothing was heard of for long: what they are now
    /// is recorded with the next step. The last of them; `None` after the last of all.
    async fn ask_for_quiet(&self, after: OrderId) -> Result<Option<OrderId>, SyncError> {
        let Some(orders) = self.connector.orders() else { return Ok(None) };
        let before = self.shop.clock.now().as_millis() - QUIET_MS;
        let whose = (self.id, self.name());
        let mut reader = self.shop.db.read().await?;
        let quiet =
            quiet_orders::next(&mut reader.conn(), (whose, before), after, ASKED_MAX).await?;
        drop(reader);
        let (mut found, mut gone) = (Vec::new(), Vec::new());
        for (_, id) in &quiet {
            let Ok(id) = RemoteId::new(id) else { continue };
            match orders.fetch(&id).await? {
                Fetched::Found(raw) => found.push(raw),
                Fetched::Gone => gone.push(id),
            }
        }
        if gone.len() > GONE_MAX {
            let (gone, asked) = (gone.len(), quiet.len());
            return Err(SyncError::GoneAtOnce { channel: self.name().to_owned(), gone, asked });
        }
        self.keep_orders(&found).await?;
        for id in &gone {
            tracing::info!(channel = self.name(), order = %id, "an order is gone at its shop");
            if let Outcome::Later(error) = self.gone(id).await {
                return Err(error);
            }
        }
        Ok(quiet.last().map(|(id, _)| *id))
    }
}
