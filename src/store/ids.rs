//! Ids for new rows. None is remembered across transactions.

use std::collections::VecDeque;

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{AccountId, BatchId, LocationId, UserId};

statement!(
    NEXT_LOCATION_IDS,
    sqlite "select coalesce(max(id), 0) + 1 from location where $1 > 0",
    postgres "select nextval('location_id_seq') from generate_series(1, $1::bigint)"
);
statement!(
    NEXT_ACCOUNT_IDS,
    sqlite "select coalesce(max(id), 0) + 1 from account where $1 > 0",
    postgres "select nextval('account_id_seq') from generate_series(1, $1::bigint)"
);
statement!(
    NEXT_BATCH_IDS,
    sqlite "select coalesce(max(id), 0) + 1 from batch where $1 > 0",
    postgres "select nextval('batch_id_seq') from generate_series(1, $1::bigint)"
);

statement!(
    NEXT_USER_IDS,
    sqlite "select coalesce(max(id), 0) + 1 from users where $1 > 0",
    postgres "select nextval('users_id_seq') from generate_series(1, $1::bigint)"
);

/// Ids for new locations.
pub(crate) async fn next_location_ids(
    conn: &mut Conn<'_>,
    count: i64,
) -> Result<VecDeque<LocationId>, StoreError> {
    let ids = next_ids(conn, &NEXT_LOCATION_IDS, count).await?;
    Ok(ids.into_iter().map(LocationId::new).collect())
}

/// Ids for new accounts.
pub(crate) async fn next_account_ids(
    conn: &mut Conn<'_>,
    count: i64,
) -> Result<VecDeque<AccountId>, StoreError> {
    let ids = next_ids(conn, &NEXT_ACCOUNT_IDS, count).await?;
    Ok(ids.into_iter().map(AccountId::new).collect())
}

/// Ids for new imports.
pub(crate) async fn next_batch_ids(
    conn: &mut Conn<'_>,
    count: i64,
) -> Result<VecDeque<BatchId>, StoreError> {
    let ids = next_ids(conn, &NEXT_BATCH_IDS, count).await?;
    Ok(ids.into_iter().map(BatchId::new).collect())
}

/// Ids for new users.
pub(crate) async fn next_user_ids(
    conn: &mut Conn<'_>,
    count: i64,
) -> Result<VecDeque<UserId>, StoreError> {
    let ids = next_ids(conn, &NEXT_USER_IDS, count).await?;
    Ok(ids.into_iter().map(UserId::new).collect())
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

pub(super) const STATEMENTS: &[&Statement] =
    &[&NEXT_LOCATION_IDS, &NEXT_ACCOUNT_IDS, &NEXT_BATCH_IDS, &NEXT_USER_IDS];
