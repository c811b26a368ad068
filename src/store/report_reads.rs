//! Reading for reports, in pages.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

/// Units of an item at a location, with what one is worth.
#[derive(Clone, Debug)]
pub(crate) struct ValueRow {
    /// (item, location): where the next page starts.
    pub(crate) key: (i64, i64),
    pub(crate) sku: String,
    pub(crate) location: String,
    pub(crate) on_hand: i64,
    pub(crate) cost: Option<i64>,
    pub(crate) price: Option<i64>,
    pub(crate) currency: Option<String>,
}

statement!(
    VALUE_PAGE,
    "select l.item_id, l.location_id, i.sku, p.code, l.on_hand, i.cost, i.price, i.currency
     from level as l
     join item as i on i.id = l.item_id
     join location as p on p.id = l.location_id
     where l.on_hand > 0 and (l.item_id, l.location_id) > ($1, $2)
     order by l.item_id, l.location_id limit $3"
);

/// Levels with stock after one, in order.
pub(crate) async fn values(
    conn: &mut Conn<'_>,
    after: (i64, i64),
    limit: i64,
) -> Result<Vec<ValueRow>, StoreError> {
    let rows = conn.all(&VALUE_PAGE, args![after.0, after.1, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(ValueRow {
                key: (row.int(0)?, row.int(1)?),
                sku: row.text(2)?,
                location: row.text(3)?,
                on_hand: row.int(4)?,
                cost: row.int_opt(5)?,
                price: row.int_opt(6)?,
                currency: row.text_opt(7)?,
            })
        })
        .collect()
}

/// A line of an order that counts as sold.
#[derive(Clone, Debug)]
pub(crate) struct SoldRow {
    pub(crate) order: i64,
    pub(crate) placed_at: i64,
    pub(crate) currency: Option<String>,
    pub(crate) unit_price: Option<i64>,
    /// Units that were not cancelled.
    pub(crate) units: i64,
}

// An order without lines still moves the page on.
statement!(
    SOLD_PAGE,
    "select o.id, o.placed_at, o.currency, l.unit_price,
            cast(coalesce(l.ordered - l.cancelled, 0) as bigint)
     from (
       select id, placed_at, currency from orders
       where placed_at >= $1 and placed_at < $2 and decision = 'accepted'
         and (placed_at, id) > ($3, $4)
       order by placed_at, id limit $5
     ) as o
     left join order_line as l on l.order_id = o.id
     order by o.placed_at, o.id, l.line"
);

/// The lines of one page of accepted orders placed within `from..to`, after an
/// order, by the time they were placed.
pub(crate) async fn sold(
    conn: &mut Conn<'_>,
    (from, to): (i64, i64),
    after: (i64, i64),
    limit: i64,
) -> Result<Vec<SoldRow>, StoreError> {
    let rows = conn.all(&SOLD_PAGE, args![from, to, after.0, after.1, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(SoldRow {
                order: row.int(0)?,
                placed_at: row.int(1)?,
                currency: row.text_opt(2)?,
                unit_price: row.int_opt(3)?,
                units: row.int(4)?,
            })
        })
        .collect()
}

pub(super) const STATEMENTS: &[&Statement] = &[&VALUE_PAGE, &SOLD_PAGE];
