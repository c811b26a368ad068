//! Items, locations and key holders: what is created and renamed.

use std::collections::VecDeque;

use super::{Added, Decided, Working, stock};
use crate::domain::{
    ATTRIBUTES_BYTES_MAX, AccountId, AccountName, Barcode, BatchId, BundlePart, Item, ItemId,
    ItemStatus, Kind, LevelKey, Location, LocationCode, LocationId, LocationKind, Quantity,
    Refusal, Sku, Title, UserId, Versions, attributes_have_card_number,
};

/// What the catalogue says of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemFields {
    /// What it is called.
    pub title: Title,
    /// Its barcode.
    pub barcode: Option<Barcode>,
    /// Selling price, minor units of `currency`.
    pub price: Option<i64>,
    /// What it costs, minor units of `currency`.
    pub cost: Option<i64>,
    /// Currency of price and cost.
    pub currency: Option<String>,
    /// At or below this ATP it is low.
    pub reorder_point: Option<Quantity>,
    /// Further fields, a JSON object as text.
    pub attributes: Option<String>,
}

/// A new item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewItem {
    /// Its SKU.
    pub sku: Sku,
    /// Its catalogue fields.
    pub fields: ItemFields,
    /// Its recipe; a bundle has one, other items none.
    pub recipe: Vec<BundlePart>,
}

/// A new location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLocation {
    /// Its short name.
    pub code: LocationCode,
    /// What people call it.
    pub name: Title,
    /// What kind of place it is.
    pub kind: LocationKind,
    /// Whether it is sold from; by kind when left out.
    pub sellable: Option<bool>,
    /// The channel whose count it mirrors; the ledger's own when left out.
    pub authority: Option<AccountName>,
    /// Allocation prefers the lower number; after the others when left out.
    pub priority: Option<i64>,
}

/// A new key holder with its first key; the secret itself is never here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its name, which is also the source of its orders.
    pub name: AccountName,
    /// `admin`, `operator`, `storefront` or `reader`.
    pub role: &'static str,
    /// Look-up prefix and hash of the key, where it gets one.
    pub key: Option<(String, [u8; 32])>,
}

/// A further key of a key holder, or the first of a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The key holder's name.
    pub account: AccountName,
    /// What it may do; an existing key holder keeps its role.
    pub role: &'static str,
    /// How the key is found.
    pub prefix: String,
    /// What tells the key.
    pub hash: [u8; 32],
    /// When it ends, UTC milliseconds; never when left out.
    pub expires_at: Option<i64>,
}

/// A new import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBatch {
    /// `items`, `stock` or `orders`.
    pub kind: &'static str,
    /// The file's name.
    pub file_name: String,
    /// Hash of the file and of the options that change its meaning.
    pub content_hash: [u8; 32],
    /// The options, a JSON object.
    pub options: String,
    /// Rows to write.
    pub rows_total: i64,
}

/// Ids for what few batches add, each kind counted by itself.
#[derive(Debug, Default)]
pub struct RareIds {
    /// For locations.
    pub locations: VecDeque<LocationId>,
    /// For key holders.
    pub accounts: VecDeque<AccountId>,
    /// For imports.
    pub batches: VecDeque<BatchId>,
    /// For users.
    pub users: VecDeque<UserId>,
}

/// An import as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRecord {
    /// Its id.
    pub id: BatchId,
    /// `items`, `stock` or `orders`.
    pub kind: String,
    /// `open` (begun or interrupted), `applied`, `reverting` or `reverted`.
    pub status: String,
    /// The file's name.
    pub file_name: String,
    /// Hash of the file and of the options that change its meaning.
    pub content_hash: [u8; 32],
    /// The options, a JSON object.
    pub options: String,
    /// Rows of the file.
    pub rows_total: i64,
    /// Rows that are dealt with.
    pub rows_done: i64,
    /// When it was begun, UTC milliseconds.
    pub created_at: i64,
    /// When it came to its present end, UTC milliseconds.
    pub finished_at: Option<i64>,
}

/// One row of an items import, or one `item create` or `item update`.
/// What is `None` stays as it is, or empty on a new item.
#[derive(Clone, Debug, Default)]
pub struct ItemRow {
    /// The title; a new item without one is called by its SKU.
    pub title: Option<Title>,
    /// The barcode.
    pub barcode: Option<Barcode>,
    /// Selling price, minor units.
    pub price: Option<i64>,
    /// What it costs, minor units.
    pub cost: Option<i64>,
    /// Currency of both.
    pub currency: Option<String>,
    /// Where opening stock and safety are meant.
    pub location: Option<LocationCode>,
    /// Opening stock: used only where the level has no movement yet.
    pub on_hand: Option<Quantity>,
    /// Units to withhold from sale.
    pub safety: Option<Quantity>,
    /// At or below this ATP it is low.
    pub reorder_point: Option<Quantity>,
    /// Further fields, a JSON object as text.
    pub attributes: Option<String>,
    /// The recipe of a bundle: (component, units).
    pub components: Option<Vec<(Sku, Quantity)>>,
}

/// What may be done where the item exists, or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upsert {
    /// It must be new.
    Create,
    /// It must exist.
    Update,
    /// It must exist, and its entry be of one of these versions.
    UpdateAt(Versions),
    /// Either.
    Either,
}

/// What became of an item row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowOutcome {
    /// The item was new.
    pub created: bool,
    /// Something of an existing item changed.
    pub updated: bool,
    /// Opening stock was ignored, because the level has moved before.
    pub opening_ignored: bool,
}

/// Decides one item row.
pub fn decide_item(
    set: &mut Working,
    sku: &Sku,
    row: &ItemRow,
    mode: &Upsert,
) -> Decided<RowOutcome> {
    if row.attributes.as_ref().is_some_and(|text| text.len() > ATTRIBUTES_BYTES_MAX) {
        let message = format!("has more than {ATTRIBUTES_BYTES_MAX} bytes");
        return Err(Refusal::invalid("attributes", message).into());
    }
    if row.attributes.as_deref().is_some_and(attributes_have_card_number) {
        let message = "have what looks like the number of a payment card; these are never kept";
        return Err(Refusal::invalid("attributes", message).into());
    }
    let recipe = row.components.as_ref().map(|parts| recipe(set, sku, parts)).transpose()?;
    let existing = set.skus.get(sku).copied();
    let mut outcome = RowOutcome::default();
    let id = match (existing, mode) {
        (Some(_), Upsert::Create) => {
            return Err(Refusal::AlreadyExists { what: "item", name: sku.to_string() }.into());
        }
        (None, Upsert::Update | Upsert::UpdateAt(_)) => {
            return Err(Refusal::UnknownSku { sku: sku.clone() }.into());
        }
        (Some(id), _) => {
            if let Upsert::UpdateAt(expected) = mode {
                check_version(set, id, expected)?;
            }
            outcome.updated = update_item(set, id, row, recipe)?;
            id
        }
        (None, _) => {
            outcome.created = true;
            create_item(set, sku, row, recipe)?
        }
    };
    outcome.opening_ignored = !open_stock(set, id, sku, row)?;
    Ok(outcome)
}

/// Refuses a change of what somebody else changed since it was read.
pub(super) fn check_version(set: &Working, id: ItemId, expected: &Versions) -> Decided<()> {
    let item = set.item(id)?;
    if expected.contains(item.version) {
        return Ok(());
    }
    let (what, actual) = (format!("the item {}", item.sku), item.version);
    let expected = expected.newest();
    Err(Refusal::VersionConflict { what, expected, actual, on_hand: None }.into())
}

/// Resolves and checks a recipe: parts exist, have stock of their own, and come once each.
fn recipe(set: &Working, sku: &Sku, parts: &[(Sku, Quantity)]) -> Decided<Vec<BundlePart>> {
    let mut recipe: Vec<BundlePart> = Vec::with_capacity(parts.len());
    for (part, units) in parts {
        let item = set.item_by_sku(part)?;
        if set.item(item)?.bundle {
            let message = format!("{part} is a bundle; a bundle of bundles is not possible");
            return Err(Refusal::invalid("components", message).into());
        }
        if units.get() == 0 || recipe.iter().any(|known| known.item == item) {
            let message = format!("{part} must be named once, with at least 1 unit");
            return Err(Refusal::invalid("components", message).into());
        }
        if set.skus.get(sku) == Some(&item) {
            return Err(Refusal::invalid("components", "a bundle cannot contain itself").into());
        }
        recipe.push(BundlePart { item, per_unit: units.get() });
    }
    recipe.sort_unstable_by_key(|part| part.item);
    Ok(recipe)
}

fn create_item(
    set: &mut Working,
    sku: &Sku,
    row: &ItemRow,
    recipe: Option<Vec<BundlePart>>,
) -> Decided<ItemId> {
    let recipe = recipe.unwrap_or_default();
    let title = match &row.title {
        Some(title) => title.clone(),
        None => Title::new(sku.as_str())
            .map_err(|error| Refusal::invalid("title", error.to_string()))?,
    };
    let fields = ItemFields {
        title,
        barcode: row.barcode.clone(),
        price: row.price,
        cost: row.cost,
        currency: row.currency.clone(),
        reorder_point: row.reorder_point,
        attributes: row.attributes.clone(),
    };
    check_currency(&fields)?;
    let Some(id) = set.item_ids.pop_front() else {
        return Err(Refusal::invalid("sku", "no id was set aside for a new item").into());
    };
    set.put_item(Item {
        id,
        sku: sku.clone(),
        status: ItemStatus::Active,
        bundle: !recipe.is_empty(),
        reorder_point: row.reorder_point.map(Quantity::get),
        low: false,
        version: 1,
    });
    set.put_sku(sku.clone(), id);
    set.put_record(id, fields.clone(), true);
    if !recipe.is_empty() {
        set.put_parts(id, recipe.clone());
    }
    set.added.push(Added::Item(Box::new(NewItem { sku: sku.clone(), fields, recipe }), id));
    let mut entry = set.entry(Kind::ItemCreated);
    entry.item = Some(id);
    set.append(entry);
    Ok(id)
}

fn check_currency(fields: &ItemFields) -> Decided<()> {
    if (fields.price.is_some() || fields.cost.is_some()) && fields.currency.is_none() {
        return Err(Refusal::invalid("currency", "a price or cost needs a currency").into());
    }
    Ok(())
}

/// Writes what differs; whether anything did.
fn update_item(
    set: &mut Working,
    id: ItemId,
    row: &ItemRow,
    recipe: Option<Vec<BundlePart>>,
) -> Decided<bool> {
    let Some(before) = set.records.get(&id).cloned() else {
        return Err(super::Need::item(id).into());
    };
    let fields = ItemFields {
        title: row.title.clone().unwrap_or_else(|| before.title.clone()),
        barcode: row.barcode.clone().or_else(|| before.barcode.clone()),
        price: row.price.or(before.price),
        cost: row.cost.or(before.cost),
        currency: row.currency.clone().or_else(|| before.currency.clone()),
        reorder_point: row.reorder_point.or(before.reorder_point),
        attributes: row.attributes.clone().or_else(|| before.attributes.clone()),
    };
    check_currency(&fields)?;
    let recipe = recipe.filter(|recipe| set.parts.get(&id) != Some(recipe));
    if fields == before && recipe.is_none() {
        return Ok(false);
    }
    let mut item = set.item(id)?.clone();
    if let Some(recipe) = recipe {
        become_bundle(set, &item, &recipe)?;
        item.bundle = !recipe.is_empty();
        set.put_parts(id, recipe.clone());
        set.added.push(Added::Recipe(id, recipe));
    }
    item.version += 1;
    item.reorder_point = fields.reorder_point.map(Quantity::get);
    set.added.push(Added::Fields(Box::new(fields.clone()), id, item.version));
    set.put_record(id, fields, false);
    set.put_item(item);
    set.touched.insert(id);
    let mut entry = set.entry(Kind::ItemUpdated);
    entry.item = Some(id);
    set.append(entry);
    Ok(true)
}

/// An item with stock, holds or history of its own cannot become a bundle, and
/// a bundle stays one: open orders froze its recipe.
fn become_bundle(set: &Working, item: &Item, recipe: &[BundlePart]) -> Decided<()> {
    if item.bundle && recipe.is_empty() {
        return Err(Refusal::invalid("components", "a bundle needs at least one part").into());
    }
    let used = set.used_in_bundles.contains(&item.id)
        || set.parts.values().flatten().any(|part| part.item == item.id);
    if used && !recipe.is_empty() {
        let message =
            format!("{} is part of a bundle; a bundle of bundles is not possible", item.sku);
        return Err(Refusal::invalid("components", message).into());
    }
    if !item.bundle && set.levels_of(item.id).any(|(_, level)| level.version > 0) {
        let message = format!("{} has stock of its own and cannot become a bundle", item.sku);
        return Err(Refusal::invalid("components", message).into());
    }
    Ok(())
}

/// Opening stock and safety of a row; `false` when opening stock was ignored.
fn open_stock(set: &mut Working, id: ItemId, sku: &Sku, row: &ItemRow) -> Decided<bool> {
    if row.on_hand.is_none() && row.safety.is_none() {
        return Ok(true);
    }
    set.stocked_item(sku)?;
    let location = set.own_location(row.location.as_ref())?;
    let key = LevelKey { item: id, location };
    if set.is_new_item(id) && !set.levels.contains_key(&key) {
        set.put_new_level(key);
    }
    let opened = match row.on_hand {
        Some(units) => stock::open_level(set, id, location, units.get())?,
        None => true,
    };
    if let Some(safety) = row.safety {
        stock::decide(
            set,
            &stock::StockCommand {
                place: stock::Place { sku: sku.clone(), location: row.location.clone() },
                change: stock::Change::Safety(safety),
                reason: None,
                effective_at: None,
                if_version: None,
            },
        )?;
    }
    Ok(opened)
}

/// Gives an item another SKU; the old one keeps resolving (R57).
pub fn rename(set: &mut Working, old: &Sku, new: &Sku) -> Decided<()> {
    let id = set.item_by_sku(old)?;
    let mut item = set.item(id)?.clone();
    if item.sku == *new {
        return Ok(());
    }
    match set.skus.get(new) {
        Some(&other) if other != id => {
            return Err(Refusal::AlreadyExists { what: "item", name: new.to_string() }.into());
        }
        _ => {}
    }
    let data = serde_json::json!({ "from": item.sku.as_str(), "to": new.as_str() });
    item.version += 1;
    item.sku = new.clone();
    set.added.push(Added::Sku(id, new.clone(), item.version));
    set.put_item(item);
    set.put_sku(new.clone(), id);
    let mut entry = set.entry(Kind::ItemUpdated);
    entry.item = Some(id);
    entry.data = Some(data.to_string());
    set.append(entry);
    Ok(())
}

/// Adds a location.
pub fn create_location(set: &mut Working, new: &NewLocation) -> Decided<LocationId> {
    if set.locations.iter().any(|location| location.code == new.code) {
        return Err(Refusal::AlreadyExists { what: "location", name: new.code.to_string() }.into());
    }
    if new.sellable == Some(true) && !new.kind.may_sell() {
        let message = format!("a {} location cannot be sold from", new.kind);
        return Err(Refusal::invalid("sellable", message).into());
    }
    let Some(id) = set.rare_ids.locations.pop_front() else {
        return Err(Refusal::invalid("location", "no id was set aside for it").into());
    };
    let last = set.locations.iter().map(|location| location.priority).max().unwrap_or(0);
    let mut resolved = new.clone();
    resolved.priority = Some(new.priority.unwrap_or(last + 10));
    resolved.sellable = Some(new.sellable.unwrap_or(new.kind.sellable_by_default()));
    set.put_location(Location {
        id,
        code: new.code.clone(),
        name: new.name.to_string(),
        kind: new.kind,
        authority: new
            .authority
            .as_ref()
            .map_or(crate::domain::location::AUTHORITY_LEDGER.to_owned(), ToString::to_string),
        sellable: resolved.sellable == Some(true),
        priority: resolved.priority.unwrap_or(0),
    });
    set.added.push(Added::Location(resolved, id));
    let mut entry = set.entry(Kind::LocationCreated);
    entry.location = Some(id);
    set.append(entry);
    Ok(id)
}
