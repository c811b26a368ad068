//! Orders as they are shown, and how their names are read.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::view::{AmountView, Page, bad, limit_of, probe, time};
use super::{ReportError, ResolveError};
use crate::clock::Timestamp;
use crate::domain::{
    Allocation, Decision, ExternalId, ItemId, Line, LocationId, Order, OrderId, OrderRef,
    OrderStatus, Part, Refusal, UserId,
};
use crate::orders::Personal;
use crate::secret::InstanceKey;
use crate::store::order_reads::{self, OrderPage, OrderRecord};
use crate::store::{self, Conn, Db, StoreError};
use crate::writer::LeftOrder;

/// The most orders an ambiguous id names.
const AMBIGUOUS_MAX: i64 = 10;

/// Who looks at an order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Viewer<'k> {
    /// The source of the viewer's own orders. Their ids are shown as they were
    /// given; those of others are shown in full, so that each id shown leads
    /// back to its order.
    pub own_source: Option<&'k str>,
    /// The key that opens personal data; without it none is shown.
    pub key: Option<&'k InstanceKey>,
}

/// Where units of a line stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AllocationView {
    /// The location's code.
    pub location: String,
    /// Units held there.
    pub held: i64,
    /// Units that left from there.
    pub shipped: i64,
    /// Units owed there.
    pub shortfall: i64,
}

/// A component of a bundle's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartView {
    /// Its number within the line.
    pub part: i64,
    /// Its current SKU.
    pub sku: String,
    /// Units of it in one unit of the line.
    pub per_unit: i64,
    /// Units of it ordered.
    pub quantity: i64,
    /// Units set aside.
    pub held: i64,
    /// Units that left.
    pub shipped: i64,
    /// Units owed.
    pub shortfall: i64,
    /// Units given up.
    pub cancelled: i64,
    /// Units that came back.
    pub returned: i64,
    /// Units that wait for the order's decision, where it is not decided yet.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting: i64,
    /// Where they stand.
    pub allocations: Vec<AllocationView>,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineView {
    /// Its number, from 1.
    pub line: i64,
    /// The SKU as it was ordered.
    pub sku: String,
    /// Units ordered.
    pub quantity: i64,
    /// Units set aside.
    pub held: i64,
    /// Units that left.
    pub shipped: i64,
    /// Units owed.
    pub shortfall: i64,
    /// Units given up.
    pub cancelled: i64,
    /// Units that came back.
    pub returned: i64,
    /// Units that wait for the order's decision, where it is not decided yet.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting: i64,
    /// Where they stand; of a bundle its parts say so.
    pub allocations: Vec<AllocationView>,
    /// Price of one unit; `null` where it is unknown.
    #[schema(required)]
    pub unit_price: Option<AmountView>,
    /// Whether an item is known by the SKU; a line without one waits to be mapped.
    pub mapped: bool,
    /// The item's SKU of today, where the one ordered was renamed or mapped;
    /// `null` while no item is known.
    #[schema(required)]
    pub item: Option<String>,
    /// `ledger` or `channel`: who ships it.
    #[schema(pattern = "^(ledger|channel)$")]
    pub fulfilled_by: String,
    /// The components of a bundle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartView>,
}

/// An order as `GET /v1/orders/{order_id}` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OrderView {
    /// Its id as the key holder may name it: of its own orders the one it gave, of others in full.
    pub order_id: String,
    /// Its source: a channel, a key holder's account, or `cli`.
    pub channel: String,
    /// The id the source gave it.
    pub external_id: String,
    /// Derived from its counts.
    #[schema(value_type = OrderStatus)]
    pub status: String,
    /// Grows by one with each change.
    pub version: i64,
    /// Its lines by number.
    pub lines: Vec<LineView>,
    /// Price of all that was not cancelled; `null` where a price is unknown.
    #[schema(required)]
    pub total: Option<AmountView>,
    /// `none`, `required` or `paid`.
    #[schema(pattern = "^(none|required|paid)$")]
    pub payment: String,
    /// Whether fulfilment was accepted.
    pub accepted: bool,
    /// The one location it may use, where it names one.
    #[schema(required)]
    pub location: Option<String>,
    /// When its holds run out.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
    /// Why it was cancelled.
    #[schema(required)]
    pub cancel_reason: Option<String>,
    /// Why it was refused after it was taken: the `code`, the `detail` and what else a
    /// refusal at once would have said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub refusal: Option<Value>,
    /// Whose it is, of those who were registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = UserId)]
    pub user_id: Option<String>,
    /// Whoever ordered: personal data, shown only to a viewer with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub customer: Option<Value>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Which orders are wanted. What is left out does not filter.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// Only of this status.
    pub status: Option<OrderStatus>,
    /// Only of this source.
    pub channel: Option<String>,
    /// Only placed at or after this time.
    pub placed_since: Option<Timestamp>,
    /// Only changed at or after this time.
    pub updated_since: Option<Timestamp>,
    /// Only of this user.
    pub user: Option<UserId>,
}

/// What a command's request had, beside the order it left.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Its sealed personal data.
    pub sealed: Option<Vec<u8>>,
    /// Whose it is.
    pub user: Option<UserId>,
}

/// One order.
pub async fn order(
    db: &Db,
    reference: &OrderRef,
    viewer: Viewer<'_>,
) -> Result<Option<OrderView>, ReportError> {
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let found = store::orders::find(&mut conn, std::iter::once(reference)).await?;
    let ids: Vec<OrderId> = found.into_iter().map(|(_, id)| id).collect();
    Ok(views(&mut conn, &ids, viewer).await?.pop())
}

/// The order that a command left, without reading it again.
pub fn left_order(
    left: LeftOrder,
    given: Given,
    viewer: Viewer<'_>,
) -> Result<OrderView, ReportError> {
    let LeftOrder { order, updated_at, locations, skus } = left;
    let record = OrderRecord {
        id: order.id,
        status: order.status(),
        total: order.total(),
        updated_at,
        sealed: given.sealed,
        refusal: None,
        user: given.user,
    };
    let names = Names {
        locations: locations.into_iter().map(|(id, code)| (id, code.to_string())).collect(),
        skus: skus.into_iter().map(|(id, sku)| (id, sku.to_string())).collect(),
    };
    Ok(names.order(&order, &record, viewer)?)
}

/// The orders that a filter lets through, the last recorded first. `cursor` is
/// what the page before named.
pub async fn orders(
    db: &Db,
    filter: &OrderFilter,
    viewer: Viewer<'_>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<OrderView>, ReportError> {
    let limit = limit_of(limit);
    let before = cursor.map(number).transpose()?;
    let page = OrderPage {
        before,
        status: filter.status,
        source: filter.channel.clone(),
        placed_since: filter.placed_since.map(Timestamp::as_millis),
        updated_since: filter.updated_since.map(Timestamp::as_millis),
        user: filter.user,
    };
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let ids = order_reads::page(&mut conn, &page, probe(limit)).await?;
    let ids = Page::cut(ids, limit, ToString::to_string);
    let data = views(&mut conn, &ids.data, viewer).await?;
    Ok(Page { data, next_cursor: ids.next_cursor })
}

/// A cursor that is a number.
pub(super) fn number(cursor: &str) -> Result<i64, Refusal> {
    cursor.parse().map_err(|_| Refusal::invalid("cursor", "it is not one this list gave"))
}

/// Who names an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'s> {
    /// Somebody of the shop: may mean anybody's order.
    Staff {
        /// The source of the caller's own orders: `cli`, or the account's name.
        own_source: &'s str,
    },
    /// A storefront: others' orders are unknown to it.
    Storefront {
        /// Its account's name.
        own_source: &'s str,
    },
}

impl<'s> Caller<'s> {
    const fn own_source(self) -> &'s str {
        let (Self::Staff { own_source } | Self::Storefront { own_source }) = self;
        own_source
    }

    fn may_see(self, source: &str) -> bool {
        matches!(self, Self::Staff { .. }) || self.own_source() == source
    }
}

/// The order a text names: `source:id` in full, or a bare id. A bare id is one
/// of the caller's own source; where that has none, staff may mean any other
/// source's as long as only one has it.
pub async fn resolve_order(
    db: &Db,
    text: &str,
    caller: Caller<'_>,
) -> Result<OrderRef, ResolveError> {
    let unknown = || ResolveError::Unknown { text: text.to_owned() };
    let mut named = Vec::new();
    if let Some((source, id)) = text.split_once(':').filter(|(source, _)| caller.may_see(source))
        && let Ok(external_id) = ExternalId::new(id)
    {
        named.push(OrderRef { source: source.to_owned(), external_id });
    }
    let external_id = ExternalId::new(text).map_err(|_| unknown())?;
    named.push(OrderRef { source: caller.own_source().to_owned(), external_id });
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let found = store::orders::find(&mut conn, named.iter()).await?;
    if let Some(first) = named.into_iter().find(|one| found.iter().any(|(known, _)| known == one)) {
        return Ok(first);
    }
    if matches!(caller, Caller::Storefront { .. }) {
        return Err(unknown());
    }
    let mut orders = order_reads::by_external_id(&mut conn, text, AMBIGUOUS_MAX).await?;
    match orders.len() {
        0 => Err(unknown()),
        1 => orders.pop().ok_or_else(unknown),
        _ => Err(ResolveError::Ambiguous { text: text.to_owned(), orders }),
    }
}

/// How an order is named to a viewer. A bare id that holds a `:` would read as
/// a full one.
pub(super) fn shown_id(source: &str, external_id: &str, own_source: Option<&str>) -> String {
    if own_source == Some(source) && !external_id.contains(':') {
        external_id.to_owned()
    } else {
        format!("{source}:{external_id}")
    }
}

/// Orders as they are shown, in the order of the ids.
async fn views(
    conn: &mut Conn<'_>,
    ids: &[OrderId],
    viewer: Viewer<'_>,
) -> Result<Vec<OrderView>, StoreError> {
    let raw: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let orders = store::orders::load(conn, ids).await?;
    let records = order_reads::records(conn, raw).await?;
    let names = Names::load(conn, &orders).await?;
    let mut records: HashMap<OrderId, OrderRecord> =
        records.into_iter().map(|record| (record.id, record)).collect();
    let mut orders: HashMap<OrderId, Order> =
        orders.into_iter().map(|order| (order.id, order)).collect();
    let mut views = Vec::with_capacity(ids.len());
    for id in ids {
        if let (Some(order), Some(record)) = (orders.remove(id), records.remove(id)) {
            views.push(names.order(&order, &record, viewer)?);
        }
    }
    Ok(views)
}

/// Codes and SKUs that orders are shown with.
struct Names {
    locations: HashMap<LocationId, String>,
    skus: HashMap<ItemId, String>,
}

impl Names {
    async fn load(conn: &mut Conn<'_>, orders: &[Order]) -> Result<Self, StoreError> {
        let locations = store::locations::all(conn).await?;
        let lines = || orders.iter().flat_map(|order| &order.lines);
        let parts = lines().flat_map(|line| &line.parts).filter_map(|part| part.item);
        let items = lines().filter_map(|line| line.item).chain(parts);
        let mut ids: Vec<i64> = items.map(ItemId::get).collect();
        ids.sort_unstable();
        ids.dedup();
        let items =
            if ids.is_empty() { Vec::new() } else { store::catalogue::items(conn, ids).await? };
        Ok(Self {
            locations: locations.into_iter().map(|one| (one.id, one.code.to_string())).collect(),
            skus: items.into_iter().map(|item| (item.id, item.sku.to_string())).collect(),
        })
    }

    fn order(
        &self,
        order: &Order,
        record: &OrderRecord,
        viewer: Viewer<'_>,
    ) -> Result<OrderView, StoreError> {
        let (source, external_id) = (&order.reference.source, order.reference.external_id.as_str());
        let currency = order.currency.as_deref();
        let customer = match (viewer.key, &record.sealed) {
            (Some(key), Some(sealed)) => Some(customer(key, &order.reference, sealed)?),
            _ => None,
        };
        Ok(OrderView {
            order_id: shown_id(source, external_id, viewer.own_source),
            channel: source.clone(),
            external_id: external_id.to_owned(),
            status: record.status.to_string(),
            version: order.version,
            lines: order.lines.iter().map(|line| self.line(order, line)).collect(),
            total: AmountView::of(record.total, currency),
            payment: order.payment.to_string(),
            accepted: order.accepted,
            location: order.location.map(|id| self.location(id)),
            expires_at: order.expires_at.map(time).transpose()?,
            cancel_reason: order.cancel_reason.clone(),
            refusal: record.refusal.as_deref().map(refusal).transpose()?,
            user_id: record.user.map(|user| user.to_string()),
            customer,
            placed_at: time(order.placed_at)?,
            updated_at: time(record.updated_at)?,
        })
    }

    fn location(&self, id: LocationId) -> String {
        self.locations.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    fn sku(&self, id: ItemId) -> String {
        self.skus.get(&id).cloned().unwrap_or_default()
    }

    fn line(&self, order: &Order, line: &Line) -> LineView {
        let (counts, waiting) = (line.counts(), order.waiting(line));
        let undecided = order.decision == Decision::Undecided;
        let own = line.parts.first().filter(|_| !line.bundle);
        let parts = line.parts.iter().filter(|_| line.bundle);
        LineView {
            line: line.number,
            sku: line.sku.to_string(),
            quantity: counts.ordered,
            held: counts.held,
            shipped: counts.shipped,
            shortfall: counts.shortfall,
            cancelled: counts.cancelled - waiting,
            returned: counts.returned,
            waiting,
            allocations: own.map(|part| self.allocations(part)).unwrap_or_default(),
            unit_price: AmountView::of(line.unit_price, order.currency.as_deref()),
            mapped: line.item.is_some(),
            item: line.item.map(|item| self.sku(item)),
            fulfilled_by: line.fulfilled_by.to_string(),
            parts: parts.map(|part| self.part(part, undecided)).collect(),
        }
    }

    fn part(&self, part: &Part, undecided: bool) -> PartView {
        let counts = part.counts();
        let waiting = if undecided { part.expired } else { 0 };
        let sku = part.item.map(|item| self.sku(item));
        PartView {
            part: part.number,
            sku: sku.unwrap_or_default(),
            per_unit: part.per_unit,
            quantity: counts.ordered,
            held: counts.held,
            shipped: counts.shipped,
            shortfall: counts.shortfall,
            cancelled: counts.cancelled - waiting,
            returned: counts.returned,
            waiting,
            allocations: self.allocations(part),
        }
    }

    /// Where units stand now or left from, by the location's code.
    fn allocations(&self, part: &Part) -> Vec<AllocationView> {
        let stands = |one: &&Allocation| one.held + one.shipped + one.shortfall > 0;
        let view = |one: &Allocation| AllocationView {
            location: self.location(one.location),
            held: one.held,
            shipped: one.shipped,
            shortfall: one.shortfall,
        };
        let mut views: Vec<_> = part.allocations.iter().filter(stands).map(view).collect();
        views.sort_unstable_by(|one, other| one.location.cmp(&other.location));
        views
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(units: &i64) -> bool {
    *units == 0
}

fn refusal(text: &str) -> Result<Value, StoreError> {
    serde_json::from_str(text).map_err(|error| bad("a refusal", error))
}

fn customer(key: &InstanceKey, reference: &OrderRef, sealed: &[u8]) -> Result<Value, StoreError> {
    Personal::open(key, reference, sealed).map_err(|error| bad("personal data", error))
}
