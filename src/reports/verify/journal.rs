//! The journal by itself: dense, in order of time, complete.

use super::{Desk, FindingKind, Spot};
use crate::domain::Kind;
use crate::store::StoreError;
use crate::store::audit::{self, EntryRow};

/// Entries a page.
const PAGE_MAX: i64 = 2000;

pub(super) async fn prove(desk: &mut Desk<'_>) -> Result<(), StoreError> {
    let (mut last, mut last_at) = (0, 0);
    loop {
        let entries = audit::entries(&mut desk.conn, last, PAGE_MAX).await?;
        if entries.is_empty() {
            return Ok(());
        }
        desk.verified.entries += desk.advance(entries.len());
        for entry in &entries {
            for (kind, message) in faults(entry, last, last_at) {
                let spot = Spot { order: entry.order, ..Spot::entry(entry.seq) };
                desk.found(kind, spot, message).await?;
            }
            last = entry.seq;
            last_at = last_at.max(entry.at);
        }
    }
}

fn faults(entry: &EntryRow, last: i64, last_at: i64) -> Vec<(FindingKind, String)> {
    let mut faults = Vec::new();
    let mut fault = |kind, message: String| faults.push((kind, message));
    if entry.seq != last + 1 {
        fault(FindingKind::JournalGap, format!("it follows entry {last}"));
    }
    if entry.at < last_at {
        fault(FindingKind::JournalTime, format!("its time {} is before {last_at}", entry.at));
    }
    if entry.effective_at > entry.at {
        let message = format!("it took effect at {}, after {}", entry.effective_at, entry.at);
        fault(FindingKind::JournalEffective, message);
    }
    match Kind::parse(&entry.kind) {
        Some(kind) if kind.is_movement() == entry.is_movement => {}
        Some(_) if entry.is_movement => {
            fault(FindingKind::JournalKind, format!("'{}' moves a level", entry.kind));
        }
        Some(_) => fault(FindingKind::JournalKind, format!("'{}' moves no level", entry.kind)),
        None => fault(FindingKind::JournalKind, format!("'{}' is no kind of entry", entry.kind)),
    }
    for name in &entry.missing {
        fault(FindingKind::JournalReference, format!("its {name} does not exist"));
    }
    if entry.keyed && !entry.key_complete {
        let message = "its idempotency key lacks the account or the hash";
        fault(FindingKind::JournalKey, message.to_owned());
    }
    faults
}
