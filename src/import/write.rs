//! The second pass: the good rows are written in chunks under one batch.
//!
//! Rows are counted in the order they are written, bad ones too, so that the
//! number of rows dealt with says where to go on whatever the database looks
//! like by then.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::Poll;

use futures_util::stream::{FuturesOrdered, StreamExt as _};

use super::check::{Line, Read, parse};
use super::options::{Job, Kind};
use super::orders::{Group, reference};
use super::plan::{Plan, plan};
use super::table::{Row, Source};
use super::{CHUNK, ImportError, Progress, Watch, go_on, items};
use crate::clock::Timestamp;
use crate::domain::{BatchId, Key, OrderRef, Sku};
use crate::ledger::catalogue::{BatchRecord, ItemRow, NewBatch};
use crate::ledger::stock::{ImportMode, StockRow};
use crate::orders::Import;
use crate::shop::Shop;
use crate::store;
use crate::writer::{Answer, Chunk, Command, Detail, WriteError};

/// Chunks on their way: one is written while the next one waits.
const IN_FLIGHT: usize = 2;
/// The longest name of a file that is kept, in characters.
const FILE_NAME_CHARS_MAX: usize = 200;

/// What an import has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Its batch; `None` where the file had no good row.
    pub batch: Option<BatchId>,
    /// Rows of the file.
    pub rows: u64,
    /// Rows that were left out as bad.
    pub skipped: u64,
    /// Items made by this run; a chunk that was done before is not counted.
    pub created: u64,
    /// Items changed by this run.
    pub updated: u64,
    /// Opening stock that was ignored by this run.
    pub opening_ignored: u64,
}

/// Writes a planned file.
pub async fn apply(
    shop: &Shop,
    source: &Source,
    plan: Plan,
    watch: Watch<'_>,
) -> Result<Applied, ImportError> {
    if plan.bad_rows > 0 && !plan.job.skip_bad {
        return Err(ImportError::BadRows(Box::new(plan)));
    }
    refuse_twice(shop, &plan).await?;
    if plan.rows == plan.bad_rows {
        return Ok(Applied { rows: plan.rows, skipped: plan.bad_rows, ..Applied::default() });
    }
    let new = NewBatch {
        kind: plan.job.kind.as_str(),
        file_name: source.name().chars().take(FILE_NAME_CHARS_MAX).collect(),
        content_hash: plan.content_hash,
        options: plan.job.to_json(),
        rows_total: i64::try_from(plan.rows).unwrap_or(i64::MAX),
    };
    let answer = shop.submit(Command::BatchOpen(new), None).await?;
    let Detail::Id(id) = answer.detail else {
        return Err(WriteError::Broken("an import was begun without an id".to_owned()).into());
    };
    Box::pin(run(shop, source, &plan, (BatchId::new(id), 0), watch)).await
}

/// Goes on with an interrupted import, exactly where it stopped.
pub async fn resume(
    shop: &Shop,
    batch: BatchId,
    source: &Source,
    watch: Watch<'_>,
) -> Result<Applied, ImportError> {
    let record = super::find(shop, batch).await?;
    let wrong = |message: &str| ImportError::Batch { batch, message: message.to_owned() };
    if record.status != "open" {
        return Err(wrong(&format!("is {}: there is nothing to go on with", record.status)));
    }
    let mut job = Job::from_json(&record.options)
        .ok_or_else(|| wrong("was begun by another version of this program"))?;
    let mut found = Box::pin(plan(shop, source, &job, watch)).await?;
    if found.content_hash != record.content_hash {
        let message = format!("was begun with another file, {}", record.file_name);
        return Err(wrong(&message));
    }
    // Numbers meant for the moment of the import must not undo what was sold since.
    if job.kind == Kind::Stock && job.stock.observed_at.is_none() {
        job.stock.observed_at = Timestamp::from_millis(record.created_at).ok();
        found.job = job;
    }
    if found.bad_rows > 0 && !found.job.skip_bad {
        return Err(ImportError::BadRows(Box::new(found)));
    }
    Box::pin(run(shop, source, &found, (batch, record.rows_done), watch)).await
}

/// A file that adds would count twice, and orders come from elsewhere anyway:
/// whoever repeats one must say so.
async fn refuse_twice(shop: &Shop, plan: &Plan) -> Result<(), ImportError> {
    let repeats = match plan.job.kind {
        Kind::Stock => plan.job.stock.mode == ImportMode::Add,
        Kind::Orders => true,
        Kind::Items => false,
    };
    if !repeats || plan.job.again {
        return Ok(());
    }
    let mut reader = shop.db.read().await?;
    let same = store::batches::same_content(&mut reader.conn(), plan.content_hash).await?;
    match same {
        None => Ok(()),
        Some(BatchRecord { id, status, .. }) if status == "open" => {
            Err(ImportError::Unfinished(id))
        }
        Some(record) => Err(ImportError::AppliedBefore(record.id)),
    }
}

async fn run(
    shop: &Shop,
    source: &Source,
    plan: &Plan,
    (batch, done): (BatchId, i64),
    watch: Watch<'_>,
) -> Result<Applied, ImportError> {
    let applied = Applied {
        batch: Some(batch),
        rows: plan.rows,
        skipped: plan.bad_rows,
        ..Applied::default()
    };
    let mut run = Run {
        shop,
        plan,
        batch,
        watch,
        skip: u64::try_from(done).unwrap_or(0),
        queued: done,
        written: done,
        flight: FuturesOrdered::new(),
        applied,
    };
    let phases: &[Option<bool>] =
        if plan.has_bundles { &[Some(false), Some(true)] } else { &[None] };
    let mut result = Ok(());
    for &phase in phases {
        result = run.phase(source, phase).await;
        if result.is_err() {
            break;
        }
    }
    // What is on its way is not left behind: its answer says where to go on.
    while !run.flight.is_empty() {
        let settled = run.settle().await;
        result = result.and(settled);
    }
    result?;
    shop.submit(Command::BatchApplied(batch), None).await?;
    Ok(run.applied)
}

type Flight<'r> = Pin<Box<dyn Future<Output = (i64, Result<Answer, WriteError>)> + Send + 'r>>;

struct Run<'r> {
    shop: &'r Shop,
    plan: &'r Plan,
    batch: BatchId,
    watch: Watch<'r>,
    /// Rows to pass over: they are written.
    skip: u64,
    queued: i64,
    written: i64,
    flight: FuturesOrdered<Flight<'r>>,
    applied: Applied,
}

impl Run<'_> {
    /// Writes all rows, or only those that are bundles, or only those that are not.
    async fn phase(&mut self, source: &Source, bundles: Option<bool>) -> Result<(), ImportError> {
        let mut table = source.table_again(self.plan.job.kind.columns())?;
        let mut rows: Vec<Row> = Vec::new();
        loop {
            // One row more than a chunk tells whether its last order is whole.
            let (back, more) = table.rows(CHUNK + 1 - rows.len()).await?;
            table = back;
            let ended = more.is_empty();
            for row in more {
                if bundles.is_some_and(|bundles| items::is_bundle(&row) != bundles) {
                    continue;
                }
                if self.skip > 0 {
                    self.skip -= 1;
                } else {
                    rows.push(row);
                }
            }
            if rows.is_empty() && ended {
                return Ok(());
            }
            if rows.len() <= CHUNK && !ended {
                continue;
            }
            let rest = rows.split_off(cut(self.plan.job.kind, &rows, ended));
            let chunk = std::mem::replace(&mut rows, rest);
            self.write(&chunk).await?;
            let total = self.plan.rows;
            let done = u64::try_from(self.written).unwrap_or(0);
            go_on(self.watch, Progress::Writing(done, total), Some(self.batch))?;
        }
    }

    /// Sends a chunk on its way, and waits while too many are.
    async fn write(&mut self, rows: &[Row]) -> Result<(), ImportError> {
        let before = self.queued;
        let after = before + i64::try_from(rows.len()).unwrap_or(0);
        let chunk = Chunk { batch: self.batch, done_before: before, done_after: after };
        let command = self.command(rows, chunk).await?;
        // A chunk whose answer is lost is a replay under its key.
        let key = Key::new(&format!("batch:{}:rows:{before}", self.batch))
            .map_err(|error| WriteError::Broken(error.to_string()))?;
        let shop = self.shop;
        let sent = async move { (after, shop.submit(command, Some(key)).await) };
        self.flight.push_back(Box::pin(sent));
        self.queued = after;
        // Polled once, it is in the writer's queue while the next rows are read.
        let flight = &mut self.flight;
        let ready = std::future::poll_fn(|context| match flight.poll_next_unpin(context) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(answer) = ready.await {
            self.note(answer)?;
        }
        while self.flight.len() >= IN_FLIGHT {
            self.settle().await?;
        }
        Ok(())
    }

    /// Waits for the oldest chunk on its way.
    async fn settle(&mut self) -> Result<(), ImportError> {
        match self.flight.next().await {
            Some(answer) => self.note(answer),
            None => Ok(()),
        }
    }

    fn note(&mut self, answer: (i64, Result<Answer, WriteError>)) -> Result<(), ImportError> {
        let (after, answer) = answer;
        let answer = answer.map_err(|error| ImportError::Stopped {
            batch: self.batch,
            row: self.written,
            error,
        })?;
        self.written = after;
        if let Detail::Rows(outcomes) = answer.detail {
            for outcome in outcomes {
                self.applied.created += u64::from(outcome.created);
                self.applied.updated += u64::from(outcome.updated);
                self.applied.opening_ignored += u64::from(outcome.opening_ignored);
            }
        }
        Ok(())
    }

    async fn command(&self, rows: &[Row], chunk: Chunk) -> Result<Command, ImportError> {
        let job = &self.plan.job;
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows.iter().filter(|row| !self.is_bad(row)) {
            let mut wrong = Vec::new();
            // The file is the one that was looked at, unless somebody wrote to it since.
            let line = parse(job, row, &mut wrong).ok_or_else(|| ImportError::Batch {
                batch: self.batch,
                message: format!("stopped at line {}: the file has changed", row.line),
            })?;
            lines.push(line);
        }
        Ok(match job.kind {
            Kind::Items => Command::ItemRows { chunk, rows: item_rows(lines) },
            Kind::Stock => Command::StockRows {
                chunk,
                rows: stock_rows(lines, job.stock.mode),
                mode: job.stock.mode,
                observed_at: job.stock.observed_at.map(Timestamp::as_millis),
            },
            Kind::Orders => Command::OrderRows { chunk, orders: self.orders(lines).await? },
        })
    }

    fn is_bad(&self, row: &Row) -> bool {
        self.plan.bad.binary_search(&row.number).is_ok()
    }

    async fn orders(&self, lines: Vec<Line>) -> Result<Vec<Import>, ImportError> {
        let mut groups: Vec<(Group, Vec<_>)> = Vec::new();
        for line in lines {
            let Read::Order(order) = line.read else {
                continue;
            };
            if groups.last().is_none_or(|(group, _)| group.reference != order.reference) {
                groups.push((Group::new(line.number, &order), Vec::new()));
            }
            if let Some((group, requests)) = groups.last_mut() {
                group.add(&order).map_err(|(column, message)| ImportError::Batch {
                    batch: self.batch,
                    message: format!("stopped at line {}: {column} {message}", line.begins),
                })?;
                requests.push(order.request);
            }
        }
        let undated = groups.iter().filter(|(group, _)| group.placed_at().is_none());
        let mut reader = self.shop.db.read().await?;
        let known: HashMap<OrderRef, i64> = store::import_reads::placed_at(
            &mut reader.conn(),
            undated.map(|(group, _)| &group.reference),
        )
        .await?
        .into_iter()
        .collect();
        let now = self.shop.clock.now().as_millis();
        let order = |(group, requests): (Group, Vec<_>)| {
            let known_at = known.get(&group.reference).copied().unwrap_or(now);
            group.order(requests, self.shop, known_at)
        };
        Ok(groups.into_iter().map(order).collect())
    }
}

fn item_rows(lines: Vec<Line>) -> Vec<(Sku, ItemRow)> {
    let item = |line: Line| match line.read {
        Read::Item(item) => Some((item.sku, item.row)),
        Read::Stock(_) | Read::Order(_) => None,
    };
    lines.into_iter().filter_map(item).collect()
}

fn stock_rows(lines: Vec<Line>, mode: ImportMode) -> Vec<StockRow> {
    let row = |line: Line| match line.read {
        // Nothing came in: there is nothing to record.
        Read::Stock(row) if mode == ImportMode::Add && row.quantity.get() == 0 => None,
        Read::Stock(row) => Some(row),
        Read::Item(_) | Read::Order(_) => None,
    };
    lines.into_iter().filter_map(row).collect()
}

/// How many of the rows are the next chunk: at most [`CHUNK`], and an order is
/// never cut unless it is too long to be one, and so bad.
fn cut(kind: Kind, rows: &[Row], ended: bool) -> usize {
    if kind != Kind::Orders || ended && rows.len() <= CHUNK {
        return rows.len().min(CHUNK);
    }
    let starts = |&index: &usize| match (reference(&rows[index - 1]), reference(&rows[index])) {
        (Some(before), Some(after)) => before != after,
        (None, _) | (_, None) => false,
    };
    (1..=CHUNK.min(rows.len() - 1)).rev().find(starts).unwrap_or(CHUNK.min(rows.len()))
}
