//! The table `batch`: imports, and how far each came.

use super::statement::{Arg, Row, args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{AccountId, BatchId, ItemId, LevelKey, LocationId, Seq};
use crate::ledger::RevertRow;
use crate::ledger::catalogue::{BatchRecord, NewBatch};

statement!(
    INSERT_BATCH,
    "insert into batch (id, kind, status, file_name, content_hash, options, rows_total, rows_done,
                        account_id, created_at)
     values ($1, $2, 'open', $3, $4, $5, $6, 0, $7, $8)"
);

/// Adds an import that has begun.
pub(crate) async fn insert(
    conn: &mut Conn<'_>,
    id: BatchId,
    new: &NewBatch,
    account: AccountId,
    now: i64,
) -> Result<(), StoreError> {
    let args = args![
        id.get(),
        new.kind,
        new.file_name.as_str(),
        new.content_hash,
        new.options.as_str(),
        new.rows_total,
        account.get(),
        now,
    ];
    conn.execute_one(&INSERT_BATCH, args).await
}

/// Runs a statement that is guarded by the state of an import. A guard that
/// fails is no conflict that passes: somebody else goes on with the import.
async fn guarded(
    conn: &mut Conn<'_>,
    statement: &'static Statement,
    args: Vec<Arg>,
    id: BatchId,
) -> Result<(), StoreError> {
    match conn.execute(statement, args).await? {
        1 => Ok(()),
        _ => Err(StoreError::Overtaken(id.get())),
    }
}

statement!(
    ADVANCE_BATCH,
    "update batch set rows_done = $3 where id = $1 and rows_done = $2 and status = 'open'"
);

/// Records that rows are now written, guarded by how many were before.
pub(crate) async fn advance(
    conn: &mut Conn<'_>,
    id: BatchId,
    before: i64,
    after: i64,
) -> Result<(), StoreError> {
    guarded(conn, &ADVANCE_BATCH, args![id.get(), before, after], id).await
}

statement!(
    SET_BATCH_STATUS,
    "update batch set status = $3, finished_at = $4 where id = $1 and status = $2"
);

/// Moves an import from one state to the next.
pub(crate) async fn set_status(
    conn: &mut Conn<'_>,
    id: BatchId,
    from: &str,
    to: &str,
    now: i64,
) -> Result<(), StoreError> {
    guarded(conn, &SET_BATCH_STATUS, args![id.get(), from, to, now], id).await
}

statement!(
    BEGIN_REVERT,
    "update batch set status = 'reverting', finished_at = null
     where id = $1 and status in ('open', 'applied')"
);

/// Records that taking an import back has begun: one that was interrupted can be
/// taken back as well as one that was written whole.
pub(crate) async fn begin_revert(conn: &mut Conn<'_>, id: BatchId) -> Result<(), StoreError> {
    guarded(conn, &BEGIN_REVERT, args![id.get()], id).await
}

statement!(
    FIND_BATCH,
    "select id, kind, status, file_name, content_hash, options, rows_total, rows_done,
            created_at, finished_at
     from batch where id = $1"
);
statement!(
    LIST_BATCHES,
    "select id, kind, status, file_name, content_hash, options, rows_total, rows_done,
            created_at, finished_at
     from batch where id < $1 order by id desc limit $2"
);
statement!(
    SAME_CONTENT,
    "select id, kind, status, file_name, content_hash, options, rows_total, rows_done,
            created_at, finished_at
     from batch where content_hash = $1 and status in ('open', 'applied', 'reverting')
     order by id desc limit 1"
);

fn record(row: &Row) -> Result<BatchRecord, StoreError> {
    let hash = row.hash_opt(4)?;
    Ok(BatchRecord {
        id: BatchId::new(row.int(0)?),
        kind: row.text(1)?,
        status: row.text(2)?,
        file_name: row.text(3)?,
        content_hash: hash.ok_or_else(|| row.decode_error("an import without its hash"))?,
        options: row.text(5)?,
        rows_total: row.int(6)?,
        rows_done: row.int(7)?,
        created_at: row.int(8)?,
        finished_at: row.int_opt(9)?,
    })
}

/// One import.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    id: BatchId,
) -> Result<Option<BatchRecord>, StoreError> {
    let row = conn.optional(&FIND_BATCH, args![id.get()]).await?;
    row.as_ref().map(record).transpose()
}

/// Imports older than one, the newest first.
pub(crate) async fn list(
    conn: &mut Conn<'_>,
    before: i64,
    limit: i64,
) -> Result<Vec<BatchRecord>, StoreError> {
    let rows = conn.all(&LIST_BATCHES, args![before, limit]).await?;
    rows.iter().map(record).collect()
}

/// The newest import of the same content that was not taken back.
pub(crate) async fn same_content(
    conn: &mut Conn<'_>,
    hash: [u8; 32],
) -> Result<Option<BatchRecord>, StoreError> {
    let row = conn.optional(&SAME_CONTENT, args![hash]).await?;
    row.as_ref().map(record).transpose()
}

// A level was counted since when a later count made its fixed point.
statement!(
    REVERT_ROWS,
    "select j.seq, j.item_id, j.location_id, j.d_on_hand, l.counted_at,
            cast(case when exists (
              select 1 from journal as c
              where c.item_id = j.item_id and c.location_id = j.location_id
                and c.level_version > j.level_version and c.kind = 'count'
                and c.effective_at = l.counted_at
            ) then 1 else 0 end as bigint)
     from journal as j
     join level as l on l.item_id = j.item_id and l.location_id = j.location_id
     where j.batch_id = $1 and j.seq > $2 and j.level_version is not null and j.d_on_hand <> 0
       and not exists (select 1 from journal as r where r.reverses = j.seq)
     order by j.seq limit $3"
);

/// Movements of an import that changed what is on hand and were not taken back,
/// after a place in the journal.
pub(crate) async fn revert_rows(
    conn: &mut Conn<'_>,
    id: BatchId,
    after: i64,
    limit: i64,
) -> Result<Vec<RevertRow>, StoreError> {
    let rows = conn.all(&REVERT_ROWS, args![id.get(), after, limit]).await?;
    rows.iter()
        .map(|row| {
            let location = LocationId::new(row.int(2)?);
            Ok(RevertRow {
                seq: Seq::new(row.int(0)?),
                key: LevelKey { item: ItemId::new(row.int(1)?), location },
                on_hand: row.int(3)?,
                counted_at: row.int_opt(4)?,
                counted_since: row.flag(5)?,
            })
        })
        .collect()
}

/// The levels an import changed, as `t`: the units to be taken away, and whether
/// the level was counted since. A tail reads from it.
macro_rules! of_revert_levels {
    ($tail:literal) => {
        concat!(
            "with t as (
               select j.item_id, j.location_id, cast(sum(j.d_on_hand) as bigint) as units,
                      cast(max(case when exists (
                        select 1 from journal as c
                        where c.item_id = j.item_id and c.location_id = j.location_id
                          and c.level_version > j.level_version and c.kind = 'count'
                          and c.effective_at = l.counted_at
                      ) then 1 else 0 end) as bigint) as counted
               from journal as j
               join level as l on l.item_id = j.item_id and l.location_id = j.location_id
               where j.batch_id = $1 and j.level_version is not null and j.d_on_hand <> 0
                 and not exists (select 1 from journal as r where r.reverses = j.seq)
               group by j.item_id, j.location_id
             ) ",
            $tail
        )
    };
}

statement!(
    REVERT_TOTALS,
    of_revert_levels!(
        "select count(*), cast(coalesce(sum(t.units), 0) as bigint),
                cast(coalesce(sum(case when t.counted = 1 or l.on_hand - t.units < l.reserved
                                  then 1 else 0 end), 0) as bigint)
         from t join level as l on l.item_id = t.item_id and l.location_id = t.location_id"
    )
);
statement!(
    REVERT_BLOCKED,
    of_revert_levels!(
        "select i.sku, p.code, t.units, l.on_hand, l.reserved, t.counted
         from t
         join level as l on l.item_id = t.item_id and l.location_id = t.location_id
         join item as i on i.id = t.item_id
         join location as p on p.id = t.location_id
         where t.counted = 1 or l.on_hand - t.units < l.reserved
         order by i.sku, p.code limit $2"
    )
);

/// A level that blocks taking an import back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevertLevel {
    /// The item.
    pub sku: String,
    /// The location's code.
    pub location: String,
    /// Units the import added, to be taken away.
    pub units: i64,
    /// Units on hand now.
    pub on_hand: i64,
    /// Units promised now.
    pub reserved: i64,
    /// Whether it was counted since.
    pub counted_since: bool,
}

/// What taking an import back would do: levels, units in all, and blocked levels.
pub(crate) async fn revert_totals(
    conn: &mut Conn<'_>,
    id: BatchId,
) -> Result<(i64, i64, i64), StoreError> {
    let row = conn.one(&REVERT_TOTALS, args![id.get()]).await?;
    Ok((row.int(0)?, row.int(1)?, row.int(2)?))
}

/// The levels that block taking an import back, by SKU and location.
pub(crate) async fn revert_blocked(
    conn: &mut Conn<'_>,
    id: BatchId,
    limit: i64,
) -> Result<Vec<RevertLevel>, StoreError> {
    let rows = conn.all(&REVERT_BLOCKED, args![id.get(), limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(RevertLevel {
                sku: row.text(0)?,
                location: row.text(1)?,
                units: row.int(2)?,
                on_hand: row.int(3)?,
                reserved: row.int(4)?,
                counted_since: row.flag(5)?,
            })
        })
        .collect()
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &INSERT_BATCH,
    &ADVANCE_BATCH,
    &SET_BATCH_STATUS,
    &BEGIN_REVERT,
    &FIND_BATCH,
    &LIST_BATCHES,
    &SAME_CONTENT,
    &REVERT_ROWS,
    &REVERT_TOTALS,
    &REVERT_BLOCKED,
];
