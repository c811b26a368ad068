//! The table `batch`: imports, and how far each came.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{AccountId, BatchId};
use crate::ledger::catalogue::NewBatch;

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
    conn.execute_one(&ADVANCE_BATCH, args![id.get(), before, after]).await
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
    conn.execute_one(&SET_BATCH_STATUS, args![id.get(), from, to, now]).await
}

statement!(
    BEGIN_REVERT,
    "update batch set status = 'reverting', finished_at = null
     where id = $1 and status in ('open', 'applied')"
);

/// Records that taking an import back has begun: one that was interrupted can be
/// taken back as well as one that was written whole.
pub(crate) async fn begin_revert(conn: &mut Conn<'_>, id: BatchId) -> Result<(), StoreError> {
    conn.execute_one(&BEGIN_REVERT, args![id.get()]).await
}

pub(super) const STATEMENTS: &[&Statement] =
    &[&INSERT_BATCH, &ADVANCE_BATCH, &SET_BATCH_STATUS, &BEGIN_REVERT];
