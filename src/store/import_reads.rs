//! What an import looks up before it writes: reads without locks.

use super::statement::{Rows, Type, args, cells, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{ExternalId, ItemId, LevelKey, LocationId, OrderRef};

statement!(
    ZERO_LED_LENGTHS,
    "select distinct cast(length(sku) as bigint) as characters from item_sku
     where sku >= '0' and sku < '1' order by characters limit 20"
);

/// The lengths of SKUs that begin with a zero: what a spreadsheet strips.
pub(crate) async fn zero_led_lengths(conn: &mut Conn<'_>) -> Result<Vec<i64>, StoreError> {
    let rows = conn.all(&ZERO_LED_LENGTHS, args![]).await?;
    rows.iter().map(|row| row.int(0)).collect()
}

statement!(
    LEVELS_OF_ITEMS,
    sqlite "select l.item_id, l.location_id, l.on_hand, l.version
            from json_each($1) as wanted cross join level as l on l.item_id = wanted.value",
    postgres "select item_id, location_id, on_hand, version from level
              where item_id = any($1::bigint[])"
);

/// On hand and version of the levels of items.
pub(crate) async fn levels(
    conn: &mut Conn<'_>,
    items: Vec<i64>,
) -> Result<Vec<(LevelKey, i64, i64)>, StoreError> {
    let rows = conn.all(&LEVELS_OF_ITEMS, args![items]).await?;
    rows.iter()
        .map(|row| {
            let location = LocationId::new(row.int(1)?);
            let key = LevelKey { item: ItemId::new(row.int(0)?), location };
            Ok((key, row.int(2)?, row.int(3)?))
        })
        .collect()
}

statement!(
    PLACED_AT,
    sqlite "select o.source, o.external_id, o.placed_at from json_each($1) as wanted
            cross join orders as o
              on o.source = wanted.value->>0 and o.external_id = wanted.value->>1",
    postgres "select o.source, o.external_id, o.placed_at
              from unnest($1::text[], $2::text[]) as wanted (source, external_id)
              join orders as o
                on o.source = wanted.source and o.external_id = wanted.external_id"
);

/// When orders that are known were placed.
pub(crate) async fn placed_at<'r>(
    conn: &mut Conn<'_>,
    wanted: impl Iterator<Item = &'r OrderRef>,
) -> Result<Vec<(OrderRef, i64)>, StoreError> {
    let mut rows = Rows::new(&[Type::Text, Type::Text]);
    for reference in wanted {
        rows.push(cells![reference.source.as_str(), reference.external_id.as_str()]);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let rows = conn.all(&PLACED_AT, args![rows]).await?;
    rows.iter()
        .map(|row| {
            let external_id = row.parsed(1, ExternalId::new)?;
            Ok((OrderRef { source: row.text(0)?, external_id }, row.int(2)?))
        })
        .collect()
}

pub(super) const STATEMENTS: &[&Statement] = &[&ZERO_LED_LENGTHS, &LEVELS_OF_ITEMS, &PLACED_AT];
