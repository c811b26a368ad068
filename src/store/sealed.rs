//! All that is sealed, table by table, for whoever seals it anew.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

/// A sealed value and where it belongs.
pub(crate) struct Sealed {
    /// The number that finds its row.
    pub(crate) id: i64,
    /// What its context is made of.
    pub(crate) names: [String; 2],
    /// The value.
    pub(crate) value: Vec<u8>,
}

/// A table with sealed values whose rows have numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Personal data of orders: by source and id.
    Personal,
    /// What came in: by channel and key.
    Inbox,
    /// What is known of users: by their key holder.
    Users,
}

impl Table {
    /// All of them, but for tokens of channels and the keys that tokens are signed with, which
    /// go with the key they were sealed with.
    pub(crate) const ALL: [Self; 3] = [Self::Personal, Self::Inbox, Self::Users];
}

statement!(
    PERSONAL,
    "select p.order_id, o.source, o.external_id, p.sealed
     from personal as p join orders as o on o.id = p.order_id
     where p.order_id > $1 order by p.order_id limit $2"
);
statement!(
    INBOX,
    "select id, cast(channel_id as text), dedupe_key, sealed from inbox
     where id > $1 order by id limit $2"
);
statement!(
    USERS,
    "select id, cast(account_id as text), '', sealed from users
     where id > $1 and sealed is not null order by id limit $2"
);

/// So many sealed values of a table after a row.
pub(crate) async fn page(
    conn: &mut Conn<'_>,
    table: Table,
    after: i64,
    limit: i64,
) -> Result<Vec<Sealed>, StoreError> {
    let statement = match table {
        Table::Personal => &PERSONAL,
        Table::Inbox => &INBOX,
        Table::Users => &USERS,
    };
    let rows = conn.all(statement, args![after, limit]).await?;
    rows.iter()
        .map(|row| {
            let sealed = row.bytes_opt(3)?;
            Ok(Sealed {
                id: row.int(0)?,
                names: [row.text(1)?, row.text(2)?],
                value: sealed.ok_or_else(|| row.decode_error("nothing where all is sealed"))?,
            })
        })
        .collect()
}

statement!(SET_PERSONAL, "update personal set sealed = $2 where order_id = $1");
statement!(SET_USERS, "update users set sealed = $2 where id = $1");
statement!(SET_INBOX, "update inbox set sealed = $2 where id = $1");

/// Writes a value that was sealed anew.
pub(crate) async fn set(
    conn: &mut Conn<'_>,
    table: Table,
    id: i64,
    sealed: Vec<u8>,
) -> Result<(), StoreError> {
    let statement = match table {
        Table::Personal => &SET_PERSONAL,
        Table::Inbox => &SET_INBOX,
        Table::Users => &SET_USERS,
    };
    conn.execute_one(statement, args![id, sealed]).await
}

statement!(
    COUNT,
    "select (select count(*) from personal) + (select count(*) from inbox)
          + (select count(*) from users where sealed is not null)"
);

/// How many sealed values there are.
pub(crate) async fn count(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    conn.one(&COUNT, args![]).await?.int(0)
}

statement!(
    REWRITE,
    postgres "vacuum (full, analyze) personal, inbox, users, channel_token, signing_key"
);

/// Writes the tables with sealed values anew, without the rows that are no more. Outside a
/// transaction; only PostgreSQL keeps such rows.
pub(super) async fn rewrite(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    conn.execute(&REWRITE, args![]).await.map(drop)
}

pub(super) const STATEMENTS: &[&Statement] =
    &[&PERSONAL, &INBOX, &USERS, &SET_PERSONAL, &SET_INBOX, &SET_USERS, &COUNT, &REWRITE];
