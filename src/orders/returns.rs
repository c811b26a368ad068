//! Goods and money that go back: two facts, never one.

use std::collections::BTreeMap;

use super::cancel::cancel_lines;
use super::hold::{add_units, owed_at};
use super::ship::line_parts;
use super::{Ended, fact_is_replay, record_fact, waiting};
use crate::domain::{
    Decision, Deltas, Fact, FactId, FactKind, FulfilledBy, Kind, LevelKey, LocationCode,
    LocationId, LocationKind, OrderId, OrderRef, Part, Quantity, Refusal,
};
use crate::ledger::{Decided, Movement, Working, each, fill_freed};

/// What becomes of goods that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Back on the shelf, for sale.
    Restock,
    /// Set aside for inspection.
    Quarantine,
    /// Thrown away.
    WriteOff,
}

impl Disposition {
    /// Every disposition.
    pub const ALL: [Self; 3] = [Self::Restock, Self::Quarantine, Self::WriteOff];

    /// The name in answers and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restock => "restock",
            Self::Quarantine => "quarantine",
            Self::WriteOff => "write_off",
        }
    }
}

/// Goods of an order that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// The order.
    pub reference: OrderRef,
    /// The caller's id of the return.
    pub return_id: FactId,
    /// What came back.
    pub lines: Vec<ReturnLine>,
    /// Where it came to; where it left from when left out.
    pub location: Option<LocationCode>,
    /// When it came, UTC milliseconds; now when left out.
    pub effective_at: Option<i64>,
}

/// One line of a return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnLine {
    /// The order line.
    pub line: i64,
    /// One part of a bundle; all of them when left out.
    pub part: Option<i64>,
    /// Units of the line, or of the part.
    pub quantity: Quantity,
    /// What becomes of them.
    pub disposition: Disposition,
}

/// Money of an order that went back, and whether its units come back on sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The order.
    pub reference: OrderRef,
    /// The caller's id of the refund.
    pub refund_id: FactId,
    /// Units the refund speaks of; none when it is an amount only (R51).
    pub lines: Vec<RefundLine>,
    /// How much, minor units, where it is known.
    pub amount: Option<i64>,
    /// The payment that is given back, where it is known.
    pub payment_id: Option<FactId>,
}

/// One line of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundLine {
    /// The order line.
    pub line: i64,
    /// Units of the line.
    pub quantity: Quantity,
    /// Whether the refund puts them back on sale.
    pub restock: bool,
}

/// Records goods that came back.
pub fn take_back(
    set: &mut Working,
    request: &Return,
    content: &[u8; 32],
) -> Decided<(OrderId, Ended)> {
    let id = set.order_by_ref(&request.reference)?;
    let return_id = &request.return_id;
    if fact_is_replay(set, id, FactKind::Return, return_id, content)? {
        return Ok((id, Ended::Replayed));
    }
    if request.lines.iter().all(|line| line.quantity == Quantity::ZERO) {
        return Err(Refusal::invalid("lines", "name at least one unit that came back").into());
    }
    let data = serde_json::json!({ "return_id": return_id.as_str() });
    let mut entry = set.entry(Kind::OrderReturned);
    entry.order = Some(id);
    entry.quantity = Some(request.lines.iter().map(|line| line.quantity.get()).sum());
    entry.data = Some(data.to_string());
    set.append(entry);
    let fact = Fact { content_hash: *content, data: data.to_string() };
    record_fact(set, id, FactKind::Return, return_id, fact)?;
    let location = request.location.as_ref();
    each(set, &request.lines, |set, line| {
        return_line(set, id, *line, location, request.effective_at)
    })?;
    Ok((id, Ended::Done))
}

fn return_line(
    set: &mut Working,
    id: OrderId,
    one: ReturnLine,
    location: Option<&LocationCode>,
    effective_at: Option<i64>,
) -> Decided<()> {
    let (line, parts) = line_parts(set, id, one.line, one.part)?;
    let stocked = line.fulfilled_by == FulfilledBy::Ledger;
    let parts: Vec<Part> = parts.into_iter().cloned().collect();
    let mut beyond = 0;
    for part in parts {
        let per_unit = if one.part.is_some() { 1 } else { part.per_unit };
        let units = one.quantity.get().saturating_mul(per_unit);
        let counted = units.min(part.counts().shipped - part.returned);
        beyond += units - counted;
        add_units(set.order_mut(id)?, one.line, part.number, |part| {
            part.returned += counted;
        });
        if let Some(item) = part.item.filter(|_| stocked) {
            let to = came_to(set, id, &part, one.disposition, location)?;
            let back = Back { id, line: one.line, part: part.number, units, effective_at };
            back.post(set, LevelKey { item, location: to }, one.disposition)?;
        }
    }
    if beyond > 0 {
        let mut entry = set.entry(Kind::OrderUpdated);
        entry.order = Some(id);
        entry.line = Some(one.line);
        entry.quantity = Some(beyond);
        entry.data = Some(r#"{"review":"returned_beyond_shipped"}"#.to_owned());
        set.append(entry);
    }
    Ok(())
}

/// Where goods come to: the place named; quarantine for goods set aside; else
/// where they left from.
fn came_to(
    set: &Working,
    id: OrderId,
    part: &Part,
    disposition: Disposition,
    named: Option<&LocationCode>,
) -> Decided<LocationId> {
    if named.is_some() {
        let id = set.own_location(named)?;
        let sells = set.location(id).is_some_and(|location| location.kind.may_sell());
        if disposition == Disposition::Quarantine && sells {
            let message = "what is set aside must not come to a place that is sold from";
            return Err(Refusal::invalid("location", message).into());
        }
        return Ok(id);
    }
    if disposition == Disposition::Quarantine {
        let kind = |one: &&crate::domain::Location| one.kind == LocationKind::Quarantine;
        return match set.locations.iter().find(kind) {
            Some(location) => Ok(location.id),
            None => Err(Refusal::invalid(
                "disposition",
                "there is no location of kind quarantine; create one, or name where the goods are",
            )
            .into()),
        };
    }
    match part.allocations.iter().find(|one| one.shipped > 0) {
        Some(shipped) => Ok(shipped.location),
        None => owed_at(set, set.order(id)?),
    }
}

struct Back {
    id: OrderId,
    line: i64,
    part: i64,
    units: i64,
    effective_at: Option<i64>,
}

impl Back {
    fn post(&self, set: &mut Working, key: LevelKey, disposition: Disposition) -> Decided<()> {
        let history = set.is_history(key, self.effective_at)?;
        let units = if history { 0 } else { self.units };
        let room = Quantity::new(set.level(key)?.totals.on_hand + units);
        if room.is_err() {
            let message = "more units would be on hand than a level holds";
            return Err(Refusal::invalid("quantity", message).into());
        }
        self.movement(set, key, Kind::Return, units)?;
        match disposition {
            Disposition::WriteOff => self.movement(set, key, Kind::WriteOff, -units),
            Disposition::Restock if !history => fill_freed(set, vec![key]),
            Disposition::Restock | Disposition::Quarantine => Ok(()),
        }
    }

    fn movement(&self, set: &mut Working, key: LevelKey, kind: Kind, units: i64) -> Decided<()> {
        let movement = Movement::new(key, kind, Deltas::on_hand(units));
        let mut movement = movement.of(self.id, self.line, self.part);
        movement.quantity = Some(self.units);
        movement.effective_at = self.effective_at;
        set.post(movement)
    }
}

/// Records a refund. Units it puts back on sale are cancelled as far as they
/// were not shipped, else returned; units that already went either way do not
/// go twice (R49).
pub fn refund(
    set: &mut Working,
    request: &Refund,
    content: &[u8; 32],
) -> Decided<(OrderId, Ended)> {
    let id = set.order_by_ref(&request.reference)?;
    let refund_id = &request.refund_id;
    if fact_is_replay(set, id, FactKind::Refund, refund_id, content)? {
        return Ok((id, Ended::Replayed));
    }
    let mut data = serde_json::json!({ "refund_id": refund_id.as_str(), "amount": request.amount });
    if let Some(payment_id) = &request.payment_id {
        if !set.order(id)?.facts.contains_key(&(FactKind::Payment, payment_id.clone())) {
            let name = payment_id.to_string();
            return Err(Refusal::UnknownName { what: "payment", name }.into());
        }
        data["payment_id"] = serde_json::json!(payment_id.as_str());
    }
    let mut entry = set.entry(Kind::OrderRefunded);
    entry.order = Some(id);
    entry.data = Some(data.to_string());
    set.append(entry);
    let fact = Fact { content_hash: *content, data: data.to_string() };
    record_fact(set, id, FactKind::Refund, refund_id, fact)?;
    let restocked = request.lines.iter().filter(|line| line.restock);
    each(set, restocked, |set, line| restock_refund(set, id, *line))?;
    Ok((id, Ended::Done))
}

fn restock_refund(set: &mut Working, id: OrderId, one: RefundLine) -> Decided<()> {
    let (line, _) = line_parts(set, id, one.line, None)?;
    let counts = line.counts();
    let units = one.quantity.get();
    let waits = set.order(id)?.decision == Decision::Undecided;
    let cancelled = units.min(if waits { line.waiting() } else { counts.open() });
    let returned = (units - cancelled).min(counts.shipped - counts.returned);
    let nothing = units - cancelled - returned;
    if cancelled > 0 && waits {
        waiting::cancel_units(set, id, &BTreeMap::from([(one.line, cancelled)]), "refunded")?;
    } else if cancelled > 0 {
        cancel_lines(set, id, &[(one.line, cancelled)], Some("refunded"))?;
    }
    if let Ok(quantity) = Quantity::positive(returned) {
        let disposition = Disposition::Restock;
        let back = ReturnLine { line: one.line, part: None, quantity, disposition };
        return_line(set, id, back, None, None)?;
    }
    if nothing > 0 {
        let mut entry = set.entry(Kind::OrderUpdated);
        entry.order = Some(id);
        entry.line = Some(one.line);
        entry.quantity = Some(nothing);
        entry.data = Some(r#"{"review":"refunded_beyond_ordered"}"#.to_owned());
        set.append(entry);
    }
    Ok(())
}
