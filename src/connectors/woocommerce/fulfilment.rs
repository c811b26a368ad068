//! What a shop is told of its orders. It has no parcels, only a status for all of an
//! order; the number of a parcel goes into a note.

use futures_util::FutureExt as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::WooCommerce;
use crate::connectors::{
    Answer, ChannelError, ErrorKind, Fulfilment, Parcel, Told, Tracking, Urgency,
};
use crate::domain::RemoteId;

const SHIP: &str = "tell of a shipment";
const CANCEL: &str = "cancel an order";

#[derive(Debug, Deserialize)]
struct Status {
    status: String,
}

impl Fulfilment for WooCommerce {
    fn ship<'a>(&'a self, parcel: &'a Parcel) -> Answer<'a, Told> {
        async move {
            if !parcel.is_last {
                let detail = "the shop knows only orders that were shipped whole".to_owned();
                return Ok(Told::Refused { code: "ships_whole".to_owned(), detail });
            }
            let told = self.set_status(SHIP, &parcel.order, "completed").await?;
            if let (Told::Done, Some(tracking)) = (&told, &parcel.tracking) {
                self.note(&parcel.order, tracking).await?;
            }
            Ok(told)
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, order: &'a RemoteId) -> Answer<'a, Told> {
        self.set_status(CANCEL, order, "cancelled").boxed()
    }
}

impl WooCommerce {
    /// Sets the status of an order that has another one: each change puts stock back or
    /// takes it off, so it is not set twice.
    async fn set_status(
        &self,
        what: &'static str,
        order: &RemoteId,
        status: &str,
    ) -> Result<Told, ChannelError> {
        let path = format!("orders/{order}");
        let query = [("_fields", "status".to_owned())];
        let (now, _) = self.api.get::<Status>(what, &path, &query).await?;
        if now.status == status {
            return Ok(Told::Already);
        }
        let body = json!({ "status": status });
        let ordinary = Urgency::Ordinary;
        match self.api.send_json::<Status>(what, (Method::PUT, &path), &body, ordinary).await {
            Ok(after) if after.status == status => Ok(Told::Done),
            Ok(after) => {
                let detail = format!("the order is {} and not {status}", after.status);
                Ok(Told::Refused { code: "another_status".to_owned(), detail })
            }
            Err(ChannelError { kind: ErrorKind::Refused { code, detail }, .. }) => {
                Ok(Told::Refused { code, detail })
            }
            Err(error) => Err(error),
        }
    }

    async fn note(&self, order: &RemoteId, tracking: &Tracking) -> Result<(), ChannelError> {
        let carrier = tracking.carrier.as_ref().map_or(String::new(), |name| format!("{name} "));
        let body = json!({ "note": format!("Shipped: {carrier}{}", tracking.number) });
        let path = format!("orders/{order}/notes");
        let sent =
            self.api.send_json::<Value>(SHIP, (Method::POST, &path), &body, Urgency::Ordinary);
        sent.await.map(drop)
    }
}
