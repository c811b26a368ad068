//! Variants and their numbers, one for each location.
//!
//! A holder is an inventory item at a location; its number is `available`, without what is
//! committed to open orders. Every write names the number that it expects, which the shop
//! compares: nothing is ever written whatever is there.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::slice;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::api::Document;
use super::ids::{gid, number, numbered};
use super::pages::{PAGE_COST, Rows, Wide};
use super::slices::Slice;
use super::{Listed, Shopify, TARGETS_MAX, endless};
use crate::connectors::{
    Answer, Catalog, ChannelError, Cursor, ErrorKind, Group, Holder, Page, RemoteLevel,
    RemoteListing, StockOutcome, StockRead, StockTarget, StockWrite, Ticket, TicketState, Urgency,
};
use crate::domain::{RemoteId, RemoteQuantity};
use crate::secret::{Random as _, SystemRandom};

/// Pages of the levels of one item at most: a shop has fewer locations.
const LEVELS_PAGES_MAX: usize = 100;
/// Names that are remembered of writes whose end is not known.
const NAMES_MAX: usize = 1_000;
/// Changes in which targets are written at most: each leaves out what the one before was
/// refused for.
const CHANGES_MAX: usize = 3;
/// Codes of errors about the name of a write (`InventorySetQuantitiesUserErrorCode`).
const UNDER_WAY: &str = "IDEMPOTENCY_CONCURRENT_REQUEST";
const FAILED_BEFORE: &str = "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED";

const LISTINGS: Document =
    Document::reading("read the variants", include_str!("graphql/listings.graphql"), PAGE_COST);
const LEVELS: Document =
    Document::reading("read stock", include_str!("graphql/levels.graphql"), PAGE_COST);
const LEVELS_OF: Document =
    Document::reading("read stock", include_str!("graphql/levels_of.graphql"), 320);
const LEVELS_AT: Document =
    Document::reading("read stock", include_str!("graphql/levels_at.graphql"), 760);
const SET: Document = Document::writing("write stock", include_str!("graphql/set.graphql"), 15);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variant {
    id: String,
    display_name: String,
    sku: Option<String>,
    product: Product,
    inventory_item: Item,
}

#[derive(Deserialize)]
struct Product {
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    tracked: bool,
    inventory_levels: Listed<Level>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Level {
    is_active: bool,
    location: Named,
    #[serde(default)]
    quantities: Vec<Amount>,
}

/// A thing of which only the id was asked for.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
}

#[derive(Deserialize)]
struct Amount {
    name: String,
    quantity: i64,
}

/// The number among amounts.
fn available(amounts: &[Amount]) -> RemoteQuantity {
    let found = amounts.iter().find(|amount| amount.name == "available");
    found.map_or(RemoteQuantity::Unreadable, |amount| RemoteQuantity::Known(amount.quantity))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variants {
    product_variants: Listed<Variant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Items {
    inventory_items: Listed<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneItem {
    inventory_item: Option<Item>,
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Option<At>>,
}

/// An item at one location.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct At {
    id: Option<String>,
    #[serde(default)]
    tracked: bool,
    inventory_level: Option<LevelAt>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LevelAt {
    is_active: bool,
    quantities: Vec<Amount>,
}

impl Wide for Variants {
    fn cut_short(&self) -> usize {
        let mut items = self.product_variants.nodes.iter().map(|one| &one.inventory_item);
        items.by_ref().filter(|item| item.inventory_levels.page_info.has_next_page).count()
    }
}

impl Wide for Items {
    fn cut_short(&self) -> usize {
        let items = self.inventory_items.nodes.iter();
        items.filter(|item| item.inventory_levels.page_info.has_next_page).count()
    }
}

/// A variant with its product, its item and the list of its levels, each with its location.
const LISTING: Rows = Rows { document: LISTINGS, each: 5, each_level: 2 };
/// An item with the list of its levels, each with its location and its number.
const ITEM: Rows = Rows { document: LEVELS, each: 3, each_level: 3 };

impl Shopify {
    /// The levels of an item, read on where a page of items had not all of them.
    async fn levels_of(&self, item: Item) -> Result<(RemoteId, Vec<Level>), ChannelError> {
        let id = numbered(LEVELS.what, &item.id)?;
        let Listed { nodes: mut levels, page_info } = item.inventory_levels;
        if !page_info.has_next_page {
            return Ok((id, levels));
        }
        levels.clear();
        let (item, mut after) = (gid("InventoryItem", &id), None::<String>);
        for _ in 0..LEVELS_PAGES_MAX {
            let variables = json!({ "item": item, "after": after });
            let one: OneItem = self.api.run(&LEVELS_OF, &variables, Urgency::Ordinary).await?;
            let Some(Item { inventory_levels: page, .. }) = one.inventory_item else {
                return Ok((id, Vec::new()));
            };
            after = page.next();
            levels.extend(page.nodes);
            if after.is_none() {
                return Ok((id, levels));
            }
        }
        Err(endless(&LEVELS_OF, "levels", &item))
    }
}

fn holder(item: &RemoteId, location: &str) -> Option<Holder> {
    Some(Holder { id: item.clone(), location: Some(number(location)?) })
}

impl Catalog for Shopify {
    fn listings<'a>(&'a self, after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteListing>> {
        async move {
            let slice = Slice::at(after);
            let all: Variants = self.page(&LISTING, &slice).await?;
            let end = all.product_variants.next();
            let last = all.product_variants.nodes.last().and_then(|one| number(&one.id));
            let mut rows = Vec::new();
            for variant in all.product_variants.nodes {
                let id = numbered(LISTINGS.what, &variant.id)?;
                let tracked = variant.inventory_item.tracked;
                let (item, levels) = self.levels_of(variant.inventory_item).await?;
                let counted = levels.iter().filter(|level| level.is_active && tracked);
                rows.push(RemoteListing {
                    id,
                    holders: counted.filter_map(|one| holder(&item, &one.location.id)).collect(),
                    order_keys: vec![item],
                    sku_text: variant.sku.unwrap_or_default(),
                    title: variant.display_name,
                    is_active: variant.product.status == "ACTIVE",
                    quantity: None,
                });
            }
            let last = last.map(|id| id.to_string());
            let next = slice.next(LISTINGS.what, (rows.len(), end, last))?;
            Ok(Page { rows, next })
        }
        .boxed()
    }
}

impl StockRead for Shopify {
    fn read<'a>(&'a self, holders: &'a [Holder], urgency: Urgency) -> Answer<'a, Vec<RemoteLevel>> {
        async move {
            let mut by_location: BTreeMap<&RemoteId, Vec<&RemoteId>> = BTreeMap::new();
            for holder in holders {
                if let Some(location) = &holder.location {
                    by_location.entry(location).or_default().push(&holder.id);
                }
            }
            let mut found: HashMap<Holder, RemoteQuantity> = HashMap::new();
            for (location, items) in by_location {
                for some in items.chunks(TARGETS_MAX) {
                    let ids: Vec<String> = some.iter().map(|id| gid("InventoryItem", id)).collect();
                    let variables = json!({ "items": ids, "location": gid("Location", location) });
                    // Three objects for each.
                    let cost = u32::try_from(3 * some.len()).unwrap_or(LEVELS_AT.cost);
                    let document = LEVELS_AT.costing(cost);
                    let at: Nodes = self.api.run(&document, &variables, urgency).await?;
                    let known =
                        at.nodes.into_iter().flatten().filter_map(|one| one.known(location));
                    found.extend(known);
                }
            }
            let level = |holder: &Holder| RemoteLevel {
                holder: holder.clone(),
                quantity: found.get(holder).copied(),
            };
            Ok(holders.iter().map(level).collect())
        }
        .boxed()
    }

    fn read_all<'a>(&'a self, after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteLevel>> {
        async move {
            let slice = Slice::at(after);
            let all: Items = self.page(&ITEM, &slice).await?;
            let (end, read) = (all.inventory_items.next(), all.inventory_items.nodes.len());
            let last = all.inventory_items.nodes.last().and_then(|one| number(&one.id));
            let mut rows = Vec::new();
            for item in all.inventory_items.nodes {
                let tracked = item.tracked;
                let (id, levels) = self.levels_of(item).await?;
                rows.extend(levels.into_iter().filter(|level| level.is_active).filter_map(|one| {
                    let counted = if tracked {
                        available(&one.quantities)
                    } else {
                        RemoteQuantity::Untracked
                    };
                    let holder = holder(&id, &one.location.id)?;
                    Some(RemoteLevel { holder, quantity: Some(counted) })
                }));
            }
            let last = last.map(|id| id.to_string());
            Ok(Page { rows, next: slice.next(LEVELS.what, (read, end, last))? })
        }
        .boxed()
    }
}

impl At {
    /// Its number at the location; none where it is not kept there.
    fn known(self, location: &RemoteId) -> Option<(Holder, RemoteQuantity)> {
        let holder = Holder { id: number(&self.id?)?, location: Some(location.clone()) };
        let level = self.inventory_level.filter(|level| level.is_active)?;
        let counted =
            if self.tracked { available(&level.quantities) } else { RemoteQuantity::Untracked };
        Some((holder, counted))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    inventory_set_quantities: Option<Payload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    user_errors: Vec<UserError>,
}

/// What a shop says against a change.
#[derive(Deserialize)]
pub(super) struct UserError {
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) field: Option<Vec<String>>,
    pub(super) message: String,
}

impl UserError {
    /// Which of the quantities it is about: `["input", "quantities", "3", …]`.
    fn index(&self) -> Option<usize> {
        let field = self.field.as_ref()?;
        let at = field.iter().position(|part| part == "quantities")?;
        field.get(at + 1)?.parse().ok()
    }

    /// As a refusal.
    pub(super) fn refusal(self) -> (String, String) {
        (self.code.unwrap_or_else(|| "refused".to_owned()), self.message)
    }

    fn outcome(self) -> StockOutcome {
        if self.code.as_deref() == Some("CHANGE_FROM_QUANTITY_STALE") {
            return StockOutcome::Stale { current: None };
        }
        let (code, detail) = self.refusal();
        StockOutcome::Refused { code, detail }
    }
}

/// Names of writes whose end is not known. A shop remembers a name and what came of it: who
/// asks again after a lost answer keeps it, and whatever was answered uses it up, because the
/// same number may be right again later.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<[u8; 32], String>>);

impl Names {
    /// The write of targets, told from others by what it writes over what.
    fn write_of(targets: &[&StockTarget]) -> [u8; 32] {
        let mut digest = Sha256::new();
        for target in targets {
            digest.update(format!("{}={:?}\n", target.key, target.expected).as_bytes());
        }
        digest.finalize().into()
    }

    /// The name of a write: that of the same whose end is not known, else a new one.
    pub(super) fn open(&self, write: [u8; 32]) -> String {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = open.get(&write) {
            return name.clone();
        }
        let mut random = [0_u8; 16];
        SystemRandom.fill(&mut random);
        let name = random.iter().fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        });
        if open.len() >= NAMES_MAX {
            // Under a new name the number that is expected protects what is there.
            open.clear();
        }
        open.insert(write, name.clone());
        name
    }

    /// What came of a write is known.
    pub(super) fn close(&self, write: &[u8; 32]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(write);
    }
}

/// What came of some targets, by their places among those of the whole call.
type Outcomes = Vec<Option<StockOutcome>>;

impl Shopify {
    /// Writes targets in one change: all of them, or none.
    async fn set(
        &self,
        targets: &[&StockTarget],
        urgency: Urgency,
    ) -> Result<Vec<UserError>, ChannelError> {
        let quantity = |target: &&StockTarget| {
            json!({
                "inventoryItemId": gid("InventoryItem", &target.holder.id),
                "locationId": target.holder.location.as_ref().map(|id| gid("Location", id)),
                "quantity": target.quantity.get(), "changeFromQuantity": target.expected,
            })
        };
        let quantities: Vec<Value> = targets.iter().map(quantity).collect();
        let write = Names::write_of(targets);
        let input =
            json!({ "name": "available", "reason": "correction", "quantities": quantities });
        let variables = json!({ "input": input, "key": self.names.open(write) });
        let written: Written = match self.api.run(&SET, &variables, urgency).await {
            Ok(written) => written,
            Err(error) => {
                if !error.is_unknown() {
                    self.names.close(&write);
                }
                return Err(error);
            }
        };
        let unreadable = || ErrorKind::Unreadable("it does not say what became of it".to_owned());
        let payload = written.inventory_set_quantities;
        let errors = payload.ok_or_else(|| ChannelError::new(SET.what, unreadable()))?.user_errors;
        let concurrent = |error: &UserError| error.code.as_deref() == Some(UNDER_WAY);
        if errors.iter().any(concurrent) {
            // The same is being done: its name is kept, and what came of it is looked for.
            let under_way = ErrorKind::Broken("the same write is still under way".to_owned());
            return Err(ChannelError::new(SET.what, under_way));
        }
        self.names.close(&write);
        Ok(errors)
    }

    /// Writes what can be written of targets: where some of a change are refused nothing of
    /// it is done, and the others are written without them.
    async fn set_all(
        &self,
        targets: &[StockTarget],
        outcomes: &mut Outcomes,
        urgency: Urgency,
    ) -> Result<(), ChannelError> {
        for _ in 0..CHANGES_MAX {
            let open = |index: &usize| outcomes[*index].is_none();
            let left: Vec<usize> = (0..targets.len()).filter(open).collect();
            if left.is_empty() {
                break;
            }
            let some: Vec<&StockTarget> = left.iter().map(|index| &targets[*index]).collect();
            let errors = self.set(&some, urgency).await?;
            if errors.is_empty() {
                for index in left {
                    let stored = RemoteQuantity::Known(targets[index].quantity.get());
                    outcomes[index] = Some(StockOutcome::Stored(stored));
                }
                break;
            }
            for error in errors {
                if error.code.as_deref() == Some(FAILED_BEFORE) {
                    continue;
                }
                let at = error.index();
                // One that names none is about all of them.
                let about = at.and_then(|at| left.get(at)).map_or(&left[..], slice::from_ref);
                let outcome = error.outcome();
                for index in about {
                    outcomes[*index] = Some(outcome.clone());
                }
            }
        }
        Ok(())
    }
}

impl StockWrite for Shopify {
    fn group_of(&self, _: &Holder) -> Group {
        Group(String::new())
    }

    fn write<'a>(
        &'a self,
        targets: &'a [StockTarget],
        urgency: Urgency,
    ) -> BoxFuture<'a, Result<Vec<StockOutcome>, ChannelError>> {
        async move {
            // A write that expects nothing would be one that nobody can take back.
            let outcome = |target: &StockTarget| {
                let is_whole = target.holder.location.is_some() && target.expected.is_some();
                (!is_whole).then(|| StockOutcome::Refused {
                    code: "nothing_expected".to_owned(),
                    detail: "the write names no location, or no number that it expects".to_owned(),
                })
            };
            let mut outcomes: Outcomes = targets.iter().map(outcome).collect();
            let began = outcomes.clone();
            let written = self.set_all(targets, &mut outcomes, urgency).await;
            // What was answered before a failure is known all the same, and the next call
            // fails in the same way where that lasts.
            if outcomes == began {
                written.clone()?;
            }
            let is_unknown = written.is_err_and(|error| error.is_unknown());
            let rest = if is_unknown { StockOutcome::Unknown } else { StockOutcome::NotWritten };
            Ok(outcomes.into_iter().map(|one| one.unwrap_or_else(|| rest.clone())).collect())
        }
        .boxed()
    }

    fn ticket<'a>(&'a self, _: &'a Ticket) -> Answer<'a, TicketState> {
        // Nothing is done later here, so there is none that it knows.
        async { Ok(TicketState::Lost) }.boxed()
    }
}
