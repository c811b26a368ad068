//! Imports that were made, and taking one back.

use super::{CHUNK, ImportError, Progress, Watch, go_on};
use crate::domain::{BatchId, Key, Refusal};
use crate::ledger::catalogue::BatchRecord;
use crate::shop::Shop;
use crate::store;
use crate::store::batches::RevertLevel;
use crate::writer::{Command, Detail, WriteError};

/// The most imports listed at once.
pub const BATCHES_MAX: usize = 500;
/// Blocked levels that are kept to be shown; the rest are only counted.
const BLOCKED_MAX: i64 = 1000;

/// Imports, the newest first, at most [`BATCHES_MAX`]; those before an id, where one is given.
pub async fn list(
    shop: &Shop,
    before: Option<BatchId>,
    limit: usize,
) -> Result<Vec<BatchRecord>, ImportError> {
    let limit = i64::try_from(limit.min(BATCHES_MAX)).unwrap_or(0);
    let before = before.map_or(i64::MAX, BatchId::get);
    let mut reader = shop.db.read().await?;
    Ok(store::batches::list(&mut reader.conn(), before, limit).await?)
}

/// One import.
pub async fn find(shop: &Shop, batch: BatchId) -> Result<BatchRecord, ImportError> {
    let mut reader = shop.db.read().await?;
    let found = store::batches::find(&mut reader.conn(), batch).await?;
    found.ok_or_else(|| {
        let refusal = Refusal::UnknownName { what: "batch", name: batch.to_string() };
        ImportError::Write(refusal.into())
    })
}

/// What taking an import back would do.
#[derive(Clone, Debug, Default)]
pub struct RevertPlan {
    /// Levels that would change.
    pub levels: u64,
    /// Units that would be taken away, in all.
    pub units: i64,
    /// Levels that block it, at most a thousand of them.
    pub blocked: Vec<RevertLevel>,
    /// How many block it.
    pub blocked_levels: u64,
}

impl RevertLevel {
    /// Why it cannot be taken back.
    pub fn obstacle(&self) -> String {
        let Self { sku, location, units, on_hand, reserved, counted_since } = self;
        let left = on_hand - units;
        if *counted_since {
            format!("{sku} at {location} was counted since")
        } else {
            format!("{sku} at {location} would have {left} on hand with {reserved} reserved")
        }
    }
}

/// Looks at what taking an import back would do, and writes nothing. Only stock
/// imports can be taken back, also those that were interrupted.
pub async fn plan_revert(shop: &Shop, batch: BatchId) -> Result<RevertPlan, ImportError> {
    let record = find(shop, batch).await?;
    let wrong = |message: &str| ImportError::Batch { batch, message: message.to_owned() };
    if record.kind != "stock" {
        return Err(wrong(&format!(
            "is an import of {}: only stock can be taken back",
            record.kind
        )));
    }
    if record.status == "reverted" {
        let refusal = Refusal::AlreadyReverted { batch: batch.to_string() };
        return Err(ImportError::Write(refusal.into()));
    }
    let mut reader = shop.db.snapshot().await?;
    let (levels, units, blocked_levels) =
        store::batches::revert_totals(&mut reader.conn(), batch).await?;
    let blocked = match blocked_levels {
        0 => Vec::new(),
        _ => store::batches::revert_blocked(&mut reader.conn(), batch, BLOCKED_MAX).await?,
    };
    let count = |levels: i64| u64::try_from(levels).unwrap_or(0);
    Ok(RevertPlan { levels: count(levels), units, blocked, blocked_levels: count(blocked_levels) })
}

/// What taking an import back has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reverted {
    /// Movements that were taken back by this run.
    pub movements: u64,
    /// Those that were left, as far as they are kept to be shown.
    pub blocked: Vec<String>,
    /// How many were left.
    pub blocked_movements: u64,
}

/// Takes an import back by compensating entries. What blocks it refuses the
/// whole before anything is written, unless it is to be left out. One that was
/// interrupted goes on where it stopped.
pub async fn revert(
    shop: &Shop,
    batch: BatchId,
    skip_blocked: bool,
    watch: Watch<'_>,
) -> Result<Reverted, ImportError> {
    let plan = plan_revert(shop, batch).await?;
    if plan.blocked_levels > 0 && !skip_blocked {
        let blocked = plan.blocked.iter().map(RevertLevel::obstacle).collect();
        return Err(ImportError::Write(Refusal::BatchBlocked { blocked }.into()));
    }
    if find(shop, batch).await?.status != "reverting" {
        shop.submit(Command::RevertOpen(batch), None).await?;
    }
    let mut reverted = Reverted::default();
    let mut after = 0;
    loop {
        let mut reader = shop.db.read().await?;
        let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
        let rows = store::batches::revert_rows(&mut reader.conn(), batch, after, limit).await?;
        drop(reader);
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            break;
        };
        after = last.seq.get();
        let count = rows.len() as u64;
        let key = Key::new(&format!("batch:{batch}:revert:{}:{}:{count}", first.seq, last.seq))
            .map_err(|error| WriteError::Broken(error.to_string()))?;
        let command = Command::Revert { batch, rows, skip_blocked };
        let answer = shop.submit(command, Some(key)).await?;
        reverted.movements += count;
        if let Detail::Blocked(blocked) = answer.detail {
            reverted.movements -= blocked.len() as u64;
            reverted.blocked_movements += blocked.len() as u64;
            let kept = usize::try_from(BLOCKED_MAX).unwrap_or(0);
            let room = kept.saturating_sub(reverted.blocked.len());
            reverted.blocked.extend(blocked.into_iter().take(room));
        }
        go_on(watch, Progress::Writing(reverted.movements, plan.levels), Some(batch))?;
    }
    shop.submit(Command::BatchReverted(batch), None).await?;
    Ok(reverted)
}
