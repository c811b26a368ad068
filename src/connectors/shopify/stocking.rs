//! Which items are stocked at a location, and items that are from now on.
//!
//! An item has a number at a location only while its level there is active. One that is
//! activated begins with 0; of one that is active the shop refuses to be told a number that
//! way, so a call that comes late or twice changes none (schema 2026-10, `inventoryActivate`).
//! What is active already is found before, and not touched.

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::api::Document;
use super::ids::{gid, number, numbered};
use super::pages;
use super::slices::Slice;
use super::stock::UserError;
use super::{Listed, Shopify};
use crate::connectors::{
    Answer, ChannelError, Countable, Cursor, ErrorKind, Holder, Keeping, Page, RemoteLevel,
    StockRead as _, Stocking, Urgency,
};
use crate::domain::RemoteId;

/// Variants of a page: three objects each, below the 1 000 points of a document.
const PAGE_MAX: usize = 250;

const STOCKED_AT: Document =
    Document::reading("read what is stocked", include_str!("graphql/stocked_at.graphql"), 800);
const ACTIVATE: Document =
    Document::writing("stock an item", include_str!("graphql/activate.graphql"), 12);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variants {
    product_variants: Listed<Variant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variant {
    id: String,
    display_name: String,
    sku: Option<String>,
    inventory_item: Item,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    tracked: bool,
    inventory_level: Option<Level>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Level {
    is_active: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activated {
    inventory_activate: Option<Payload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    inventory_level: Option<Level>,
    user_errors: Vec<UserError>,
}

impl Variant {
    /// As it stands at a location; nothing where the shop does not count it.
    fn at(self, location: &RemoteId) -> Result<Option<Countable>, ChannelError> {
        let id = numbered(STOCKED_AT.what, &self.id)?;
        let item = numbered(STOCKED_AT.what, &self.inventory_item.id)?;
        if !self.inventory_item.tracked {
            return Ok(None);
        }
        let level = self.inventory_item.inventory_level;
        Ok(Some(Countable {
            id,
            holder: Holder { id: item.clone(), location: Some(location.clone()) },
            order_keys: vec![item],
            sku_text: self.sku.unwrap_or_default(),
            title: self.display_name,
            is_kept: level.is_some_and(|level| level.is_active),
        }))
    }
}

impl Shopify {
    /// Whether items are active, each at its location.
    async fn are_active(&self, holders: &[Holder]) -> Result<Vec<bool>, ChannelError> {
        let levels = self.read(holders, Urgency::Ordinary).await?;
        Ok(levels.iter().map(|level: &RemoteLevel| level.quantity.is_some()).collect())
    }

    /// Activates one item that is not active. A repetition of a call without an answer has
    /// the same name.
    async fn activate(&self, holder: &Holder) -> Result<Keeping, ChannelError> {
        let Some(location) = &holder.location else {
            let detail = "it names no location".to_owned();
            return Ok(Keeping::Refused { detail });
        };
        let call = Sha256::digest(format!("activate {} at {location}", holder.id)).into();
        let variables = json!({
            "item": gid("InventoryItem", &holder.id),
            "location": gid("Location", location),
            "key": self.names.open(call),
        });
        let answer = self.api.run(&ACTIVATE, &variables, Urgency::Ordinary).await;
        if answer.as_ref().err().is_none_or(|error: &ChannelError| !error.is_unknown()) {
            self.names.close(&call);
        }
        let Activated { inventory_activate } = answer?;
        let unreadable = || ErrorKind::Unreadable("it does not say what became of it".to_owned());
        let unreadable = || ChannelError::new(ACTIVATE.what, unreadable());
        let payload = inventory_activate.ok_or_else(unreadable)?;
        if let Some(error) = payload.user_errors.into_iter().next() {
            // Somebody else may have activated it: its errors have no codes to tell by.
            let is_active = self.are_active(std::slice::from_ref(holder)).await?;
            return Ok(match is_active.first() {
                Some(true) => Keeping::Already,
                _ => Keeping::Refused { detail: error.message },
            });
        }
        let is_active = payload.inventory_level.is_some_and(|level| level.is_active);
        if is_active { Ok(Keeping::Begun) } else { Err(unreadable()) }
    }
}

impl Stocking for Shopify {
    fn countable<'a>(
        &'a self,
        place: &'a RemoteId,
        after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<Countable>> {
        async move {
            let slice = Slice::at(after);
            let variables = json!({
                "first": PAGE_MAX, "after": slice.after, "query": pages::after_id(&slice),
                "location": gid("Location", place),
            });
            let all: Variants = self.api.run(&STOCKED_AT, &variables, Urgency::Ordinary).await?;
            let Listed { nodes, .. } = &all.product_variants;
            let (read, end) = (nodes.len(), all.product_variants.next());
            let last = nodes.last().and_then(|one| number(&one.id)).map(|id| id.to_string());
            let mut rows = Vec::new();
            for variant in all.product_variants.nodes {
                rows.extend(variant.at(place)?);
            }
            Ok(Page { rows, next: slice.next(STOCKED_AT.what, (read, end, last))? })
        }
        .boxed()
    }

    fn keep<'a>(&'a self, holders: &'a [Holder]) -> Answer<'a, Vec<Keeping>> {
        async move {
            let mut outcomes = Vec::with_capacity(holders.len());
            for (holder, is_active) in holders.iter().zip(self.are_active(holders).await?) {
                let outcome =
                    if is_active { Keeping::Already } else { self.activate(holder).await? };
                outcomes.push(outcome);
            }
            Ok(outcomes)
        }
        .boxed()
    }
}
