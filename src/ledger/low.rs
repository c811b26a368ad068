//! Low stock, with hysteresis so that one unit to and fro raises one event.

use super::{Added, Decided, Working};
use crate::domain::{ItemId, ItemStatus, Kind, Location};

/// How far above its reorder point an item must rise before it can be low
/// again: a tenth of it, at least one unit.
fn rearm_at(reorder_point: i64) -> i64 {
    reorder_point + (reorder_point / 10).max(1)
}

/// Raises `stock.low` for touched items whose ATP fell to their reorder point,
/// and re-arms those that rose well above it. Decided last in a batch.
pub fn raise_low(set: &mut Working) -> Decided<()> {
    let mut touched: Vec<ItemId> = set.touched.iter().copied().collect();
    touched.sort_unstable();
    for id in touched {
        let item = set.item(id)?;
        let (Some(reorder_point), ItemStatus::Active, false) =
            (item.reorder_point, item.status, item.bundle)
        else {
            continue;
        };
        let was_low = item.low;
        let available = available(set, id);
        let is_low =
            if was_low { available < rearm_at(reorder_point) } else { available <= reorder_point };
        if is_low == was_low {
            continue;
        }
        set.added.push(Added::Low(id, is_low));
        if is_low {
            let mut entry = set.entry(Kind::Low);
            entry.item = Some(id);
            entry.quantity = Some(available);
            entry.data = Some(format!(r#"{{"reorder_point":{reorder_point}}}"#));
            set.append(entry);
        }
    }
    Ok(())
}

/// An item's ATP: the sum over the locations that orders are served from.
fn available(set: &Working, item: ItemId) -> i64 {
    set.levels_of(item)
        .filter(|(key, _)| set.location(key.location).is_some_and(Location::serves_orders))
        .map(|(_, level)| level.totals.available_to_promise())
        .sum()
}
