//! Places whose stock is the channel's to count: what it shows there is mirrored.
//!
//! Nothing of it is pushed, and no order moves it: what left is missing in the next count.
//! What is no number is no count either.

use std::collections::BTreeMap;

use super::{Channel, SyncError};
use crate::connectors::RemoteLevel;
use crate::domain::{ItemId, Location, Quantity, Reason, RemoteQuantity, Sku};
use crate::ledger::stock::{Basis, Change, Place, StockCommand};
use crate::reports::Shelf;
use crate::store::{StoreError, listings, locations};
use crate::writer::{Command, WriteError};

/// Pages of a channel at most.
const PAGES_MAX: usize = 100_000;

/// A count that differs from the level.
struct Count<'m> {
    location: &'m Location,
    item: ItemId,
    sku: String,
    quantity: Quantity,
}

impl Channel {
    /// The places that the channel counts itself, each with the location that mirrors it:
    /// its authority is the channel.
    pub(crate) async fn mirrored(&self) -> Result<BTreeMap<String, Location>, StoreError> {
        if self.config.places.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut reader = self.shop.db.read().await?;
        let all = locations::all(&mut reader.conn()).await?;
        let mirror = |place: &String| {
            let code = self.only_location_of(place)?;
            let found = all.iter().find(|one| one.code.as_str() == code)?;
            (found.authority == self.name()).then(|| (place.clone(), found.clone()))
        };
        Ok(self.config.places.keys().filter_map(mirror).collect())
    }

    /// Makes counts of what the channel shows at the places that are its own; how many
    /// levels were others.
    pub(crate) async fn mirror(&self) -> Result<usize, SyncError> {
        let mirrored = self.mirrored().await?;
        let Some(reads) = self.connector.stock_read().filter(|_| !mirrored.is_empty()) else {
            return Ok(0);
        };
        let (mut counted, mut cursor) = (0, None);
        for _ in 0..PAGES_MAX {
            let page = reads.read_all(cursor.as_ref()).await?;
            let counts = self.counts(&mirrored, page.rows).await?;
            counted += counts.len();
            for count in counts {
                self.count(count).await?;
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(counted);
            }
        }
        let cannot = "lists its numbers without an end";
        Err(SyncError::Cannot { channel: self.name().to_owned(), cannot })
    }

    /// Of a page the numbers of ours that are not what the ledger has.
    async fn counts<'m>(
        &self,
        mirrored: &'m BTreeMap<String, Location>,
        levels: Vec<RemoteLevel>,
    ) -> Result<Vec<Count<'m>>, StoreError> {
        let mut reader = self.shop.db.read().await?;
        let mut conn = reader.conn();
        let mut counts = Vec::new();
        for RemoteLevel { holder, quantity } in levels {
            let place = holder.location.as_ref().map_or("", |place| place.as_str());
            let known = quantity.and_then(RemoteQuantity::known);
            let (Some(location), Some(Ok(quantity))) =
                (mirrored.get(place), known.map(Quantity::new))
            else {
                continue;
            };
            let here = listings::of_holder(&mut conn, self.id, holder.id.as_str(), place).await?;
            let mapped = here.into_iter().find_map(|one| one.item.zip(one.sku));
            counts.extend(mapped.map(|(item, sku)| Count { location, item, sku, quantity }));
        }
        let shelf = Shelf::load(&mut conn, counts.iter().map(|one| one.item).collect()).await?;
        counts.retain(|one| shelf.on_hand_at(one.item, one.location) != one.quantity.get());
        Ok(counts)
    }

    async fn count(&self, count: Count<'_>) -> Result<(), SyncError> {
        let Count { location, sku, quantity, .. } = count;
        let Ok(sku) = Sku::new(&sku) else { return Ok(()) };
        let observer = Some(self.name().to_owned());
        let command = StockCommand {
            place: Place { sku: sku.clone(), location: Some(location.code.clone()) },
            change: Change::Count { quantity, basis: Basis::Physical, observer },
            reason: Reason::new("the channel's own count").ok(),
            effective_at: None,
            if_version: None,
        };
        match self.shop.submit(Command::Stock(command), None).await {
            Ok(_) => Ok(()),
            Err(WriteError::Refused(refusal)) => {
                let (channel, sku) = (self.name(), sku.as_str());
                tracing::warn!(channel, sku, reason = %refusal, "a count is not taken");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
