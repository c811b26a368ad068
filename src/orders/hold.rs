//! Holding units for order lines: where they are taken, and what stays owed.

use std::collections::{BTreeMap, HashMap};

use crate::domain::{
    AllocationPolicy, Deltas, Demand, DemandLine, FulfilledBy, ItemId, ItemStatus, Kind, LevelKey,
    Line, LocationId, Order, OrderId, Refusal, allocate, allocation,
};
use crate::ledger::{Decided, Movement, Working, check_owed};

/// Units a part of a line is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) line: i64,
    pub(super) part: i64,
    pub(super) item: ItemId,
    pub(super) units: i64,
    /// It, or the bundle it is of, is not offered: a request gets nothing of it.
    pub(super) closed: bool,
}

/// What bounds a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// A request takes at most ATP; an item that is not offered has none for it.
    Request,
    /// A fact takes what is unreserved and not owed; safety does not bind it.
    Fact,
}

/// Where the units of each want are to be held.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// (index of the want, where, how many).
    pub(super) placed: Vec<(usize, LocationId, i64)>,
    /// Units of each want that no location had.
    pub(super) missing: Vec<i64>,
}

impl Plan {
    /// Whether a request for `wants` is refused: what is not offered is not owed either.
    pub(super) fn is_refused(&self, wants: &[Want], allow_backorder: bool) -> bool {
        let mut missing = wants.iter().zip(&self.missing).filter(|(_, missing)| **missing > 0);
        missing.any(|(want, _)| want.closed || !allow_backorder)
    }
}

/// Plans where wants are held. Demand of all of them is summed per level (R3).
pub(super) fn plan(
    set: &Working,
    wants: &[Want],
    own: Option<LocationId>,
    bound: Bound,
    policy: AllocationPolicy,
) -> Decided<Plan> {
    let locations = set.locations_for(own);
    let mut room: allocation::Room = HashMap::new();
    for want in wants {
        for &location in &locations {
            let key = LevelKey { item: want.item, location };
            room.insert(key, room_at(set, key, bound)?);
        }
    }
    let mut lines: Vec<DemandLine> = Vec::new();
    let mut index_of: Vec<Vec<usize>> = Vec::new();
    let mut last = None;
    for (index, want) in wants.iter().enumerate() {
        if want.closed && bound == Bound::Request {
            continue;
        }
        if last != Some(want.line) {
            lines.push(Vec::new());
            index_of.push(Vec::new());
            last = Some(want.line);
        }
        if let (Some(line), Some(indexes)) = (lines.last_mut(), index_of.last_mut()) {
            line.push(Demand { item: want.item, units: want.units });
            indexes.push(index);
        }
    }
    let mut plan = Plan { placed: Vec::new(), missing: wants.iter().map(|w| w.units).collect() };
    for placement in allocate(&lines, &locations, room, policy) {
        let index = index_of[placement.line][placement.part];
        plan.missing[index] -= placement.units;
        plan.placed.push((index, placement.location, placement.units));
    }
    Ok(plan)
}

fn room_at(set: &Working, key: LevelKey, bound: Bound) -> Decided<i64> {
    let totals = set.peek(key)?.totals;
    Ok(match bound {
        Bound::Request if !is_offered(set, key.item)? => 0,
        Bound::Request => totals.available_to_promise(),
        Bound::Fact => totals.room_for_fact(),
    })
}

/// Holds what was planned and leaves the rest owed at the order's own location,
/// else the first it may use. Units owed in all.
pub(super) fn hold(set: &mut Working, id: OrderId, wants: &[Want], plan: &Plan) -> Decided<i64> {
    let owed_at = owed_at(set, set.order(id)?)?;
    let mut moves: BTreeMap<(i64, i64, LevelKey), (i64, i64)> = BTreeMap::new();
    for &(index, location, units) in &plan.placed {
        let Want { line, part, item, .. } = wants[index];
        moves.entry((line, part, LevelKey { item, location })).or_default().0 += units;
    }
    let mut owed = 0;
    for (want, &missing) in wants.iter().zip(&plan.missing).filter(|(_, missing)| **missing > 0) {
        let key = LevelKey { item: want.item, location: owed_at };
        moves.entry((want.line, want.part, key)).or_default().1 += missing;
        owed += missing;
    }
    for ((line, part, key), (held, shortfall)) in moves {
        add_units(set.order_mut(id)?, line, part, |part| {
            let allocation = part.at_mut(key.location);
            allocation.held += held;
            allocation.shortfall += shortfall;
        });
        check_owed(set, key, shortfall)?;
        let deltas = Deltas::hold(held, shortfall);
        set.post(Movement::new(key, Kind::Reserve, deltas).of(id, line, part))?;
    }
    Ok(owed)
}

/// Changes a part of an order line.
pub(super) fn add_units(
    order: &mut Order,
    line: i64,
    part: i64,
    change: impl FnOnce(&mut crate::domain::Part),
) {
    let found = order.lines.iter_mut().find(|one| one.number == line);
    let found = found.and_then(|one| one.parts.iter_mut().find(|one| one.number == part));
    if let Some(found) = found {
        change(found);
    }
}

/// Where what an order is owed stands.
pub(super) fn owed_at(set: &Working, order: &Order) -> Decided<LocationId> {
    let first = set.locations_for(order.location).first().copied();
    let any = || set.locations.iter().find(|location| !location.is_mirrored());
    first.or_else(|| any().map(|location| location.id)).ok_or_else(|| {
        Refusal::UnknownLocation { location: "any location of the ledger".to_owned() }.into()
    })
}

/// The wants of whole lines: `units` of each line, in all of its parts.
/// Lines that the ledger does not hold stock for get their units off the levels.
pub(super) fn wants_of(
    set: &Working,
    order: &mut Order,
    units: &BTreeMap<i64, i64>,
) -> Decided<Vec<Want>> {
    let mut wants = Vec::new();
    for line in &mut order.lines {
        let Some(&count) = units.get(&line.number).filter(|&&count| count > 0) else {
            continue;
        };
        let by_channel = line.fulfilled_by == FulfilledBy::Channel;
        let bundle_closed = is_closed(set, line)?;
        for part in &mut line.parts {
            let count = count * part.per_unit;
            match part.item {
                Some(item) if !by_channel => {
                    let closed = bundle_closed || !is_offered(set, item)?;
                    wants.push(Want {
                        line: line.number,
                        part: part.number,
                        item,
                        units: count,
                        closed,
                    });
                }
                _ if by_channel => part.loose.held += count,
                _ => part.loose.shortfall += count,
            }
        }
    }
    Ok(wants)
}

/// Whether a line is of a bundle that is not offered.
pub(super) fn is_closed(set: &Working, line: &Line) -> Decided<bool> {
    let offered = line.item.map(|item| is_offered(set, item)).transpose()?;
    Ok(line.bundle && offered == Some(false))
}

/// Whether requests may have an item.
pub(super) fn is_offered(set: &Working, item: ItemId) -> Decided<bool> {
    Ok(set.item(item)?.status == ItemStatus::Active)
}

/// Says that an order is owed units.
pub(super) fn raise_short(set: &mut Working, id: OrderId, units: i64) {
    if units > 0 {
        let mut entry = set.entry(Kind::OrderShort);
        entry.order = Some(id);
        entry.quantity = Some(units);
        set.append(entry);
    }
}
