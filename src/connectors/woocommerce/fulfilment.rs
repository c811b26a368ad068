//! What a shop is told of its orders. It has no parcels, only a status for all of an
//! order; the number of a parcel goes into a note.
//!
//! The shop takes any status for any other and moves stock as it does so, and it cannot
//! compare: so the status is read before, and one that somebody set there is left alone.

use std::fmt::Write as _;

use futures_util::FutureExt as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

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
            let now = self.status(SHIP, &parcel.order).await?;
            if let Some(told) = now.stands_against(&SHIPPED) {
                return Ok(told);
            }
            // Before the status: once it is completed nobody comes back for the note.
            if let Some(tracking) = &parcel.tracking {
                match self.note(parcel, tracking).await {
                    Err(ChannelError { kind: ErrorKind::Refused { code, detail }, .. }) => {
                        return Ok(Told::Refused { code, detail });
                    }
                    noted => noted?,
                }
            }
            self.set_status(SHIP, &parcel.order, SHIPPED.to).await
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, order: &'a RemoteId, _: Option<&'a str>) -> Answer<'a, Told> {
        async move {
            let now = match self.status(CANCEL, order).await {
                // It was deleted: nothing of it will leave.
                Err(ChannelError { kind: ErrorKind::NotFound(_), .. }) => return Ok(Told::Already),
                now => now?,
            };
            if let Some(told) = now.stands_against(&CANCELLED) {
                return Ok(told);
            }
            self.set_status(CANCEL, order, CANCELLED.to).await
        }
        .boxed()
    }
}

/// A change of status: to which, and from which ones only.
struct Change {
    to: &'static str,
    from: &'static [&'static str],
}

const SHIPPED: Change = Change { to: "completed", from: &["processing", "on-hold"] };
const CANCELLED: Change =
    Change { to: "cancelled", from: &["pending", "failed", "processing", "on-hold"] };

impl Status {
    /// What is to be said where the order is not to be changed.
    fn stands_against(&self, change: &Change) -> Option<Told> {
        let now = self.status.as_str();
        if now == change.to {
            return Some(Told::Already);
        }
        let detail =
            || format!("the order is {now} in the shop, which is not changed into {}", change.to);
        (!change.from.contains(&now))
            .then(|| Told::Refused { code: "another_status".to_owned(), detail: detail() })
    }
}

/// A note as it is listed.
#[derive(Debug, Deserialize)]
struct Note {
    #[serde(default)]
    note: String,
}

impl WooCommerce {
    async fn status(&self, what: &'static str, order: &RemoteId) -> Result<Status, ChannelError> {
        let query = [("_fields", "status".to_owned())];
        let (now, _) = self.api.get::<Status>(what, &format!("orders/{order}"), &query).await?;
        Ok(now)
    }

    async fn set_status(
        &self,
        what: &'static str,
        order: &RemoteId,
        status: &str,
    ) -> Result<Told, ChannelError> {
        let path = format!("orders/{order}");
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

    /// Notes how a parcel can be followed, once: its mark is looked for before.
    async fn note(&self, parcel: &Parcel, tracking: &Tracking) -> Result<(), ChannelError> {
        let path = format!("orders/{}/notes", parcel.order);
        let mark = mark(parcel);
        let query = [("_fields", "note".to_owned())];
        let (notes, _) = self.api.get::<Vec<Note>>(SHIP, &path, &query).await?;
        if notes.iter().any(|note| note.note.contains(&mark)) {
            return Ok(());
        }
        let carrier = tracking.carrier.as_ref().map_or(String::new(), |name| format!("{name} "));
        let body = json!({ "note": format!("Shipped: {carrier}{} {mark}", tracking.number) });
        let sent =
            self.api.send_json::<Value>(SHIP, (Method::POST, &path), &body, Urgency::Ordinary);
        sent.await.map(drop)
    }
}

/// What names a parcel in a note. Notes are kept as HTML, so that it is letters and
/// digits only, whatever our own ids are.
fn mark(parcel: &Parcel) -> String {
    let digest = Sha256::digest(parcel.shipment.as_str().as_bytes());
    let short = digest.iter().take(8).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    });
    format!("[parcel {short}]")
}
