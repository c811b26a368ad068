//! Placing an order: a request, held whole or refused whole.

use std::collections::BTreeMap;

use thiserror::Error;

use super::hold::{Bound, Plan, Want, hold, plan, raise_short, wants_of};
use super::lines::{self, Unknown};
use super::{Ended, LineRequest};
use crate::domain::{
    AllocationPolicy, Decision, FulfilledBy, Kind, Location, LocationCode, LocationId, Order,
    OrderId, OrderRef, Payment, Refusal, Shortage, Sku, UserId, UserMark,
};
use crate::ledger::{Added, Decided, Working};
use crate::secret::{Hashed, InstanceKey, OpenError, Random};

/// The longest a hold may be asked for: 30 days.
const HOLD_MS_MAX: i64 = 30 * 24 * 3600 * 1000;

/// Personal data of an order: sealed, with a keyed hash that tells replays
/// without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Personal {
    /// Sealed with the instance key.
    pub sealed: Vec<u8>,
    /// Keyed hash of the plain data.
    pub digest: [u8; 32],
}

impl Personal {
    /// The longest JSON object that is taken, in bytes: names, addresses and a note.
    pub const BYTES_MAX: usize = 32 * 1024;

    /// Seals a JSON object of an order. What was sealed for one order opens for no other.
    pub fn seal(
        key: &InstanceKey,
        reference: &OrderRef,
        plain: &serde_json::Value,
        random: &dyn Random,
    ) -> Self {
        let plain = plain.to_string();
        Self {
            sealed: key.seal(&context(reference), plain.as_bytes(), random),
            digest: key.keyed_hash(Hashed::OrderPersonal, plain.as_bytes()),
        }
    }

    /// Gives back what was sealed for the order.
    pub fn open(
        key: &InstanceKey,
        reference: &OrderRef,
        sealed: &[u8],
    ) -> Result<serde_json::Value, PersonalError> {
        let plain = key.open(&context(reference), sealed)?;
        Ok(serde_json::from_slice(&plain)?)
    }
}

/// Why personal data cannot be read.
#[derive(Debug, Error)]
pub enum PersonalError {
    /// It was sealed with another key or for another order, or it is damaged.
    #[error("{0}")]
    Sealed(#[from] OpenError),
    /// What was sealed is not JSON.
    #[error("what was sealed is not JSON")]
    Json(#[from] serde_json::Error),
}

/// Where the sealed personal data of an order belongs.
pub(crate) fn context(reference: &OrderRef) -> String {
    format!("order.personal {reference}")
}

/// Keeps who ordered, beside the order.
pub(super) fn keep_who(set: &mut Working, id: OrderId, request: &Place) {
    keep_personal(set, id, request.personal.as_ref());
    if let Some(user) = request.user {
        set.added.push(Added::OrderUser(id, user));
    }
}

pub(super) fn keep_personal(set: &mut Working, id: OrderId, personal: Option<&Personal>) {
    if let Some(personal) = personal {
        set.added.push(Added::Personal(id, personal.sealed.clone()));
    }
}

/// A request for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name: the caller's account and the caller's id.
    pub reference: OrderRef,
    /// What is wanted.
    pub lines: Vec<LineRequest>,
    /// The only location it may use; any that serves orders when left out.
    pub location: Option<LocationCode>,
    /// Whether its holds run out unless it is paid.
    pub payment_required: bool,
    /// Whether it is accepted beyond ATP.
    pub allow_backorder: bool,
    /// How long its holds live; by payment when left out.
    pub hold_ms: Option<i64>,
    /// Currency of its prices.
    pub currency: Option<String>,
    /// When it was placed; now when left out.
    pub placed_at: Option<i64>,
    /// Personal data.
    pub personal: Option<Personal>,
    /// Whose it is: somebody the same key holder registered.
    pub user: Option<UserId>,
}

/// Decides a request for an order.
///
/// `content` is the hash of what was asked for: it tells a replay from a clash.
pub fn place(set: &mut Working, request: &Place, content: &[u8; 32]) -> Decided<(OrderId, Ended)> {
    let Requested { order, wants, units } = match requested(set, request, content)? {
        Ok(new) => new,
        Err(id) => return Ok((id, Ended::Replayed)),
    };
    let policy = if set.policy.orders.split {
        AllocationPolicy::Split
    } else {
        AllocationPolicy::OneLocation
    };
    let plan = plan(set, &wants, order.location, Bound::Request, policy)?;
    if plan.is_refused(&wants, request.allow_backorder) {
        let asked = request.lines.iter().map(|line| (&line.sku, line.quantity.get()));
        let shortages = shortages(asked, &order, &wants, &plan);
        return Err(Refusal::InsufficientStock { shortages }.into());
    }
    let id = order.id;
    set.order_ids.pop_front();
    set.add_order(order);
    let mut entry = set.entry(Kind::OrderPlaced);
    entry.order = Some(id);
    entry.quantity = Some(units);
    set.append(entry);
    keep_who(set, id, request);
    let owed = hold(set, id, &wants, &plan)?;
    raise_short(set, id, owed);
    Ok((id, Ended::Done))
}

/// What a sound request that is not a repetition asks for.
pub(super) struct Requested {
    /// The order, with no units held yet.
    pub(super) order: Order,
    /// What is to be held.
    pub(super) wants: Vec<Want>,
    /// Units over all lines.
    pub(super) units: i64,
}

/// What a request asks for; the order that it was granted or refused as where it is
/// a repetition.
pub(super) fn requested(
    set: &Working,
    request: &Place,
    content: &[u8; 32],
) -> Decided<Result<Requested, OrderId>> {
    if let Some(&id) = set.refs.get(&request.reference) {
        return replay(set, id, request, content).map(Err);
    }
    if request.reference.external_id.as_str().contains(':') {
        let message = "an id that is asked for has no ':', which parts the source from the id";
        return Err(Refusal::invalid("order_id", message).into());
    }
    check_user(set, request.user)?;
    lines::check(&request.lines)?;
    let mut order = build(set, request, content)?;
    let units: BTreeMap<i64, i64> =
        (1..).zip(request.lines.iter().map(|line| line.quantity.get())).collect();
    let wants = wants_of(set, &mut order, &units)?;
    Ok(Ok(Requested { order, wants, units: units.values().sum() }))
}

/// An order is of nobody but a user of the key holder who asks for it.
fn check_user(set: &Working, user: Option<UserId>) -> Decided<()> {
    let Some(user) = user else { return Ok(()) };
    let is_own = |mark: &UserMark| mark.known.is_some() && set.account() == Some(mark.account);
    if set.users.get(&user).is_some_and(is_own) {
        return Ok(());
    }
    Err(Refusal::UnknownUser { user: user.to_string() }.into())
}

fn replay(set: &Working, id: OrderId, request: &Place, content: &[u8; 32]) -> Decided<OrderId> {
    if set.order(id)?.content_hash == Some(*content) {
        Ok(id)
    } else {
        Err(Refusal::IdempotencyMismatch { key: request.reference.to_string() }.into())
    }
}

fn build(set: &Working, request: &Place, content: &[u8; 32]) -> Decided<Order> {
    let Some(&id) = set.order_ids.front() else {
        return Err(Refusal::invalid("order_id", "no id was set aside for it").into());
    };
    let location = match &request.location {
        Some(code) => Some(serving(set, code)?),
        None => None,
    };
    let numbered = (1_i64..).zip(&request.lines);
    let lines = numbered
        .map(|(number, line)| {
            lines::build(set, number, line, FulfilledBy::Ledger, Unknown::Refused)
        })
        .collect::<Decided<Vec<_>>>()?;
    Ok(Order {
        id,
        reference: request.reference.clone(),
        decision: Decision::Accepted,
        payment: if request.payment_required { Payment::Required } else { Payment::None },
        accepted: false,
        location,
        expires_at: hold_ms(set, request)?.map(|hold_ms| set.now.saturating_add(hold_ms)),
        cancel_reason: None,
        placed_at: request.placed_at.unwrap_or(set.now).min(set.now),
        currency: request.currency.clone(),
        content_hash: Some(*content),
        source_version: None,
        age: i64::MAX,
        version: 0,
        lines,
        facts: BTreeMap::new(),
    })
}

/// The location a request names must be one that orders are served from.
pub(super) fn serving(set: &Working, code: &LocationCode) -> Decided<LocationId> {
    let id = set.own_location(Some(code))?;
    if set.location(id).is_some_and(Location::serves_orders) {
        return Ok(id);
    }
    let message = format!("{code} is not a location that orders are served from");
    Err(Refusal::invalid("location", message).into())
}

/// How long its holds live. Unpaid orders hold for the configured time, others until
/// they are done with, unless the request names a time.
pub(super) fn hold_ms(set: &Working, request: &Place) -> Decided<Option<i64>> {
    Ok(match (request.hold_ms, request.payment_required) {
        (Some(given), _) if !(1..=HOLD_MS_MAX).contains(&given) => {
            let message = "a hold lives between 1 millisecond and 30 days";
            return Err(Refusal::invalid("reserve_for_seconds", message).into());
        }
        (Some(given), _) => Some(given),
        (None, true) => Some(set.policy.orders.hold_ms),
        (None, false) => None,
    })
}

/// What is short, by SKU as it was asked for; available is what could be placed.
/// `asked` names the SKU and the units of each line.
pub(super) fn shortages<'s>(
    asked: impl Iterator<Item = (&'s Sku, i64)>,
    order: &Order,
    wants: &[Want],
    plan: &Plan,
) -> Vec<Shortage> {
    let mut by_sku: BTreeMap<&Sku, (i64, i64)> = BTreeMap::new();
    for (line, (sku, units)) in order.lines.iter().zip(asked) {
        let placed = wants
            .iter()
            .zip(&plan.missing)
            .filter(|(want, _)| want.line == line.number)
            .map(|(want, missing)| {
                let per_unit = line.parts.iter().find(|part| part.number == want.part);
                (want.units - missing) / per_unit.map_or(1, |part| part.per_unit)
            })
            .min()
            .unwrap_or(0);
        let sums = by_sku.entry(sku).or_default();
        sums.0 += units;
        sums.1 += placed;
    }
    by_sku
        .into_iter()
        .filter(|(_, (requested, available))| available < requested)
        .map(|(sku, (requested, available))| Shortage { sku: sku.clone(), requested, available })
        .collect()
}
