//! One batch: load under lock, decide, write, commit, answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::added;
use super::command::{Answer, Detail, LeftOrder, WriteError};
use super::decide::{Decision, Verdict, decide_all, seq_of};
use super::load::{LoadSet, Loaded, load, missing_levels};
use super::{Begun, Injected, Job, Step, Tools};
use crate::domain::{ItemId, LevelKey};
use crate::ledger::{Added, Need, OrderSlot, Policy, Working};
use crate::orders::Ended;
use crate::store::{self, Conn, StoreError, WriteTx};

/// How often a batch is done again for transactions in its way.
const REDO_MAX: u32 = 64;
/// How often a batch is done again for rows it turned out to need. Each time asks
/// for some that were not asked for before, and for all that can be known.
const NEED_MAX: u32 = 1024;
/// How often a unique key that is taken is tried again. Whoever was first has
/// committed, so the first repetition finds a replay or a refusal.
const UNIQUE_MAX: u32 = 4;
/// How long a lost connection is made again for one batch; the pool itself waits
/// some seconds for a server that is not there.
const LOST_MAX: Duration = Duration::from_secs(5);
/// The same while the outcome of its commit is unknown.
const UNKNOWN_MAX: Duration = Duration::from_secs(30);
/// Orders that a log line names at most.
const ORDERS_NAMED_MAX: usize = 32;
/// How long others may be in the way of one batch: each wait for a lock may take
/// the whole timeout of the database, and everybody else waits behind it.
const IN_THE_WAY_MAX: Duration = Duration::from_secs(30);
/// The pause before the n-th repetition is n times this.
const PAUSE: Duration = Duration::from_millis(5);
/// The pause before a lost connection is made again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

/// Why a batch has no answers.
#[derive(Debug)]
pub(super) enum Failed {
    /// The database failed; nothing was written.
    Store(StoreError),
    /// The deadline of a command passed while others were in the way; nothing was written.
    Late,
    /// A test made the writer die here.
    Crashed,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What one try at a batch led to.
enum Tried {
    Committed(Committed),
    Again(Box<Need>),
}

/// A committed batch: answers for its first commands, and levels left to fill.
pub(super) struct Committed {
    pub(super) answers: Vec<Result<Answer, WriteError>>,
    pub(super) fill_later: Vec<LevelKey>,
}

/// Runs a batch until it is committed or has to be given up. Fewer answers than
/// jobs mean that the rest must be decided in a batch of their own.
///
/// The first try is made in the transaction that has `begun`, where one has.
/// `patience` is what is left for everything that was drained together.
pub(super) async fn run(
    tools: &Tools,
    jobs: &mut [Job],
    mut begun: Option<Begun>,
    patience: &mut Patience,
) -> Result<Committed, Failed> {
    let mut set = LoadSet::of(jobs, tools.clock.now().as_millis());
    let (mut in_the_way, mut needs) = (0, 0);
    (patience.lost, patience.taken) = (None, 0);
    while in_the_way < REDO_MAX && needs < NEED_MAX {
        let begun = match begun.take() {
            Some(begun) => begun,
            None => tools.db.begin().await,
        };
        let tried = match begun {
            Ok(tx) => attempt(tools, tx, jobs, &set).await,
            Err(error) => Err(error.into()),
        };
        let error = match tried {
            Ok(Tried::Committed(committed)) => return Ok(committed),
            Ok(Tried::Again(need)) => match make_levels(tools, &need).await {
                Ok(()) => {
                    tools.counters.batch_redos.add(1);
                    needs += 1;
                    // Asked for and still missing: somebody else was faster.
                    in_the_way += u32::from(!set.need.merge(*need));
                    continue;
                }
                Err(error) => error,
            },
            Err(Failed::Store(error)) => error,
            Err(failed) => return Err(failed),
        };
        if !error.is_transient() {
            return Err(error.into());
        }
        // A lost connection is bounded by time: it says nothing of the batch.
        in_the_way += u32::from(!error.is_lost());
        tools.counters.batch_redos.add(1);
        tracing::debug!(error = %error, in_the_way, "a batch is done again");
        patience.wait(tools, jobs, error, in_the_way).await?;
        if super::late(jobs) {
            return Err(Failed::Late);
        }
    }
    Err(StoreError::Unsettled(jobs.len()).into())
}

/// How much longer batches are tried.
pub(super) struct Patience {
    begun: Instant,
    lost: Option<Instant>,
    taken: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), lost: None, taken: 0 }
    }

    /// Pauses before the batch is done again, or gives it up with its error.
    async fn wait(
        &mut self,
        tools: &Tools,
        jobs: &[Job],
        error: StoreError,
        round: u32,
    ) -> Result<(), StoreError> {
        if error.is_lost() {
            let unknown = jobs.iter().any(|job| job.maybe_done);
            let lost = *self.lost.get_or_insert_with(Instant::now);
            if lost.elapsed() > if unknown { UNKNOWN_MAX } else { LOST_MAX } {
                return Err(error);
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
            return Ok(());
        }
        self.lost = None;
        if matches!(error, StoreError::Conflict(_)) {
            tools.counters.deadlock_retries.add(1);
        }
        self.taken += u32::from(matches!(error, StoreError::Unique(_)));
        let over = self.begun.elapsed() > IN_THE_WAY_MAX;
        if over || round == REDO_MAX || self.taken > UNIQUE_MAX {
            return Err(error);
        }
        // Two nodes that were in each other's way must not step back in step (R10).
        let mut share = [0; 1];
        tools.random.fill(&mut share);
        tokio::time::sleep(PAUSE * round.min(20) * (128 + u32::from(share[0])) / 256).await;
        Ok(())
    }
}

/// Makes levels that have no row, in a transaction of their own: rows that
/// appear inside a batch could not be locked in order.
async fn make_levels(tools: &Tools, need: &Need) -> Result<(), StoreError> {
    if need.levels.is_empty() {
        return Ok(());
    }
    let keys: Vec<LevelKey> = need.levels.iter().copied().collect();
    tools
        .db
        .write(move |mut conn| {
            Box::pin(async move { store::levels::insert_zeros(&mut conn, &keys).await })
        })
        .await
}

async fn attempt(
    tools: &Tools,
    mut tx: WriteTx,
    jobs: &mut [Job],
    set: &LoadSet,
) -> Result<Tried, Failed> {
    let tried = tools.db.bounded(attempt_in(tools, &mut tx, jobs, set)).await;
    match tried {
        Ok(Written::Again(need)) => {
            tx.rollback().await;
            Ok(Tried::Again(need))
        }
        Ok(Written::Nothing(mut working, verdicts)) => {
            tx.rollback().await;
            Ok(Tried::Committed(answers(tools, jobs, &mut working, verdicts, 0)))
        }
        Ok(Written::Rows(mut working, verdicts, first)) => {
            let erased = added::is_erasure(&working);
            let committed = answers(tools, jobs, &mut working, verdicts, first);
            let decided = committed.answers.len().min(jobs.len());
            // While the disk is waited for, what the batch was decided over is freed.
            let (result, ()) =
                tokio::join!(commit(tools, tx, &mut jobs[..decided]), async move { drop(working) });
            if erased {
                // Whatever came of it: the log may have it.
                tools.db.want_log_cut_off();
            }
            result?;
            Ok(Tried::Committed(committed))
        }
        Err(Failed::Crashed) => Err(Failed::Crashed), // Dropping the transaction rolls back.
        // Its connection is broken, or in the middle of what was given up: it is not used again.
        Err(Failed::Store(error)) if error.is_lost() => Err(error.into()),
        Err(failed) => {
            tx.rollback().await;
            Err(failed)
        }
    }
}

enum Written {
    Again(Box<Need>),
    Nothing(Box<Working>, Vec<Verdict>),
    Rows(Box<Working>, Vec<Verdict>, i64),
}

async fn attempt_in(
    tools: &Tools,
    tx: &mut WriteTx,
    jobs: &[Job],
    set: &LoadSet,
) -> Result<Written, Failed> {
    let mut conn = tx.conn()?;
    tools.step(Step::Begun)?;
    let policy = Policy { orders: tools.orders, first: true };
    let now = tools.clock.now().as_millis();
    let mut working = match load(&mut conn, set, now, policy).await? {
        Loaded::Set(working) => working,
        Loaded::Again(need) => return Ok(Written::Again(need)),
    };
    tools.step(Step::Loaded)?;
    let missing = missing_levels(&working, jobs);
    if !missing.levels.is_empty() {
        return Ok(Written::Again(Box::new(missing)));
    }
    let verdicts = match decide_all(&mut working, jobs) {
        Decision::Verdicts(verdicts, broken) => {
            for what in broken {
                tools.counters.invariant_violations.add(1);
                tracing::error!(orders = orders_of(&working), what, "broken invariant");
            }
            verdicts
        }
        Decision::Need(need) => return Ok(Written::Again(need)),
    };
    if working.entries.is_empty() && working.added.is_empty() {
        return Ok(Written::Nothing(working, verdicts));
    }
    let first = write(tools, &mut conn, &working).await?;
    Ok(Written::Rows(working, verdicts, first))
}

/// Writes what changed; the journal last, because its numbers are the last lock.
async fn write(tools: &Tools, conn: &mut Conn<'_>, working: &Working) -> Result<i64, Failed> {
    let now = working.now;
    let moved = working.levels.iter().filter(|(_, slot)| slot.now != slot.read || !slot.stored);
    let moved: Vec<_> = moved.map(|(key, slot)| (*key, *slot)).collect();
    let mut changed: Vec<_> =
        working.orders.values().filter(|slot| slot.read.as_ref() != Some(&slot.now)).collect();
    // Unique keys are inserted in one order everywhere, or two nodes could wait for each other.
    changed.sort_unstable_by(|one, two| one.now.reference.cmp(&two.now.reference));
    let last = !added::comes_after_orders(working);
    let numbering = store::journal::Numbering::of(conn, working.newest, now);
    // While the database writes the first rows, the journal's are made.
    let (locked, entries) = tokio::join!(
        async {
            added::write_before_orders(conn, working, now).await?;
            tools.step(Step::CatalogueWritten)?;
            Ok::<_, Failed>(store::together::write(conn, moved, &changed, now, last).await?)
        },
        async { numbering.ready(&working.entries) }
    );
    let (locked, entries) = (locked?, entries?);
    added::write_after_orders(conn, working, now).await?;
    tools.step(Step::RowsWritten)?;
    if working.entries.is_empty() {
        return Ok(0);
    }
    if !locked {
        store::lock_journal(conn).await?;
    }
    let first = store::journal::append(conn, entries).await?;
    tools.step(Step::JournalWritten)?;
    Ok(first)
}

/// Commits. When the reply is lost the outcome is unknown: the batch is run
/// again, and its keys turn what was committed into replays.
async fn commit(tools: &Tools, tx: WriteTx, jobs: &mut [Job]) -> Result<(), Failed> {
    let injected = tools.step(Step::Committing)?;
    let begun = Instant::now();
    let mut result = tx.commit().await;
    if result.is_ok() {
        tools.counters.committed(jobs.len(), begun.elapsed());
        tools.step(Step::Committed)?;
        if injected == Injected::LoseReply {
            let lost = std::io::Error::other("the reply to the commit was lost");
            result = Err(StoreError::Connection(sqlx::Error::Io(lost)));
        }
    }
    // Only here, and only where nobody knows: a job that is marked does not say
    // that it was a replay, and is never told that nothing was written.
    if result.as_ref().is_err_and(StoreError::is_lost) {
        for job in jobs {
            job.maybe_done = true;
        }
    }
    Ok(result?)
}

fn answers(
    tools: &Tools,
    jobs: &[Job],
    working: &mut Working,
    verdicts: Vec<Verdict>,
    first: i64,
) -> Committed {
    let answers = jobs.iter().zip(verdicts).map(|(job, verdict)| match verdict {
        Verdict::Done(entries, detail, ended) => {
            let count = entries.len();
            let shown = job.show && ended == Ended::Done;
            Ok(Answer {
                order: if shown { left(working, &detail) } else { None },
                seq: (count > 0).then(|| seq_of(first, entries.start)),
                entries: u64::try_from(count).unwrap_or(0),
                replayed: ended == Ended::Replayed && !job.maybe_done,
                detail,
            })
        }
        Verdict::Replay(kept, detail) => Ok(Answer {
            order: None,
            seq: kept.seq.or_else(|| kept.index.map(|index| seq_of(first, index))),
            entries: 0,
            // A batch run again after an unknown commit meets its own keys.
            replayed: !job.maybe_done,
            detail,
        }),
        Verdict::Refused(refusal) => Err(WriteError::Refused(refusal)),
        Verdict::Broken(what) => {
            tools.counters.invariant_violations.add(1);
            let (subject, orders) = (job.command.subject(), orders_of(working));
            tracing::error!(
                command = job.command.name(),
                subject,
                orders,
                what,
                "broken invariant"
            );
            Err(WriteError::Broken(what))
        }
    });
    let answers = answers.collect();
    let mut rests = BTreeMap::new();
    for added in &working.added {
        if let Added::FillRest(key, rest) = added {
            rests.insert(*key, *rest);
        }
    }
    let fill_later = rests.into_iter().filter(|(_, rest)| *rest).map(|(key, _)| key).collect();
    Committed { answers, fill_later }
}

/// An order as the batch leaves it. It is taken out of the set, which is done with: of
/// two commands for one order the first gets it.
fn left(working: &mut Working, detail: &Detail) -> Option<Box<LeftOrder>> {
    let Detail::Order(id) = detail else { return None };
    let OrderSlot { read, now: mut order } = working.orders.remove(id)?;
    if read.as_ref() != Some(&order) {
        order.version += 1;
    }
    let parts = || order.lines.iter().flat_map(|line| &line.parts);
    let items = order.lines.iter().filter_map(|line| line.item);
    let items: BTreeSet<ItemId> = items.chain(parts().filter_map(|part| part.item)).collect();
    let skus = items.into_iter().filter_map(|id| Some((id, working.items.get(&id)?.sku.clone())));
    let skus = skus.collect();
    let locations = working.locations.iter().map(|one| (one.id, one.code.clone())).collect();
    Some(Box::new(LeftOrder { order, updated_at: working.now, locations, skus }))
}

/// The orders a batch has read, by name and as many as a log line holds.
fn orders_of(working: &Working) -> String {
    let mut orders: Vec<_> = working.orders.values().map(|slot| &slot.now.reference).collect();
    orders.sort_unstable();
    let named: Vec<String> =
        orders.iter().take(ORDERS_NAMED_MAX).map(ToString::to_string).collect();
    named.join(" ")
}

/// The error every command of a failed batch gets.
pub(super) fn shared(error: StoreError) -> WriteError {
    WriteError::Store(Arc::new(error))
}
