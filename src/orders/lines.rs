//! From what was ordered to the lines of an order.

use crate::domain::{FulfilledBy, Line, Part, Quantity, Refusal, Sku};
use crate::ledger::{Decided, Working};

/// The most lines an order may have.
pub(super) const LINES_MAX: usize = 500;

/// One line as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRequest {
    /// What.
    pub sku: Sku,
    /// How many, at least 1.
    pub quantity: Quantity,
    /// Price of one unit, minor units of the order's currency.
    pub unit_price: Option<i64>,
}

/// A line without units yet: a bundle's recipe is frozen here. An unknown SKU
/// is refused, or left unmapped where the order is a fact.
pub(super) fn build(
    set: &Working,
    number: i64,
    request: &LineRequest,
    fulfilled_by: FulfilledBy,
    unknown: Unknown,
) -> Decided<Line> {
    let item = match (set.item_by_sku(&request.sku), unknown) {
        (_, Unknown::Whatever) | (Err(_), Unknown::Unmapped) => None,
        (Ok(item), _) => Some(item),
        (Err(stop), Unknown::Refused) => return Err(stop),
    };
    let mut bundle = false;
    let mut parts = Vec::new();
    if let Some(item) = item {
        bundle = set.item(item)?.bundle;
        if let Some(recipe) = set.parts.get(&item).filter(|_| bundle) {
            for (number, part) in (1_i64..).zip(recipe) {
                check_units(request, part.per_unit)?;
                parts.push(Part::new(number, Some(part.item), part.per_unit));
            }
        }
    }
    if parts.is_empty() {
        parts.push(Part::new(0, item, 1));
    }
    Ok(Line {
        number,
        item,
        sku: request.sku.clone(),
        bundle,
        unit_price: request.unit_price,
        fulfilled_by,
        parts,
    })
}

/// What an unknown SKU does to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// The request is refused.
    Refused,
    /// The line waits for a person to map it.
    Unmapped,
    /// So it does whatever its SKU looks like.
    Whatever,
}

fn check_units(request: &LineRequest, per_unit: i64) -> Decided<()> {
    let units = request.quantity.get().checked_mul(per_unit);
    if units.is_some_and(|units| Quantity::new(units).is_ok()) {
        return Ok(());
    }
    let message =
        format!("{} of {} need more units than a line holds", request.quantity, request.sku);
    Err(Refusal::invalid("quantity", message).into())
}

/// Refuses an order with no lines, too many, or more units of one SKU than a level holds.
pub(super) fn check(lines: &[LineRequest]) -> Decided<()> {
    if lines.is_empty() || lines.len() > LINES_MAX {
        let message = format!("an order has 1 to {LINES_MAX} lines, not {}", lines.len());
        return Err(Refusal::invalid("lines", message).into());
    }
    if lines.iter().any(|line| line.quantity == Quantity::ZERO) {
        return Err(Refusal::invalid("quantity", "a line has at least 1 unit").into());
    }
    let units: i64 = lines.iter().map(|line| line.quantity.get()).sum();
    if Quantity::new(units).is_err() {
        return Err(Refusal::invalid("quantity", "the order has too many units").into());
    }
    Ok(())
}
