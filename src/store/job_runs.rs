//! The table `job_run`: who does which run of a scheduled job, and how it ended.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

/// A run of a job, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRun {
    pub(crate) job: String,
    pub(crate) due_at: i64,
    pub(crate) node: String,
    pub(crate) started_at: i64,
    pub(crate) lease_until: i64,
    pub(crate) finished_at: Option<i64>,
    pub(crate) outcome: Option<String>,
    pub(crate) detail: Option<String>,
}

/// The run a node has claimed.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) job: &'static str,
    pub(crate) due_at: i64,
    pub(crate) node: String,
}

statement!(
    CLAIM,
    "insert into job_run (job, due_at, node, started_at, lease_until) values ($1, $2, $3, $4, $5)
     on conflict do nothing"
);
statement!(
    TAKE_OVER,
    "update job_run set node = $3, started_at = $4, lease_until = $5
     where job = $1 and due_at = $2 and finished_at is null and lease_until <= $4"
);
statement!(
    EXTEND,
    "update job_run set lease_until = $4
     where job = $1 and due_at = $2 and node = $3 and finished_at is null"
);
statement!(
    FINISH,
    "update job_run set finished_at = $4, outcome = $5, detail = $6
     where job = $1 and due_at = $2 and node = $3 and finished_at is null"
);
statement!(
    GIVE_UP,
    "update job_run set finished_at = $3, outcome = 'failed', detail = 'its node was gone'
     where job = $1 and due_at < $2 and finished_at is null and lease_until <= $3"
);
statement!(
    BY_HAND,
    "insert into job_run
       (job, due_at, node, started_at, lease_until, finished_at, outcome, detail)
     select r.job, $2, $3, $2, $2, $2, 'done', $4
     from job_run as r
     where r.job = $1 and r.outcome = 'failed' and r.due_at < $2
       and r.due_at = (select max(o.due_at) from job_run as o where o.job = $1)
     on conflict do nothing"
);
statement!(
    FORGET,
    "delete from job_run
     where job = $1 and (due_at > $4 or due_at < $2 and due_at < $3 and finished_at is not null)"
);
statement!(
    LAST,
    "select job, due_at, node, started_at, lease_until, finished_at, outcome, detail
     from job_run where job = $1 and due_at <= $2 order by due_at desc limit 1"
);
statement!(
    LAST_OF_EACH,
    "select r.job, r.due_at, r.node, r.started_at, r.lease_until, r.finished_at, r.outcome, r.detail
     from job_run as r
     where r.due_at = (select max(o.due_at) from job_run as o where o.job = r.job)
     order by r.job"
);

pub(super) const STATEMENTS: &[&Statement] =
    &[&CLAIM, &TAKE_OVER, &EXTEND, &FINISH, &GIVE_UP, &BY_HAND, &FORGET, &LAST, &LAST_OF_EACH];

/// Claims a run that nobody has; false when somebody was first.
pub(crate) async fn claim(
    conn: &mut Conn<'_>,
    claim: &Claim,
    now: i64,
    lease_until: i64,
) -> Result<bool, StoreError> {
    let args = args![claim.job, claim.due_at, claim.node.as_str(), now, lease_until];
    if conn.execute(&CLAIM, args).await? == 0 {
        return Ok(false);
    }
    conn.execute(&GIVE_UP, args![claim.job, claim.due_at, now]).await?;
    Ok(true)
}

/// Takes over a run whose node let its claim lapse; false when there is none.
pub(crate) async fn take_over(
    conn: &mut Conn<'_>,
    claim: &Claim,
    now: i64,
    lease_until: i64,
) -> Result<bool, StoreError> {
    let args = args![claim.job, claim.due_at, claim.node.as_str(), now, lease_until];
    Ok(conn.execute(&TAKE_OVER, args).await? == 1)
}

/// Keeps a claim; false when it was lost.
pub(crate) async fn extend(
    conn: &mut Conn<'_>,
    claim: &Claim,
    lease_until: i64,
) -> Result<bool, StoreError> {
    let args = args![claim.job, claim.due_at, claim.node.as_str(), lease_until];
    Ok(conn.execute(&EXTEND, args).await? == 1)
}

/// Writes how a run ended, and forgets runs of the job due before a moment and those of
/// a clock that was wrong, due after another; false when the claim was lost.
pub(crate) async fn finish(
    conn: &mut Conn<'_>,
    claim: &Claim,
    now: i64,
    ended: (&str, &str),
    forget: (i64, i64),
) -> Result<bool, StoreError> {
    let (outcome, detail) = ended;
    let args = args![claim.job, claim.due_at, claim.node.as_str(), now, outcome, detail];
    let finished = conn.execute(&FINISH, args).await? == 1;
    conn.execute(&FORGET, args![claim.job, claim.due_at, forget.0, forget.1]).await?;
    Ok(finished)
}

/// Writes down that somebody did by hand at `now` what the last run of a job failed to do;
/// nothing where it did not fail.
pub(crate) async fn by_hand(
    conn: &mut Conn<'_>,
    job: &str,
    node: &str,
    now: i64,
    detail: &str,
) -> Result<(), StoreError> {
    conn.execute(&BY_HAND, args![job, now, node, detail]).await.map(drop)
}

/// The run of a job that was due last: one that is not due yet was claimed under a
/// wrong clock.
pub(crate) async fn last(
    conn: &mut Conn<'_>,
    job: &str,
    now: i64,
) -> Result<Option<StoredRun>, StoreError> {
    conn.optional(&LAST, args![job, now]).await?.map(|row| run(&row)).transpose()
}

/// Of each job the run that was due last.
pub(crate) async fn last_of_each(conn: &mut Conn<'_>) -> Result<Vec<StoredRun>, StoreError> {
    conn.all(&LAST_OF_EACH, args![]).await?.iter().map(run).collect()
}

fn run(row: &super::statement::Row) -> Result<StoredRun, StoreError> {
    Ok(StoredRun {
        job: row.text(0)?,
        due_at: row.int(1)?,
        node: row.text(2)?,
        started_at: row.int(3)?,
        lease_until: row.int(4)?,
        finished_at: row.int_opt(5)?,
        outcome: row.text_opt(6)?,
        detail: row.text_opt(7)?,
    })
}
