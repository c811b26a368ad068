//! The table `inbox`: what came in from channels, as it came, sealed.

use super::statement::{Row, args, statement};
use super::{Conn, Statement, StoreError};

/// Something that came in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) channel_id: i64,
    pub(crate) kind: String,
    pub(crate) dedupe_key: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) attempts: i64,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} of {} bytes", self.kind, self.id, self.sealed.len())
    }
}

/// The same as it is shown: without what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: i64,
    pub(crate) channel: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) received_at: i64,
    pub(crate) attempts: i64,
    pub(crate) reason: Option<String>,
    pub(crate) done_at: Option<i64>,
    pub(crate) event: Option<String>,
}

/// Something that is to be kept.
pub(crate) struct New {
    pub(crate) kind: &'static str,
    pub(crate) dedupe_key: String,
    /// The event that it tells of beside others, by the channel's id.
    pub(crate) event: Option<String>,
    pub(crate) sealed: Vec<u8>,
}

statement!(
    INSERT,
    "insert into inbox (channel_id, kind, dedupe_key, sealed, state, received_at, event)
     values ($1, $2, $3, $4, 'pending', $5, $6)
     on conflict (channel_id, dedupe_key) where state = 'pending' do nothing"
);
statement!(
    PENDING,
    "select id, channel_id, kind, dedupe_key, sealed, attempts from inbox
     where channel_id = $1 and state = 'pending' and retry_at <= $2 order by id limit $3"
);
statement!(COUNT_PENDING, "select count(*) from inbox where channel_id = $1 and state = 'pending'");
statement!(COUNT_ALL_PENDING, "select count(*) from inbox where state = 'pending'");
statement!(
    DONE,
    "update inbox set state = 'done', reason = $2, done_at = $3 where id = $1 and state = 'pending'"
);
statement!(
    LATER,
    "update inbox set attempts = attempts + 1, reason = $2, retry_at = $3
     where id = $1 and state = 'pending'"
);
statement!(
    DEAD,
    "update inbox set state = 'dead', attempts = attempts + 1, reason = $2, done_at = $3
     where id = $1 and state = 'pending'"
);
statement!(
    REPLAY,
    "update inbox set state = 'pending', attempts = 0, retry_at = 0, reason = null, done_at = null
     where id = $1 and state <> 'pending' and not exists (
       select 1 from inbox as o where o.channel_id = inbox.channel_id
         and o.dedupe_key = inbox.dedupe_key and o.state = 'pending')"
);
statement!(
    LIST,
    "select b.id, c.name, b.kind, b.state, b.received_at, b.attempts, b.reason, b.done_at, b.event
     from inbox as b join channel as c on c.id = b.channel_id
     where b.id < $1 and (b.state = $2 or $2 = '') order by b.id desc limit $3"
);
statement!(
    FIND,
    "select id, channel_id, kind, dedupe_key, sealed, attempts from inbox where id = $1"
);
// The name of an order that was read is `order ID HASH`, the hash of 32 digits.
statement!(
    UNREAD,
    "select (select count(*) from inbox
             where channel_id = $1 and state = 'pending' and attempts > 0)
          + (select count(*) from inbox as b
             where b.channel_id = $1 and b.state = 'dead' and b.kind = 'order' and not exists (
               select 1 from inbox as o
               where o.channel_id = b.channel_id and o.kind = 'order' and o.state = 'done'
                 and o.id > b.id and length(o.dedupe_key) = length(b.dedupe_key)
                 and substr(o.dedupe_key, 1, length(o.dedupe_key) - 32)
                   = substr(b.dedupe_key, 1, length(b.dedupe_key) - 32)))"
);
statement!(
    FAILING,
    "select count(*) from inbox where channel_id = $1 and state = 'pending' and attempts > 0"
);
statement!(FORGET, "delete from inbox where state = 'done' and done_at < $1");

pub(super) const STATEMENTS: &[&Statement] = &[
    &INSERT,
    &PENDING,
    &COUNT_PENDING,
    &UNREAD,
    &FAILING,
    &DONE,
    &LATER,
    &DEAD,
    &REPLAY,
    &LIST,
    &FIND,
    &FORGET,
];

/// Keeps what came in; false when the same waits already.
pub(crate) async fn insert(
    conn: &mut Conn<'_>,
    channel: i64,
    New { kind, dedupe_key, event, sealed }: New,
    now: i64,
) -> Result<bool, StoreError> {
    let args = args![channel, kind, dedupe_key, sealed, now, event];
    Ok(conn.execute(&INSERT, args).await? == 1)
}

/// What waits and is due, as it came.
pub(crate) async fn pending(
    conn: &mut Conn<'_>,
    channel: i64,
    now: i64,
    limit: i64,
) -> Result<Vec<Stored>, StoreError> {
    conn.all(&PENDING, args![channel, now, limit]).await?.iter().map(stored).collect()
}

/// How much of a channel could not be read so far, or for good, that may be of orders.
pub(crate) async fn count_unread(conn: &mut Conn<'_>, channel: i64) -> Result<i64, StoreError> {
    conn.one(&UNREAD, args![channel]).await?.int(0)
}

/// How much of a channel could not be read so far, and is tried again.
pub(crate) async fn count_failing(conn: &mut Conn<'_>, channel: i64) -> Result<i64, StoreError> {
    conn.one(&FAILING, args![channel]).await?.int(0)
}

/// How much of a channel waits, due or not.
pub(crate) async fn count_pending(conn: &mut Conn<'_>, channel: i64) -> Result<i64, StoreError> {
    conn.one(&COUNT_PENDING, args![channel]).await?.int(0)
}

/// How much of all channels waits.
pub(crate) async fn count_all_pending(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    conn.one(&COUNT_ALL_PENDING, args![]).await?.int(0)
}

/// It is dealt with.
pub(crate) async fn done(
    conn: &mut Conn<'_>,
    id: i64,
    reason: Option<String>,
    now: i64,
) -> Result<(), StoreError> {
    conn.execute(&DONE, args![id, reason, now]).await.map(drop)
}

/// It could not be dealt with now.
pub(crate) async fn later(
    conn: &mut Conn<'_>,
    id: i64,
    reason: &str,
    retry_at: i64,
) -> Result<(), StoreError> {
    conn.execute(&LATER, args![id, reason, retry_at]).await.map(drop)
}

/// It cannot be dealt with until somebody does something: it is kept and shown.
pub(crate) async fn dead(
    conn: &mut Conn<'_>,
    id: i64,
    reason: &str,
    now: i64,
) -> Result<(), StoreError> {
    conn.execute(&DEAD, args![id, reason, now]).await.map(drop)
}

/// Deals with it again; false when there is none, or it or its like waits already.
pub(crate) async fn replay(conn: &mut Conn<'_>, id: i64) -> Result<bool, StoreError> {
    Ok(conn.execute(&REPLAY, args![id]).await? == 1)
}

/// What came in, newest first; an empty state means all.
pub(crate) async fn list(
    conn: &mut Conn<'_>,
    before: i64,
    state: &str,
    limit: i64,
) -> Result<Vec<Listed>, StoreError> {
    let rows = conn.all(&LIST, args![before, state, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Listed {
                id: row.int(0)?,
                channel: row.text(1)?,
                kind: row.text(2)?,
                state: row.text(3)?,
                received_at: row.int(4)?,
                attempts: row.int(5)?,
                reason: row.text_opt(6)?,
                done_at: row.int_opt(7)?,
                event: row.text_opt(8)?,
            })
        })
        .collect()
}

/// One thing that came in.
pub(crate) async fn find(conn: &mut Conn<'_>, id: i64) -> Result<Option<Stored>, StoreError> {
    conn.optional(&FIND, args![id]).await?.map(|row| stored(&row)).transpose()
}

/// Deletes what was dealt with before a moment; how many.
pub(crate) async fn forget(conn: &mut Conn<'_>, before: i64) -> Result<u64, StoreError> {
    conn.execute(&FORGET, args![before]).await
}

fn stored(row: &Row) -> Result<Stored, StoreError> {
    Ok(Stored {
        id: row.int(0)?,
        channel_id: row.int(1)?,
        kind: row.text(2)?,
        dedupe_key: row.text(3)?,
        sealed: row.bytes(4)?,
        attempts: row.int(5)?,
    })
}
