//! Movements people ask for: receipts, corrections, counts, transfers,
//! write-offs and safety stock.

use super::{Decided, Movement, Need, Stop, Working, fill, take_holds};
use crate::domain::{
    Delta, Deltas, ItemId, Kind, LevelKey, LocationCode, LocationId, Quantity, Reason, Refusal, Sku,
};

/// Which level a movement is about.
#[derive(Clone, Debug)]
pub struct Place {
    /// The item.
    pub sku: Sku,
    /// The location; may be left out while only one exists.
    pub location: Option<LocationCode>,
}

/// A movement of one level.
#[derive(Clone, Debug)]
pub struct StockCommand {
    /// The level.
    pub place: Place,
    /// What happened or is asked for.
    pub change: Change,
    /// Why, in somebody's words.
    pub reason: Option<Reason>,
    /// When it took effect, UTC milliseconds; now when left out. Only a fact has
    /// a time of its own: a request is done when it is decided.
    pub effective_at: Option<i64>,
    /// The level's version the caller read; another one refuses the request (R23).
    pub if_version: Option<i64>,
}

/// What a [`StockCommand`] does.
#[derive(Clone, Debug)]
pub enum Change {
    /// Goods came in (a fact); fills shortfall.
    Receive(Quantity),
    /// A correction (a request): bounded by what is unreserved, fills nothing.
    Adjust(Delta),
    /// A physical count (a fact): a fixed point.
    Count {
        /// What was counted.
        quantity: Quantity,
        /// What the number means.
        basis: Basis,
        /// The channel that counted, for locations it has the authority over.
        observer: Option<String>,
    },
    /// Move to another location (a request): bounded by what is unreserved.
    Transfer {
        /// Units.
        quantity: Quantity,
        /// Where to.
        to: LocationCode,
    },
    /// Goods were lost or broken (a fact).
    WriteOff(Quantity),
    /// Units to withhold from sale from now on.
    Safety(Quantity),
}

/// What a counted number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Units on the shelf.
    Physical,
    /// Units on the shelf that no open order has a claim to.
    Available,
}

impl Change {
    /// What it is called where it is a request, which cannot have happened before.
    const fn request(&self) -> Option<&'static str> {
        match self {
            Self::Adjust(_) => Some("an adjustment"),
            Self::Transfer { .. } => Some("a transfer"),
            Self::Safety(_) => Some("a change of safety"),
            Self::Receive(_) | Self::Count { .. } | Self::WriteOff(_) => None,
        }
    }
}

/// Decides one movement.
pub fn decide(set: &mut Working, command: &StockCommand) -> Decided<()> {
    if let (Some(request), Some(_)) = (command.change.request(), command.effective_at) {
        // Dated before a count it would move what that count has already seen.
        let message =
            format!("{request} is done now; only receipts, counts and write-offs have a time");
        return Err(Refusal::invalid("effective_at", message).into());
    }
    let item = set.stocked_item(&command.place.sku)?;
    let location = place(set, command)?;
    let key = LevelKey { item, location };
    check_version(set, command, key)?;
    let post = Post { command, key };
    match &command.change {
        Change::Receive(quantity) => post.receive(set, quantity.get()),
        Change::Adjust(delta) => post.adjust(set, delta.get()),
        Change::Count { quantity, basis, .. } => post.count(set, quantity.get(), *basis),
        Change::Transfer { quantity, to } => post.transfer(set, quantity.get(), to),
        Change::WriteOff(quantity) => post.write_off(set, quantity.get()),
        Change::Safety(quantity) => post.safety(set, quantity.get()),
    }
}

/// A mirrored location changes only by its own channel's counts.
fn place(set: &Working, command: &StockCommand) -> Decided<LocationId> {
    let code = command.place.location.as_ref();
    if let Change::Count { observer: Some(observer), .. } = &command.change {
        let location = set.location_or_only(code)?;
        if location.authority == *observer {
            return Ok(location.id);
        }
    }
    set.own_location(code)
}

fn check_version(set: &Working, command: &StockCommand, key: LevelKey) -> Decided<()> {
    let Some(expected) = command.if_version else {
        return Ok(());
    };
    let level = set.peek(key)?;
    if level.version == expected {
        return Ok(());
    }
    Err(Refusal::VersionConflict {
        what: format!("the level of {}", command.place.sku),
        expected,
        actual: level.version,
        on_hand: Some(level.totals.on_hand),
    }
    .into())
}

struct Post<'c> {
    command: &'c StockCommand,
    key: LevelKey,
}

impl Post<'_> {
    fn movement(&self, kind: Kind, deltas: Deltas, quantity: i64) -> Movement {
        let reason = self.command.reason.as_ref();
        let data = reason.map(|reason| serde_json::json!({ "reason": reason.as_str() }));
        Movement {
            quantity: Some(quantity),
            effective_at: self.command.effective_at,
            data: data.map(|data| data.to_string()),
            ..Movement::new(self.key, kind, deltas)
        }
    }

    fn receive(&self, set: &mut Working, units: i64) -> Decided<()> {
        let history = set.is_history(self.key, self.command.effective_at)?;
        let added = if history { 0 } else { units };
        check_bound(set, self.key, added)?;
        set.post(self.movement(Kind::Receipt, Deltas::on_hand(added), units))?;
        if history { Ok(()) } else { fill(set, self.key) }
    }

    fn adjust(&self, set: &mut Working, delta: i64) -> Decided<()> {
        self.check_unreserved(set, -delta)?;
        check_bound(set, self.key, delta)?;
        set.post(self.movement(Kind::Adjustment, Deltas::on_hand(delta), delta))
    }

    /// A request may not take what is promised (R7); safety and shortfall do not bind it.
    fn check_unreserved(&self, set: &Working, units: i64) -> Decided<()> {
        let available = set.level(self.key)?.totals.unreserved();
        if units <= available {
            return Ok(());
        }
        let location = set.location(self.key.location).map(|one| one.code.to_string());
        Err(Refusal::InsufficientUnreserved {
            sku: self.command.place.sku.clone(),
            location: location.unwrap_or_default(),
            requested: units,
            available,
        }
        .into())
    }

    /// Sets `on_hand` to what was counted plus what moved after the counting.
    fn count(&self, set: &mut Working, counted: i64, basis: Basis) -> Decided<()> {
        let observed_at = self.command.effective_at.unwrap_or(set.now).min(set.now);
        if set.is_history(self.key, self.command.effective_at)? {
            return set.post(self.movement(Kind::Count, Deltas::default(), counted));
        }
        let totals = set.level(self.key)?.totals;
        let (moved, promised) = moved_since(set, self.key, self.command.effective_at)?;
        let physical = match basis {
            Basis::Physical => counted,
            // What was promised at the moment of counting, not what is promised now.
            Basis::Available => counted + totals.reserved + totals.shortfall - promised,
        };
        let found = physical + moved;
        let on_hand = found.max(0);
        check_bound(set, self.key, on_hand - totals.on_hand)?;
        take_holds(set, self.key, totals.reserved - on_hand)?;
        set.post(self.movement(Kind::Count, Deltas::on_hand(on_hand - totals.on_hand), counted))?;
        set.fix(self.key, observed_at)?;
        if found < 0 { discrepancy(set, self.key, -found) } else { Ok(()) }
    }

    fn transfer(&self, set: &mut Working, units: i64, to: &LocationCode) -> Decided<()> {
        let to = LevelKey { item: self.key.item, location: set.own_location(Some(to))? };
        if to == self.key {
            return Err(Refusal::invalid("to", "the goods are there already").into());
        }
        self.check_unreserved(set, units)?;
        set.level(to)?;
        check_bound(set, to, units)?;
        set.post(self.movement(Kind::TransferOut, Deltas::on_hand(-units), units))?;
        let arrival = self.movement(Kind::TransferIn, Deltas::on_hand(units), units);
        set.post(Movement { key: to, ..arrival })?;
        fill(set, to)
    }

    /// What the books do not have cannot be lost: the books are corrected first.
    fn write_off(&self, set: &mut Working, units: i64) -> Decided<()> {
        if set.is_history(self.key, self.command.effective_at)? {
            return set.post(self.movement(Kind::WriteOff, Deltas::default(), units));
        }
        let missing = make_room(set, self.key, units, self.command.effective_at)?;
        set.post(self.movement(Kind::WriteOff, Deltas::on_hand(-units), units))?;
        if missing > 0 { discrepancy(set, self.key, missing) } else { Ok(()) }
    }

    fn safety(&self, set: &mut Working, units: i64) -> Decided<()> {
        let before = set.level(self.key)?.totals.safety;
        if before == units {
            return Ok(());
        }
        let deltas = Deltas { safety: units - before, ..Deltas::default() };
        set.post(self.movement(Kind::Safety, deltas, units))
    }
}

/// Makes `units` at a level free to leave: free stock first, then others' holds,
/// then what the books lack is posted as a correction. Units that were lacking.
///
/// The correction took effect when the units left: dated later, it would be added
/// to a count observed in between as if it had come in.
pub fn make_room(
    set: &mut Working,
    key: LevelKey,
    units: i64,
    effective_at: Option<i64>,
) -> Decided<i64> {
    let free = set.level(key)?.totals.unreserved();
    take_holds(set, key, units - free)?;
    let missing = units - set.level(key)?.totals.unreserved();
    if missing <= 0 {
        return Ok(0);
    }
    check_bound(set, key, missing)?;
    let mut movement = Movement::new(key, Kind::Adjustment, Deltas::on_hand(missing));
    movement.quantity = Some(missing);
    movement.effective_at = effective_at;
    movement.data = Some(r#"{"cause":"beyond_ledger"}"#.to_owned());
    set.post(movement)?;
    Ok(missing)
}

/// Asks for a count: the books lacked `units` that were really there or gone.
pub fn discrepancy(set: &mut Working, key: LevelKey, units: i64) -> Decided<()> {
    let mut entry = set.entry(Kind::Discrepancy);
    entry.item = Some(key.item);
    entry.location = Some(key.location);
    entry.quantity = Some(units);
    set.append(entry);
    Ok(())
}

/// Refuses what would leave the range of a level, naming it.
fn check_bound(set: &Working, key: LevelKey, delta: i64) -> Decided<()> {
    let after = set.level(key)?.totals.on_hand.saturating_add(delta);
    if Quantity::new(after).is_ok() || after < 0 {
        return Ok(());
    }
    let message = format!("{after} units would be on hand; a level holds at most 1000000000");
    Err(Refusal::invalid("quantity", message).into())
}

/// What moved and what was promised after the moment of counting, as far as it
/// was recorded: in the database, and earlier in this batch.
fn moved_since(set: &Working, key: LevelKey, observed_at: Option<i64>) -> Decided<(i64, i64)> {
    let Some(observed_at) = observed_at.filter(|&at| at < set.now) else {
        return Ok((0, 0));
    };
    let Some(&(mut moved, mut promised)) = set.later.get(&(key, observed_at)) else {
        let later = std::iter::once((key, observed_at)).collect();
        let need = Need { later, ..Need::default() };
        return Err(Stop::from(need));
    };
    for entry in set.entries.iter().filter(|entry| entry.effective_at > observed_at) {
        if let Some(mark) = entry.level.filter(|mark| mark.key == key) {
            moved += mark.deltas.on_hand;
            promised += mark.deltas.reserved + mark.deltas.shortfall;
        }
    }
    Ok((moved, promised))
}

/// One row of a stock import.
#[derive(Clone, Debug)]
pub struct StockRow {
    /// The level.
    pub place: Place,
    /// Its number.
    pub quantity: Quantity,
}

/// How the rows of a stock import are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportMode {
    /// Each row is a count.
    Set(Basis),
    /// Each row is a receipt.
    Add,
}

/// Decides one row of a stock import.
pub fn decide_row(
    set: &mut Working,
    row: &StockRow,
    mode: ImportMode,
    observed_at: Option<i64>,
) -> Decided<()> {
    let change = match mode {
        ImportMode::Set(basis) => Change::Count { quantity: row.quantity, basis, observer: None },
        ImportMode::Add => Change::Receive(row.quantity),
    };
    let place = row.place.clone();
    let command =
        StockCommand { place, change, reason: None, effective_at: observed_at, if_version: None };
    decide(set, &command)
}

/// Opening stock of a level that has no movement yet. `false` when it has.
pub fn open_level(
    set: &mut Working,
    item: ItemId,
    location: LocationId,
    units: i64,
) -> Decided<bool> {
    let key = LevelKey { item, location };
    if set.peek(key)?.version > 0 {
        return Ok(false);
    }
    let mut movement = Movement::new(key, Kind::Count, Deltas::on_hand(units));
    movement.quantity = Some(units);
    movement.data = Some(r#"{"opening":true}"#.to_owned());
    set.post(movement)?;
    set.fix(key, set.now)?;
    Ok(true)
}
