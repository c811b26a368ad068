//! The table `shop`: the one row that says whose database this is.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

statement!(SHOP, "select format, key_id, created_at from shop");

/// The public id of the instance key the database was made with.
pub(crate) async fn key_id(conn: &mut Conn<'_>) -> Result<Option<String>, StoreError> {
    let row = conn.optional(&SHOP, args![]).await?;
    row.map(|row| row.text(1)).transpose()
}

statement!(
    INSERT_SHOP,
    "insert into shop (one, format, key_id, created_at) values (1, 'invshop', $1, $2)"
);

/// Writes the row, once.
pub(crate) async fn insert(conn: &mut Conn<'_>, key_id: &str, now: i64) -> Result<(), StoreError> {
    conn.execute_one(&INSERT_SHOP, args![key_id, now]).await
}

statement!(
    SERVER_TIME,
    sqlite "select cast(unixepoch('subsec') * 1000 as integer)",
    postgres "select (extract(epoch from clock_timestamp()) * 1000)::bigint"
);

/// Milliseconds since 1970 by the clock of the database.
pub(crate) async fn server_time(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    conn.one(&SERVER_TIME, args![]).await?.int(0)
}

pub(super) const STATEMENTS: &[&Statement] = &[&SHOP, &INSERT_SHOP, &SERVER_TIME];
