//! How scheduled jobs went.

use serde::Serialize;

use super::ReportError;
use super::view::time;
use crate::clock::Timestamp;
use crate::store::{self, Db};

/// The last run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobRunView {
    /// Which job.
    pub job: String,
    /// When it was due by the schedule.
    pub due_at: Timestamp,
    /// Who does or did it: machine, process, and what makes it unique.
    pub node: String,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it ended; `null` while it runs, or where its node was lost.
    pub finished_at: Option<Timestamp>,
    /// `done` or `failed`; `null` before its end.
    pub outcome: Option<String>,
    /// What there is to say about it.
    pub detail: Option<String>,
}

/// Of each job that ever ran the run that was due last.
pub async fn last_runs(db: &Db) -> Result<Vec<JobRunView>, ReportError> {
    let runs = store::job_runs::last_of_each(&mut db.read().await?.conn()).await?;
    let view = |run: store::job_runs::StoredRun| {
        Ok(JobRunView {
            job: run.job,
            due_at: time(run.due_at)?,
            node: run.node,
            started_at: time(run.started_at)?,
            finished_at: run.finished_at.map(time).transpose()?,
            outcome: run.outcome,
            detail: run.detail,
        })
    };
    runs.into_iter().map(view).collect()
}
