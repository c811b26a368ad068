//! How the numbers of a channel stand, counted from the table `push`.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError, journal_reads};

statement!(
    STATE,
    "select count(*), count(case when dirty_seq > pushed_seq or remote_changed > 0 then 1 end),
            min(case when dirty_seq > pushed_seq then pushed_seq end),
            count(case when problem is not null then 1 end), min(coalesce(seen_at, 0))
     from push where channel_id = $1"
);
statement!(
    OLDEST_DIRTY,
    "select min(j.at) from push as p join journal as j on j.seq = p.dirty_seq
     where p.channel_id = $1 and p.dirty_seq > p.pushed_seq"
);

// What failed, or waits for a time, is not what nobody came to yet.
statement!(
    WAITING,
    "select count(*), count(case when attempts = 0 and retry_at <= $2 then 1 end),
            min(case when attempts = 0 and retry_at <= $2 and dirty_seq > pushed_seq
                     then dirty_seq end)
     from push where channel_id = $1 and (dirty_seq > pushed_seq or remote_changed > 0)"
);

pub(super) const STATEMENTS: &[&Statement] = &[&STATE, &OLDEST_DIRTY, &WAITING];

/// How the numbers of a channel stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PushState {
    pub(crate) numbers: i64,
    pub(crate) dirty: i64,
    pub(crate) problems: i64,
    /// When the number was seen that was seen longest ago: 0 where one never was.
    pub(crate) seen_at: Option<i64>,
    /// When the entry was written that the longest dirty number waits with.
    pub(crate) oldest_at: Option<i64>,
}

/// How the numbers of a channel stand.
pub(crate) async fn state(conn: &mut Conn<'_>, channel: i64) -> Result<PushState, StoreError> {
    let row = conn.one(&STATE, args![channel]).await?;
    let oldest_at = conn.one(&OLDEST_DIRTY, args![channel]).await?.int_opt(0)?;
    Ok(PushState {
        numbers: row.int(0)?,
        dirty: row.int(1)?,
        problems: row.int(3)?,
        seen_at: row.int_opt(4)?,
        oldest_at,
    })
}

/// The numbers of a channel that are not known to be right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) dirty: i64,
    /// Of these, those that may be tried now and did not fail.
    pub(crate) count: i64,
    /// When the entry was written that the longest of those waits with.
    pub(crate) oldest_at: Option<i64>,
}

/// How many numbers of a channel wait at a moment.
pub(crate) async fn waiting(
    conn: &mut Conn<'_>,
    channel: i64,
    now: i64,
) -> Result<Waiting, StoreError> {
    let row = conn.one(&WAITING, args![channel, now]).await?;
    // Times never decrease along the journal: one look-up, however many wait.
    let oldest_at = match row.int_opt(2)? {
        Some(seq) => journal_reads::time_of(conn, seq).await?,
        None => None,
    };
    Ok(Waiting { dirty: row.int(0)?, count: row.int(1)?, oldest_at })
}
