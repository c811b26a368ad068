//! Listings: found on the channel, and mapped to items by a person.

use serde::Serialize;
use serde_json::json;
use thiserror::Error;

use super::{Channel, SyncError};
use crate::domain::{ItemId, Kind, Sku};
use crate::store::listings::{self, Seen, StoredListing};
use crate::store::{self, StoreError, pushes};

/// Pages of a catalogue at most: a list without an end is an error.
const PAGES_MAX: usize = 100_000;

/// What a look at a channel's listings found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Discovered {
    /// Listings there.
    pub listings: usize,
    /// Of these, those whose number the channel does not count.
    pub uncounted: usize,
}

/// Why a listing is not mapped.
#[derive(Debug, Error)]
pub enum MapError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Lines of orders that waited for the listing are not mapped yet: the listing is.
    #[error(transparent)]
    Lines(#[from] SyncError),
    /// There is no such listing.
    #[error(
        "{channel} has no listing {listing}\nhint: `invshop listing discover {channel}` reads what it has"
    )]
    UnknownListing {
        /// The channel.
        channel: String,
        /// The listing.
        listing: String,
    },
    /// There is no such item.
    #[error("there is no item {0}")]
    UnknownSku(Sku),
    /// No listing of the channel is the item.
    #[error(
        "{channel} sells no {sku}\nhint: `invshop listing map {channel} LISTING {sku}` says which listing it is"
    )]
    NotSold {
        /// The channel.
        channel: String,
        /// The item.
        sku: Sku,
    },
    /// The channel does not count the listing.
    #[error("{0} does not count the listing: switch its stock management on, and discover again")]
    Uncounted(String),
    /// Another listing with the same number is another item.
    #[error(
        "the number of listing {listing} is also that of listing {other}, which is {sku}: one number shows one item"
    )]
    SharedStock {
        /// The listing.
        listing: String,
        /// The other.
        other: String,
        /// What that one is.
        sku: String,
    },
}

/// Reads all listings of a channel; those that were known keep their item.
pub async fn discover(channel: &Channel) -> Result<Discovered, SyncError> {
    let Some(catalog) = channel.connector.catalog() else {
        let cannot = "lists nothing it sells";
        return Err(SyncError::Cannot { channel: channel.name().to_owned(), cannot });
    };
    let (mut cursor, mut found) = (None, Discovered::default());
    for _ in 0..PAGES_MAX {
        let page = catalog.listings(cursor.as_ref()).await?;
        let mut seen = Vec::new();
        for listing in page.rows {
            found.listings += 1;
            found.uncounted += usize::from(listing.holders.is_empty());
            let keys: Vec<String> = listing.order_keys.iter().map(ToString::to_string).collect();
            let places = listing.holders.iter().map(|holder| {
                let place = holder.location.as_ref().map(ToString::to_string);
                (holder.id.to_string(), place.unwrap_or_default())
            });
            let mut places: Vec<_> = places.collect();
            if places.is_empty() {
                places.push((String::new(), String::new()));
            }
            seen.extend(places.into_iter().map(|(holder, place)| {
                let one = Seen {
                    external_id: listing.id.to_string(),
                    place,
                    holder,
                    sku_text: listing.sku_text.clone(),
                    title: listing.title.clone(),
                };
                (one, keys.clone())
            }));
        }
        let (id, now) = (channel.id, channel.shop.clock.now().as_millis());
        let written = channel.shop.db.write(move |mut conn| {
            Box::pin(async move {
                for (one, keys) in &seen {
                    listings::see(&mut conn, id, one, keys, now).await?;
                }
                Ok(())
            })
        });
        written.await?;
        cursor = page.next;
        if cursor.is_none() {
            return Ok(found);
        }
    }
    let cannot = "lists what it sells without an end";
    Err(SyncError::Cannot { channel: channel.name().to_owned(), cannot })
}

/// Says which item a listing is: its number is the item's from now on, and so are the lines
/// of orders that waited for it; how many.
pub async fn map(channel: &Channel, listing: &str, sku: &Sku) -> Result<usize, MapError> {
    let mut reader = channel.shop.db.read().await?;
    let mut conn = reader.conn();
    let found = find(&mut conn, channel, listing).await?;
    let item = store::catalogue::resolve(&mut conn, vec![sku.to_string()]).await?;
    let item = item.first().map(|(_, item)| item.id);
    let item = item.ok_or_else(|| MapError::UnknownSku(sku.clone()))?;
    if found.holder.is_empty() {
        return Err(MapError::Uncounted(channel.name().to_owned()));
    }
    let beside = listings::of_holder(&mut conn, channel.id, &found.holder, &found.place).await?;
    let other = beside.into_iter().find(|one| one.item.is_some_and(|other| other != item));
    if let Some(other) = other.filter(|other| other.id != found.id) {
        return Err(MapError::SharedStock {
            listing: found.external_id,
            other: other.external_id,
            sku: other.sku.unwrap_or_default(),
        });
    }
    drop(reader);
    write(channel, found, Some(item)).await?;
    Ok(channel.map_waiting().await?)
}

/// Says that a listing is no item: its number stays as it is.
pub async fn unmap(channel: &Channel, listing: &str) -> Result<(), MapError> {
    let mut reader = channel.shop.db.read().await?;
    let found = find(&mut reader.conn(), channel, listing).await?;
    drop(reader);
    write(channel, found, None).await?;
    Ok(())
}

async fn find(
    conn: &mut store::Conn<'_>,
    channel: &Channel,
    listing: &str,
) -> Result<StoredListing, MapError> {
    let (id, place) = listing.split_once('@').unwrap_or((listing, ""));
    listings::find(conn, channel.id, id, place).await?.ok_or_else(|| unknown(channel, listing))
}

/// A channel has no such listing, as far as it was read.
pub(super) fn unknown(channel: &Channel, listing: &str) -> MapError {
    MapError::UnknownListing { channel: channel.name().to_owned(), listing: listing.to_owned() }
}

async fn write(
    channel: &Channel,
    listing: StoredListing,
    item: Option<ItemId>,
) -> Result<(), StoreError> {
    let kind = if item.is_some() { Kind::ListingMapped } else { Kind::ListingUnmapped };
    let (id, now) = (channel.id, channel.shop.clock.now());
    let mut entry = super::entry(kind, channel.name(), now);
    entry.item = item.or(listing.item);
    entry.data = Some(
        json!({ "channel": channel.name(), "listing": listing.external_id, "place": listing.place })
            .to_string(),
    );
    let written = channel.shop.db.write(move |mut conn| {
        Box::pin(async move {
            listings::set_item(&mut conn, listing.id, item).await?;
            let at = (id, listing.holder.as_str(), listing.place.as_str());
            let still = listings::of_holder(&mut conn, id, at.1, at.2).await?;
            let entries = [entry];
            // The number of the entry is not known before: it is the next, or a later one.
            let (newest, _) = store::journal::newest(&mut conn).await?;
            match item {
                Some(item) => pushes::map(&mut conn, at, item, newest + 1).await?,
                None if still.iter().all(|one| one.item.is_none()) => {
                    pushes::unmap(&mut conn, at).await?;
                }
                None => {}
            }
            store::journal::append_aside(&mut conn, &entries, now.as_millis()).await?;
            Ok(())
        })
    });
    written.await
}
