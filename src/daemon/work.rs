//! What jobs do, each as one function from a shop to a line about how it went.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::backup::{self, Folder, Watch};
use crate::config::{Schedule, ScheduleConfig};
use crate::reports;
use crate::shop::Shop;
use crate::sync::{self, Channel, Look, SyncError};

/// Findings that a line names at most.
const NAMED_MAX: usize = 3;

/// The work of one job.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Proves the whole database.
    Verify,
    /// Compares all numbers of channels; what differs is looked at by their lanes.
    Reconcile(Vec<Arc<Channel>>),
    /// Makes a backup, and deletes the oldest that are too many.
    Backup(Folder),
}

/// The jobs of a configuration, with when they are due.
pub(super) fn of(config: ScheduleConfig, channels: Vec<Arc<Channel>>) -> Vec<(Schedule, Work)> {
    let keep = usize::try_from(config.backup_keep).unwrap_or(usize::MAX);
    let backup = Work::Backup(Folder { path: config.backup_directory, keep });
    let verify = config.verify.map(|schedule| (schedule, Work::Verify));
    let compare = config.reconcile.filter(|_| !channels.is_empty());
    let compare = compare.map(|schedule| (schedule, Work::Reconcile(channels)));
    verify
        .into_iter()
        .chain(compare)
        .chain(config.backup.map(|schedule| (schedule, backup)))
        .collect()
}

impl Work {
    /// Its name, in the table of runs, the log and metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reconcile(_) => "reconcile",
            Self::Backup(_) => "backup",
        }
    }

    /// Does it: what there is to say when it is done, or why it failed.
    pub(super) async fn run(&self, shop: &Shop) -> Result<String, String> {
        match self {
            Self::Verify => verify(shop).await,
            Self::Reconcile(channels) => compare(channels).await,
            Self::Backup(folder) => make_backup(shop, folder).await,
        }
    }
}

async fn make_backup(shop: &Shop, folder: &Folder) -> Result<String, String> {
    let watch = Watch { rows: &|_, _| (), stop: &AtomicBool::new(false) };
    let now = shop.clock.now();
    let made = backup::scheduled(&shop.db, shop.key.id(), folder, now, watch).await;
    let (written, deleted) = made.map_err(|error| error.to_string())?;
    let (rows, seq, bytes) = (written.rows, written.seq, written.bytes);
    let file = written.file.display();
    Ok(format!("{file}: {rows} rows up to entry {seq}, {bytes} bytes; {deleted} old ones deleted"))
}

/// Compares channel by channel; one that cannot be asked keeps no other from it.
async fn compare(channels: &[Arc<Channel>]) -> Result<String, String> {
    let (mut told, mut failed) = (Vec::new(), Vec::new());
    for channel in channels {
        let name = channel.name();
        // However many are off, the daemon has no use for them one by one.
        match sync::reconcile(channel, Look { keep: 0, ..Look::fixing() }).await {
            Ok(found) => {
                told.push(format!("{name}: {} numbers right, {} not", found.right, found.off()));
            }
            // It shows no numbers that could be compared.
            Err(SyncError::Cannot { .. }) => {}
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    if failed.is_empty() { Ok(told.join("; ")) } else { Err(failed.join("; ")) }
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
