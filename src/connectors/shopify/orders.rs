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
use super::parts::{self, Part};
use super::slices::Slice;
use super::{Listed, Shopify, endless};
use crate::clock::Timestamp;
use crate::connectors::{
    Answer, ChannelError, Cursor, DecodeError, ErrorKind, Fetched, ListedOrder, OrderSource, Page,
    RawOrder, RemoteOrder, Urgency, Window,
};
use crate::domain::RemoteId;

/// Orders of a page: only named, they are read by their ids.
pub(super) const PAGE_MAX: usize = 100;
/// Lines that are read with an order, and those of each further page. What is asked for is
/// held back until the answer comes: few orders have more lines than the first page.
const LINES_FIRST: usize = 5;
const LINES_MORE: usize = 50;
/// Pages of the lines of one order at most, and of what of it is to leave: a list without an
/// end is an error, never "the rest is gone".
const LINES_PAGES_MAX: usize = 100;
const WORK_PAGES_MAX: usize = 100;
/// Readings of an order that changes meanwhile.
const READINGS_MAX: usize = 3;

const CHANGED: Document =
    Document::reading("read the orders", include_str!("graphql/changed.graphql"), 110);
const ORDER: Document =
    Document::reading("read an order", include_str!("graphql/order.graphql"), 260);
/// What the same costs where it asks for the first lines only.
const ORDER_FIRST_COST: u32 = 30;
const WORK: Document =
    Document::reading("read where an order leaves from", include_str!("graphql/work.graphql"), 50);
const WORK_LINES: Document =
    Document::reading("read what leaves together", include_str!("graphql/work_lines.graphql"), 210);
/// What a fulfilment order belongs to: one object.
const ORDER_OF: Document =
    Document::reading("find the order that leaves", include_str!("graphql/order_of.graphql"), 1);
pub(super) const UPDATED: Document = Document::reading(
    "read when an order changed",
    include_str!("graphql/order_updated.graphql"),
    5,
);

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
pub(super) struct Of<T> {
    pub(super) order: Option<T>,
}

/// A page of an order's fulfilment orders.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkOf {
    updated_at: String,
    fulfillment_orders: Listed<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdatedOf {
    updated_at: String,
    pub(super) cancelled_at: Option<String>,
}

/// What is to leave, of which only the order is asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Leaving {
    fulfillment_order: Option<OfOrder>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfOrder {
    order_id: String,
}

/// What one reading of an order found.
enum Reading {
    Whole(Box<Whole>),
    /// It is gone.
    Gone,
    /// It changed while it was read: its parts may not fit together.
    Torn,
}

fn unreadable(document: &Document, why: &str) -> ChannelError {
    ChannelError::new(document.what, ErrorKind::Unreadable(why.to_owned()))
}

/// When an order changed, as it says.
fn updated_at(order: &Value) -> Option<&str> {
    order.get("updatedAt").and_then(Value::as_str)
}

impl Shopify {
    /// An order with all that is asked of it, or nothing where there is none.
    async fn whole(&self, id: &RemoteId) -> Result<Option<Whole>, ChannelError> {
        for _ in 0..READINGS_MAX {
            match self.reading(&gid("Order", id)).await? {
                Reading::Whole(whole) => return Ok(Some(*whole)),
                Reading::Gone => return Ok(None),
                Reading::Torn => {}
            }
        }
        let changes = "the order changes whenever it is read".to_owned();
        Err(ChannelError::new(ORDER.what, ErrorKind::Unreadable(changes)))
    }

    async fn reading(&self, order: &str) -> Result<Reading, ChannelError> {
        let Some((object, lines)) = self.lines(order).await? else { return Ok(Reading::Gone) };
        let differs = |one: &str, other: &str| {
            let number = |line: &Value, field: &str| line.get(field).and_then(Value::as_i64);
            lines.iter().any(|line| number(line, one) != number(line, other))
        };
        // What nothing happened to has no parcels and no refunds: two answers less.
        let parcels = if differs("quantity", "unfulfilledQuantity") {
            self.parts(&parts::PARCELS, order).await?
        } else {
            Vec::new()
        };
        let refunds = if differs("quantity", "currentQuantity") {
            self.parts(&parts::REFUNDS, order).await?
        } else {
            Vec::new()
        };
        let Some((work, last)) = self.work_until(order).await? else { return Ok(Reading::Gone) };
        if updated_at(&object) != Some(&last) {
            return Ok(Reading::Torn);
        }
        Ok(Reading::Whole(Box::new(Whole { order: object, lines, parcels, refunds, work })))
    }

    /// An order without its lines, and its lines.
    async fn lines(&self, order: &str) -> Result<Option<(Value, Vec<Value>)>, ChannelError> {
        let (mut lines, mut after, mut first) = (Vec::new(), None, LINES_FIRST);
        let mut beginning = None;
        for _ in 0..LINES_PAGES_MAX {
            let variables = json!({ "id": order, "first": first, "after": after });
            let document = if after.is_none() { ORDER.costing(ORDER_FIRST_COST) } else { ORDER };
            let Some(mut object) = self.of_order::<Value>(&document, &variables).await? else {
                return Ok(None);
            };
            let page = parts::list(&ORDER, &object, "lineItems")?;
            (after, first) = (page.next(), LINES_MORE);
            lines.extend(page.nodes);
            if let Some(object) = object.as_object_mut() {
                object.remove("lineItems");
            }
            // All parts are held against what it said at first.
            let object = beginning.get_or_insert(object);
            if after.is_none() {
                return Ok(Some((object.take(), lines)));
            }
        }
        Err(endless(&ORDER, "lines", order))
    }

    pub(super) async fn of_order<T: DeserializeOwned>(
        &self,
        document: &Document,
        variables: &Value,
    ) -> Result<Option<T>, ChannelError> {
        let Of { order } = self.api.run(document, variables, Urgency::Ordinary).await?;
        Ok(order)
    }

    /// All parcels or refunds of an order.
    pub(super) async fn parts(&self, part: &Part, order: &str) -> Result<Vec<Value>, ChannelError> {
        part.all(&self.api, order).await
    }

    /// Where the order is to leave from: its fulfilment orders; none where there is no order.
    pub(super) async fn work(&self, order: &str) -> Result<Option<Vec<Value>>, ChannelError> {
        Ok(self.work_until(order).await?.map(|(work, _)| work))
    }

    /// The same, and when the order had last changed after all of it was read.
    async fn work_until(&self, order: &str) -> Result<Option<(Vec<Value>, String)>, ChannelError> {
        let (mut all, mut after, mut is_long): (Vec<Value>, _, _) = (Vec::new(), None, false);
        for _ in 0..WORK_PAGES_MAX {
            let variables = json!({ "id": order, "after": after });
            let Some(page) = self.of_order::<WorkOf>(&WORK, &variables).await? else {
                return Ok(None);
            };
            after = page.fulfillment_orders.next();
            for mut one in page.fulfillment_orders.nodes {
                let rest = (&WORK_LINES, "fulfillmentOrder", "lineItems");
                is_long |= parts::complete(&self.api, &mut one, rest).await?;
                all.push(one);
            }
            if after.is_some() {
                continue;
            }
            if !is_long {
                return Ok(Some((all, page.updated_at)));
            }
            let variables = json!({ "id": order });
            let now: Option<UpdatedOf> = self.of_order(&UPDATED, &variables).await?;
            return Ok(now.map(|now| (all, now.updated_at)));
        }
        Err(endless(&WORK, "fulfilment orders", order))
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

impl ChangedOrder {
    fn named(self) -> Result<ListedOrder, ChannelError> {
        let changed_at = Timestamp::parse(&self.updated_at);
        let changed_at = changed_at.map_err(|_| unreadable(&CHANGED, "a time of it is none"))?;
        Ok(ListedOrder::Named { id: numbered(CHANGED.what, &self.id)?, changed_at })
    }
}

impl OrderSource for Shopify {
    fn changed<'a>(
        &'a self,
        window: Window,
        after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<ListedOrder>> {
        async move {
            let slice = Slice::at(after);
            let query = searched(window, &slice.from);
            let variables = json!({ "first": PAGE_MAX, "after": slice.after, "query": query });
            let all: ChangedOrders = self.api.run(&CHANGED, &variables, Urgency::Ordinary).await?;
            let (end, read) = (all.orders.next(), all.orders.nodes.len());
            let last = all.orders.nodes.last().map(|order| order.updated_at.clone());
            let next = slice.next(CHANGED.what, (read, end, last))?;
            let rows = all.orders.nodes.into_iter().map(ChangedOrder::named);
            Ok(Page { rows: rows.collect::<Result<_, _>>()?, next })
        }
        .boxed()
    }

    fn fetch<'a>(&'a self, id: &'a RemoteId) -> Answer<'a, Fetched> {
        async move { Ok(self.raw(id.clone()).await?.map_or(Fetched::Gone, Fetched::Found)) }.boxed()
    }

    fn order_of<'a>(&'a self, part: &'a RemoteId) -> Answer<'a, Option<RemoteId>> {
        async move {
            let variables = json!({ "id": gid("FulfillmentOrder", part) });
            let found: Leaving = self.api.run(&ORDER_OF, &variables, Urgency::Ordinary).await?;
            found.fulfillment_order.map(|of| numbered(ORDER_OF.what, &of.order_id)).transpose()
        }
        .boxed()
    }

    fn decode(&self, body: &[u8]) -> Result<RemoteOrder, DecodeError> {
        decode(body)
    }
}
