//! The tables `account` and `api_key`.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::AccountId;
use crate::ledger::catalogue::{NewAccount, NewKey};

statement!(FIND_ACCOUNT, "select id from account where name = $1");

/// A key holder by its name.
pub(crate) async fn find(conn: &mut Conn<'_>, name: &str) -> Result<Option<AccountId>, StoreError> {
    let row = conn.optional(&FIND_ACCOUNT, args![name]).await?;
    row.map(|row| row.int(0).map(AccountId::new)).transpose()
}

statement!(FIND_ROLE, "select id, role from account where name = $1");

/// A key holder by its name, with its role.
pub(crate) async fn find_role(
    conn: &mut Conn<'_>,
    name: &str,
) -> Result<Option<(AccountId, String)>, StoreError> {
    let row = conn.optional(&FIND_ROLE, args![name]).await?;
    row.map(|row| Ok((AccountId::new(row.int(0)?), row.text(1)?))).transpose()
}

statement!(
    INSERT_ACCOUNT,
    "insert into account (id, name, role, created_at) values ($1, $2, $3, $4)"
);
statement!(
    INSERT_KEY,
    "insert into api_key (prefix, account_id, hash, created_at, expires_at)
     values ($1, $2, $3, $4, $5)"
);
statement!(
    REVOKE_KEY,
    "update api_key set revoked_at = $2 where prefix = $1 and revoked_at is null"
);

statement!(INSERT_SOURCE, "insert into source (name, kind) values ($1, $2)");

/// Takes a name that orders come under: no key holder and no channel has it twice.
pub(super) async fn take_name(
    conn: &mut Conn<'_>,
    name: &str,
    kind: &str,
) -> Result<(), StoreError> {
    conn.execute_one(&INSERT_SOURCE, args![name, kind]).await
}

/// Adds a key holder, and its key where it gets one.
pub(crate) async fn insert(
    conn: &mut Conn<'_>,
    id: AccountId,
    new: &NewAccount,
    now: i64,
) -> Result<(), StoreError> {
    let args = args![id.get(), new.name.as_str(), new.role, now];
    conn.execute_one(&INSERT_ACCOUNT, args).await?;
    take_name(conn, new.name.as_str(), "account").await?;
    if let Some((prefix, hash)) = &new.key {
        let args = args![prefix.as_str(), id.get(), *hash, now, None::<i64>];
        conn.execute_one(&INSERT_KEY, args).await?;
    }
    Ok(())
}

/// Adds a key to a key holder.
pub(crate) async fn insert_key(
    conn: &mut Conn<'_>,
    id: AccountId,
    new: &NewKey,
    now: i64,
) -> Result<(), StoreError> {
    let args = args![new.prefix.as_str(), id.get(), new.hash, now, new.expires_at];
    conn.execute_one(&INSERT_KEY, args).await
}

/// Ends a key that had no end yet; one that was ended meanwhile fails the batch,
/// which is done again.
pub(crate) async fn revoke_key(
    conn: &mut Conn<'_>,
    prefix: &str,
    now: i64,
) -> Result<(), StoreError> {
    conn.execute_one(&REVOKE_KEY, args![prefix, now]).await
}

/// A key as lists show it: never its hash.
#[derive(Clone, Debug)]
pub(crate) struct ListedKey {
    pub(crate) prefix: String,
    pub(crate) account: String,
    pub(crate) role: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) revoked_at: Option<i64>,
    pub(crate) last_used_at: Option<i64>,
}

statement!(
    LIST_KEYS,
    "select k.prefix, a.name, a.role, k.created_at, k.expires_at, k.revoked_at, k.last_used_at
     from api_key as k join account as a on a.id = k.account_id order by a.name, k.id"
);

/// All keys, by their holders' names, the oldest first.
pub(crate) async fn list_keys(conn: &mut Conn<'_>) -> Result<Vec<ListedKey>, StoreError> {
    let rows = conn.all(&LIST_KEYS, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok(ListedKey {
                prefix: row.text(0)?,
                account: row.text(1)?,
                role: row.text(2)?,
                created_at: row.int(3)?,
                expires_at: row.int_opt(4)?,
                revoked_at: row.int_opt(5)?,
                last_used_at: row.int_opt(6)?,
            })
        })
        .collect()
}

statement!(
    WRITE_USE,
    "update api_key set last_used_at = $2
     where prefix = $1 and (last_used_at is null or last_used_at < $2)"
);

/// Writes when keys were used last, unless a later use is there already.
pub(crate) async fn write_uses(
    conn: &mut Conn<'_>,
    uses: &[(String, i64)],
) -> Result<(), StoreError> {
    for (prefix, at) in uses {
        conn.execute(&WRITE_USE, args![prefix.as_str(), *at]).await?;
    }
    Ok(())
}

/// A key as it is stored, with its holder.
#[derive(Clone, Debug)]
pub(crate) struct StoredKey {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) hash: [u8; 32],
    pub(crate) expires_at: Option<i64>,
    pub(crate) revoked_at: Option<i64>,
}

statement!(
    FIND_KEY,
    "select a.id, a.name, a.role, k.hash, k.expires_at, k.revoked_at
     from api_key as k join account as a on a.id = k.account_id where k.prefix = $1"
);

/// A key by its public prefix.
pub(crate) async fn find_key(
    conn: &mut Conn<'_>,
    prefix: &str,
) -> Result<Option<StoredKey>, StoreError> {
    let Some(row) = conn.optional(&FIND_KEY, args![prefix]).await? else {
        return Ok(None);
    };
    let hash = row.hash_opt(3)?.ok_or_else(|| row.decode_error("a key without its hash"))?;
    Ok(Some(StoredKey {
        account: AccountId::new(row.int(0)?),
        name: row.text(1)?,
        role: row.text(2)?,
        hash,
        expires_at: row.int_opt(4)?,
        revoked_at: row.int_opt(5)?,
    }))
}

statement!(REVOKED_SINCE, "select prefix from api_key where revoked_at >= $1");

/// The prefixes of the keys that were revoked since a moment.
pub(crate) async fn revoked_since(
    conn: &mut Conn<'_>,
    since: i64,
) -> Result<Vec<String>, StoreError> {
    let rows = conn.all(&REVOKED_SINCE, args![since]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &INSERT_SOURCE,
    &FIND_ACCOUNT,
    &FIND_ROLE,
    &INSERT_ACCOUNT,
    &INSERT_KEY,
    &REVOKE_KEY,
    &LIST_KEYS,
    &WRITE_USE,
    &FIND_KEY,
    &REVOKED_SINCE,
];
