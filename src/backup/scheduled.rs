//! Backups by the schedule: how they are named, and which of them are too many.
//!
//! A file is known by its name as one of this shop, because two shops may have one folder:
//! by the id of its instance key, or of one that it had before, as the journal tells. A copy
//! of the shop had those too, and went on otherwise: under a key of before only a backup of
//! this shop's own past counts.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime};

use super::format::{Header, Reading};
use super::write::PART_END;
use super::{BackupError, Watch, Written, write};
use crate::clock::Timestamp;
use crate::secret::KeyId;
use crate::store::acts::{self, FormerKey};
use crate::store::{self, Conn, Db, StoreError};

/// What the names of scheduled backups begin and end with; between them stand the shop
/// and the time in UTC, so that their order is that of time.
const BEGIN: &str = "invshop-";
const END: &str = ".jsonl.gz";
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// How long nobody works on a part of a backup, in milliseconds: a run takes less.
const PART_MS: i64 = 24 * 60 * 60 * 1000;
/// How far the clocks of nodes may be apart, in milliseconds, for a backup to be of the past
/// that the journal has.
const CLOCKS_MS: i64 = 10 * 60 * 1000;

/// Where scheduled backups go, and how many are kept there.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The folder; it is made where it is missing.
    pub path: PathBuf,
    /// The newest that are kept; one at least.
    pub keep: usize,
}

/// Makes a backup in a folder and deletes the oldest that are too many; how many.
pub async fn scheduled(
    db: &Db,
    key: KeyId,
    folder: &Folder,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<(Written, usize), BackupError> {
    let Folder { path, keep } = folder;
    let failed = |source| BackupError::Io { path: path.clone(), source };
    std::fs::create_dir_all(path).map_err(failed)?;
    let mut reader = db.read().await?;
    let former = acts::former_keys(&mut reader.conn()).await?;
    drop(reader);
    let names = Names { key: key.to_string(), former };
    let written = write(db, &path.join(names.of(now)), (now, false), watch).await?;
    let mut found = names.find(path, now).map_err(failed)?;
    let mut reader = db.read().await?;
    for backup in std::mem::take(&mut found.former) {
        if is_past(&mut reader.conn(), &path.join(&backup.1)).await? {
            found.whole.push(backup);
        }
    }
    drop(reader);
    let deleted = found.delete_old(path, *keep).map_err(failed)?;
    Ok((written, deleted))
}

/// Whether a backup is of the past of this journal: up to the entry that it ends with, the
/// two were one when it was made. Of what is no whole backup nothing is known.
async fn is_past(conn: &mut Conn<'_>, file: &Path) -> Result<bool, StoreError> {
    let header = File::open(file).ok().and_then(|input| Reading::new(input).header());
    let Some(Header { at, seq, .. }) = header else { return Ok(false) };
    let (newest, _) = store::journal::newest(conn).await?;
    let least = store::journal_reads::seq_at(conn, newest, at.saturating_sub(CLOCKS_MS)).await?;
    let most = store::journal_reads::seq_at(conn, newest, at.saturating_add(CLOCKS_MS)).await?;
    Ok((least..=most).contains(&seq))
}

/// The names of the scheduled backups of a shop: nothing else is ever deleted.
struct Names {
    /// The public id of its instance key.
    key: String,
    /// Those it had before.
    former: Vec<FormerKey>,
}

/// Whose a backup is, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Of the key that the shop has.
    Now,
    /// Of one that it had.
    Before,
}

/// A backup: when it was begun, and its name.
type Named = (Timestamp, String);

/// What was found in a folder.
#[derive(Debug, Default)]
struct Found {
    /// Whole backups.
    whole: Vec<Named>,
    /// Those that may be of a copy of the shop.
    former: Vec<Named>,
    /// What broken-off ones left.
    parts: Vec<String>,
}

impl Names {
    fn of(&self, now: Timestamp) -> String {
        let time = DateTime::from_timestamp_millis(now.as_millis()).unwrap_or_default();
        format!("{BEGIN}{}-{}{END}", self.key, time.format(TIME))
    }

    /// Whose a name says a backup is, and when it was begun.
    fn read(&self, name: &str) -> Option<(Of, Timestamp)> {
        let (key, time) = name.strip_prefix(BEGIN)?.strip_suffix(END)?.split_once('-')?;
        let time = NaiveDateTime::parse_from_str(time, TIME).ok()?;
        let time = Timestamp::from_millis(time.and_utc().timestamp_millis()).ok()?;
        if key == self.key {
            return Some((Of::Now, time));
        }
        // What came under it after it was exchanged is of somebody else.
        let is_own = |one: &FormerKey| one.id == key && time.as_millis() <= one.until;
        self.former.iter().any(is_own).then_some((Of::Before, time))
    }

    /// When what is left of one was begun that was broken off.
    fn read_part(&self, name: &str) -> Option<Timestamp> {
        let (name, _) = name.strip_prefix('.')?.strip_suffix(PART_END)?.rsplit_once('.')?;
        self.read(name).map(|(_, time)| time)
    }

    /// Looks through a folder. One of the future does not count: the clock was wrong then,
    /// or is.
    fn find(&self, folder: &Path, now: Timestamp) -> io::Result<Found> {
        let mut found = Found::default();
        for entry in std::fs::read_dir(folder)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            match self.read(&name).filter(|(_, time)| *time <= now) {
                Some((Of::Now, time)) => found.whole.push((time, name)),
                Some((Of::Before, time)) => found.former.push((time, name)),
                None if self.read_part(&name).is_some_and(|time| is_stale(time, now)) => {
                    found.parts.push(name);
                }
                None => {}
            }
        }
        Ok(found)
    }
}

impl Found {
    /// Deletes the oldest backups beyond those that are kept, and what broken-off ones left;
    /// how many.
    fn delete_old(mut self, folder: &Path, keep: usize) -> io::Result<usize> {
        self.whole.sort_unstable();
        let beyond = self.whole.len().saturating_sub(keep.max(1));
        let old = self.whole.drain(..beyond).map(|(_, name)| name).chain(self.parts);
        let old: Vec<String> = old.collect();
        for name in &old {
            std::fs::remove_file(folder.join(name))?;
        }
        Ok(old.len())
    }
}

/// Whether nobody can be at work on what was begun at a time.
fn is_stale(time: Timestamp, now: Timestamp) -> bool {
    now.as_millis().saturating_sub(time.as_millis()) > PART_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u32) -> Timestamp {
        Timestamp::parse(&format!("2026-03-{day:02}T03:30:00Z")).unwrap()
    }

    #[test]
    fn the_oldest_backups_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let names = |key: &str| Names { key: key.to_owned(), former: Vec::new() };
        let (names, other) = (names("996b4a76"), names("11aa22bb"));
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
        let delete = |keep| {
            let found = names.find(folder.path(), at(5)).unwrap();
            assert_eq!(found.former, []);
            found.delete_old(folder.path(), keep).unwrap()
        };
        assert_eq!(delete(2), 4, "three and a part");
        assert_eq!(delete(0), 1, "never the newest");
        for (index, name) in backups.iter().enumerate() {
            assert_eq!(folder.path().join(name).exists(), index == 4, "{name}");
        }
        assert!(!folder.path().join(part(3)).exists());
        for name in &others {
            assert!(folder.path().join(name).exists(), "{name}");
        }
    }

    #[test]
    fn a_name_under_a_key_of_before_counts_until_it_was_exchanged() {
        let until = at(3).as_millis();
        let former = vec![FormerKey { id: "11aa22bb".to_owned(), until }];
        let names = Names { key: "996b4a76".to_owned(), former };
        let of = |key: &str, day| {
            let name = Names { key: key.to_owned(), former: Vec::new() }.of(at(day));
            names.read(&name).map(|(of, _)| of == Of::Now)
        };
        assert_eq!(of("996b4a76", 4), Some(true));
        assert_eq!((of("11aa22bb", 3), of("11aa22bb", 4)), (Some(false), None));
        assert_eq!(of("55ee66ff", 1), None);
    }
}
