//! Levels against their movements and against what order lines claim of them:
//! three streams in the order of the levels, merged.

use std::collections::VecDeque;

use super::{Desk, FindingKind, Spot};
use crate::domain::{Deltas, Kind, LevelKey, QUANTITY_MAX, Totals};
use crate::store::audit::{self, ClaimRow, LevelRow, MovementRow};
use crate::store::{Conn, StoreError};

/// Rows a page of each stream.
const PAGE_MAX: i64 = 2000;

pub(super) async fn prove(desk: &mut Desk<'_>) -> Result<(), StoreError> {
    let mut levels = Stream::<LevelRow>::new();
    let mut movements = Stream::<MovementRow>::new();
    let mut claims = Stream::<ClaimRow>::new();
    loop {
        levels.fill(&mut desk.conn).await?;
        claims.fill(&mut desk.conn).await?;
        movements.fill(&mut desk.conn).await?;
        let keys = [levels.key(), claims.key(), movements.key()];
        let Some(key) = keys.into_iter().flatten().min() else {
            return Ok(());
        };
        let level = levels.next_of(key);
        let claim = claims.next_of(key);
        let fold = fold(desk, key, &mut movements).await?;
        desk.verified.levels += desk.advance(1);
        if let Some(level) = level {
            check(desk, &level, &fold, claim.as_ref()).await?;
        } else {
            let message = "it has movements or claims, and no level".to_owned();
            desk.found(FindingKind::LevelMissing, Spot::level(key), message).await?;
        }
    }
}

/// What the movements of a level add up to.
#[derive(Clone, Copy, Debug, Default)]
struct Fold {
    totals: Totals,
    version: i64,
    counted_at: Option<i64>,
}

async fn fold(
    desk: &mut Desk<'_>,
    key: LevelKey,
    movements: &mut Stream<MovementRow>,
) -> Result<Fold, StoreError> {
    let mut fold = Fold::default();
    loop {
        movements.fill(&mut desk.conn).await?;
        let Some(movement) = movements.next_of(key) else {
            return Ok(fold);
        };
        desk.advance(1);
        let spot = Spot::level(key).at_entry(movement.seq);
        if movement.version != fold.version + 1 {
            let message = format!("version {} follows {}", movement.version, fold.version);
            desk.found(FindingKind::MovementVersion, spot, message).await?;
        }
        let after = plus(fold.totals, movement.deltas);
        if after != movement.totals {
            let message = format!("{} should be {}", shown(movement.totals), shown(after));
            desk.found(FindingKind::MovementTotals, spot, message).await?;
        }
        // Fixed points only move forward: a count that was observed earlier is
        // history, and one observed at the same moment fixes the same moment.
        if movement.kind == Kind::Count.as_str() {
            fold.counted_at = fold.counted_at.max(Some(movement.effective_at));
        }
        // What is wrong in one movement is not repeated for all that follow it.
        fold = Fold { totals: movement.totals, version: movement.version, ..fold };
    }
}

fn plus(totals: Totals, deltas: Deltas) -> Totals {
    Totals {
        on_hand: totals.on_hand.saturating_add(deltas.on_hand),
        reserved: totals.reserved.saturating_add(deltas.reserved),
        shortfall: totals.shortfall.saturating_add(deltas.shortfall),
        safety: totals.safety.saturating_add(deltas.safety),
    }
}

fn shown(totals: Totals) -> String {
    let Totals { on_hand, reserved, shortfall, safety } = totals;
    format!("on_hand {on_hand} reserved {reserved} shortfall {shortfall} safety {safety}")
}

async fn check(
    desk: &mut Desk<'_>,
    level: &LevelRow,
    fold: &Fold,
    claim: Option<&ClaimRow>,
) -> Result<(), StoreError> {
    let spot = Spot::level(level.key);
    let totals = level.totals;
    if totals != fold.totals || level.version != fold.version {
        let message = format!(
            "{} at version {}, but its movements leave {} at version {}",
            shown(totals),
            level.version,
            shown(fold.totals),
            fold.version
        );
        desk.found(FindingKind::LevelFold, spot, message).await?;
    }
    let bounded = |units: i64| (0..=QUANTITY_MAX).contains(&units);
    let all = [totals.on_hand, totals.reserved, totals.shortfall, totals.safety];
    if !all.into_iter().all(bounded) || totals.reserved > totals.on_hand {
        desk.found(FindingKind::LevelBounds, spot, shown(totals)).await?;
    }
    if level.counted_at != fold.counted_at {
        let time = |at: Option<i64>| at.map_or("never".to_owned(), |at| at.to_string());
        let (row, count) = (time(level.counted_at), time(fold.counted_at));
        let message = format!("its fixed point is {row}, its last count was observed {count}");
        desk.found(FindingKind::LevelCounted, spot, message).await?;
    }
    let (held, shortfall) = claim.map_or((0, 0), |claim| (claim.held, claim.shortfall));
    if (held, shortfall) != (totals.reserved, totals.shortfall) {
        let message = format!(
            "reserved {} shortfall {}, but order lines hold {held} and are owed {shortfall}",
            totals.reserved, totals.shortfall
        );
        desk.found(FindingKind::LevelClaims, spot, message).await?;
    }
    Ok(())
}

/// Rows in the order of their levels, read a page at a time.
struct Stream<T> {
    rows: VecDeque<T>,
    last: Option<(LevelKey, i64)>,
    ended: bool,
}

/// A row of a stream.
trait Streamed: Sized {
    /// Its level, and its place among the rows of that level.
    fn place(&self) -> (LevelKey, i64);

    /// The rows after one.
    async fn page(
        conn: &mut Conn<'_>,
        after: Option<(LevelKey, i64)>,
    ) -> Result<Vec<Self>, StoreError>;
}

impl<T: Streamed> Stream<T> {
    const fn new() -> Self {
        Self { rows: VecDeque::new(), last: None, ended: false }
    }

    /// Reads the next page where the last one is used up.
    async fn fill(&mut self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        if self.rows.is_empty() && !self.ended {
            self.rows = T::page(conn, self.last).await?.into();
            self.last = self.rows.back().map(T::place).or(self.last);
            self.ended = self.rows.is_empty();
        }
        Ok(())
    }

    fn key(&self) -> Option<LevelKey> {
        self.rows.front().map(|row| row.place().0)
    }

    /// The next row, if it is of a level.
    fn next_of(&mut self, key: LevelKey) -> Option<T> {
        if self.key() == Some(key) { self.rows.pop_front() } else { None }
    }
}

impl Streamed for LevelRow {
    fn place(&self) -> (LevelKey, i64) {
        (self.key, 0)
    }

    async fn page(
        conn: &mut Conn<'_>,
        after: Option<(LevelKey, i64)>,
    ) -> Result<Vec<Self>, StoreError> {
        audit::levels(conn, after.map(|(key, _)| key), PAGE_MAX).await
    }
}

impl Streamed for ClaimRow {
    fn place(&self) -> (LevelKey, i64) {
        (self.key, 0)
    }

    async fn page(
        conn: &mut Conn<'_>,
        after: Option<(LevelKey, i64)>,
    ) -> Result<Vec<Self>, StoreError> {
        audit::claims(conn, after.map(|(key, _)| key), PAGE_MAX).await
    }
}

impl Streamed for MovementRow {
    fn place(&self) -> (LevelKey, i64) {
        (self.key, self.version)
    }

    async fn page(
        conn: &mut Conn<'_>,
        after: Option<(LevelKey, i64)>,
    ) -> Result<Vec<Self>, StoreError> {
        audit::movements(conn, after, PAGE_MAX).await
    }
}
