//! Orders of a shop.
//!
//! Its times without an offset are the shop's own; those named `…_gmt` are UTC without
//! saying so. Lists leave out what is in the bin, and answer a filter they do not know by
//! leaving it out silently, which [`super::probe`] looks for.

use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::api::{Query, next_page, page_of};
use super::{PAGE_MAX, WooCommerce};
use crate::clock::Timestamp;
use crate::connectors::{
    Answer, ChannelError, Cursor, DecodeError, ErrorKind, Fetched, OrderSource, Page, RawOrder,
    RemoteLine, RemoteOrder, RemoteState, RemoteVersion, Window,
};
use crate::domain::{Currency, Money, Quantity, RemoteId};

const LIST: &str = "read the orders";
const FETCH: &str = "read an order";
/// Paid back as a whole; it puts nothing back by itself.
const REFUNDED: &str = "refunded";
/// What the shop took off its own number for a line.
const REDUCED: &str = "_reduced_stock";
/// What of a line's refunded units it put back.
const RESTOCKED: &str = "_restock_refunded_items";

impl OrderSource for WooCommerce {
    fn changed<'a>(
        &'a self,
        window: Window,
        after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<RawOrder>> {
        async move {
            let page = page_of(LIST, after)?;
            if self.sorts_by_change.load(Ordering::Relaxed) {
                match self.list(window, page, "modified").await {
                    Err(error) if is_about_sorting(&error) => {
                        self.sorts_by_change.store(false, Ordering::Relaxed);
                    }
                    listed => return listed,
                }
            }
            self.list(window, page, "date").await
        }
        .boxed()
    }

    fn fetch<'a>(&'a self, id: &'a RemoteId) -> Answer<'a, Fetched> {
        async move {
            let path = format!("orders/{id}");
            match self.api.get::<Box<RawValue>>(FETCH, &path, &[]).await {
                Ok((raw, _)) => Ok(Fetched::Found(raw_order(FETCH, &raw)?)),
                Err(ChannelError { kind: ErrorKind::NotFound(_), .. }) => Ok(Fetched::Gone),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    fn decode(&self, body: &[u8]) -> Result<RemoteOrder, DecodeError> {
        let order: Order = serde_json::from_slice(body).map_err(|error| DecodeError {
            field: format!("line {}, column {}", error.line(), error.column()),
            why: "it has another shape than an order".to_owned(),
        })?;
        decode(order)
    }
}

impl WooCommerce {
    async fn list(
        &self,
        window: Window,
        page: usize,
        sorted_by: &str,
    ) -> Result<Page<RawOrder>, ChannelError> {
        let query: Query<'_> = &[
            ("modified_after", seconds(window.from)),
            ("modified_before", seconds(window.until.plus_millis(1000).unwrap_or(window.until))),
            ("dates_are_gmt", "true".to_owned()),
            ("status", "any".to_owned()),
            ("orderby", sorted_by.to_owned()),
            ("order", "asc".to_owned()),
            ("per_page", PAGE_MAX.to_string()),
            ("page", page.to_string()),
        ];
        let (raw, headers) = self.api.get::<Vec<Box<RawValue>>>(LIST, "orders", query).await?;
        let next = next_page(&headers, page, raw.len());
        let rows = raw.iter().map(|raw| raw_order(LIST, raw)).collect::<Result<_, _>>()?;
        Ok(Page { rows, next })
    }
}

fn is_about_sorting(error: &ChannelError) -> bool {
    let ErrorKind::Refused { code, detail } = &error.kind else { return false };
    code == "rest_invalid_param" && detail.contains("orderby")
}

/// Whole seconds, UTC, without an offset: what every version reads.
fn seconds(moment: Timestamp) -> String {
    let mut text = moment.to_string();
    text.truncate("2026-01-01T00:00:00".len());
    text
}

fn raw_order(what: &'static str, raw: &RawValue) -> Result<RawOrder, ChannelError> {
    #[derive(Deserialize)]
    struct Named {
        id: u64,
    }
    let wrong = |_| {
        let why = "an entry without an id".to_owned();
        ChannelError::new(what, ErrorKind::Unreadable(why))
    };
    let named: Named = serde_json::from_str(raw.get()).map_err(wrong)?;
    Ok(RawOrder { id: id(named.id), body: raw.get().as_bytes().to_vec() })
}

#[derive(Debug, Deserialize)]
struct Order {
    id: u64,
    number: Option<String>,
    status: String,
    currency: Option<String>,
    total: Option<String>,
    date_created_gmt: Option<String>,
    date_modified_gmt: Option<String>,
    #[serde(default)]
    line_items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    id: u64,
    #[serde(default)]
    name: String,
    product_id: u64,
    #[serde(default)]
    variation_id: u64,
    quantity: serde_json::Number,
    sku: Option<String>,
    price: Option<serde_json::Number>,
    #[serde(default)]
    meta_data: Vec<Meta>,
}

/// A further field of a line; plugins write anything into theirs.
#[derive(Debug, Deserialize)]
struct Meta {
    #[serde(default)]
    key: serde_json::Value,
    #[serde(default)]
    value: serde_json::Value,
}

fn decode(order: Order) -> Result<RemoteOrder, DecodeError> {
    let currency = order.currency.as_deref().and_then(|code| Currency::parse(code).ok());
    let money = |text: &str| Money::parse(text, currency?).ok();
    let reduced = order.line_items.iter().any(|item| item.meta(REDUCED).is_some());
    let state = state(&order.status, reduced);
    let is_refunded = order.status == REFUNDED;
    let mut lines = Vec::with_capacity(order.line_items.len());
    for (index, item) in order.line_items.iter().enumerate() {
        lines.push(line(item, (state, is_refunded), &money).map_err(|(field, why)| {
            DecodeError { field: format!("line_items[{index}].{field}"), why }
        })?);
    }
    let moment = |field: &'static str, text: Option<&str>| match text {
        None | Some("") => Ok(None),
        Some(text) => Timestamp::parse(&format!("{text}Z"))
            .map(Some)
            .map_err(|error| DecodeError { field: field.to_owned(), why: error.to_string() }),
    };
    let changed_at = moment("date_modified_gmt", order.date_modified_gmt.as_deref())?;
    Ok(RemoteOrder {
        id: id(order.id),
        number: order.number,
        version: changed_at.map(RemoteVersion::ChangedAt),
        changed_at,
        state,
        placed_at: moment("date_created_gmt", order.date_created_gmt.as_deref())?,
        total: order.total.as_deref().and_then(money),
        status: order.status,
        lines,
    })
}

/// What a status means for stock. Plugins add their own: those hold stock if the shop
/// took it off.
fn state(status: &str, reduced: bool) -> RemoteState {
    match status {
        "pending" | "failed" | "checkout-draft" | "auto-draft" => RemoteState::Pending,
        "on-hold" | "processing" => RemoteState::Open,
        "completed" => RemoteState::Shipped,
        REFUNDED if reduced => RemoteState::Shipped,
        "cancelled" | REFUNDED => RemoteState::Cancelled,
        "trash" => RemoteState::Deleted,
        _ if reduced => RemoteState::Open,
        _ => RemoteState::Pending,
    }
}

/// A field and what is wrong with it.
type Wrong = (&'static str, String);

fn line(
    item: &Item,
    (state, is_refunded): (RemoteState, bool),
    money: &dyn Fn(&str) -> Option<Money>,
) -> Result<RemoteLine, Wrong> {
    let ordered = units("quantity", &item.quantity.to_string())?;
    let meta = |key| match item.meta(key) {
        Some(text) => units("meta_data", &text).map(Some),
        None => Ok(None),
    };
    let restocked = meta(RESTOCKED)?.unwrap_or(Quantity::ZERO).min(ordered);
    let reduced = meta(REDUCED)?.unwrap_or(Quantity::ZERO).min(ordered);
    let rest = Quantity::new(ordered.get() - reduced.get()).unwrap_or(Quantity::ZERO);
    let (cancelled, shipped) = match state {
        // Money went back for all of it, and stock only for what says so: the rest is not
        // on the shelf as far as anybody knows.
        _ if is_refunded => (rest, reduced),
        RemoteState::Shipped => (Quantity::ZERO, ordered),
        RemoteState::Cancelled | RemoteState::Deleted => (ordered, Quantity::ZERO),
        RemoteState::Pending | RemoteState::Open => (restocked, Quantity::ZERO),
    };
    // Nothing says that there is no product; a line may be of none.
    let product = [item.variation_id, item.product_id].into_iter().find(|&id| id != 0);
    Ok(RemoteLine {
        id: id(item.id),
        order_keys: product.map(id).into_iter().collect(),
        sku_text: item.sku.clone().unwrap_or_default(),
        title: item.name.clone(),
        ordered,
        cancelled,
        shipped,
        restocked: if is_refunded { Quantity::ZERO } else { restocked },
        deducted: Some(meta(REDUCED)?.unwrap_or(Quantity::ZERO)),
        holder: None,
        unit_price: item.price.as_ref().and_then(|price| money(&price.to_string())),
    })
}

impl Item {
    /// A further field, where it is there and says something.
    fn meta(&self, key: &str) -> Option<String> {
        let found = self.meta_data.iter().find(|meta| meta.key.as_str() == Some(key))?;
        match &found.value {
            serde_json::Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Whole units; plugins let shops sell parts of one, which the ledger does not.
fn units(field: &'static str, text: &str) -> Result<Quantity, Wrong> {
    let whole = text.strip_suffix(".0").unwrap_or(text);
    Quantity::parse(whole).map_err(|error| (field, error.to_string()))
}

/// An id: the shop's are numbers.
pub(super) fn id(number: u64) -> RemoteId {
    RemoteId::of_numbers(&[number])
}
