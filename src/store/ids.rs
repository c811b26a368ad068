//! Where a database stands: its newest entry, and ids for new rows. None is
//! remembered across transactions.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

// On PostgreSQL a sequence hands out the ids, and whoever waits for locks after
// this must look for the newest entry again.
statement!(
    MOMENT,
    sqlite "select (select seq from journal order by seq desc limit 1),
                   (select at from journal order by seq desc limit 1),
                   exists (select 1 from orders where expires_at is not null and expires_at <= $1),
                   (select coalesce(max(id), 0) + 1 from orders)",
    postgres "select (select seq from journal order by seq desc limit 1),
                     (select at from journal order by seq desc limit 1),
                     exists (select 1 from orders
                             where expires_at is not null and expires_at <= $1)::int::bigint,
                     null::bigint"
);

/// Where a database stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The newest seq; 0 while the journal is empty.
    pub(crate) seq: i64,
    /// Its time.
    pub(crate) at: i64,
    /// Whether any order is due at the time given.
    pub(crate) due: bool,
    /// The next order id, where no sequence hands them out.
    pub(crate) next_order: Option<i64>,
}

/// Where a database stands, in one look.
pub(crate) async fn moment(conn: &mut Conn<'_>, now: i64) -> Result<Moment, StoreError> {
    let row = conn.one(&MOMENT, args![now]).await?;
    Ok(Moment {
        seq: row.int_opt(0)?.unwrap_or(0),
        at: row.int_opt(1)?.unwrap_or(0),
        due: row.flag(2)?,
        next_order: row.int_opt(3)?,
    })
}

statement!(
    NEXT_OTHER_IDS,
    sqlite "select max(coalesce((select max(id) from location), 0),
                       coalesce((select max(id) from account), 0),
                       coalesce((select max(id) from batch), 0)) + 1 where $1 > 0",
    postgres "select greatest(nextval('location_id_seq'), nextval('account_id_seq'),
                              nextval('batch_id_seq')) from generate_series(1, $1::bigint)"
);

/// Ids for locations, accounts and imports, which are few: one number serves any of them.
pub(crate) async fn next_other_ids(
    conn: &mut Conn<'_>,
    count: i64,
) -> Result<Vec<i64>, StoreError> {
    next_ids(conn, &NEXT_OTHER_IDS, count).await
}

/// Runs a statement that hands out ids: all of them on PostgreSQL, the first on SQLite.
pub(super) async fn next_ids(
    conn: &mut Conn<'_>,
    statement: &'static Statement,
    count: i64,
) -> Result<Vec<i64>, StoreError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let rows = conn.all(statement, args![count]).await?;
    let ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    match (conn, ids.as_slice()) {
        (Conn::Sqlite(_), [first]) => {
            Ok((*first..).take(usize::try_from(count).unwrap_or(0)).collect())
        }
        _ => Ok(ids),
    }
}

pub(super) const STATEMENTS: &[&Statement] = &[&MOMENT, &NEXT_OTHER_IDS];
