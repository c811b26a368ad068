//! What a shop is told: parcels, by the fulfilment orders that their lines leave with, and
//! cancellations.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shopify;
use super::api::Document;
use super::document::{Work, each};
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
/// Why: an app is not told reasons of a person.
const REASON: &str = "OTHER";

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

fn unreadable(document: &Document, why: String) -> ChannelError {
    ChannelError::new(document.what, ErrorKind::Unreadable(why))
}

/// Units of fulfilment orders, by location: one call carries those of one.
type Loads = BTreeMap<String, BTreeMap<String, Vec<Value>>>;

/// Finds the units of a parcel among what is still to leave; units that are not there any
/// more have left before.
fn loads(parcel: &Parcel, work: &[Work]) -> Loads {
    let mut loads = Loads::new();
    for wanted in &parcel.lines {
        let mut left = wanted.quantity.get();
        let open = |one: &&Work| matches!(one.status.as_str(), "OPEN" | "IN_PROGRESS");
        for one in work.iter().filter(open) {
            let location = one.assigned_location.location.as_ref();
            let location = location.map(|location| location.id.clone()).unwrap_or_default();
            for line in
                one.line_items.iter().filter(|line| line.line().as_ref() == Some(&wanted.line))
            {
                let units = left.min(line.remaining_quantity);
                if units > 0 {
                    let load = loads.entry(location.clone()).or_default();
                    let unit = json!({ "id": line.id, "quantity": units });
                    load.entry(one.id.clone()).or_default().push(unit);
                    left -= units;
                }
            }
        }
    }
    loads
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
            let work = self.work(&gid("Order", &parcel.order)).await?;
            let work =
                each::<Work>("work", work).map_err(|error| unreadable(&SHIP, error.to_string()))?;
            let loads = loads(parcel, &work);
            if loads.is_empty() {
                return Ok(Told::Already);
            }
            for load in loads.into_values() {
                if let Some(refused) = self.send(parcel, load).await? {
                    return Ok(refused);
                }
            }
            Ok(Told::Done)
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, order: &'a RemoteId) -> Answer<'a, Told> {
        async move {
            let Fetched::Found(raw) = self.fetch(order).await? else {
                return Err(ChannelError::new(
                    CANCEL.what,
                    ErrorKind::NotFound("the order is gone".to_owned()),
                ));
            };
            let now = self.decode(&raw.body);
            let now = now.map_err(|error| unreadable(&CANCEL, error.to_string()))?;
            if now.state == RemoteState::Cancelled {
                return Ok(Told::Already);
            }
            let variables = json!({ "order": gid("Order", order), "reason": REASON });
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
