//! What a shop is told: parcels, by the fulfilment orders that their lines leave with, and
//! cancellations.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shopify;
use super::api::Document;
use super::document::{Work, WorkLine, each};
use super::ids::gid;
use super::stock::UserError;
use crate::connectors::{
    Answer, ChannelError, ErrorKind, Fetched, Fulfilment, OrderSource as _, Parcel, RemoteState,
    Told, Urgency,
};
use crate::domain::RemoteId;

const SHIP: Document =
    Document::writing("tell that an order left", include_str!("graphql/ship.graphql"), 15);
const CANCEL: Document =
    Document::writing("cancel an order", include_str!("graphql/cancel.graphql"), 15);
/// Reasons a shop knows (`OrderCancelReason`); any other is told as a note.
const REASONS: [&str; 5] = ["CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "STAFF"];
const OTHER: &str = "OTHER";
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

fn gone(document: &Document) -> ChannelError {
    ChannelError::new(document.what, ErrorKind::NotFound("the order is gone".to_owned()))
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

/// Finds the units of a parcel among what is still to leave. Of a line of which so many left
/// as with this parcel, it was told before.
fn pack(parcel: &Parcel, work: &[Work]) -> Packed {
    let mut packed = Packed::default();
    for wanted in &parcel.lines {
        let of_line = |line: &&WorkLine| line.line().as_ref() == Some(&wanted.line);
        let all = || work.iter().filter(|one| one.counts());
        let lines = all().flat_map(|one| one.line_items.iter().filter(of_line));
        let told: i64 = lines.map(|line| line.total_quantity - line.remaining_quantity).sum();
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

impl Shopify {
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
            let Some(work) = self.work(&gid("Order", &parcel.order)).await? else {
                return Err(gone(&SHIP));
            };
            let work =
                each::<Work>("work", work).map_err(|error| unreadable(&SHIP, error.to_string()))?;
            let mut packed = pack(parcel, &work);
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
            let Fetched::Found(raw) = self.fetch(order).await? else {
                return Err(gone(&CANCEL));
            };
            let now = self.decode(&raw.body);
            let now = now.map_err(|error| unreadable(&CANCEL, error.to_string()))?;
            if now.state == RemoteState::Cancelled {
                return Ok(Told::Already);
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
            Ok(payload.order_cancel_user_errors.into_iter().next().map_or(Told::Done, refused))
        }
        .boxed()
    }
}
