//! What happened to an item or an order, and what was true at a moment.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ReportError;
use super::items::{LevelView, find, location};
use super::orders::{number, shown_id};
use super::view::{Page, TotalsView, bad, json, limit_of, probe, time};
use crate::clock::Timestamp;
use crate::domain::{Deltas, ItemId, LevelKey, LocationCode, LocationId, OrderRef, Refusal, Sku};
use crate::store::journal_reads::{self, EntryRecord};
use crate::store::{self, Conn, Db, StoreError, item_reads};

/// What a movement changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Change {
    /// Change of `on_hand`.
    pub on_hand: i64,
    /// Change of `reserved`.
    pub reserved: i64,
    /// Change of `shortfall`.
    pub shortfall: i64,
    /// Change of `safety`.
    pub safety: i64,
}

impl From<Deltas> for Change {
    fn from(deltas: Deltas) -> Self {
        let Deltas { on_hand, reserved, shortfall, safety } = deltas;
        Self { on_hand, reserved, shortfall, safety }
    }
}

/// One entry of the journal as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EntryView {
    /// Its place in the journal.
    pub seq: i64,
    /// What it says: `receipt`, `order.placed`, ….
    pub kind: String,
    /// The event type consumers of the journal see.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// When it took effect.
    pub effective_at: Timestamp,
    /// The item's current SKU.
    #[schema(required)]
    pub sku: Option<String>,
    /// The location's code.
    #[schema(required)]
    pub location: Option<String>,
    /// Units the fact spoke of, where the change may say less.
    #[schema(required)]
    pub quantity: Option<i64>,
    /// What a movement changed.
    #[schema(required)]
    pub change: Option<Change>,
    /// The level's totals after a movement.
    #[serde(flatten)]
    #[schema(value_type = TotalsView)]
    pub totals: Option<TotalsView>,
    /// The level's version after a movement.
    #[schema(required)]
    pub version: Option<i64>,
    /// The order's full id.
    #[schema(required)]
    pub order_id: Option<String>,
    /// The order line.
    #[schema(required)]
    pub line: Option<i64>,
    /// The part of a bundle's line.
    #[schema(required)]
    pub part: Option<i64>,
    /// The import it is part of.
    #[schema(required)]
    pub batch: Option<i64>,
    /// The key holder it was done for; `null` for what the ledger does by itself.
    #[schema(required)]
    pub account: Option<String>,
    /// The entry it takes back.
    #[schema(required)]
    pub reverses: Option<i64>,
    /// Why, in somebody's words.
    #[schema(required)]
    pub reason: Option<String>,
    /// Further fields.
    #[schema(value_type = Option<Object>, required)]
    pub data: Value,
}

/// In which order entries come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Which movements of an item are wanted.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// Only at this location.
    pub location: Option<LocationCode>,
    /// In which order.
    pub order: Order,
}

/// The movements of an item. `cursor` is what the page before named.
pub async fn history(
    db: &Db,
    sku: &Sku,
    filter: &HistoryFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<EntryView>, ReportError> {
    let limit = limit_of(limit);
    let cursor = cursor.map(number).transpose()?;
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let item = known(&mut conn, sku).await?;
    let locations = match &filter.location {
        Some(code) => vec![location(&mut conn, code).await?.id],
        None => locations_of(&mut conn, item).await?,
    };
    let mut entries = Vec::new();
    for location in locations {
        let key = LevelKey { item, location };
        entries.extend(match filter.order {
            Order::NewestFirst => {
                let before = cursor.unwrap_or(i64::MAX);
                journal_reads::before(&mut conn, key, before, probe(limit)).await?
            }
            Order::OldestFirst => {
                journal_reads::after(&mut conn, key, cursor.unwrap_or(0), probe(limit)).await?
            }
        });
    }
    entries.sort_unstable_by_key(|entry| match filter.order {
        Order::NewestFirst => -entry.seq,
        Order::OldestFirst => entry.seq,
    });
    page(entries, limit)
}

/// All entries of an order, the oldest first.
pub async fn order_history(
    db: &Db,
    reference: &OrderRef,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<EntryView>, ReportError> {
    let limit = limit_of(limit);
    let after = cursor.map(number).transpose()?.unwrap_or(0);
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let found = store::orders::find(&mut conn, std::iter::once(reference)).await?;
    let Some((_, id)) = found.first() else {
        return Err(Refusal::UnknownOrder { order: reference.to_string() }.into());
    };
    page(journal_reads::of_order(&mut conn, *id, after, probe(limit)).await?, limit)
}

fn page(entries: Vec<EntryRecord>, limit: usize) -> Result<Page<EntryView>, ReportError> {
    let entries = Page::cut(entries, limit, |entry| entry.seq.to_string());
    let data = entries.data.into_iter().map(view).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Page { data, next_cursor: entries.next_cursor })
}

fn view(entry: EntryRecord) -> Result<EntryView, StoreError> {
    let data = json(entry.data.as_deref())?;
    let reason = data.get("reason").and_then(Value::as_str).map(str::to_owned);
    Ok(EntryView {
        seq: entry.seq,
        kind: entry.kind.as_str().to_owned(),
        event_type: entry.kind.event_type().to_owned(),
        at: time(entry.at)?,
        effective_at: time(entry.effective_at)?,
        sku: entry.sku,
        location: entry.location,
        quantity: entry.quantity,
        change: entry.level.map(|(_, deltas, _)| deltas.into()),
        totals: entry.level.map(|(_, _, totals)| totals.into()),
        version: entry.level.map(|(version, _, _)| version),
        order_id: entry.order.map(|(source, id)| shown_id(&source, &id, None)),
        line: entry.line,
        part: entry.part,
        batch: entry.batch,
        account: entry.account,
        reverses: entry.reverses,
        reason,
        data,
    })
}

async fn known(conn: &mut Conn<'_>, sku: &Sku) -> Result<ItemId, ReportError> {
    let found = find(conn, sku).await?;
    found.ok_or_else(|| Refusal::UnknownSku { sku: sku.clone() }.into())
}

async fn locations_of(conn: &mut Conn<'_>, item: ItemId) -> Result<Vec<LocationId>, StoreError> {
    let levels = item_reads::levels(conn, vec![item.get()]).await?;
    Ok(levels.into_iter().map(|level| level.key.location).collect())
}

/// What was true of an item at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AsOf {
    /// The item's current SKU.
    pub sku: String,
    /// The moment.
    pub at: Timestamp,
    /// Whether the answer can never change: something later is recorded.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// The last entry of the journal at or before the moment; 0 when there was none.
    pub seq: i64,
    /// The totals over all levels; ATP is the sum over the locations that serve orders.
    #[serde(flatten)]
    pub totals: TotalsView,
    /// The levels that had moved by then, by the locations' priority.
    pub levels: Vec<LevelView>,
}

/// What was true of an item at a moment: the totals at the greatest seq recorded
/// at or before it. A moment after `now` is refused.
pub async fn as_of(db: &Db, sku: &Sku, at: Timestamp, now: Timestamp) -> Result<AsOf, ReportError> {
    if at > now {
        let message = format!("{at} is in the future; it is {now} now");
        return Err(Refusal::invalid("at", message).into());
    }
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let item = known(&mut conn, sku).await?;
    let (newest, newest_at) = store::journal::newest(&mut conn).await?;
    let seq = journal_reads::seq_at(&mut conn, newest, at.as_millis()).await?;
    let mut totals = TotalsView::default();
    let mut levels = Vec::new();
    for location in store::locations::all(&mut conn).await? {
        let key = LevelKey { item, location: location.id };
        let Some((then, version)) = journal_reads::level_at(&mut conn, key, seq).await? else {
            continue;
        };
        let then = TotalsView::from(then);
        totals.on_hand += then.on_hand;
        totals.reserved += then.reserved;
        totals.shortfall += then.shortfall;
        totals.safety += then.safety;
        if location.serves_orders() {
            totals.available_to_promise += then.available_to_promise;
        }
        levels.push(LevelView { location: location.code.to_string(), totals: then, version });
    }
    let record = item_reads::records(&mut conn, vec![item.get()]).await?.pop();
    let record = record.ok_or_else(|| bad("an item", "its row is missing"))?;
    let is_final = newest_at > at.as_millis();
    Ok(AsOf { sku: record.sku.to_string(), at, is_final, seq, totals, levels })
}
