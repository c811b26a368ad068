//! Numbers whose changes nobody tells of are looked at in turn.
//!
//! What sells is looked at with each sale. Beyond that the budget goes to what is nearly
//! sold out, where a number that is too high sells what is not there, and to what was seen
//! longest ago.

use std::time::Duration;

use tokio::time::Instant;

use super::errand::Errand;
use super::{Channel, SyncError};
use crate::store::push_looks;

/// How often some numbers are looked at that nothing was heard of.
const EVERY: Duration = Duration::from_mins(10);
/// How many units are few.
const FEW_UNITS: i64 = 5;

/// The errand of it.
pub(super) const fn errand() -> Errand {
    Errand::new(EVERY, "numbers that nothing was heard of cannot be looked at")
}

/// Looks at the next numbers, where it is time.
pub(super) async fn sweep(errand: &mut Errand, channel: &Channel) {
    if errand.is_due(channel).await {
        let began = (Instant::now(), channel.shop.clock.now());
        let outcome = channel.sweep().await;
        errand.ended(channel, began, outcome).await;
    }
}

impl Channel {
    /// Has the lane look at as many numbers as one call may name, after everything else.
    async fn sweep(&self) -> Result<(), SyncError> {
        let stock = self.connector.capability().stock.as_ref();
        let Some(stock) = stock.filter(|stock| !stock.tells_every_change) else { return Ok(()) };
        let most = i64::try_from(stock.read_max).unwrap_or(i64::MAX);
        let id = self.id;
        // Found by a reader: all numbers are gone through for it.
        let mut reader = self.shop.db.read().await?;
        let mut conn = reader.conn();
        let mut names = push_looks::unseen(&mut conn, id, (FEW_UNITS, most / 2)).await?;
        for name in push_looks::unseen(&mut conn, id, (i64::MAX, most)).await? {
            if names.len() < stock.read_max && !names.contains(&name) {
                names.push(name);
            }
        }
        drop(reader);
        if names.is_empty() {
            return Ok(());
        }
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move { push_looks::look_at(&mut conn, id, &names).await })
        });
        Ok(written.await?)
    }
}
