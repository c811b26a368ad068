//! The table `follower`: how far the journal is followed, and what is in it since.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

statement!(FOLLOWED, "select seq from follower where name = $1");
statement!(
    FOLLOW,
    "insert into follower (name, seq) values ($1, $2)
     on conflict (name) do update set seq = excluded.seq where follower.seq < excluded.seq"
);
statement!(
    CHANGED_ITEMS,
    "select distinct item_id from journal
     where seq > $1 and seq <= $2 and item_id is not null and (batch_id is null) = ($3 = 1)"
);

pub(super) const STATEMENTS: &[&Statement] = &[&FOLLOWED, &FOLLOW, &CHANGED_ITEMS];

/// How far a follower is; 0 where it has not begun.
pub(crate) async fn followed(conn: &mut Conn<'_>, name: &str) -> Result<i64, StoreError> {
    let row = conn.optional(&FOLLOWED, args![name]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// A follower is done up to an entry; it never goes back.
pub(crate) async fn follow(conn: &mut Conn<'_>, name: &str, seq: i64) -> Result<(), StoreError> {
    conn.execute(&FOLLOW, args![name, seq]).await.map(drop)
}

/// The items of entries after one and up to another: of those that came by themselves, or
/// of those of files.
pub(crate) async fn changed_items(
    conn: &mut Conn<'_>,
    (after, until): (i64, i64),
    is_alone: bool,
) -> Result<Vec<i64>, StoreError> {
    let args = args![after, until, i64::from(is_alone)];
    conn.all(&CHANGED_ITEMS, args).await?.iter().map(|row| row.int(0)).collect()
}
