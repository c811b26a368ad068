//! Taking items out of sale, for a while or for good.

use super::catalogue::check_version;
use super::{Added, Decided, Working};
use crate::domain::{ItemId, ItemStatus, Kind, Level, Reason, Refusal, Sku, Versions};

/// Takes an item out of sale for good; of an expected version, where one is given.
pub fn discontinue(set: &mut Working, sku: &Sku, expected: Option<&Versions>) -> Decided<()> {
    let id = set.item_by_sku(sku)?;
    if let Some(expected) = expected {
        check_version(set, id, expected)?;
    }
    if set.item(id)?.status == ItemStatus::Discontinued {
        return Ok(());
    }
    let promised = |level: Level| level.totals.reserved + level.totals.shortfall;
    let units: i64 = set.levels_of(id).map(|(_, level)| promised(level)).sum();
    if units > 0 {
        return Err(Refusal::HasOpenReservations { sku: sku.clone(), units }.into());
    }
    change(set, id, ItemStatus::Discontinued, Kind::ItemDiscontinued, None)
}

/// Stops the sale of an item at once, whatever is promised: nothing more is offered
/// until it is resumed. Stopping it again changes nothing.
pub fn stop(set: &mut Working, sku: &Sku, reason: Option<&Reason>) -> Decided<()> {
    let id = set.item_by_sku(sku)?;
    match set.item(id)?.status {
        ItemStatus::Active => change(set, id, ItemStatus::Stopped, Kind::SaleStopped, reason),
        ItemStatus::Stopped | ItemStatus::Discontinued => Ok(()),
    }
}

/// Offers an item again whose sale was stopped. One that is on sale stays as it is.
pub fn resume(set: &mut Working, sku: &Sku) -> Decided<()> {
    let id = set.item_by_sku(sku)?;
    match set.item(id)?.status {
        ItemStatus::Active => Ok(()),
        ItemStatus::Stopped => {
            change(set, id, ItemStatus::Active, Kind::SaleResumed, None)?;
            // Whether it is low was not watched meanwhile.
            set.touched.insert(id);
            Ok(())
        }
        ItemStatus::Discontinued => {
            let message = format!("{sku} is discontinued, which is for good");
            Err(Refusal::invalid("sku", message).into())
        }
    }
}

fn change(
    set: &mut Working,
    id: ItemId,
    status: ItemStatus,
    kind: Kind,
    reason: Option<&Reason>,
) -> Decided<()> {
    let mut item = set.item(id)?.clone();
    item.status = status;
    item.version += 1;
    set.added.push(Added::Status(id, status, item.version));
    set.put_item(item);
    let mut entry = set.entry(kind);
    entry.item = Some(id);
    entry.data = reason.map(|reason| serde_json::json!({ "reason": reason.as_str() }).to_string());
    set.append(entry);
    Ok(())
}
