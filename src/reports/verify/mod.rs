//! The proof: everything the database says of itself is checked against the
//! journal, from one snapshot and in pages of bounded size.

mod journal;
mod levels;
mod orders;
mod rows;

use std::fmt;

use serde::Serialize;

use crate::domain::LevelKey;
use crate::store::{Conn, Db, StoreError, audit_rows};

/// The most findings that are named; all are counted.
pub const FINDINGS_MAX: usize = 100;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The seqs of the journal are not dense from 1.
    JournalGap,
    /// The time of an entry is before that of an earlier one.
    JournalTime,
    /// An entry took effect after it was recorded.
    JournalEffective,
    /// An entry's kind is unknown, or does not fit whether it moves a level.
    JournalKind,
    /// An entry names something that does not exist.
    JournalReference,
    /// An idempotency key lacks its account or its hash.
    JournalKey,
    /// A movement does not follow from the one before it, or changes nothing it may.
    MovementTotals,
    /// The versions of a level's movements are not dense from 1.
    MovementVersion,
    /// A level is not what its movements add up to.
    LevelFold,
    /// Movements or claims have no level.
    LevelMissing,
    /// A level is outside `0 ≤ reserved ≤ on_hand` or another bound.
    LevelBounds,
    /// A level's fixed point is not its last count.
    LevelCounted,
    /// What a level has reserved or owes is not what order lines hold and are owed there.
    LevelClaims,
    /// An order has no entry that says it was placed, or not as its first, or several.
    OrderBeginning,
    /// An order is undecided and in no queue, or decided and in it; or refused and does
    /// not say why.
    OrderQueue,
    /// An order has no lines.
    OrderLines,
    /// An order's counts are not the sums of its lines.
    OrderCounts,
    /// An order's total is not what its lines add up to.
    OrderTotal,
    /// An order's status does not follow from its counts.
    OrderStatus,
    /// A line's or part's counts do not add up to what was ordered.
    LineEquation,
    /// A bundle line's counts do not follow from its parts.
    LineParts,
    /// A line's open units stand nowhere, or more stand than are open (R19).
    LineAllocations,
    /// A line names an item that does not exist.
    LineItem,
    /// An allocation belongs to no line, item or location.
    AllocationStray,
    /// An allocation is not what its movements add up to.
    AllocationMovements,
    /// An item's SKU does not lead to it.
    ItemName,
    /// A bundle has stock, no recipe, or a bundle inside.
    Bundle,
    /// An import's state makes no sense.
    Batch,
    /// Something is left of somebody who was erased.
    Erasure,
}

/// One thing that is wrong, with the names of what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// The location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The order's full id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// The order line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
    /// The journal entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
    /// The numbers.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = serde_json::to_value(self.kind).map_err(|_| fmt::Error)?;
        write!(f, "{}", name.as_str().unwrap_or_default())?;
        if let Some(sku) = &self.sku {
            write!(f, " {sku}")?;
        }
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        if let Some(order) = &self.order_id {
            write!(f, " order {order}")?;
        }
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        if let Some(seq) = self.seq {
            write!(f, " entry {seq}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// What was proven, and what was found wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Entries of the journal examined.
    pub entries: u64,
    /// Levels examined.
    pub levels: u64,
    /// Orders examined.
    pub orders: u64,
    /// How many things are wrong in all.
    pub findings_total: u64,
    /// What is wrong; the first [`FINDINGS_MAX`] of it.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Whether nothing is wrong.
    pub const fn is_clean(&self) -> bool {
        self.findings_total == 0
    }
}

/// Proves the whole database from one snapshot. `progress` is told how many
/// rows were examined so far: each entry once, each movement once more, each
/// level and each order.
pub async fn verify(
    db: &Db,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Verified, StoreError> {
    let mut reader = db.snapshot().await?;
    let conn = reader.conn();
    let mut desk = Desk { conn, progress, examined: 0, verified: Verified::default() };
    journal::prove(&mut desk).await?;
    levels::prove(&mut desk).await?;
    orders::prove(&mut desk).await?;
    rows::prove(&mut desk).await?;
    Ok(desk.verified)
}

/// What a finding is about, by ids.
#[derive(Clone, Copy, Debug, Default)]
struct Spot {
    item: Option<i64>,
    location: Option<i64>,
    order: Option<i64>,
    line: Option<i64>,
    seq: Option<i64>,
}

impl Spot {
    fn entry(seq: i64) -> Self {
        Self { seq: Some(seq), ..Self::default() }
    }

    fn level(key: LevelKey) -> Self {
        let (item, location) = (Some(key.item.get()), Some(key.location.get()));
        Self { item, location, ..Self::default() }
    }

    fn order(order: i64) -> Self {
        Self { order: Some(order), ..Self::default() }
    }

    const fn at_line(mut self, line: i64) -> Self {
        self.line = Some(line);
        self
    }

    const fn at_entry(mut self, seq: i64) -> Self {
        self.seq = Some(seq);
        self
    }
}

/// Where findings are collected.
struct Desk<'a> {
    conn: Conn<'a>,
    progress: &'a mut (dyn FnMut(u64) + Send),
    examined: u64,
    verified: Verified,
}

impl Desk<'_> {
    /// Rows were examined. How many.
    fn advance(&mut self, rows: usize) -> u64 {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.examined = self.examined.saturating_add(rows);
        (self.progress)(self.examined);
        rows
    }

    /// Something is wrong. Names are looked up only while they are kept.
    async fn found(
        &mut self,
        kind: FindingKind,
        spot: Spot,
        message: String,
    ) -> Result<(), StoreError> {
        self.verified.findings_total += 1;
        if self.verified.findings.len() >= FINDINGS_MAX {
            return Ok(());
        }
        let unnamed = |id: i64| format!("#{id}");
        let sku = match spot.item {
            Some(id) => Some(
                audit_rows::item_name(&mut self.conn, id).await?.unwrap_or_else(|| unnamed(id)),
            ),
            None => None,
        };
        let location = match spot.location {
            Some(id) => Some(
                audit_rows::location_name(&mut self.conn, id).await?.unwrap_or_else(|| unnamed(id)),
            ),
            None => None,
        };
        let order_id = match spot.order {
            Some(id) => Some(
                audit_rows::order_name(&mut self.conn, id).await?.unwrap_or_else(|| unnamed(id)),
            ),
            None => None,
        };
        let (line, seq) = (spot.line, spot.seq);
        self.verified.findings.push(Finding { kind, sku, location, order_id, line, seq, message });
        Ok(())
    }
}
