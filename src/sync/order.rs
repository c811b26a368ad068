//! From a channel's order to what the ledger records of it: pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::connectors::{
    Deducted, Deducts, Holder, RemoteLine, RemoteOrder, RemoteState, RemoteVersion, Restores,
    Spread, StockMeaning,
};
use crate::domain::{
    ExternalId, FactId, FulfilledBy, LocationCode, Money, OrderRef, Payment, Quantity, Reason,
    RemoteId, Sku, TextError,
};
use crate::orders::{Cancel, Disposition, Import, ImportLine, LineRequest, Return, ReturnLine};
use crate::store::listings::KeyedListing;
use crate::store::remote_lines::{Deduction, KeyedLine, Spot, Unsaid};

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

/// Whether the channel took something off its own numbers for an order, by its own
/// account or by what its kind does.
pub(super) fn took_stock(remote: &RemoteOrder, stock: Option<&StockMeaning>) -> bool {
    remote.lines.iter().any(|line| match &line.deducted {
        // More came back in one place than was taken there.
        Deducted::At(Spread { said, unsaid, .. }) => {
            *unsaid != 0 || said.iter().any(|(_, units)| *units != 0)
        }
        Deducted::Unsaid | Deducted::Units(_) => deducted(remote.state, line, stock) > Some(0),
    })
}

/// The one place of a channel that an order leaves from. A line of no place, such as one of
/// nothing that is kept anywhere, may leave with the others.
pub(super) fn place(remote: &RemoteOrder) -> Option<&str> {
    let mut places = remote.lines.iter().flat_map(places_of);
    let first = places.next()?;
    places.all(|place| place == first).then(|| first.as_str())
}

/// How an order comes in.
#[derive(Clone, Debug, Default)]
pub(super) struct How {
    /// It was asked for by its id just now.
    pub(super) is_current: bool,
    /// Where it leaves from, where only one location can be.
    pub(super) location: Option<LocationCode>,
    /// Places that the channel counts and ships from itself.
    pub(super) mirrored: BTreeSet<String>,
}

/// What the ledger is told of an order. A line maps by the channel's ids, never by its
/// text; one of no listing that somebody mapped waits for a person.
pub(super) fn import(
    remote: &RemoteOrder,
    reference: OrderRef,
    How { is_current, location, mirrored }: How,
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
            // Of one that left and came back the ledger is told by a fact of its own.
            came_back: line.kept_back.unwrap_or(line.restocked).min(wanted(remote.state, line)),
            fulfilled_by: match place_of(line) {
                Some(place) if mirrored.contains(place.as_str()) => FulfilledBy::Channel,
                _ => FulfilledBy::Ledger,
            },
        })
    };
    let changed_at = remote.changed_at.map(crate::clock::Timestamp::as_millis);
    let placed_at = remote.placed_at.map(crate::clock::Timestamp::as_millis);
    Import {
        reference,
        source_version: version(remote),
        is_current,
        placed_at: placed_at.or(changed_at).unwrap_or(i64::MAX),
        effective_at: changed_at,
        payment: Payment::None,
        lines: remote.lines.iter().filter_map(line).collect(),
        location,
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

fn place_of(line: &RemoteLine) -> Option<&RemoteId> {
    line.holder.as_ref()?.location.as_ref()
}

/// The places a line leaves from.
fn places_of(line: &RemoteLine) -> Vec<&RemoteId> {
    match (place_of(line), &line.deducted) {
        (Some(place), _) => vec![place],
        (None, Deducted::At(spread)) => {
            let taken = spread.said.iter().filter(|(_, units)| *units > 0);
            taken.filter_map(|(holder, _)| holder.location.as_ref()).collect()
        }
        (None, Deducted::Unsaid | Deducted::Units(_)) => Vec::new(),
    }
}

/// The listing a line is of: at the place it leaves from, else at any that is mapped.
fn item_of<'k>(line: &RemoteLine, known: &'k [KeyedListing]) -> Option<&'k KeyedListing> {
    let place = place_of(line).map_or("", |place| place.as_str());
    let of_key = |key: &RemoteId| {
        let all = || known.iter().filter(|one| one.order_key == key.as_str());
        let here = all().find(|one| one.place == place && one.item.is_some());
        here.or_else(|| all().find(|one| one.item.is_some())).or_else(|| all().next())
    };
    line.order_keys.iter().find_map(of_key)
}

fn spot_of(holder: &Holder) -> Spot {
    let place = holder.location.as_ref().map(ToString::to_string);
    (holder.id.to_string(), place.unwrap_or_default())
}

/// What the channel took off its own numbers.
pub(super) fn deductions(
    remote: &RemoteOrder,
    known: &[KeyedListing],
    stock: Option<&StockMeaning>,
) -> Vec<Deduction> {
    let of_line = |line: &RemoteLine| {
        let units = deducted(remote.state, line, stock)?;
        let at = |all: &[(Holder, i64)]| {
            all.iter().map(|(holder, units)| (spot_of(holder), *units)).collect()
        };
        let unsaid = match &line.deducted {
            Deducted::At(Spread { unsaid, unsure, homes, .. }) => {
                let spots = homes.iter().map(spot_of).collect();
                Some(Unsaid { units: *unsaid, unsure: *unsure, spots })
            }
            _ => None,
        };
        let (is_guessed, taken) = match (&line.deducted, &line.holder, item_of(line, known)) {
            (Deducted::At(spread), ..) => (false, at(&spread.said)),
            (_, Some(holder), _) => (false, [(spot_of(holder), units)].into()),
            (_, None, Some(listing)) => {
                let spot = (listing.holder.clone(), listing.place.clone());
                (!listing.place.is_empty(), [(spot, units)].into())
            }
            (_, None, None) => (false, [(Spot::default(), units)].into()),
        };
        let (order, line) = (remote.id.to_string(), line.id.to_string());
        Some(Deduction { order, line, taken, unsaid, is_guessed })
    };
    remote.lines.iter().filter_map(of_line).collect()
}

/// What the channel took off its own number for a line by now: as it says, else as its
/// kind does it; `None` where nobody can tell.
fn deducted(state: RemoteState, line: &RemoteLine, stock: Option<&StockMeaning>) -> Option<i64> {
    if let Some(units) = line.deducted.units() {
        return Some(units);
    }
    let stock = stock?;
    let takes = match stock.deducts {
        Deducts::Never => false,
        Deducts::AtOrder => true,
        Deducts::AtPayment => state != RemoteState::Pending,
    };
    if !takes {
        return Some(0);
    }
    match stock.restores_on_cancel {
        Restores::Always => Some((line.ordered.get() - line.cancelled.get()).max(0)),
        Restores::Never => Some(line.ordered.get()),
        Restores::AsTold => (line.cancelled == Quantity::ZERO).then(|| line.ordered.get()),
    }
}

/// Units that left and came back into stock there, each as a fact of its own: whatever
/// was recorded before is a replay. `shipped` is what has left of each line by now; what
/// came back beyond that never left.
pub(super) fn returns(
    remote: &RemoteOrder,
    import: &Import,
    numbers: &BTreeMap<String, i64>,
    shipped: &BTreeMap<i64, i64>,
) -> Vec<Return> {
    let Ok(one) = Quantity::new(1) else { return Vec::new() };
    let mut all = Vec::new();
    for line in remote.lines.iter().filter(|line| line.restocked > Quantity::ZERO) {
        let Some(&number) = numbers.get(line.id.as_str()) else { continue };
        let Some(known) = import.lines.iter().find(|known| known.number == number) else {
            continue;
        };
        let shipped = shipped.get(&number).copied().unwrap_or(0);
        // Where the channel tells them apart, one that left here and was taken off the order
        // there is on no shelf: it did not come back.
        let kept_back = line.kept_back.map_or_else(|| known.never_left(shipped), Quantity::get);
        let returned = (line.restocked.get() - kept_back).min(shipped);
        for unit in 1..=returned.min(RETURNED_MAX) {
            let Ok(return_id) = FactId::new(&format!("restock {} {unit}", line.id)) else {
                continue;
            };
            let disposition = Disposition::Restock;
            all.push(Return {
                reference: import.reference.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::{Authority, QuantityMeaning};

    const fn meaning(deducts: Deducts, restores_on_cancel: Restores) -> StockMeaning {
        StockMeaning {
            quantity: QuantityMeaning::Available,
            authority: Authority::Ledger,
            has_locations: false,
            deducts,
            restores_on_cancel,
            tells_every_change: true,
            read_max: 1,
        }
    }

    fn line(said: Option<i64>, cancelled: i64) -> RemoteLine {
        let units = |count| Quantity::new(count).unwrap_or(Quantity::ZERO);
        RemoteLine {
            id: RemoteId::of_numbers(&[1]),
            order_keys: Vec::new(),
            sku_text: String::new(),
            title: String::new(),
            ordered: units(5),
            cancelled: units(cancelled),
            shipped: Quantity::ZERO,
            restocked: Quantity::ZERO,
            kept_back: None,
            deducted: said.map_or(Deducted::Unsaid, |count| Deducted::Units(units(count))),
            holder: None,
            unit_price: None,
        }
    }

    // R53: what a cancelled order gives back is the channel's to say, or its kind's.
    #[test]
    fn r53_a_deduction_that_is_not_told_follows_from_the_kind() {
        let (open, pending) = (RemoteState::Open, RemoteState::Pending);
        let at_order = |restores| meaning(Deducts::AtOrder, restores);
        let of =
            |state, line: &RemoteLine, stock: &StockMeaning| deducted(state, line, Some(stock));
        let some_cancelled = line(None, 2);
        assert_eq!(of(open, &some_cancelled, &at_order(Restores::Always)), Some(3));
        assert_eq!(of(open, &some_cancelled, &at_order(Restores::Never)), Some(5));
        assert_eq!(of(open, &some_cancelled, &at_order(Restores::AsTold)), None);
        assert_eq!(of(open, &line(None, 0), &at_order(Restores::AsTold)), Some(5));
        assert_eq!(of(pending, &line(None, 0), &at_order(Restores::Always)), Some(5));
        let at_payment = meaning(Deducts::AtPayment, Restores::Always);
        assert_eq!(of(pending, &line(None, 0), &at_payment), Some(0));
        assert_eq!(of(open, &line(None, 0), &at_payment), Some(5));
        let never = meaning(Deducts::Never, Restores::Always);
        assert_eq!(of(open, &line(None, 0), &never), Some(0));
        assert_eq!(of(open, &line(Some(4), 2), &never), Some(4), "what it says goes before");
        assert_eq!(deducted(open, &line(None, 0), None), None);
    }
}
