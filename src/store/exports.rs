//! Pages of exports: keyset pages in byte order, so memory does not grow with
//! the catalogue and no read transaction stays open while a file is written.

use super::catalogue::fields;
use super::statement::{Row, args, statement};
use super::{Conn, Statement, StoreError};
use crate::ledger::catalogue::ItemFields;

statement!(
    EXPORT_ITEMS,
    "select i.id, i.sku, i.title, i.barcode, i.price, i.cost, i.currency, i.reorder_point,
            i.attributes
     from item_sku as s join item as i on i.id = s.item_id and i.sku = s.sku
     where s.sku > $1 order by s.sku limit $2"
);

/// Items after a SKU: id, SKU, fields.
pub(crate) async fn items(
    conn: &mut Conn<'_>,
    after: &str,
    limit: i64,
) -> Result<Vec<(i64, String, ItemFields)>, StoreError> {
    let rows = conn.all(&EXPORT_ITEMS, args![after, limit]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?, fields(row, 2)?))).collect()
}

statement!(
    EXPORT_PARTS,
    sqlite "select p.bundle_id, i.sku, p.per_unit from json_each($1) as wanted
            cross join bundle_part as p on p.bundle_id = wanted.value
            join item as i on i.id = p.part_id
            order by p.bundle_id, i.sku",
    postgres "select p.bundle_id, i.sku, p.per_unit from bundle_part as p
              join item as i on i.id = p.part_id
              where p.bundle_id = any($1::bigint[]) order by p.bundle_id, i.sku"
);

/// The recipes of bundles: bundle, SKU of the part, units.
pub(crate) async fn parts(
    conn: &mut Conn<'_>,
    bundles: Vec<i64>,
) -> Result<Vec<(i64, String, i64)>, StoreError> {
    let rows = conn.all(&EXPORT_PARTS, args![bundles]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?, row.int(2)?))).collect()
}

statement!(
    EXPORT_LEVELS,
    sqlite "select l.item_id, p.code, l.on_hand, l.safety from json_each($1) as wanted
            cross join level as l on l.item_id = wanted.value
            join location as p on p.id = l.location_id
            where l.version > 0",
    postgres "select l.item_id, p.code, l.on_hand, l.safety from level as l
              join location as p on p.id = l.location_id
              where l.item_id = any($1::bigint[]) and l.version > 0"
);

/// The levels of items that have moved: item, location's code, on hand, safety.
pub(crate) async fn levels(
    conn: &mut Conn<'_>,
    items: Vec<i64>,
) -> Result<Vec<(i64, String, i64, i64)>, StoreError> {
    let rows = conn.all(&EXPORT_LEVELS, args![items]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?, row.int(2)?, row.int(3)?))).collect()
}

statement!(
    EXPORT_STOCK,
    "select i.sku, p.code, l.on_hand
     from item_sku as s
     join item as i on i.id = s.item_id and i.sku = s.sku
     join level as l on l.item_id = i.id
     join location as p on p.id = l.location_id
     where s.sku >= $1 and (s.sku > $1 or p.code > $2) and l.version > 0
     order by s.sku, p.code limit $3"
);

/// Levels that have moved, after a SKU and location: SKU, location's code, on hand.
pub(crate) async fn stock(
    conn: &mut Conn<'_>,
    after: (&str, &str),
    limit: i64,
) -> Result<Vec<(String, String, i64)>, StoreError> {
    let rows = conn.all(&EXPORT_STOCK, args![after.0, after.1, limit]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.int(2)?))).collect()
}

/// One line of an order with what the order says.
#[derive(Clone, Debug)]
pub(crate) struct OrderLineRow {
    pub(crate) source: String,
    pub(crate) external_id: String,
    pub(crate) sku: String,
    pub(crate) line: i64,
    /// Units that are not cancelled.
    pub(crate) units: i64,
    pub(crate) unit_price: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) placed_at: i64,
    pub(crate) sealed: Option<Vec<u8>>,
}

statement!(
    EXPORT_ORDERS,
    "select o.source, o.external_id, l.sku, l.line, l.ordered - l.cancelled, l.unit_price,
            o.currency, o.placed_at, p.sealed
     from orders as o
     join order_line as l on l.order_id = o.id
     left join personal as p on p.order_id = o.id
     where (o.source, o.external_id) >= ($1, $2)
       and (o.source > $1 or o.external_id > $2 or l.line > $3)
     order by o.source, o.external_id, l.line limit $4"
);

/// Lines of orders after a line of an order.
pub(crate) async fn orders(
    conn: &mut Conn<'_>,
    after: (&str, &str, i64),
    limit: i64,
) -> Result<Vec<OrderLineRow>, StoreError> {
    let args = args![after.0, after.1, after.2, limit];
    conn.all(&EXPORT_ORDERS, args).await?.iter().map(order_line).collect()
}

fn order_line(row: &Row) -> Result<OrderLineRow, StoreError> {
    Ok(OrderLineRow {
        source: row.text(0)?,
        external_id: row.text(1)?,
        sku: row.text(2)?,
        line: row.int(3)?,
        units: row.int(4)?,
        unit_price: row.int_opt(5)?,
        currency: row.text_opt(6)?,
        placed_at: row.int(7)?,
        sealed: row.bytes_opt(8)?,
    })
}

pub(super) const STATEMENTS: &[&Statement] =
    &[&EXPORT_ITEMS, &EXPORT_PARTS, &EXPORT_LEVELS, &EXPORT_STOCK, &EXPORT_ORDERS, &LISTINGS];

statement!(
    LISTINGS,
    "select c.name, i.sku, l.external_id, l.place, l.sku_text, l.buffer, l.share_percent,
            l.max_quantity
     from listing as l join channel as c on c.id = l.channel_id
     left join item as i on i.id = l.item_id
     where (c.name, l.external_id, l.place) > ($1, $2, $3)
     order by c.name, l.external_id, l.place limit $4"
);

/// A listing as a file has it.
#[derive(Clone, Debug)]
pub(crate) struct ListingLine {
    pub(crate) channel: String,
    pub(crate) sku: Option<String>,
    pub(crate) external_id: String,
    pub(crate) place: String,
    pub(crate) sku_text: String,
    pub(crate) buffer: Option<i64>,
    pub(crate) share_percent: Option<i64>,
    pub(crate) max_quantity: Option<i64>,
}

/// Listings after one, by channel, id and place in byte order.
pub(crate) async fn listings(
    conn: &mut Conn<'_>,
    (channel, external_id, place): &(String, String, String),
    limit: i64,
) -> Result<Vec<ListingLine>, StoreError> {
    let args = args![channel.as_str(), external_id.as_str(), place.as_str(), limit];
    let line = |row: &Row| {
        Ok(ListingLine {
            channel: row.text(0)?,
            sku: row.text_opt(1)?,
            external_id: row.text(2)?,
            place: row.text(3)?,
            sku_text: row.text(4)?,
            buffer: row.int_opt(5)?,
            share_percent: row.int_opt(6)?,
            max_quantity: row.int_opt(7)?,
        })
    };
    conn.all(&LISTINGS, args).await?.iter().map(line).collect()
}
