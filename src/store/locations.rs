//! The table `location`.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{Location, LocationCode, LocationId, LocationKind};
use crate::ledger::catalogue::NewLocation;

statement!(
    ALL_LOCATIONS,
    "select id, code, name, kind, authority, sellable, priority from location
     order by priority, code"
);

/// All locations by priority, then code.
pub(crate) async fn all(conn: &mut Conn<'_>) -> Result<Vec<Location>, StoreError> {
    let rows = conn.all(&ALL_LOCATIONS, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok(Location {
                id: LocationId::new(row.int(0)?),
                code: row.parsed(1, LocationCode::new)?,
                name: row.text(2)?,
                kind: row.parsed(3, str::parse::<LocationKind>)?,
                authority: row.text(4)?,
                sellable: row.flag(5)?,
                priority: row.int(6)?,
            })
        })
        .collect()
}

statement!(
    INSERT_LOCATION,
    "insert into location (id, code, name, kind, authority, sellable, priority, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8)"
);

/// Adds a location.
pub(crate) async fn insert(
    conn: &mut Conn<'_>,
    id: LocationId,
    new: &NewLocation,
    now: i64,
) -> Result<(), StoreError> {
    let sellable = new.sellable.unwrap_or(new.kind.sellable_by_default());
    let authority = new.authority.as_ref().map_or("ledger", |name| name.as_str());
    let args = args![
        id.get(),
        new.code.as_str(),
        new.name.as_str(),
        new.kind.as_str(),
        authority,
        i64::from(sellable),
        new.priority.unwrap_or(0),
        now,
    ];
    conn.execute(&INSERT_LOCATION, args).await.map(drop)
}

pub(super) const STATEMENTS: &[&Statement] = &[&ALL_LOCATIONS, &INSERT_LOCATION];
