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

pub(super) const STATEMENTS: &[&Statement] = &[&SHOP, &INSERT_SHOP];
