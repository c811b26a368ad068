//! Reading items for people: pages of the catalogue with levels and recipes.

use super::statement::{Row, args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{ItemId, ItemStatus, LevelKey, LocationId, Sku, Totals};

/// An item with all its fields.
#[derive(Clone, Debug)]
pub(crate) struct ItemRecord {
    pub(crate) id: ItemId,
    pub(crate) sku: Sku,
    pub(crate) title: String,
    pub(crate) status: ItemStatus,
    pub(crate) barcode: Option<String>,
    pub(crate) price: Option<i64>,
    pub(crate) cost: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) reorder_point: Option<i64>,
    pub(crate) attributes: Option<String>,
    pub(crate) low: bool,
    pub(crate) is_bundle: bool,
    pub(crate) version: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// Of an item what its numbers depend on, and its name.
#[derive(Clone, Debug)]
pub(crate) struct ItemBrief {
    pub(crate) sku: Sku,
    pub(crate) status: ItemStatus,
}

impl ItemRecord {
    /// The least of it.
    pub(crate) fn brief(&self) -> ItemBrief {
        ItemBrief { sku: self.sku.clone(), status: self.status }
    }
}

/// A level as it stands, without a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LevelRecord {
    pub(crate) key: LevelKey,
    pub(crate) totals: Totals,
    pub(crate) version: i64,
}

/// Which items a page is about. What is `None` does not filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct ItemPage {
    /// Only SKUs after this one, byte by byte; empty starts at the first.
    pub(crate) after: String,
    /// A `like` pattern over SKU and title; `\` escapes.
    pub(crate) pattern: Option<String>,
    /// Only this barcode, or the pattern.
    pub(crate) barcode: Option<String>,
    /// Only of this status.
    pub(crate) status: Option<ItemStatus>,
    /// Only with a level that ever moved there.
    pub(crate) location: Option<LocationId>,
    /// Only with a reorder point.
    pub(crate) watched: bool,
    /// Only those whose catalogue entry changed at or after this time, or that
    /// moved after the seq beside it.
    pub(crate) changed: Option<(i64, i64)>,
}

// Letters outside ASCII compare as they are on both databases. `cross join` keeps
// SQLite from reading all movements of an item where its newest ones tell.
statement!(
    ITEM_PAGE,
    sqlite "select i.id, i.sku from item_sku as s
            join item as i on i.id = s.item_id and i.sku = s.sku
            where s.sku > $1
              and ($2 is null or i.sku like $2 escape '\\' or i.title like $2 escape '\\'
                   or i.barcode = $3)
              and ($4 is null or i.sale = $4)
              and ($5 is null or exists (
                select 1 from level as l
                where l.item_id = i.id and l.location_id = $5 and l.version > 0))
              and ($6 = 0 or i.reorder_point is not null)
              and ($7 is null or i.updated_at >= $7 or exists (
                select 1 from level as l
                cross join journal as j on j.item_id = l.item_id and j.location_id = l.location_id
                  and j.level_version = l.version
                where l.item_id = i.id and j.seq > $8))
            order by s.sku limit $9",
    postgres "select i.id, i.sku from item_sku as s
              join item as i on i.id = s.item_id and i.sku = s.sku
              where s.sku > $1
                and ($2::text is null or lower(i.sku) like $2 escape '\\'
                     or lower(i.title collate \"C\") like $2 escape '\\' or i.barcode = $3::text)
                and ($4::text is null or i.sale = $4)
                and ($5::bigint is null or exists (
                  select 1 from level as l
                  where l.item_id = i.id and l.location_id = $5 and l.version > 0))
                and ($6::bigint = 0 or i.reorder_point is not null)
                and ($7::bigint is null or i.updated_at >= $7 or exists (
                  select 1 from level as l
                  join journal as j on j.item_id = l.item_id and j.location_id = l.location_id
                    and j.level_version = l.version
                  where l.item_id = i.id and j.seq > $8::bigint))
              order by s.sku limit $9"
);

/// The ids of one page of items, by current SKU.
pub(crate) async fn page(
    conn: &mut Conn<'_>,
    page: &ItemPage,
    limit: i64,
) -> Result<Vec<(ItemId, Sku)>, StoreError> {
    let args = args![
        page.after.as_str(),
        page.pattern.clone(),
        page.barcode.clone(),
        page.status.map(|status| status.as_str().to_owned()),
        page.location.map(LocationId::get),
        i64::from(page.watched),
        page.changed.map(|(since, _)| since),
        page.changed.map(|(_, seq)| seq),
        limit,
    ];
    let rows = conn.all(&ITEM_PAGE, args).await?;
    rows.iter().map(|row| Ok((ItemId::new(row.int(0)?), row.parsed(1, Sku::new)?))).collect()
}

statement!(
    ITEM_RECORDS,
    sqlite "select i.id, i.sku, i.title, i.sale, i.barcode, i.price, i.cost, i.currency,
                   i.reorder_point, i.attributes, i.low, i.version, i.created_at, i.updated_at,
                   i.bundle
            from json_each($1) as wanted cross join item as i on i.id = wanted.value",
    postgres "select id, sku, title, sale, barcode, price, cost, currency,
                     reorder_point, attributes, low, version, created_at, updated_at, bundle
              from item where id = any($1::bigint[])"
);

/// Items by their ids, in no order.
pub(crate) async fn records(
    conn: &mut Conn<'_>,
    ids: Vec<i64>,
) -> Result<Vec<ItemRecord>, StoreError> {
    conn.all(&ITEM_RECORDS, args![ids]).await?.iter().map(record).collect()
}

statement!(
    NAMED_RECORDS,
    sqlite "select i.id, i.sku, i.title, i.sale, i.barcode, i.price, i.cost, i.currency,
                   i.reorder_point, i.attributes, i.low, i.version, i.created_at, i.updated_at,
                   i.bundle, s.sku
            from json_each($1) as wanted
            cross join item_sku as s on s.sku = wanted.value
            cross join item as i on i.id = s.item_id",
    postgres "select i.id, i.sku, i.title, i.sale, i.barcode, i.price, i.cost, i.currency,
                     i.reorder_point, i.attributes, i.low, i.version, i.created_at, i.updated_at,
                     i.bundle, s.sku
              from unnest($1::text[]) as wanted (sku)
              join item_sku as s on s.sku = wanted.sku join item as i on i.id = s.item_id"
);

/// Items by any of their names, each with that name; unknown ones are left out.
pub(crate) async fn named_records(
    conn: &mut Conn<'_>,
    names: Vec<String>,
) -> Result<Vec<(Sku, ItemRecord)>, StoreError> {
    let rows = conn.all(&NAMED_RECORDS, args![names]).await?;
    rows.iter().map(|row| Ok((row.parsed(15, Sku::new)?, record(row)?))).collect()
}

// A channel's numbers are computed by the million, and every value of a row costs.
statement!(
    ITEM_BRIEFS,
    sqlite "select i.id, i.sku, i.sale
            from json_each($1) as wanted cross join item as i on i.id = wanted.value",
    postgres "select id, sku, sale from item where id = any($1::bigint[])"
);

/// The least of items by their ids, in no order.
pub(crate) async fn briefs(
    conn: &mut Conn<'_>,
    ids: Vec<i64>,
) -> Result<Vec<(ItemId, ItemBrief)>, StoreError> {
    let rows = conn.all(&ITEM_BRIEFS, args![ids]).await?;
    rows.iter()
        .map(|row| {
            let brief = ItemBrief { sku: row.parsed(1, Sku::new)?, status: status(row, 2)? };
            Ok((ItemId::new(row.int(0)?), brief))
        })
        .collect()
}

fn status(row: &Row, column: usize) -> Result<ItemStatus, StoreError> {
    let status = ItemStatus::parse(&row.text(column)?);
    status.ok_or_else(|| row.decode_error("an unknown item status"))
}

fn record(row: &Row) -> Result<ItemRecord, StoreError> {
    Ok(ItemRecord {
        id: ItemId::new(row.int(0)?),
        sku: row.parsed(1, Sku::new)?,
        title: row.text(2)?,
        status: status(row, 3)?,
        barcode: row.text_opt(4)?,
        price: row.int_opt(5)?,
        cost: row.int_opt(6)?,
        currency: row.text_opt(7)?,
        reorder_point: row.int_opt(8)?,
        attributes: row.text_opt(9)?,
        low: row.flag(10)?,
        version: row.int(11)?,
        created_at: row.int(12)?,
        updated_at: row.int(13)?,
        is_bundle: row.flag(14)?,
    })
}

statement!(
    LEVELS_OF_ITEMS,
    sqlite "select l.item_id, l.location_id, l.on_hand, l.reserved, l.shortfall, l.safety, l.version
            from json_each($1) as wanted cross join level as l on l.item_id = wanted.value",
    postgres "select item_id, location_id, on_hand, reserved, shortfall, safety, version
              from level where item_id = any($1::bigint[])"
);

/// The levels of items, in no order.
pub(crate) async fn levels(
    conn: &mut Conn<'_>,
    items: Vec<i64>,
) -> Result<Vec<LevelRecord>, StoreError> {
    conn.all(&LEVELS_OF_ITEMS, args![items]).await?.iter().map(level).collect()
}

fn level(row: &Row) -> Result<LevelRecord, StoreError> {
    let item = ItemId::new(row.int(0)?);
    let totals = Totals {
        on_hand: row.int(2)?,
        reserved: row.int(3)?,
        shortfall: row.int(4)?,
        safety: row.int(5)?,
    };
    let key = LevelKey { item, location: LocationId::new(row.int(1)?) };
    Ok(LevelRecord { key, totals, version: row.int(6)? })
}

statement!(
    LEVELS_AND_MOVEMENTS,
    sqlite "select l.item_id, l.location_id, l.on_hand, l.reserved, l.shortfall, l.safety,
                   l.version, j.seq
            from json_each($1) as wanted
            cross join level as l on l.item_id = wanted.value
            left join journal as j on j.item_id = l.item_id and j.location_id = l.location_id
              and j.level_version = l.version",
    postgres "select l.item_id, l.location_id, l.on_hand, l.reserved, l.shortfall, l.safety,
                     l.version, j.seq
              from level as l
              left join journal as j on j.item_id = l.item_id and j.location_id = l.location_id
                and j.level_version = l.version
              where l.item_id = any($1::bigint[])"
);

/// The levels of items, in no order, each with the seq of its newest movement; 0 before any.
pub(crate) async fn levels_and_movements(
    conn: &mut Conn<'_>,
    items: Vec<i64>,
) -> Result<Vec<(LevelRecord, i64)>, StoreError> {
    let rows = conn.all(&LEVELS_AND_MOVEMENTS, args![items]).await?;
    rows.iter().map(|row| Ok((level(row)?, row.int_opt(7)?.unwrap_or(0)))).collect()
}

statement!(ALIASES, "select sku from item_sku where item_id = $1 order by sku");

/// Every name an item has or had.
pub(crate) async fn names(conn: &mut Conn<'_>, item: ItemId) -> Result<Vec<String>, StoreError> {
    let rows = conn.all(&ALIASES, args![item.get()]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &ITEM_PAGE,
    &ITEM_RECORDS,
    &ITEM_BRIEFS,
    &LEVELS_OF_ITEMS,
    &LEVELS_AND_MOVEMENTS,
    &NAMED_RECORDS,
    &ALIASES,
];
