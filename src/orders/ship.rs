//! Shipments: goods that left, whatever the books say.

use std::collections::BTreeMap;

use super::hold::{add_units, owed_at};
use super::{Ended, fact_is_replay, record_fact};
use crate::domain::{
    Decision, Deltas, Fact, FactId, FactKind, FulfilledBy, Kind, LevelKey, Line, LocationCode,
    LocationId, OrderId, OrderRef, Part, Quantity, Refusal,
};
use crate::ledger::stock::{discrepancy, make_room};
use crate::ledger::{Decided, Movement, Working, each, fill_freed};

/// What an entry says of units that left while their line was of no item.
pub(crate) const LEFT_UNMAPPED: &str = r#"{"review":"shipped_unmapped"}"#;

/// Goods of an order that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ship {
    /// The order.
    pub reference: OrderRef,
    /// The caller's id of the shipment.
    pub shipment_id: FactId,
    /// What left; everything that is held when left out.
    pub lines: Option<Vec<ShipLine>>,
    /// Where it left from; where it was held when left out.
    pub location: Option<LocationCode>,
    /// When it left, UTC milliseconds; now when left out.
    pub effective_at: Option<i64>,
    /// Carrier and tracking number, where known.
    pub tracking: Option<String>,
}

/// One line of a shipment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShipLine {
    /// The order line.
    pub line: i64,
    /// One part of a bundle; all of them when left out.
    pub part: Option<i64>,
    /// Units of the line, or of the part.
    pub quantity: Quantity,
}

/// How units leave.
#[derive(Clone, Copy, Debug)]
struct Terms {
    /// When, UTC milliseconds, if that was given.
    effective_at: Option<i64>,
    /// Whether units beyond what was ordered are worth a look. They are not
    /// where an order comes in that left before: its line starts empty.
    review: bool,
}

/// Units of one part leaving one location.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    line: i64,
    part: i64,
    from: LocationId,
    units: i64,
}

/// Records a shipment.
pub fn ship(set: &mut Working, shipment: &Ship, content: &[u8; 32]) -> Decided<(OrderId, Ended)> {
    let id = set.order_by_ref(&shipment.reference)?;
    let shipment_id = &shipment.shipment_id;
    if fact_is_replay(set, id, FactKind::Shipment, shipment_id, content)? {
        return Ok((id, Ended::Replayed));
    }
    let from = match &shipment.location {
        Some(code) => Some(set.own_location(Some(code))?),
        None => None,
    };
    let leaving = match &shipment.lines {
        Some(lines) => named(set, id, lines, from)?,
        None => all_held(set, id, from)?,
    };
    if leaving.is_empty() {
        let message = "nothing of the order is held; name the lines that left";
        return Err(Refusal::invalid("lines", message).into());
    }
    let data = serde_json::json!({
        "shipment_id": shipment_id.as_str(),
        "tracking": shipment.tracking,
    });
    let mut entry = set.entry(Kind::OrderShipped);
    entry.order = Some(id);
    entry.quantity = Some(leaving.iter().map(|one| one.units).sum());
    entry.effective_at = shipment.effective_at.unwrap_or(set.now).min(set.now);
    entry.data = Some(data.to_string());
    set.append(entry);
    let fact = Fact { content_hash: *content, data: data.to_string() };
    record_fact(set, id, FactKind::Shipment, shipment_id, fact)?;
    let terms = Terms { effective_at: shipment.effective_at, review: true };
    each(set, leaving, |set, one| ship_part(set, id, one, terms))?;
    let order = set.order_mut(id)?;
    if order.counts().open() == 0 {
        // Nothing is left that could run out; the sweeper would extend it for ever.
        order.expires_at = None;
    }
    Ok((id, Ended::Done))
}

/// Everything that is held, from where it is held or all of it from one place.
fn all_held(set: &Working, id: OrderId, from: Option<LocationId>) -> Decided<Vec<Leaving>> {
    let mut leaving = Vec::new();
    for line in &set.order(id)?.lines {
        for part in &line.parts {
            let mut units: BTreeMap<LocationId, i64> = BTreeMap::new();
            for held in &part.allocations {
                *units.entry(from.unwrap_or(held.location)).or_default() += held.held;
            }
            *units.entry(Part::NOWHERE).or_default() += part.loose.held;
            let (line, part) = (line.number, part.number);
            let units = units.into_iter().filter(|(_, units)| *units > 0);
            leaving.extend(units.map(|(from, units)| Leaving { line, part, from, units }));
        }
    }
    Ok(leaving)
}

/// What lines say that left. A part named more than once is summed first: the
/// second naming would find the holds that the first one takes.
fn named(
    set: &Working,
    id: OrderId,
    lines: &[ShipLine],
    from: Option<LocationId>,
) -> Decided<Vec<Leaving>> {
    let mut sums: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for one in lines.iter().filter(|one| one.quantity > Quantity::ZERO) {
        let (_, parts) = line_parts(set, id, one.line, one.part)?;
        for part in parts {
            let per_unit = if one.part.is_some() { 1 } else { part.per_unit };
            let sum = sums.entry((one.line, part.number)).or_default();
            *sum = sum.saturating_add(one.quantity.get().saturating_mul(per_unit));
        }
    }
    let mut leaving = Vec::new();
    for ((line, part), units) in sums {
        if Quantity::new(units).is_err() {
            return Err(Refusal::invalid("quantity", "more units than a line can hold").into());
        }
        let (line, parts) = line_parts(set, id, line, Some(part))?;
        for part in parts {
            leaving.extend(sources(set, id, line, part, (units, from))?);
        }
    }
    Ok(leaving)
}

/// A line and the parts of it that are meant.
pub(super) fn line_parts(
    set: &Working,
    id: OrderId,
    line: i64,
    part: Option<i64>,
) -> Decided<(&Line, Vec<&Part>)> {
    let found = set.order(id)?.lines.iter().find(|one| one.number == line);
    let Some(found) = found else {
        return Err(Refusal::UnknownLine { line: format!("line {line}") }.into());
    };
    let meant = |one: &&Part| part.is_none_or(|number| one.number == number);
    let parts: Vec<&Part> = found.parts.iter().filter(meant).collect();
    if parts.is_empty() {
        let line = format!("part {} on line {line}", part.unwrap_or(0));
        return Err(Refusal::UnknownLine { line }.into());
    }
    Ok((found, parts))
}

/// Where units of a part leave from: the place named, else where they are held,
/// the rest where they are owed, else the first place the order may use.
fn sources(
    set: &Working,
    id: OrderId,
    line: &Line,
    part: &Part,
    (units, from): (i64, Option<LocationId>),
) -> Decided<Vec<Leaving>> {
    let leaving = |from, units| Leaving { line: line.number, part: part.number, from, units };
    if line.fulfilled_by == FulfilledBy::Channel || part.item.is_none() {
        return Ok(vec![leaving(Part::NOWHERE, units)]);
    }
    if let Some(from) = from {
        return Ok(vec![leaving(from, units)]);
    }
    let mut left = units;
    let mut out = Vec::new();
    for held in part.allocations.iter().filter(|one| one.held > 0) {
        let taken = held.held.min(left);
        if taken > 0 {
            out.push(leaving(held.location, taken));
            left -= taken;
        }
    }
    if left > 0 {
        let owed = part.allocations.iter().find(|one| one.shortfall > 0);
        let from = match owed {
            Some(owed) => owed.location,
            None => owed_at(set, set.order(id)?)?,
        };
        match out.iter_mut().find(|one| one.from == from) {
            Some(one) => one.units += left,
            None => out.push(leaving(from, left)),
        }
    }
    Ok(out)
}

/// Which of a part's units a shipment uses up.
#[derive(Clone, Debug, Default)]
struct Used {
    held_here: i64,
    short_here: i64,
    /// (location, held, owed) given up elsewhere.
    elsewhere: Vec<(LocationId, i64, i64)>,
    grown: i64,
}

/// Ships units of one part: its own hold, then its owed, then its cancelled
/// units; beyond that the line grows.
fn ship_part(set: &mut Working, id: OrderId, leaving: Leaving, terms: Terms) -> Decided<()> {
    let Leaving { line, part, from, units } = leaving;
    let (found, parts) = line_parts(set, id, line, Some(part))?;
    let by_ledger = found.fulfilled_by == FulfilledBy::Ledger;
    let item = parts.first().and_then(|part| part.item).filter(|_| from != Part::NOWHERE);
    if let Some(item) = item {
        set.level(LevelKey { item, location: from })?;
    }
    let mut used = Used::default();
    add_units(set.order_mut(id)?, line, part, |part| {
        used = use_units(part, from, units);
    });
    let order = set.order_mut(id)?;
    if order.counts().cancelled < order.counts().ordered {
        order.cancel_reason = None;
        if order.decision == Decision::Rejected {
            // Goods left: that it was refused is history.
            order.decision = Decision::Accepted;
        }
    }
    if used.grown > 0 && terms.review {
        let mut entry = set.entry(Kind::OrderUpdated);
        entry.order = Some(id);
        entry.line = Some(line);
        entry.quantity = Some(used.grown);
        entry.data = Some(r#"{"review":"shipped_beyond_ordered"}"#.to_owned());
        set.append(entry);
    }
    match item {
        Some(item) => post_shipment(set, id, (leaving, item), &used, terms.effective_at),
        None if by_ledger => {
            note_unmapped(set, id, leaving, terms.effective_at);
            Ok(())
        }
        None => Ok(()),
    }
}

/// Keeps when units left of which nobody knows the item: the level they were on is told
/// when the line is mapped.
fn note_unmapped(set: &mut Working, id: OrderId, leaving: Leaving, effective_at: Option<i64>) {
    let mut entry = set.entry(Kind::OrderUpdated);
    entry.order = Some(id);
    entry.line = Some(leaving.line);
    entry.quantity = Some(leaving.units);
    entry.effective_at = effective_at.unwrap_or(set.now).min(set.now);
    entry.data = Some(LEFT_UNMAPPED.to_owned());
    set.append(entry);
}

fn use_units(part: &mut Part, from: LocationId, units: i64) -> Used {
    let mut used = Used::default();
    let mut left = units;
    let mut take = |count: &mut i64| {
        let taken = left.min(*count);
        *count -= taken;
        left -= taken;
        taken
    };
    if from == Part::NOWHERE {
        take(&mut part.loose.held);
        take(&mut part.loose.shortfall);
        take(&mut part.cancelled);
        part.loose.shipped += units;
    } else {
        let here = part.at_mut(from);
        used.held_here = take(&mut here.held);
        let others = |one: &&mut crate::domain::Allocation| one.location != from;
        let held: Vec<(LocationId, i64)> = part
            .allocations
            .iter_mut()
            .filter(others)
            .map(|one| (one.location, take(&mut one.held)))
            .collect();
        used.short_here = take(&mut part.at_mut(from).shortfall);
        for (index, one) in part.allocations.iter_mut().filter(others).enumerate() {
            let owed = take(&mut one.shortfall);
            used.elsewhere.push((one.location, held[index].1, owed));
        }
        take(&mut part.cancelled);
        part.at_mut(from).shipped += units;
    }
    part.expired = part.expired.min(part.cancelled);
    used.grown = left;
    used
}

fn post_shipment(
    set: &mut Working,
    id: OrderId,
    (leaving, item): (Leaving, crate::domain::ItemId),
    used: &Used,
    effective_at: Option<i64>,
) -> Decided<()> {
    let Leaving { line, part, from, units } = leaving;
    let mut freed = Vec::new();
    for &(location, held, owed) in used.elsewhere.iter().filter(|(_, held, owed)| held + owed > 0) {
        let key = LevelKey { item, location };
        let deltas = Deltas::hold(-held, -owed);
        set.post(Movement::new(key, Kind::Release, deltas).of(id, line, part))?;
        if held > 0 {
            freed.push(key);
        }
    }
    let key = LevelKey { item, location: from };
    let history = set.is_history(key, effective_at)?;
    let beyond = units - used.held_here;
    let missing = if history { 0 } else { make_room(set, key, beyond, effective_at)? };
    let deltas = Deltas {
        on_hand: if history { 0 } else { -units },
        reserved: -used.held_here,
        shortfall: -used.short_here,
        safety: 0,
    };
    let mut movement = Movement::new(key, Kind::Ship, deltas).of(id, line, part);
    movement.quantity = Some(units);
    movement.effective_at = effective_at;
    set.post(movement)?;
    if missing > 0 {
        discrepancy(set, key, missing)?;
    }
    if history && used.held_here > 0 {
        freed.push(key);
    }
    fill_freed(set, freed)
}

/// Ships units of a line as part of importing an order that left before it came.
pub(super) fn ship_line(
    set: &mut Working,
    id: OrderId,
    line: ShipLine,
    from: Option<LocationId>,
    effective_at: Option<i64>,
) -> Decided<()> {
    let terms = Terms { effective_at, review: false };
    let leaving = named(set, id, &[line], from)?;
    each(set, leaving, |set, one| ship_part(set, id, one, terms))
}
