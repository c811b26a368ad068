//! A number is written so that no sale is lost.
//!
//! It is read first. What is explained is written over; for what is not, the channel's
//! orders are read, and only what stays unexplained was somebody's hand (semantics: "how a
//! number is written safely"). Before a write is sent it is committed that it may be under
//! way; one without an answer is looked for before anything is written again.

use std::sync::Arc;

use super::daily::{self, Daily};
use super::expect::Expected;
use super::judge::{Verdict, Wanted, key};
use super::retry::{ATTEMPTS_MAX, pause};
use super::target::Targets;
use super::{Lane, SyncError};
use crate::clock::Timestamp;
use crate::connectors::{
    ChannelError, Grouping, Holder, Retry, StockOutcome, StockTarget, StockWrite, Urgency,
    WRITE_MAX,
};
use crate::domain::{Quantity, RemoteId, RemoteQuantity, Seq};
use crate::store::pushes::{self, PushRow, Sending};
use crate::store::{self, StoreError, sold};

/// Numbers that are looked at for the next call: those that go to zero come first, then
/// those that changed by themselves, then what a file or a rule changed (R73).
const CANDIDATES: i64 = 500;
/// The same beside a few that are urgent: their call is a short one, and they wait for it.
const BESIDE: i64 = 100;
/// Numbers of one call where a few are urgent or few wait: what sells is written soon, and a
/// bulk goes on beside it.
const FEW: usize = 25;
/// How long a write may be under way, milliseconds: the client gives up before.
const SENDING_MS: i64 = 22_000;
const _: () = assert!(SENDING_MS as u128 > WRITE_MAX.as_millis(), "a write may outlive its lease");
/// Writes of a number in a row that found something else there: then it waits as after
/// other failures.
const STALE_MAX: i64 = 5;
/// A number that is left to a person is looked at once more after this, milliseconds.
const LEFT_MS: i64 = 24 * 60 * 60 * 1000;

impl Lane {
    /// Brings some numbers to what they should be; how many were looked at.
    pub(super) async fn push_some(&mut self) -> Result<usize, SyncError> {
        let connector = Arc::clone(&self.channel.connector);
        let (Some(writes), Some(_)) = (connector.stock_write(), connector.stock_read()) else {
            return Ok(0);
        };
        let Some((wanted, seq)) = self.choose(writes).await? else {
            return Ok(0);
        };
        let count = wanted.len();
        let read = self.read(&wanted).await?;
        let mut batch = Batch::default();
        let mut doubtful = Vec::new();
        for (mut wanted, number) in wanted.into_iter().zip(read) {
            match self.judge(&mut wanted, number) {
                Verdict::Unexplained(number) => doubtful.push((wanted, number)),
                verdict => {
                    // What was in doubt is no more: the next doubt begins anew.
                    self.doubts.remove(&key(&wanted.row));
                    self.take(&mut batch, wanted, verdict, seq);
                }
            }
        }
        if !doubtful.is_empty() {
            // The orders are read now, and the others were computed before: they are next. What
            // is known of them is written down before more is.
            batch.writes.clear();
            self.save(std::mem::take(&mut batch)).await?;
            self.second_look(doubtful, &mut batch).await?;
        }
        self.finish(writes, batch).await?;
        Ok(count)
    }

    /// The next numbers that may go together, those that go to zero first.
    async fn choose(
        &self,
        writes: &dyn StockWrite,
    ) -> Result<Option<(Vec<Wanted>, i64)>, SyncError> {
        let now = self.now().as_millis();
        let mut reader = self.channel.shop.db.read().await?;
        let (id, mut conn) = (self.channel.id, reader.conn());
        let mut rows = pushes::due_urgent(&mut conn, id, now, CANDIDATES).await?;
        let is_small = (1..=FEW).contains(&rows.len());
        if rows.len() < FEW {
            let limit = if is_small { BESIDE } else { CANDIDATES };
            rows.extend(pushes::due(&mut conn, id, now, limit).await?);
        }
        drop(reader);
        rows.retain(|row| !self.rests(&row.holder, &row.place));
        if rows.is_empty() {
            return Ok(None);
        }
        let Targets { seq, quantities } =
            self.channel.targets(rows.iter().map(PushRow::number)).await?;
        let mut wanted = self.fed(rows, quantities).await?;
        wanted.sort_by_key(|one| {
            (is_only_looked_at(&one.row), one.target != Quantity::ZERO, !one.row.is_urgent)
        });
        let capability = self.channel.connector.capability();
        let (Some(rules), Some(stock)) = (&capability.write, &capability.stock) else {
            return Ok(None);
        };
        let most = rules.targets_max.min(stock.read_max);
        let most = if is_small || wanted.len() <= FEW { most.min(FEW) } else { most };
        if rules.grouping == Grouping::PerGroup
            && let Some(first) = wanted.first().map(|one| writes.group_of(&holder(&one.row)))
        {
            wanted.retain(|one| writes.group_of(&holder(&one.row)) == first);
        }
        wanted.truncate(most);
        Ok(Some((wanted, seq)))
    }

    /// Of numbers those that something feeds: the others are left as they are, and told.
    pub(super) async fn fed(
        &self,
        rows: Vec<PushRow>,
        quantities: Vec<Option<Quantity>>,
    ) -> Result<Vec<Wanted>, StoreError> {
        let (mut wanted, mut batch) = (Vec::new(), Batch::default());
        for (mut row, target) in rows.into_iter().zip(quantities) {
            if let Some(target) = target {
                wanted.push(Wanted { row, target, compare: None, is_settled: false });
                continue;
            }
            let why =
                format!("no location feeds the place {}: [channel.places] says so", row.place);
            self.fail(&mut row, why);
            batch.waiting.push(row);
        }
        if !batch.waiting.is_empty() {
            self.save(batch).await?;
        }
        Ok(wanted)
    }

    pub(super) async fn read(
        &self,
        wanted: &[Wanted],
    ) -> Result<Vec<Option<RemoteQuantity>>, SyncError> {
        let Some(reads) = self.channel.connector.stock_read() else { return Ok(Vec::new()) };
        let holders: Vec<Holder> = wanted.iter().map(|one| holder(&one.row)).collect();
        let levels = reads.read(&holders, urgency(wanted)).await?;
        Ok(levels.into_iter().map(|level| level.quantity).collect())
    }

    /// Sorts a number by what is to be done.
    pub(super) fn take(&self, batch: &mut Batch, wanted: Wanted, verdict: Verdict, seq: i64) {
        let Wanted { mut row, target, compare, is_settled } = wanted;
        match verdict {
            Verdict::Right => {
                (row.pushed_seq, row.attempts, row.problem) = (seq, 0, None);
                row.retry_at = 0;
                batch.saved.push(row);
            }
            Verdict::Write | Verdict::Unexplained(_) => {
                batch.writes.push(Write { row, target, seq, compare, is_settled });
            }
            Verdict::Again => {}
            Verdict::Later(at) => {
                // It did not fail: whatever changes it next has it looked at again.
                (row.attempts, row.retry_at) = (0, at);
                batch.waiting.push(row);
            }
            Verdict::Wait => {
                row.retry_at = row.sending.map_or(0, |sending| sending.until);
                batch.waiting.push(row);
            }
            Verdict::NoNumber(why) => {
                // It is not written over, and not asked for again all the time.
                self.fail(&mut row, why.to_owned());
                batch.waiting.push(row);
            }
        }
    }

    /// One more failure of a number; after many it is left to a person.
    fn fail(&self, row: &mut PushRow, why: String) {
        row.attempts += 1;
        let now = self.now().as_millis();
        let wait = pause(row.attempts, Retry::Backoff).as_millis();
        let wait = i64::try_from(wait).unwrap_or(LEFT_MS);
        row.retry_at = now + if row.attempts >= ATTEMPTS_MAX { LEFT_MS } else { wait };
        row.problem = Some(why);
    }

    /// How many changes of a number the channel takes in a day, where that is limited.
    fn daily(&self) -> Option<Daily> {
        self.channel.connector.capability().write.as_ref().and_then(Daily::of)
    }

    /// Whether a number may be written at this time of the day.
    pub(super) fn may_write(&self, wanted: &Wanted) -> bool {
        let may = |daily: Daily| daily.may_write(&wanted.row, wanted.target, self.now()).is_ok();
        self.daily().is_none_or(may)
    }

    /// Leaves out what the channel takes no more today, until it does.
    fn hold_back(&self, batch: &mut Batch) {
        let Some(daily) = self.daily() else { return };
        for mut write in std::mem::take(&mut batch.writes) {
            match daily.may_write(&write.row, write.target, self.now()) {
                Ok(()) => batch.writes.push(write),
                Err(at) => {
                    // It did not fail: whatever changes it next has it looked at again.
                    (write.row.attempts, write.row.retry_at) = (0, at);
                    batch.waiting.push(write.row);
                }
            }
        }
    }

    async fn finish(&mut self, writes: &dyn StockWrite, mut batch: Batch) -> Result<(), SyncError> {
        self.hold_back(&mut batch);
        if batch.writes.is_empty() {
            return Ok(self.save(batch).await?);
        }
        if !self.turn.is_ours_for(SENDING_MS).await? {
            // Another node may have the channel before the answer comes.
            batch.writes.clear();
            return Ok(self.save(batch).await?);
        }
        let until = self.now().as_millis() + SENDING_MS;
        for Write { row, target, seq, .. } in &mut batch.writes {
            daily::count(row, self.now());
            row.sending =
                Some(Sending { quantity: target.get(), from: row.flow, seq: *seq, until });
        }
        let sent = std::mem::take(&mut batch.writes);
        batch.waiting.extend(sent.iter().map(|one| one.row.clone()));
        self.save(batch).await?;

        let targets: Vec<StockTarget> =
            sent.iter().map(|one| stock_target(one, self.now())).collect();
        let is_urgent = targets.iter().any(|target| target.quantity == Quantity::ZERO);
        let urgency = if is_urgent { Urgency::Urgent } else { Urgency::Ordinary };
        let answer = writes.write(&targets, urgency).await;
        if !self.turn.is_ours().await? {
            // It took too long: whoever has the channel now did not know of this write.
            self.mark_changed(&sent).await?;
            return Ok(());
        }
        let Answered { batch, written, is_stale, failure } = self.answered(sent, answer);
        // What is stored is written down first, and counts as done only when every order
        // is in that may be in the numbers: a crash between finds them dirty still. Where
        // writes are compared no order can be in them; where one was refused for what was
        // there, an order is the first thing to look for.
        let unsure = !written.is_empty() && !self.compares();
        self.save(batch).await?;
        if unsure || is_stale {
            self.catch_up().await?;
        }
        if !written.is_empty() {
            self.acknowledge(written).await?;
        }
        failure.map_or(Ok(()), Err)
    }

    async fn mark_changed(&self, sent: &[Write]) -> Result<(), StoreError> {
        let rows: Vec<PushRow> = sent.iter().map(|one| one.row.clone()).collect();
        let written = self.channel.shop.db.write(move |mut conn| {
            Box::pin(async move {
                for row in &rows {
                    let at = (row.channel_id, row.holder.as_str(), row.place.as_str());
                    pushes::mark_changed(&mut conn, at).await?;
                }
                Ok(())
            })
        });
        written.await
    }

    async fn acknowledge(&self, rows: Vec<(PushRow, i64)>) -> Result<(), StoreError> {
        let now = self.now().as_millis();
        let settled = rows.len();
        let written = self.channel.shop.db.write(move |mut conn| {
            Box::pin(async move {
                let waited = sold::acknowledged(&mut conn, &rows, now).await?;
                pushes::acknowledge(&mut conn, &rows).await?;
                Ok(waited)
            })
        });
        self.count(settled, &written.await?);
        Ok(())
    }

    /// So many numbers are right now, and sales reached the channel so many milliseconds
    /// after their commit.
    fn count(&self, settled: usize, waited: &[i64]) {
        self.channel.shop.counters.settled(self.channel.name(), settled);
        for millis in waited {
            self.channel.shop.counters.reached(self.channel.name(), *millis);
        }
    }

    /// What an answer says of each number that was sent.
    fn answered(
        &self,
        sent: Vec<Write>,
        answer: Result<Vec<StockOutcome>, ChannelError>,
    ) -> Answered {
        let mut answered = Answered::default();
        let outcomes = match answer {
            Ok(outcomes) => outcomes,
            Err(error) => {
                for Write { mut row, .. } in sent {
                    if error.is_unknown() {
                        self.fail(&mut row, error.to_string());
                    } else {
                        // It is the channel's failure: the lane waits, not the number.
                        row.sending = None;
                        daily::take_back(&mut row);
                    }
                    answered.batch.waiting.push(row);
                }
                answered.failure = Some(error.into());
                return answered;
            }
        };
        let unknown = std::iter::repeat(StockOutcome::Unknown);
        for (Write { mut row, target, seq, is_settled, .. }, outcome) in
            sent.into_iter().zip(outcomes.into_iter().chain(unknown))
        {
            match outcome {
                StockOutcome::Stored(RemoteQuantity::Known(number)) => {
                    row.sending = None;
                    row.known = Some(self.written(&row, number, is_settled));
                    row.seen_at = row.known.map(|known| known.confirmed_at);
                    if number == target.get() {
                        (row.attempts, row.retry_at, row.problem) = (0, 0, None);
                        answered.written.push((row.clone(), seq));
                    } else {
                        let why = format!("{number} is stored, and {target} was asked for");
                        self.fail(&mut row, why);
                    }
                }
                StockOutcome::Stored(other) => {
                    row.sending = None;
                    self.fail(&mut row, format!("what is stored is {other}"));
                }
                StockOutcome::Refused { code, detail } => {
                    row.sending = None;
                    daily::take_back(&mut row);
                    self.fail(&mut row, format!("{detail} ({code})"));
                }
                StockOutcome::NotWritten => {
                    row.sending = None;
                    daily::take_back(&mut row);
                }
                StockOutcome::Stale { .. } => {
                    row.sending = None;
                    daily::take_back(&mut row);
                    answered.is_stale = true;
                    if row.attempts < STALE_MAX {
                        (row.attempts, row.retry_at) = (row.attempts + 1, 0);
                    } else {
                        self.fail(&mut row, "another number is there each time".to_owned());
                    }
                }
                // What is stored has to be read: at once, it is looked for there.
                StockOutcome::Taken => row.retry_at = 0,
                StockOutcome::Accepted(_) | StockOutcome::Unknown => {
                    self.fail(&mut row, "nobody knows whether it was written".to_owned());
                }
            }
            answered.batch.waiting.push(row);
        }
        answered
    }

    async fn save(&self, batch: Batch) -> Result<(), StoreError> {
        let now = self.now().as_millis();
        let Batch { saved, waiting, drifts, .. } = batch;
        let settled = saved.len();
        let written = self.channel.shop.db.write(move |mut conn| {
            Box::pin(async move {
                let right: Vec<_> = saved.iter().map(|row| (row.clone(), row.pushed_seq)).collect();
                let waited = sold::acknowledged(&mut conn, &right, now).await?;
                pushes::save(&mut conn, &saved, &waiting).await?;
                if !drifts.is_empty() {
                    store::journal::append_aside(&mut conn, &drifts, now).await?;
                }
                Ok(waited)
            })
        });
        self.count(settled, &written.await?);
        Ok(())
    }
}

/// A number that is to be written.
#[derive(Clone, Debug)]
struct Write {
    row: PushRow,
    target: Quantity,
    /// The newest entry of the journal that is in it.
    seq: i64,
    /// What is to be there before, where the channel compares.
    compare: Option<i64>,
    is_settled: bool,
}

/// Numbers by what became of them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Known to be right.
    saved: Vec<PushRow>,
    /// Not right yet, or nobody knows.
    waiting: Vec<PushRow>,
    /// To be written.
    writes: Vec<Write>,
    /// What nothing explained.
    pub(super) drifts: Vec<crate::domain::Entry>,
}

/// What an answer says.
#[derive(Debug, Default)]
struct Answered {
    batch: Batch,
    /// Stored as it was asked for, up to an entry.
    written: Vec<(PushRow, i64)>,
    /// Something else was there than expected.
    is_stale: bool,
    /// A failure of the whole call.
    failure: Option<SyncError>,
}

fn holder(row: &PushRow) -> Holder {
    let text = |text: &str| RemoteId::new(text).ok();
    let id = text(&row.holder).unwrap_or_else(|| RemoteId::of_numbers(&[]));
    Holder { id, location: text(&row.place) }
}

/// Whether nothing says that it changed: it is looked at in turn.
const fn is_only_looked_at(row: &PushRow) -> bool {
    row.dirty_seq <= row.pushed_seq && !row.is_urgent
}

fn urgency(wanted: &[Wanted]) -> Urgency {
    let is_sold_out = |one: &Wanted| one.target == Quantity::ZERO && !is_only_looked_at(&one.row);
    let is_urgent = wanted.iter().any(is_sold_out);
    if is_urgent { Urgency::Urgent } else { Urgency::Ordinary }
}

fn stock_target(write: &Write, now: Timestamp) -> StockTarget {
    let Write { row, target: quantity, seq, compare, .. } = write;
    let expected = row.known.map(|known| Expected::of(&known, row.flow));
    let expected = expected.filter(|one| one.is_exact()).map(|one| one.high);
    StockTarget {
        holder: holder(row),
        quantity: *quantity,
        expected: compare.or(expected),
        known_until: now,
        basis_seq: Seq::new(*seq),
        key: format!("{}:{}:{}:{seq}:{}", row.channel_id, row.holder, row.place, quantity.get()),
    }
}
