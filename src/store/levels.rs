//! The table `level`: the running totals. Only the writer writes it.

use std::collections::HashMap;

use super::bulk::{Bulk, bulk};
use super::statement::{Row, Rows, Type, args, cells, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{ItemId, Level, LevelKey, LocationId, Sku, Totals};
use crate::ledger::LevelSlot;

// Levels are locked in (item, location) order by every transaction, those of a
// bundle's components with it. On SQLite the whole database was locked at its
// begin, and the look brings the levels.
statement!(
    LOCK_LEVELS,
    postgres "with named as (
                select s.item_id, s.sku from unnest($1::text[]) as wanted (sku)
                join item_sku as s on s.sku = wanted.sku
                union all
                select item_id, null from unnest($2::bigint[]) as wanted (item_id)),
              wanted as (
                select item_id, sku from named
                union all
                select p.part_id, null from named as n
                join bundle_part as p on p.bundle_id = n.item_id)
              select l.item_id, l.location_id, l.on_hand, l.reserved, l.shortfall, l.safety,
                     l.version, l.counted_at, w.sku
              from wanted as w join level as l on l.item_id = w.item_id
              order by l.item_id, l.location_id for update of l"
);

/// Levels that are locked.
#[derive(Debug, Default)]
pub(crate) struct LockedLevels {
    /// All levels of the items and of the components of bundles among them.
    pub(crate) levels: Vec<(LevelKey, Level)>,
    /// Which item a name is of, where the item has a level. A name never comes to
    /// be another item's, so this stays true.
    pub(crate) skus: HashMap<Sku, ItemId>,
}

/// Locks the levels of items until the transaction ends. None on SQLite, where
/// nobody else writes meanwhile.
pub(crate) async fn lock(
    conn: &mut Conn<'_>,
    skus: Vec<String>,
    items: Vec<i64>,
) -> Result<LockedLevels, StoreError> {
    let mut locked = LockedLevels::default();
    if matches!(conn, Conn::Sqlite(_)) || skus.is_empty() && items.is_empty() {
        return Ok(locked);
    }
    for row in conn.all(&LOCK_LEVELS, args![skus, items]).await? {
        let (key, one) = level(&row)?;
        if let Some(sku) = row.text_opt(8)? {
            let sku = Sku::new(&sku).map_err(|error| row.decode_error(error.to_string()))?;
            locked.skus.insert(sku, key.item);
        }
        locked.levels.push((key, one));
    }
    Ok(locked)
}

statement!(
    LEVELS,
    sqlite "select l.item_id, l.location_id, l.on_hand, l.reserved, l.shortfall, l.safety,
                   l.version, l.counted_at
            from json_each($1) as wanted cross join level as l on l.item_id = wanted.value",
    postgres "select item_id, location_id, on_hand, reserved, shortfall, safety, version,
                     counted_at
              from level where item_id = any($1::bigint[])"
);

/// All levels of items, as they are.
pub(crate) async fn load(
    conn: &mut Conn<'_>,
    items: Vec<i64>,
) -> Result<Vec<(LevelKey, Level)>, StoreError> {
    conn.all(&LEVELS, args![items]).await?.iter().map(level).collect()
}

/// Reads a level from the first eight columns.
fn level(row: &Row) -> Result<(LevelKey, Level), StoreError> {
    let key = LevelKey { item: ItemId::new(row.int(0)?), location: LocationId::new(row.int(1)?) };
    let totals = Totals {
        on_hand: row.int(2)?,
        reserved: row.int(3)?,
        shortfall: row.int(4)?,
        safety: row.int(5)?,
    };
    Ok((key, Level { totals, version: row.int(6)?, counted_at: row.int_opt(7)? }))
}

bulk!(
    NEW_LEVELS,
    9,
    "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety, version,
                        counted_at)
     select column1, column2, column3, column4, column5, column6, column8, column9
     from ({rows}) where column1 is not null"
);
statement!(
    INSERT_LEVELS,
    postgres "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety,
                                 version, counted_at)
              select item_id, location_id, on_hand, reserved, shortfall, safety, version, counted_at
              from (select unnest($1::bigint[]) as item_id, unnest($2::bigint[]) as location_id,
                unnest($3::bigint[]) as on_hand, unnest($4::bigint[]) as reserved,
                unnest($5::bigint[]) as shortfall, unnest($6::bigint[]) as safety,
                unnest($7::bigint[]) as read_version, unnest($8::bigint[]) as version,
                unnest($9::bigint[]) as counted_at) as d"
);

/// Levels to write.
#[derive(Debug)]
pub(crate) struct Changes {
    /// What is added to levels, with the version that was read and the new one.
    pub(super) changed: Rows,
    pub(super) new: Rows,
}

impl Changes {
    /// Levels that changed, and those of items of this batch.
    pub(crate) fn of(slots: Vec<(LevelKey, LevelSlot)>) -> Self {
        let stored = slots.iter().filter(|(_, slot)| slot.stored).count();
        let mut all = Self {
            changed: Rows::with_capacity(&[Type::Int; 9], stored),
            new: Rows::with_capacity(&[Type::Int; 9], slots.len() - stored),
        };
        for (key, slot) in slots {
            let LevelSlot { read, now, stored } = slot;
            let rows = if stored { &mut all.changed } else { &mut all.new };
            rows.push(cells![
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
        all
    }
}

/// Writes the levels of items of this batch.
pub(super) async fn insert(conn: &mut Conn<'_>, new: Rows) -> Result<(), StoreError> {
    conn.write_rows([(&INSERT_LEVELS, &NEW_LEVELS, new)]).await
}

statement!(
    INSERT_ZERO_LEVELS,
    sqlite "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety, version)
            select value->>0, value->>1, 0, 0, 0, 0, 0 from (select value from jsonb_each($1) limit -1) where true
            on conflict (item_id, location_id) do nothing",
    postgres "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety, version)
              select item_id, location_id, 0, 0, 0, 0, 0
              from (select unnest($1::bigint[]) as item_id,
                unnest($2::bigint[]) as location_id) as d
              on conflict (item_id, location_id) do nothing"
);

/// Makes missing levels as zeros; those somebody else made meanwhile stay.
pub(crate) async fn insert_zeros(conn: &mut Conn<'_>, keys: &[LevelKey]) -> Result<(), StoreError> {
    let mut rows = Rows::new(&[Type::Int, Type::Int]);
    for key in keys {
        rows.push(cells![key.item.get(), key.location.get()]);
    }
    conn.execute(&INSERT_ZERO_LEVELS, args![rows]).await.map(drop)
}

pub(super) const STATEMENTS: &[&Statement] =
    &[&LOCK_LEVELS, &LEVELS, &INSERT_LEVELS, &INSERT_ZERO_LEVELS];
pub(super) static BULKS: &[&Bulk] = &[&NEW_LEVELS];
