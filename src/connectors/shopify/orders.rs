//! Orders: found by their last change, and each read in as many parts as it has.
//!
//! What is kept of an order is a document of ours with the shop's own objects in it: the
//! whole of an order in one answer would cost more points than a document may.

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::api::Document;
use super::document::{Whole, decode};
use super::ids::{gid, numbered};
use super::slices::Slice;
use super::{Listed, Shopify};
use crate::connectors::{
    Answer, ChannelError, Cursor, DecodeError, ErrorKind, Fetched, OrderSource, Page, RawOrder,
    RemoteOrder, Urgency, Window,
};
use crate::domain::RemoteId;

/// Orders of a page: each is read on its own.
pub(super) const PAGE_MAX: usize = 25;
/// Parcels, and refunds, that are read of an order at most; a list of them has no second page.
const PARCELS_MAX: usize = 20;
const REFUNDS_MAX: usize = 15;

const CHANGED: Document =
    Document::reading("read the orders", include_str!("graphql/changed.graphql"), 40);
const ORDER: Document =
    Document::reading("read an order", include_str!("graphql/order.graphql"), 520);
const PARCELS: Document =
    Document::reading("read the parcels of an order", include_str!("graphql/parcels.graphql"), 880);
const PARCEL: Document =
    Document::reading("read a parcel", include_str!("graphql/parcel.graphql"), 210);
const REFUNDS: Document =
    Document::reading("read the refunds of an order", include_str!("graphql/refunds.graphql"), 680);
const REFUND: Document =
    Document::reading("read a refund", include_str!("graphql/refund.graphql"), 210);
const WORK: Document =
    Document::reading("read where an order leaves from", include_str!("graphql/work.graphql"), 880);

#[derive(Deserialize)]
struct ChangedOrders {
    orders: Listed<ChangedOrder>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangedOrder {
    id: String,
    updated_at: String,
}

/// An answer about one order.
#[derive(Deserialize)]
struct Of<T> {
    order: Option<T>,
}

#[derive(Deserialize)]
struct ParcelsOf {
    fulfillments: Vec<Value>,
}

#[derive(Deserialize)]
struct RefundsOf {
    refunds: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkOf {
    fulfillment_orders: Listed<Value>,
}

fn unreadable(document: &Document, why: &str) -> ChannelError {
    ChannelError::new(document.what, ErrorKind::Unreadable(why.to_owned()))
}

/// The list in an object; an answer without it cannot be read.
fn list(document: &Document, object: &Value, field: &str) -> Result<Listed<Value>, ChannelError> {
    let found = object.get(field).cloned().unwrap_or_default();
    serde_json::from_value(found).map_err(|_| unreadable(document, "a list of it is none"))
}

impl Shopify {
    /// An order with all that is asked of it, or nothing where there is none.
    async fn whole(&self, id: &RemoteId) -> Result<Option<Whole>, ChannelError> {
        let order = gid("Order", id);
        let Some(mut object) = self.of_order::<Value>(&ORDER, &order, None).await? else {
            return Ok(None);
        };
        let mut page = list(&ORDER, &object, "lineItems")?;
        let mut lines = Vec::new();
        loop {
            let next = page.next();
            lines.extend(page.nodes);
            let Some(after) = next else { break };
            let more: Option<Value> = self.of_order(&ORDER, &order, Some(after)).await?;
            let Some(more) = more else { return Ok(None) };
            page = list(&ORDER, &more, "lineItems")?;
        }
        if let Some(object) = object.as_object_mut() {
            object.remove("lineItems");
        }
        let number = |line: &Value, field: &str| line.get(field).and_then(Value::as_i64);
        let differs = |one: &str, other: &str| {
            lines.iter().any(|line| number(line, one) != number(line, other))
        };
        // What nothing happened to has no parcels and no refunds: two answers less.
        let parcels = if differs("quantity", "unfulfilledQuantity") {
            self.parcels(&order).await?
        } else {
            Vec::new()
        };
        let refunds = if differs("quantity", "currentQuantity") {
            self.refunds(&order).await?
        } else {
            Vec::new()
        };
        let work = self.work(&order).await?;
        Ok(Some(Whole { order: object, lines, parcels, refunds, work }))
    }

    async fn of_order<T: DeserializeOwned>(
        &self,
        document: &Document,
        order: &str,
        after: Option<String>,
    ) -> Result<Option<T>, ChannelError> {
        let variables = json!({ "id": order, "after": after });
        let Of { order } = self.api.run(document, &variables, Urgency::Ordinary).await?;
        Ok(order)
    }

    async fn parcels(&self, order: &str) -> Result<Vec<Value>, ChannelError> {
        let variables = json!({ "id": order });
        let of: Of<ParcelsOf> = self.api.run(&PARCELS, &variables, Urgency::Ordinary).await?;
        let mut parcels = of.order.map(|order| order.fulfillments).unwrap_or_default();
        if parcels.len() >= PARCELS_MAX {
            return Err(unreadable(&PARCELS, "the order has more parcels than can be listed"));
        }
        for parcel in &mut parcels {
            self.complete(parcel, (&PARCEL, "fulfillment", "fulfillmentLineItems")).await?;
        }
        Ok(parcels)
    }

    async fn refunds(&self, order: &str) -> Result<Vec<Value>, ChannelError> {
        let variables = json!({ "id": order });
        let of: Of<RefundsOf> = self.api.run(&REFUNDS, &variables, Urgency::Ordinary).await?;
        let mut refunds = of.order.map(|order| order.refunds).unwrap_or_default();
        if refunds.len() >= REFUNDS_MAX {
            return Err(unreadable(&REFUNDS, "the order has more refunds than can be listed"));
        }
        for refund in &mut refunds {
            self.complete(refund, (&REFUND, "refund", "refundLineItems")).await?;
        }
        Ok(refunds)
    }

    /// Reads the list in an object to its end, where a page of objects had only its beginning.
    async fn complete(
        &self,
        object: &mut Value,
        (document, name, field): (&Document, &str, &str),
    ) -> Result<(), ChannelError> {
        let mut page = list(document, object, field)?;
        let mut nodes = std::mem::take(&mut page.nodes);
        let id = object.get("id").cloned().unwrap_or_default();
        let mut after = page.next();
        while after.is_some() {
            let variables = json!({ "id": id, "after": after });
            let answer: Value = self.api.run(document, &variables, Urgency::Ordinary).await?;
            let part = answer.get(name).cloned().unwrap_or_default();
            let more = list(document, &part, field)?;
            after = more.next();
            nodes.extend(more.nodes);
        }
        if let Some(object) = object.as_object_mut() {
            object.insert(field.to_owned(), Value::Array(nodes));
        }
        Ok(())
    }

    /// Where the order is to leave from: its fulfilment orders.
    pub(super) async fn work(&self, order: &str) -> Result<Vec<Value>, ChannelError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let of: Option<WorkOf> = self.of_order(&WORK, order, after).await?;
            let Some(WorkOf { fulfillment_orders: page }) = of else { return Ok(all) };
            after = page.next();
            for mut one in page.nodes {
                let lines = list(&WORK, &one, "lineItems")?;
                if lines.page_info.has_next_page {
                    return Err(unreadable(&WORK, "more lines leave together than can be listed"));
                }
                if let Some(one) = one.as_object_mut() {
                    one.insert("lineItems".to_owned(), Value::Array(lines.nodes));
                }
                all.push(one);
            }
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    async fn raw(&self, id: RemoteId) -> Result<Option<RawOrder>, ChannelError> {
        let Some(whole) = self.whole(&id).await? else { return Ok(None) };
        let body = serde_json::to_vec(&whole).map_err(|_| unreadable(&ORDER, "it is no JSON"))?;
        Ok(Some(RawOrder { id, body }))
    }
}

/// What orders of a window are searched by; its times are whole seconds.
fn searched(window: Window, from: &str) -> String {
    let at = |millis: i64| {
        let time = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
        time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let begin = if from.is_empty() { at(window.from.as_millis()) } else { from.to_owned() };
    // The second that the end is in is listed whole.
    format!("updated_at:>='{begin}' updated_at:<='{}'", at(window.until.as_millis() + 999))
}

impl OrderSource for Shopify {
    fn changed<'a>(
        &'a self,
        window: Window,
        after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<RawOrder>> {
        async move {
            let slice = Slice::at(after);
            let query = searched(window, &slice.from);
            let variables = json!({ "first": PAGE_MAX, "after": slice.after, "query": query });
            let all: ChangedOrders = self.api.run(&CHANGED, &variables, Urgency::Ordinary).await?;
            let (end, read) = (all.orders.next(), all.orders.nodes.len());
            let last = all.orders.nodes.last().map(|order| order.updated_at.clone());
            let mut rows = Vec::with_capacity(read);
            for order in all.orders.nodes {
                // One that was deleted meanwhile is told of otherwise.
                rows.extend(self.raw(numbered(CHANGED.what, &order.id)?).await?);
            }
            Ok(Page { rows, next: slice.next(read, end, last) })
        }
        .boxed()
    }

    fn fetch<'a>(&'a self, id: &'a RemoteId) -> Answer<'a, Fetched> {
        async move { Ok(self.raw(id.clone()).await?.map_or(Fetched::Gone, Fetched::Found)) }.boxed()
    }

    fn decode(&self, body: &[u8]) -> Result<RemoteOrder, DecodeError> {
        decode(body)
    }
}
