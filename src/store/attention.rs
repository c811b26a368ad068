//! What somebody has to look at: each kind of trouble, the oldest first.

use super::statement::{Row, args, statement};
use super::{Conn, Statement, StoreError};

/// An order that is in trouble.
#[derive(Clone, Debug)]
pub(crate) struct OrderTrouble {
    pub(crate) source: String,
    pub(crate) external_id: String,
    pub(crate) since: i64,
    /// Units, or the line.
    pub(crate) number: i64,
    /// The SKU of a line, the id of a payment.
    pub(crate) name: String,
}

statement!(
    SHORT,
    "select o.source, o.external_id, o.placed_at, o.shortfall, ''
     from orders as o
     where o.id in (select a.order_id from allocation as a
                    where (a.held > 0 or a.shortfall > 0) and a.shortfall > 0)
     order by o.id limit $1"
);

/// Orders that are owed units of items we know.
pub(crate) async fn short(
    conn: &mut Conn<'_>,
    limit: i64,
) -> Result<Vec<OrderTrouble>, StoreError> {
    conn.all(&SHORT, args![limit]).await?.iter().map(order).collect()
}

statement!(
    UNMAPPED,
    "select o.source, o.external_id, o.placed_at, l.line, l.sku
     from order_line as l join orders as o on o.id = l.order_id
     where l.item_id is null
       and (l.held + l.shortfall > 0 or l.shipped > 0 and l.fulfilled_by = 'ledger')
     order by l.order_id, l.line limit $1"
);

/// Lines of which nobody knows the item, and of which units are open or left a level that
/// does not know.
pub(crate) async fn unmapped(
    conn: &mut Conn<'_>,
    limit: i64,
) -> Result<Vec<OrderTrouble>, StoreError> {
    conn.all(&UNMAPPED, args![limit]).await?.iter().map(order).collect()
}

statement!(
    UNPAID,
    "select o.source, o.external_id, o.placed_at, o.held + o.shortfall, ''
     from orders as o
     where o.payment = 'required'
       and o.id in (select d.id from orders as d
                    where d.expires_at is not null and d.payment = 'required'
                      and d.accepted = 1 and d.held + d.shortfall > 0
                    union all
                    select g.id from orders as g
                    where g.payment = 'required' and g.shipped > g.returned)
     order by o.id limit $1"
);

/// Orders whose fulfilment has begun, or is over, and that nobody paid: they never run
/// out (R20).
pub(crate) async fn unpaid(
    conn: &mut Conn<'_>,
    limit: i64,
) -> Result<Vec<OrderTrouble>, StoreError> {
    conn.all(&UNPAID, args![limit]).await?.iter().map(order).collect()
}

// A refund that names the payment settles it; one that names none does where the order had
// no other payment to give back.
statement!(
    UNMATCHED,
    sqlite "select o.source, o.external_id, j.at, j.seq,
                   coalesce(json_extract(j.data, '$.payment_id'), '')
            from journal as j join orders as o on o.id = j.order_id
            where j.kind = 'payment.unmatched'
              and not exists (
                select 1 from journal as r
                where r.order_id = j.order_id and r.kind = 'order.refunded' and r.seq > j.seq
                  and coalesce(
                    json_extract(r.data, '$.payment_id') = json_extract(j.data, '$.payment_id'),
                    not exists (select 1 from journal as u
                                where u.order_id = j.order_id and u.kind = 'payment.unmatched'
                                  and u.seq <> j.seq and u.seq < r.seq)))
            order by j.seq limit $1",
    postgres "select o.source, o.external_id, j.at, j.seq,
                     coalesce(j.data::json ->> 'payment_id', '')
              from journal as j join orders as o on o.id = j.order_id
              where j.kind = 'payment.unmatched'
                and not exists (
                  select 1 from journal as r
                  where r.order_id = j.order_id and r.kind = 'order.refunded' and r.seq > j.seq
                    and coalesce(
                      r.data::json ->> 'payment_id' = j.data::json ->> 'payment_id',
                      not exists (select 1 from journal as u
                                  where u.order_id = j.order_id and u.kind = 'payment.unmatched'
                                    and u.seq <> j.seq and u.seq < r.seq)))
              order by j.seq limit $1"
);

/// Payments that are to be given back.
pub(crate) async fn unmatched(
    conn: &mut Conn<'_>,
    limit: i64,
) -> Result<Vec<OrderTrouble>, StoreError> {
    conn.all(&UNMATCHED, args![limit]).await?.iter().map(order).collect()
}

fn order(row: &Row) -> Result<OrderTrouble, StoreError> {
    Ok(OrderTrouble {
        source: row.text(0)?,
        external_id: row.text(1)?,
        since: row.int(2)?,
        number: row.int(3)?,
        name: row.text(4)?,
    })
}

/// A level that is not what the shelf has.
#[derive(Clone, Debug)]
pub(crate) struct Discrepancy {
    pub(crate) sku: String,
    pub(crate) location: String,
    pub(crate) since: i64,
    pub(crate) units: i64,
    pub(crate) on_hand: i64,
}

// A count of the level settles it that was observed afterwards: one of before that only
// came later did not see what left.
statement!(
    DISCREPANCIES,
    "select i.sku, p.code, min(j.at), cast(sum(coalesce(j.quantity, 0)) as bigint), min(l.on_hand)
     from journal as j
     join item as i on i.id = j.item_id
     join location as p on p.id = j.location_id
     join level as l on l.item_id = j.item_id and l.location_id = j.location_id
     where j.kind = 'stock.discrepancy'
       and not exists (select 1 from journal as c
                       where c.item_id = j.item_id and c.location_id = j.location_id
                         and c.level_version is not null and c.kind = 'count' and c.seq > j.seq
                         and c.effective_at >= j.effective_at)
     group by i.sku, p.code order by min(j.seq) limit $1"
);

/// Levels where more left than there was, and nobody counted since.
pub(crate) async fn discrepancies(
    conn: &mut Conn<'_>,
    limit: i64,
) -> Result<Vec<Discrepancy>, StoreError> {
    let rows = conn.all(&DISCREPANCIES, args![limit]).await?;
    let one = |row: &Row| {
        Ok(Discrepancy {
            sku: row.text(0)?,
            location: row.text(1)?,
            since: row.int(2)?,
            units: row.int(3)?,
            on_hand: row.int(4)?,
        })
    };
    rows.iter().map(one).collect()
}

/// An import that is neither written whole nor taken back whole.
#[derive(Clone, Debug)]
pub(crate) struct Unfinished {
    pub(crate) id: i64,
    pub(crate) status: String,
    pub(crate) file_name: String,
    pub(crate) since: i64,
    pub(crate) rows_done: i64,
    pub(crate) rows_total: i64,
}

statement!(
    UNFINISHED,
    "select id, status, file_name, created_at, rows_done, rows_total from batch
     where status in ('open', 'reverting') order by id limit $1"
);

/// Imports that go on, or were broken off.
pub(crate) async fn unfinished(
    conn: &mut Conn<'_>,
    limit: i64,
) -> Result<Vec<Unfinished>, StoreError> {
    let rows = conn.all(&UNFINISHED, args![limit]).await?;
    let one = |row: &Row| {
        Ok(Unfinished {
            id: row.int(0)?,
            status: row.text(1)?,
            file_name: row.text(2)?,
            since: row.int(3)?,
            rows_done: row.int(4)?,
            rows_total: row.int(5)?,
        })
    };
    rows.iter().map(one).collect()
}

statement!(
    WAITING,
    "select count(*), coalesce(min(queued_at), 0) from order_queue where queued_at <= $1"
);

/// Orders that wait for their decision since a moment or longer: how many, and since when.
pub(crate) async fn waiting(
    conn: &mut Conn<'_>,
    queued_by: i64,
) -> Result<Option<(i64, i64)>, StoreError> {
    let row = conn.one(&WAITING, args![queued_by]).await?;
    let (count, since) = (row.int(0)?, row.int(1)?);
    Ok((count > 0).then_some((count, since)))
}

/// A number on a channel that is not what it should be.
#[derive(Clone, Debug)]
pub(crate) struct ListingTrouble {
    pub(crate) channel: String,
    pub(crate) holder: String,
    pub(crate) place: String,
    pub(crate) sku: String,
    pub(crate) problem: String,
    pub(crate) since: i64,
}

statement!(
    LISTING_PROBLEMS,
    "select c.name, p.holder, p.place, i.sku, p.problem, j.at
     from push as p join channel as c on c.id = p.channel_id join item as i on i.id = p.item_id
     join journal as j on j.seq = p.dirty_seq
     where p.problem is not null and p.attempts >= 3
     order by p.channel_id, p.holder, p.place limit $1"
);

/// Numbers that several tries did not bring to what they should be.
pub(crate) async fn listing_problems(
    conn: &mut Conn<'_>,
    limit: i64,
) -> Result<Vec<ListingTrouble>, StoreError> {
    let rows = conn.all(&LISTING_PROBLEMS, args![limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(ListingTrouble {
                channel: row.text(0)?,
                holder: row.text(1)?,
                place: row.text(2)?,
                sku: row.text(3)?,
                problem: row.text(4)?,
                since: row.int(5)?,
            })
        })
        .collect()
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &SHORT,
    &UNMAPPED,
    &UNPAID,
    &UNMATCHED,
    &DISCREPANCIES,
    &UNFINISHED,
    &WAITING,
    &LISTING_PROBLEMS,
];
