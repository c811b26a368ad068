//! The table `channel_token`: the token of each channel that was asked for last, sealed.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

/// Its name, for whoever empties all of a shop.
pub(super) const TABLE: &str = "channel_token";

/// A token as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredToken {
    /// A keyed hash of what it was asked for with.
    pub(crate) credentials: [u8; 32],
    pub(crate) sealed: Vec<u8>,
    pub(crate) asked_at: i64,
    pub(crate) ends_at: i64,
}

impl std::fmt::Debug for StoredToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a token asked for at {}", self.asked_at)
    }
}

statement!(
    FIND,
    "select t.credentials, t.sealed, t.asked_at, t.ends_at
     from channel_token as t join channel as c on c.id = t.channel_id where c.name = $1"
);
// A node that was slow to hear of its token must not put it in the place of a newer one.
statement!(
    KEEP,
    "insert into channel_token as t (channel_id, credentials, sealed, asked_at, ends_at)
     select c.id, $2, $3, $4, $5 from channel as c where c.name = $1
     on conflict (channel_id) do update set credentials = excluded.credentials,
       sealed = excluded.sealed, asked_at = excluded.asked_at, ends_at = excluded.ends_at
     where t.asked_at < excluded.asked_at"
);
statement!(
    OWNERS,
    "select c.name, t.credentials
     from channel_token as t join channel as c on c.id = t.channel_id order by c.name"
);
// One that was kept meanwhile, for other credentials, stays.
statement!(
    FORGET,
    "delete from channel_token
     where channel_id = (select id from channel where name = $1) and credentials = $2"
);
statement!(CLEAR, "delete from channel_token");

pub(super) const STATEMENTS: &[&Statement] = &[&FIND, &KEEP, &OWNERS, &FORGET, &CLEAR];

/// The token of a channel.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    channel: &str,
) -> Result<Option<StoredToken>, StoreError> {
    let Some(row) = conn.optional(&FIND, args![channel]).await? else {
        return Ok(None);
    };
    Ok(Some(StoredToken {
        credentials: row.hash(0)?,
        sealed: row.bytes(1)?,
        asked_at: row.int(2)?,
        ends_at: row.int(3)?,
    }))
}

/// Keeps the token of a channel; false where one is kept that was asked for as late or later,
/// or where the channel is not known.
pub(crate) async fn keep(
    conn: &mut Conn<'_>,
    channel: &str,
    token: StoredToken,
) -> Result<bool, StoreError> {
    let StoredToken { credentials, sealed, asked_at, ends_at } = token;
    let args = args![channel, credentials, sealed, asked_at, ends_at];
    Ok(conn.execute(&KEEP, args).await? == 1)
}

/// The channels that have a token, each with the hash of what it was asked for with.
pub(crate) async fn owners(conn: &mut Conn<'_>) -> Result<Vec<(String, [u8; 32])>, StoreError> {
    let rows = conn.all(&OWNERS, args![]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.hash(1)?))).collect()
}

/// Forgets the token of a channel that was asked for with some credentials.
pub(crate) async fn forget(
    conn: &mut Conn<'_>,
    channel: &str,
    credentials: [u8; 32],
) -> Result<(), StoreError> {
    conn.execute(&FORGET, args![channel, credentials]).await.map(drop)
}

/// Forgets all tokens.
pub(crate) async fn clear(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    conn.execute(&CLEAR, args![]).await.map(drop)
}
