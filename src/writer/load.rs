//! What a batch must see, and reading it under lock.
//!
//! The set is planned by reads without lock, then read again under lock in the
//! one order every transaction keeps: levels by (item, location), orders by
//! id. What a decision finds missing redoes the batch with a larger set.

use std::collections::{BTreeSet, HashMap};

use super::Job;
use super::command::Command;
use crate::domain::{
    AccountId, BundlePart, Item, ItemId, Key, LevelKey, Location, LocationId, OrderId, OrderRef,
    Sku,
};
use crate::ledger::stock::{Change, StockCommand};
use crate::ledger::{LevelSlot, Need, OrderSlot, Policy, Working};
use crate::store::{self, Conn, Moment, StoreError};

/// What a batch is about, before anything is read.
#[derive(Debug, Default)]
pub(super) struct LoadSet {
    skus: BTreeSet<Sku>,
    /// Names of orders that commands are about.
    refs: BTreeSet<OrderRef>,
    /// Names of orders that are hardly there yet.
    new_refs: BTreeSet<OrderRef>,
    keys: Vec<(AccountId, Key)>,
    pub(super) need: Need,
    new_orders: i64,
    new_items: i64,
    new_others: i64,
    accounts: Vec<String>,
    records: bool,
    sweep: bool,
}

impl LoadSet {
    /// Plans for commands.
    pub(super) fn of(jobs: &[Job]) -> Self {
        let mut set = Self::default();
        for job in jobs {
            set.keys.push((job.account, job.key.clone()));
            set.plan(&job.command);
        }
        set
    }

    fn plan(&mut self, command: &Command) {
        match command {
            Command::Stock(stock) => self.sku(&stock.place.sku),
            Command::Item { sku, row, .. } => {
                self.item_row(sku, row);
            }
            Command::Discontinue(sku) | Command::FillItem(sku) => self.sku(sku),
            Command::Rename { from, to } => {
                self.sku(from);
                self.sku(to);
            }
            Command::CreateAccount(new) => {
                self.accounts.push(new.name.to_string());
                self.new_others += 1;
            }
            Command::CreateLocation(_) | Command::BatchOpen(_) => self.new_others += 1,
            Command::Place(place) => {
                self.new_refs.insert(place.reference.clone());
                self.new_orders += 1;
                place.lines.iter().for_each(|line| self.sku(&line.sku));
            }
            Command::Import(import) => self.import(import),
            Command::OrderRows { orders, .. } => orders.iter().for_each(|one| self.import(one)),
            Command::Cancel(one) => self.order(&one.reference),
            Command::Pay(one) => self.order(&one.reference),
            Command::Accept(reference) | Command::Allocate(reference) => self.order(reference),
            Command::Ship(one) => self.order(&one.reference),
            Command::Return(one) => self.order(&one.reference),
            Command::Refund(one) => self.order(&one.reference),
            Command::Reassign(one) => self.order(&one.reference),
            Command::MapLine(one) => {
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
            Command::BatchApplied(_) | Command::RevertOpen(_) | Command::BatchReverted(_) => {}
        }
    }

    fn sku(&mut self, sku: &Sku) {
        self.skus.insert(sku.clone());
    }

    fn order(&mut self, reference: &OrderRef) {
        self.refs.insert(reference.clone());
    }

    fn import(&mut self, import: &crate::orders::Import) {
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

/// Reads the set under lock. The result decides; nothing else may be read for it.
pub(super) async fn load(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    clock_now: i64,
    policy: Policy,
) -> Result<Working, StoreError> {
    let moment = store::moment(conn, clock_now).await?;
    let locations = store::locations::all(conn).await?;
    let mut working = Working::new(clock_now, policy, locations);
    let mut items = set.need.items.clone();
    let mut orders = set.need.orders.clone();
    let skus: Vec<String> = set.skus.iter().map(|sku| sku.as_str().to_owned()).collect();
    if !skus.is_empty() {
        for (sku, item) in store::catalogue::resolve(conn, skus).await? {
            items.insert(item.id);
            working.skus.insert(sku, item.id);
            working.items.insert(item.id, item);
        }
    }
    find_orders(conn, set, &mut working, &mut orders).await?;
    if set.sweep {
        orders.extend(store::orders::due(conn, clock_now, store::orders::DUE_MAX).await?);
    }
    let ids = orders.iter().map(|id| id.get()).collect();
    items.extend(store::orders::items(conn, ids).await?);
    working.parts = with_recipes(conn, &working.items, &mut items).await?;
    if moment.due {
        let raw: Vec<i64> = items.iter().map(|item| item.get()).collect();
        let due = store::orders::due_on(conn, clock_now, raw).await?;
        let ids = due.iter().map(|id| id.get()).collect();
        items.extend(store::orders::items(conn, ids).await?);
        orders.extend(due);
    }
    read_locked(conn, set, moment, (&items, orders), &mut working).await?;
    Ok(working)
}

/// The orders to lock. On PostgreSQL new names are looked for after the locks
/// only: what is found of them then is a replay, which changes nothing.
async fn find_orders(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    working: &mut Working,
    orders: &mut BTreeSet<OrderId>,
) -> Result<(), StoreError> {
    let new = matches!(conn, Conn::Sqlite(_)).then_some(&set.new_refs);
    let wanted = set.refs.iter().chain(new.into_iter().flatten());
    for (reference, id) in store::orders::find(conn, wanted).await? {
        orders.insert(id);
        working.refs.insert(reference, id);
    }
    Ok(())
}

/// Adds the components of bundles to the items; the recipes. Items `known` not
/// to be bundles have none.
async fn with_recipes(
    conn: &mut Conn<'_>,
    known: &HashMap<ItemId, Item>,
    items: &mut BTreeSet<ItemId>,
) -> Result<HashMap<ItemId, Vec<BundlePart>>, StoreError> {
    let mut parts: HashMap<ItemId, Vec<BundlePart>> = HashMap::new();
    let may_be = |id: &&ItemId| known.get(*id).is_none_or(|item| item.bundle);
    let raw: Vec<i64> = items.iter().filter(may_be).map(|item| item.get()).collect();
    if raw.is_empty() {
        return Ok(parts);
    }
    for (bundle, part) in store::catalogue::recipes(conn, raw).await? {
        items.insert(part.item);
        parts.entry(bundle).or_default().push(part);
    }
    Ok(parts)
}

async fn read_locked(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    moment: Moment,
    (items, mut orders): (&BTreeSet<ItemId>, BTreeSet<OrderId>),
    working: &mut Working,
) -> Result<(), StoreError> {
    let ids: Vec<ItemId> = items.iter().copied().collect();
    if !ids.is_empty() {
        for (key, level) in store::levels::lock(conn, &ids).await? {
            working.levels.insert(key, LevelSlot { read: level, now: level, stored: true });
        }
    }
    read_demand(conn, set, working, &mut orders).await?;
    let ids: Vec<OrderId> = orders.into_iter().collect();
    for order in store::orders::lock(conn, &ids).await? {
        let slot = OrderSlot { read: Some(order.clone()), now: order };
        working.orders.insert(slot.now.id, slot);
    }
    let keys = set.keys.iter().map(|(account, key)| (*account, key));
    working.keys = store::journal::keys(conn, keys).await?.into_iter().collect();
    working.newest = (moment.seq, moment.at);
    if matches!(conn, Conn::Postgres(_)) {
        read_again(conn, set, working).await?;
    }
    working.now = working.now.max(working.newest.1);
    read_items(conn, set, items, working).await?;
    set_ids_aside(conn, set, moment.next_order, working).await
}

/// What may have changed while this transaction waited for its locks, in
/// statements after them: names, so that a replay committed meanwhile is seen,
/// the newest entry, and items.
async fn read_again(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    working: &mut Working,
) -> Result<(), StoreError> {
    let wanted = set.refs.iter().chain(&set.new_refs);
    let mut late = Vec::new();
    for (reference, id) in store::orders::find(conn, wanted).await? {
        if !working.orders.contains_key(&id) {
            late.push(id);
        }
        working.refs.insert(reference, id);
    }
    if !late.is_empty() {
        // Not locked: a replay only compares, and a change is guarded by the version.
        for order in store::orders::load(conn, &late).await? {
            let slot = OrderSlot { read: Some(order.clone()), now: order };
            working.orders.insert(slot.now.id, slot);
        }
    }
    working.newest = store::journal::newest(conn).await?;
    working.items.clear();
    Ok(())
}

async fn read_items(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    items: &BTreeSet<ItemId>,
    working: &mut Working,
) -> Result<(), StoreError> {
    if items.is_empty() {
        return Ok(());
    }
    let unread = |id: &&ItemId| !working.items.contains_key(*id);
    let raw: Vec<i64> = items.iter().filter(unread).map(|item| item.get()).collect();
    if !raw.is_empty() {
        for item in store::catalogue::items(conn, raw).await? {
            working.items.insert(item.id, item);
        }
    }
    if set.records {
        let raw: Vec<i64> = items.iter().map(|item| item.get()).collect();
        working.used_in_bundles = store::catalogue::used_in_bundles(conn, raw.clone()).await?;
        working.records = store::catalogue::records(conn, raw).await?.into_iter().collect();
    }
    Ok(())
}

/// Who is owed, who holds, and what moved since: only where a decision asked.
async fn read_demand(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    working: &mut Working,
    orders: &mut BTreeSet<OrderId>,
) -> Result<(), StoreError> {
    for &(item, location, lines) in &set.need.shorts {
        let key = LevelKey { item, location };
        let serves = working.location(location).is_some_and(Location::serves_orders);
        let (ids, window) = store::orders::shorts(conn, key, lines, serves).await?;
        orders.extend(ids);
        working.shorts.insert((item, location), window);
    }
    for &(key, units) in &set.need.victims {
        let (ids, complete) = store::orders::holders(conn, key, units).await?;
        orders.extend(ids.iter().copied());
        let holders = working.victims.entry(key).or_default();
        holders.units = holders.units.max(units);
        holders.complete |= complete;
        holders.orders.extend(ids);
    }
    let later = store::journal::moved_since(conn, set.need.later.iter().copied()).await?;
    working.later = later.into_iter().collect();
    Ok(())
}

async fn set_ids_aside(
    conn: &mut Conn<'_>,
    set: &LoadSet,
    next_order: Option<i64>,
    working: &mut Working,
) -> Result<(), StoreError> {
    for name in &set.accounts {
        if store::accounts::find(conn, name).await?.is_some() {
            working.accounts.insert(name.clone());
        }
    }
    let orders = store::orders::next_ids(conn, next_order, set.new_orders).await?;
    working.order_ids = orders.into_iter().map(OrderId::new).collect();
    let items = store::catalogue::next_item_ids(conn, set.new_items).await?;
    working.item_ids = items.into_iter().map(ItemId::new).collect();
    working.other_ids = store::next_other_ids(conn, set.new_others).await?.into();
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

fn owed_location(working: &Working, order: &crate::orders::Import) -> Option<LocationId> {
    match &order.location {
        Some(code) => working.own_location(Some(code)).ok(),
        None => working.locations_for(None).first().copied(),
    }
}
