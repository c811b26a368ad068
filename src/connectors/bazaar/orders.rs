//! Orders of the marketplace: numbered states, each line with what is taken for it.

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::api::Listed;
use super::{Bazaar, PAGE_MAX};
use crate::clock::Timestamp;
use crate::connectors::{
    Answer, ChannelError, Cursor, DecodeError, Deducted, ErrorKind, Fetched, Holder, ListedOrder,
    OrderSource, Page, RawOrder, RemoteLine, RemoteOrder, RemoteState, RemoteVersion, Urgency,
    Window,
};
use crate::domain::{Currency, Money, Quantity, RemoteId};

const LIST: &str = "read the orders";
const FETCH: &str = "read an order";

impl OrderSource for Bazaar {
    fn changed<'a>(
        &'a self,
        window: Window,
        after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<ListedOrder>> {
        async move {
            let mut query = vec![
                ("changed_since", window.from.as_millis().to_string()),
                ("limit", PAGE_MAX.to_string()),
            ];
            query.extend(after.map(|Cursor(text)| ("cursor", text.clone())));
            let listed: Listed<Box<RawValue>> =
                self.api.get(LIST, "orders", &query, Urgency::Ordinary).await?;
            let next = listed.next();
            let rows = listed.data.iter().map(|raw| raw_order(LIST, raw));
            let rows = rows.map(|raw| raw.map(ListedOrder::Whole));
            Ok(Page { rows: rows.collect::<Result<_, _>>()?, next })
        }
        .boxed()
    }

    fn fetch<'a>(&'a self, id: &'a RemoteId) -> Answer<'a, Fetched> {
        async move {
            let path = format!("orders/{id}");
            match self.api.get::<Box<RawValue>>(FETCH, &path, &[], Urgency::Ordinary).await {
                Ok(raw) => Ok(Fetched::Found(raw_order(FETCH, &raw)?)),
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

fn raw_order(what: &'static str, raw: &RawValue) -> Result<RawOrder, ChannelError> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let named: Option<Named> = serde_json::from_str(raw.get()).ok();
    let id = named.and_then(|named| RemoteId::new(&named.id).ok());
    let wrong = || {
        let why = "an entry without an id".to_owned();
        ChannelError::new(what, ErrorKind::Unreadable(why))
    };
    Ok(RawOrder { id: id.ok_or_else(wrong)?, body: raw.get().as_bytes().to_vec() })
}

#[derive(Debug, Deserialize)]
struct Order {
    id: String,
    revision: i64,
    status: String,
    placed_at: String,
    changed_at: String,
    currency: String,
    total_cents: i64,
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    offer: String,
    place: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    seller_sku: String,
    quantity: i64,
    shipped: i64,
    cancelled: i64,
    /// What it took off the number of the place, and did not give back.
    committed: i64,
    unit_price_cents: i64,
}

fn decode(order: Order) -> Result<RemoteOrder, DecodeError> {
    let wrong = |field: &str, why: String| DecodeError { field: field.to_owned(), why };
    let state = match order.status.as_str() {
        "open" => RemoteState::Open,
        "shipped" => RemoteState::Shipped,
        "cancelled" => RemoteState::Cancelled,
        _ => return Err(wrong("status", "it is none that is known".to_owned())),
    };
    let currency = Currency::parse(&order.currency);
    let currency = currency.map_err(|error| wrong("currency", error.to_string()))?;
    let moment = |field: &str, text: &str| {
        Timestamp::parse(text).map_err(|error| wrong(field, error.to_string()))
    };
    let mut lines = Vec::with_capacity(order.lines.len());
    for (index, one) in order.lines.into_iter().enumerate() {
        lines.push(line(one, currency).map_err(|(field, why)| DecodeError {
            field: format!("lines[{index}].{field}"),
            why,
        })?);
    }
    Ok(RemoteOrder {
        id: RemoteId::new(&order.id).map_err(|error| wrong("id", error.to_string()))?,
        number: None,
        version: Some(RemoteVersion::Number(order.revision)),
        changed_at: Some(moment("changed_at", &order.changed_at)?),
        state,
        status: order.status,
        placed_at: Some(moment("placed_at", &order.placed_at)?),
        total: Money::new(order.total_cents, currency).ok(),
        lines,
    })
}

/// A field and what is wrong with it.
type Wrong = (&'static str, String);

fn line(line: Line, currency: Currency) -> Result<RemoteLine, Wrong> {
    let id = |field, text: &str| RemoteId::new(text).map_err(|error| (field, error.to_string()));
    let units = |field, count| Quantity::new(count).map_err(|error| (field, error.to_string()));
    let offer = id("offer", &line.offer)?;
    let holder = Holder { id: offer.clone(), location: Some(id("place", &line.place)?) };
    let ordered = units("quantity", line.quantity)?;
    let (cancelled, shipped) =
        (units("cancelled", line.cancelled)?, units("shipped", line.shipped)?);
    if cancelled.get() + shipped.get() > ordered.get() {
        return Err(("quantity", "more left or was cancelled than was ordered".to_owned()));
    }
    Ok(RemoteLine {
        id: id("id", &line.id)?,
        order_keys: vec![offer],
        sku_text: line.seller_sku,
        title: line.title,
        ordered,
        cancelled,
        shipped,
        restocked: Quantity::ZERO,
        kept_back: None,
        deducted: Deducted::Units(units("committed", line.committed)?),
        holder: Some(holder),
        unit_price: Money::new(line.unit_price_cents, currency).ok(),
    })
}
