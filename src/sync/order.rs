//! From a channel's order to what the ledger records of it: pure.

use std::collections::BTreeMap;

use crate::connectors::{RemoteLine, RemoteOrder, RemoteState, RemoteVersion};
use crate::domain::{
    ExternalId, FactId, FulfilledBy, Money, OrderRef, Payment, Quantity, Reason, RemoteId, Sku,
    TextError,
};
use crate::orders::{Cancel, Disposition, Import, ImportLine, LineRequest, Return, ReturnLine};
use crate::store::listings::KeyedListing;
use crate::store::remote_lines::{Deduction, KeyedLine};

/// Units of a line that came back and are recorded one by one; more are somebody's to look at.
const RETURNED_MAX: i64 = 200;

/// Whether the ledger has an order, and how new it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It has none.
    No,
    /// It has one of no version.
    Unversioned,
    /// It has one of a version.
    At(i64),
}

/// The name of a channel's order in the ledger.
pub(super) fn reference(channel: &str, id: &RemoteId) -> Result<OrderRef, TextError> {
    Ok(OrderRef { source: channel.to_owned(), external_id: ExternalId::new(id.as_str())? })
}

/// How new a state is, as the ledger compares it.
pub(super) fn version(remote: &RemoteOrder) -> Option<i64> {
    match remote.version {
        Some(RemoteVersion::ChangedAt(at)) => Some(at.as_millis()),
        Some(RemoteVersion::Number(number)) => Some(number),
        None => None,
    }
}

/// Whether an order that is not known yet promises anything, or took something.
pub(super) fn concerns_stock(remote: &RemoteOrder) -> bool {
    match remote.state {
        RemoteState::Open | RemoteState::Shipped => !remote.lines.is_empty(),
        RemoteState::Pending | RemoteState::Cancelled | RemoteState::Deleted => {
            remote.lines.iter().any(|line| line.shipped > Quantity::ZERO)
        }
    }
}

/// What the ledger is told of an order. A line maps by the channel's ids, never by its
/// text; one of no listing that somebody mapped waits for a person.
pub(super) fn import(
    remote: &RemoteOrder,
    reference: OrderRef,
    is_current: bool,
    (known, numbers): (&[KeyedListing], &BTreeMap<String, i64>),
) -> Import {
    let currency = remote.total.map(Money::currency);
    let currency =
        currency.or_else(|| remote.lines.iter().find_map(|line| Some(line.unit_price?.currency())));
    let line = |line: &RemoteLine| {
        let item = item_of(line, known).and_then(|listing| listing.item.as_ref());
        let mapped = item.and_then(|(_, sku)| Sku::new(sku).ok());
        let price = line.unit_price.filter(|price| Some(price.currency()) == currency);
        Some(ImportLine {
            number: *numbers.get(line.id.as_str())?,
            is_mapped: mapped.is_some(),
            request: LineRequest {
                sku: mapped.or_else(|| named(line))?,
                quantity: wanted(remote.state, line),
                unit_price: price.map(Money::amount),
            },
            shipped: line.shipped.min(wanted(remote.state, line)),
            fulfilled_by: FulfilledBy::Ledger,
        })
    };
    let changed_at = match remote.version {
        Some(RemoteVersion::ChangedAt(at)) => Some(at.as_millis()),
        _ => None,
    };
    let placed_at = remote.placed_at.map(crate::clock::Timestamp::as_millis);
    Import {
        reference,
        source_version: version(remote),
        is_current,
        placed_at: placed_at.or(changed_at).unwrap_or(i64::MAX),
        effective_at: changed_at,
        payment: Payment::None,
        lines: remote.lines.iter().filter_map(line).collect(),
        location: None,
        currency: currency.map(|currency| currency.code().to_owned()),
        personal: None,
    }
}

/// A line as it is kept beside the ledger's.
pub(super) fn keyed(line: &RemoteLine) -> KeyedLine {
    let keys = line.order_keys.iter().map(ToString::to_string).collect();
    KeyedLine { id: line.id.to_string(), keys }
}

/// Units of a line that left or will leave.
fn wanted(state: RemoteState, line: &RemoteLine) -> Quantity {
    match state {
        RemoteState::Pending => line.shipped,
        _ => Quantity::new(line.ordered.get() - line.cancelled.get()).unwrap_or(Quantity::ZERO),
    }
}

/// What a line is called that is of no item yet.
fn named(line: &RemoteLine) -> Option<Sku> {
    let by_key = || line.order_keys.first().map(|key| format!("listing {key}"));
    let by_line = || format!("line {}", line.id);
    Sku::new(&line.sku_text)
        .ok()
        .or_else(|| Sku::new(&by_key()?).ok())
        .or_else(|| Sku::new(&by_line()).ok())
}

fn item_of<'k>(line: &RemoteLine, known: &'k [KeyedListing]) -> Option<&'k KeyedListing> {
    line.order_keys.iter().find_map(|key| known.iter().find(|one| one.order_key == key.as_str()))
}

/// What the channel took off its own numbers, where it says so.
pub(super) fn deductions(remote: &RemoteOrder, known: &[KeyedListing]) -> Vec<Deduction> {
    let of_line = |line: &RemoteLine| {
        let listing = item_of(line, known);
        let (holder, place) = match (&line.holder, listing) {
            (Some(holder), _) => {
                let place = holder.location.as_ref().map(ToString::to_string);
                (holder.id.to_string(), place.unwrap_or_default())
            }
            (None, Some(listing)) => (listing.holder.clone(), listing.place.clone()),
            (None, None) => (String::new(), String::new()),
        };
        Some(Deduction {
            order: remote.id.to_string(),
            line: line.id.to_string(),
            holder,
            place,
            units: line.deducted?.get(),
        })
    };
    remote.lines.iter().filter_map(of_line).collect()
}

/// Units that left and came back into stock there, each as a fact of its own: whatever
/// was recorded before is a replay.
pub(super) fn returns(
    remote: &RemoteOrder,
    reference: &OrderRef,
    numbers: &BTreeMap<String, i64>,
) -> Vec<Return> {
    let Ok(one) = Quantity::new(1) else { return Vec::new() };
    let mut all = Vec::new();
    for line in remote.lines.iter().filter(|line| line.shipped > Quantity::ZERO) {
        let Some(&number) = numbers.get(line.id.as_str()) else { continue };
        for unit in 1..=line.restocked.get().min(RETURNED_MAX) {
            let Ok(return_id) = FactId::new(&format!("restock {} {unit}", line.id)) else {
                continue;
            };
            let disposition = Disposition::Restock;
            all.push(Return {
                reference: reference.clone(),
                return_id,
                lines: vec![ReturnLine { line: number, part: None, quantity: one, disposition }],
                location: None,
                effective_at: None,
            });
        }
    }
    all
}

/// Cancels what is left of an order that the channel has no more.
pub(super) fn cancel(reference: OrderRef) -> Cancel {
    Cancel { reference, lines: None, reason: Reason::new("gone at its channel").ok() }
}
