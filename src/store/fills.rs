//! The table `fill_rest`: levels that one transaction could not fill whole.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{ItemId, LevelKey, LocationId};

/// Levels that are gone on with at a time; the next look finds the others.
pub(crate) const RESTS_MAX: i64 = 64;

statement!(
    RESTS,
    "select item_id, location_id from fill_rest order by item_id, location_id limit $1"
);

/// Levels with something left to fill.
pub(crate) async fn rests(conn: &mut Conn<'_>) -> Result<Vec<LevelKey>, StoreError> {
    let rows = conn.all(&RESTS, args![RESTS_MAX]).await?;
    let key = |row: &super::statement::Row| {
        Ok(LevelKey { item: ItemId::new(row.int(0)?), location: LocationId::new(row.int(1)?) })
    };
    rows.iter().map(key).collect()
}

statement!(
    REMEMBER_REST,
    "insert into fill_rest (item_id, location_id) values ($1, $2) on conflict do nothing"
);
statement!(FORGET_REST, "delete from fill_rest where item_id = $1 and location_id = $2");

/// Remembers whether a level has something left to fill. Its row is locked, so
/// no other transaction says anything about it meanwhile.
pub(crate) async fn set_rest(
    conn: &mut Conn<'_>,
    key: LevelKey,
    rest: bool,
) -> Result<(), StoreError> {
    let statement = if rest { &REMEMBER_REST } else { &FORGET_REST };
    conn.execute(statement, args![key.item.get(), key.location.get()]).await.map(drop)
}

pub(super) const STATEMENTS: &[&Statement] = &[&RESTS, &REMEMBER_REST, &FORGET_REST];
