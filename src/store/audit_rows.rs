//! Rows that should not be there: what foreign keys would refuse, and what no
//! constraint can say. For the proof of `db verify`.

use super::statement::{Row, args, statement};
use super::{Conn, Statement, StoreError};

/// A row at fault.
#[derive(Clone, Debug)]
pub(crate) struct Stray {
    pub(crate) item: Option<i64>,
    pub(crate) location: Option<i64>,
    pub(crate) order: Option<i64>,
    pub(crate) line: Option<i64>,
    /// What it is: a SKU, a batch, what is missing.
    pub(crate) detail: String,
    /// How many rows the statement found in all.
    pub(crate) count: i64,
}

// A plain line's units stand on part 0, a bundle's on the parts of its recipe.
statement!(
    STRAY_ALLOCATIONS,
    "select item_id, location_id, order_id, line, fault, count(*) over () from (
       select a.item_id, a.location_id, a.order_id, a.line,
              case when o.id is null then 'its order does not exist'
                   when l.order_id is null then 'its line does not exist'
                   when p.id is null then 'its location does not exist'
                   when i.id is null then 'its item does not exist'
                   when l.bundle = 1 and b.order_id is null then 'its part does not exist'
                   when l.bundle = 0 and a.part <> 0 then 'its part does not exist'
                   when coalesce(b.item_id, l.item_id, 0) <> a.item_id
                     then 'it is of another item than its line'
              end as fault
       from allocation as a
       left join orders as o on o.id = a.order_id
       left join order_line as l on l.order_id = a.order_id and l.line = a.line
       left join order_part as b
         on b.order_id = a.order_id and b.line = a.line and b.part = a.part
       left join location as p on p.id = a.location_id
       left join item as i on i.id = a.item_id
     ) as strays
     where fault is not null order by order_id, line limit $1"
);

statement!(
    STRAY_NAMES,
    "select i.id, cast(null as bigint), cast(null as bigint), cast(null as bigint), i.sku,
            count(*) over ()
     from item as i left join item_sku as s on s.sku = i.sku and s.item_id = i.id
     where s.sku is null order by i.id limit $1"
);

statement!(
    STRAY_BUNDLES,
    "select item_id, location_id, cast(null as bigint), cast(null as bigint), fault,
            count(*) over () from (
       select l.item_id, l.location_id, 'a bundle has movements of its own' as fault
       from level as l join item as i on i.id = l.item_id
       where i.bundle = 1 and l.version > 0
       union all
       select i.id, cast(null as bigint), 'a bundle has no recipe' from item as i
       where i.bundle = 1
         and not exists (select 1 from bundle_part as p where p.bundle_id = i.id)
       union all
       select p.bundle_id, cast(null as bigint), 'an item that is no bundle has a recipe'
       from bundle_part as p join item as i on i.id = p.bundle_id where i.bundle = 0
       union all
       select p.bundle_id, cast(null as bigint), 'a bundle contains a bundle'
       from bundle_part as p join item as i on i.id = p.part_id where i.bundle = 1
     ) as strays order by item_id limit $1"
);

statement!(
    STRAY_BATCHES,
    "select cast(null as bigint), cast(null as bigint), cast(null as bigint),
            cast(null as bigint), 'batch ' || cast(id as text) || ' ' || fault,
            count(*) over () from (
       select b.id, case
           when b.rows_done < 0 or b.rows_done > b.rows_total
             then 'has done more rows than it has'
           when b.status = 'open' and b.finished_at is not null
             then 'is open and has an end'
           when b.status in ('applied', 'reverted') and b.finished_at is null
             then 'is finished and has no end'
           when b.status = 'applied' and b.rows_done <> b.rows_total
             then 'is applied and not all of its rows are done'
           when b.status = 'applied' and not exists (
             select 1 from journal as j where j.batch_id = b.id and j.kind = 'batch.applied')
             then 'is applied and the journal does not say so'
           when b.status = 'reverted' and not exists (
             select 1 from journal as j where j.batch_id = b.id and j.kind = 'batch.reverted')
             then 'is reverted and the journal does not say so'
         end as fault
       from batch as b
     ) as strays
     where fault is not null order by id limit $1"
);

// Whoever is erased has a number and nothing else; what no row says any more, the journal
// does: how many were erased.
statement!(
    STRAY_PEOPLE,
    "select cast(null as bigint), cast(null as bigint), order_id, cast(null as bigint), fault,
            count(*) over () from (
       select u.order_id, 'it is of a user who was erased' as fault
       from order_user as u join users as s on s.id = u.user_id
       where s.erased_at is not null
       union all
       select u.order_id, 'it has the customer of somebody who was erased'
       from order_user as u join personal as p on p.order_id = u.order_id
       where u.user_id is null
       union all
       select cast(null as bigint), cast(erased as text) || ' users are erased, the journal says '
              || cast(said as text)
       from (select (select count(*) from users where erased_at is not null) as erased,
                    (select count(*) from journal where kind = 'user.erased') as said) as counted
       where erased <> said
     ) as strays order by order_id limit $1"
);

/// What is left of users who were erased.
pub(crate) async fn people(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Stray>, StoreError> {
    conn.all(&STRAY_PEOPLE, args![limit]).await?.iter().map(stray).collect()
}

/// Allocations that do not belong to a line.
pub(crate) async fn allocations(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Stray>, StoreError> {
    conn.all(&STRAY_ALLOCATIONS, args![limit]).await?.iter().map(stray).collect()
}

/// Items whose SKU does not lead to them.
pub(crate) async fn names(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Stray>, StoreError> {
    conn.all(&STRAY_NAMES, args![limit]).await?.iter().map(stray).collect()
}

/// Bundles that have stock, no recipe, or a bundle inside.
pub(crate) async fn bundles(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Stray>, StoreError> {
    conn.all(&STRAY_BUNDLES, args![limit]).await?.iter().map(stray).collect()
}

/// Imports whose state makes no sense.
pub(crate) async fn batches(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Stray>, StoreError> {
    conn.all(&STRAY_BATCHES, args![limit]).await?.iter().map(stray).collect()
}

fn stray(row: &Row) -> Result<Stray, StoreError> {
    Ok(Stray {
        item: row.int_opt(0)?,
        location: row.int_opt(1)?,
        order: row.int_opt(2)?,
        line: row.int_opt(3)?,
        detail: row.text(4)?,
        count: row.int(5)?,
    })
}

statement!(ITEM_NAME, "select sku from item where id = $1");
statement!(LOCATION_NAME, "select code from location where id = $1");
statement!(ORDER_NAME, "select source || ':' || external_id from orders where id = $1");

/// The SKU of an item, if there is one.
pub(crate) async fn item_name(conn: &mut Conn<'_>, id: i64) -> Result<Option<String>, StoreError> {
    conn.optional(&ITEM_NAME, args![id]).await?.map(|row| row.text(0)).transpose()
}

/// The code of a location, if there is one.
pub(crate) async fn location_name(
    conn: &mut Conn<'_>,
    id: i64,
) -> Result<Option<String>, StoreError> {
    conn.optional(&LOCATION_NAME, args![id]).await?.map(|row| row.text(0)).transpose()
}

/// The full id of an order, if there is one.
pub(crate) async fn order_name(conn: &mut Conn<'_>, id: i64) -> Result<Option<String>, StoreError> {
    conn.optional(&ORDER_NAME, args![id]).await?.map(|row| row.text(0)).transpose()
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &STRAY_ALLOCATIONS,
    &STRAY_NAMES,
    &STRAY_BUNDLES,
    &STRAY_BATCHES,
    &STRAY_PEOPLE,
    &ITEM_NAME,
    &LOCATION_NAME,
    &ORDER_NAME,
];
