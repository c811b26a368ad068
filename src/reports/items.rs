//! Items with their levels and what of them may be promised.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ReportError;
use super::shelf::{Named, Shelf};
use super::states::item_states;
use super::view::{AmountView, Page, TotalsView, json, limit_of, probe, time};
use crate::clock::Timestamp;
use crate::domain::{AllocationPolicy, ItemId, ItemStatus, Location, LocationCode, Refusal, Sku};
use crate::store::item_reads::{self, ItemPage, ItemRecord};
use crate::store::{self, Conn, Db, StoreError};

/// One level of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LevelView {
    /// The location's code.
    pub location: String,
    /// The totals there. Of a bundle they are 0, and its ATP is that of its components.
    #[serde(flatten)]
    pub totals: TotalsView,
    /// Grows by one per movement.
    pub version: i64,
}

/// An item as `GET /v1/inventory/{sku}` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ItemView {
    /// Its current SKU.
    pub sku: String,
    /// What it is called.
    pub title: String,
    /// `active`, `stopped` or `discontinued`.
    #[schema(value_type = ItemStatus)]
    pub status: String,
    /// Grows by one with each change of the catalogue entry.
    pub version: i64,
    /// The totals over all levels. ATP is the sum over the locations that serve
    /// orders, and 0 for an item that is not offered: what a request may have.
    #[serde(flatten)]
    pub totals: TotalsView,
    /// Selling price; `null` where it is unknown.
    #[schema(required)]
    pub price: Option<AmountView>,
    /// Further fields; `null` where there are none.
    #[schema(value_type = Option<Object>, required)]
    pub attributes: Value,
    /// Its levels by the locations' priority.
    pub levels: Vec<LevelView>,
}

/// An item with what only the shop's own people see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemDetail {
    /// What everybody sees.
    #[serde(flatten)]
    pub item: ItemView,
    /// Its barcode.
    pub barcode: Option<String>,
    /// What it costs; `null` where it is unknown.
    pub cost: Option<AmountView>,
    /// At or below this ATP it is low.
    pub reorder_point: Option<i64>,
    /// Whether `stock.low` was raised and not yet re-armed.
    pub low: bool,
    /// The components of a bundle; empty for other items.
    pub components: Vec<Component>,
    /// Its former SKUs, which still resolve.
    pub aliases: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its catalogue entry last changed.
    pub updated_at: Timestamp,
}

/// A component of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Its SKU.
    pub sku: String,
    /// Units of it in one unit of the bundle.
    pub quantity: i64,
}

/// Which items are wanted. What is left out does not filter.
#[derive(Clone, Debug, Default)]
pub struct ItemFilter {
    /// Part of the SKU or the title (ASCII letters in either case), or the whole barcode.
    pub q: Option<String>,
    /// Only of this status.
    pub status: Option<ItemStatus>,
    /// Only items that ever moved at this location.
    pub location: Option<LocationCode>,
    /// Only items whose ATP is at or below their reorder point.
    pub low_stock: bool,
    /// Only items that changed or moved at or after this time.
    pub updated_since: Option<Timestamp>,
}

/// One item by any of its names.
pub async fn item(
    db: &Db,
    sku: &Sku,
    policy: AllocationPolicy,
) -> Result<Option<ItemView>, ReportError> {
    Ok(item_state(db, sku, policy).await?.map(|state| state.item))
}

/// An item, and which of its states this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemState {
    /// The item.
    pub item: ItemView,
    /// The seq of the newest movement of it or of its components; 0 before any.
    pub stock_seq: i64,
    /// The versions of a bundle's components, summed: each only grows. 0 of other items.
    pub parts_version: i64,
}

/// One item by any of its names, with what tells its states apart.
pub async fn item_state(
    db: &Db,
    sku: &Sku,
    policy: AllocationPolicy,
) -> Result<Option<ItemState>, ReportError> {
    let states = item_states(db, std::slice::from_ref(sku), policy).await?;
    Ok(states.into_iter().next().flatten())
}

/// Items by any of their names, in the order asked for, in as many statements as for one.
pub async fn items_by_sku(
    db: &Db,
    skus: &[Sku],
    policy: AllocationPolicy,
) -> Result<Vec<Option<ItemView>>, ReportError> {
    let states = item_states(db, skus, policy).await?;
    Ok(states.into_iter().map(|state| state.map(|state| state.item)).collect())
}

/// One item by any of its names, with what only the shop's own people see.
pub async fn item_detail(
    db: &Db,
    sku: &Sku,
    policy: AllocationPolicy,
) -> Result<Option<ItemDetail>, ReportError> {
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let Some(id) = find(&mut conn, sku).await? else {
        return Ok(None);
    };
    let shown = Shown::load(&mut conn, vec![id]).await?;
    let (Some(record), Some(item)) = (shown.records.get(&id), shown.view(id, policy)?) else {
        return Ok(None);
    };
    let mut aliases = item_reads::names(&mut conn, id).await?;
    aliases.retain(|name| name != record.sku.as_str());
    let components = shown
        .shelf
        .parts(id)
        .iter()
        .map(|part| Component { sku: shown.shelf.sku(part.item), quantity: part.per_unit });
    Ok(Some(ItemDetail {
        barcode: record.barcode.clone(),
        cost: AmountView::of(record.cost, record.currency.as_deref()),
        reorder_point: record.reorder_point,
        low: record.low,
        components: components.collect(),
        aliases,
        created_at: time(record.created_at)?,
        updated_at: time(record.updated_at)?,
        item,
    }))
}

/// The items that a filter lets through, by SKU byte by byte. `cursor` is the
/// last SKU of the page before.
pub async fn items(
    db: &Db,
    filter: &ItemFilter,
    policy: AllocationPolicy,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<ItemView>, ReportError> {
    let limit = limit_of(limit);
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let mut page = item_page(&mut conn, filter).await?;
    page.after = cursor.unwrap_or_default().to_owned();
    let mut found: Vec<ItemView> = Vec::new();
    loop {
        let ids = item_reads::page(&mut conn, &page, probe(limit)).await?;
        let Some((_, last)) = ids.last() else { break };
        last.as_str().clone_into(&mut page.after);
        let complete = ids.len() <= limit;
        let ids: Vec<ItemId> = ids.into_iter().map(|(id, _)| id).collect();
        let shown = Shown::load(&mut conn, ids.clone()).await?;
        for id in ids {
            let low = !filter.low_stock || shown.is_low(id, policy);
            found.extend(shown.view(id, policy)?.filter(|_| low));
        }
        if complete || found.len() > limit {
            break;
        }
    }
    Ok(Page::cut(found, limit, |item| item.sku.clone()))
}

async fn item_page(conn: &mut Conn<'_>, filter: &ItemFilter) -> Result<ItemPage, ReportError> {
    let location = match &filter.location {
        Some(code) => Some(location(conn, code).await?.id),
        None => None,
    };
    let changed = match filter.updated_since {
        Some(since) => {
            let since = since.as_millis();
            let (newest, _) = store::journal::newest(conn).await?;
            let seq = store::journal_reads::seq_at(conn, newest, since - 1).await?;
            Some((since, seq))
        }
        None => None,
    };
    Ok(ItemPage {
        after: String::new(),
        pattern: filter.q.as_deref().map(pattern),
        barcode: filter.q.clone(),
        status: filter.status,
        location,
        watched: filter.low_stock,
        changed,
    })
}

/// A `like` pattern for texts that contain another one.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.to_ascii_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// The item a SKU belongs or belonged to.
pub(super) async fn find(conn: &mut Conn<'_>, sku: &Sku) -> Result<Option<ItemId>, StoreError> {
    let found = store::catalogue::resolve(conn, vec![sku.to_string()]).await?;
    Ok(found.first().map(|(_, item)| item.id))
}

/// A location by its code.
pub(super) async fn location(
    conn: &mut Conn<'_>,
    code: &LocationCode,
) -> Result<Location, ReportError> {
    let all = store::locations::all(conn).await?;
    let found = all.into_iter().find(|location| location.code == *code);
    found.ok_or_else(|| Refusal::UnknownLocation { location: code.to_string() }.into())
}

/// Items with all that is shown of them, read in one moment.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) records: HashMap<ItemId, ItemRecord>,
    pub(super) shelf: Shelf,
}

impl Shown {
    /// Reads items, their components, and the levels of both.
    pub(super) async fn load(conn: &mut Conn<'_>, items: Vec<ItemId>) -> Result<Self, StoreError> {
        let named = Named::load(conn, items).await?;
        let records = item_reads::records(conn, named.ids.clone()).await?;
        let briefs: Vec<_> = records.iter().map(|record| (record.id, record.brief())).collect();
        let shelf = Shelf::of(conn, named, briefs).await?;
        Ok(Self { records: records.into_iter().map(|one| (one.id, one)).collect(), shelf })
    }

    /// Whether an item's ATP is at or below its reorder point.
    pub(super) fn is_low(&self, item: ItemId, policy: AllocationPolicy) -> bool {
        let point = self.records.get(&item).and_then(|record| record.reorder_point);
        self.shelf.is_sold(item)
            && point.is_some_and(|point| self.shelf.available(item, policy) <= point)
    }

    /// The item as it is shown.
    pub(super) fn view(
        &self,
        item: ItemId,
        policy: AllocationPolicy,
    ) -> Result<Option<ItemView>, StoreError> {
        let Some(record) = self.records.get(&item) else {
            return Ok(None);
        };
        let levels: Vec<LevelView> = self
            .shelf
            .locations
            .iter()
            .filter_map(|location| self.level_view(item, location))
            .collect();
        let sum = |of: fn(&TotalsView) -> i64| levels.iter().map(|level| of(&level.totals)).sum();
        let totals = TotalsView {
            on_hand: sum(|totals| totals.on_hand),
            reserved: sum(|totals| totals.reserved),
            shortfall: sum(|totals| totals.shortfall),
            safety: sum(|totals| totals.safety),
            available_to_promise: self.shelf.available(item, policy),
        };
        Ok(Some(ItemView {
            sku: record.sku.to_string(),
            title: record.title.clone(),
            status: record.status.to_string(),
            version: record.version,
            totals,
            price: AmountView::of(record.price, record.currency.as_deref()),
            attributes: json(record.attributes.as_deref())?,
            levels,
        }))
    }

    /// A level with a row; of a bundle what its components make up where orders are served.
    fn level_view(&self, item: ItemId, location: &Location) -> Option<LevelView> {
        let code = location.code.to_string();
        if !self.shelf.parts(item).is_empty() {
            let totals = TotalsView {
                available_to_promise: self.shelf.available_at(item, location),
                ..TotalsView::default()
            };
            let level = LevelView { location: code, totals, version: 0 };
            return location.serves_orders().then_some(level);
        }
        let level = self.shelf.level(item, location).filter(|level| level.version > 0)?;
        Some(LevelView { location: code, totals: level.totals.into(), version: level.version })
    }
}
