//! What the journal says of who did what to the shop itself: the trail for auditors.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

/// A statement over acts, before and after what says which entries those are. That is the
/// condition of the index `journal_acts`, word for word: it is used then.
macro_rules! acts {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " where j.kind in ('auth.refused', 'batch.applied', 'batch.opened', 'batch.reverted',
         'batch.reverting', 'channel.paused', 'channel.resumed', 'channel.rules',
         'instance_key.rotated', 'item.sale_resumed', 'item.sale_stopped', 'key.created',
         'key.revoked', 'location.created', 'signing.rotated', 'user.erased') ",
            $after
        )
    };
}

statement!(
    ACTS,
    acts!(
        "select j.seq, j.at, j.kind, a.name, j.batch_id, j.data
         from journal as j left join account as a on a.id = j.account_id",
        "and j.seq > $1 and j.at >= $2 and j.at < $3 order by j.seq limit $4"
    )
);
statement!(
    FORMER_KEYS,
    acts!(
        "select j.at, j.data from journal as j",
        "and j.kind = 'instance_key.rotated' order by j.seq"
    )
);

pub(super) const STATEMENTS: &[&Statement] = &[&ACTS, &FORMER_KEYS];

/// An act, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) kind: String,
    /// The name of the key holder it was done for.
    pub(crate) account: Option<String>,
    pub(crate) batch: Option<i64>,
    pub(crate) data: Option<String>,
}

/// Acts from a moment on and before another, after an entry.
pub(crate) async fn page(
    conn: &mut Conn<'_>,
    after: i64,
    (from, until): (i64, i64),
    limit: i64,
) -> Result<Vec<Act>, StoreError> {
    let rows = conn.all(&ACTS, args![after, from, until, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Act {
                seq: row.int(0)?,
                at: row.int(1)?,
                kind: row.text(2)?,
                account: row.text_opt(3)?,
                batch: row.int_opt(4)?,
                data: row.text_opt(5)?,
            })
        })
        .collect()
}

/// An instance key that the shop had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FormerKey {
    /// Its public id.
    pub(crate) id: String,
    /// When it was exchanged, UTC milliseconds.
    pub(crate) until: i64,
}

/// The instance keys that were exchanged, the first one first.
pub(crate) async fn former_keys(conn: &mut Conn<'_>) -> Result<Vec<FormerKey>, StoreError> {
    let rows = conn.all(&FORMER_KEYS, args![]).await?;
    rows.iter()
        .map(|row| {
            let data = row.text(1)?;
            let data: serde_json::Value =
                serde_json::from_str(&data).map_err(|error| row.decode_error(error.to_string()))?;
            let id = data["before"].as_str().unwrap_or_default().to_owned();
            Ok(FormerKey { id, until: row.int(0)? })
        })
        .collect()
}
