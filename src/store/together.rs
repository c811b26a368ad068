//! What nearly every batch writes: new orders, their lines, where their units
//! stand, and levels. One round trip on PostgreSQL, and on SQLite while the rows
//! are few. The journal comes after it.

use super::bulk::{Bulk, Chain, bulk};
use super::levels::Changes;
use super::order_rows::Tables;
use super::statement::{Arg, Rows, args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::LevelKey;
use crate::ledger::{LevelSlot, OrderSlot};

bulk!(
    NEW_ORDERS,
    22,
    "insert into orders
       (id, source, external_id, decision, payment, accepted, location_id, expires_at,
        cancel_reason, placed_at, updated_at, currency, total, content_hash,
        source_version, version, ordered, held, shipped, shortfall, cancelled, returned)
     select * from ({rows}) where column1 is not null"
);
bulk!(
    NEW_LINES,
    14,
    "insert into order_line
       (order_id, line, item_id, sku, bundle, unit_price, fulfilled_by, ordered, held,
        shipped, shortfall, cancelled, returned, expired)
     select * from ({rows}) where column1 is not null"
);
// `or fail` as in the journal: there is no statement journal, so every error
// must roll the whole transaction back.
bulk!(
    NEW_ALLOCATIONS,
    8,
    "insert or fail into allocation
       (order_id, line, part, location_id, item_id, held, shipped, shortfall)
     select * from ({rows}) where column1 is not null"
);

// Levels change by deltas guarded by the version that was read: never an absolute value.
bulk!(
    MOVE_LEVELS,
    9,
    "update level set
       on_hand = level.on_hand + d.on_hand, reserved = level.reserved + d.reserved,
       shortfall = level.shortfall + d.shortfall, safety = level.safety + d.safety,
       version = d.version, counted_at = d.counted_at
     from (select column1 as item_id, column2 as location_id, column3 as on_hand,
                  column4 as reserved, column5 as shortfall, column6 as safety,
                  column7 as read_version, column8 as version, column9 as counted_at
           from ({rows}) where column1 is not null) as d
     where level.item_id = d.item_id and level.location_id = d.location_id
       and level.version = d.read_version"
);

static TOGETHER: Chain<4> = Chain::of([&NEW_ORDERS, &NEW_LINES, &NEW_ALLOCATIONS, &MOVE_LEVELS]);

// The journal lock is taken where nothing else is to be written before the
// journal, and only after all rows are: counting them comes first.
statement!(
    WRITE,
    postgres "with new_orders as (
                insert into orders
                  (id, source, external_id, decision, payment, accepted, location_id, expires_at,
                   cancel_reason, placed_at, updated_at, currency, total, content_hash,
                   source_version, version, ordered, held, shipped, shortfall, cancelled, returned)
                select unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[]),
                  unnest($4::text[]), unnest($5::text[]), unnest($6::bigint[]),
                  unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::text[]),
                  unnest($10::bigint[]), unnest($11::bigint[]), unnest($12::text[]),
                  unnest($13::bigint[]), unnest($14::bytea[]), unnest($15::bigint[]),
                  unnest($16::bigint[]), unnest($17::bigint[]), unnest($18::bigint[]),
                  unnest($19::bigint[]), unnest($20::bigint[]), unnest($21::bigint[]),
                  unnest($22::bigint[])
                returning 1),
              lines as (
                insert into order_line
                  (order_id, line, item_id, sku, bundle, unit_price, fulfilled_by, ordered, held,
                   shipped, shortfall, cancelled, returned, expired)
                select unnest($23::bigint[]), unnest($24::bigint[]), unnest($25::bigint[]),
                  unnest($26::text[]), unnest($27::bigint[]), unnest($28::bigint[]),
                  unnest($29::text[]), unnest($30::bigint[]), unnest($31::bigint[]),
                  unnest($32::bigint[]), unnest($33::bigint[]), unnest($34::bigint[]),
                  unnest($35::bigint[]), unnest($36::bigint[])
                returning 1),
              allocations as (
                insert into allocation
                  (order_id, line, part, location_id, item_id, held, shipped, shortfall)
                select unnest($37::bigint[]), unnest($38::bigint[]), unnest($39::bigint[]),
                  unnest($40::bigint[]), unnest($41::bigint[]), unnest($42::bigint[]),
                  unnest($43::bigint[]), unnest($44::bigint[])
                returning 1),
              levels as (
                update level set
                  on_hand = level.on_hand + d.on_hand, reserved = level.reserved + d.reserved,
                  shortfall = level.shortfall + d.shortfall, safety = level.safety + d.safety,
                  version = d.version, counted_at = d.counted_at
                from (select unnest($45::bigint[]) as item_id,
                  unnest($46::bigint[]) as location_id, unnest($47::bigint[]) as on_hand,
                  unnest($48::bigint[]) as reserved, unnest($49::bigint[]) as shortfall,
                  unnest($50::bigint[]) as safety, unnest($51::bigint[]) as read_version,
                  unnest($52::bigint[]) as version, unnest($53::bigint[]) as counted_at) as d
                where level.item_id = d.item_id and level.location_id = d.location_id
                  and level.version = d.read_version
                returning 1),
              written as materialized (
                select (select count(*) from new_orders) + (select count(*) from lines)
                     + (select count(*) from allocations) + (select count(*) from levels) as rows)
              select rows,
                case when rows >= 0 and $54::bigint = 1
                  then pg_advisory_xact_lock(29675938226959216)::text end
              from written"
);

/// Writes orders and levels. A level or an order whose version is no longer the
/// one read fails the whole: the batch is redone. With `last` nothing else is
/// written before the journal. Whether the journal lock is taken.
pub(crate) async fn write(
    conn: &mut Conn<'_>,
    levels: Vec<(LevelKey, LevelSlot)>,
    orders: &[&OrderSlot],
    now: i64,
    last: bool,
) -> Result<bool, StoreError> {
    let Changes { changed, new } = Changes::of(levels);
    super::levels::insert(conn, new).await?;
    let Tables { new, lines, allocations, rest } = Tables::of(orders, now);
    let rows = [new, lines, allocations, changed];
    let expected: usize = rows.iter().map(Rows::len).sum();
    let lock = last && rest.is_empty();
    let changed = match conn {
        Conn::Sqlite(_) if expected == 0 => 0,
        Conn::Sqlite(conn) => TOGETHER.write(conn, rows).await?,
        Conn::Postgres(_) => {
            let lock = args![i64::from(lock)];
            let args = rows.into_iter().map(Arg::from).chain(lock).collect();
            u64::try_from(conn.one(&WRITE, args).await?.int(0)?).unwrap_or(0)
        }
    };
    let expected = expected as u64;
    if changed != expected {
        return Err(StoreError::RowsAffected { statement: WRITE.name, changed, expected });
    }
    rest.write(conn).await?;
    Ok(lock)
}

pub(super) const STATEMENTS: &[&Statement] = &[&WRITE];
pub(super) static BULKS: &[&Bulk] = &[&NEW_ORDERS, &NEW_LINES, &NEW_ALLOCATIONS, &MOVE_LEVELS];
