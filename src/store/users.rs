//! The tables `users` and `order_user`: people that key holders register, sealed, and
//! whose an order is.

use super::statement::{Row, args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{AccountId, OrderId, SealedUser, UserId, UserMark};

statement!(FIND_BY_EMAIL, "select id from users where account_id = $1 and email = $2");

/// The user of a key holder with an address, by its keyed hash.
pub(crate) async fn by_email(
    conn: &mut Conn<'_>,
    account: AccountId,
    email: [u8; 32],
) -> Result<Option<UserId>, StoreError> {
    let row = conn.optional(&FIND_BY_EMAIL, args![account.get(), email]).await?;
    row.map(|row| row.int(0).map(UserId::new)).transpose()
}

statement!(
    LOCK,
    sqlite "select u.id, u.account_id, u.email, u.digest, u.version
            from json_each($1) as wanted cross join users as u on u.id = wanted.value",
    postgres "select id, account_id, email, digest, version from users
              where id = any($1::bigint[]) order by id for update"
);

/// Users under lock, for whoever decides about them.
pub(crate) async fn lock(conn: &mut Conn<'_>, ids: Vec<i64>) -> Result<Vec<UserMark>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = conn.all(&LOCK, args![ids]).await?;
    rows.iter().map(mark).collect()
}

fn mark(row: &Row) -> Result<UserMark, StoreError> {
    Ok(UserMark {
        id: UserId::new(row.int(0)?),
        account: AccountId::new(row.int(1)?),
        known: row.hash_opt(2)?.zip(row.hash_opt(3)?),
        version: row.int(4)?,
    })
}

statement!(
    MARKS,
    sqlite "select u.id, u.account_id, u.email, u.digest, u.version
            from json_each($1) as wanted cross join users as u on u.id = wanted.value",
    postgres "select id, account_id, email, digest, version from users
              where id = any($1::bigint[])"
);

/// Users without a lock: of what never changes, whose they are.
pub(crate) async fn marks(conn: &mut Conn<'_>, ids: Vec<i64>) -> Result<Vec<UserMark>, StoreError> {
    let rows = conn.all(&MARKS, args![ids]).await?;
    rows.iter().map(mark).collect()
}

statement!(
    INSERT,
    "insert into users (id, account_id, email, sealed, digest, version, created_at, updated_at)
     values ($1, $2, $3, $4, $5, 1, $6, $6)"
);

/// Adds a user of a key holder.
pub(crate) async fn insert(
    conn: &mut Conn<'_>,
    (id, account): (UserId, AccountId),
    new: &SealedUser,
    now: i64,
) -> Result<(), StoreError> {
    let args = args![id.get(), account.get(), new.email, new.sealed.clone(), new.digest, now];
    conn.execute_one(&INSERT, args).await
}

statement!(
    UPDATE,
    "update users set email = $2, sealed = $3, digest = $4, version = $5, updated_at = $6
     where id = $1 and version = $5 - 1 and erased_at is null"
);

/// Writes what is known of a user now, in the version after the one that was read.
pub(crate) async fn update(
    conn: &mut Conn<'_>,
    (id, version): (UserId, i64),
    new: &SealedUser,
    now: i64,
) -> Result<(), StoreError> {
    let args = args![id.get(), new.email, new.sealed.clone(), new.digest, version, now];
    conn.execute_one(&UPDATE, args).await
}

statement!(
    RESEAL,
    "update users set email = $2, sealed = $3, digest = $4 where id = $1 and erased_at is null"
);

/// Writes what is known of a user, sealed and hashed anew.
pub(crate) async fn reseal(
    conn: &mut Conn<'_>,
    id: UserId,
    known: SealedUser,
) -> Result<(), StoreError> {
    let args = args![id.get(), known.email, known.sealed, known.digest];
    conn.execute_one(&RESEAL, args).await
}

statement!(
    ERASE_OF_ORDERS,
    "delete from personal where order_id in (select order_id from order_user where user_id = $1)"
);
statement!(UNLINK, "update order_user set user_id = null where user_id = $1");
statement!(
    ERASE,
    "update users set email = null, sealed = null, digest = null, erased_at = $2, updated_at = $2,
            version = version + 1
     where id = $1 and erased_at is null"
);

/// Takes away what is known of a user.
pub(crate) async fn erase(conn: &mut Conn<'_>, id: UserId, now: i64) -> Result<(), StoreError> {
    conn.execute_one(&ERASE, args![id.get(), now]).await
}

/// Takes away what the orders of a user have of it. They stay, and are nobody's.
pub(crate) async fn erase_of_orders(conn: &mut Conn<'_>, id: UserId) -> Result<(), StoreError> {
    conn.execute(&ERASE_OF_ORDERS, args![id.get()]).await?;
    conn.execute(&UNLINK, args![id.get()]).await.map(drop)
}

statement!(LINK, "insert into order_user (order_id, user_id) values ($1, $2)");

/// Says whose an order is.
pub(crate) async fn link(
    conn: &mut Conn<'_>,
    order: OrderId,
    user: UserId,
) -> Result<(), StoreError> {
    conn.execute_one(&LINK, args![order.get(), user.get()]).await
}

statement!(
    CUSTOMERS,
    sqlite "select u.order_id, u.user_id
            from json_each($1) as wanted cross join order_user as u on u.order_id = wanted.value",
    postgres "select order_id, user_id from order_user where order_id = any($1::bigint[])"
);

/// Whose orders are, of those that are a user's or of somebody erased.
pub(crate) async fn customers(
    conn: &mut Conn<'_>,
    orders: Vec<i64>,
) -> Result<Vec<(OrderId, Option<UserId>)>, StoreError> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let rows = conn.all(&CUSTOMERS, args![orders]).await?;
    let row = |row: &Row| Ok((OrderId::new(row.int(0)?), row.int_opt(1)?.map(UserId::new)));
    rows.iter().map(row).collect()
}

statement!(FORGET, "delete from personal where order_id = $1");
// Of somebody erased, as the order of a user is: nothing comes back to it.
statement!(FORGOTTEN, "insert into order_user (order_id, user_id) values ($1, null)");

/// Takes away what is known of who ordered, for good.
pub(crate) async fn forget(conn: &mut Conn<'_>, order: OrderId) -> Result<(), StoreError> {
    conn.execute(&FORGET, args![order.get()]).await?;
    conn.execute_one(&FORGOTTEN, args![order.get()]).await
}

/// A user as it is read.
pub(crate) struct StoredUser {
    pub(crate) id: UserId,
    pub(crate) account: AccountId,
    /// The name of the key holder.
    pub(crate) account_name: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) version: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

statement!(
    READ,
    "select u.id, u.account_id, a.name, u.sealed, u.version, u.created_at, u.updated_at
     from users as u join account as a on a.id = u.account_id
     where u.id = $1 and u.erased_at is null"
);

/// A user, unless it was erased.
pub(crate) async fn read(
    conn: &mut Conn<'_>,
    id: UserId,
) -> Result<Option<StoredUser>, StoreError> {
    let row = conn.optional(&READ, args![id.get()]).await?;
    row.map(|row| stored(&row)).transpose()
}

statement!(
    PAGE,
    "select u.id, u.account_id, a.name, u.sealed, u.version, u.created_at, u.updated_at
     from users as u join account as a on a.id = u.account_id
     where u.id > $1 and u.erased_at is null order by u.id limit $2"
);
statement!(
    PAGE_OF_ACCOUNT,
    "select u.id, u.account_id, a.name, u.sealed, u.version, u.created_at, u.updated_at
     from users as u join account as a on a.id = u.account_id
     where u.account_id = $3 and u.id > $1 and u.erased_at is null order by u.id limit $2"
);

/// Users after one, the first registered first: of a key holder, or all.
pub(crate) async fn page(
    conn: &mut Conn<'_>,
    account: Option<AccountId>,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredUser>, StoreError> {
    let rows = match account {
        Some(account) => conn.all(&PAGE_OF_ACCOUNT, args![after, limit, account.get()]).await?,
        None => conn.all(&PAGE, args![after, limit]).await?,
    };
    rows.iter().map(stored).collect()
}

fn stored(row: &Row) -> Result<StoredUser, StoreError> {
    let sealed = row.bytes_opt(3)?;
    Ok(StoredUser {
        id: UserId::new(row.int(0)?),
        account: AccountId::new(row.int(1)?),
        account_name: row.text(2)?,
        sealed: sealed.ok_or_else(|| row.decode_error("a user without what is known of it"))?,
        version: row.int(4)?,
        created_at: row.int(5)?,
        updated_at: row.int(6)?,
    })
}

statement!(
    CREATED_BY,
    sqlite "select data->>'user_id' from journal where seq = $1 and kind = 'user.created'",
    postgres "select data::json->>'user_id' from journal where seq = $1 and kind = 'user.created'"
);

/// The user that an entry of the journal added.
pub(crate) async fn created_by(
    conn: &mut Conn<'_>,
    seq: i64,
) -> Result<Option<UserId>, StoreError> {
    let row = conn.optional(&CREATED_BY, args![seq]).await?;
    row.map(|row| row.parsed(0, str::parse)).transpose()
}

// Key holders are few: each is looked up, whoever has users.
statement!(
    ACCOUNTS,
    "select a.id from account as a
     where exists (select 1 from users as u where u.account_id = a.id) order by a.id"
);

/// The key holders who have users, or had.
pub(crate) async fn accounts(conn: &mut Conn<'_>) -> Result<Vec<AccountId>, StoreError> {
    let rows = conn.all(&ACCOUNTS, args![]).await?;
    rows.iter().map(|row| row.int(0).map(AccountId::new)).collect()
}

statement!(ORDERS_OF, "select count(*) from order_user where user_id = $1");

/// How many orders are a user's.
pub(crate) async fn orders_of(conn: &mut Conn<'_>, id: UserId) -> Result<i64, StoreError> {
    conn.one(&ORDERS_OF, args![id.get()]).await?.int(0)
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &FIND_BY_EMAIL,
    &LOCK,
    &MARKS,
    &INSERT,
    &UPDATE,
    &RESEAL,
    &ERASE_OF_ORDERS,
    &UNLINK,
    &ERASE,
    &LINK,
    &CUSTOMERS,
    &FORGET,
    &FORGOTTEN,
    &READ,
    &PAGE,
    &PAGE_OF_ACCOUNT,
    &CREATED_BY,
    &ACCOUNTS,
    &ORDERS_OF,
];
