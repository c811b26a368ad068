//! Lines of orders that wait for their listing to become an item: once it is, they are of
//! that item, as facts.

use std::collections::HashMap;

use super::{Channel, SyncError, order};
use crate::domain::{OrderRef, RemoteId, Sku};
use crate::orders::MapLine;
use crate::store::listings::{self, KeyedListing};
use crate::store::remote_lines;
use crate::writer::{Command, WriteError};

/// Lines that are looked at together.
const PAGE: i64 = 500;

impl Channel {
    /// Maps every line that waits and whose listing is an item now; how many. A line is
    /// known by the channel's ids, never by its text. It may be done at any time: whoever
    /// maps a listing does it, and the lane again for orders that came in beside it.
    pub(crate) async fn map_waiting(&self) -> Result<usize, SyncError> {
        let (mut after, mut mapped) = ((0, 0), 0);
        loop {
            let mut reader = self.shop.db.read().await?;
            let mut conn = reader.conn();
            let at = (self.id, self.name());
            let lines = remote_lines::unmapped(&mut conn, at, after, PAGE).await?;
            let Some(last) = lines.last() else { return Ok(mapped) };
            after = (last.order_id, last.line);
            let keys = lines.iter().flat_map(|line| line.keys.iter().cloned()).collect();
            let known = listings::by_keys(&mut conn, self.id, keys).await?;
            drop(reader);
            // Of one that is listed at several places one may be mapped, and another not.
            let is_mapped = known.iter().filter(|one| one.item.is_some());
            let known: HashMap<&str, &KeyedListing> =
                is_mapped.map(|one| (one.order_key.as_str(), one)).collect();
            for line in &lines {
                let listing = line.keys.iter().find_map(|key| known.get(key.as_str()));
                let sku = listing.and_then(|listing| listing.item.as_ref());
                let Some(sku) = sku.and_then(|(_, sku)| Sku::new(sku).ok()) else { continue };
                let Some(reference) = self.reference_of(&line.order) else { continue };
                let map = MapLine { reference, line: line.line, sku };
                match self.shop.submit(Command::MapLine(map), None).await {
                    Ok(_) => mapped += 1,
                    // Somebody mapped it by hand meanwhile, or it cannot be held so.
                    Err(WriteError::Refused(refusal)) => {
                        let (channel, order) = (self.name(), line.order.as_str());
                        tracing::info!(channel, order, line = line.line, %refusal, "a line stays as it is");
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    fn reference_of(&self, order: &str) -> Option<OrderRef> {
        order::reference(self.name(), &RemoteId::new(order).ok()?).ok()
    }
}
