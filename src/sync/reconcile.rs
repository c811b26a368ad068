//! The three-way look: what the ledger implies, what the channel last confirmed, and what
//! it shows now.
//!
//! It changes no number. What is to be put right is marked, and the lane does it as it does
//! everything: with the orders read before a number is written over.
//!
//! A channel may show a million numbers: they are compared page by page, while the next page
//! is read, and what is kept of each is a hash of its name.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;

use serde::Serialize;

use super::expect::Expected;
use super::target::Targets;
use super::{Channel, SyncError};
use crate::connectors::{Cursor, Holder, Page, RemoteLevel, StockRead};
use crate::domain::{Location, Quantity, RemoteQuantity};
use crate::store::drift;
use crate::store::push_looks::{self, Name, Number};
use crate::store::pushes::PushRow;

/// Numbers of the ledger's side that are read at a time.
const PAGE: i64 = 500;
/// Numbers that are compared at a time, from as many pages as that takes.
const TOGETHER: usize = 1000;
/// How often some pages of a channel are read at most.
const READS_MAX: usize = 100_000;

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

/// How a whole channel is looked at.
#[derive(Clone, Copy)]
pub struct Look<'l> {
    /// Whether its lane is to look at the numbers that differ.
    pub fix: bool,
    /// How many differences are kept; all of them are counted.
    pub keep: usize,
    /// Told after each page how many numbers were looked at; [`ControlFlow::Break`] stops.
    pub watch: &'l (dyn Fn(usize) -> ControlFlow<()> + Sync),
}

impl std::fmt::Debug for Look<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { fix, keep, watch: _ } = self;
        formatter.debug_struct("Look").field("fix", fix).field("keep", keep).finish()
    }
}

impl Look<'_> {
    /// Only looks, and keeps all differences.
    pub const fn only() -> Self {
        Self { fix: false, keep: usize::MAX, watch: &|_| ControlFlow::Continue(()) }
    }

    /// Has put right what differs, and keeps all differences.
    pub const fn fixing() -> Self {
        Self { fix: true, ..Self::only() }
    }
}

/// What a look at a whole channel found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Numbers of the channel that were looked at.
    pub shown: usize,
    /// Of ours, those that are right.
    pub right: usize,
    /// Those that are not, by why.
    pub causes: BTreeMap<Cause, usize>,
    /// The same one by one, as far as they are kept.
    pub differences: Vec<Difference>,
}

impl Reconciled {
    /// Numbers of ours that are not right. What a channel shows of items that are not ours
    /// agrees with nothing, and differs from nothing.
    pub fn off(&self) -> usize {
        let ours = self.causes.iter().filter(|(cause, _)| **cause != Cause::Unmapped);
        ours.map(|(_, count)| count).sum()
    }
}

/// Compares all numbers of a channel.
pub async fn reconcile(channel: &Channel, look: Look<'_>) -> Result<Reconciled, SyncError> {
    let Some(reads) = channel.connector.stock_read() else {
        let cannot = "shows no numbers";
        return Err(SyncError::Cannot { channel: channel.name().to_owned(), cannot });
    };
    let mirrored = channel.mirrored().await?;
    let mut run =
        Run { channel, look, mirrored, listed: Listed::default(), found: Reconciled::default() };
    let mut read = run.read(reads, None).await?;
    for _ in 0..READS_MAX {
        let after = read.next.take();
        let next = async {
            match &after {
                Some(_) => run.read(reads, after.as_ref()).await.map(Some),
                None => Ok(None),
            }
        };
        // The next are read while these are compared.
        let (compared, next) = tokio::join!(run.compare(&read), next);
        let compared = compared?;
        run.found.shown += read.rows.len();
        run.take(compared).await?;
        if (look.watch)(run.found.shown).is_break() {
            return Err(SyncError::Interrupted);
        }
        let Some(next) = next? else {
            run.missing().await?;
            record(channel, &run.found).await?;
            return Ok(run.found);
        };
        read = next;
    }
    let cannot = "lists its numbers without an end";
    Err(SyncError::Cannot { channel: channel.name().to_owned(), cannot })
}

fn key(holder: &Holder) -> Name {
    let place = holder.location.as_ref().map(ToString::to_string);
    (holder.id.to_string(), place.unwrap_or_default())
}

/// Names of ours that a channel listed, as keyed hashes: of a million names two have one hash
/// once in some ten million looks, and another key is drawn for the next.
#[derive(Debug, Default)]
struct Listed {
    state: RandomState,
    hashes: Vec<u64>,
}

impl Listed {
    fn hash(&self, name: &Name) -> u64 {
        self.state.hash_one(name)
    }

    /// How many there are, once all of them are; only then they are found.
    fn count(&mut self) -> usize {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.hashes.len()
    }

    fn has(&self, name: &Name) -> bool {
        self.hashes.binary_search(&self.hash(name)).is_ok()
    }
}

/// Numbers of some pages of a channel, and when the first was asked for, UTC milliseconds.
struct Read {
    begun_at: i64,
    rows: Vec<RemoteLevel>,
    next: Option<Cursor>,
}

/// A number of ours that is not known to be right, with what is wanted and what is shown.
type Off = (Name, Option<Quantity>, Option<RemoteQuantity>);

/// What came of a page.
#[derive(Default)]
struct Compared {
    /// Names of ours that were listed, as hashes.
    listed: Vec<u64>,
    right: usize,
    differences: Vec<Difference>,
}

/// A look under way.
struct Run<'r> {
    channel: &'r Channel,
    look: Look<'r>,
    /// Places whose numbers are not ours to tell.
    mirrored: BTreeMap<String, Location>,
    listed: Listed,
    found: Reconciled,
}

impl Run<'_> {
    async fn read(&self, reads: &dyn StockRead, after: Option<&Cursor>) -> Result<Read, SyncError> {
        let begun_at = self.channel.shop.clock.now().as_millis();
        let Page { mut rows, mut next } = reads.read_all(after).await?;
        let mut pages = 1;
        while let Some(cursor) = next.take_if(|_| rows.len() < TOGETHER && pages < TOGETHER) {
            let more = reads.read_all(Some(&cursor)).await?;
            rows.extend(more.rows);
            (next, pages) = (more.next, pages + 1);
        }
        Ok(Read { begun_at, rows, next })
    }

    /// Compares numbers as they were when they were asked for, or later.
    async fn compare(&self, Read { begun_at, rows, .. }: &Read) -> Result<Compared, SyncError> {
        let levels = rows.iter().map(|level| (key(&level.holder), level.quantity));
        let levels = levels.filter(|((_, place), _)| !self.mirrored.contains_key(place));
        let (names, shown): (Vec<Name>, Vec<_>) = levels.unzip();
        let mut reader = self.channel.shop.db.read().await?;
        let ours = push_looks::items_of(&mut reader.conn(), self.channel.id, &names).await?;
        drop(reader);
        let Targets { quantities, .. } =
            self.channel.targets(ours.iter().map(Number::from)).await?;
        let listed = ours.iter().map(|(name, _)| self.listed.hash(name)).collect();
        let wanted: HashMap<Name, Option<Quantity>> =
            ours.into_iter().map(|(name, _)| name).zip(quantities).collect();
        let mut compared = Compared { listed, ..Compared::default() };
        let (mut off, mut differing) = (Vec::new(), Vec::new());
        for (at, (name, shown)) in names.into_iter().zip(shown).enumerate() {
            let is_shown = |wanted: Quantity| shown == Some(RemoteQuantity::Known(wanted.get()));
            match wanted.get(&name) {
                Some(wanted) if wanted.is_some_and(is_shown) => compared.right += 1,
                Some(&wanted) => off.push((at, (name, wanted, shown))),
                None => {
                    let shown = shown.and_then(RemoteQuantity::known);
                    let numbers = (None, None, shown);
                    differing.push((at, self.difference(name, numbers, Cause::Unmapped)));
                }
            }
        }
        let (places, off): (Vec<usize>, Vec<Off>) = off.into_iter().unzip();
        differing.extend(places.into_iter().zip(self.explained(*begun_at, off).await?));
        // They are told in the order in which the channel lists them.
        differing.sort_unstable_by_key(|(at, _)| *at);
        compared.differences = differing.into_iter().map(|(_, difference)| difference).collect();
        Ok(compared)
    }

    /// Why numbers of ours differ. What was confirmed meanwhile, or is to be written since, is
    /// newer than what was read of the channel.
    async fn explained(&self, begun_at: i64, off: Vec<Off>) -> Result<Vec<Difference>, SyncError> {
        if off.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<Name> = off.iter().map(|(name, ..)| name.clone()).collect();
        let mut reader = self.channel.shop.db.read().await?;
        let rows = push_looks::find_many(&mut reader.conn(), self.channel.id, &names).await?;
        let known: HashMap<Name, PushRow> =
            rows.into_iter().map(|row| ((row.holder.clone(), row.place.clone()), row)).collect();
        let difference = |(name, wanted, shown): Off| {
            let row = known.get(&name);
            let cause = match (row, wanted) {
                (Some(row), Some(_)) => cause(row, shown, begun_at),
                (Some(_), None) => Cause::Unfed,
                // It was let go meanwhile.
                (None, _) => Cause::Unmapped,
            };
            let confirmed = row.and_then(|row| row.known).map(|known| known.baseline);
            let shown = shown.and_then(RemoteQuantity::known);
            let wanted = row.and(wanted).map(Quantity::get);
            self.difference(name, (wanted, confirmed, shown), cause)
        };
        Ok(off.into_iter().map(difference).collect())
    }

    fn difference(
        &self,
        (holder, place): Name,
        (wanted, confirmed, shown): (Option<i64>, Option<i64>, Option<i64>),
        cause: Cause,
    ) -> Difference {
        let channel = self.channel.name().to_owned();
        Difference { channel, holder, place, wanted, confirmed, shown, cause }
    }

    /// Counts what was found, keeps of it what is to be kept, and marks what is to be fixed.
    async fn take(&mut self, compared: Compared) -> Result<(), SyncError> {
        self.listed.hashes.extend(compared.listed);
        self.found.right += compared.right;
        for one in &compared.differences {
            *self.found.causes.entry(one.cause).or_default() += 1;
        }
        if self.look.fix {
            mark(self.channel, &compared.differences).await?;
        }
        let room = self.look.keep.saturating_sub(self.found.differences.len());
        self.found.differences.extend(compared.differences.into_iter().take(room));
        Ok(())
    }

    /// Finds those of ours that the channel did not list.
    async fn missing(&mut self) -> Result<(), SyncError> {
        let mut reader = self.channel.shop.db.read().await?;
        let ours = push_looks::count(&mut reader.conn(), self.channel.id).await?;
        drop(reader);
        if usize::try_from(ours).is_ok_and(|ours| ours == self.listed.count()) {
            return Ok(());
        }
        let mut last = (String::new(), String::new());
        loop {
            let mut reader = self.channel.shop.db.read().await?;
            let at = (self.channel.id, last.0.as_str(), last.1.as_str());
            let names = push_looks::confirmed(&mut reader.conn(), at, PAGE).await?;
            drop(reader);
            let Some((name, _)) = names.last() else { return Ok(()) };
            last = name.clone();
            let mut gone = Compared::default();
            for (name, confirmed) in names {
                if !self.listed.has(&name) {
                    let difference = self.difference(name, (None, confirmed, None), Cause::Gone);
                    gone.differences.push(difference);
                }
            }
            self.take(gone).await?;
        }
    }
}

/// Why a number differs from what is wanted, as it was shown at `begun_at` or later.
fn cause(row: &PushRow, shown: Option<RemoteQuantity>, begun_at: i64) -> Cause {
    let confirmed_at = row.known.map(|known| known.confirmed_at);
    if confirmed_at.max(row.seen_at) > Some(begun_at) {
        return Cause::Pending;
    }
    let shown = match shown {
        None => return Cause::Gone,
        Some(RemoteQuantity::Known(number)) => number,
        Some(RemoteQuantity::Untracked | RemoteQuantity::Unreadable) => return Cause::Untracked,
    };
    if row.sending.is_some() {
        return Cause::LostPush;
    }
    let explained = row.known.is_some_and(|known| Expected::of(&known, row.flow).has(shown));
    match (row.dirty_seq > row.pushed_seq || row.remote_changed > 0, explained) {
        (true, _) => Cause::Pending,
        (false, true) => Cause::MissedOrder,
        (false, false) => Cause::ManualEdit,
    }
}

/// Writes down how many are off, by why; what is only to be written is not.
async fn record(channel: &Channel, found: &Reconciled) -> Result<(), SyncError> {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let causes = found.causes.iter().filter(|(cause, _)| **cause != Cause::Pending);
    let causes: Vec<(String, i64)> =
        causes.map(|(cause, &all)| (cause.as_str().to_owned(), count(all))).collect();
    let agreement = (count(found.right + found.off()), count(found.right));
    let (id, now) = (channel.id, channel.shop.clock.now().as_millis());
    let written = channel.shop.db.write(move |mut conn| {
        Box::pin(async move { drift::compared(&mut conn, id, &causes, agreement, now).await })
    });
    Ok(written.await?)
}

async fn mark(channel: &Channel, differences: &[Difference]) -> Result<(), SyncError> {
    let differing = differences.iter().filter(|one| one.cause != Cause::Unmapped);
    let names: Vec<Name> = differing.map(|one| (one.holder.clone(), one.place.clone())).collect();
    if names.is_empty() {
        return Ok(());
    }
    let id = channel.id;
    let written = channel.shop.db.write(move |mut conn| {
        Box::pin(async move { push_looks::mark_differing(&mut conn, id, &names).await })
    });
    Ok(written.await?)
}
