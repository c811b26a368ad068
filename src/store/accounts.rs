//! The tables `account` and `api_key`.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::AccountId;
use crate::ledger::catalogue::NewAccount;

statement!(FIND_ACCOUNT, "select id from account where name = $1");

/// A key holder by its name.
pub(crate) async fn find(conn: &mut Conn<'_>, name: &str) -> Result<Option<AccountId>, StoreError> {
    let row = conn.optional(&FIND_ACCOUNT, args![name]).await?;
    row.map(|row| row.int(0).map(AccountId::new)).transpose()
}

statement!(
    INSERT_ACCOUNT,
    "insert into account (id, name, role, created_at) values ($1, $2, $3, $4)"
);
statement!(
    INSERT_KEY,
    "insert into api_key (prefix, account_id, hash, created_at) values ($1, $2, $3, $4)"
);

/// Adds a key holder, and its key where it gets one.
pub(crate) async fn insert(
    conn: &mut Conn<'_>,
    id: AccountId,
    new: &NewAccount,
    now: i64,
) -> Result<(), StoreError> {
    let args = args![id.get(), new.name.as_str(), new.role, now];
    conn.execute_one(&INSERT_ACCOUNT, args).await?;
    if let Some((prefix, hash)) = &new.key {
        let args = args![prefix.as_str(), id.get(), *hash, now];
        conn.execute_one(&INSERT_KEY, args).await?;
    }
    Ok(())
}

pub(super) const STATEMENTS: &[&Statement] = &[&FIND_ACCOUNT, &INSERT_ACCOUNT, &INSERT_KEY];
