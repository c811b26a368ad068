//! What an order has several of, and what each of these has several of.
//!
//! Parcels and refunds are lists without pages: of a long one the ids are read at once, and
//! then what is of them, some at a time.

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Api, Document};
use super::orders::Of;
use super::{Listed, endless};
use crate::connectors::{ChannelError, ErrorKind, Urgency};

/// Parts that are read at first with their units: an order that has as many may have more.
const FIRST_MAX: usize = 3;
/// Parts that are read by their ids in one answer.
const TOGETHER_MAX: usize = 10;
/// Parts of which the ids are read in one answer: it has no second page.
const PARTS_MAX: usize = 250;

/// Pages of what one of them has at most.
const PAGES_MAX: usize = 100;

/// A kind of parts of an order.
#[derive(Debug)]
pub(super) struct Part {
    /// The field of the order.
    field: &'static str,
    /// The first of them with their units, `$first`.
    some: Document,
    /// The ids of all.
    ids: Document,
    /// Those of some ids, `$ids`.
    of_ids: Document,
    /// Further units of one: the document, its field, and the list in it.
    more: (Document, &'static str, &'static str),
}

/// What left.
pub(super) const PARCELS: Part = Part {
    field: "fulfillments",
    some: Document::reading(
        "read the parcels of an order",
        include_str!("graphql/parcels.graphql"),
        40,
    ),
    ids: Document::reading(
        "read the parcels of an order",
        include_str!("graphql/parcel_ids.graphql"),
        255,
    ),
    of_ids: Document::reading(
        "read the parcels of an order",
        include_str!("graphql/parcels_of.graphql"),
        440,
    ),
    more: (
        Document::reading("read a parcel", include_str!("graphql/parcel.graphql"), 210),
        "fulfillment",
        "fulfillmentLineItems",
    ),
};

/// What was taken back or will not leave.
pub(super) const REFUNDS: Part = Part {
    field: "refunds",
    some: Document::reading(
        "read the refunds of an order",
        include_str!("graphql/refunds.graphql"),
        55,
    ),
    ids: Document::reading(
        "read the refunds of an order",
        include_str!("graphql/refund_ids.graphql"),
        255,
    ),
    of_ids: Document::reading(
        "read the refunds of an order",
        include_str!("graphql/refunds_of.graphql"),
        640,
    ),
    more: (
        Document::reading("read a refund", include_str!("graphql/refund.graphql"), 310),
        "refund",
        "refundLineItems",
    ),
};

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Option<Value>>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Part {
    /// All of them of an order, each with all its units.
    pub(super) async fn all(&self, api: &Api, order: &str) -> Result<Vec<Value>, ChannelError> {
        let mut all: Vec<Value> = self.listed(api, &self.some, order).await?;
        if all.len() >= FIRST_MAX {
            let named: Vec<Named> = self.listed(api, &self.ids, order).await?;
            if named.len() >= PARTS_MAX {
                return Err(unreadable(&self.ids, "the order has more of them than can be listed"));
            }
            all.clear();
            for some in named.chunks(TOGETHER_MAX) {
                let ids: Vec<&str> = some.iter().map(|one| one.id.as_str()).collect();
                let variables = json!({ "ids": ids });
                let Nodes { nodes } = api.run(&self.of_ids, &variables, Urgency::Ordinary).await?;
                all.extend(nodes.into_iter().flatten());
            }
        }
        for one in &mut all {
            let (document, name, field) = &self.more;
            complete(api, one, (document, name, field)).await?;
        }
        Ok(all)
    }

    async fn listed<T: serde::de::DeserializeOwned>(
        &self,
        api: &Api,
        document: &Document,
        order: &str,
    ) -> Result<Vec<T>, ChannelError> {
        let variables = json!({ "id": order });
        let of: Of<Value> = api.run(document, &variables, Urgency::Ordinary).await?;
        let Some(mut order) = of.order else { return Ok(Vec::new()) };
        let found = order.get_mut(self.field).map(Value::take).unwrap_or_default();
        serde_json::from_value(found).map_err(|_| unreadable(document, "a list of it is none"))
    }
}

fn unreadable(document: &Document, why: &str) -> ChannelError {
    ChannelError::new(document.what, ErrorKind::Unreadable(why.to_owned()))
}

/// The list in an object; an answer without it cannot be read.
pub(super) fn list(
    document: &Document,
    object: &Value,
    field: &str,
) -> Result<Listed<Value>, ChannelError> {
    let found = object.get(field).cloned().unwrap_or_default();
    serde_json::from_value(found).map_err(|_| unreadable(document, "a list of it is none"))
}

/// Reads the list in an object to its end, where a page of objects had only its beginning;
/// whether more had to be asked for.
pub(super) async fn complete(
    api: &Api,
    object: &mut Value,
    (document, name, field): (&Document, &str, &str),
) -> Result<bool, ChannelError> {
    let mut page = list(document, object, field)?;
    let mut nodes = std::mem::take(&mut page.nodes);
    let id = object.get("id").cloned().unwrap_or_default();
    let mut after = page.next();
    let is_long = after.is_some();
    for _ in 0..PAGES_MAX {
        if after.is_none() {
            break;
        }
        let variables = json!({ "id": id, "after": after });
        let answer: Value = api.run(document, &variables, Urgency::Ordinary).await?;
        let part = answer.get(name).cloned().unwrap_or_default();
        let more = list(document, &part, field)?;
        after = more.next();
        nodes.extend(more.nodes);
    }
    if after.is_some() {
        return Err(endless(document, "lines", id.as_str().unwrap_or_default()));
    }
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), Value::Array(nodes));
    }
    Ok(is_long)
}
