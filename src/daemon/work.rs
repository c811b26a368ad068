//! What jobs do, each as one function from a shop to a line about how it went.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use chrono::DateTime;

use crate::backup::{self, Watch};
use crate::clock::Timestamp;
use crate::config::{Schedule, ScheduleConfig};
use crate::reports;
use crate::shop::Shop;

/// What the names of scheduled backups begin and end with; between them stands the time
/// in UTC, so that their order is that of time.
const BACKUP_BEGIN: &str = "invshop-";
const BACKUP_END: &str = ".jsonl.gz";
const BACKUP_TIME: &str = "%Y%m%dT%H%M%SZ";
/// Findings that a line names at most.
const NAMED_MAX: usize = 3;

/// The work of one job.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Proves the whole database.
    Verify,
    /// Makes a backup, and deletes the oldest that are too many.
    Backup {
        /// Where to.
        directory: PathBuf,
        /// How many are kept.
        keep: usize,
    },
}

/// The jobs of a configuration, with when they are due.
pub(super) fn of(config: ScheduleConfig) -> Vec<(Schedule, Work)> {
    let keep = usize::try_from(config.backup_keep).unwrap_or(usize::MAX);
    let backup = Work::Backup { directory: config.backup_directory, keep };
    let verify = config.verify.map(|schedule| (schedule, Work::Verify));
    verify.into_iter().chain(config.backup.map(|schedule| (schedule, backup))).collect()
}

impl Work {
    /// Its name, in the table of runs, the log and metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Backup { .. } => "backup",
        }
    }

    /// Does it: what there is to say when it is done, or why it failed.
    pub(super) async fn run(&self, shop: &Shop) -> Result<String, String> {
        match self {
            Self::Verify => verify(shop).await,
            Self::Backup { directory, keep } => make_backup(shop, directory, *keep).await,
        }
    }
}

async fn make_backup(shop: &Shop, directory: &Path, keep: usize) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", directory.display());
    std::fs::create_dir_all(directory).map_err(|error| failed(&error))?;
    let now = shop.clock.now();
    let file = directory.join(backup_name(now));
    let watch = Watch { rows: &|_, _| (), stop: &AtomicBool::new(false) };
    let written = backup::write(&shop.db, &file, (now, false), watch).await;
    let written = written.map_err(|error| error.to_string())?;
    let deleted = delete_old(directory, keep).map_err(|error| failed(&error))?;
    let (rows, seq, bytes) = (written.rows, written.seq, written.bytes);
    let file = file.display();
    Ok(format!("{file}: {rows} rows up to entry {seq}, {bytes} bytes; {deleted} old ones deleted"))
}

fn backup_name(now: Timestamp) -> String {
    let time = DateTime::from_timestamp_millis(now.as_millis()).unwrap_or_default();
    format!("{BACKUP_BEGIN}{}{BACKUP_END}", time.format(BACKUP_TIME))
}

/// Whether a file is a scheduled backup: nothing else is ever deleted.
fn is_backup(name: &str) -> bool {
    let time = name.strip_prefix(BACKUP_BEGIN).and_then(|rest| rest.strip_suffix(BACKUP_END));
    time.is_some_and(|time| chrono::NaiveDateTime::parse_from_str(time, BACKUP_TIME).is_ok())
}

/// Deletes the oldest scheduled backups beyond those that are kept; how many.
fn delete_old(directory: &Path, keep: usize) -> std::io::Result<usize> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| is_backup(name)));
    }
    names.sort_unstable();
    let old = names.len().saturating_sub(keep);
    for name in names.iter().take(old) {
        std::fs::remove_file(directory.join(name))?;
    }
    Ok(old)
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
        let others =
            ["invshop-.jsonl.gz", "invshop-mine.jsonl.gz", "notes", "invshop-20260301T033000Z"];
        let backups: Vec<String> = (1..=5).map(|day| backup_name(at(day))).collect();
        assert_eq!(backups[0], "invshop-20260301T033000Z.jsonl.gz");
        for name in others.iter().copied().chain(backups.iter().map(String::as_str)) {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(delete_old(folder.path(), 2).unwrap(), 3);
        assert_eq!(delete_old(folder.path(), 2).unwrap(), 0);
        for (index, name) in backups.iter().enumerate() {
            assert_eq!(folder.path().join(name).exists(), index >= 3, "{name}");
        }
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
    }
}
