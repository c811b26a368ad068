//! What a batch must see, and reading it under lock.
//!
//! Rows are locked in the one order every transaction keeps: levels by (item,
//! location), orders by id. One look then reads all that commands name. What a
//! decision finds missing redoes the batch with a larger set.

use std::collections::{BTreeSet, HashMap};

use super::Job;
use super::command::Command;
use super::users::UsersWanted;
use crate::domain::{
    AccountId, BundlePart, ItemId, Key, LevelKey, LocationId, Order, OrderId, OrderRef, Sku,
};
use crate::ledger::catalogue::RareIds;
use crate::ledger::stock::{Change, StockCommand};
use crate::ledger::{Holders, LevelSlot, Need, OrderSlot, Policy, ShortWindow, Working};
use crate::orders;
use crate::store::levels::LockedLevels;
use crate::store::look::{Seen, Wanted};
use crate::store::{self, Conn, StoreError};

/// What a batch is about, before anything is read.
#[derive(Debug, Default)]
pub(super) struct LoadSet {
    skus: BTreeSet<Sku>,
    /// Names of orders that commands are about.
    refs: BTreeSet<OrderRef>,
    /// Names of orders that are hardly there yet: found, they are replays.
    new_refs: BTreeSet<OrderRef>,
    keys: Vec<(AccountId, Key)>,
    pub(super) need: Need,
    new_orders: i64,
    new_items: i64,
    new_locations: i64,
    new_accounts: i64,
    new_batches: i64,
    users: UsersWanted,
    accounts: Vec<String>,
    api_keys: Vec<String>,
    /// Lines that are mapped.
    mapped: Vec<(OrderRef, i64)>,
    records: bool,
    sweep: bool,
    /// Whether orders are to wait: how many do already matters.
    waits: bool,
    /// Orders are due whose hold ends by this time: fixed for all rounds of the
    /// batch, or each would find another one.
    due_at: i64,
}

impl LoadSet {
    /// Plans for commands.
    pub(super) fn of(jobs: &[Job], now: i64) -> Self {
        let mut set = Self { due_at: now, ..Self::default() };
        for job in jobs {
            set.keys.push((job.account, job.key.clone()));
            set.plan(&job.command);
            set.users.plan(job);
        }
        set
    }

    fn plan(&mut self, command: &Command) {
        match command {
            Command::Stock(stock) => self.sku(&stock.place.sku),
            Command::Item { sku, row, .. } => {
                self.item_row(sku, row);
            }
            Command::Discontinue(sku)
            | Command::DiscontinueAt(sku, _)
            | Command::FillItem(sku)
            | Command::StopSale(sku, _)
            | Command::ResumeSale(sku) => self.sku(sku),
            Command::Rename { from, to } => {
                self.sku(from);
                self.sku(to);
            }
            Command::CreateKey(new) => {
                self.accounts.push(new.account.to_string());
                self.new_accounts += 1;
            }
            Command::RevokeKey(prefix) => self.api_keys.push(prefix.clone()),
            Command::CreateAccount(new) => {
                self.accounts.push(new.name.to_string());
                self.new_accounts += 1;
            }
            Command::CreateLocation(_) => self.new_locations += 1,
            Command::BatchOpen(_) => self.new_batches += 1,
            Command::Place(place) | Command::PlaceLater(place) => {
                self.waits |= matches!(command, Command::PlaceLater(_));
                self.new_refs.insert(place.reference.clone());
                self.new_orders += 1;
                place.lines.iter().for_each(|line| self.sku(&line.sku));
            }
            Command::Import(import) => self.import(import),
            Command::OrderRows { orders, .. } => orders.iter().for_each(|one| self.import(one)),
            Command::Decide(one) => self.order(&one.reference),
            Command::Cancel(one) => self.order(&one.reference),
            Command::Pay(one) => self.order(&one.reference),
            Command::Accept(reference)
            | Command::Allocate(reference)
            | Command::ForgetCustomer(reference) => self.order(reference),
            Command::Ship(one) => self.order(&one.reference),
            Command::Return(one) => self.order(&one.reference),
            Command::Refund(one) => self.order(&one.reference),
            Command::Reassign(one) => self.order(&one.reference),
            Command::MapLine(one) => {
                self.mapped.push((one.reference.clone(), one.line));
                self.order(&one.reference);
                self.sku(&one.sku);
            }
            Command::Fill(key) => drop(self.need.items.insert(key.item)),
            Command::ExpireDue => self.sweep = true,
            Command::ItemRows { rows, .. } => {
                for (sku, row) in rows {
                    self.item_row(sku, row);
                }
            }
            Command::StockRows { rows, .. } => {
                for row in rows {
                    self.sku(&row.place.sku);
                }
            }
            Command::Revert { rows, .. } => {
                self.need.items.extend(rows.iter().map(|row| row.key.item));
            }
            Command::BatchApplied(_)
            | Command::RevertOpen(_)
            | Command::BatchReverted(_)
            | Command::CreateUser(_)
            | Command::ChangeUser(_)
            | Command::EraseUser(_) => {}
        }
    }

    fn sku(&mut self, sku: &Sku) {
        self.skus.insert(sku.clone());
    }

    fn order(&mut self, reference: &OrderRef) {
        self.refs.insert(reference.clone());
    }

    fn import(&mut self, import: &orders::Import) {
        self.refs.insert(import.reference.clone());
        self.new_orders += 1;
        import.lines.iter().for_each(|line| self.sku(&line.request.sku));
    }

    fn item_row(&mut self, sku: &Sku, row: &crate::ledger::catalogue::ItemRow) {
        self.records = true;
        self.new_items += 1;
        self.sku(sku);
        row.components.iter().flatten().for_each(|(part, _)| self.sku(part));
    }
}

/// A working set, or what must be read with it in another round.
pub(super) enum Loaded {
    Set(Box<Working>),
    Again(Box<Need>),
}

/// Reads the set under lock. The result decides; nothing else may be read for it.
///
/// On PostgreSQL the look comes after the locks: whatever was committed while
/// this transaction waited for them is seen, so that a replay is one.
pub(super) async fn load(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    clock_now: i64,
    policy: Policy,
) -> Result<Loaded, StoreError> {
    let mut locked = Locked::default();
    let mut items = plan(conn, set, &mut locked).await?;
    let name = |sku: &Sku| sku.as_str().to_owned();
    let raw = items.iter().map(|item| item.get()).collect();
    let levels = store::levels::lock(conn, set.skus.iter().map(name).collect(), raw).await?;
    read_demand(conn, set, &mut locked).await?;
    let ids: Vec<OrderId> = locked.orders.iter().copied().collect();
    let orders = store::orders::lock(conn, &ids).await?;
    let unknown = |reference: &&OrderRef| !locked.refs.contains_key(*reference);
    let unresolved = |sku: &&Sku| !levels.skus.contains_key(*sku);
    let skus = set.skus.iter().filter(unresolved).map(name).collect();
    items.extend(levels.skus.values());
    let wanted = Wanted {
        due_at: set.due_at,
        skus,
        items: items.iter().map(|item| item.get()).collect(),
        orders: set.refs.iter().chain(&set.new_refs).filter(unknown).collect(),
        keys: &set.keys,
        new_orders: set.new_orders,
        locked: levels.levels.iter().map(|(key, _)| *key).collect(),
    };
    let mut seen = store::look::look(conn, &wanted).await?;
    if !seen.unlocked.is_empty() {
        return Ok(Loaded::Again(Box::new(unlocked(&seen))));
    }
    let (due, newest) = (seen.due, seen.newest);
    let recipes = std::mem::take(&mut seen.recipes);
    let mut working = working(seen, (levels, orders, locked), policy, clock_now);
    read_late(conn, &mut working).await?;
    read_components(conn, &mut working, recipes).await?;
    if due && let Some(need) = due_orders(conn, set, &working).await? {
        return Ok(Loaded::Again(Box::new(need)));
    }
    read_records(conn, set, &mut working).await?;
    set_ids_aside(conn, set, &mut working).await?;
    if set.waits {
        working.waiting = store::waiting::count(conn, orders::WAITING_MAX).await?;
    }
    for (reference, line) in &set.mapped {
        if let Some(&id) = working.refs.get(reference) {
            let left =
                store::journal::left_unmapped(conn, (id, *line), orders::LEFT_UNMAPPED).await?;
            working.left_unmapped.insert((id, *line), left);
        }
    }
    working.newest = newest;
    working.now = working.now.max(newest.1);
    Ok(Loaded::Set(Box::new(working)))
}

/// What is known before the look.
#[derive(Debug, Default)]
struct Locked {
    orders: BTreeSet<OrderId>,
    refs: HashMap<OrderRef, OrderId>,
    shorts: HashMap<(ItemId, LocationId), ShortWindow>,
    victims: HashMap<LevelKey, Holders>,
    later: HashMap<(LevelKey, i64), (i64, i64)>,
}

/// Finds the orders that commands are about; the items they are about, which are
/// locked before them.
async fn plan(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    locked: &mut Locked,
) -> Result<BTreeSet<ItemId>, StoreError> {
    let mut items = set.need.items.clone();
    locked.orders.clone_from(&set.need.orders);
    for (reference, id) in store::orders::find(conn, set.refs.iter()).await? {
        locked.orders.insert(id);
        locked.refs.insert(reference, id);
    }
    if set.sweep {
        let due = store::orders::due(conn, set.due_at, store::orders::DUE_MAX).await?;
        locked.orders.extend(due);
    }
    let ids = locked.orders.iter().map(|id| id.get()).collect();
    items.extend(store::orders::items(conn, ids).await?);
    Ok(items)
}

fn working(
    seen: Seen,
    (levels, orders, locked): (LockedLevels, Vec<Order>, Locked),
    policy: Policy,
    clock_now: i64,
) -> Working {
    let mut working = Working::new(clock_now, policy, seen.locations);
    for (key, level) in levels.levels.into_iter().chain(seen.levels) {
        working.levels.insert(key, LevelSlot { read: level, now: level, stored: true });
    }
    for order in orders {
        let slot = OrderSlot { read: Some(order.clone()), now: order };
        working.orders.insert(slot.now.id, slot);
    }
    for (name, item) in seen.items {
        if let Some(name) = name {
            working.skus.insert(name, item.id);
        }
        working.items.insert(item.id, item);
    }
    working.skus.extend(levels.skus);
    working.refs = locked.refs;
    working.refs.extend(seen.orders);
    working.shorts = locked.shorts;
    working.victims = locked.victims;
    working.later = locked.later;
    working.keys = seen.keys.into_iter().collect();
    working.order_ids = seen.order_ids.into();
    working
}

/// Orders that turned up in the look only. They are not locked: a replay only
/// compares, and a change is guarded by the version.
async fn read_late(conn: &mut Conn<'_>, working: &mut Working) -> Result<(), StoreError> {
    let late = working.refs.values().filter(|id| !working.orders.contains_key(*id));
    let late: Vec<OrderId> = late.copied().collect();
    if late.is_empty() {
        return Ok(());
    }
    for order in store::orders::load(conn, &late).await? {
        let slot = OrderSlot { read: Some(order.clone()), now: order };
        working.orders.insert(slot.now.id, slot);
    }
    Ok(())
}

/// Recipes of the bundles, and their components. On PostgreSQL the look brought the
/// recipes, and the components' levels are locked already.
async fn read_components(
    conn: &mut Conn<'_>,
    working: &mut Working,
    mut recipes: Vec<(ItemId, BundlePart)>,
) -> Result<(), StoreError> {
    if matches!(conn, Conn::Sqlite(_)) {
        let bundles = working.items.values().filter(|item| item.bundle);
        let bundles: Vec<i64> = bundles.map(|item| item.id.get()).collect();
        if !bundles.is_empty() {
            recipes = store::catalogue::recipes(conn, bundles).await?;
        }
    }
    let mut components = BTreeSet::new();
    for (bundle, part) in recipes {
        if !working.items.contains_key(&part.item) {
            components.insert(part.item.get());
        }
        working.parts.entry(bundle).or_default().push(part);
    }
    if components.is_empty() {
        return Ok(());
    }
    let components: Vec<i64> = components.into_iter().collect();
    for item in store::catalogue::items(conn, components.clone()).await? {
        working.items.insert(item.id, item);
    }
    if matches!(conn, Conn::Sqlite(_)) {
        for (key, level) in store::levels::load(conn, components).await? {
            working.levels.insert(key, LevelSlot { read: level, now: level, stored: true });
        }
    }
    Ok(())
}

/// Items that got their name, a level or a component while this transaction waited
/// for its locks: a level of theirs is not locked.
fn unlocked(seen: &Seen) -> Need {
    Need { items: seen.unlocked.iter().copied().collect(), ..Need::default() }
}

/// Due orders with units on the items: they are locked in another round, because
/// they may hold other items too.
async fn due_orders(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    working: &Working,
) -> Result<Option<Need>, StoreError> {
    let items = working.items.keys().map(|item| item.get()).collect();
    let mut orders: BTreeSet<OrderId> =
        store::orders::due_on(conn, set.due_at, items).await?.into_iter().collect();
    orders.retain(|id| !set.need.orders.contains(id) && !working.orders.contains_key(id));
    Ok((!orders.is_empty()).then(|| Need { orders, ..Need::default() }))
}

async fn read_records(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    working: &mut Working,
) -> Result<(), StoreError> {
    if set.records && !working.items.is_empty() {
        let raw: Vec<i64> = working.items.keys().map(|item| item.get()).collect();
        working.used_in_bundles = store::catalogue::used_in_bundles(conn, raw.clone()).await?;
        working.records = store::catalogue::records(conn, raw).await?.into_iter().collect();
    }
    Ok(())
}

/// Who is owed, who holds, and what moved since: only where a decision asked.
async fn read_demand(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    locked: &mut Locked,
) -> Result<(), StoreError> {
    let locations =
        if set.need.shorts.is_empty() { Vec::new() } else { store::locations::all(conn).await? };
    for &(item, location, lines) in &set.need.shorts {
        let key = LevelKey { item, location };
        let serves = locations.iter().any(|one| one.id == location && one.serves_orders());
        let (ids, window) = store::orders::shorts(conn, key, lines, serves).await?;
        locked.orders.extend(ids);
        locked.shorts.insert((item, location), window);
    }
    for &(key, units) in &set.need.victims {
        let (ids, complete) = store::orders::holders(conn, key, units).await?;
        locked.orders.extend(ids.iter().copied());
        let holders = locked.victims.entry(key).or_default();
        holders.units = holders.units.max(units);
        holders.complete |= complete;
        holders.orders.extend(ids);
    }
    let later = store::journal::moved_since(conn, set.need.later.iter().copied()).await?;
    locked.later = later.into_iter().collect();
    Ok(())
}

/// Ids for what few batches make.
async fn set_ids_aside(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    working: &mut Working,
) -> Result<(), StoreError> {
    for name in &set.accounts {
        if let Some(known) = store::accounts::find_role(conn, name).await? {
            working.accounts.insert(name.clone(), known);
        }
        if store::channels::find(conn, name).await?.is_some() {
            working.channels.insert(name.clone());
        }
    }
    for prefix in &set.api_keys {
        if let Some(key) = store::accounts::find_key(conn, prefix).await? {
            working.api_keys.insert(prefix.clone(), key.revoked_at.is_some());
        }
    }
    set.users.read(conn, working).await?;
    let items = store::catalogue::next_item_ids(conn, set.new_items).await?;
    working.item_ids = items.into_iter().map(ItemId::new).collect();
    working.rare_ids = RareIds {
        locations: store::next_location_ids(conn, set.new_locations).await?,
        accounts: store::next_account_ids(conn, set.new_accounts).await?,
        batches: store::next_batch_ids(conn, set.new_batches).await?,
        users: store::next_user_ids(conn, set.users.new_ids()).await?,
    };
    Ok(())
}

/// Levels that commands will surely write to and that have no row yet. Found all
/// at once, they are made in one transaction instead of one redo each.
pub(super) fn missing_levels(working: &Working, jobs: &[Job]) -> Need {
    let mut need = Need::default();
    let mut want = |sku: &Sku, location: Option<LocationId>| {
        let item = working.skus.get(sku).copied();
        let parts = item.and_then(|item| working.parts.get(&item));
        let items: Vec<ItemId> = match (item, parts) {
            (_, Some(parts)) => parts.iter().map(|part| part.item).collect(),
            (Some(item), None) => vec![item],
            (None, None) => return,
        };
        for item in items {
            if let Some(location) = location {
                let key = LevelKey { item, location };
                if !working.levels.contains_key(&key) {
                    need.levels.insert(key);
                }
            }
        }
    };
    let place = |command: &StockCommand| working.own_location(command.place.location.as_ref()).ok();
    for job in jobs {
        match &job.command {
            Command::Stock(command) => {
                want(&command.place.sku, place(command));
                if let Change::Transfer { to, .. } = &command.change {
                    want(&command.place.sku, working.own_location(Some(to)).ok());
                }
            }
            Command::StockRows { rows, .. } => {
                for row in rows {
                    let location = working.own_location(row.place.location.as_ref()).ok();
                    want(&row.place.sku, location);
                }
            }
            Command::ItemRows { rows, .. } => {
                for (sku, row) in rows.iter().filter(|(_, r)| r.on_hand.or(r.safety).is_some()) {
                    want(sku, working.own_location(row.location.as_ref()).ok());
                }
            }
            Command::OrderRows { orders, .. } => {
                for order in orders {
                    let location = owed_location(working, order);
                    order.lines.iter().for_each(|line| want(&line.request.sku, location));
                }
            }
            Command::Import(order) => {
                let location = owed_location(working, order);
                order.lines.iter().for_each(|line| want(&line.request.sku, location));
            }
            _ => {}
        }
    }
    need
}

fn owed_location(working: &Working, order: &orders::Import) -> Option<LocationId> {
    match &order.location {
        Some(code) => working.own_location(Some(code)).ok(),
        None => working.locations_for(None).first().copied(),
    }
}
