//! Holds that ran out. An order expires when its `expire` movements commit, and
//! at no other moment: readers use stored totals.

use super::{Decided, Movement, Working, each, fill};
use crate::domain::{Deltas, Kind, LevelKey, LocationId, OrderId};

/// The loaded orders whose time has come, oldest first.
pub fn due(set: &Working) -> Vec<OrderId> {
    let mut due: Vec<(i64, OrderId)> = set
        .orders
        .values()
        .filter_map(|slot| Some((slot.now.expires_at?, slot.now.id)))
        .filter(|&(expires_at, _)| expires_at <= set.now)
        .collect();
    due.sort_unstable();
    due.into_iter().map(|(_, order)| order).collect()
}

/// An order expires whole, its shortfall too; one whose fulfilment was accepted
/// is extended and raised instead (R20).
pub fn expire(set: &mut Working, id: OrderId) -> Decided<()> {
    if set.order(id)?.is_fulfilment_accepted() {
        return extend(set, id);
    }
    let mut freed = Vec::new();
    let order = set.order_mut(id)?;
    order.expires_at = None;
    order.cancel_reason = Some("expired".to_owned());
    let mut moves = Vec::new();
    for line in &mut order.lines {
        for part in &mut line.parts {
            let loose = part.loose.held + part.loose.shortfall;
            part.loose.held = 0;
            part.loose.shortfall = 0;
            part.cancelled += loose;
            part.expired += loose;
            for allocation in &mut part.allocations {
                let (held, shortfall) = (allocation.held, allocation.shortfall);
                allocation.held = 0;
                allocation.shortfall = 0;
                part.cancelled += held + shortfall;
                part.expired += held + shortfall;
                if let Some(item) = part.item.filter(|_| held + shortfall > 0) {
                    let key = LevelKey { item, location: allocation.location };
                    moves.push((key, line.number, part.number, held, shortfall));
                }
            }
        }
    }
    for (key, line, part, held, shortfall) in moves {
        let deltas = Deltas::hold(-held, -shortfall);
        set.post(Movement::new(key, Kind::Expire, deltas).of(id, line, part))?;
        freed.push(key);
    }
    let mut entry = set.entry(Kind::OrderCancelled);
    entry.order = Some(id);
    entry.data = Some(r#"{"reason":"expired"}"#.to_owned());
    set.append(entry);
    fill_freed(set, freed)
}

fn extend(set: &mut Working, id: OrderId) -> Decided<()> {
    let until = set.now.saturating_add(set.policy.orders.hold_ms);
    set.order_mut(id)?.expires_at = Some(until);
    let mut entry = set.entry(Kind::OrderUpdated);
    entry.order = Some(id);
    entry.data = Some(r#"{"review":"hold_extended"}"#.to_owned());
    set.append(entry);
    Ok(())
}

/// Fills shortfall from levels that were freed, each once.
pub fn fill_freed(set: &mut Working, mut freed: Vec<LevelKey>) -> Decided<()> {
    let rank = |location: LocationId| {
        set.locations.iter().position(|known| known.id == location).unwrap_or(usize::MAX)
    };
    freed.sort_unstable_by_key(|key| (key.item, rank(key.location)));
    freed.dedup();
    each(set, freed, fill)
}
