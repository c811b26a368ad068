//! Orders of a shop.
//!
//! Its times without an offset are the shop's own; those named `…_gmt` are UTC without
//! saying so. Lists leave out what is in the bin, and answer a filter they do not know by
//! leaving it out silently, which [`super::probe`] looks for.

use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::WooCommerce;
use super::api::Query;
use super::pages::has_more;
use crate::clock::Timestamp;
use crate::connectors::{
    Answer, ChannelError, Cursor, DecodeError, Deducted, ErrorKind, Fetched, ListedOrder,
    OrderSource, Page, RawOrder, RemoteLine, RemoteOrder, RemoteState, RemoteVersion, Window,
};
use crate::domain::{Currency, Money, Quantity, RemoteId};

const LIST: &str = "read the orders";
const FETCH: &str = "read an order";
/// How many orders are asked for at once: whole orders, with what plugins put into them.
pub(super) const ORDERS_PAGE_MAX: usize = 100;
/// The sizes of pages, where a shop is not able to answer larger ones; each is a part of
/// the one before.
const PAGE_SIZES: [usize; 5] = [ORDERS_PAGE_MAX, 20, 10, 5, 1];
/// Paid back as a whole; it puts nothing back by itself.
const REFUNDED: &str = "refunded";
/// What the shop took off its own number for a line.
const REDUCED: &str = "_reduced_stock";
/// What of a line's refunded units it put back.
const RESTOCKED: &str = "_restock_refunded_items";

/// A list of orders: its state, and which size of pages is its own. What one list is not
/// able to answer the other may be.
struct List {
    status: &'static str,
    index: usize,
}

const ANY: List = List { status: "any", index: 0 };
const BIN: List = List { status: "trash", index: 1 };

impl OrderSource for WooCommerce {
    fn changed<'a>(
        &'a self,
        window: Window,
        after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<ListedOrder>> {
        async move { Ok(self.orders_in(&ANY, window, after).await?.into()) }.boxed()
    }

    // `any` is all but the bin. An order that is thrown away changes with it: in
    // WooCommerce's OrdersTableDataStore, `trash_order` writes `date_updated_gmt`.
    fn omitted<'a>(
        &'a self,
        window: Window,
        after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<RawOrder>> {
        self.orders_in(&BIN, window, after).boxed()
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
    /// A page of the orders in a state, in the form and size that this shop is able to answer.
    async fn orders_in(
        &self,
        list: &List,
        window: Window,
        after: Option<&Cursor>,
    ) -> Result<Page<RawOrder>, ChannelError> {
        let per_page = &self.orders_per_page[list.index];
        let mut slice = slice(per_page.load(Ordering::Relaxed), after)?;
        // Each turn leaves fewer sizes, or one way of sorting.
        loop {
            let by_change = self.sorts_by_change.load(Ordering::Relaxed);
            let error = match self.list((list, window), slice, by_change).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            if by_change && is_about_sorting(&error) {
                self.sorts_by_change.store(false, Ordering::Relaxed);
                continue;
            }
            let Some(smaller) = slice.smaller().filter(|_| is_about_size(&error)) else {
                return Err(error);
            };
            per_page.store(smaller.size, Ordering::Relaxed);
            // One call that takes too long is enough for one turn.
            if error.kind == ErrorKind::Timeout {
                return Err(error);
            }
            slice = smaller;
        }
    }

    async fn list(
        &self,
        (list, window): (&List, Window),
        slice: Slice,
        by_change: bool,
    ) -> Result<Page<RawOrder>, ChannelError> {
        let from = slice.from.unwrap_or(window.from);
        let query: Query<'_> = &[
            ("modified_after", seconds(from)),
            ("modified_before", seconds(window.until.plus_millis(1000).unwrap_or(window.until))),
            ("dates_are_gmt", "true".to_owned()),
            ("status", list.status.to_owned()),
            ("orderby", if by_change { "modified" } else { "date" }.to_owned()),
            ("order", "asc".to_owned()),
            ("per_page", slice.size.to_string()),
            ("page", slice.page.to_string()),
        ];
        let (raw, headers) = self.api.get::<Vec<Box<RawValue>>>(LIST, "orders", query).await?;
        let has_more = has_more(LIST, &headers, slice.page, (raw.len(), slice.size))?;
        let last = raw.last().filter(|_| by_change).and_then(|raw| changed_at(raw));
        let next = has_more.then(|| slice.after(from, last).cursor());
        if next.is_none() {
            // What was too large may be gone from the next list.
            self.orders_per_page[list.index].store(ORDERS_PAGE_MAX, Ordering::Relaxed);
        }
        let rows = raw.iter().map(|raw| raw_order(LIST, raw)).collect::<Result<_, _>>()?;
        Ok(Page { rows, next })
    }
}

/// The slice that a cursor names, no larger than a size.
fn slice(size: usize, after: Option<&Cursor>) -> Result<Slice, ChannelError> {
    let mut slice = match after {
        None => Slice { from: None, page: 1, size },
        Some(Cursor(text)) => Slice::parse(text).ok_or_else(|| {
            let why = "where the list goes on is not a page".to_owned();
            ChannelError::new(LIST, ErrorKind::Unreadable(why))
        })?,
    };
    while slice.size > size {
        let Some(smaller) = slice.smaller() else { break };
        slice = smaller;
    }
    Ok(slice)
}

/// A page of a list whose pages may become smaller while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slice {
    /// After which change the list begins; where the window does when left out.
    from: Option<Timestamp>,
    page: usize,
    size: usize,
}

impl Slice {
    /// The page after this one. It begins with the last change seen and not at the next
    /// number: an order that changes while the list is read moves to its end, and every
    /// later one moves up, over the edge of a page that is counted. Only within one second
    /// pages are counted on.
    fn after(self, from: Timestamp, last: Option<Timestamp>) -> Self {
        let before = last.and_then(|last| last.plus_millis(-1000).ok());
        match before.filter(|before| *before > from) {
            Some(before) => Self { from: Some(before), page: 1, ..self },
            None => Self { page: self.page + 1, ..self },
        }
    }

    /// The first of the smaller pages that this one is made of.
    fn smaller(self) -> Option<Self> {
        let next = PAGE_SIZES.iter().position(|&size| size == self.size)? + 1;
        let size = *PAGE_SIZES.get(next)?;
        Some(Self { page: (self.page - 1) * (self.size / size) + 1, size, ..self })
    }

    fn cursor(self) -> Cursor {
        let from = self.from.map(|from| from.as_millis().to_string()).unwrap_or_default();
        Cursor(format!("{from}/{}/{}", self.page, self.size))
    }

    fn parse(text: &str) -> Option<Self> {
        let [from, page, size] = text.split('/').collect::<Vec<_>>().try_into().ok()?;
        let from = match from {
            "" => None,
            millis => Some(Timestamp::from_millis(millis.parse().ok()?).ok()?),
        };
        let slice = Self { from, page: page.parse().ok()?, size: size.parse().ok()? };
        (slice.page > 0 && PAGE_SIZES.contains(&slice.size)).then_some(slice)
    }
}

/// When an order last changed, where it says so.
fn changed_at(raw: &RawValue) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Changed {
        date_modified_gmt: Option<String>,
    }
    let changed: Changed = serde_json::from_str(raw.get()).ok()?;
    Timestamp::parse(&format!("{}Z", changed.date_modified_gmt?)).ok()
}

/// Whether fewer orders may be answered where so many were not.
const fn is_about_size(error: &ChannelError) -> bool {
    matches!(error.kind, ErrorKind::TooLarge { .. } | ErrorKind::Timeout)
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
    /// What the line comes to, as a text; `price` is a float, with as many digits as that
    /// makes of it.
    total: Option<String>,
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
        lines.push(line(item, (state, is_refunded), currency).map_err(|(field, why)| {
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
    currency: Option<Currency>,
) -> Result<RemoteLine, Wrong> {
    let ordered = units("quantity", &item.quantity.to_string())?;
    let meta = |key| match item.meta(key) {
        Some(text) => units("meta_data", &text).map(Some),
        None => Ok(None),
    };
    let restocked = meta(RESTOCKED)?.unwrap_or(Quantity::ZERO).min(ordered);
    let reduced = meta(REDUCED)?.unwrap_or(Quantity::ZERO).min(ordered);
    let rest = ordered.get() - reduced.get() - restocked.get();
    let rest = Quantity::new(rest).unwrap_or(Quantity::ZERO);
    let left = Quantity::new(ordered.get() - rest.get()).unwrap_or(Quantity::ZERO);
    let (cancelled, shipped) = match state {
        // Money went back for all of it, and stock only for what says so: the rest is not
        // on the shelf as far as anybody knows, but for what was never taken off it.
        _ if is_refunded => (rest, left),
        RemoteState::Shipped => (Quantity::ZERO, ordered),
        RemoteState::Cancelled | RemoteState::Deleted => (ordered, Quantity::ZERO),
        RemoteState::Pending | RemoteState::Open => (Quantity::ZERO, Quantity::ZERO),
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
        restocked,
        kept_back: None,
        deducted: Deducted::Units(meta(REDUCED)?.unwrap_or(Quantity::ZERO)),
        holder: None,
        unit_price: item
            .total
            .as_deref()
            .zip(currency)
            .and_then(|(total, currency)| unit_price(total, ordered, currency)),
    })
}

/// What one of some units costs that come to `total`, to the nearest minor unit, half of
/// one upward: shops keep more decimals than a currency has.
fn unit_price(total: &str, units: Quantity, currency: Currency) -> Option<Money> {
    let (whole, fraction) = total.split_once('.').unwrap_or((total, ""));
    let digits = format!("{whole}{fraction}");
    let is_decimal = !whole.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let scaled: i128 = digits.parse().ok().filter(|_| is_decimal)?;
    let ten = |power: usize| 10_i128.checked_pow(u32::try_from(power).ok()?);
    let minor = scaled.checked_mul(ten(usize::from(currency.exponent()))?)?;
    let divisor = ten(fraction.len())?.checked_mul(i128::from(units.get()))?;
    if divisor == 0 {
        return None;
    }
    let rounded = minor.checked_mul(2)?.checked_add(divisor)? / divisor.checked_mul(2)?;
    Money::new(i64::try_from(rounded).ok()?, currency).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_price_is_exact_to_the_minor_unit() {
        let of = |total: &str, units: i64, code: &str| {
            let price = unit_price(total, Quantity::new(units).ok()?, Currency::parse(code).ok()?);
            price.map(Money::amount)
        };
        assert_eq!(of("25.00", 2, "EUR"), Some(1250));
        // A float of it has sixteen digits more than the currency.
        assert_eq!(of("10.00", 3, "EUR"), Some(333));
        assert_eq!(of("20", 3, "EUR"), Some(667));
        assert_eq!(of("0.29", 1, "EUR"), Some(29));
        assert_eq!(of("1.005", 1, "EUR"), Some(101));
        assert_eq!((of("3000", 2, "JPY"), of("1.5", 1, "KWD")), (Some(1500), Some(1500)));
        for (total, units) in [("", 1), ("1.00", 0), ("-1.00", 1), ("1,00", 1), (".5", 1)] {
            assert_eq!(of(total, units, "EUR"), None, "{total} of {units}");
        }
        assert_eq!(of(&"9".repeat(60), 1, "EUR"), None);
    }

    #[test]
    fn a_smaller_page_begins_where_the_larger_one_does() {
        let mut slice = Slice { from: None, page: 3, size: 20 };
        let mut seen = vec![(slice.page, slice.size)];
        while let Some(smaller) = slice.smaller() {
            slice = smaller;
            seen.push((slice.page, slice.size));
        }
        assert_eq!(seen, [(3, 20), (5, 10), (9, 5), (41, 1)]);
        assert!(seen.iter().all(|(page, size)| (page - 1) * size == 40));
        for text in ["/0/20", "/1/7", "2", "1/20", "x/1/20"] {
            assert_eq!(Slice::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_goes_on_from_the_last_change_and_counts_within_a_second() {
        let at = |millis| Timestamp::from_millis(millis).unwrap();
        let first = Slice { from: None, page: 1, size: 100 };
        let next = first.after(at(10_000), Some(at(90_000)));
        assert_eq!(next, Slice { from: Some(at(89_000)), page: 1, size: 100 });
        assert_eq!(Slice::parse(&next.cursor().0), Some(next));
        // All of the page changed in the second the list began with.
        let same = next.after(at(89_000), Some(at(90_000)));
        assert_eq!(same, Slice { page: 2, ..next });
        assert_eq!(Slice::parse(&same.cursor().0), Some(same));
        assert_eq!(first.after(at(10_000), None), Slice { page: 2, ..first });
    }
}
