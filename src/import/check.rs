//! What the database says about rows, looked up a chunk at a time.

use std::collections::{HashMap, HashSet};

use super::finding::{Finding, quoted};
use super::items::{self, ItemLine};
use super::options::{Job, Kind};
use super::orders::{self, OrderLine};
use super::table::Row;
use super::{ImportError, mangled, stock};
use crate::domain::{
    Item, ItemId, LevelKey, Location, LocationCode, LocationId, QUANTITY_MAX, Sku,
};
use crate::ledger::catalogue::ItemFields;
use crate::ledger::stock::{ImportMode, StockRow};
use crate::shop::Shop;
use crate::store;

/// A row that reads well.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u32,
    /// Its first line in the file.
    pub(super) begins: u64,
    pub(super) read: Read,
}

/// What a row says.
#[derive(Debug)]
pub(super) enum Read {
    Item(Box<ItemLine>),
    Stock(StockRow),
    Order(Box<OrderLine>),
}

/// Reads a row as the kind of file wants it.
pub(super) fn parse(job: &Job, row: &Row, wrong: &mut Vec<Finding>) -> Option<Line> {
    if let Some(broken) = row.broken() {
        wrong.push(broken);
        return None;
    }
    let read = match job.kind {
        Kind::Items => items::parse(row, wrong).map(|line| Read::Item(Box::new(line))),
        Kind::Stock => stock::parse(row, &job.stock, wrong).map(Read::Stock),
        Kind::Orders => orders::parse(row, wrong).map(|line| Read::Order(Box::new(line))),
    };
    read.map(|read| Line { number: row.number, begins: row.line, read })
}

impl Read {
    /// The SKU the row is about.
    pub(super) fn sku(&self) -> &Sku {
        match self {
            Self::Item(line) => &line.sku,
            Self::Stock(row) => &row.place.sku,
            Self::Order(line) => &line.request.sku,
        }
    }

    fn parts(&self) -> impl Iterator<Item = &Sku> {
        let parts = match self {
            Self::Item(line) => line.row.components.as_deref().unwrap_or_default(),
            Self::Stock(_) | Self::Order(_) => &[],
        };
        parts.iter().map(|(sku, _)| sku)
    }
}

/// What is known of the SKUs of a chunk.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) skus: HashMap<Sku, ItemId>,
    pub(super) items: HashMap<ItemId, Item>,
    pub(super) records: HashMap<ItemId, ItemFields>,
    levels: HashMap<LevelKey, (i64, i64)>,
    moved: HashSet<ItemId>,
    /// For unknown SKUs, what the shop has instead.
    pub(super) instead: HashMap<Sku, Sku>,
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Touch {
    #[default]
    None,
    New,
    Changed,
}

/// What a row leads to, where nothing is wrong with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) item: Touch,
    pub(super) level: bool,
    pub(super) opening_ignored: bool,
}

/// Looks rows up and judges them.
#[derive(Debug)]
pub(super) struct Checker<'s> {
    shop: &'s Shop,
    job: &'s Job,
    locations: Vec<Location>,
    zero_led: Vec<i64>,
}

impl<'s> Checker<'s> {
    pub(super) async fn new(shop: &'s Shop, job: &'s Job) -> Result<Self, ImportError> {
        let mut reader = shop.db.read().await?;
        let locations = store::locations::all(&mut reader.conn()).await?;
        let zero_led = store::import_reads::zero_led_lengths(&mut reader.conn()).await?;
        Ok(Self { shop, job, locations, zero_led })
    }

    /// How many locations there are.
    pub(super) fn locations(&self) -> i64 {
        i64::try_from(self.locations.len()).unwrap_or(i64::MAX)
    }

    pub(super) fn job(&self) -> &Job {
        self.job
    }

    /// The place of a location among all of them.
    pub(super) fn place_of(&self, id: LocationId) -> Option<i64> {
        let place = self.locations.iter().position(|location| location.id == id);
        place.and_then(|place| i64::try_from(place).ok())
    }

    /// Reads what the database knows of rows.
    pub(super) async fn look(&self, lines: &[Line]) -> Result<Known, ImportError> {
        let mut known = Known::default();
        let skus: HashSet<&Sku> =
            lines.iter().flat_map(|line| line.read.parts().chain([line.read.sku()])).collect();
        if skus.is_empty() {
            return Ok(known);
        }
        let mut reader = self.shop.db.read().await?;
        let names = skus.iter().copied().map(ToString::to_string).collect();
        let found = store::catalogue::resolve(&mut reader.conn(), names).await?;
        known.skus = found.into_iter().map(|(sku, item)| (sku, item.id)).collect();
        self.look_instead(&mut reader, &skus, &mut known).await?;
        let ids: HashSet<i64> = known.skus.values().map(|id| id.get()).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        if ids.is_empty() || self.job.kind == Kind::Orders {
            return Ok(known);
        }
        let items = store::catalogue::items(&mut reader.conn(), ids.clone()).await?;
        known.items = items.into_iter().map(|item| (item.id, item)).collect();
        for (key, on_hand, version) in
            store::import_reads::levels(&mut reader.conn(), ids.clone()).await?
        {
            known.levels.insert(key, (on_hand, version));
            if version > 0 {
                known.moved.insert(key.item);
            }
        }
        if self.job.kind == Kind::Items {
            let records = store::catalogue::records(&mut reader.conn(), ids).await?;
            known.records = records.into_iter().collect();
        }
        Ok(known)
    }

    async fn look_instead(
        &self,
        reader: &mut store::Reader,
        skus: &HashSet<&Sku>,
        known: &mut Known,
    ) -> Result<(), ImportError> {
        let mut wanted: HashMap<Sku, Sku> = HashMap::new();
        for sku in skus.iter().filter(|sku| !known.skus.contains_key(**sku)) {
            for original in mangled::originals(sku.as_str(), &self.zero_led) {
                wanted.insert(original, (*sku).clone());
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let names = wanted.keys().map(ToString::to_string).collect();
        for (original, _) in store::catalogue::resolve(&mut reader.conn(), names).await? {
            if let Some(sku) = wanted.remove(&original) {
                known.instead.insert(sku, original);
            }
        }
        Ok(())
    }

    /// Judges a row: what it leads to, or what is wrong with it.
    pub(super) fn judge(&self, line: &Line, known: &Known) -> Result<Effect, Finding> {
        match &line.read {
            Read::Item(item) => self.judge_item(line.begins, item, known),
            Read::Stock(row) => self.judge_stock(line.begins, row, known),
            Read::Order(order) => {
                Self::known_item(line.begins, &order.request.sku, known).map(|_| Effect::default())
            }
        }
    }

    fn known_item(line: u64, sku: &Sku, known: &Known) -> Result<ItemId, Finding> {
        known.skus.get(sku).copied().ok_or_else(|| {
            let instead = known.instead.get(sku);
            let instead = instead.map(|sku| {
                format!("; the shop has {}: did a spreadsheet change it?", quoted(sku.as_str()))
            });
            let instead = instead.unwrap_or_default();
            Finding::at(
                line,
                "sku",
                format!("no item has the SKU {}{instead}", quoted(sku.as_str())),
            )
        })
    }

    /// The named location, or the only one (R64); its numbers must be the ledger's own.
    pub(super) fn location(
        &self,
        line: u64,
        code: Option<&LocationCode>,
    ) -> Result<LocationId, Finding> {
        let wrong = |message: String| Finding::at(line, "location", message);
        let found = match (code, self.locations.as_slice()) {
            (Some(code), all) => all
                .iter()
                .find(|location| location.code == *code)
                .ok_or_else(|| wrong(format!("no location is called '{code}'")))?,
            (None, [only]) => only,
            (None, all) => {
                let codes: Vec<&str> =
                    all.iter().take(20).map(|location| location.code.as_str()).collect();
                let codes = codes.join(", ");
                return Err(wrong(format!(
                    "is empty, and more than one location exists; name one of {codes}"
                )));
            }
        };
        if found.is_mirrored() {
            let authority = &found.authority;
            return Err(wrong(format!(
                "the numbers of {} belong to the channel {authority}",
                found.code
            )));
        }
        Ok(found.id)
    }

    fn judge_stock(&self, line: u64, row: &StockRow, known: &Known) -> Result<Effect, Finding> {
        let item = Self::known_item(line, &row.place.sku, known)?;
        if known.items.get(&item).is_some_and(|item| item.bundle) {
            let sku = quoted(row.place.sku.as_str());
            let message = format!("{sku} is a bundle: its stock is that of its components");
            return Err(Finding::at(line, "sku", message));
        }
        let location = self.location(line, row.place.location.as_ref())?;
        let (on_hand, _) =
            known.levels.get(&LevelKey { item, location }).copied().unwrap_or((0, 0));
        if self.job.stock.mode == ImportMode::Add && on_hand + row.quantity.get() > QUANTITY_MAX {
            let message = format!("more than {QUANTITY_MAX} units would be on hand");
            return Err(Finding::at(line, "quantity", message));
        }
        Ok(Effect { level: true, ..Effect::default() })
    }

    fn judge_item(&self, line: u64, item: &ItemLine, known: &Known) -> Result<Effect, Finding> {
        let row = &item.row;
        let stocked = row.on_hand.or(row.safety).is_some();
        let location = if stocked || row.location.is_some() {
            Some(self.location(line, row.location.as_ref())?)
        } else {
            None
        };
        let level = row.on_hand.is_some();
        let Some(id) = known.skus.get(&item.sku).copied() else {
            return Ok(Effect { item: Touch::New, level, ..Effect::default() });
        };
        let is_bundle = known.items.get(&id).is_some_and(|item| item.bundle);
        if stocked && is_bundle {
            return Err(Finding::at(line, "on_hand", "a bundle has no stock of its own"));
        }
        if row.components.is_some() && !is_bundle && known.moved.contains(&id) {
            let message = "the item has stock of its own and cannot become a bundle";
            return Err(Finding::at(line, "components", message));
        }
        if let Some(before) = known.records.get(&id) {
            check_currency(line, item, before)?;
        }
        let key = location.map(|location| LevelKey { item: id, location });
        let version = key.and_then(|key| known.levels.get(&key)).map_or(0, |&(_, version)| version);
        let opening_ignored = level && version > 0;
        let changed = known.records.get(&id).is_some_and(|before| differs(item, before));
        Ok(Effect {
            item: if changed { Touch::Changed } else { Touch::None },
            level: level && !opening_ignored,
            opening_ignored,
        })
    }
}

/// Another currency gives every amount another meaning: all of them must be named.
fn check_currency(line: u64, item: &ItemLine, before: &ItemFields) -> Result<(), Finding> {
    let row = &item.row;
    let other = match (&row.currency, &before.currency) {
        (Some(new), Some(old)) => new != old,
        _ => false,
    };
    for (column, old, new) in [("price", before.price, row.price), ("cost", before.cost, row.cost)]
    {
        if other && old.is_some() && new.is_none() {
            let message = format!("changes, but {column} is not given in the new currency");
            return Err(Finding::at(line, "currency", message));
        }
    }
    Ok(())
}

/// Whether a row says something of an item that is not so yet.
fn differs(item: &ItemLine, before: &ItemFields) -> bool {
    let row = &item.row;
    row.title.as_ref().is_some_and(|title| *title != before.title)
        || row.barcode.is_some() && row.barcode != before.barcode
        || row.price.is_some() && row.price != before.price
        || row.cost.is_some() && row.cost != before.cost
        || row.currency.is_some() && row.currency != before.currency
        || row.reorder_point.is_some() && row.reorder_point != before.reorder_point
        || row.attributes.is_some() && row.attributes != before.attributes
}
