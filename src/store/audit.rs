//! Reading the whole database in pages, for the proof of `db verify`.
//!
//! Every page is bounded and goes by primary key or by an index, so the memory
//! of a proof does not grow with the database. Values are read as they are
//! stored: what a type would refuse is for the proof to find.

use super::journal_reads::{deltas, totals};
use super::statement::{Row, args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{Counts, Deltas, ItemId, LevelKey, LocationId, Totals};

/// One entry as far as the order of the journal is concerned.
#[derive(Clone, Debug)]
pub(crate) struct EntryRow {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) effective_at: i64,
    pub(crate) kind: String,
    pub(crate) is_movement: bool,
    /// It has an idempotency key.
    pub(crate) keyed: bool,
    /// It has the account and the hash that belong to a key.
    pub(crate) key_complete: bool,
    /// What it names that does not exist, by name.
    pub(crate) missing: Vec<&'static str>,
    pub(crate) order: Option<i64>,
}

statement!(
    ENTRY_PAGE,
    "select j.seq, j.at, j.effective_at, j.kind,
            cast(case when j.level_version is null then 0 else 1 end as bigint),
            cast(case when j.idem_key is null then 0 else 1 end as bigint),
            cast(case when j.account_id is null or j.content_hash is null then 0 else 1 end as bigint),
            cast(case when j.item_id is not null and i.id is null then 1 else 0 end as bigint),
            cast(case when j.location_id is not null and p.id is null then 1 else 0 end as bigint),
            cast(case when j.order_id is not null and o.id is null then 1 else 0 end as bigint),
            cast(case when j.account_id is not null and a.id is null then 1 else 0 end as bigint),
            cast(case when j.batch_id is not null and b.id is null then 1 else 0 end as bigint),
            cast(case when j.reverses is not null and r.seq is null then 1 else 0 end as bigint),
            j.order_id
     from journal as j
     left join item as i on i.id = j.item_id
     left join location as p on p.id = j.location_id
     left join orders as o on o.id = j.order_id
     left join account as a on a.id = j.account_id
     left join batch as b on b.id = j.batch_id
     left join journal as r on r.seq = j.reverses
     where j.seq > $1 order by j.seq limit $2"
);

/// Entries after a seq, in order.
pub(crate) async fn entries(
    conn: &mut Conn<'_>,
    after: i64,
    limit: i64,
) -> Result<Vec<EntryRow>, StoreError> {
    const NAMED: [&str; 6] = ["item", "location", "order", "account", "batch", "reversed entry"];
    let rows = conn.all(&ENTRY_PAGE, args![after, limit]).await?;
    rows.iter()
        .map(|row| {
            let mut missing = Vec::new();
            for (index, name) in NAMED.into_iter().enumerate() {
                if row.flag(7 + index)? {
                    missing.push(name);
                }
            }
            Ok(EntryRow {
                seq: row.int(0)?,
                at: row.int(1)?,
                effective_at: row.int(2)?,
                kind: row.text(3)?,
                is_movement: row.flag(4)?,
                keyed: row.flag(5)?,
                key_complete: row.flag(6)?,
                missing,
                order: row.int_opt(13)?,
            })
        })
        .collect()
}

/// One movement of a level.
#[derive(Clone, Debug)]
pub(crate) struct MovementRow {
    pub(crate) key: LevelKey,
    pub(crate) version: i64,
    pub(crate) seq: i64,
    pub(crate) kind: String,
    pub(crate) deltas: Deltas,
    pub(crate) totals: Totals,
    pub(crate) effective_at: i64,
}

statement!(
    MOVEMENT_PAGE,
    "select item_id, location_id, level_version, seq, kind,
            d_on_hand, d_reserved, d_shortfall, d_safety,
            on_hand, reserved, shortfall, safety, effective_at
     from journal
     where level_version is not null and (item_id, location_id, level_version) > ($1, $2, $3)
     order by item_id, location_id, level_version limit $4"
);

/// Movements after one, by level and version.
pub(crate) async fn movements(
    conn: &mut Conn<'_>,
    after: Option<(LevelKey, i64)>,
    limit: i64,
) -> Result<Vec<MovementRow>, StoreError> {
    let (item, location, version) =
        after.map_or((0, 0, 0), |(key, version)| (key.item.get(), key.location.get(), version));
    let rows = conn.all(&MOVEMENT_PAGE, args![item, location, version, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(MovementRow {
                key: key(row)?,
                version: row.int(2)?,
                seq: row.int(3)?,
                kind: row.text(4)?,
                deltas: deltas(row, 5)?,
                totals: totals(row, 9)?,
                effective_at: row.int(13)?,
            })
        })
        .collect()
}

fn key(row: &Row) -> Result<LevelKey, StoreError> {
    Ok(LevelKey { item: ItemId::new(row.int(0)?), location: LocationId::new(row.int(1)?) })
}

/// One level.
#[derive(Clone, Debug)]
pub(crate) struct LevelRow {
    pub(crate) key: LevelKey,
    pub(crate) totals: Totals,
    pub(crate) version: i64,
    pub(crate) counted_at: Option<i64>,
}

statement!(
    LEVEL_PAGE,
    "select item_id, location_id, on_hand, reserved, shortfall, safety, version, counted_at
     from level where (item_id, location_id) > ($1, $2)
     order by item_id, location_id limit $3"
);

/// Levels after one, in order.
pub(crate) async fn levels(
    conn: &mut Conn<'_>,
    after: Option<LevelKey>,
    limit: i64,
) -> Result<Vec<LevelRow>, StoreError> {
    let (item, location) = after.map_or((0, 0), |key| (key.item.get(), key.location.get()));
    let rows = conn.all(&LEVEL_PAGE, args![item, location, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(LevelRow {
                key: key(row)?,
                totals: totals(row, 2)?,
                version: row.int(6)?,
                counted_at: row.int_opt(7)?,
            })
        })
        .collect()
}

/// What all order lines hold and are owed at a level.
#[derive(Clone, Debug)]
pub(crate) struct ClaimRow {
    pub(crate) key: LevelKey,
    pub(crate) held: i64,
    pub(crate) shortfall: i64,
}

statement!(
    CLAIM_PAGE,
    "select item_id, location_id, cast(sum(held) as bigint), cast(sum(shortfall) as bigint)
     from allocation
     where (held > 0 or shortfall > 0) and (item_id, location_id) > ($1, $2)
     group by item_id, location_id order by item_id, location_id limit $3"
);

/// The claims on levels after one, in order.
pub(crate) async fn claims(
    conn: &mut Conn<'_>,
    after: Option<LevelKey>,
    limit: i64,
) -> Result<Vec<ClaimRow>, StoreError> {
    let (item, location) = after.map_or((0, 0), |key| (key.item.get(), key.location.get()));
    let rows = conn.all(&CLAIM_PAGE, args![item, location, limit]).await?;
    rows.iter()
        .map(|row| Ok(ClaimRow { key: key(row)?, held: row.int(2)?, shortfall: row.int(3)? }))
        .collect()
}

/// An order's own row.
#[derive(Clone, Debug)]
pub(crate) struct OrderRow {
    pub(crate) id: i64,
    pub(crate) status: String,
    pub(crate) total: Option<i64>,
    pub(crate) counts: Counts,
    /// It is in the queue.
    pub(crate) waits: bool,
    /// It says why it was refused.
    pub(crate) refused: bool,
}

statement!(
    ORDER_ROWS,
    "select o.id, o.status, o.total, o.ordered, o.held, o.shipped, o.shortfall, o.cancelled,
            o.returned, cast(case when q.order_id is null then 0 else 1 end as bigint),
            cast(case when o.refusal is null then 0 else 1 end as bigint)
     from orders as o left join order_queue as q on q.order_id = o.id
     where o.id > $1 order by o.id limit $2"
);

/// Orders after one, in order.
pub(crate) async fn orders(
    conn: &mut Conn<'_>,
    after: i64,
    limit: i64,
) -> Result<Vec<OrderRow>, StoreError> {
    let rows = conn.all(&ORDER_ROWS, args![after, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(OrderRow {
                id: row.int(0)?,
                status: row.text(1)?,
                total: row.int_opt(2)?,
                counts: counts(row, 3)?,
                waits: row.flag(9)?,
                refused: row.flag(10)?,
            })
        })
        .collect()
}

fn counts(row: &Row, from: usize) -> Result<Counts, StoreError> {
    Ok(Counts {
        ordered: row.int(from)?,
        held: row.int(from + 1)?,
        shipped: row.int(from + 2)?,
        shortfall: row.int(from + 3)?,
        cancelled: row.int(from + 4)?,
        returned: row.int(from + 5)?,
    })
}

/// A line's or a part's own row. A line's own part is 0.
#[derive(Clone, Debug)]
pub(crate) struct LineRow {
    pub(crate) order: i64,
    pub(crate) line: i64,
    pub(crate) part: i64,
    pub(crate) counts: Counts,
    pub(crate) expired: i64,
    /// It names an item that does not exist.
    pub(crate) item_missing: bool,
}

statement!(
    LINE_ROWS,
    sqlite "select l.order_id, l.line, 0, l.ordered, l.held, l.shipped, l.shortfall, l.cancelled,
                   l.returned, l.expired,
                   case when l.item_id is not null and i.id is null then 1 else 0 end
            from json_each($1) as wanted cross join order_line as l on l.order_id = wanted.value
            left join item as i on i.id = l.item_id
            union all
            select p.order_id, p.line, p.part, p.ordered, p.held, p.shipped, p.shortfall,
                   p.cancelled, p.returned, p.expired, case when i.id is null then 1 else 0 end
            from json_each($1) as wanted cross join order_part as p on p.order_id = wanted.value
            left join item as i on i.id = p.item_id",
    postgres "select l.order_id, l.line, 0::bigint, l.ordered, l.held, l.shipped, l.shortfall,
                     l.cancelled, l.returned, l.expired,
                     case when l.item_id is not null and i.id is null then 1::bigint else 0 end
              from order_line as l left join item as i on i.id = l.item_id
              where l.order_id = any($1::bigint[])
              union all
              select p.order_id, p.line, p.part, p.ordered, p.held, p.shipped, p.shortfall,
                     p.cancelled, p.returned, p.expired,
                     case when i.id is null then 1::bigint else 0 end
              from order_part as p left join item as i on i.id = p.item_id
              where p.order_id = any($1::bigint[])"
);

/// The lines of orders, and the parts of bundles' lines.
pub(crate) async fn lines(
    conn: &mut Conn<'_>,
    orders: Vec<i64>,
) -> Result<Vec<LineRow>, StoreError> {
    let rows = conn.all(&LINE_ROWS, args![orders]).await?;
    rows.iter()
        .map(|row| {
            Ok(LineRow {
                order: row.int(0)?,
                line: row.int(1)?,
                part: row.int(2)?,
                counts: counts(row, 3)?,
                expired: row.int(9)?,
                item_missing: row.flag(10)?,
            })
        })
        .collect()
}

/// Units at one location: as an allocation says, or as movements add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) held: i64,
    pub(crate) shipped: i64,
    pub(crate) shortfall: i64,
}

/// (order, line, part, location, item).
pub(crate) type StandingKey = (i64, i64, i64, i64, i64);

statement!(
    ALLOCATION_ROWS,
    sqlite "select a.order_id, a.line, a.part, a.location_id, a.item_id, a.held, a.shipped,
                   a.shortfall
            from json_each($1) as wanted cross join allocation as a on a.order_id = wanted.value",
    postgres "select order_id, line, part, location_id, item_id, held, shipped, shortfall
              from allocation where order_id = any($1::bigint[])"
);
statement!(
    MOVED_ROWS,
    sqlite "select j.order_id, j.line, j.part, j.location_id, j.item_id, sum(j.d_reserved),
                   sum(case when j.kind = 'ship' then coalesce(j.quantity, 0) else 0 end),
                   sum(j.d_shortfall)
            from json_each($1) as wanted cross join journal as j on j.order_id = wanted.value
            where j.level_version is not null and j.line is not null and j.part is not null
            group by j.order_id, j.line, j.part, j.location_id, j.item_id",
    postgres "select order_id, line, part, location_id, item_id,
                     cast(sum(d_reserved) as bigint),
                     cast(sum(case when kind = 'ship' then coalesce(quantity, 0) else 0 end)
                          as bigint),
                     cast(sum(d_shortfall) as bigint)
              from journal
              where order_id = any($1::bigint[]) and level_version is not null
                and line is not null and part is not null
              group by order_id, line, part, location_id, item_id"
);

/// Where the units of orders stand, as their allocations say.
pub(crate) async fn allocations(
    conn: &mut Conn<'_>,
    orders: Vec<i64>,
) -> Result<Vec<(StandingKey, Standing)>, StoreError> {
    conn.all(&ALLOCATION_ROWS, args![orders]).await?.iter().map(standing).collect()
}

/// Where the units of orders stand, as their movements add up.
pub(crate) async fn moved(
    conn: &mut Conn<'_>,
    orders: Vec<i64>,
) -> Result<Vec<(StandingKey, Standing)>, StoreError> {
    conn.all(&MOVED_ROWS, args![orders]).await?.iter().map(standing).collect()
}

fn standing(row: &Row) -> Result<(StandingKey, Standing), StoreError> {
    let key = (row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?, row.int(4)?);
    Ok((key, Standing { held: row.int(5)?, shipped: row.int(6)?, shortfall: row.int(7)? }))
}

/// How an order begins in the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    pub(crate) order: i64,
    /// Its first entry.
    pub(crate) first: i64,
    /// The first entry that says it was placed, imported or queued.
    pub(crate) placed: Option<i64>,
    /// How many entries say that it was placed or imported.
    pub(crate) count: i64,
    /// How many say that it was queued.
    pub(crate) queued: i64,
}

impl Beginning {
    /// Whether it was placed or imported once; or queued once and placed once at most.
    pub(crate) const fn begins_once(&self) -> bool {
        self.count == 1 && self.queued <= 1 || self.count == 0 && self.queued == 1
    }
}

statement!(
    BEGINNINGS,
    sqlite "select j.order_id, min(j.seq),
                   min(case when j.kind in ('order.placed', 'order.imported', 'order.queued')
                            then j.seq end),
                   sum(case when j.kind in ('order.placed', 'order.imported') then 1 else 0 end),
                   sum(case when j.kind = 'order.queued' then 1 else 0 end)
            from json_each($1) as wanted cross join journal as j on j.order_id = wanted.value
            group by j.order_id",
    postgres "select order_id, min(seq),
                     min(case when kind in ('order.placed', 'order.imported', 'order.queued')
                              then seq end),
                     sum(case when kind in ('order.placed', 'order.imported') then 1 else 0 end),
                     sum(case when kind = 'order.queued' then 1 else 0 end)
              from journal where order_id = any($1::bigint[]) group by order_id"
);

/// How orders begin; those without an entry are left out.
pub(crate) async fn beginnings(
    conn: &mut Conn<'_>,
    orders: Vec<i64>,
) -> Result<Vec<Beginning>, StoreError> {
    let rows = conn.all(&BEGINNINGS, args![orders]).await?;
    rows.iter()
        .map(|row| {
            Ok(Beginning {
                order: row.int(0)?,
                first: row.int(1)?,
                placed: row.int_opt(2)?,
                count: row.int(3)?,
                queued: row.int(4)?,
            })
        })
        .collect()
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &ENTRY_PAGE,
    &MOVEMENT_PAGE,
    &LEVEL_PAGE,
    &CLAIM_PAGE,
    &ORDER_ROWS,
    &LINE_ROWS,
    &ALLOCATION_ROWS,
    &MOVED_ROWS,
    &BEGINNINGS,
];
