//! Taking holds away: what a count, a write-off or a shipment may do, and
//! nothing else.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Decided, Movement, Need, Stop, Working};
use crate::domain::{Deltas, Kind, LevelKey, OrderId, Payment};

/// One hold that may be taken, sortable: unpaid before paid, then the youngest
/// first; holds whose fulfilment was accepted only when no others are left.
type Victim = ((bool, bool, Reverse<(i64, OrderId, i64, i64)>), i64);

/// Takes at least `units` of the holds at a level, as far as there are any, and
/// leaves the losers short. The units that were taken. Fills nothing.
pub fn take_holds(set: &mut Working, key: LevelKey, units: i64) -> Decided<i64> {
    let wanted = units.min(set.level(key)?.totals.reserved);
    if wanted <= 0 {
        return Ok(0);
    }
    let mut victims = victims(set, key);
    let found: i64 = victims.iter().map(|(_, held)| held).sum();
    require_all(set, key, wanted, found)?;
    victims.sort_unstable();
    let mut taken = 0;
    let mut losers: BTreeMap<OrderId, i64> = BTreeMap::new();
    for ((_, _, Reverse((_, order, line, part))), held) in victims {
        let lost = held.min(wanted - taken);
        if lost == 0 {
            break;
        }
        release(set, key, (order, line, part), lost)?;
        *losers.entry(order).or_default() += lost;
        taken += lost;
    }
    for (order, lost) in losers {
        let mut entry = set.entry(Kind::OrderShort);
        entry.order = Some(order);
        entry.quantity = Some(lost);
        entry.item = Some(key.item);
        entry.location = Some(key.location);
        set.append(entry);
    }
    Ok(taken)
}

fn victims(set: &Working, key: LevelKey) -> Vec<Victim> {
    let mut victims = Vec::new();
    for slot in set.orders.values() {
        let order = &slot.now;
        for line in &order.lines {
            for part in line.parts.iter().filter(|part| part.item == Some(key.item)) {
                let held = part.at(key.location).map_or(0, |allocation| allocation.held);
                if held > 0 {
                    let accepted = order.is_line_accepted(line);
                    let paid = order.payment != Payment::Required;
                    let age = (order.age, order.id, line.number, part.number);
                    victims.push(((accepted, paid, Reverse(age)), held));
                }
            }
        }
    }
    victims
}

/// The right victims are known only when the holders were loaded for this very
/// command, before others of the batch changed who is paid or accepted.
fn require_all(set: &Working, key: LevelKey, wanted: i64, found: i64) -> Decided<()> {
    let (asked, complete) = match set.victims.get(&key) {
        None if !set.policy.first => return Err(Stop::MustBeFirst),
        None => (0, false),
        Some(&(asked, complete)) => (asked, complete),
    };
    if complete || asked >= wanted && found >= wanted {
        return Ok(());
    }
    let units = wanted.max(asked.saturating_mul(2));
    let victims = std::iter::once((key, units)).collect();
    Err(Need { victims, ..Need::default() }.into())
}

fn release(
    set: &mut Working,
    key: LevelKey,
    (order, line, part): (OrderId, i64, i64),
    units: i64,
) -> Decided<()> {
    for one in &mut set.order_mut(order)?.lines {
        if one.number != line {
            continue;
        }
        for one in one.parts.iter_mut().filter(|one| one.number == part) {
            let allocation = one.at_mut(key.location);
            allocation.held -= units;
            allocation.shortfall += units;
        }
    }
    let deltas = Deltas::hold(-units, units);
    set.post(Movement::new(key, Kind::Release, deltas).of(order, line, part))
}
