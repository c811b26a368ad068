//! The working set of one batch: rows read under lock, and what became of them.
//!
//! Commands change it one after the other, so each sees what the ones before it
//! did. A command that is refused half-way is undone, and leaves no trace.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::catalogue::{ItemFields, RareIds};
use super::{Added, Decided, Movement, Need, Stop};
use crate::domain::{
    AccountId, BatchId, BundlePart, Entry, Item, ItemId, Key, Kind, Level, LevelKey, LevelMark,
    Location, LocationId, Order, OrderId, OrderRef, Seq, Sku, UserId, UserMark,
};

/// How orders are decided, from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderPolicy {
    /// Whether requests may be served from several locations.
    pub split: bool,
    /// How long an unpaid hold lives, in milliseconds.
    pub hold_ms: i64,
}

/// What decisions are made under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For orders.
    pub orders: OrderPolicy,
    /// Commands of the batch that were decided before: a command may ask to be first.
    pub first: bool,
}

/// Who a command is done for, and under which names.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The key holder; `None` for what the ledger does by itself.
    pub account: Option<AccountId>,
    /// The import it is part of.
    pub batch: Option<BatchId>,
    /// Its idempotency key and the hash of its content; goes on its first entry.
    pub key: Option<(Key, [u8; 32])>,
}

/// A level as it was read and as it is now.
#[derive(Clone, Copy, Debug)]
pub struct LevelSlot {
    /// As read under lock; its version guards the write.
    pub read: Level,
    /// As the batch has made it.
    pub now: Level,
    /// Whether it has a row.
    pub stored: bool,
}

/// An order as it was read and as it is now.
#[derive(Clone, Debug)]
pub struct OrderSlot {
    /// As read under lock; `None` for an order of this batch.
    pub read: Option<Order>,
    /// As the batch has made it.
    pub now: Order,
}

/// What is known of a key that was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The first entry written under it; `None` while it is of this batch.
    pub seq: Option<Seq>,
    /// Index of that entry in this batch, where it is of this batch.
    pub index: Option<usize>,
    /// Hash of the content.
    pub content_hash: [u8; 32],
    /// The order it was about, if any.
    pub order: Option<OrderId>,
    /// The import it was about, if any.
    pub batch: Option<BatchId>,
}

/// Which of an item's short lines were loaded: the oldest ones, up to an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortWindow {
    /// How many lines of either kind were asked for.
    pub lines: i64,
    /// Orders owed at the location that are as old as this or older are all there.
    pub here_age_max: i64,
    /// Orders owed elsewhere that are as old as this or older are all there.
    pub elsewhere_age_max: i64,
}

/// Which holders of a level were loaded: those whose holds go first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// How many units they were asked to hold between them.
    pub units: i64,
    /// Whether they are all there are.
    pub complete: bool,
    /// The orders.
    pub orders: BTreeSet<OrderId>,
}

#[derive(Debug)]
enum Undo {
    Level(LevelKey, Option<LevelSlot>),
    Order(OrderId, Option<Box<OrderSlot>>),
    Item(ItemId, Option<Item>),
    Sku(Sku, Option<ItemId>),
    Parts(ItemId, Option<Vec<BundlePart>>),
    Record(ItemId, Option<Box<ItemFields>>),
    Key((AccountId, Key)),
    Ref(OrderRef),
    Location,
}

/// The working set.
#[derive(Debug)]
pub struct Working {
    /// The moment of decision, UTC milliseconds: the clock, but never before the
    /// newest entry of the journal.
    pub now: i64,
    /// The newest entry of the journal as it was read: its seq and its time.
    pub newest: (i64, i64),
    /// What decisions are made under.
    pub policy: Policy,
    /// All locations by priority, then code.
    pub locations: Vec<Location>,
    /// Names that resolve to items, old ones too. A SKU not in it is unknown.
    pub skus: HashMap<Sku, ItemId>,
    /// Items whose levels are all loaded.
    pub items: HashMap<ItemId, Item>,
    /// Recipes of the bundles among them.
    pub parts: HashMap<ItemId, Vec<BundlePart>>,
    /// Levels.
    pub levels: BTreeMap<LevelKey, LevelSlot>,
    /// Orders.
    pub orders: HashMap<OrderId, OrderSlot>,
    /// Orders by their names outside. A name not in it is unknown.
    pub refs: HashMap<OrderRef, OrderId>,
    /// Keys of this batch's commands that were used before.
    pub keys: HashMap<(AccountId, Key), Kept>,
    /// Which short lines were loaded, by (item, location that fills).
    pub shorts: HashMap<(ItemId, LocationId), ShortWindow>,
    /// Levels whose holders were loaded: units asked for, and whether that was all of them.
    pub victims: HashMap<LevelKey, Holders>,
    /// Sums of later movements for counts observed in the past: on hand, and promised.
    pub later: HashMap<(LevelKey, i64), (i64, i64)>,
    /// When units of a line left while it was of no item, and how many, the oldest first:
    /// of the lines that commands map.
    pub left_unmapped: HashMap<(OrderId, i64), Vec<(i64, i64)>>,
    /// Orders that wait for their decision, as far as they are counted.
    pub waiting: i64,
    /// Ids for orders of this batch.
    pub order_ids: VecDeque<OrderId>,
    /// Ids for items of this batch.
    pub item_ids: VecDeque<ItemId>,
    /// Ids for what few batches add.
    pub rare_ids: RareIds,
    /// What to append to the journal.
    pub entries: Vec<Entry>,
    /// Other rows to add.
    pub added: Vec<Added>,
    /// Items whose ATP may have changed.
    pub touched: HashSet<ItemId>,
    /// Key holders that exist, of those that commands name, with their roles.
    pub accounts: HashMap<String, (AccountId, String)>,
    /// Users that exist, of those that commands name by their id or their address.
    pub users: HashMap<UserId, UserMark>,
    /// Whose orders are, of those whose customer commands forget: a user's, or of somebody
    /// erased. An order not in it is nobody's.
    pub customers: HashMap<OrderId, Option<UserId>>,
    /// Channels that have a name that commands give a key holder.
    pub channels: HashSet<String>,
    /// Keys that exist, of those that commands name by their prefix, and whether
    /// they are revoked.
    pub api_keys: HashMap<String, bool>,
    /// Items that are components of a bundle, where a recipe may change.
    pub used_in_bundles: HashSet<ItemId>,
    /// Full catalogue entries, where a command of the batch compares them.
    pub records: HashMap<ItemId, ItemFields>,
    new_items: HashSet<ItemId>,
    context: Context,
    undo: Vec<Undo>,
    undo_orders: HashSet<OrderId>,
    mark: (usize, usize),
}

impl Working {
    /// An empty set at a moment.
    pub fn new(now: i64, policy: Policy, locations: Vec<Location>) -> Self {
        Self {
            now,
            newest: (0, 0),
            policy,
            locations,
            skus: HashMap::new(),
            items: HashMap::new(),
            parts: HashMap::new(),
            levels: BTreeMap::new(),
            orders: HashMap::new(),
            refs: HashMap::new(),
            keys: HashMap::new(),
            shorts: HashMap::new(),
            victims: HashMap::new(),
            later: HashMap::new(),
            left_unmapped: HashMap::new(),
            waiting: 0,
            order_ids: VecDeque::new(),
            item_ids: VecDeque::new(),
            rare_ids: RareIds::default(),
            entries: Vec::new(),
            added: Vec::new(),
            touched: HashSet::new(),
            accounts: HashMap::new(),
            users: HashMap::new(),
            customers: HashMap::new(),
            channels: HashSet::new(),
            api_keys: HashMap::new(),
            used_in_bundles: HashSet::new(),
            records: HashMap::new(),
            new_items: HashSet::new(),
            context: Context::default(),
            undo: Vec::new(),
            undo_orders: HashSet::new(),
            mark: (0, 0),
        }
    }

    /// Starts a command: what follows is done for it and can be undone.
    pub fn begin(&mut self, context: Context) {
        self.context = context;
        self.undo.clear();
        self.undo_orders.clear();
        self.mark = (self.entries.len(), self.added.len());
    }

    /// Takes back what the command did since it began.
    pub fn undo(&mut self) {
        self.entries.truncate(self.mark.0);
        self.added.truncate(self.mark.1);
        while let Some(step) = self.undo.pop() {
            match step {
                Undo::Level(key, was) => restore_tree(&mut self.levels, key, was),
                Undo::Order(id, was) => restore(&mut self.orders, id, was.map(|slot| *slot)),
                Undo::Item(id, was) => restore(&mut self.items, id, was),
                Undo::Sku(sku, was) => restore(&mut self.skus, sku, was),
                Undo::Parts(id, was) => restore(&mut self.parts, id, was),
                Undo::Record(id, was) => {
                    restore(&mut self.records, id, was.map(|fields| *fields));
                }
                Undo::Key(key) => drop(self.keys.remove(&key)),
                Undo::Ref(reference) => drop(self.refs.remove(&reference)),
                Undo::Location => drop(self.locations.pop()),
            }
        }
    }

    /// Who the current command is done for.
    pub const fn account(&self) -> Option<AccountId> {
        self.context.account
    }

    /// The entries the current command has appended so far.
    pub fn own_entries(&self) -> std::ops::Range<usize> {
        self.mark.0..self.entries.len()
    }

    /// An entry of the current command; the key goes on its first one.
    pub fn entry(&mut self, kind: Kind) -> Entry {
        let mut entry = Entry::new(kind, self.now);
        entry.account = self.context.account;
        entry.batch = self.context.batch;
        entry
    }

    /// Appends an entry.
    pub fn append(&mut self, mut entry: Entry) {
        if let Some((key, hash)) = self.context.key.take() {
            if let Some(account) = self.context.account {
                let kept = Kept {
                    seq: None,
                    index: Some(self.entries.len()),
                    content_hash: hash,
                    order: entry.order,
                    batch: entry.batch,
                };
                self.keys.insert((account, key.clone()), kept);
                self.undo.push(Undo::Key((account, key.clone())));
            }
            entry.key = Some(key);
            entry.content_hash = Some(hash);
        }
        self.entries.push(entry);
    }

    /// Posts a movement: the only place where a level changes. Later decisions
    /// of the batch see the level it leaves behind.
    pub fn post(&mut self, movement: Movement) -> Decided<()> {
        let Movement { key, kind, deltas, quantity, effective_at, order, reverses, data } =
            movement;
        let slot = self.level_slot(key)?;
        let before = slot.now;
        let totals = before
            .totals
            .plus(deltas)
            .map_err(|level| self.broken(key, order.map(|(id, ..)| id), level))?;
        let after = Level { totals, version: before.version + 1, ..before };
        self.set_level(key, after);
        let mut entry = self.entry(kind);
        entry.level = Some(LevelMark { key, version: after.version, deltas, totals });
        entry.quantity = quantity;
        entry.effective_at = effective_at.unwrap_or(self.now).min(self.now);
        entry.order = order.map(|(id, _, _)| id);
        entry.line = order.map(|(_, line, _)| line);
        entry.part = order.map(|(_, _, part)| part);
        entry.reverses = reverses;
        entry.data = data;
        self.append(entry);
        self.touched.insert(key.item);
        Ok(())
    }

    /// Makes the moment a fixed point of the level.
    pub fn fix(&mut self, key: LevelKey, observed_at: i64) -> Decided<()> {
        let mut level = self.level_slot(key)?.now;
        level.counted_at = Some(observed_at);
        self.set_level(key, level);
        Ok(())
    }

    fn set_level(&mut self, key: LevelKey, level: Level) {
        if let Some(slot) = self.levels.get_mut(&key) {
            self.undo.push(Undo::Level(key, Some(*slot)));
            slot.now = level;
        }
    }

    /// A level as it is now. `Need` when its item or its row is not there.
    pub fn level(&self, key: LevelKey) -> Decided<Level> {
        Ok(self.level_slot(key)?.now)
    }

    fn level_slot(&self, key: LevelKey) -> Decided<LevelSlot> {
        if let Some(slot) = self.levels.get(&key) {
            return Ok(*slot);
        }
        if self.items.contains_key(&key.item) {
            let levels = std::iter::once(key).collect();
            return Err(Need { levels, ..Need::default() }.into());
        }
        Err(Need::item(key.item).into())
    }

    /// A level as it is now; one that has no row yet is empty.
    pub fn peek(&self, key: LevelKey) -> Decided<Level> {
        match self.levels.get(&key) {
            Some(slot) => Ok(slot.now),
            None if self.items.contains_key(&key.item) => Ok(Level::EMPTY),
            None => Err(Need::item(key.item).into()),
        }
    }

    /// An order to change; it is remembered as it was.
    pub fn order_mut(&mut self, id: OrderId) -> Decided<&mut Order> {
        self.order(id)?;
        if self.undo_orders.insert(id) {
            let was = self.orders.get(&id).cloned().map(Box::new);
            self.undo.push(Undo::Order(id, was));
        }
        match self.orders.get_mut(&id) {
            Some(slot) => Ok(&mut slot.now),
            None => Err(Stop::MustBeFirst), // Unreachable: it was found above.
        }
    }

    /// Adds an order of this batch.
    pub fn add_order(&mut self, order: Order) {
        self.undo.push(Undo::Order(order.id, None));
        self.undo_orders.insert(order.id);
        self.undo.push(Undo::Ref(order.reference.clone()));
        self.refs.insert(order.reference.clone(), order.id);
        self.orders.insert(order.id, OrderSlot { read: None, now: order });
    }

    /// Adds or replaces an item.
    pub fn put_item(&mut self, item: Item) {
        let id = item.id;
        let was = self.items.insert(id, item);
        self.undo.push(Undo::Item(id, was));
    }

    /// Makes a SKU resolve to an item.
    pub fn put_sku(&mut self, sku: Sku, item: ItemId) {
        let was = self.skus.insert(sku.clone(), item);
        self.undo.push(Undo::Sku(sku, was));
    }

    /// Sets a bundle's recipe.
    pub fn put_parts(&mut self, bundle: ItemId, parts: Vec<BundlePart>) {
        let was = self.parts.insert(bundle, parts);
        self.undo.push(Undo::Parts(bundle, was));
    }

    /// Sets an item's catalogue fields; a new item is known to be of this batch.
    pub fn put_record(&mut self, item: ItemId, fields: ItemFields, is_new: bool) {
        let was = self.records.insert(item, fields);
        self.undo.push(Undo::Record(item, was.map(Box::new)));
        if is_new {
            self.new_items.insert(item);
        }
    }

    /// Whether an item was created in this batch.
    pub fn is_new_item(&self, item: ItemId) -> bool {
        self.new_items.contains(&item)
    }

    /// Adds the level of an item of this batch, which nobody else can know yet.
    pub fn put_new_level(&mut self, key: LevelKey) {
        let slot = LevelSlot { read: Level::EMPTY, now: Level::EMPTY, stored: false };
        let was = self.levels.insert(key, slot);
        self.undo.push(Undo::Level(key, was));
    }

    /// Reserves memory for rows of an items import: grown one by one, the maps would
    /// move what they hold again and again.
    pub fn reserve_rows(&mut self, rows: usize) {
        self.skus.reserve(rows);
        self.items.reserve(rows);
        self.records.reserve(rows);
        self.new_items.reserve(rows);
        self.touched.reserve(rows);
        self.added.reserve(rows);
        self.entries.reserve(2 * rows);
        self.undo.reserve(8 * rows);
    }

    /// Adds a location to those known.
    pub fn put_location(&mut self, location: Location) {
        self.locations.push(location);
        self.undo.push(Undo::Location);
    }
}

fn restore<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, was: Option<V>) {
    match was {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

fn restore_tree<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, was: Option<V>) {
    match was {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}
