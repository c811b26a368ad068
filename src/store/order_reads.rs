//! Reading orders for people: pages of them, names that are not whole, and who
//! holds or is owed units of an item.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{ExternalId, ItemId, LocationId, OrderId, OrderRef, OrderStatus, UserId};

/// What an order's row says beyond what decisions need.
#[derive(Clone, Debug)]
pub(crate) struct OrderRecord {
    pub(crate) id: OrderId,
    pub(crate) status: OrderStatus,
    pub(crate) total: Option<i64>,
    pub(crate) updated_at: i64,
    pub(crate) sealed: Option<Vec<u8>>,
    /// Why it was refused after it was taken, as JSON.
    pub(crate) refusal: Option<String>,
    /// Whose it is, of those who were registered.
    pub(crate) user: Option<UserId>,
}

statement!(
    ORDER_RECORDS,
    sqlite "select o.id, o.status, o.total, o.updated_at, p.sealed, o.refusal, u.user_id
            from json_each($1) as wanted cross join orders as o on o.id = wanted.value
            left join personal as p on p.order_id = o.id
            left join order_user as u on u.order_id = o.id",
    postgres "select o.id, o.status, o.total, o.updated_at, p.sealed, o.refusal, u.user_id
              from orders as o left join personal as p on p.order_id = o.id
              left join order_user as u on u.order_id = o.id
              where o.id = any($1::bigint[])"
);

/// The rows of orders, in no order.
pub(crate) async fn records(
    conn: &mut Conn<'_>,
    ids: Vec<i64>,
) -> Result<Vec<OrderRecord>, StoreError> {
    let rows = conn.all(&ORDER_RECORDS, args![ids]).await?;
    rows.iter()
        .map(|row| {
            let status = OrderStatus::parse(&row.text(1)?);
            Ok(OrderRecord {
                id: OrderId::new(row.int(0)?),
                status: status.ok_or_else(|| row.decode_error("an unknown order status"))?,
                total: row.int_opt(2)?,
                updated_at: row.int(3)?,
                sealed: row.bytes_opt(4)?,
                refusal: row.text_opt(5)?,
                user: row.int_opt(6)?.map(UserId::new),
            })
        })
        .collect()
}

statement!(
    SOURCE_VERSION,
    "select source_version from orders where source = $1 and external_id = $2"
);

statement!(PLACED_AT, "select placed_at from orders where source = $1 and external_id = $2");

/// When an order was placed; `None` where there is no such order.
pub(crate) async fn placed_at(
    conn: &mut Conn<'_>,
    reference: &OrderRef,
) -> Result<Option<i64>, StoreError> {
    let args = args![reference.source.as_str(), reference.external_id.as_str()];
    conn.optional(&PLACED_AT, args).await?.map(|row| row.int(0)).transpose()
}

/// The source's version of an order; the outer `None` where there is no such order.
pub(crate) async fn source_version(
    conn: &mut Conn<'_>,
    reference: &OrderRef,
) -> Result<Option<Option<i64>>, StoreError> {
    let args = args![reference.source.as_str(), reference.external_id.as_str()];
    conn.optional(&SOURCE_VERSION, args).await?.map(|row| row.int_opt(0)).transpose()
}

/// Which orders a page is about. What is `None` does not filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderPage {
    /// Only orders before this id.
    pub(crate) before: Option<i64>,
    /// Only of this status.
    pub(crate) status: Option<OrderStatus>,
    /// Only of this source.
    pub(crate) source: Option<String>,
    /// Only placed at or after this time.
    pub(crate) placed_since: Option<i64>,
    /// Only changed at or after this time.
    pub(crate) updated_since: Option<i64>,
    /// Only of this user.
    pub(crate) user: Option<UserId>,
}

statement!(
    ORDER_PAGE,
    "select id from orders
     where id < $1 and (cast($2 as text) is null or status = $2)
       and (cast($3 as text) is null or source = $3)
       and (cast($4 as bigint) is null or placed_at >= $4)
       and (cast($5 as bigint) is null or updated_at >= $5)
     order by id desc limit $6"
);

// A user's orders are few among all: they are found first.
statement!(
    ORDER_PAGE_OF_USER,
    "select o.id from order_user as u join orders as o on o.id = u.order_id
     where u.user_id = $7 and u.order_id < $1 and (cast($2 as text) is null or o.status = $2)
       and (cast($3 as text) is null or o.source = $3)
       and (cast($4 as bigint) is null or o.placed_at >= $4)
       and (cast($5 as bigint) is null or o.updated_at >= $5)
     order by u.order_id desc limit $6"
);

/// The ids of one page of orders, the last recorded first.
pub(crate) async fn page(
    conn: &mut Conn<'_>,
    page: &OrderPage,
    limit: i64,
) -> Result<Vec<OrderId>, StoreError> {
    let before = page.before.unwrap_or(i64::MAX);
    let status = page.status.map(|status| status.as_str().to_owned());
    let (source, placed, updated) = (page.source.clone(), page.placed_since, page.updated_since);
    let rows = match page.user {
        Some(user) => {
            let args = args![before, status, source, placed, updated, limit, user.get()];
            conn.all(&ORDER_PAGE_OF_USER, args).await?
        }
        None => {
            conn.all(&ORDER_PAGE, args![before, status, source, placed, updated, limit]).await?
        }
    };
    rows.iter().map(|row| row.int(0).map(OrderId::new)).collect()
}

// Sources are few: each is found by one step along the index, then probed.
statement!(
    BY_EXTERNAL_ID,
    "with recursive sources (source) as (
       select min(source) from orders
       union all
       select (select min(o.source) from orders as o where o.source > s.source)
       from sources as s where s.source is not null
     )
     select o.source, o.external_id from sources as s
     join orders as o on o.source = s.source and o.external_id = $1
     order by o.source limit $2"
);

/// The orders of any source that have an external id.
pub(crate) async fn by_external_id(
    conn: &mut Conn<'_>,
    external_id: &str,
    limit: i64,
) -> Result<Vec<OrderRef>, StoreError> {
    let rows = conn.all(&BY_EXTERNAL_ID, args![external_id, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(OrderRef { source: row.text(0)?, external_id: row.parsed(1, ExternalId::new)? })
        })
        .collect()
}

/// Units an order line holds or is owed at a location.
#[derive(Clone, Debug)]
pub(crate) struct OpenClaim {
    pub(crate) location: LocationId,
    pub(crate) source: String,
    pub(crate) external_id: String,
    pub(crate) line: i64,
    pub(crate) part: i64,
    pub(crate) held: i64,
    pub(crate) shortfall: i64,
    pub(crate) accepted: bool,
    pub(crate) expires_at: Option<i64>,
    /// The last entry that moved the level for this line.
    pub(crate) seq: Option<i64>,
}

statement!(
    OPEN_CLAIMS,
    "select a.location_id, o.source, o.external_id, a.line, a.part, a.held, a.shortfall,
            cast(case when o.accepted = 1 or o.shipped > 0 then 1 else 0 end as bigint), o.expires_at,
            (select max(j.seq) from journal as j
             where j.order_id = a.order_id and j.item_id = a.item_id
               and j.location_id = a.location_id and j.line = a.line and j.part = a.part)
     from allocation as a join orders as o on o.id = a.order_id
     where a.item_id = $1 and (a.held > 0 or a.shortfall > 0)
     order by a.location_id, a.order_id, a.line, a.part"
);

/// Every open claim on an item, by location, oldest order id first.
pub(crate) async fn open_claims(
    conn: &mut Conn<'_>,
    item: ItemId,
) -> Result<Vec<OpenClaim>, StoreError> {
    let rows = conn.all(&OPEN_CLAIMS, args![item.get()]).await?;
    rows.iter()
        .map(|row| {
            Ok(OpenClaim {
                location: LocationId::new(row.int(0)?),
                source: row.text(1)?,
                external_id: row.text(2)?,
                line: row.int(3)?,
                part: row.int(4)?,
                held: row.int(5)?,
                shortfall: row.int(6)?,
                accepted: row.flag(7)?,
                expires_at: row.int_opt(8)?,
                seq: row.int_opt(9)?,
            })
        })
        .collect()
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &ORDER_RECORDS,
    &ORDER_PAGE,
    &ORDER_PAGE_OF_USER,
    &BY_EXTERNAL_ID,
    &OPEN_CLAIMS,
    &SOURCE_VERSION,
    &PLACED_AT,
];
