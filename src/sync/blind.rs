//! Channels whose orders cannot be read for too long, and what the others make of it: they
//! may hold units back that the blind one sells meanwhile.

use std::sync::Arc;

use super::{Channel, Lane};
use crate::domain::Kind;
use crate::shop::Shop;
use crate::store::{self, Conn, StoreError, channels};

impl Lane {
    /// Says once that a channel's orders could not be read for too long, and once that they
    /// can again. Both are in the database: another node goes on from there.
    pub(super) async fn note_blindness(&mut self) -> Result<(), StoreError> {
        if !self.was_ours {
            self.is_blind = None;
            return Ok(());
        }
        if !self.steps.has_failed() && self.is_blind == Some(false) {
            return Ok(());
        }
        let (channel, now) = (Arc::clone(&self.channel), self.now());
        let stored = channel.stored().await?;
        let seen_at = stored.pulled_at.unwrap_or(stored.created_at);
        let unseen_ms = now.as_millis() - seen_at;
        let stale_ms = i64::from(channel.config.stale_after_seconds) * 1000;
        let (since, kind) =
            match (stored.blind_at, self.steps.has_failed() && unseen_ms >= stale_ms) {
                (None, true) => (Some(now.as_millis()), Kind::ChannelBlind),
                (Some(_), false) if !self.steps.has_failed() => (None, Kind::ChannelSeen),
                (was, _) => {
                    self.is_blind = Some(was.is_some());
                    return Ok(());
                }
            };
        self.is_blind = None;
        let name = channel.name();
        if since.is_some() {
            tracing::error!(channel = name, "a channel's orders cannot be read for too long");
        } else {
            tracing::info!(channel = name, "a channel's orders can be read again");
        }
        let (id, entry) = (channel.id, super::entry(kind, name, now));
        let written = channel.shop.db.write(move |mut conn| {
            Box::pin(async move {
                if channels::set_blind(&mut conn, id, since).await? {
                    store::journal::append_aside(&mut conn, &[entry], now.as_millis()).await?;
                }
                Ok(())
            })
        });
        written.await
    }
}

impl Channel {
    /// Units that are held back besides, now: those of the rules while another channel is
    /// blind.
    pub(super) async fn stale_buffer(&self, conn: &mut Conn<'_>) -> Result<i64, StoreError> {
        let units = i64::from(self.config.rules.stale_buffer);
        if units == 0 || !channels::is_other_blind(conn, self.id).await? {
            return Ok(0);
        }
        Ok(units)
    }

    /// Finds the numbers dirty where another channel became blind, or sees again.
    pub(super) async fn heed_the_blind(&self) -> Result<(), StoreError> {
        if self.config.rules.stale_buffer == 0 { Ok(()) } else { self.apply_rules().await }
    }
}

/// What is not configured any more is not waited for: it is blind no longer.
pub async fn forget_blind(shop: &Shop, configured: &[Arc<Channel>]) -> Result<(), StoreError> {
    let stored = channels::all(&mut shop.db.read().await?.conn()).await?;
    let is_left = |name: &str| !configured.iter().any(|channel| channel.name() == name);
    let left = stored.into_iter().filter(|one| one.blind_at.is_some() && is_left(&one.name));
    let left: Vec<i64> = left.map(|one| one.id).collect();
    if left.is_empty() {
        return Ok(());
    }
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move {
            for id in left {
                channels::set_blind(&mut conn, id, None).await?;
            }
            Ok(())
        })
    });
    written.await
}
