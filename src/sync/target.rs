//! What a channel should show, computed when it is sent.

use super::Channel;
use crate::domain::{PublishRules, Quantity};
use crate::reports::Shelf;
use crate::store::listings::{self, ListingRules};
use crate::store::push_looks::Number;
use crate::store::{self, StoreError};

/// Numbers of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Targets {
    /// The newest entry that is in them.
    pub(super) seq: i64,
    /// One for each row that was asked for; none where no location feeds its place: what
    /// is unknown is not 0.
    pub(super) quantities: Vec<Option<Quantity>>,
}

impl Channel {
    /// What some numbers should be, from one snapshot.
    pub(super) async fn targets<'n>(
        &self,
        numbers: impl Iterator<Item = Number<'n>>,
    ) -> Result<Targets, StoreError> {
        let numbers: Vec<Number<'n>> = numbers.collect();
        let mut reader = self.shop.db.snapshot().await?;
        let mut conn = reader.conn();
        let (seq, _) = store::journal::newest(&mut conn).await?;
        let shelf =
            Shelf::load(&mut conn, numbers.iter().map(|number| number.item).collect()).await?;
        let holders = numbers.iter().map(|number| number.holder.to_owned()).collect();
        let own = listings::rules_of(&mut conn, self.id, holders).await?;
        let stale = self.stale_buffer(&mut conn).await?;
        let quantity = |&Number { holder, place, item }: &Number<'_>| {
            let own = own.get(&(holder.to_owned(), place.to_owned()));
            let sells = |location: &_| self.sells_from(place, location);
            let available = self.is_fed(place).then(|| shelf.available_from(item, sells));
            let rules = over(self.rules(), own.copied().unwrap_or_default()).holding_back(stale);
            available.map(|available| rules.published(available, self.channel_max()))
        };
        Ok(Targets { seq, quantities: numbers.iter().map(quantity).collect() })
    }

    /// The largest number the channel can hold.
    pub(super) fn channel_max(&self) -> i64 {
        let rules = self.connector.capability().write.as_ref();
        rules.map_or(i64::MAX, |rules| rules.quantity_max)
    }
}

/// A listing's own rules go before those of its channel, one by one.
pub(super) fn over(channel: PublishRules, own: ListingRules) -> PublishRules {
    PublishRules {
        buffer: own.buffer.unwrap_or(channel.buffer),
        share_percent: own.share_percent.unwrap_or(channel.share_percent),
        max_quantity: own.max_quantity.or(channel.max_quantity),
        min_quantity: own.min_quantity.unwrap_or(channel.min_quantity),
    }
}
