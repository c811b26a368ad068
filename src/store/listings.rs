//! The tables `listing` and `listing_key`: items as they are sold on channels.

use std::collections::HashMap;

use super::statement::{Row, Rows, Type, args, cells, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::ItemId;

/// A listing as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredListing {
    pub(crate) id: i64,
    pub(crate) channel_id: i64,
    pub(crate) external_id: String,
    pub(crate) place: String,
    pub(crate) holder: String,
    pub(crate) item: Option<ItemId>,
    pub(crate) sku_text: String,
    pub(crate) title: String,
    /// The item's SKU, where it is mapped.
    pub(crate) sku: Option<String>,
    pub(crate) rules: ListingRules,
}

/// What a listing has of its own instead of its channel's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListingRules {
    pub(crate) buffer: Option<i64>,
    pub(crate) share_percent: Option<i64>,
    pub(crate) max_quantity: Option<i64>,
    pub(crate) min_quantity: Option<i64>,
}

/// A listing as a channel showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) external_id: String,
    pub(crate) place: String,
    pub(crate) holder: String,
    pub(crate) sku_text: String,
    pub(crate) title: String,
}

/// What a line of an order is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyedListing {
    pub(crate) order_key: String,
    pub(crate) holder: String,
    pub(crate) place: String,
    /// The item and its SKU, where the listing is mapped.
    pub(crate) item: Option<(ItemId, String)>,
}

statement!(
    SEE,
    "insert into listing (channel_id, external_id, place, holder, sku_text, title, seen_at)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (channel_id, external_id, place) do update set
       holder = excluded.holder, sku_text = excluded.sku_text, title = excluded.title,
       seen_at = excluded.seen_at
     returning id"
);
statement!(
    SEE_KEY,
    "insert into listing_key (channel_id, order_key, listing_id) values ($1, $2, $3)
     on conflict (channel_id, order_key) do update set listing_id = excluded.listing_id"
);
statement!(
    FIND,
    "select l.id, l.channel_id, l.external_id, l.place, l.holder, l.item_id, l.sku_text, l.title,
            i.sku, l.buffer, l.share_percent, l.max_quantity, l.min_quantity
     from listing as l left join item as i on i.id = l.item_id
     where l.channel_id = $1 and l.external_id = $2 and l.place = $3"
);
statement!(
    PAGE,
    "select l.id, l.channel_id, l.external_id, l.place, l.holder, l.item_id, l.sku_text, l.title,
            i.sku, l.buffer, l.share_percent, l.max_quantity, l.min_quantity
     from listing as l left join item as i on i.id = l.item_id
     where l.channel_id = $1 and l.id > $2 order by l.id limit $3"
);
statement!(
    OF_HOLDER,
    "select l.id, l.channel_id, l.external_id, l.place, l.holder, l.item_id, l.sku_text, l.title,
            i.sku, l.buffer, l.share_percent, l.max_quantity, l.min_quantity
     from listing as l left join item as i on i.id = l.item_id
     where l.channel_id = $1 and l.holder = $2 and l.place = $3 order by l.id"
);
statement!(
    OF_ITEM,
    "select l.id, l.channel_id, l.external_id, l.place, l.holder, l.item_id, l.sku_text, l.title,
            i.sku, l.buffer, l.share_percent, l.max_quantity, l.min_quantity
     from listing as l left join item as i on i.id = l.item_id
     where l.channel_id = $1 and l.item_id = $2 order by l.id limit $3"
);
statement!(
    OF_IDS,
    sqlite "select l.id, l.channel_id, l.external_id, l.place, l.holder, l.item_id, l.sku_text,
                   l.title, i.sku, l.buffer, l.share_percent, l.max_quantity, l.min_quantity
            from json_each($2) as wanted
            cross join listing as l on l.channel_id = $1 and l.external_id = wanted.value
            left join item as i on i.id = l.item_id order by l.id",
    postgres "select l.id, l.channel_id, l.external_id, l.place, l.holder, l.item_id, l.sku_text,
                     l.title, i.sku, l.buffer, l.share_percent, l.max_quantity, l.min_quantity
              from listing as l left join item as i on i.id = l.item_id
              where l.channel_id = $1 and l.external_id = any($2::text[]) order by l.id"
);
statement!(
    OF_HOLDERS,
    sqlite "select l.id, l.channel_id, l.external_id, l.place, l.holder, l.item_id, l.sku_text,
                   l.title, i.sku, l.buffer, l.share_percent, l.max_quantity, l.min_quantity
            from json_each($2) as wanted
            cross join listing as l on l.channel_id = $1 and l.holder = wanted.value
            left join item as i on i.id = l.item_id order by l.id",
    postgres "select l.id, l.channel_id, l.external_id, l.place, l.holder, l.item_id, l.sku_text,
                     l.title, i.sku, l.buffer, l.share_percent, l.max_quantity, l.min_quantity
              from listing as l left join item as i on i.id = l.item_id
              where l.channel_id = $1 and l.holder = any($2::text[]) order by l.id"
);
// What somebody else mapped meanwhile is left alone, and counted as missing.
statement!(
    CHANGE,
    sqlite "update listing set item_id = w.item_id, buffer = w.buffer,
              share_percent = w.share_percent, max_quantity = w.max_quantity,
              min_quantity = w.min_quantity
            from (select value->>0 as id, value->>1 as was, value->>2 as item_id,
                         value->>3 as buffer, value->>4 as share_percent,
                         value->>5 as max_quantity, value->>6 as min_quantity
                  from json_each($1)) as w
            where listing.id = w.id and listing.item_id is w.was",
    postgres "update listing as l set item_id = w.item_id, buffer = w.buffer,
                share_percent = w.share_percent, max_quantity = w.max_quantity,
                min_quantity = w.min_quantity
              from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                          $6::bigint[], $7::bigint[])
                as w (id, was, item_id, buffer, share_percent, max_quantity, min_quantity)
              where l.id = w.id and l.item_id is not distinct from w.was"
);
statement!(SET_ITEM, "update listing set item_id = $2 where id = $1");
statement!(
    // A listing has its ids in orders once, and stands at every place of the channel.
    BY_KEYS,
    sqlite "select k.order_key, l.holder, l.place, l.item_id, i.sku
            from json_each($2) as wanted
            cross join listing_key as k on k.channel_id = $1 and k.order_key = wanted.value
            cross join listing as one on one.id = k.listing_id
            cross join listing as l on l.channel_id = $1 and l.external_id = one.external_id
            left join item as i on i.id = l.item_id
            order by l.id",
    postgres "select k.order_key, l.holder, l.place, l.item_id, i.sku
              from listing_key as k join listing as one on one.id = k.listing_id
              join listing as l on l.channel_id = $1 and l.external_id = one.external_id
              left join item as i on i.id = l.item_id
              where k.channel_id = $1 and k.order_key = any($2::text[]) order by l.id"
);
statement!(
    RULES_OF,
    sqlite "select l.holder, l.place, l.buffer, l.share_percent, l.max_quantity, l.min_quantity
            from json_each($2) as wanted
            cross join listing as l on l.channel_id = $1 and l.holder = wanted.value
            where coalesce(l.buffer, l.share_percent, l.max_quantity, l.min_quantity) is not null
            order by l.id desc",
    postgres "select holder, place, buffer, share_percent, max_quantity, min_quantity
              from listing where channel_id = $1 and holder = any($2::text[])
                and coalesce(buffer, share_percent, max_quantity, min_quantity) is not null
              order by id desc"
);
statement!(
    HOLDERS_OF,
    "select holder, place from listing
     where channel_id = $1 and external_id = $2 and holder <> ''
     union
     select holder, place from listing where channel_id = $1 and holder = $2 and holder <> ''"
);

pub(super) const STATEMENTS: &[&Statement] = &[
    &SEE,
    &SEE_KEY,
    &FIND,
    &PAGE,
    &OF_HOLDER,
    &OF_ITEM,
    &OF_IDS,
    &OF_HOLDERS,
    &CHANGE,
    &SET_ITEM,
    &BY_KEYS,
    &RULES_OF,
    &HOLDERS_OF,
];

/// Writes down a listing as it was seen, with the ids it has in orders; its id.
pub(crate) async fn see(
    conn: &mut Conn<'_>,
    channel: i64,
    seen: &Seen,
    order_keys: &[String],
    now: i64,
) -> Result<i64, StoreError> {
    let Seen { external_id, place, holder, sku_text, title } = seen;
    let args = args![
        channel,
        external_id.as_str(),
        place.as_str(),
        holder.as_str(),
        sku_text.as_str(),
        title.as_str(),
        now,
    ];
    let id = conn.one(&SEE, args).await?.int(0)?;
    for key in order_keys {
        conn.execute(&SEE_KEY, args![channel, key.as_str(), id]).await?;
    }
    Ok(id)
}

/// A listing of a channel, at one of its places.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    channel: i64,
    external_id: &str,
    place: &str,
) -> Result<Option<StoredListing>, StoreError> {
    let row = conn.optional(&FIND, args![channel, external_id, place]).await?;
    row.map(|row| listing(&row)).transpose()
}

/// Listings of a channel in the order of their ids.
pub(crate) async fn page(
    conn: &mut Conn<'_>,
    channel: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredListing>, StoreError> {
    conn.all(&PAGE, args![channel, after, limit]).await?.iter().map(listing).collect()
}

/// The listings whose number one holder carries.
pub(crate) async fn of_holder(
    conn: &mut Conn<'_>,
    channel: i64,
    holder: &str,
    place: &str,
) -> Result<Vec<StoredListing>, StoreError> {
    conn.all(&OF_HOLDER, args![channel, holder, place]).await?.iter().map(listing).collect()
}

/// The listings of an item on a channel, the oldest first.
pub(crate) async fn of_item(
    conn: &mut Conn<'_>,
    channel: i64,
    item: ItemId,
    limit: i64,
) -> Result<Vec<StoredListing>, StoreError> {
    conn.all(&OF_ITEM, args![channel, item.get(), limit]).await?.iter().map(listing).collect()
}

/// The listings of a channel with some ids, at all their places, the oldest first.
pub(crate) async fn of_ids(
    conn: &mut Conn<'_>,
    channel: i64,
    ids: Vec<String>,
) -> Result<Vec<StoredListing>, StoreError> {
    conn.all(&OF_IDS, args![channel, ids]).await?.iter().map(listing).collect()
}

/// The listings whose numbers some holders carry, the oldest first.
pub(crate) async fn of_holders(
    conn: &mut Conn<'_>,
    channel: i64,
    holders: Vec<String>,
) -> Result<Vec<StoredListing>, StoreError> {
    conn.all(&OF_HOLDERS, args![channel, holders]).await?.iter().map(listing).collect()
}

/// What becomes of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListingChange {
    pub(crate) id: i64,
    /// The item it has to be still.
    pub(crate) was: Option<ItemId>,
    pub(crate) item: Option<ItemId>,
    pub(crate) rules: ListingRules,
}

/// Changes listings, each once; an error where one is not what it was.
pub(crate) async fn change(
    conn: &mut Conn<'_>,
    changes: &[ListingChange],
) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(&[Type::Int; 7], changes.len());
    for one in changes {
        rows.push(cells![
            one.id,
            one.was.map(ItemId::get),
            one.item.map(ItemId::get),
            one.rules.buffer,
            one.rules.share_percent,
            one.rules.max_quantity,
            one.rules.min_quantity,
        ]);
    }
    let changed = conn.execute(&CHANGE, args![rows]).await?;
    let expected = changes.len() as u64;
    if changed == expected {
        return Ok(());
    }
    Err(StoreError::RowsAffected { statement: CHANGE.name, changed, expected })
}

/// Says which item a listing is, or that nobody knows.
pub(crate) async fn set_item(
    conn: &mut Conn<'_>,
    id: i64,
    item: Option<ItemId>,
) -> Result<(), StoreError> {
    conn.execute_one(&SET_ITEM, args![id, item.map(ItemId::get)]).await
}

/// What the ids in lines of orders are of, at each place; those that are unknown are left
/// out.
pub(crate) async fn by_keys(
    conn: &mut Conn<'_>,
    channel: i64,
    keys: Vec<String>,
) -> Result<Vec<KeyedListing>, StoreError> {
    let rows = conn.all(&BY_KEYS, args![channel, keys]).await?;
    rows.iter()
        .map(|row| {
            let item = row.int_opt(3)?.map(ItemId::new).zip(row.text_opt(4)?);
            let (order_key, holder, place) = (row.text(0)?, row.text(1)?, row.text(2)?);
            Ok(KeyedListing { order_key, holder, place, item })
        })
        .collect()
}

/// The rules that numbers have of their own, by what carries them; of several listings
/// of one number those of the first.
pub(crate) async fn rules_of(
    conn: &mut Conn<'_>,
    channel: i64,
    holders: Vec<String>,
) -> Result<HashMap<(String, String), ListingRules>, StoreError> {
    let rows = conn.all(&RULES_OF, args![channel, holders]).await?;
    rows.iter()
        .map(|row| {
            let rules = ListingRules {
                buffer: row.int_opt(2)?,
                share_percent: row.int_opt(3)?,
                max_quantity: row.int_opt(4)?,
                min_quantity: row.int_opt(5)?,
            };
            Ok(((row.text(0)?, row.text(1)?), rules))
        })
        .collect()
}

/// What carries the numbers of a listing; the thing itself, where it carries those of others
/// and is sold as none, like a product with variations.
pub(crate) async fn holders_of(
    conn: &mut Conn<'_>,
    channel: i64,
    external_id: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let rows = conn.all(&HOLDERS_OF, args![channel, external_id]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

fn listing(row: &Row) -> Result<StoredListing, StoreError> {
    Ok(StoredListing {
        id: row.int(0)?,
        channel_id: row.int(1)?,
        external_id: row.text(2)?,
        place: row.text(3)?,
        holder: row.text(4)?,
        item: row.int_opt(5)?.map(ItemId::new),
        sku_text: row.text(6)?,
        title: row.text(7)?,
        sku: row.text_opt(8)?,
        rules: ListingRules {
            buffer: row.int_opt(9)?,
            share_percent: row.int_opt(10)?,
            max_quantity: row.int_opt(11)?,
            min_quantity: row.int_opt(12)?,
        },
    })
}
