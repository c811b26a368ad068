//! Finding things in the working set: by name, by id, or not at all.
//!
//! What is unknown is a refusal; what was not loaded is a need.

use super::{Broken, Decided, Need, Stop, Working};
use crate::domain::{
    Item, ItemId, Level, LevelBroken, LevelKey, Location, LocationCode, LocationId, Order, OrderId,
    OrderRef, Refusal, Sku,
};

impl Working {
    /// Whether a fact of a given time lies before the level's last fixed point:
    /// then it is history only and moves nothing.
    pub fn is_history(&self, key: LevelKey, effective_at: Option<i64>) -> Decided<bool> {
        let counted_at = self.peek(key)?.counted_at;
        Ok(match (effective_at, counted_at) {
            (Some(given), Some(counted)) => given < self.now && given <= counted,
            _ => false,
        })
    }

    /// An item by any of its names.
    pub fn item_by_sku(&self, sku: &Sku) -> Decided<ItemId> {
        let found = self.skus.get(sku).copied();
        found.ok_or_else(|| Refusal::UnknownSku { sku: sku.clone() }.into())
    }

    /// An item.
    pub fn item(&self, id: ItemId) -> Decided<&Item> {
        self.items.get(&id).ok_or_else(|| Need::item(id).into())
    }

    /// An item that has stock of its own, by name.
    pub fn stocked_item(&self, sku: &Sku) -> Decided<ItemId> {
        let id = self.item_by_sku(sku)?;
        if self.item(id)?.bundle {
            return Err(Refusal::BundleHasNoStock { sku: sku.clone() }.into());
        }
        Ok(id)
    }

    /// A location by its id.
    pub fn location(&self, id: LocationId) -> Option<&Location> {
        self.locations.iter().find(|location| location.id == id)
    }

    /// The named location, or the only one there is (R64).
    pub fn location_or_only(&self, code: Option<&LocationCode>) -> Decided<&Location> {
        if let Some(code) = code {
            return self.location_by_code(code);
        }
        match self.locations.as_slice() {
            [only] => Ok(only),
            many => {
                let locations = many.iter().map(|one| one.code.to_string()).collect();
                Err(Refusal::LocationRequired { locations }.into())
            }
        }
    }

    /// The named location.
    pub fn location_by_code(&self, code: &LocationCode) -> Decided<&Location> {
        let found = self.locations.iter().find(|location| location.code == *code);
        found.ok_or_else(|| Refusal::UnknownLocation { location: code.to_string() }.into())
    }

    /// The named location, whose numbers must be the ledger's own.
    pub fn own_location(&self, code: Option<&LocationCode>) -> Decided<LocationId> {
        let location = self.location_or_only(code)?;
        if location.is_mirrored() {
            return Err(Refusal::MirroredLocation {
                location: location.code.to_string(),
                authority: location.authority.clone(),
            }
            .into());
        }
        Ok(location.id)
    }

    /// Locations an order may use, best first: its own, or all that serve orders.
    pub fn locations_for(&self, own: Option<LocationId>) -> Vec<LocationId> {
        let serving = self.locations.iter().filter(|location| location.serves_orders());
        match own {
            Some(own) => vec![own],
            None => serving.map(|location| location.id).collect(),
        }
    }

    /// An order that is loaded.
    pub fn order(&self, id: OrderId) -> Decided<&Order> {
        let found = self.orders.get(&id).map(|slot| &slot.now);
        found.ok_or_else(|| {
            let orders = std::iter::once(id).collect();
            Need { orders, ..Need::default() }.into()
        })
    }

    /// An order by its name outside.
    pub fn order_by_ref(&self, reference: &OrderRef) -> Decided<OrderId> {
        let found = self.refs.get(reference).copied();
        found.ok_or_else(|| Refusal::UnknownOrder { order: reference.to_string() }.into())
    }

    /// All levels of an item that have rows.
    pub fn levels_of(&self, item: ItemId) -> impl Iterator<Item = (LevelKey, Level)> + '_ {
        let from = LevelKey { item, location: LocationId::new(i64::MIN) };
        self.levels
            .range(from..)
            .take_while(move |(key, _)| key.item == item)
            .map(|(key, slot)| (*key, slot.now))
    }

    /// The names of a level that a movement would break, and of its order.
    pub(super) fn broken(&self, key: LevelKey, order: Option<OrderId>, level: LevelBroken) -> Stop {
        let sku = self.items.get(&key.item).map(|item| item.sku.to_string());
        let location = self.location(key.location).map(|location| location.code.to_string());
        let order = order.and_then(|id| self.orders.get(&id));
        Stop::Broken(Box::new(Broken {
            key,
            sku: sku.unwrap_or_default(),
            location: location.unwrap_or_default(),
            order: order.map(|slot| slot.now.reference.clone()),
            level,
        }))
    }
}
