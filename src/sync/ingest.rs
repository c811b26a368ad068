//! From what came in to the ledger: hints are read again, orders are recorded.
//!
//! Every step may be done twice: an order is an upsert of its state, its lines keep their
//! numbers, and what the channel took off its own number is a state as well. So a crash
//! anywhere is made up for by doing what waits once more.

use std::collections::{BTreeMap, HashSet};

use futures_util::future::join_all;

use super::opened::{Thing, Work};
use super::order::{self, Known};
use super::retry::{ATTEMPTS_MAX, pause};
use super::{Channel, SyncError};
use crate::connectors::{Fetched, Hint, RawOrder, RemoteOrder, Retry};
use crate::domain::{LocationCode, OrderRef, Quantity, Refusal, RemoteId};
use crate::store::inbox::{self, Stored};
use crate::store::listings::KeyedListing;
use crate::store::remote_lines::{self, Deduction, KeyedLine};
use crate::store::{StoreError, listings, locations, order_reads, orders, pushes};
use crate::writer::{Command, WriteError};

/// Things that are dealt with together.
const TOGETHER_MAX: i64 = 64;

/// By how much a channel's clock and days may differ from ours where it shows no old orders.
const MARGIN_MS: i64 = 2 * 24 * 60 * 60 * 1000;

/// What became of one thing that came in.
pub(super) enum Outcome {
    /// It is dealt with; why nothing came of it, where nothing did.
    Done(Option<String>),
    /// It is tried again.
    Later(SyncError),
    /// It is kept for a person.
    Dead(String),
}

/// What else is to be written down with the outcome.
#[derive(Default)]
struct Aside {
    deductions: Vec<Deduction>,
    changed: Vec<(String, String)>,
}

impl Channel {
    /// Deals with everything that waits and is due; how much it was. An error is one of
    /// the channel or the database, which would meet everything else too.
    pub(crate) async fn ingest(&self) -> Result<usize, SyncError> {
        let mut done = 0;
        loop {
            match self.ingest_some().await? {
                0 => return Ok(done),
                some => done += some,
            }
        }
    }

    /// The same for some of it; none where nothing is due.
    pub(crate) async fn ingest_some(&self) -> Result<usize, SyncError> {
        let mut done = 0;
        let now = self.shop.clock.now().as_millis();
        let mut reader = self.shop.db.read().await?;
        let waiting = inbox::pending(&mut reader.conn(), self.id, now, TOGETHER_MAX).await?;
        drop(reader);
        let things = self.open_all(waiting).await;
        match self.deal_with(things, &mut done).await? {
            Some(error) => Err(error),
            None => Ok(done),
        }
    }

    /// Deals with some things, of one order one after another; the first failure that is
    /// not theirs.
    async fn deal_with(
        &self,
        waiting: Vec<Thing>,
        done: &mut usize,
    ) -> Result<Option<SyncError>, SyncError> {
        let mut failed = None;
        let mut left = waiting;
        while !left.is_empty() && failed.is_none() {
            let (mut round, mut orders, mut rest) = (Vec::new(), HashSet::new(), Vec::new());
            for thing in left {
                if thing.order.clone().is_some_and(|order| !orders.insert(order)) {
                    rest.push(thing);
                } else {
                    round.push(thing);
                }
            }
            left = rest;
            let outcomes = join_all(round.iter().map(|thing| self.deal_with_one(thing))).await;
            // Only what was read was read: what is left to a later hint may still fail.
            let read = round.iter().zip(&outcomes).filter(|(thing, (outcome, _))| {
                matches!(thing.work, Work::Hints(_)) && matches!(outcome, Outcome::Done(_))
            });
            let events: Vec<_> = read.filter_map(|(thing, _)| thing.event()).collect();
            let stored = round.into_iter().map(|thing| thing.stored);
            let outcomes: Vec<_> = stored.zip(outcomes).collect();
            *done += outcomes.len();
            failed = self.write_down(outcomes).await?;
            self.read_events.remember(events);
        }
        Ok(failed)
    }

    async fn deal_with_one(&self, thing: &Thing) -> (Outcome, Aside) {
        let mut aside = Aside::default();
        let outcome = match &thing.work {
            Work::Unusable(why) => Outcome::Dead(why.clone()),
            Work::Failed(error) => Outcome::Later(error.clone().into()),
            Work::Nothing(why) => Outcome::Done(Some(why.clone())),
            Work::Order(raw) => self.order(raw, false, &mut aside).await,
            Work::Hints(hints) => self.hints(hints, &mut aside).await,
        };
        (outcome, aside)
    }

    async fn hints(&self, hints: &[Hint], aside: &mut Aside) -> Outcome {
        let mut reason = None;
        for hint in hints {
            let outcome = match hint {
                Hint::Order(id) => self.fetched(id, false, aside).await,
                Hint::Deleted(id) => self.fetched(id, true, aside).await,
                Hint::OrderOf(_) => Outcome::Done(Some("its channel has no orders".to_owned())),
                Hint::Stock(holder) => {
                    let place = holder.location.as_ref().map(ToString::to_string);
                    aside.changed.push((holder.id.to_string(), place.unwrap_or_default()));
                    Outcome::Done(None)
                }
                Hint::Listing(id) => self.listing(id, aside).await,
                Hint::Nothing => Outcome::Done(Some("it says nothing of stock".to_owned())),
            };
            match outcome {
                Outcome::Done(why) => reason = why,
                other => return other,
            }
        }
        Outcome::Done(reason)
    }

    async fn listing(&self, id: &RemoteId, aside: &mut Aside) -> Outcome {
        let found = async {
            let mut reader = self.shop.db.read().await?;
            listings::holders_of(&mut reader.conn(), self.id, id.as_str()).await
        };
        match found.await {
            Ok(holders) => {
                let is_known = !holders.is_empty();
                aside.changed.extend(holders);
                Outcome::Done((!is_known).then(|| format!("the listing {id} is not known here")))
            }
            Err(error) => Outcome::Later(error.into()),
        }
    }

    /// Asks for an order as it is now; one that is not shown is gone, unless the channel may
    /// only not show it any more.
    async fn fetched(&self, id: &RemoteId, is_deleted: bool, aside: &mut Aside) -> Outcome {
        let Some(orders) = self.connector.orders() else {
            return Outcome::Done(Some("its channel has no orders".to_owned()));
        };
        match orders.fetch(id).await {
            Ok(Fetched::Found(raw)) => Box::pin(self.order(&raw, true, aside)).await,
            Ok(Fetched::Gone) if is_deleted => self.gone(id).await,
            Ok(Fetched::Gone) => match self.is_hidden(id).await {
                Ok(true) => Outcome::Done(Some(format!("the order {id} is too old to be shown"))),
                Ok(false) => self.gone(id).await,
                Err(error) => Outcome::Later(error),
            },
            Err(error) => Outcome::Later(error.into()),
        }
    }

    /// Orders that were placed before are shown to few, milliseconds; `None` where all are.
    pub(super) fn shown_from(&self) -> Option<i64> {
        let history = self.connector.capability().orders.as_ref()?.history_max?;
        let history = i64::try_from(history.as_millis()).unwrap_or(i64::MAX);
        let now = self.shop.clock.now().as_millis();
        Some(now.saturating_sub(history).saturating_add(MARGIN_MS))
    }

    /// Whether an order may only be too old to be shown.
    async fn is_hidden(&self, id: &RemoteId) -> Result<bool, SyncError> {
        let (Some(from), Ok(reference)) = (self.shown_from(), order::reference(self.name(), id))
        else {
            return Ok(false);
        };
        let mut reader = self.shop.db.read().await?;
        let placed = order_reads::placed_at(&mut reader.conn(), &reference).await?;
        Ok(placed.is_some_and(|placed| placed < from))
    }

    /// An order the channel has no more: what did not leave will not.
    pub(super) async fn gone(&self, id: &RemoteId) -> Outcome {
        let reference = match order::reference(self.name(), id) {
            Ok(reference) => reference,
            Err(error) => return Outcome::Dead(error.to_string()),
        };
        match self.shop.submit(Command::Cancel(order::cancel(reference)), None).await {
            Ok(_) => Outcome::Done(None),
            Err(WriteError::Refused(Refusal::UnknownOrder { .. })) => {
                Outcome::Done(Some(format!("the order {id} is gone and was never here")))
            }
            Err(WriteError::Refused(refusal)) => Outcome::Done(Some(refusal.to_string())),
            Err(error) => Outcome::Later(error.into()),
        }
    }

    /// Records an order. A state that was listed and is as old as the one here is asked
    /// for again: two changes of one moment have one version.
    async fn order(&self, raw: &RawOrder, is_current: bool, aside: &mut Aside) -> Outcome {
        let Some(orders) = self.connector.orders() else {
            return Outcome::Done(Some("its channel has no orders".to_owned()));
        };
        let remote = match orders.decode(&raw.body) {
            Ok(remote) => remote,
            Err(error) => return Outcome::Dead(error.to_string()),
        };
        let reference = match order::reference(self.name(), &remote.id) {
            Ok(reference) => reference,
            Err(error) => return Outcome::Dead(error.to_string()),
        };
        let known = match self.known(&reference).await {
            Ok(known) => known,
            Err(error) => return Outcome::Later(error),
        };
        let version = order::version(&remote);
        match (&known, version) {
            (Known::At(stored), Some(version)) if version < *stored => {
                return Outcome::Done(Some("a newer state is here".to_owned()));
            }
            (Known::At(stored), Some(version)) if version == *stored && !is_current => {
                return self.fetched(&remote.id, false, aside).await;
            }
            (_, None) if !is_current => return self.fetched(&remote.id, false, aside).await,
            _ => {}
        }
        if matches!(known, Known::No) && !order::concerns_stock(&remote) {
            // It may have taken something all the same that the channel never gives back.
            if let Err(error) = self.taken(&remote, aside).await {
                return Outcome::Later(error);
            }
            return Outcome::Done(Some(format!("nothing is promised yet ({})", remote.status)));
        }
        match self.record(&remote, reference, is_current, aside).await {
            Ok(()) => Outcome::Done(None),
            Err(SyncError::Write(WriteError::Refused(refusal))) => {
                Outcome::Dead(refusal.to_string())
            }
            Err(error) => Outcome::Later(error),
        }
    }

    /// Whether the ledger has an order, and how new it is there.
    pub(super) async fn known(&self, reference: &OrderRef) -> Result<Known, SyncError> {
        let mut reader = self.shop.db.read().await?;
        let version = order_reads::source_version(&mut reader.conn(), reference).await?;
        Ok(match version {
            None => Known::No,
            Some(None) => Known::Unversioned,
            Some(Some(version)) => Known::At(version),
        })
    }

    /// What was taken off the numbers for an order that the ledger need not know.
    async fn taken(&self, remote: &RemoteOrder, aside: &mut Aside) -> Result<(), SyncError> {
        let stock = self.connector.capability().stock.as_ref();
        if order::took_stock(remote, stock) {
            let known = self.listings_of(remote).await?;
            self.numbers_of(remote).await?;
            let taken = order::deductions(remote, &known, stock);
            // No entry of the journal tells of it: the numbers are looked at for that.
            aside.changed.extend(taken.iter().flat_map(|one| one.taken.keys().cloned()));
            aside.deductions.extend(taken);
        }
        Ok(())
    }

    async fn listings_of(&self, remote: &RemoteOrder) -> Result<Vec<KeyedListing>, StoreError> {
        let keys = remote.lines.iter().flat_map(|line| &line.order_keys);
        let keys: Vec<String> = keys.map(ToString::to_string).collect();
        let mut reader = self.shop.db.read().await?;
        listings::by_keys(&mut reader.conn(), self.id, keys).await
    }

    /// The numbers of an order's lines in the ledger, which never change.
    async fn numbers_of(&self, remote: &RemoteOrder) -> Result<BTreeMap<String, i64>, StoreError> {
        let (id, name) = (self.id, remote.id.to_string());
        let lines: Vec<KeyedLine> = remote.lines.iter().map(order::keyed).collect();
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move { remote_lines::number(&mut conn, id, &name, &lines).await })
        });
        written.await
    }

    /// Where an order leaves from, where its place is fed by one location that orders may
    /// use; else the ledger decides.
    async fn location_of(&self, remote: &RemoteOrder) -> Result<Option<LocationCode>, StoreError> {
        let only = order::place(remote).and_then(|place| self.only_location_of(place));
        let Some(code) = only else { return Ok(None) };
        let mut reader = self.shop.db.read().await?;
        let all = locations::all(&mut reader.conn()).await?;
        let found = all.into_iter().find(|one| one.code.as_str() == code && one.serves_orders());
        Ok(found.map(|location| location.code))
    }

    async fn record(
        &self,
        remote: &RemoteOrder,
        reference: OrderRef,
        is_current: bool,
        aside: &mut Aside,
    ) -> Result<(), SyncError> {
        let known = self.listings_of(remote).await?;
        let numbers = self.numbers_of(remote).await?;
        let (location, mirrored) = (self.location_of(remote).await?, self.mirrored().await?);
        let how = order::How { is_current, location, mirrored: mirrored.into_keys().collect() };
        let import = order::import(remote, reference.clone(), how, (&known, &numbers));
        self.shop.submit(Command::Import(import.clone()), None).await?;
        let shipped = self.shipped(remote, &reference).await?;
        for back in order::returns(remote, &import, &numbers, &shipped) {
            match self.shop.submit(Command::Return(back), None).await {
                // It came back here before, by hand or by another name.
                Ok(_) | Err(WriteError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let stock = self.connector.capability().stock.as_ref();
        aside.deductions.extend(order::deductions(remote, &known, stock));
        Ok(())
    }

    /// What has left of each line of an order of which something came back.
    async fn shipped(
        &self,
        remote: &RemoteOrder,
        reference: &OrderRef,
    ) -> Result<BTreeMap<i64, i64>, StoreError> {
        if remote.lines.iter().all(|line| line.restocked == Quantity::ZERO) {
            return Ok(BTreeMap::new());
        }
        let mut reader = self.shop.db.read().await?;
        let mut conn = reader.conn();
        let found = orders::find(&mut conn, std::iter::once(reference)).await?;
        let ids: Vec<_> = found.into_iter().map(|(_, id)| id).collect();
        let all = orders::load(&mut conn, &ids).await?;
        let lines = all.iter().flat_map(|order| &order.lines);
        Ok(lines.map(|line| (line.number, line.counts().shipped)).collect())
    }

    /// Writes down what became of some things; the first failure that is not theirs.
    async fn write_down(
        &self,
        outcomes: Vec<(Stored, (Outcome, Aside))>,
    ) -> Result<Option<SyncError>, SyncError> {
        let (id, now) = (self.id, self.shop.clock.now().as_millis());
        let (mut ends, mut asides, mut failed) = (Vec::new(), Vec::new(), None);
        for (stored, (outcome, aside)) in outcomes {
            asides.push(aside);
            ends.push(match outcome {
                Outcome::Done(reason) => (stored.id, End::Done(reason)),
                Outcome::Dead(reason) => {
                    tracing::error!(
                        channel = self.name(),
                        inbox = stored.id,
                        reason,
                        "something that came in cannot be used: it is kept"
                    );
                    (stored.id, End::Dead(reason))
                }
                Outcome::Later(error)
                    if stored.attempts + 1 >= ATTEMPTS_MAX && is_its_own(&error) =>
                {
                    (stored.id, End::Dead(error.to_string()))
                }
                Outcome::Later(error) => {
                    let wait = pause(stored.attempts + 1, retry_of(&error)).as_millis();
                    let at = now + i64::try_from(wait).unwrap_or(0);
                    let end = End::Later(error.to_string(), at);
                    if !is_its_own(&error) {
                        failed.get_or_insert(error);
                    }
                    (stored.id, end)
                }
            });
        }
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move {
                for aside in &asides {
                    for deduction in &aside.deductions {
                        remote_lines::deduct(&mut conn, id, deduction).await?;
                    }
                    for (holder, place) in &aside.changed {
                        pushes::mark_changed(&mut conn, (id, holder, place)).await?;
                    }
                }
                for (id, end) in ends {
                    match end {
                        End::Done(reason) => inbox::done(&mut conn, id, reason, now).await?,
                        End::Later(why, at) => inbox::later(&mut conn, id, &why, at).await?,
                        End::Dead(reason) => inbox::dead(&mut conn, id, &reason, now).await?,
                    }
                }
                Ok(())
            })
        });
        written.await?;
        Ok(failed)
    }
}

enum End {
    Done(Option<String>),
    Later(String, i64),
    Dead(String),
}

/// Whether a failure is about the thing alone, and not about the channel as a whole.
pub(super) fn is_its_own(error: &SyncError) -> bool {
    use crate::connectors::ErrorKind::{NotFound, Refused, TooLarge, Unreadable};
    match error {
        SyncError::Channel(error) => {
            matches!(error.kind, NotFound(_) | Refused { .. } | TooLarge { .. } | Unreadable(_))
        }
        SyncError::Store(_) | SyncError::GoneAtOnce { .. } | SyncError::Interrupted => false,
        SyncError::Write(error) => !matches!(error, WriteError::Busy | WriteError::Store(_)),
        SyncError::Cannot { .. } => true,
    }
}

/// When the channel says that a step may be tried again.
pub(super) fn retry_of(error: &SyncError) -> Retry {
    match error {
        SyncError::Channel(error) => error.retry,
        _ => Retry::Backoff,
    }
}
