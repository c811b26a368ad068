//! Importing an order: a fact, as an upsert of its current state.
//!
//! Any permutation of one order's states ends in the newest one: a state with
//! an older version than the stored one changes nothing.

use std::collections::BTreeMap;

use super::allocate::place_units;
use super::cancel::cancel_lines;
use super::lines::{self, Unknown};
use super::place::keep_personal;
use super::ship::{ShipLine, ship_line};
use super::waiting::overrule;
use super::{Ended, LineRequest, Personal};
use crate::domain::{
    Counts, Decision, FactKind, FulfilledBy, Kind, LocationCode, Order, OrderId, OrderRef, Payment,
    Quantity, Refusal,
};
use crate::ledger::{Decided, Working, each};

/// The state of an order at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its name: the source and the source's id.
    pub reference: OrderRef,
    /// The source's version, growing; an older state changes nothing.
    pub source_version: Option<i64>,
    /// Whether the state was asked for just now: of two under one version it is the newer.
    pub is_current: bool,
    /// When it was placed, UTC milliseconds.
    pub placed_at: i64,
    /// When what the state says happened, UTC milliseconds; now when left out.
    pub effective_at: Option<i64>,
    /// What is known of its payment.
    pub payment: Payment,
    /// Its lines.
    pub lines: Vec<ImportLine>,
    /// The only location it may use.
    pub location: Option<LocationCode>,
    /// Currency of its prices.
    pub currency: Option<String>,
    /// Personal data.
    pub personal: Option<Personal>,
}

/// The state of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportLine {
    /// Its number within the order, from 1, the same in every state.
    pub number: i64,
    /// Whether its SKU is the ledger's; the text of a channel whose listing nobody mapped
    /// only looks like one.
    pub is_mapped: bool,
    /// What, how many that are not cancelled, and the price.
    pub request: LineRequest,
    /// Of those, units that have left.
    pub shipped: Quantity,
    /// Of those, units that are back in stock at the source, without such as it says had
    /// left. As many as have not left here are cancelled, whatever else it says of them.
    pub came_back: Quantity,
    /// Who ships it.
    pub fulfilled_by: FulfilledBy,
}

impl ImportLine {
    /// Units that came back and had not left, where so many have left by now.
    pub(crate) fn never_left(&self, shipped: i64) -> i64 {
        self.came_back.get().min(self.request.quantity.get() - shipped).max(0)
    }

    const fn unknown(&self) -> Unknown {
        if self.is_mapped { Unknown::Unmapped } else { Unknown::Whatever }
    }
}

/// Records the state of an order. Nothing of it is ever refused for want of stock.
///
/// `content` is the hash of the state: the same state again changes nothing.
pub fn import(set: &mut Working, state: &Import, content: &[u8; 32]) -> Decided<(OrderId, Ended)> {
    check(state)?;
    let Some(&id) = set.refs.get(&state.reference) else {
        return create(set, state, content).map(|id| (id, Ended::Done));
    };
    let order = set.order(id)?;
    let same = order.content_hash == Some(*content);
    let known = match (state.source_version, order.source_version) {
        (Some(new), Some(stored)) if new == stored => same || !state.is_current,
        (Some(new), Some(stored)) => new < stored,
        // A newer version of the same content is remembered: a state between
        // the two may still come, and must find that it is older.
        (Some(_), None) => false,
        (None, _) => same,
    };
    match (known, same) {
        (true, _) => return Ok((id, Ended::Replayed)),
        (false, true) => confirm(set, id, state)?,
        (false, false) => update(set, id, state, content)?,
    }
    Ok((id, Ended::Done))
}

/// The state stands under a newer version: what comes late from before it must
/// find that version.
fn confirm(set: &mut Working, id: OrderId, state: &Import) -> Decided<()> {
    set.order_mut(id)?.source_version = state.source_version;
    let mut entry = set.entry(Kind::OrderUpdated);
    entry.order = Some(id);
    set.append(entry);
    Ok(())
}

fn check(state: &Import) -> Decided<()> {
    let mut numbers: Vec<i64> = state.lines.iter().map(|line| line.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let sound = numbers.len() == state.lines.len()
        && numbers.len() <= lines::LINES_MAX
        && numbers.first().is_none_or(|&first| first >= 1)
        && state.lines.iter().all(|line| line.shipped <= line.request.quantity);
    let units: i64 = state.lines.iter().map(|line| line.request.quantity.get()).sum();
    if sound && Quantity::new(units).is_ok() {
        return Ok(());
    }
    let message = "an order has lines numbered from 1, each once, and ships no more than it has";
    Err(Refusal::invalid("lines", message).into())
}

fn create(set: &mut Working, state: &Import, content: &[u8; 32]) -> Decided<OrderId> {
    // One that is known may lose all its lines at its source; one that is new has some.
    if state.lines.is_empty() {
        return Err(Refusal::invalid("lines", "an order that is new has at least one line").into());
    }
    let Some(&id) = set.order_ids.front() else {
        return Err(Refusal::invalid("order_id", "no id was set aside for it").into());
    };
    let location = match &state.location {
        Some(code) => Some(set.own_location(Some(code))?),
        None => None,
    };
    let built = |line: &ImportLine| {
        lines::build(set, line.number, &line.request, line.fulfilled_by, line.unknown())
    };
    let mut lines = state.lines.iter().map(built).collect::<Decided<Vec<_>>>()?;
    lines.sort_unstable_by_key(|line| line.number);
    let order = Order {
        id,
        reference: state.reference.clone(),
        decision: Decision::Accepted,
        payment: state.payment,
        accepted: false,
        location,
        expires_at: None,
        cancel_reason: None,
        placed_at: state.placed_at.min(set.now),
        currency: state.currency.clone(),
        content_hash: Some(*content),
        source_version: state.source_version,
        age: i64::MAX,
        version: 0,
        lines,
        facts: BTreeMap::new(),
    };
    set.order_ids.pop_front();
    set.add_order(order);
    let mut entry = set.entry(Kind::OrderImported);
    entry.order = Some(id);
    entry.quantity = Some(state.lines.iter().map(|line| line.request.quantity.get()).sum());
    entry.effective_at = state.effective_at.unwrap_or(set.now).min(set.now);
    set.append(entry);
    keep_personal(set, id, state.personal.as_ref());
    apply(set, id, state)?;
    Ok(id)
}

fn update(set: &mut Working, id: OrderId, state: &Import, content: &[u8; 32]) -> Decided<()> {
    let mut entry = set.entry(Kind::OrderUpdated);
    entry.order = Some(id);
    entry.effective_at = state.effective_at.unwrap_or(set.now).min(set.now);
    set.append(entry);
    overrule(set, id)?;
    let order = set.order(id)?;
    let mut added = Vec::new();
    for line in &state.lines {
        if !order.lines.iter().any(|known| known.number == line.number) {
            let by = line.fulfilled_by;
            added.push(lines::build(set, line.number, &line.request, by, line.unknown())?);
        }
    }
    let order = set.order_mut(id)?;
    order.lines.extend(added);
    order.lines.sort_unstable_by_key(|line| line.number);
    order.content_hash = Some(*content);
    order.source_version = state.source_version.or(order.source_version);
    let paid_here = order.payment == Payment::Paid
        && order.facts.keys().any(|(kind, _)| *kind == FactKind::Payment);
    if !paid_here {
        order.payment = state.payment;
    }
    keep_personal(set, id, state.personal.as_ref());
    apply(set, id, state)
}

/// Moves an order's lines to the state: what left leaves, what is less is
/// cancelled, what is more is held or owed. `ordered` never shrinks.
fn apply(set: &mut Working, id: OrderId, state: &Import) -> Decided<()> {
    let own = set.order(id)?.location;
    each(set, &state.lines, |set, line| {
        let shipped = counts_of(set, id, line.number)?.shipped;
        let left = line.shipped.get().min(line.request.quantity.get() - line.never_left(shipped));
        let left = left - shipped;
        let Ok(quantity) = Quantity::positive(left) else {
            return Ok(());
        };
        let ship = ShipLine { line: line.number, part: None, quantity };
        ship_line(set, id, ship, own, state.effective_at)
    })?;
    let mut less = Vec::new();
    let mut more = BTreeMap::new();
    for line in &state.lines {
        let counts = counts_of(set, id, line.number)?;
        let wanted = line.request.quantity.get() - line.never_left(counts.shipped);
        let wanted = wanted.max(counts.shipped);
        let standing = counts.open() + counts.shipped;
        if wanted < standing {
            less.push((line.number, standing - wanted));
        } else if wanted > standing {
            more.insert(line.number, wanted - standing);
        }
    }
    let gone: Vec<i64> = set
        .order(id)?
        .lines
        .iter()
        .filter(|known| !state.lines.iter().any(|line| line.number == known.number))
        .map(|known| known.number)
        .collect();
    for number in gone {
        less.push((number, counts_of(set, id, number)?.open()));
    }
    less.retain(|&(_, units)| units > 0);
    if !less.is_empty() {
        cancel_lines(set, id, &less, Some("changed at the source"))?;
    }
    if more.is_empty() { Ok(()) } else { place_units(set, id, &more, own) }
}

fn counts_of(set: &Working, id: OrderId, number: i64) -> Decided<Counts> {
    let line = set.order(id)?.lines.iter().find(|line| line.number == number);
    Ok(line.map(crate::domain::Line::counts).unwrap_or_default())
}
