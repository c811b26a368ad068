//! What clerks do to items and to where they are stocked.

use super::state::{Level, State};

impl State {
    /// Somebody types how many units of an item can be sold at a location.
    pub fn type_stock(&mut self, item: u64, location: u64, available: i64) {
        let updated = self.seconds();
        let is_new = !self.is_stocked(item, location);
        let level = self.levels.entry((item, location));
        let level = level.or_insert(Level { available, committed: 0, is_active: true, updated });
        (level.available, level.is_active, level.updated) = (available, true, updated);
        if is_new {
            self.connect_happened(item, location);
        }
        self.stock_happened(item, location);
        self.event_ends();
    }

    /// An item is no longer stocked at a location: what was there is forgotten.
    pub fn deactivate(&mut self, item: u64, location: u64) {
        if !self.is_stocked(item, location) {
            return;
        }
        if let Some(level) = self.levels.get_mut(&(item, location)) {
            (level.available, level.is_active) = (0, false);
        }
        self.disconnect_happened(item, location);
        self.event_ends();
    }

    /// Renames a variant, for which the time of its change moves.
    pub fn rename(&mut self, variant: u64, sku: &str) {
        let now = self.seconds();
        let Some(variant) = self.variants.get_mut(&variant) else { return };
        sku.clone_into(&mut variant.sku);
        variant.updated = now;
        let item = variant.item;
        self.touch_item(item);
    }

    /// An item is counted from now on, or no longer.
    pub fn track(&mut self, item: u64, is_tracked: bool) {
        if let Some(one) = self.items.get_mut(&item) {
            one.is_tracked = is_tracked;
        }
        self.touch_item(item);
    }

    /// Marks an item as changed now, and tells of it.
    fn touch_item(&mut self, item: u64) {
        let now = self.seconds();
        if let Some(one) = self.items.get_mut(&item) {
            one.updated = now;
            self.item_happened("INVENTORY_ITEMS_UPDATE", item);
            self.event_ends();
        }
    }

    /// A variant is deleted, with the item that it was counted as and all that was stocked of
    /// it; with its product, where that has no other. Orders keep their lines. Whether there
    /// was such a variant.
    pub fn delete_variant(&mut self, variant: u64) -> bool {
        let Some(gone) = self.variants.remove(&variant) else { return false };
        self.items.remove(&gone.item);
        self.levels.retain(|(item, _), _| *item != gone.item);
        if !self.variants.values().any(|one| one.product == gone.product) {
            self.products.remove(&gone.product);
        }
        self.item_happened("INVENTORY_ITEMS_DELETE", gone.item);
        self.event_ends();
        true
    }

    /// The app is taken out of the shop: its tokens end, its subscriptions are gone, and it
    /// is told so once. It gets no token before [`State::is_installed`] is set again.
    pub fn uninstall(&mut self) {
        self.uninstall_happened();
        self.is_installed = false;
        self.tokens.clear();
    }
}
