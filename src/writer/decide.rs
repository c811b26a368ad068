//! One command after the other, in arrival order, over the working set.

use super::Job;
use super::command::{Chunk, Command, Detail};
use super::content::state_hash;
use super::{keys, users};
use crate::domain::{BatchId, Kind, Refusal, Seq};
use crate::ledger::catalogue::{self, NewBatch};
use crate::ledger::{self, Added, Context, Decided, Kept, Need, Stop, Working, each, sale, stock};
use crate::orders::{self, Ended};

/// What was decided of a command, before it is committed.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It was done: its entries in the batch, and what to answer.
    Done(std::ops::Range<usize>, Detail, Ended),
    /// It was done before under this key: what is known of it, and what to answer.
    Replay(Kept, Detail),
    /// It was refused.
    Refused(Refusal),
    /// It would have broken an invariant.
    Broken(String),
}

/// How deciding a batch ended.
#[derive(Debug)]
pub(super) enum Decision {
    /// So many verdicts; commands after them must wait for the next batch. And
    /// what could not be done beside them, because it would have broken an invariant.
    Verdicts(Vec<Verdict>, Vec<String>),
    /// More rows are needed: do it again.
    Need(Box<Need>),
}

/// Decides a batch. Due holds on its levels expire first, low stock is raised
/// last. What commands miss is gathered over all of them: a batch is done again
/// a few times, not once for each of them.
pub(super) fn decide_all(set: &mut Working, jobs: &[Job]) -> Decision {
    let mut need = Need::default();
    let mut broken = Vec::new();
    for order in ledger::due(set) {
        beside(set, (&mut need, &mut broken), |set| ledger::expire(set, order));
    }
    let mut verdicts = Vec::with_capacity(jobs.len());
    set.policy.first = true;
    for job in jobs {
        match decide_one(set, job) {
            Ok(verdict) => {
                set.policy.first &= !matches!(verdict, Verdict::Done(..));
                verdicts.push(verdict);
            }
            Err(stop) => {
                set.undo();
                match stop {
                    Stop::Refused(refusal) => verdicts.push(Verdict::Refused(refusal)),
                    Stop::Need(more) => {
                        need.merge(*more);
                    }
                    Stop::MustBeFirst => break,
                    Stop::Broken(broken) => {
                        let what = format!("{}: {broken}", job.command.name());
                        verdicts.push(Verdict::Broken(what));
                    }
                }
            }
        }
    }
    if need.is_empty() {
        beside(set, (&mut need, &mut broken), ledger::raise_low);
    }
    if need.is_empty() {
        Decision::Verdicts(verdicts, broken)
    } else {
        Decision::Need(Box::new(need))
    }
}

/// Does what no command asked for. It is never refused; where it would break an
/// invariant it is left undone and told, and everything else goes on.
fn beside(
    set: &mut Working,
    (need, broken): (&mut Need, &mut Vec<String>),
    step: impl FnOnce(&mut Working) -> Decided<()>,
) {
    set.begin(Context::default());
    let Err(stop) = step(set) else {
        return;
    };
    set.undo();
    match stop {
        Stop::Need(more) => {
            need.merge(*more);
        }
        other => broken.push(other.to_string()),
    }
}

fn decide_one(set: &mut Working, job: &Job) -> Decided<Verdict> {
    if let Some(kept) = set.keys.get(&(job.account, job.key.clone())) {
        if kept.content_hash == job.content_hash {
            let kept = *kept;
            return Ok(Verdict::Replay(kept, replayed(set, job, kept)?));
        }
        // Not an error: nothing was begun, and to undo would undo the command before.
        return Ok(Verdict::Refused(Refusal::IdempotencyMismatch { key: job.key.to_string() }));
    }
    set.begin(Context {
        account: Some(job.account),
        batch: job.command.batch(),
        key: Some((job.key.clone(), job.content_hash)),
    });
    let (detail, ended) = dispatch(set, job)?;
    Ok(Verdict::Done(set.own_entries(), detail, ended))
}

/// The first answer of a command that was done before, as far as it is more than its entry.
fn replayed(set: &mut Working, job: &Job, kept: Kept) -> Decided<Detail> {
    match (&job.command, kept.order, kept.batch) {
        // The payment's own id makes this a replay: it changes nothing.
        (Command::Pay(payment), ..) => orders::pay(set, payment, &job.content_hash)
            .map(|(id, _, outcome)| Detail::Payment(id, outcome)),
        (Command::BatchOpen(_), _, Some(batch)) => Ok(Detail::Id(batch.get())),
        (_, Some(order), _) => Ok(Detail::Order(order)),
        _ => Ok(Detail::None),
    }
}

fn dispatch(set: &mut Working, job: &Job) -> Decided<(Detail, Ended)> {
    let content = &job.content_hash;
    let order = |(id, ended)| (Detail::Order(id), ended);
    let done = |()| (Detail::None, Ended::Done);
    match &job.command {
        Command::Stock(command) => stock::decide(set, command).map(done),
        Command::Item { sku, row, mode } => catalogue::decide_item(set, sku, row, mode)
            .map(|outcome| (Detail::Rows(vec![outcome]), Ended::Done)),
        Command::Discontinue(sku) => sale::discontinue(set, sku, None).map(done),
        Command::DiscontinueAt(sku, versions) => {
            sale::discontinue(set, sku, Some(versions)).map(done)
        }
        Command::StopSale(sku, reason) => sale::stop(set, sku, reason.as_ref()).map(done),
        Command::ResumeSale(sku) => sale::resume(set, sku).map(done),
        Command::Rename { from, to } => catalogue::rename(set, from, to).map(done),
        Command::CreateLocation(new) => {
            catalogue::create_location(set, new).map(|id| (Detail::Id(id.get()), Ended::Done))
        }
        Command::CreateAccount(new) => keys::create_account(set, new),
        Command::CreateKey(new) => keys::create(set, new),
        Command::RevokeKey(prefix) => keys::revoke(set, prefix),
        Command::CreateUser(new) => users::create(set, new),
        Command::ChangeUser(change) => users::change(set, change),
        Command::EraseUser(erase) => users::erase(set, erase),
        Command::Place(place) => orders::place(set, place, content).map(order),
        Command::PlaceLater(place) => orders::place_later(set, place, content).map(order),
        Command::Decide(one) => orders::decide(set, one).map(order),
        Command::Import(import) => orders::import(set, import, &state_hash(import)).map(order),
        Command::Cancel(cancel) => orders::cancel(set, cancel).map(order),
        Command::Pay(payment) => orders::pay(set, payment, content)
            .map(|(id, ended, outcome)| (Detail::Payment(id, outcome), ended)),
        Command::Accept(reference) => orders::accept(set, reference).map(order),
        Command::ForgetCustomer(reference) => orders::forget_customer(set, reference).map(order),
        Command::Ship(ship) => orders::ship(set, ship, content).map(order),
        Command::Return(back) => orders::take_back(set, back, content).map(order),
        Command::Refund(refund) => orders::refund(set, refund, content).map(order),
        Command::Allocate(reference) => orders::allocate(set, reference).map(order),
        Command::Reassign(request) => orders::reassign(set, request).map(order),
        Command::MapLine(request) => orders::map_line(set, request).map(order),
        Command::FillItem(sku) => {
            let item = set.stocked_item(sku)?;
            ledger::fill_item(set, item).map(done)
        }
        Command::Fill(key) => ledger::fill_rest(set, *key).map(done),
        Command::ExpireDue => Ok((Detail::None, Ended::Done)),
        _ => dispatch_batch(set, &job.command),
    }
}

/// Commands of imports.
fn dispatch_batch(set: &mut Working, command: &Command) -> Decided<(Detail, Ended)> {
    let done = |()| (Detail::None, Ended::Done);
    match command {
        Command::BatchOpen(new) => open_batch(set, new),
        Command::ItemRows { chunk, rows } => item_rows(set, *chunk, rows),
        Command::StockRows { chunk, rows, mode, observed_at } => {
            each(set, rows, |set, row| stock::decide_row(set, row, *mode, *observed_at))?;
            advance(set, *chunk);
            Ok(done(()))
        }
        Command::OrderRows { chunk, orders } => {
            each(set, orders, |set, order| {
                orders::import(set, order, &state_hash(order)).map(drop)
            })?;
            advance(set, *chunk);
            Ok(done(()))
        }
        Command::BatchApplied(batch) => {
            move_batch(set, *batch, ("open", "applied"), Kind::BatchApplied);
            Ok(done(()))
        }
        Command::RevertOpen(batch) => {
            set.added.push(Added::BatchReverting(*batch));
            append_batch(set, *batch, Kind::BatchReverting);
            Ok(done(()))
        }
        Command::Revert { rows, skip_blocked, .. } => ledger::revert(set, rows, *skip_blocked)
            .map(|blocked| (Detail::Blocked(blocked), Ended::Done)),
        Command::BatchReverted(batch) => {
            move_batch(set, *batch, ("reverting", "reverted"), Kind::BatchReverted);
            Ok(done(()))
        }
        other => {
            let message = format!("{} is not a command of an import", other.name());
            Err(Refusal::invalid("command", message).into())
        }
    }
}

fn item_rows(
    set: &mut Working,
    chunk: Chunk,
    rows: &[(crate::domain::Sku, catalogue::ItemRow)],
) -> Decided<(Detail, Ended)> {
    let mut outcomes = Vec::with_capacity(rows.len());
    set.reserve_rows(rows.len());
    each(set, rows, |set, (sku, row)| {
        let outcome = catalogue::decide_item(set, sku, row, &catalogue::Upsert::Either)?;
        outcomes.push(outcome);
        Ok(())
    })?;
    advance(set, chunk);
    Ok((Detail::Rows(outcomes), Ended::Done))
}

fn advance(set: &mut Working, chunk: Chunk) {
    let Chunk { batch, done_before, done_after } = chunk;
    set.added.push(Added::BatchProgress(batch, done_before, done_after));
    if set.own_entries().is_empty() {
        // The key of every command stands in the journal: it tells what came of
        // the command when the reply to its commit is lost.
        let entry = set.entry(Kind::BatchAdvanced);
        set.append(entry);
    }
}

fn open_batch(set: &mut Working, new: &NewBatch) -> Decided<(Detail, Ended)> {
    let Some(id) = set.rare_ids.batches.pop_front() else {
        return Err(Refusal::invalid("batch", "no id was set aside for it").into());
    };
    let Some(account) = set.account() else {
        return Err(Refusal::invalid("batch", "an import needs a key holder").into());
    };
    set.added.push(Added::Batch(new.clone(), id, account));
    let mut entry = set.entry(Kind::BatchOpened);
    entry.batch = Some(id);
    set.append(entry);
    Ok((Detail::Id(id.get()), Ended::Done))
}

fn move_batch(
    set: &mut Working,
    batch: BatchId,
    (from, to): (&'static str, &'static str),
    kind: Kind,
) {
    set.added.push(Added::BatchStatus(batch, from, to));
    append_batch(set, batch, kind);
}

fn append_batch(set: &mut Working, batch: BatchId, kind: Kind) {
    let mut entry = set.entry(kind);
    entry.batch = Some(batch);
    set.append(entry);
}

/// The seq an entry of the batch got.
pub(super) fn seq_of(first: i64, index: usize) -> Seq {
    Seq::new(first + i64::try_from(index).unwrap_or(0))
}
