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
    /// Has the lane look at as many numbers as are read in one call.
    async fn sweep(&self) -> Result<(), SyncError> {
        let stock = self.connector.capability().stock.as_ref();
        let Some(stock) = stock.filter(|stock| !stock.tells_every_change) else { return Ok(()) };
        let most = i64::try_from(stock.read_max).unwrap_or(i64::MAX);
        let id = self.id;
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move {
                push_looks::look_at_unseen(&mut conn, id, (FEW_UNITS, most / 2)).await?;
                push_looks::look_at_unseen(&mut conn, id, (i64::MAX, most - most / 2)).await
            })
        });
        Ok(written.await?)
    }
}
