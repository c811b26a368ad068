//! What jobs do, each as one function from a shop to a line about how it went.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chrono::{DateTime, NaiveDateTime};

use crate::backup::{self, PART_END, Watch};
use crate::clock::Timestamp;
use crate::config::{Schedule, ScheduleConfig};
use crate::reports;
use crate::shop::Shop;
use crate::sync::{self, Channel, Look, SyncError};

/// What the names of scheduled backups begin and end with; between them stand the shop
/// and the time in UTC, so that their order is that of time.
const BACKUP_BEGIN: &str = "invshop-";
const BACKUP_END: &str = ".jsonl.gz";
const BACKUP_TIME: &str = "%Y%m%dT%H%M%SZ";
/// How long nobody works on a part of a backup, in milliseconds: a run takes less.
const PART_MS: i64 = 24 * 60 * 60 * 1000;
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
    Backup {
        /// Where to.
        directory: PathBuf,
        /// How many are kept.
        keep: usize,
    },
}

/// The jobs of a configuration, with when they are due.
pub(super) fn of(config: ScheduleConfig, channels: Vec<Arc<Channel>>) -> Vec<(Schedule, Work)> {
    let keep = usize::try_from(config.backup_keep).unwrap_or(usize::MAX);
    let backup = Work::Backup { directory: config.backup_directory, keep };
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
            Self::Backup { .. } => "backup",
        }
    }

    /// Does it: what there is to say when it is done, or why it failed.
    pub(super) async fn run(&self, shop: &Shop) -> Result<String, String> {
        match self {
            Self::Verify => verify(shop).await,
            Self::Reconcile(channels) => compare(channels).await,
            Self::Backup { directory, keep } => make_backup(shop, directory, *keep).await,
        }
    }
}

async fn make_backup(shop: &Shop, directory: &Path, keep: usize) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", directory.display());
    std::fs::create_dir_all(directory).map_err(|error| failed(&error))?;
    let now = shop.clock.now();
    let names = Names { shop: shop.key.id().to_string() };
    let file = directory.join(names.of(now));
    let watch = Watch { rows: &|_, _| (), stop: &AtomicBool::new(false) };
    let written = backup::write(&shop.db, &file, (now, false), watch).await;
    let written = written.map_err(|error| error.to_string())?;
    let deleted = names.delete_old(directory, keep, now).map_err(|error| failed(&error))?;
    let (rows, seq, bytes) = (written.rows, written.seq, written.bytes);
    let file = file.display();
    Ok(format!("{file}: {rows} rows up to entry {seq}, {bytes} bytes; {deleted} old ones deleted"))
}

/// The names of the scheduled backups of a shop: nothing else is ever deleted, and two
/// shops may have one folder.
struct Names {
    /// The public id of its instance key.
    shop: String,
}

impl Names {
    fn of(&self, now: Timestamp) -> String {
        let time = DateTime::from_timestamp_millis(now.as_millis()).unwrap_or_default();
        format!("{BACKUP_BEGIN}{}-{}{BACKUP_END}", self.shop, time.format(BACKUP_TIME))
    }

    /// When a backup of this shop was begun, by its name.
    fn time(&self, name: &str) -> Option<Timestamp> {
        let rest = name.strip_prefix(BACKUP_BEGIN)?.strip_prefix(&self.shop)?;
        let time = rest.strip_prefix('-')?.strip_suffix(BACKUP_END)?;
        let time = NaiveDateTime::parse_from_str(time, BACKUP_TIME).ok()?;
        Timestamp::from_millis(time.and_utc().timestamp_millis()).ok()
    }

    /// The same of what is left of one that was broken off.
    fn time_of_part(&self, name: &str) -> Option<Timestamp> {
        let (name, _) = name.strip_prefix('.')?.strip_suffix(PART_END)?.rsplit_once('.')?;
        self.time(name)
    }

    /// Deletes the oldest backups beyond those that are kept, and what broken-off ones
    /// left; how many. One of the future does not count: the clock was wrong then, or is.
    fn delete_old(&self, directory: &Path, keep: usize, now: Timestamp) -> io::Result<usize> {
        let (mut whole, mut old) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(directory)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if self.time(&name).is_some_and(|time| time <= now) {
                whole.push(name);
            } else if self.time_of_part(&name).is_some_and(|time| is_stale(time, now)) {
                old.push(name);
            }
        }
        whole.sort_unstable();
        let beyond = whole.len().saturating_sub(keep.max(1));
        old.extend(whole.drain(..beyond));
        for name in &old {
            std::fs::remove_file(directory.join(name))?;
        }
        Ok(old.len())
    }
}

/// Whether nobody can be at work on what was begun at a time.
fn is_stale(time: Timestamp, now: Timestamp) -> bool {
    now.as_millis().saturating_sub(time.as_millis()) > PART_MS
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_backups_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |day: u32| Timestamp::parse(&format!("2026-03-{day:02}T03:30:00Z")).unwrap();
        let (names, other) = (Names { shop: "996b4a76".into() }, Names { shop: "11aa22bb".into() });
        let part = |day| format!(".{}.x7Yz{PART_END}", names.of(at(day)));
        let others = [
            "invshop-.jsonl.gz".to_owned(),
            "invshop-mine.jsonl.gz".to_owned(),
            "notes".to_owned(),
            "invshop-996b4a76-20260301T033000Z".to_owned(),
            "invshop-20260301T033000Z.jsonl.gz".to_owned(),
            other.of(at(1)),
            // Of a clock that was wrong, and one that is being made.
            names.of(at(9)),
            part(5),
        ];
        let backups: Vec<String> = (1..=5).map(|day| names.of(at(day))).collect();
        assert_eq!(backups[0], "invshop-996b4a76-20260301T033000Z.jsonl.gz");
        for name in others.iter().chain(&backups).chain([&part(3)]) {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(names.delete_old(folder.path(), 2, at(5)).unwrap(), 4, "three and a part");
        assert_eq!(names.delete_old(folder.path(), 0, at(5)).unwrap(), 1, "never the newest");
        for (index, name) in backups.iter().enumerate() {
            assert_eq!(folder.path().join(name).exists(), index == 4, "{name}");
        }
        assert!(!folder.path().join(part(3)).exists());
        for name in &others {
            assert!(folder.path().join(name).exists(), "{name}");
        }
    }
}
