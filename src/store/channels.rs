//! The table `channel`: what became of the configured channels.

use super::statement::{Row, args, statement};
use super::{Conn, Statement, StoreError, accounts};

/// A channel as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredChannel {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Set by command.
    pub(crate) mode: Option<String>,
    pub(crate) rules: Option<String>,
    pub(crate) watermark: Option<i64>,
    pub(crate) pulled_at: Option<i64>,
    pub(crate) failed_at: Option<i64>,
    pub(crate) failure: Option<String>,
    pub(crate) created_at: i64,
    /// Since when it is blind.
    pub(crate) blind_at: Option<i64>,
    /// Since when it falls behind.
    pub(crate) behind_at: Option<i64>,
}

/// What is said of a channel that falls behind.
pub(crate) const FALLS_BEHIND: &str =
    "for five minutes and longer more numbers became due than were settled";

impl StoredChannel {
    /// What is wrong with it, and since when: that it falls behind where no other failure is
    /// said, which may be why.
    pub(crate) fn trouble(&self) -> Option<(i64, &str)> {
        let failure = self.failed_at.zip(self.failure.as_deref());
        failure.or_else(|| self.behind_at.map(|since| (since, FALLS_BEHIND)))
    }
}

statement!(
    ENSURE,
    "insert into channel (name, kind, created_at) values ($1, $2, $3) on conflict (name) do nothing"
);
statement!(
    FIND,
    "select id, name, kind, mode, rules, watermark, pulled_at, failed_at, failure,
            created_at, blind_at, behind_at
     from channel where name = $1"
);
statement!(
    ALL,
    "select id, name, kind, mode, rules, watermark, pulled_at, failed_at, failure,
            created_at, blind_at, behind_at
     from channel order by name"
);
statement!(SET_MODE, "update channel set mode = $2 where id = $1");
statement!(SET_RULES, "update channel set rules = $2 where id = $1");
statement!(
    PULLED,
    "update channel set watermark = $2, pulled_at = $3, failed_at = null, failure = null
     where id = $1 and (watermark is null or watermark <= $2)"
);
statement!(FAILED, "update channel set failed_at = $2, failure = $3 where id = $1");
statement!(SET_BEHIND, "update channel set behind_at = $2 where id = $1");

statement!(
    SET_BLIND,
    "update channel set blind_at = $2
     where id = $1 and (blind_at is null) <> (cast($2 as bigint) is null)"
);
statement!(OTHERS_BLIND, "select count(*) from channel where id <> $1 and blind_at is not null");

pub(super) const STATEMENTS: &[&Statement] = &[
    &ENSURE,
    &FIND,
    &ALL,
    &SET_MODE,
    &SET_RULES,
    &PULLED,
    &FAILED,
    &SET_BEHIND,
    &SET_BLIND,
    &OTHERS_BLIND,
];

/// A channel's orders cannot be read since a moment, or can again; false where that was
/// known before.
pub(crate) async fn set_blind(
    conn: &mut Conn<'_>,
    id: i64,
    since: Option<i64>,
) -> Result<bool, StoreError> {
    Ok(conn.execute(&SET_BLIND, args![id, since]).await? == 1)
}

/// Whether another channel than one is blind.
pub(crate) async fn is_other_blind(conn: &mut Conn<'_>, id: i64) -> Result<bool, StoreError> {
    Ok(conn.one(&OTHERS_BLIND, args![id]).await?.int(0)? > 0)
}

/// A channel by its name.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    name: &str,
) -> Result<Option<StoredChannel>, StoreError> {
    conn.optional(&FIND, args![name]).await?.map(|row| channel(&row)).transpose()
}

/// The channel of a name, made where it is new; one that a key holder has is refused.
pub(crate) async fn ensure(
    conn: &mut Conn<'_>,
    name: &str,
    kind: &str,
    now: i64,
) -> Result<StoredChannel, StoreError> {
    if accounts::find(conn, name).await?.is_some() {
        return Err(StoreError::SourceTaken(name.to_owned()));
    }
    if let Some(known) = find(conn, name).await? {
        return Ok(known);
    }
    if conn.execute(&ENSURE, args![name, kind, now]).await? == 1 {
        accounts::take_name(conn, name, "channel").await?;
    }
    channel(&conn.one(&FIND, args![name]).await?)
}

/// All channels that ever were configured.
pub(crate) async fn all(conn: &mut Conn<'_>) -> Result<Vec<StoredChannel>, StoreError> {
    conn.all(&ALL, args![]).await?.iter().map(channel).collect()
}

/// Sets the mode that goes before the configuration's; none leaves it to that.
pub(crate) async fn set_mode(
    conn: &mut Conn<'_>,
    id: i64,
    mode: Option<String>,
) -> Result<(), StoreError> {
    conn.execute_one(&SET_MODE, args![id, mode]).await
}

/// Remembers by which rules numbers were found dirty.
pub(crate) async fn set_rules(conn: &mut Conn<'_>, id: i64, rules: &str) -> Result<(), StoreError> {
    conn.execute_one(&SET_RULES, args![id, rules]).await
}

/// Every order that changed before the watermark is in the inbox.
pub(crate) async fn pulled(
    conn: &mut Conn<'_>,
    id: i64,
    watermark: i64,
    now: i64,
) -> Result<(), StoreError> {
    conn.execute(&PULLED, args![id, watermark, now]).await.map(drop)
}

/// The channel could not be asked.
pub(crate) async fn failed(
    conn: &mut Conn<'_>,
    id: i64,
    now: i64,
    failure: &str,
) -> Result<(), StoreError> {
    conn.execute_one(&FAILED, args![id, now, failure]).await
}

/// More of the channel's numbers become due than are settled since a moment, or do no more.
pub(crate) async fn set_behind(
    conn: &mut Conn<'_>,
    id: i64,
    since: Option<i64>,
) -> Result<(), StoreError> {
    conn.execute_one(&SET_BEHIND, args![id, since]).await
}

fn channel(row: &Row) -> Result<StoredChannel, StoreError> {
    Ok(StoredChannel {
        id: row.int(0)?,
        name: row.text(1)?,
        kind: row.text(2)?,
        mode: row.text_opt(3)?,
        rules: row.text_opt(4)?,
        watermark: row.int_opt(5)?,
        pulled_at: row.int_opt(6)?,
        failed_at: row.int_opt(7)?,
        failure: row.text_opt(8)?,
        created_at: row.int(9)?,
        blind_at: row.int_opt(10)?,
        behind_at: row.int_opt(11)?,
    })
}
