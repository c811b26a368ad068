//! Open orders that a channel has not spoken of for long are asked for, a few at a time.
//!
//! An order that was deleted for good is in no list: it would hold its units for ever where
//! no webhook tells of it, as none does at WooCommerce (10.0.2) where it was not thrown away
//! before. What a round found gone is cancelled at its end, and only where that is what it
//! looks like: a shop that was put back from a backup has none of its newest orders.

use std::time::Duration;

use tokio::time::Instant;

use super::errand::Errand;
use super::ingest::{Outcome, is_its_own};
use super::{Channel, SyncError};
use crate::connectors::{ErrorKind, Fetched, OrderSource};
use crate::domain::{OrderId, RemoteId};
use crate::store::quiet_orders;

/// Orders that nothing was heard of for so long are asked for, milliseconds.
const QUIET_MS: i64 = 24 * 60 * 60 * 1000;
/// How long after a round another one is begun.
const REST: Duration = Duration::from_hours(24);
/// The same where a round ended with orders that are gone and of which nothing was made.
const REST_AFTER_GONE: Duration = Duration::from_hours(1);
/// Orders asked for at a time: numbers wait meanwhile.
const ASKED_MAX: usize = 5;
/// No more are asked for after so long: the channel is leased for 28 seconds.
const ASKING_MAX: Duration = Duration::from_secs(8);
/// More than so many of a round are not gone one by one.
const GONE_MAX: usize = 5;
/// Orders that are named where that is told.
const NAMED_MAX: usize = 10;

/// How far a lane is with a round.
#[derive(Debug)]
pub(super) struct Quiet {
    pub(super) errand: Errand,
    round: Round,
    rests_until: Option<Instant>,
}

/// What is known of a round.
#[derive(Clone, Debug, Default)]
struct Round {
    /// The last order that was asked for, by its id here.
    after: i64,
    /// Orders that are gone there, the oldest first; not many more than may be.
    gone: Vec<(OrderId, RemoteId)>,
}

impl Quiet {
    pub(super) fn new() -> Self {
        let complaint = "orders that nothing was heard of for long cannot be asked for";
        let errand = Errand::new(Duration::ZERO, complaint);
        Self { errand, round: Round::default(), rests_until: None }
    }

    /// A round is begun with the next step.
    pub(super) fn next(&mut self) {
        (self.round, self.rests_until) = (Round::default(), None);
    }

    /// Asks for the next few orders; after a failure for the same ones.
    pub(super) async fn ask(&mut self, channel: &Channel) {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            // What was found gone stays told until the next round.
            return self.errand.say_again(channel).await;
        }
        if !self.errand.is_due(channel).await {
            return;
        }
        let began = (Instant::now(), channel.shop.clock.now());
        let mut round = self.round.clone();
        let outcome = match channel.ask_for_quiet(&mut round).await {
            Ok(true) => {
                self.round = round;
                Ok(())
            }
            Ok(false) => {
                let settled = channel.settle_gone(round.gone).await;
                let rest = if settled.is_ok() { REST } else { REST_AFTER_GONE };
                self.next();
                self.rests_until = Some(Instant::now() + rest);
                settled
            }
            Err(error) => Err(error),
        };
        self.errand.ended(channel, began, outcome).await;
    }
}

impl Channel {
    /// Asks for the next open orders that nothing was heard of for long: what they are now
    /// is recorded with the next step. Whether there may be more.
    async fn ask_for_quiet(&self, round: &mut Round) -> Result<bool, SyncError> {
        let Some(orders) = self.connector.orders() else { return Ok(false) };
        let before = self.shop.clock.now().as_millis() - QUIET_MS;
        // What is too old to be shown is not gone.
        let when = (self.shown_from().unwrap_or(i64::MIN), before);
        let (whose, after) = ((self.id, self.name()), OrderId::new(round.after));
        let mut reader = self.shop.db.read().await?;
        let quiet = quiet_orders::next(&mut reader.conn(), (whose, when), after, ASKED_MAX).await?;
        drop(reader);
        let (begun, mut found, mut failed) = (Instant::now(), Vec::new(), None);
        for (order, id) in &quiet {
            round.after = order.get();
            let Ok(id) = RemoteId::new(id) else { continue };
            match orders.fetch(&id).await.map_err(SyncError::from) {
                Ok(Fetched::Found(raw)) => found.push(raw.into()),
                Ok(Fetched::Gone) if round.gone.len() <= NAMED_MAX => {
                    round.gone.push((*order, id));
                }
                Ok(Fetched::Gone) => {}
                Err(error) if is_of_one(&error) => {
                    // It is asked for again with the next round, and keeps no other from it.
                    let channel = self.name();
                    tracing::warn!(channel, order = %id, %error, "an order cannot be asked for");
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
            if begun.elapsed() > ASKING_MAX {
                break;
            }
        }
        match failed {
            // Not one of several could be read: it is not about them.
            Some(error) if found.is_empty() && round.gone.is_empty() && quiet.len() > 1 => {
                Err(error)
            }
            _ => {
                self.keep_orders(&found).await?;
                Ok(!quiet.is_empty())
            }
        }
    }

    /// Lets go what the orders hold that are gone, where they are few and a newer order of
    /// the channel is still there.
    async fn settle_gone(&self, gone: Vec<(OrderId, RemoteId)>) -> Result<(), SyncError> {
        let (Some((last, _)), Some(orders)) = (gone.last(), self.connector.orders()) else {
            return Ok(());
        };
        if gone.len() > GONE_MAX || !self.has_newer(orders, *last).await? {
            let named = gone.iter().take(NAMED_MAX).map(|(_, id)| id.to_string());
            let orders = named.collect::<Vec<_>>().join(", ");
            return Err(SyncError::GoneAtOnce { channel: self.name().to_owned(), orders });
        }
        for (_, id) in &gone {
            tracing::info!(channel = self.name(), order = %id, "an order is gone at its shop");
            if let Outcome::Later(error) = self.gone(id).await {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether the newest order that the channel told of is newer than one, and still there.
    async fn has_newer(&self, orders: &dyn OrderSource, than: OrderId) -> Result<bool, SyncError> {
        let mut reader = self.shop.db.read().await?;
        let newest = quiet_orders::newest(&mut reader.conn(), (self.id, self.name())).await?;
        drop(reader);
        let Some((_, id)) = newest.filter(|(order, _)| order.get() > than.get()) else {
            return Ok(false);
        };
        let Ok(id) = RemoteId::new(&id) else { return Ok(false) };
        Ok(matches!(orders.fetch(&id).await?, Fetched::Found(_)))
    }
}

/// Whether a failure may be about one order alone.
fn is_of_one(error: &SyncError) -> bool {
    let is_broken =
        matches!(error, SyncError::Channel(error) if matches!(error.kind, ErrorKind::Broken(_)));
    is_broken || is_its_own(error)
}
