//! What does not add up on channels: the table `channel_drift`, and the entries of the
//! journal that say it.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

statement!(CLEAR, "delete from channel_drift where channel_id = $1");
statement!(PUT, "insert into channel_drift (channel_id, cause, listings) values ($1, $2, $3)");
statement!(
    COMPARED,
    "update channel set reconciled_at = $2, compared = $3, agreed = $4 where id = $1"
);
statement!(BELIEVED, "update channel set stock_from = $2, basis = $3 where id = $1");
statement!(
    STANDING,
    "select reconciled_at, compared, agreed, stock_from, basis from channel where id = $1"
);
statement!(
    NOW,
    "select c.name, c.reconciled_at, d.cause, d.listings
     from channel as c left join channel_drift as d on d.channel_id = c.id
     where c.reconciled_at is not null order by c.name, d.cause"
);
statement!(
    SAID,
    "select j.seq, j.at, i.sku, j.data from journal as j left join item as i on i.id = j.item_id
     where j.kind = 'channel.drift' and j.seq > $1 and j.at >= $2 and j.at < $3
     order by j.seq limit $4"
);

pub(super) const STATEMENTS: &[&Statement] =
    &[&CLEAR, &PUT, &COMPARED, &BELIEVED, &STANDING, &NOW, &SAID];

/// What a comparison of all numbers of a channel found, instead of what the last one did.
pub(crate) async fn compared(
    conn: &mut Conn<'_>,
    channel: i64,
    causes: &[(String, i64)],
    (compared, agreed): (i64, i64),
    now: i64,
) -> Result<(), StoreError> {
    conn.execute(&CLEAR, args![channel]).await?;
    for (cause, listings) in causes {
        conn.execute_one(&PUT, args![channel, cause.as_str(), *listings]).await?;
    }
    conn.execute_one(&COMPARED, args![channel, now, compared, agreed]).await
}

/// What a channel showed at a moment was believed, and what it was taken for.
pub(crate) async fn believed(
    conn: &mut Conn<'_>,
    channel: i64,
    at: i64,
    basis: &str,
) -> Result<(), StoreError> {
    conn.execute_one(&BELIEVED, args![channel, at, basis]).await
}

/// How a channel stands to the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When it was last compared: of how many numbers how many agreed.
    pub(crate) compared: Option<(i64, i64, i64)>,
    /// When it was last believed, and what its numbers were taken for.
    pub(crate) believed: Option<(i64, String)>,
}

/// How a channel stands to the ledger.
pub(crate) async fn standing(conn: &mut Conn<'_>, channel: i64) -> Result<Standing, StoreError> {
    let row = conn.one(&STANDING, args![channel]).await?;
    let compared = match (row.int_opt(0)?, row.int_opt(1)?, row.int_opt(2)?) {
        (Some(at), Some(compared), Some(agreed)) => Some((at, compared, agreed)),
        _ => None,
    };
    Ok(Standing { compared, believed: row.int_opt(3)?.zip(row.text_opt(4)?) })
}

/// How many numbers of a channel were off when it was last compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DriftCount {
    pub(crate) channel: String,
    pub(crate) compared_at: i64,
    /// Why, and how many; none where nothing was off.
    pub(crate) found: Option<(String, i64)>,
}

/// What the last comparisons found, by channel and cause.
pub(crate) async fn now(conn: &mut Conn<'_>) -> Result<Vec<DriftCount>, StoreError> {
    let rows = conn.all(&NOW, args![]).await?;
    rows.iter()
        .map(|row| {
            let found = row.text_opt(2)?.zip(row.int_opt(3)?);
            Ok(DriftCount { channel: row.text(0)?, compared_at: row.int(1)?, found })
        })
        .collect()
}

/// A number that nothing explained, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DriftSaid {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) sku: Option<String>,
    pub(crate) data: Option<String>,
}

/// What was noticed from a moment on and before another, after an entry.
pub(crate) async fn said(
    conn: &mut Conn<'_>,
    after: i64,
    (from, until): (i64, i64),
    limit: i64,
) -> Result<Vec<DriftSaid>, StoreError> {
    let rows = conn.all(&SAID, args![after, from, until, limit]).await?;
    rows.iter()
        .map(|row| {
            let (seq, at) = (row.int(0)?, row.int(1)?);
            Ok(DriftSaid { seq, at, sku: row.text_opt(2)?, data: row.text_opt(3)? })
        })
        .collect()
}
