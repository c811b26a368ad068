//! Taking an import back, entry by entry, by compensating entries.

use super::{Decided, Movement, Working};
use crate::domain::{Deltas, Kind, LevelKey, Refusal, Seq};

/// One movement of the import, as it was planned to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevertRow {
    /// The entry.
    pub seq: Seq,
    /// Its level.
    pub key: LevelKey,
    /// What it changed.
    pub on_hand: i64,
    /// Whether the level was counted after it.
    pub counted_since: bool,
    /// The level's last fixed point when the plan was made.
    pub counted_at: Option<i64>,
}

/// Takes movements back. What is blocked is refused with all of its lines, or
/// skipped and returned.
pub fn revert(set: &mut Working, rows: &[RevertRow], skip_blocked: bool) -> Decided<Vec<String>> {
    let mut blocked = Vec::new();
    for row in rows {
        if let Some(why) = obstacle(set, row)? {
            blocked.push(why);
        } else {
            let mut movement =
                Movement::new(row.key, Kind::Adjustment, Deltas::on_hand(-row.on_hand));
            movement.quantity = Some(-row.on_hand);
            movement.reverses = Some(row.seq);
            movement.data = Some(r#"{"cause":"batch_reverted"}"#.to_owned());
            set.post(movement)?;
        }
    }
    if blocked.is_empty() || skip_blocked {
        Ok(blocked)
    } else {
        Err(Refusal::BatchBlocked { blocked }.into())
    }
}

fn obstacle(set: &Working, row: &RevertRow) -> Decided<Option<String>> {
    let level = set.level(row.key)?;
    let sku = &set.item(row.key.item)?.sku;
    let location = set.location(row.key.location).map(|one| one.code.to_string());
    let location = location.unwrap_or_default();
    if row.counted_since || level.counted_at != row.counted_at {
        return Ok(Some(format!("{sku} at {location} was counted since")));
    }
    let left = level.totals.on_hand - row.on_hand;
    if left < level.totals.reserved {
        return Ok(Some(format!(
            "{sku} at {location} would have {left} on hand with {} reserved",
            level.totals.reserved
        )));
    }
    Ok(None)
}
