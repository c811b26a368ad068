//! What a shop is told: parcels, by the fulfilment orders that their lines leave with, and
//! cancellations.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Shopify;
use super::api::Document;
use super::document::{self, Sums, Work, WorkLine, each};
use super::ids::gid;
use super::orders::{UPDATED, UpdatedOf};
use super::parts::PARCELS;
use super::stock::UserError;
use crate::connectors::{
    Answer, ChannelError, DecodeError, ErrorKind, Fulfilment, Parcel, Told, Urgency,
};
use crate::domain::RemoteId;

const SHIP: Document =
    Document::writing("tell that an order left", include_str!("graphql/ship.graphql"), 15);
const CANCEL: Document =
    Document::writing("cancel an order", include_str!("graphql/cancel.graphql"), 15);
/// Reasons a shop knows (`OrderCancelReason`); any other is told as a note.
const REASONS: [&str; 5] = ["CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "STAFF"];
const OTHER: &str = "OTHER";
/// How long a job that cancels is waited for before it is asked for again.
const JOB_MAX: Duration = Duration::from_mins(1);
/// Characters of a note (`orderCancel`, `staffNote`).
const NOTE_MAX: usize = 255;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shipped {
    fulfillment_create: Option<ShippedPayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShippedPayload {
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    order_cancel: Option<CancelledPayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelledPayload {
    order_cancel_user_errors: Vec<UserError>,
}

/// An order that is not there, or too old to be shown: it will not be there later.
fn gone() -> Told {
    let detail = "the shop does not show the order any more: there is nobody to tell".to_owned();
    Told::Refused { code: "gone".to_owned(), detail }
}

fn unreadable(document: &Document, why: String) -> ChannelError {
    ChannelError::new(document.what, ErrorKind::Unreadable(why))
}

/// Units of fulfilment orders, by location: one call carries those of one.
type Loads = BTreeMap<Option<RemoteId>, BTreeMap<String, Vec<Value>>>;

/// What is to be sent for a parcel.
#[derive(Default)]
struct Packed {
    loads: Loads,
    /// Units that are there, but may not leave now.
    held: i64,
    /// Units that are not there to leave any more.
    missing: i64,
}

/// Finds the units of a parcel among what is still to leave. Of a line of which the shop was
/// `told` of as many as left with this parcel and before, it was told already.
fn pack(parcel: &Parcel, work: &[Work], told: &Sums) -> Packed {
    let mut packed = Packed::default();
    for wanted in &parcel.lines {
        let of_line = |line: &&WorkLine| line.line().as_ref() == Some(&wanted.line);
        let all = || work.iter().filter(|one| one.counts());
        let told = told.get(&gid("LineItem", &wanted.line)).copied().unwrap_or(0);
        let mut left = (wanted.left.get() - told).clamp(0, wanted.quantity.get());
        for one in all() {
            for line in one.line_items.iter().filter(of_line) {
                let units = left.min(line.remaining_quantity);
                if units <= 0 {
                    continue;
                }
                left -= units;
                if one.may_leave() {
                    let load = packed.loads.entry(one.location()).or_default();
                    let unit = json!({ "id": line.id, "quantity": units });
                    load.entry(one.id.clone()).or_default().push(unit);
                } else {
                    packed.held += units;
                }
            }
        }
        packed.missing += left;
    }
    packed
}

impl Packed {
    /// What a person should know of what could not be told.
    fn rest(&self) -> Option<Told> {
        let refused =
            |code: &str, detail: String| Some(Told::Refused { code: code.to_owned(), detail });
        match (self.held, self.missing) {
            (0, 0) => None,
            (0, missing) => refused(
                "not_there",
                format!("{missing} units that left here are not to leave there any more"),
            ),
            (held, _) => refused(
                "on_hold",
                format!(
                    "{held} units that left here are on hold there: release them, then tell again"
                ),
            ),
        }
    }
}

/// Cancellations that were asked for: a job does them, and the same is not asked for again
/// meanwhile.
#[derive(Debug, Default)]
pub(super) struct Cancelling(Mutex<HashMap<RemoteId, Instant>>);

impl Cancelling {
    fn begin(&self, order: &RemoteId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, since| since.elapsed() < JOB_MAX);
        all.insert(order.clone(), Instant::now());
    }

    fn lasts(&self, order: &RemoteId) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(order).is_some_and(|since| since.elapsed() < JOB_MAX)
    }
}

impl Shopify {
    /// Whether an order is cancelled; nothing where it is gone.
    async fn is_cancelled(&self, order: &RemoteId) -> Result<Option<bool>, ChannelError> {
        let variables = json!({ "id": gid("Order", order) });
        let now: Option<UpdatedOf> = self.of_order(&UPDATED, &variables).await?;
        Ok(now.map(|now| now.cancelled_at.is_some()))
    }

    async fn send(
        &self,
        parcel: &Parcel,
        load: BTreeMap<String, Vec<Value>>,
    ) -> Result<Option<Told>, ChannelError> {
        let orders: Vec<Value> = load
            .into_iter()
            .map(|(id, units)| json!({ "fulfillmentOrderId": id, "fulfillmentOrderLineItems": units }))
            .collect();
        let mut fulfilment =
            json!({ "lineItemsByFulfillmentOrder": orders, "notifyCustomer": false });
        if let Some(tracking) = &parcel.tracking {
            fulfilment["trackingInfo"] =
                json!({ "number": tracking.number, "company": tracking.carrier });
        }
        let variables = json!({ "fulfillment": fulfilment });
        let shipped: Shipped = self.api.run(&SHIP, &variables, Urgency::Ordinary).await?;
        let payload = shipped.fulfillment_create;
        let payload = payload
            .ok_or_else(|| unreadable(&SHIP, "it does not say what became of it".to_owned()))?;
        Ok(payload.user_errors.into_iter().next().map(refused))
    }
}

fn refused(error: UserError) -> Told {
    let (code, detail) = error.refusal();
    Told::Refused { code, detail }
}

impl Fulfilment for Shopify {
    fn ship<'a>(&'a self, parcel: &'a Parcel) -> Answer<'a, Told> {
        async move {
            let order = gid("Order", &parcel.order);
            let Some(work) = self.work(&order).await? else {
                return Ok(gone());
            };
            let read = |error: DecodeError| unreadable(&SHIP, error.to_string());
            let work: Vec<Work> = each("work", work).map_err(read)?;
            let parcels = self.parts(&PARCELS, &order).await?;
            let parcels: Vec<document::Parcel> = each("parcels", parcels).map_err(read)?;
            let mut packed = pack(parcel, &work, &document::left(&parcels));
            let told = if packed.loads.is_empty() { Told::Already } else { Told::Done };
            for load in std::mem::take(&mut packed.loads).into_values() {
                if let Some(refused) = self.send(parcel, load).await? {
                    return Ok(refused);
                }
            }
            Ok(packed.rest().unwrap_or(told))
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, order: &'a RemoteId, reason: Option<&'a str>) -> Answer<'a, Told> {
        async move {
            match self.is_cancelled(order).await? {
                None => return Ok(gone()),
                Some(true) => return Ok(Told::Already),
                Some(false) => {}
            }
            if self.cancelling.lasts(order) {
                return Ok(Told::UnderWay);
            }
            let known = REASONS
                .iter()
                .find(|word| reason.is_some_and(|one| one.eq_ignore_ascii_case(word)));
            let note = reason.map(|reason| reason.chars().take(NOTE_MAX).collect::<String>());
            let variables = json!({
                "order": gid("Order", order), "reason": known.unwrap_or(&OTHER), "note": note,
            });
            let done: Cancelled = self.api.run(&CANCEL, &variables, Urgency::Ordinary).await?;
            let payload = done.order_cancel;
            let payload = payload.ok_or_else(|| {
                unreadable(&CANCEL, "it does not say what became of it".to_owned())
            })?;
            if let Some(error) = payload.order_cancel_user_errors.into_iter().next() {
                return Ok(refused(error));
            }
            self.cancelling.begin(order);
            // A job does it, which may be done by now.
            let is_done = self.is_cancelled(order).await?.unwrap_or(true);
            Ok(if is_done { Told::Done } else { Told::UnderWay })
        }
        .boxed()
    }
}
