//! Taking holds away: what a count, a write-off or a shipment may do, and
//! nothing else.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Decided, Movement, Need, Stop, Working};
use crate::domain::{Deltas, Kind, LevelKey, OrderId, Payment, Quantity, Refusal};

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
    let found = found(set, key, &victims);
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

/// Units held by the orders that were loaded as the ones to go first. Others may
/// be in the set too, but between them and those may be some that are not. One
/// whose turn has changed since it was read says nothing of those either.
fn found(set: &Working, key: LevelKey, victims: &[Victim]) -> i64 {
    let first = set.victims.get(&key).map(|holders| &holders.orders);
    let of_first = |order: &OrderId| first.is_some_and(|first| first.contains(order));
    let held = victims.iter().filter(|((accepted, paid, Reverse((_, order, line, _))), _)| {
        of_first(order) && turn_as_read(set, *order, *line) == Some((*accepted, *paid))
    });
    held.map(|(_, held)| held).sum()
}

/// Whether fulfilment of a line was accepted and its order paid when it was read.
fn turn_as_read(set: &Working, order: OrderId, line: i64) -> Option<(bool, bool)> {
    let read = set.orders.get(&order)?.read.as_ref()?;
    let line = read.lines.iter().find(|one| one.number == line)?;
    Some((read.is_line_accepted(line), read.payment != Payment::Required))
}

/// The right victims are known when all holders were loaded, or those that go
/// first before others of the batch changed who is paid or accepted.
fn require_all(set: &Working, key: LevelKey, wanted: i64, found: i64) -> Decided<()> {
    let (asked, complete) =
        set.victims.get(&key).map_or((0, false), |holders| (holders.units, holders.complete));
    if !complete && !set.policy.first {
        return Err(Stop::MustBeFirst);
    }
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
    check_owed(set, key, units)?;
    let deltas = Deltas::hold(-units, units);
    set.post(Movement::new(key, Kind::Release, deltas).of(order, line, part))
}

/// Refuses what would leave more units owed at a level than it can say.
pub fn check_owed(set: &Working, key: LevelKey, units: i64) -> Decided<()> {
    let owed = set.level(key)?.totals.shortfall.saturating_add(units);
    if Quantity::new(owed).is_ok() {
        return Ok(());
    }
    let message = format!("{owed} units would be owed; a level says at most 1000000000");
    Err(Refusal::invalid("quantity", message).into())
}
