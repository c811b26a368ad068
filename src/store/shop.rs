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

statement!(HASHES, "select hashes from shop");

/// What hashes are made with, sealed, where the instance key took the place of another.
pub(crate) async fn hashes(conn: &mut Conn<'_>) -> Result<Option<Vec<u8>>, StoreError> {
    let row = conn.optional(&HASHES, args![]).await?;
    row.map_or(Ok(None), |row| row.bytes_opt(0))
}

statement!(SET_KEY, "update shop set key_id = $1, hashes = $2 where key_id = $3");

/// Names another instance key, with what hashes are made with.
pub(crate) async fn set_key(
    conn: &mut Conn<'_>,
    (before, now): (&str, &str),
    hashes: Vec<u8>,
) -> Result<(), StoreError> {
    conn.execute_one(&SET_KEY, args![now, hashes, before]).await
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

pub(super) const STATEMENTS: &[&Statement] =
    &[&SHOP, &INSERT_SHOP, &HASHES, &SET_KEY, &SERVER_TIME];
