//! The three-way look: what the ledger implies, what the channel last confirmed, and what
//! it shows now.
//!
//! It changes no number. What is to be put right is marked, and the lane does it as it does
//! everything: with the orders read before a number is written over.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::expect::Expected;
use super::target::Targets;
use super::{Channel, SyncError};
use crate::connectors::{Holder, RemoteLevel};
use crate::domain::{Quantity, RemoteQuantity};
use crate::store::drift;
use crate::store::pushes::{self, PushRow};

/// Numbers of the ledger's side that are read at a time.
const PAGE: i64 = 500;
/// Pages of a channel at most.
const PAGES_MAX: usize = 100_000;

/// Why a number is another than the ledger implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It is to be written anyway.
    Pending,
    /// Nobody knows whether its last write was done.
    LostPush,
    /// It was right for all that is known: a sale that did not come in yet, or one that a
    /// write erased.
    MissedOrder,
    /// Nothing explains it.
    ManualEdit,
    /// The channel does not count it.
    Untracked,
    /// The channel has it no more.
    Gone,
    /// It shows no item of ours.
    Unmapped,
    /// No location feeds its place.
    Unfed,
}

impl Cause {
    /// The name in JSON, in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::LostPush => "lost_push",
            Self::MissedOrder => "missed_order",
            Self::ManualEdit => "manual_edit",
            Self::Untracked => "untracked",
            Self::Gone => "gone",
            Self::Unmapped => "unmapped",
            Self::Unfed => "unfed",
        }
    }
}

/// A number that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The channel.
    pub channel: String,
    /// What carries the number there.
    pub holder: String,
    /// The place of it, where the channel has places.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// What the ledger implies.
    pub wanted: Option<i64>,
    /// What the channel last confirmed.
    pub confirmed: Option<i64>,
    /// What it shows; none where that is no number.
    pub shown: Option<i64>,
    /// Why.
    pub cause: Cause,
}

/// What a look at a whole channel found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Numbers of the channel that were looked at.
    pub shown: usize,
    /// Of ours, those that are right.
    pub right: usize,
    /// Those that are not.
    pub differences: Vec<Difference>,
}

/// Compares all numbers of a channel; with `fix` those that differ are looked at by its lane.
pub async fn reconcile(channel: &Channel, fix: bool) -> Result<Reconciled, SyncError> {
    let Some(reads) = channel.connector.stock_read() else {
        let cannot = "shows no numbers";
        return Err(SyncError::Cannot { channel: channel.name().to_owned(), cannot });
    };
    let (mut found, mut seen, mut cursor) = (Reconciled::default(), HashSet::new(), None);
    for page in 0.. {
        if page == PAGES_MAX {
            let cannot = "lists its numbers without an end";
            return Err(SyncError::Cannot { channel: channel.name().to_owned(), cannot });
        }
        let begun_at = channel.shop.clock.now().as_millis();
        let page = reads.read_all(cursor.as_ref()).await?;
        found.shown += page.rows.len();
        compare(channel, (&page.rows, begun_at), &mut found).await?;
        seen.extend(page.rows.iter().map(|level| key(&level.holder)));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    missing(channel, &seen, &mut found).await?;
    record(channel, &found).await?;
    if fix {
        mark(channel, &found.differences).await?;
    }
    Ok(found)
}

fn key(holder: &Holder) -> (String, String) {
    let place = holder.location.as_ref().map(ToString::to_string);
    (holder.id.to_string(), place.unwrap_or_default())
}

/// Compares numbers as they were at a moment or later.
async fn compare(
    channel: &Channel,
    (levels, begun_at): (&[RemoteLevel], i64),
    found: &mut Reconciled,
) -> Result<(), SyncError> {
    let mirrored = channel.mirrored().await?;
    let is_told = |level: &&RemoteLevel| !mirrored.contains_key(&key(&level.holder).1);
    let mut reader = channel.shop.db.read().await?;
    let (mut rows, mut shown) = (Vec::new(), Vec::new());
    for level in levels.iter().filter(is_told) {
        let (holder, place) = key(&level.holder);
        let row = pushes::find(&mut reader.conn(), (channel.id, &holder, &place)).await?;
        match row {
            Some(row) => {
                rows.push(row);
                shown.push(level.quantity);
            }
            None => found.differences.push(Difference {
                channel: channel.name().to_owned(),
                holder,
                place,
                wanted: None,
                confirmed: None,
                shown: level.quantity.and_then(RemoteQuantity::known),
                cause: Cause::Unmapped,
            }),
        }
    }
    drop(reader);
    let Targets { quantities, .. } = channel.targets(&rows).await?;
    for ((row, wanted), shown) in rows.into_iter().zip(quantities).zip(shown) {
        let cause = match wanted {
            // What was confirmed meanwhile is newer than what was read.
            Some(wanted) => cause(&row, wanted, shown).map(|cause| {
                let is_newer = row.known.is_some_and(|known| known.confirmed_at > begun_at);
                if is_newer { Cause::Pending } else { cause }
            }),
            None => Some(Cause::Unfed),
        };
        match cause {
            None => found.right += 1,
            Some(cause) => found.differences.push(Difference {
                channel: channel.name().to_owned(),
                holder: row.holder,
                place: row.place,
                wanted: wanted.map(Quantity::get),
                confirmed: row.known.map(|known| known.baseline),
                shown: shown.and_then(RemoteQuantity::known),
                cause,
            }),
        }
    }
    Ok(())
}

/// Why a number differs; `None` where it does not.
fn cause(row: &PushRow, wanted: Quantity, shown: Option<RemoteQuantity>) -> Option<Cause> {
    let shown = match shown {
        None => return Some(Cause::Gone),
        Some(RemoteQuantity::Known(number)) => number,
        Some(RemoteQuantity::Untracked | RemoteQuantity::Unreadable) => {
            return Some(Cause::Untracked);
        }
    };
    if shown == wanted.get() {
        return None;
    }
    if row.sending.is_some() {
        return Some(Cause::LostPush);
    }
    let explained = row.known.is_some_and(|known| Expected::of(&known, row.flow).has(shown));
    Some(match (row.dirty_seq > row.pushed_seq || row.remote_changed > 0, explained) {
        (true, _) => Cause::Pending,
        (false, true) => Cause::MissedOrder,
        (false, false) => Cause::ManualEdit,
    })
}

/// Ours that the channel did not list.
async fn missing(
    channel: &Channel,
    seen: &HashSet<(String, String)>,
    found: &mut Reconciled,
) -> Result<(), SyncError> {
    let (mut holder, mut place) = (String::new(), String::new());
    loop {
        let mut reader = channel.shop.db.read().await?;
        let rows = pushes::page(&mut reader.conn(), (channel.id, &holder, &place), PAGE).await?;
        drop(reader);
        let Some(last) = rows.last() else { return Ok(()) };
        (holder, place) = (last.holder.clone(), last.place.clone());
        let gone =
            rows.into_iter().filter(|row| !seen.contains(&(row.holder.clone(), row.place.clone())));
        found.differences.extend(gone.map(|row| Difference {
            channel: channel.name().to_owned(),
            holder: row.holder,
            place: row.place,
            wanted: None,
            confirmed: row.known.map(|known| known.baseline),
            shown: None,
            cause: Cause::Gone,
        }));
    }
}

/// Writes down how many are off, by why; what is only to be written is not.
async fn record(channel: &Channel, found: &Reconciled) -> Result<(), SyncError> {
    let mut causes: BTreeMap<&str, i64> = BTreeMap::new();
    for one in found.differences.iter().filter(|one| one.cause != Cause::Pending) {
        *causes.entry(one.cause.as_str()).or_default() += 1;
    }
    let causes: Vec<(String, i64)> =
        causes.into_iter().map(|(cause, count)| (cause.to_owned(), count)).collect();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    // What it shows of items that are not ours agrees with nothing, and differs from nothing.
    let ours = found.differences.iter().filter(|one| one.cause != Cause::Unmapped).count();
    let agreement = (count(found.right + ours), count(found.right));
    let (id, now) = (channel.id, channel.shop.clock.now().as_millis());
    let written = channel.shop.db.write(move |mut conn| {
        Box::pin(async move { drift::compared(&mut conn, id, &causes, agreement, now).await })
    });
    Ok(written.await?)
}

async fn mark(channel: &Channel, differences: &[Difference]) -> Result<(), SyncError> {
    let differing = differences.iter().filter(|one| one.cause != Cause::Unmapped);
    let holders: Vec<(String, String)> =
        differing.map(|one| (one.holder.clone(), one.place.clone())).collect();
    let id = channel.id;
    let written = channel.shop.db.write(move |mut conn| {
        Box::pin(async move {
            for (holder, place) in &holders {
                pushes::mark_changed(&mut conn, (id, holder, place)).await?;
            }
            Ok(())
        })
    });
    Ok(written.await?)
}
