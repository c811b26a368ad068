//! Orders against their lines, their allocations and their movements.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Desk, FindingKind, Spot};
use crate::domain::{Counts, Decision, FulfilledBy, Line, Order, OrderId, Part};
use crate::store::audit::{self, LineRow, OrderRow, Standing, StandingKey};
use crate::store::{self, StoreError};

/// Orders a page.
const PAGE_MAX: i64 = 200;

type Fault = (FindingKind, Spot, String);

pub(super) async fn prove(desk: &mut Desk<'_>) -> Result<(), StoreError> {
    let mut last = 0;
    loop {
        let rows = audit::orders(&mut desk.conn, last, PAGE_MAX).await?;
        let Some(row) = rows.last() else {
            return Ok(());
        };
        last = row.id;
        desk.verified.orders += desk.advance(rows.len());
        for (kind, spot, message) in page(desk, &rows).await? {
            desk.found(kind, spot, message).await?;
        }
    }
}

async fn page(desk: &mut Desk<'_>, rows: &[OrderRow]) -> Result<Vec<Fault>, StoreError> {
    let conn = &mut desk.conn;
    let raw: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let ids: Vec<OrderId> = raw.iter().copied().map(OrderId::new).collect();
    let orders = store::orders::load(conn, &ids).await?;
    let orders: HashMap<i64, &Order> = orders.iter().map(|order| (order.id.get(), order)).collect();
    let mut faults = Vec::new();
    for row in rows {
        if let Some(order) = orders.get(&row.id) {
            check_order(row, order, &mut faults);
        }
    }
    for line in audit::lines(conn, raw.clone()).await? {
        let order = orders.get(&line.order);
        let of = order.and_then(|order| order.lines.iter().find(|one| one.number == line.line));
        if let Some(of) = of {
            check_line(&line, of, &mut faults);
        }
    }
    let beginnings = audit::beginnings(conn, raw.clone()).await?;
    let beginnings: HashMap<i64, _> = beginnings.iter().map(|one| (one.order, one)).collect();
    for id in &raw {
        let message = match beginnings.get(id) {
            Some(one) if one.begins_once() && one.placed == Some(one.first) => continue,
            None => "the journal does not know it".to_owned(),
            Some(one) if one.begins_once() => {
                format!("its first entry is {}, before it was placed", one.first)
            }
            Some(one) => format!("{} entries say that it was placed", one.count),
        };
        faults.push((FindingKind::OrderBeginning, Spot::order(*id), message));
    }
    let stored = audit::allocations(conn, raw.clone()).await?.into_iter().collect();
    let moved = audit::moved(conn, raw).await?.into_iter().collect();
    check_standing(&stored, &moved, &mut faults);
    Ok(faults)
}

fn check_order(row: &OrderRow, order: &Order, faults: &mut Vec<Fault>) {
    let spot = Spot::order(row.id);
    if order.lines.is_empty() {
        faults.push((FindingKind::OrderLines, spot, "it has no lines".to_owned()));
    }
    let sum = order.counts();
    if sum != row.counts {
        let message = format!("{}, but its lines have {}", shown(row.counts), shown(sum));
        faults.push((FindingKind::OrderCounts, spot, message));
    }
    if order.total() != row.total {
        let amount = |total: Option<i64>| total.map_or("none".to_owned(), |sum| sum.to_string());
        let (stored, sum) = (amount(row.total), amount(order.total()));
        let message = format!("its total is {stored}, its lines make {sum}");
        faults.push((FindingKind::OrderTotal, spot, message));
    }
    let undecided = order.decision == Decision::Undecided;
    if undecided != row.waits {
        let message = if undecided { "it waits in no queue" } else { "it waits and is decided" };
        faults.push((FindingKind::OrderQueue, spot, message.to_owned()));
    }
    if order.decision == Decision::Rejected && !row.refused {
        faults.push((FindingKind::OrderQueue, spot, "it does not say why it was refused".into()));
    }
    if order.status().as_str() != row.status {
        let message = format!("it is {}, its lines make it {}", row.status, order.status());
        faults.push((FindingKind::OrderStatus, spot, message));
    }
}

/// One row of a line or a part. The counts of a plain line and of a part are
/// what its allocations and the rest of its row add up to.
fn check_line(row: &LineRow, line: &Line, faults: &mut Vec<Fault>) {
    let spot = Spot::order(row.order).at_line(row.line);
    if row.item_missing {
        faults.push((FindingKind::LineItem, spot, format!("part {}", row.part)));
    }
    let counts = row.counts;
    if !counts.is_sound() || row.expired < 0 || row.expired > counts.cancelled {
        let message = format!("part {}: {}, expired {}", row.part, shown(counts), row.expired);
        faults.push((FindingKind::LineEquation, spot, message));
    }
    if line.bundle && row.part == 0 {
        let of_parts = line.counts();
        if of_parts != counts {
            let message = format!("{}, but its parts make {}", shown(counts), shown(of_parts));
            faults.push((FindingKind::LineParts, spot, message));
        }
    } else if let Some(part) = line.parts.iter().find(|part| part.number == row.part)
        && let Some(message) = misplaced(line, part)
    {
        faults.push((FindingKind::LineAllocations, spot, message));
    }
}

/// What is wrong with where a part's units stand. Units of a line that the
/// channel ships, or whose item nobody knows, stand on no level. Of a line that
/// was mapped late, what had left before stands on none either.
fn misplaced(line: &Line, part: &Part) -> Option<String> {
    let on_levels = line.fulfilled_by == FulfilledBy::Ledger && part.item.is_some();
    let loose = part.loose;
    if on_levels && (loose.held != 0 || loose.shortfall != 0 || loose.shipped < 0) {
        return Some(format!(
            "part {}: held {}, shipped {}, owed {} beyond what its allocations say",
            part.number, loose.held, loose.shipped, loose.shortfall
        ));
    }
    let stands = |one: &crate::domain::Allocation| one.held + one.shipped + one.shortfall != 0;
    if !on_levels && part.allocations.iter().any(stands) {
        return Some(format!("part {}: its units stand on a level", part.number));
    }
    None
}

/// Allocations against the movements that made them.
fn check_standing(
    stored: &BTreeMap<StandingKey, Standing>,
    moved: &BTreeMap<StandingKey, Standing>,
    faults: &mut Vec<Fault>,
) {
    let keys: BTreeSet<&StandingKey> = stored.keys().chain(moved.keys()).collect();
    for key in keys {
        let (order, line, part, location, item) = *key;
        let is = stored.get(key).copied().unwrap_or_default();
        let was = moved.get(key).copied().unwrap_or_default();
        if is != was {
            let spot = Spot { item: Some(item), location: Some(location), ..Spot::order(order) };
            let message = format!(
                "part {part}: held {}, shipped {}, owed {}, but its movements leave {}, {}, {}",
                is.held, is.shipped, is.shortfall, was.held, was.shipped, was.shortfall
            );
            faults.push((FindingKind::AllocationMovements, spot.at_line(line), message));
        }
    }
}

fn shown(counts: Counts) -> String {
    let Counts { ordered, held, shipped, shortfall, cancelled, returned } = counts;
    format!(
        "ordered {ordered} held {held} shipped {shipped} shortfall {shortfall} cancelled {cancelled} returned {returned}"
    )
}
