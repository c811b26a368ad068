//! What of items may be promised: one arithmetic for whoever reads it.

use std::collections::HashMap;

use crate::domain::{AllocationPolicy, BundlePart, ItemId, ItemStatus, Location};
use crate::store::item_reads::{self, ItemBrief, LevelRecord};
use crate::store::{self, Conn, StoreError};

/// Items with all that their ATP depends on, read in one moment.
#[derive(Debug)]
pub(crate) struct Shelf {
    items: HashMap<ItemId, ItemBrief>,
    /// All locations by priority, then code.
    pub(crate) locations: Vec<Location>,
    levels: HashMap<ItemId, Vec<LevelRecord>>,
    recipes: HashMap<ItemId, Vec<BundlePart>>,
}

impl Shelf {
    /// Reads items, their components, and the levels of both.
    pub(crate) async fn load(conn: &mut Conn<'_>, items: Vec<ItemId>) -> Result<Self, StoreError> {
        let named = Named::load(conn, items).await?;
        let briefs = item_reads::briefs(conn, named.ids.clone()).await?;
        Self::of(conn, named, briefs).await
    }

    /// Reads the rest of items of which these are known.
    pub(super) async fn of(
        conn: &mut Conn<'_>,
        Named { ids, recipes }: Named,
        briefs: impl IntoIterator<Item = (ItemId, ItemBrief)>,
    ) -> Result<Self, StoreError> {
        let mut levels: HashMap<ItemId, Vec<LevelRecord>> = HashMap::with_capacity(ids.len());
        for level in item_reads::levels(conn, ids).await? {
            levels.entry(level.key.item).or_default().push(level);
        }
        let locations = store::locations::all(conn).await?;
        Ok(Self::new(briefs, locations, levels, recipes))
    }

    /// Of what was read.
    pub(super) fn new(
        items: impl IntoIterator<Item = (ItemId, ItemBrief)>,
        locations: Vec<Location>,
        levels: HashMap<ItemId, Vec<LevelRecord>>,
        recipes: HashMap<ItemId, Vec<BundlePart>>,
    ) -> Self {
        Self { items: items.into_iter().collect(), locations, levels, recipes }
    }

    /// The components of a bundle; none of other items.
    pub(super) fn parts(&self, item: ItemId) -> &[BundlePart] {
        self.recipes.get(&item).map_or(&[], Vec::as_slice)
    }

    /// Whether an item is made of others.
    pub(crate) fn is_bundle(&self, item: ItemId) -> bool {
        !self.parts(item).is_empty()
    }

    /// Units of an item that are physically at a location.
    pub(crate) fn on_hand_at(&self, item: ItemId, location: &Location) -> i64 {
        self.level(item, location).map_or(0, |level| level.totals.on_hand)
    }

    /// Units of an item that are withheld at a location.
    pub(crate) fn safety_at(&self, item: ItemId, location: &Location) -> i64 {
        self.level(item, location).map_or(0, |level| level.totals.safety)
    }

    /// An item's SKU.
    pub(crate) fn sku(&self, item: ItemId) -> String {
        self.items.get(&item).map(|brief| brief.sku.to_string()).unwrap_or_default()
    }

    /// An item's level at a location.
    pub(super) fn level(&self, item: ItemId, location: &Location) -> Option<&LevelRecord> {
        self.levels.get(&item)?.iter().find(|level| level.key.location == location.id)
    }

    /// Whether an item is offered; `None` for one that was not read.
    pub(super) fn status(&self, item: ItemId) -> Option<ItemStatus> {
        self.items.get(&item).map(|brief| brief.status)
    }

    /// Whether requests may have any of it.
    pub(super) fn is_sold(&self, item: ItemId) -> bool {
        self.status(item) == Some(ItemStatus::Active)
    }

    /// What a request may have of an item with stock of its own at a location.
    fn own_at(&self, item: ItemId, location: &Location) -> i64 {
        if !location.serves_orders() || !self.is_sold(item) {
            return 0;
        }
        self.level(item, location).map_or(0, |level| level.totals.available_to_promise())
    }

    /// What a location that a channel names adds to its pool; a mirrored one does too.
    fn pooled_at(&self, item: ItemId, location: &Location) -> i64 {
        let sells = location.sellable && location.kind.may_sell();
        if !location.is_mirrored() || !sells || !self.is_sold(item) {
            return self.own_at(item, location);
        }
        self.level(item, location).map_or(0, |level| level.totals.available_to_promise())
    }

    /// What a request may have at one location.
    pub(crate) fn available_at(&self, item: ItemId, location: &Location) -> i64 {
        let parts = self.parts(item);
        if parts.is_empty() {
            return self.own_at(item, location);
        }
        if !self.is_sold(item) {
            return 0;
        }
        let of = |part: &BundlePart| self.own_at(part.item, location) / part.per_unit;
        parts.iter().map(of).min().unwrap_or(0)
    }

    /// What requests may have in all: of a bundle the least of its pooled
    /// components, or what the best location has where orders may not be split.
    pub(super) fn available(&self, item: ItemId, policy: AllocationPolicy) -> i64 {
        let parts = self.parts(item);
        let each = self.locations.iter().map(|location| self.available_at(item, location));
        if parts.is_empty() {
            return each.sum();
        }
        match policy {
            AllocationPolicy::OneLocation => each.max().unwrap_or(0),
            AllocationPolicy::Split if !self.is_sold(item) => 0,
            AllocationPolicy::Split => {
                let pooled = |part: &BundlePart| {
                    let at = |location| self.own_at(part.item, location);
                    self.locations.iter().map(at).sum::<i64>() / part.per_unit
                };
                parts.iter().map(pooled).min().unwrap_or(0)
            }
        }
    }

    /// What facts may have of an item at some of the locations: of a bundle the least of
    /// its components, pooled over them.
    pub(crate) fn available_from(&self, item: ItemId, is_one: impl Fn(&Location) -> bool) -> i64 {
        if !self.is_sold(item) {
            return 0;
        }
        let pooled = |item: ItemId| -> i64 {
            let ours = self.locations.iter().filter(|location| is_one(location));
            ours.map(|location| self.pooled_at(item, location)).sum()
        };
        let parts = self.parts(item);
        if parts.is_empty() {
            return pooled(item);
        }
        parts.iter().map(|part| pooled(part.item) / part.per_unit).min().unwrap_or(0)
    }
}

/// Items that are asked for, and those that they are made of.
#[derive(Debug)]
pub(super) struct Named {
    /// All of them, each once.
    pub(super) ids: Vec<i64>,
    recipes: HashMap<ItemId, Vec<BundlePart>>,
}

impl Named {
    /// Reads what the items are made of.
    pub(super) async fn load(conn: &mut Conn<'_>, items: Vec<ItemId>) -> Result<Self, StoreError> {
        let mut ids: Vec<i64> = items.iter().map(|item| item.get()).collect();
        let mut recipes: HashMap<ItemId, Vec<BundlePart>> = HashMap::new();
        for (bundle, part) in store::catalogue::recipes(conn, ids.clone()).await? {
            ids.push(part.item.get());
            recipes.entry(bundle).or_default().push(part);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Self { ids, recipes })
    }
}
