//! What jobs do, each as one function from a shop to a line about how it went.

use crate::config::{Schedule, ScheduleConfig};
use crate::reports;
use crate::shop::Shop;

/// Findings that a line names at most.
const NAMED_MAX: usize = 3;

/// The work of one job.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Proves the whole database.
    Verify,
}

/// The jobs of a configuration, with when they are due.
pub(super) fn of(config: ScheduleConfig) -> Vec<(Schedule, Work)> {
    config.verify.map(|schedule| (schedule, Work::Verify)).into_iter().collect()
}

impl Work {
    /// Its name, in the table of runs, the log and metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Verify => "verify",
        }
    }

    /// Does it: what there is to say when it is done, or why it failed.
    pub(super) async fn run(&self, shop: &Shop) -> Result<String, String> {
        match self {
            Self::Verify => verify(shop).await,
        }
    }
}

async fn verify(shop: &Shop) -> Result<String, String> {
    let verified =
        reports::verify(&shop.db, &mut |_| {}).await.map_err(|error| error.to_string())?;
    let examined = format!(
        "{} entries, {} levels, {} orders",
        verified.entries, verified.levels, verified.orders
    );
    if verified.is_clean() {
        return Ok(format!("sound: {examined}"));
    }
    shop.counters.invariant_violations.add(verified.findings_total);
    let named: Vec<String> =
        verified.findings.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let (total, named) = (verified.findings_total, named.join("; "));
    Err(format!("{total} broken invariants in {examined}: {named}"))
}
