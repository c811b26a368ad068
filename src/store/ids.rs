//! Ids for new rows. None is remembered across transactions.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

statement!(
    NEXT_OTHER_IDS,
    sqlite "select max(coalesce((select max(id) from location), 0),
                       coalesce((select max(id) from account), 0),
                       coalesce((select max(id) from batch), 0)) + 1 where $1 > 0",
    postgres "select greatest(nextval('location_id_seq'), nextval('account_id_seq'),
                              nextval('batch_id_seq')) from generate_series(1, $1::bigint)"
);

/// Ids for locations, accounts and imports, which are few: one number serves any of them.
pub(crate) async fn next_other_ids(
    conn: &mut Conn<'_>,
    count: i64,
) -> Result<Vec<i64>, StoreError> {
    next_ids(conn, &NEXT_OTHER_IDS, count).await
}

/// Runs a statement that hands out ids: all of them on PostgreSQL, the first on SQLite.
pub(super) async fn next_ids(
    conn: &mut Conn<'_>,
    statement: &'static Statement,
    count: i64,
) -> Result<Vec<i64>, StoreError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let rows = conn.all(statement, args![count]).await?;
    let ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    match (conn, ids.as_slice()) {
        (Conn::Sqlite(_), [first]) => {
            Ok((*first..).take(usize::try_from(count).unwrap_or(0)).collect())
        }
        _ => Ok(ids),
    }
}

pub(super) const STATEMENTS: &[&Statement] = &[&NEXT_OTHER_IDS];
