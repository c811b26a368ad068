//! Cancelling what was not shipped.

use std::collections::BTreeMap;

use super::hold::add_units;
use super::{Ended, waiting};
use crate::domain::{
    Decision, Deltas, Kind, LevelKey, OrderId, OrderRef, Part, Quantity, Reason, Refusal,
};
use crate::ledger::{Decided, Movement, Working, fill_freed};

/// A request to cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// The order.
    pub reference: OrderRef,
    /// Named lines and units; everything that was not shipped when left out.
    pub lines: Option<Vec<(i64, Quantity)>>,
    /// Why.
    pub reason: Option<Reason>,
}

/// Decides a cancellation. Repeating one that left nothing to cancel is a no-op.
pub fn cancel(set: &mut Working, request: &Cancel) -> Decided<(OrderId, Ended)> {
    let id = set.order_by_ref(&request.reference)?;
    let order = set.order(id)?;
    if order.decision == Decision::Undecided {
        return waiting::cancel(set, id, request);
    }
    let counts = order.counts();
    let named = request.lines.as_deref().map(summed);
    for &(line, _) in named.iter().flatten() {
        if !order.lines.iter().any(|known| known.number == line) {
            return Err(Refusal::UnknownLine { line: format!("line {line}") }.into());
        }
    }
    // Whether lines are named or not: a repeat finds nothing left, and changes nothing.
    if counts.open() == 0 && counts.shipped > 0 && counts.cancelled == 0 {
        return Err(Refusal::AlreadyShipped { order: request.reference.to_string() }.into());
    }
    if counts.open() == 0 {
        return Ok((id, Ended::Replayed));
    }
    let mut lines = named.unwrap_or_else(|| {
        order.lines.iter().map(|line| (line.number, line.counts().open())).collect()
    });
    // A named line that has nothing left is the repeat of a cancellation.
    let open = |number| {
        let line = order.lines.iter().find(|line| line.number == number);
        line.is_some_and(|line| line.counts().open() > 0)
    };
    lines.retain(|&(number, units)| units > 0 && open(number));
    if lines.is_empty() {
        return Ok((id, Ended::Replayed));
    }
    let reason = request.reason.as_ref().map(Reason::as_str);
    cancel_lines(set, id, &lines, reason)?;
    Ok((id, Ended::Done))
}

/// Units by line, a line named twice summed.
fn summed(lines: &[(i64, Quantity)]) -> Vec<(i64, i64)> {
    let mut sums: BTreeMap<i64, i64> = BTreeMap::new();
    for &(line, units) in lines {
        *sums.entry(line).or_default() += units.get();
    }
    sums.into_iter().collect()
}

/// Cancels units of lines, the owed ones first, and gives what was held to others.
pub(super) fn cancel_lines(
    set: &mut Working,
    id: OrderId,
    lines: &[(i64, i64)],
    reason: Option<&str>,
) -> Decided<()> {
    let mut moves = Vec::new();
    for &(line, units) in lines.iter().filter(|(_, units)| *units > 0) {
        moves.extend(parts_to_cancel(set, id, line, units)?);
    }
    let mut entry = set.entry(Kind::OrderCancelled);
    entry.order = Some(id);
    entry.quantity = Some(lines.iter().map(|(_, units)| units).sum());
    entry.data = reason.map(|reason| serde_json::json!({ "reason": reason }).to_string());
    set.append(entry);
    let mut freed = Vec::new();
    for (line, part, units) in moves {
        freed.extend(cancel_part(set, id, line, part, units)?);
    }
    let order = set.order_mut(id)?;
    if order.counts().open() == 0 {
        order.expires_at = None;
    }
    if order.counts().cancelled == order.counts().ordered {
        order.cancel_reason = Some(reason.unwrap_or("requested").to_owned());
    }
    fill_freed(set, freed)
}

/// How many units of each part go so that `units` fewer of the line stay open.
fn parts_to_cancel(
    set: &Working,
    id: OrderId,
    line: i64,
    units: i64,
) -> Decided<Vec<(i64, i64, i64)>> {
    let found = set.order(id)?.lines.iter().find(|one| one.number == line);
    let Some(found) = found else {
        return Err(Refusal::UnknownLine { line: format!("line {line}") }.into());
    };
    let open = found.counts().open();
    if units > open {
        let message = format!("line {line} has {open} units to cancel, not {units}");
        return Err(Refusal::invalid("quantity", message).into());
    }
    let keep = open - units;
    let cut = |part: &Part| (part.counts().open() - keep * part.per_unit).max(0);
    Ok(found.parts.iter().map(|part| (line, part.number, cut(part))).collect())
}

/// Cancels units of one part: owed ones first, so that holds stay. The levels freed.
pub(super) fn cancel_part(
    set: &mut Working,
    id: OrderId,
    line: i64,
    part: i64,
    units: i64,
) -> Decided<Vec<LevelKey>> {
    let mut moves = Vec::new();
    add_units(set.order_mut(id)?, line, part, |part| {
        let mut left = units;
        let mut take = |from: &mut i64| {
            let taken = left.min(*from);
            *from -= taken;
            left -= taken;
            taken
        };
        take(&mut part.loose.shortfall);
        let owed: Vec<i64> =
            part.allocations.iter_mut().map(|one| take(&mut one.shortfall)).collect();
        take(&mut part.loose.held);
        for (allocation, owed) in part.allocations.iter_mut().zip(owed) {
            let held = take(&mut allocation.held);
            if let Some(item) = part.item.filter(|_| held + owed > 0) {
                let key = LevelKey { item, location: allocation.location };
                moves.push((key, held, owed));
            }
        }
        part.cancelled += units - left;
    });
    let mut freed = Vec::new();
    for (key, held, owed) in moves {
        let deltas = Deltas::hold(-held, -owed);
        set.post(Movement::new(key, Kind::Release, deltas).of(id, line, part))?;
        if held > 0 {
            freed.push(key);
        }
    }
    Ok(freed)
}
