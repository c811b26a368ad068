//! Orders that are taken now and decided later.
//!
//! Until it is decided the units of such an order are on no level: they stand as
//! cancelled ones that may be held again, as those of an expired order do. So an order
//! that waits takes nothing from anybody, and one that is refused leaves nothing to
//! clean up.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::hold::{Bound, Want, hold, is_closed, is_offered, plan, raise_short};
use super::place::{self, Place, Requested, requested, shortages};
use super::{Cancel, Ended};
use crate::domain::{
    AllocationPolicy, Decision, DecisionTerms, FactKind, Kind, Line, Order, OrderId, OrderRef,
    Part, Payment, Refusal, Shortage,
};
use crate::ledger::{Added, Decided, Working};

/// The most orders that wait for their decision: more are a queue nobody keeps up with.
pub const WAITING_MAX: i64 = 10_000;

/// The decision of an order that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decide {
    /// The order.
    pub reference: OrderRef,
    /// What it was asked with.
    pub terms: DecisionTerms,
    /// It is refused for this reason, whatever there is: holding it was tried.
    pub refusal: Option<Refusal>,
}

/// Takes a request for an order, to be decided later. What is wrong with the request
/// itself is refused at once, as by [`place::place`].
pub fn place_later(
    set: &mut Working,
    request: &Place,
    content: &[u8; 32],
) -> Decided<(OrderId, Ended)> {
    let Requested { mut order, wants, units } = match requested(set, request, content)? {
        Ok(new) => new,
        Err(id) => return Ok((id, Ended::Replayed)),
    };
    if set.waiting >= WAITING_MAX {
        return Err(Refusal::QueueFull { waiting: WAITING_MAX }.into());
    }
    let hold_ms = place::hold_ms(set, request)?;
    order.decision = Decision::Undecided;
    order.expires_at = None;
    for want in &wants {
        super::hold::add_units(&mut order, want.line, want.part, |part| {
            (part.cancelled, part.expired) = (want.units, want.units);
        });
    }
    let id = order.id;
    set.order_ids.pop_front();
    set.add_order(order);
    let mut entry = set.entry(Kind::OrderQueued);
    entry.order = Some(id);
    entry.quantity = Some(units);
    set.append(entry);
    place::keep_who(set, id, request);
    let allow_backorder = request.allow_backorder;
    set.added.push(Added::Waits(id, DecisionTerms { allow_backorder, hold_ms }));
    set.waiting += 1;
    Ok((id, Ended::Done))
}

/// Decides an order that waits, as it would have been when it was placed: held whole
/// or refused whole. Deciding it again changes nothing.
pub fn decide(set: &mut Working, request: &Decide) -> Decided<(OrderId, Ended)> {
    let id = set.order_by_ref(&request.reference)?;
    let order = set.order(id)?;
    if order.decision != Decision::Undecided {
        return Ok((id, Ended::Replayed));
    }
    if let Some(refusal) = &request.refusal {
        if order.counts().shipped > 0 {
            // Goods of it that left already decided it: only the rest is refused.
            give_up(set, id, refusal)?;
        } else {
            reject(set, id, refusal)?;
        }
        return Ok((id, Ended::Done));
    }
    let mut wants = Vec::new();
    for line in &order.lines {
        let bundle_closed = is_closed(set, line)?;
        for part in line.parts.iter().filter(|part| part.expired > 0) {
            if let Some(item) = part.item {
                let (line, part, units) = (line.number, part.number, part.expired);
                let closed = bundle_closed || !is_offered(set, item)?;
                wants.push(Want { line, part, item, units, closed });
            }
        }
    }
    let policy = if set.policy.orders.split {
        AllocationPolicy::Split
    } else {
        AllocationPolicy::OneLocation
    };
    let plan = plan(set, &wants, order.location, Bound::Request, policy)?;
    // Goods of it that left already decided it.
    let decided = order.counts().shipped > 0;
    if !decided && plan.is_refused(&wants, request.terms.allow_backorder) {
        let asked = order.lines.iter().map(|line| (&line.sku, line.waiting()));
        let shortages = shortages(asked, order, &wants, &plan);
        reject(set, id, &Refusal::InsufficientStock { shortages })?;
        return Ok((id, Ended::Done));
    }
    let units = order.lines.iter().map(Line::waiting).sum();
    let mut entry = set.entry(Kind::OrderPlaced);
    entry.order = Some(id);
    entry.quantity = Some(units);
    set.append(entry);
    let expires_at = request.terms.hold_ms.map(|hold_ms| set.now.saturating_add(hold_ms));
    let order = set.order_mut(id)?;
    order.decision = Decision::Accepted;
    // What has nothing to run out must not expire: the sweeper would extend it for ever.
    order.expires_at = expires_at.filter(|_| order.payment != Payment::Paid && !wants.is_empty());
    take_out(order.lines.iter_mut().flat_map(|line| &mut line.parts));
    set.added.push(Added::Decided(id, None));
    let owed = hold(set, id, &wants, &plan)?;
    raise_short(set, id, owed);
    Ok((id, Ended::Done))
}

/// Accepts an order of which goods left while it waited, and gives up what cannot be held.
fn give_up(set: &mut Working, id: OrderId, refusal: &Refusal) -> Decided<()> {
    let mut entry = set.entry(Kind::OrderCancelled);
    entry.order = Some(id);
    entry.quantity = Some(set.order(id)?.lines.iter().map(Line::waiting).sum());
    entry.data = Some(document(refusal).to_string());
    set.append(entry);
    let order = set.order_mut(id)?;
    order.decision = Decision::Accepted;
    order.expires_at = None;
    order.lines.iter_mut().flat_map(|line| &mut line.parts).for_each(|part| part.expired = 0);
    set.added.push(Added::Decided(id, None));
    Ok(())
}

/// Whether as much went back as was paid, as far as amounts are known.
fn is_refunded(order: &Order) -> bool {
    let sum = |wanted: FactKind| {
        let facts = order.facts.iter().filter(|((kind, _), _)| *kind == wanted);
        facts.into_iter().try_fold(0_i64, |sum, (_, fact)| {
            let data: Value = serde_json::from_str(&fact.data).ok()?;
            sum.checked_add(data["amount"].as_i64()?)
        })
    };
    sum(FactKind::Payment).zip(sum(FactKind::Refund)).is_some_and(|(paid, back)| back >= paid)
}

/// Refuses an order that waited: nothing of it stands anywhere. What was paid for it
/// goes back.
fn reject(set: &mut Working, id: OrderId, refusal: &Refusal) -> Decided<()> {
    let data = document(refusal).to_string();
    let mut entry = set.entry(Kind::OrderRejected);
    entry.order = Some(id);
    entry.data = Some(data.clone());
    set.append(entry);
    let order = set.order_mut(id)?;
    order.decision = Decision::Rejected;
    order.lines.iter_mut().flat_map(|line| &mut line.parts).for_each(|part| part.expired = 0);
    let owed = !is_refunded(order);
    let paid: Vec<String> = order
        .facts
        .iter()
        .filter(|((kind, _), _)| owed && *kind == FactKind::Payment)
        .map(|((_, payment_id), _)| payment_id.to_string())
        .collect();
    for payment_id in paid {
        let mut entry = set.entry(Kind::PaymentUnmatched);
        entry.order = Some(id);
        let data = json!({ "payment_id": payment_id, "outcome": "refund_due" });
        entry.data = Some(data.to_string());
        set.append(entry);
    }
    set.added.push(Added::Decided(id, Some(data)));
    Ok(())
}

/// A refusal as it is kept and shown: `code`, `detail`, and what is short.
fn document(refusal: &Refusal) -> Value {
    let mut document = json!({ "code": refusal.code(), "detail": refusal.to_string() });
    if let Refusal::InsufficientStock { shortages } = refusal {
        let shortage = |one: &Shortage| json!({ "sku": one.sku.as_str(), "requested": one.requested, "available": one.available });
        document["shortages"] = shortages.iter().map(shortage).collect();
    }
    document
}

/// Cancels an order that waits, or units of it. One of which nothing is left to decide
/// is decided.
pub(super) fn cancel(
    set: &mut Working,
    id: OrderId,
    request: &Cancel,
) -> Decided<(OrderId, Ended)> {
    let order = set.order(id)?;
    let mut lines: BTreeMap<i64, i64> = BTreeMap::new();
    match &request.lines {
        None => lines.extend(order.lines.iter().map(|line| (line.number, line.waiting()))),
        Some(named) => {
            for (line, units) in named {
                *lines.entry(*line).or_default() += units.get();
            }
        }
    }
    let waiting = |number| {
        let line = order.lines.iter().find(|line| line.number == number);
        line.map(Line::waiting).ok_or(Refusal::UnknownLine { line: format!("line {number}") })
    };
    for (&number, &units) in &lines {
        let waiting = waiting(number)?;
        if units > waiting && waiting > 0 {
            let message = format!("line {number} has {waiting} units to cancel, not {units}");
            return Err(Refusal::invalid("quantity", message).into());
        }
    }
    lines.retain(|&number, units| *units > 0 && waiting(number).is_ok_and(|units| units > 0));
    if lines.is_empty() {
        return Ok((id, Ended::Replayed));
    }
    let reason = request.reason.as_ref().map_or("requested", AsRef::as_ref);
    cancel_units(set, id, &lines, reason)?;
    Ok((id, Ended::Done))
}

/// Cancels units of lines that wait: no more of each than wait.
pub(super) fn cancel_units(
    set: &mut Working,
    id: OrderId,
    lines: &BTreeMap<i64, i64>,
    reason: &str,
) -> Decided<()> {
    let mut entry = set.entry(Kind::OrderCancelled);
    entry.order = Some(id);
    entry.quantity = Some(lines.values().sum());
    entry.data = Some(json!({ "reason": reason }).to_string());
    set.append(entry);
    let order = set.order_mut(id)?;
    for line in &mut order.lines {
        if let Some(units) = lines.get(&line.number) {
            let keep = line.waiting() - units;
            for part in &mut line.parts {
                part.expired = part.expired.min(keep * part.per_unit);
            }
        }
    }
    if order.lines.iter().map(Line::waiting).sum::<i64>() > 0 {
        return Ok(());
    }
    order.decision = Decision::Accepted;
    if order.counts().cancelled == order.counts().ordered {
        order.cancel_reason = Some(reason.to_owned());
    }
    set.added.push(Added::Decided(id, None));
    Ok(())
}

/// An order that waits or was refused turns out to be a fact: what it is, its source
/// says.
pub(super) fn overrule(set: &mut Working, id: OrderId) -> Decided<()> {
    let was = set.order(id)?.decision;
    if was == Decision::Accepted {
        return Ok(());
    }
    let order = set.order_mut(id)?;
    order.decision = Decision::Accepted;
    if was == Decision::Undecided {
        take_out(order.lines.iter_mut().flat_map(|line| &mut line.parts));
        set.added.push(Added::Decided(id, None));
    }
    Ok(())
}

/// Takes units that may be held again out of the cancelled ones, before they are.
pub(super) fn take_out<'p>(parts: impl Iterator<Item = &'p mut Part>) {
    for part in parts {
        part.cancelled -= part.expired;
        part.expired = 0;
    }
}
