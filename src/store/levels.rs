//! The table `level`: the running totals. Only the writer writes it.

use super::statement::{Rows, Type, args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{ItemId, Level, LevelKey, LocationId, Totals};
use crate::ledger::LevelSlot;

// Levels are locked in (item, location) order by every transaction; on SQLite
// the whole database was locked at its begin.
statement!(
    LOCK_LEVELS,
    sqlite "select l.item_id, l.location_id, l.on_hand, l.reserved, l.shortfall, l.safety,
                   l.version, l.counted_at
            from json_each($1) as wanted cross join level as l on l.item_id = wanted.value",
    postgres "select item_id, location_id, on_hand, reserved, shortfall, safety, version, counted_at
              from level where item_id = any($1::bigint[])
              order by item_id, location_id for update"
);

/// All levels of items, locked until the transaction ends.
pub(crate) async fn lock(
    conn: &mut Conn<'_>,
    items: &[ItemId],
) -> Result<Vec<(LevelKey, Level)>, StoreError> {
    let ids: Vec<i64> = items.iter().map(|item| item.get()).collect();
    let rows = conn.all(&LOCK_LEVELS, args![ids]).await?;
    rows.iter()
        .map(|row| {
            let item = ItemId::new(row.int(0)?);
            let key = LevelKey { item, location: LocationId::new(row.int(1)?) };
            let totals = Totals {
                on_hand: row.int(2)?,
                reserved: row.int(3)?,
                shortfall: row.int(4)?,
                safety: row.int(5)?,
            };
            Ok((key, Level { totals, version: row.int(6)?, counted_at: row.int_opt(7)? }))
        })
        .collect()
}

// Deltas guarded by the version that was read: never an absolute value.
statement!(
    UPDATE_LEVELS,
    sqlite "update level set
              on_hand = level.on_hand + d.on_hand, reserved = level.reserved + d.reserved,
              shortfall = level.shortfall + d.shortfall, safety = level.safety + d.safety,
              version = d.version, counted_at = d.counted_at
            from (select value->>0 as item_id, value->>1 as location_id, value->>2 as on_hand,
                         value->>3 as reserved, value->>4 as shortfall, value->>5 as safety,
                         value->>6 as read_version, value->>7 as version, value->>8 as counted_at
                  from json_each($1)) as d
            where level.item_id = d.item_id and level.location_id = d.location_id
              and level.version = d.read_version",
    postgres "update level set
                on_hand = level.on_hand + d.on_hand, reserved = level.reserved + d.reserved,
                shortfall = level.shortfall + d.shortfall, safety = level.safety + d.safety,
                version = d.version, counted_at = d.counted_at
              from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                          $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
                as d (item_id, location_id, on_hand, reserved, shortfall, safety,
                      read_version, version, counted_at)
              where level.item_id = d.item_id and level.location_id = d.location_id
                and level.version = d.read_version"
);

statement!(
    INSERT_LEVELS,
    sqlite "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety,
                               version, counted_at)
            select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>7,
                   value->>8
            from json_each($1)",
    postgres "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety,
                                 version, counted_at)
              select item_id, location_id, on_hand, reserved, shortfall, safety, version, counted_at
              from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                          $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
                as d (item_id, location_id, on_hand, reserved, shortfall, safety,
                      read_version, version, counted_at)"
);

/// Writes levels that changed, and those of items of this batch. A level whose
/// version is no longer the one read fails the whole: the batch is redone.
pub(crate) async fn write(
    conn: &mut Conn<'_>,
    slots: impl Iterator<Item = (LevelKey, LevelSlot)>,
) -> Result<(), StoreError> {
    let mut changed = Rows::new(&[Type::Int; 9]);
    let mut new = Rows::new(&[Type::Int; 9]);
    for (key, slot) in slots {
        let LevelSlot { read, now, stored } = slot;
        let rows = if stored { &mut changed } else { &mut new };
        rows.push(args![
            key.item.get(),
            key.location.get(),
            now.totals.on_hand - read.totals.on_hand,
            now.totals.reserved - read.totals.reserved,
            now.totals.shortfall - read.totals.shortfall,
            now.totals.safety - read.totals.safety,
            read.version,
            now.version,
            now.counted_at,
        ]);
    }
    conn.write(&UPDATE_LEVELS, changed).await?;
    conn.write(&INSERT_LEVELS, new).await
}

statement!(
    INSERT_ZERO_LEVELS,
    sqlite "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety, version)
            select value->>0, value->>1, 0, 0, 0, 0, 0 from json_each($1) where true
            on conflict (item_id, location_id) do nothing",
    postgres "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety, version)
              select item_id, location_id, 0, 0, 0, 0, 0
              from unnest($1::bigint[], $2::bigint[]) as d (item_id, location_id)
              on conflict (item_id, location_id) do nothing"
);

/// Makes missing levels as zeros; those somebody else made meanwhile stay.
pub(crate) async fn insert_zeros(conn: &mut Conn<'_>, keys: &[LevelKey]) -> Result<(), StoreError> {
    let mut rows = Rows::new(&[Type::Int, Type::Int]);
    for key in keys {
        rows.push(args![key.item.get(), key.location.get()]);
    }
    conn.execute(&INSERT_ZERO_LEVELS, args![rows]).await.map(drop)
}

pub(super) const STATEMENTS: &[&Statement] =
    &[&LOCK_LEVELS, &UPDATE_LEVELS, &INSERT_LEVELS, &INSERT_ZERO_LEVELS];
