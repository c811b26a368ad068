//! Jobs: what the daemon does by the calendar, each run once however many nodes
//! there are.
//!
//! The scheduler is a clock that pokes and nothing else: it may lose a tick, give it
//! twice, or stop for ever when the machine is busy (its issue 113). What is due follows
//! from the schedule, and a row claims the run, so that a tick too many does nothing and
//! one that was lost is made up for by the next look, or at the next start.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_cron_scheduler::{Job as ClockJob, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use super::work::{self, Work};
use crate::clock::Timestamp;
use crate::config::{Schedule, ScheduleConfig};
use crate::shop::Shop;
use crate::store::job_runs::{self, Claim};
use crate::store::{Conn, StoreError};
use crate::sync::Channel;

/// How often jobs are looked at besides the ticks of their clock.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Pokes that may wait: one is as good as many.
const POKES_MAX: usize = 4;
/// How long a claim lasts unless it is renewed: a node that died keeps its run so long.
const CLAIM_MS: i64 = 120_000;
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(30);
/// How long one run may take.
const RUN_MAX: Duration = Duration::from_hours(6);
/// How long the rows of old runs are kept: 90 days.
const KEEP_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// By how much the clock of another node may be ahead of this one: a run that is due
/// later was claimed under a clock that was set back since.
const AHEAD_MS: i64 = 60 * 60 * 1000;

/// Runs jobs when they are due until it is stopped.
pub(super) async fn run(
    shop: Arc<Shop>,
    (config, channels): (ScheduleConfig, Vec<Arc<Channel>>),
    node: String,
    stop: CancellationToken,
) {
    let work = work::of(config, channels);
    if work.is_empty() {
        return stop.cancelled().await;
    }
    let (poke, mut poked) = mpsc::channel(POKES_MAX);
    let clock = start_clock(work.iter().map(|(schedule, _)| schedule), &poke).await;
    if let Err(error) = &clock {
        tracing::error!(error = %error, "the clock of jobs does not run: they are some seconds late");
    }
    let began = shop.clock.now();
    let runner = Runner { shop, node, began };
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = poked.recv() => {}
            _ = looks.tick() => {}
        }
        tokio::select! {
            biased;
            // The claim of a run that is broken off lapses: the next start makes up for it.
            () = stop.cancelled() => break,
            () = runner.look_at_all(&work) => {}
        }
    }
    if let Ok(mut clock) = clock
        && let Err(error) = clock.shutdown().await
    {
        tracing::debug!(error = %error, "the clock of jobs did not stop");
    }
}

/// Starts the clock: in UTC, and its closures only poke, because one that blocks
/// stops all others.
async fn start_clock(
    schedules: impl Iterator<Item = &Schedule>,
    poke: &mpsc::Sender<()>,
) -> Result<JobScheduler, JobSchedulerError> {
    let clock = JobScheduler::new().await?;
    for schedule in schedules {
        let poke = poke.clone();
        let job = ClockJob::new_async(schedule.as_str(), move |_, _| {
            // A full channel holds a poke already.
            poke.try_send(()).ok();
            Box::pin(async {})
        })?;
        clock.add(job).await?;
    }
    clock.start().await?;
    Ok(clock)
}

struct Runner {
    shop: Arc<Shop>,
    node: String,
    /// What was due before is made up for only where the job ran before.
    began: Timestamp,
}

impl Runner {
    async fn look_at_all(&self, work: &[(Schedule, Work)]) {
        for (schedule, work) in work {
            match self.claim(schedule, work.name()).await {
                Ok(Some(claim)) => self.perform(claim, work).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(job = work.name(), error = %error, "a job cannot be claimed");
                }
            }
        }
    }

    /// Claims the run that is due, where one is and nobody has it.
    async fn claim(
        &self,
        schedule: &Schedule,
        job: &'static str,
    ) -> Result<Option<Claim>, StoreError> {
        let now = self.shop.clock.now();
        let Some(due) = schedule.last_due(now) else {
            return Ok(None);
        };
        let (now, due_at) = (now.as_millis(), due.as_millis());
        let last = job_runs::last(&mut self.shop.db.read().await?.conn(), job, now).await?;
        let due_at = match &last {
            // It never ran: a new shop need not make up for last night.
            None if due <= self.began => return Ok(None),
            Some(run) if run.due_at >= due_at => {
                if run.finished_at.is_some() || run.lease_until > now {
                    return Ok(None);
                }
                run.due_at
            }
            _ => due_at,
        };
        let is_lost = last.is_some_and(|run| run.due_at == due_at);
        let claim = Claim { job, due_at, node: self.node.clone() };
        let (wanted, until) = (claim.clone(), now + CLAIM_MS);
        let write = self.shop.db.write(move |mut conn: Conn<'_>| {
            Box::pin(async move {
                if is_lost {
                    job_runs::take_over(&mut conn, &wanted, now, until).await
                } else {
                    job_runs::claim(&mut conn, &wanted, now, until).await
                }
            })
        });
        Ok(write.await?.then_some(claim))
    }

    /// Does the work of a claimed run and writes down how it ended.
    async fn perform(&self, claim: Claim, work: &Work) {
        let job = claim.job;
        tracing::info!(job, "a job has begun");
        // In a task of its own: a panic is a failed run, not the end of the daemon.
        let mut running = JoinSet::new();
        let (shop, work) = (Arc::clone(&self.shop), work.clone());
        running.spawn(async move { work.run(&shop).await });
        let ended = tokio::select! {
            ended = running.join_next() => match ended {
                Some(Ok(ended)) => ended,
                Some(Err(error)) => Err(format!("it panicked: {error}")),
                None => Err("it was not begun".to_owned()),
            },
            () = tokio::time::sleep(RUN_MAX) => Err("it took too long and was broken off".to_owned()),
            error = self.keep(&claim) => Err(error),
        };
        running.shutdown().await;
        let (outcome, detail) = match ended {
            Ok(detail) => ("done", detail),
            Err(detail) => ("failed", detail),
        };
        self.shop.counters.job_ended(job, outcome);
        if outcome == "done" {
            tracing::info!(job, detail, "a job is done");
        } else {
            tracing::error!(job, detail, "a job has failed");
        }
        let now = self.shop.clock.now().as_millis();
        let write = self.shop.db.write(move |mut conn: Conn<'_>| {
            Box::pin(async move {
                let forget = (now - KEEP_MS, now + AHEAD_MS);
                job_runs::finish(&mut conn, &claim, now, (outcome, &detail), forget).await
            })
        });
        match write.await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(job, "another node took the run over meanwhile"),
            Err(error) => {
                tracing::warn!(job, error = %error, "the end of a job cannot be recorded");
            }
        }
    }

    /// Renews a claim for as long as it is ours; why it is not, then.
    async fn keep(&self, claim: &Claim) -> String {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let (claim, until) = (claim.clone(), self.shop.clock.now().as_millis() + CLAIM_MS);
            let write = self.shop.db.write(move |mut conn: Conn<'_>| {
                Box::pin(async move { job_runs::extend(&mut conn, &claim, until).await })
            });
            match write.await {
                Ok(true) => {}
                Ok(false) => return "another node took it over".to_owned(),
                // The claim lasts longer than one failure.
                Err(error) => tracing::warn!(error = %error, "a claim could not be renewed"),
            }
        }
    }
}
