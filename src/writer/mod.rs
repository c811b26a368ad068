//! Group commit: concurrent commands are decided one by one and committed
//! together.
//!
//! One task a process drains a bounded queue. The database decides, not memory:
//! every batch reads the rows it touches under lock, so the CLI and other nodes
//! may write at the same time. A command is answered after its commit, never
//! before. Outside the writer no code writes levels.

mod added;
mod batch;
mod command;
mod content;
mod decide;
mod keys;
mod load;
mod subject;
mod tools;
mod users;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use command::{
    Answer, CHUNK_ROWS_MAX, ChangeUser, Chunk, Command, Detail, EraseUser, LeftOrder, OneUser,
    Request, WriteError,
};
pub use tools::{Faults, Injected, Step, Tools};

use crate::domain::{AccountId, Key, LevelKey};
use crate::secret::Random;
use crate::store::{self, StoreError, WriteTx};
use crate::telemetry::Counters;

use batch::{Failed, Patience, shared};

/// Commands of one batch at most: a larger one was no faster where it was measured.
pub const BATCH_MAX: usize = 256;
/// Commands that may wait: eight batches are a few tenths of a second of work.
pub const QUEUE_MAX: usize = 2048;
/// Chunks of long jobs that may wait: one is worked on while the next is read.
const BULK_QUEUE_MAX: usize = 2;
/// While commands keep coming, a long job gets a turn after so many batches.
const BULK_EVERY: u32 = 4;

/// A command in the queue.
#[derive(Debug)]
struct Job {
    command: Command,
    account: AccountId,
    key: Key,
    content_hash: [u8; 32],
    deadline: Option<Instant>,
    /// Its batch may have been committed before: the reply was lost.
    maybe_done: bool,
    /// The answer brings the order.
    show: bool,
    /// `None` for what the writer asks of itself.
    reply: Option<oneshot::Sender<Result<Answer, WriteError>>>,
}

impl Job {
    fn answer(&mut self, answer: Result<Answer, WriteError>) {
        if let Some(reply) = self.reply.take() {
            // A caller that left does not want it; the command is done all the same.
            drop(reply.send(answer));
        }
    }
}

/// The way to the writer: cheap to clone, one queue behind it.
#[derive(Clone, Debug)]
pub struct Writer {
    commands: mpsc::Sender<Job>,
    bulk: mpsc::Sender<Job>,
    commits: watch::Receiver<u64>,
    random: Arc<dyn Random>,
    counters: Arc<Counters>,
}

/// Starts the writer of a process. The task ends when the last [`Writer`] is
/// dropped and the queue is empty; whoever owns the handle must notice when it
/// ends before that.
#[expect(clippy::disallowed_methods, reason = "the owner of the handle supervises this one task")]
pub fn start(tools: Tools) -> (Writer, JoinHandle<()>) {
    let (commands, queue) = mpsc::channel(QUEUE_MAX);
    let (bulk, bulk_queue) = mpsc::channel(BULK_QUEUE_MAX);
    let (random, counters) = (Arc::clone(&tools.random), Arc::clone(&tools.counters));
    let (committed, commits) = watch::channel(0);
    let writer = Writer { commands, bulk, commits, random, counters };
    let task = WriterTask {
        tools,
        queue,
        bulk_queue,
        committed,
        carried: VecDeque::new(),
        batches: 0,
        filled: false,
        looked: false,
    };
    (writer, tokio::spawn(task.run()))
}

impl Writer {
    /// Queues a command and waits for its answer. A full queue is an answer too.
    /// Whoever stops waiting does not stop the command.
    pub async fn submit(&self, request: Request) -> Result<Answer, WriteError> {
        let command = request.command.name();
        let answer = self.queue(request).await;
        self.counters.answered(command, command::outcome(&answer));
        answer
    }

    async fn queue(&self, request: Request) -> Result<Answer, WriteError> {
        let (reply, answer) = oneshot::channel();
        let job = self.job(request, reply)?;
        let key = job.key.clone();
        if job.command.is_bulk() {
            self.bulk.send(job).await.map_err(|error| WriteError::Unknown(error.0.key))?;
        } else {
            self.commands.try_send(job).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => WriteError::Busy,
                mpsc::error::TrySendError::Closed(job) => WriteError::Unknown(job.key),
            })?;
        }
        answer.await.unwrap_or(Err(WriteError::Unknown(key)))
    }

    /// Waits until the writer is gone: nothing is written any more.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }

    /// Changes when something may have been committed by this process.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.clone()
    }

    fn job(
        &self,
        request: Request,
        reply: oneshot::Sender<Result<Answer, WriteError>>,
    ) -> Result<Job, WriteError> {
        let Request { command, account, key, deadline, show } = request;
        let content_hash = command.content_hash();
        let key = match key {
            Some(key) => key,
            None => own_key(self.random.as_ref())?,
        };
        Ok(Job {
            command,
            account,
            key,
            content_hash,
            deadline,
            maybe_done: false,
            show,
            reply: Some(reply),
        })
    }
}

/// A key for a command that came without one.
fn own_key(random: &dyn Random) -> Result<Key, WriteError> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    let key = format!("auto:{}", uuid::Uuid::from_bytes(bytes).simple());
    Key::new(&key).map_err(|error| WriteError::Broken(error.to_string()))
}

struct WriterTask {
    tools: Tools,
    queue: mpsc::Receiver<Job>,
    bulk_queue: mpsc::Receiver<Job>,
    /// Told after each batch, for those who follow the journal.
    committed: watch::Sender<u64>,
    /// What comes before the queue: cut off batches, and what was left to fill.
    carried: VecDeque<Job>,
    batches: u32,
    /// Whether the batch is of those carried over.
    filled: bool,
    /// Whether it has looked for what a writer before it left to fill.
    looked: bool,
}

impl WriterTask {
    async fn run(mut self) {
        loop {
            let mut jobs = self.next().await;
            if jobs.is_empty() {
                return;
            }
            expire(&mut jobs);
            self.find_rests(&jobs).await;
            if jobs.is_empty() {
                continue;
            }
            let patience = Patience::new();
            self.tools.counters.batch_begins();
            let (begun, ()) = tokio::join!(self.tools.db.begin(), self.let_callers_ask());
            self.join_in(&mut jobs);
            if jobs.is_empty() {
                if let Ok(tx) = begun {
                    tx.rollback().await;
                }
                self.tools.counters.batch_ends();
                continue;
            }
            let ended = self.commit(jobs, begun, patience).await;
            self.tools.counters.batch_ends();
            if let Err(Crashed) = ended {
                return;
            }
            if !self.bulk_queue.is_empty() {
                // A chunk that waits would be next before anybody could ask again.
                self.let_callers_ask().await;
            }
        }
    }

    /// Whoever was just answered may have more to ask: without this every other
    /// batch was the one command of the first caller to wake. It waits for no
    /// time, only until the callers that are awake have had their turn.
    async fn let_callers_ask(&self) {
        let mut waiting = self.queue.len();
        loop {
            tokio::task::yield_now().await;
            let now = self.queue.len();
            if now == waiting || now >= BATCH_MAX {
                return;
            }
            waiting = now;
        }
    }

    /// Adds what was queued while the transaction began to a batch that takes more.
    fn join_in(&mut self, jobs: &mut Vec<Job>) {
        if !self.filled && !jobs.iter().any(|job| job.command.is_bulk()) {
            while jobs.len() < BATCH_MAX
                && let Ok(job) = self.queue.try_recv()
            {
                // A sweep that comes now finds its rests with the next batch.
                self.looked &= !matches!(job.command, Command::ExpireDue);
                jobs.push(job);
            }
        }
        // Others may have been in the way for long.
        expire(jobs);
    }

    /// The next batch: what was carried over, then what is queued; a chunk of a
    /// long job when nothing else waits or it has waited long enough.
    async fn next(&mut self) -> Vec<Job> {
        self.batches = self.batches.wrapping_add(1);
        // Those who wait get every other batch, however much there is to fill.
        self.filled = !self.carried.is_empty() && (!self.filled || self.queue.is_empty());
        if self.filled {
            return self.carried.drain(..self.carried.len().min(BATCH_MAX)).collect();
        }
        if self.batches.is_multiple_of(BULK_EVERY)
            && let Ok(job) = self.bulk_queue.try_recv()
        {
            return vec![job];
        }
        let mut jobs = Vec::new();
        tokio::select! {
            biased;
            count = self.queue.recv_many(&mut jobs, BATCH_MAX) => {
                if count == 0 && let Some(job) = self.bulk_queue.recv().await {
                    jobs.push(job);
                }
            }
            Some(job) = self.bulk_queue.recv() => jobs.push(job),
        }
        jobs
    }

    /// Commits jobs, the first of them in the transaction that has begun; a batch
    /// that fails for a reason of its own is split until only the bad command fails.
    async fn commit(
        &mut self,
        jobs: Vec<Job>,
        begun: Begun,
        mut patience: Patience,
    ) -> Result<(), Crashed> {
        let mut groups = VecDeque::from([jobs]);
        let mut begun = Some(begun);
        while let Some(mut jobs) = groups.pop_front() {
            if jobs.is_empty() {
                continue;
            }
            self.tools.counters.commands.add(jobs.len() as u64);
            match batch::run(&self.tools, &mut jobs, begun.take(), &mut patience).await {
                Ok(committed) => {
                    self.committed.send_modify(|batches| *batches += 1);
                    let rest = jobs.split_off(committed.answers.len().min(jobs.len()));
                    for (job, answer) in jobs.iter_mut().zip(committed.answers) {
                        job.answer(answer);
                    }
                    self.fill_later(&committed.fill_later, &jobs);
                    groups.push_front(rest);
                }
                Err(Failed::Crashed) => return Err(Crashed),
                Err(Failed::Late) => {
                    expire(&mut jobs);
                    groups.push_front(jobs);
                }
                Err(Failed::Store(error)) => self.split(&mut groups, jobs, error),
            }
        }
        Ok(())
    }

    fn split(&self, groups: &mut VecDeque<Vec<Job>>, mut jobs: Vec<Job>, error: StoreError) {
        if matches!(error, StoreError::Constraint(_)) {
            self.tools.counters.invariant_violations.add(1);
            let name = |job: &Job| format!("{} {}", job.command.name(), job.command.subject());
            let names: Vec<String> = jobs.iter().map(name).collect();
            tracing::error!(error = %error, commands = ?names, "a constraint refused a batch");
        }
        if jobs.len() > 1 && is_of_one(&error) {
            let second = jobs.split_off(jobs.len() / 2);
            groups.push_front(second);
            groups.push_front(jobs);
            return;
        }
        if jobs.iter().any(|job| job.maybe_done) {
            // Whoever waits is told only that the outcome is unknown.
            tracing::error!(error = %error, commands = jobs.len(), "the outcome of a commit is unknown");
        }
        let error = shared(error.in_file(|| self.tools.db.place()));
        for job in &mut jobs {
            // A commit of it was sent and may have happened: nobody knows.
            let unknown = job.maybe_done.then(|| WriteError::Unknown(job.key.clone()));
            job.answer(Err(unknown.unwrap_or_else(|| error.clone())));
        }
    }

    /// What a writer that died left to fill: looked for with the first batch, so
    /// that who only reads writes nothing, and with every sweep.
    async fn find_rests(&mut self, jobs: &[Job]) {
        let sweep = jobs.iter().any(|job| matches!(job.command, Command::ExpireDue));
        if jobs.is_empty() || self.looked && !sweep {
            return;
        }
        match self.rests().await {
            Ok(rests) => {
                self.looked = true;
                self.fill_later(&rests, jobs);
            }
            Err(error) => tracing::warn!(error = %error, "what is left to fill cannot be read"),
        }
    }

    async fn rests(&self) -> Result<Vec<LevelKey>, StoreError> {
        store::fills::rests(&mut self.tools.db.read().await?.conn()).await
    }

    /// What one transaction left to fill becomes the next commands.
    fn fill_later(&mut self, levels: &[LevelKey], jobs: &[Job]) {
        let Some(account) = jobs.first().map(|job| job.account) else {
            return;
        };
        for &key in levels {
            let fills_it = |job: &Job| matches!(job.command, Command::Fill(one) if one == key);
            if self.carried.iter().any(fills_it) {
                continue;
            }
            let command = Command::Fill(key);
            let content_hash = command.content_hash();
            if let Ok(own) = own_key(self.tools.random.as_ref()) {
                let job = Job {
                    command,
                    account,
                    key: own,
                    content_hash,
                    deadline: None,
                    maybe_done: false,
                    show: false,
                    reply: None,
                };
                self.carried.push_back(job);
            }
        }
    }
}

struct Crashed;

/// A transaction for a batch, or why there is none.
type Begun = Result<WriteTx, StoreError>;

/// Whether it may be one command that a batch failed for, and not the database.
fn is_of_one(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Constraint(_)
            | StoreError::Unique(_)
            | StoreError::RowsAffected { .. }
            | StoreError::Statement(_)
            | StoreError::Decode { .. }
            | StoreError::Overtaken(_)
            | StoreError::Unsettled(_)
            | StoreError::KeyExchanged
    )
}

/// Whether the deadline of a command has passed. One that may have been
/// committed has none any more: what became of it must be found out.
fn is_late(job: &Job, now: Instant) -> bool {
    !job.maybe_done && job.deadline.is_some_and(|deadline| deadline <= now)
}

/// Whether the deadline of any command has passed.
fn late(jobs: &[Job]) -> bool {
    let now = Instant::now();
    jobs.iter().any(|job| is_late(job, now))
}

/// Answers the commands whose deadline has passed, and leaves the others.
fn expire(jobs: &mut Vec<Job>) {
    let now = Instant::now();
    jobs.retain_mut(|job| {
        let late = is_late(job, now);
        if late {
            job.answer(Err(WriteError::Expired));
        }
        !late
    });
}
