//! Moving holds on purpose: accepting, filling, re-assigning, mapping.

use std::collections::BTreeMap;

use super::Ended;
use super::hold::{Bound, add_units, hold, plan, raise_short, wants_of};
use super::lines::{self, LineRequest, Unknown};
use super::place::serving;
use super::ship::{ShipLine, ship_line};
use crate::domain::{
    AllocationPolicy, Deltas, FulfilledBy, Kind, LevelKey, Line, LocationCode, LocationId, OrderId,
    OrderRef, Quantity, Refusal, Sku,
};
use crate::ledger::{Decided, Movement, Working, fill_freed};

/// Says that fulfilment has begun: the order's holds are extended rather than
/// expired, and taken only when no others exist.
pub fn accept(set: &mut Working, reference: &OrderRef) -> Decided<(OrderId, Ended)> {
    let id = set.order_by_ref(reference)?;
    if set.order(id)?.accepted {
        return Ok((id, Ended::Replayed));
    }
    set.order_mut(id)?.accepted = true;
    let mut entry = set.entry(Kind::OrderUpdated);
    entry.order = Some(id);
    entry.data = Some(r#"{"accepted":true}"#.to_owned());
    set.append(entry);
    Ok((id, Ended::Done))
}

/// Fills an order's shortfall from whatever is unreserved at the locations it may use.
pub fn allocate(set: &mut Working, reference: &OrderRef) -> Decided<(OrderId, Ended)> {
    let id = set.order_by_ref(reference)?;
    let order = set.order(id)?;
    let locations = set.locations_for(order.location);
    let mut shorts = Vec::new();
    for line in &order.lines {
        for part in &line.parts {
            for owed in part.allocations.iter().filter(|one| one.shortfall > 0) {
                if let Some(item) = part.item {
                    shorts.push((line.number, part.number, item, *owed));
                }
            }
        }
    }
    let mut announced = false;
    for (line, part, item, owed) in shorts {
        let mut left = owed.shortfall;
        for &location in &locations {
            let key = LevelKey { item, location };
            let units = left.min(set.peek(key)?.totals.unreserved());
            if units > 0 {
                if !announced {
                    announce(set, id);
                    announced = true;
                }
                let from = LevelKey { item, location: owed.location };
                hold_owed(set, (id, line, part), from, key, units)?;
                left -= units;
            }
        }
    }
    Ok((id, if announced { Ended::Done } else { Ended::Replayed }))
}

fn announce(set: &mut Working, id: OrderId) {
    let mut entry = set.entry(Kind::OrderAllocated);
    entry.order = Some(id);
    set.append(entry);
}

/// Turns owed units of a part into held ones, where they may stand elsewhere.
fn hold_owed(
    set: &mut Working,
    (id, line, part): (OrderId, i64, i64),
    from: LevelKey,
    to: LevelKey,
    units: i64,
) -> Decided<()> {
    add_units(set.order_mut(id)?, line, part, |part| {
        part.at_mut(from.location).shortfall -= units;
        part.at_mut(to.location).held += units;
    });
    if from == to {
        let deltas = Deltas::hold(units, -units);
        return set.post(Movement::new(to, Kind::Reserve, deltas).of(id, line, part));
    }
    let release = Movement::new(from, Kind::Release, Deltas::hold(0, -units));
    set.post(release.of(id, line, part))?;
    let reserve = Movement::new(to, Kind::Reserve, Deltas::hold(units, 0));
    set.post(reserve.of(id, line, part))
}

/// Moving a hold to another location: the total stays (R62).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassign {
    /// The order.
    pub reference: OrderRef,
    /// One line; all of them when left out.
    pub line: Option<i64>,
    /// Where the holds are.
    pub from: LocationCode,
    /// Where they go.
    pub to: LocationCode,
}

/// Moves an order's holds from one location to another, whole or not at all.
pub fn reassign(set: &mut Working, request: &Reassign) -> Decided<(OrderId, Ended)> {
    let id = set.order_by_ref(&request.reference)?;
    let from = set.own_location(Some(&request.from))?;
    let to = serving(set, &request.to)?;
    if from == to {
        return Err(Refusal::invalid("to", "the holds are there already").into());
    }
    let order = set.order(id)?;
    if order.location.is_some_and(|own| own != to) {
        let message = "the order may use its own location only";
        return Err(Refusal::invalid("to", message).into());
    }
    let mut moves = Vec::new();
    for line in order.lines.iter().filter(|one| request.line.is_none_or(|n| n == one.number)) {
        for part in &line.parts {
            let held = part.at(from).map_or(0, |one| one.held);
            if let Some(item) = part.item.filter(|_| held > 0) {
                moves.push((line.number, part.number, item, held));
            }
        }
    }
    if moves.is_empty() {
        return Ok((id, Ended::Replayed));
    }
    announce(set, id);
    let mut freed = Vec::new();
    for (line, part, item, units) in moves {
        move_hold(set, (id, line, part), item, (from, to), units, &request.to)?;
        freed.push(LevelKey { item, location: from });
    }
    fill_freed(set, freed)?;
    Ok((id, Ended::Done))
}

fn move_hold(
    set: &mut Working,
    (id, line, part): (OrderId, i64, i64),
    item: crate::domain::ItemId,
    (from, to): (LocationId, LocationId),
    units: i64,
    to_code: &LocationCode,
) -> Decided<()> {
    let (from, to) = (LevelKey { item, location: from }, LevelKey { item, location: to });
    let available = set.level(to)?.totals.unreserved();
    if units > available {
        return Err(Refusal::InsufficientUnreserved {
            sku: set.item(item)?.sku.clone(),
            location: to_code.to_string(),
            requested: units,
            available,
        }
        .into());
    }
    add_units(set.order_mut(id)?, line, part, |part| {
        part.at_mut(from.location).held -= units;
        part.at_mut(to.location).held += units;
    });
    let release = Movement::new(from, Kind::Release, Deltas::hold(-units, 0));
    set.post(release.of(id, line, part))?;
    let reserve = Movement::new(to, Kind::Reserve, Deltas::hold(units, 0));
    set.post(reserve.of(id, line, part))
}

/// Saying which item a line with an unknown SKU is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapLine {
    /// The order.
    pub reference: OrderRef,
    /// The line.
    pub line: i64,
    /// The item.
    pub sku: Sku,
}

/// Maps a line and places what it still owes as a fact.
pub fn map_line(set: &mut Working, request: &MapLine) -> Decided<(OrderId, Ended)> {
    let id = set.order_by_ref(&request.reference)?;
    let order = set.order(id)?;
    let found = order.lines.iter().find(|one| one.number == request.line);
    let Some(found) = found else {
        return Err(Refusal::UnknownLine { line: format!("line {}", request.line) }.into());
    };
    let item = set.item_by_sku(&request.sku)?;
    match found.item {
        Some(mapped) if mapped == item => return Ok((id, Ended::Replayed)),
        Some(_) => {
            return Err(Refusal::invalid("line", "the line is mapped to another item").into());
        }
        None => {}
    }
    let mut line = found.clone();
    let owned = order.location;
    let Some(loose) = line.parts.first().cloned() else {
        return Err(Refusal::UnknownLine { line: format!("line {}", request.line) }.into());
    };
    let quantity = Quantity::new(loose.counts().ordered)
        .map_err(|error| Refusal::invalid("quantity", error.to_string()))?;
    let sku = request.sku.clone();
    let asked = LineRequest { sku, quantity, unit_price: line.unit_price };
    let built = lines::build(set, line.number, &asked, line.fulfilled_by, Unknown::Refused)?;
    line.item = built.item;
    line.bundle = built.bundle;
    line.parts = built.parts;
    if line.fulfilled_by == FulfilledBy::Channel {
        for part in &mut line.parts {
            part.loose.held = loose.loose.held * part.per_unit;
            part.loose.shipped = loose.loose.shipped * part.per_unit;
        }
    }
    let by_ledger = line.fulfilled_by == FulfilledBy::Ledger;
    let number = line.number;
    *line_mut(set, id, number)? = line;
    announce(set, id);
    if by_ledger {
        ship_since(set, (id, number), loose.loose.shipped, owned)?;
    }
    for part in &mut line_mut(set, id, number)?.parts {
        part.cancelled = loose.cancelled * part.per_unit;
        part.returned = loose.returned * part.per_unit;
        part.expired = loose.expired * part.per_unit;
    }
    if by_ledger && loose.returned > 0 {
        review_returned(set, (id, number), loose.returned);
    }
    place_units(set, id, &BTreeMap::from([(number, loose.loose.shortfall)]), owned)?;
    Ok((id, Ended::Done))
}

/// Takes the units of a line that left while nobody knew the item off its level, each at
/// the moment it left: where the level was counted since, that is history.
fn ship_since(
    set: &mut Working,
    (id, line): (OrderId, i64),
    units: i64,
    from: Option<LocationId>,
) -> Decided<()> {
    let moments = set.left_unmapped.get(&(id, line)).cloned().unwrap_or_default();
    let mut rest = units;
    // Units whose moment was not kept left now, as far as anybody knows.
    for (at, units) in moments.into_iter().chain([(set.now, units)]) {
        let Ok(quantity) = Quantity::positive(units.min(rest)) else {
            continue;
        };
        rest -= quantity.get();
        ship_line(set, id, ShipLine { line, part: None, quantity }, from, Some(at))?;
    }
    Ok(())
}

/// Whether units that came back while nobody knew the item are on a shelf, nobody can
/// tell any more: somebody has to look.
fn review_returned(set: &mut Working, (id, line): (OrderId, i64), units: i64) {
    let mut entry = set.entry(Kind::OrderUpdated);
    entry.order = Some(id);
    entry.line = Some(line);
    entry.quantity = Some(units);
    entry.data = Some(r#"{"review":"returned_unmapped"}"#.to_owned());
    set.append(entry);
}

fn line_mut(set: &mut Working, id: OrderId, number: i64) -> Decided<&mut Line> {
    let found = set.order_mut(id)?.lines.iter_mut().find(|one| one.number == number);
    found.ok_or_else(|| Refusal::UnknownLine { line: format!("line {number}") }.into())
}

/// Holds units of lines as a fact; what does not fit is owed.
pub(super) fn place_units(
    set: &mut Working,
    id: OrderId,
    units: &BTreeMap<i64, i64>,
    own: Option<LocationId>,
) -> Decided<()> {
    let mut order = set.order(id)?.clone();
    let wants = wants_of(set, &mut order, units)?;
    *set.order_mut(id)? = order;
    let plan = plan(set, &wants, own, Bound::Fact, AllocationPolicy::Split)?;
    let owed = hold(set, id, &wants, &plan)?;
    raise_short(set, id, owed);
    Ok(())
}
