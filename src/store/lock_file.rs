//! Files that are only there to be locked, beside a SQLite file.
//!
//! The folder belongs to the daemon's user, and root works in it too: what lies there
//! under the name of a lock is not trusted. Nothing is followed, nothing but a plain
//! file of one name is opened, and only what was just made is given away.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::owner::give_to_owner_of;

/// How often a file that comes and goes is tried for.
const TRIES_MAX: u32 = 10;

/// The name of a file beside a database file.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a lock file, and makes it where it is missing: its owner's alone, because
/// whoever may read it may lock it.
pub(super) fn lock_file(database: &Path, suffix: &str) -> Result<File, StoreError> {
    let path = beside(database, suffix);
    open_or_make(&path, database).map_err(|source| StoreError::LockFile { path, source })
}

fn open_or_make(path: &Path, database: &Path) -> Result<File, Error> {
    for _ in 0..TRIES_MAX {
        match open(OpenOptions::new().read(true).write(true), path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(file) => {
                let found = file.metadata()?;
                if found.is_file() && found.nlink() == 1 {
                    return Ok(file);
                }
                return Err(Error::other("it is no plain file of one name: remove it"));
            }
        }
        match open(OpenOptions::new().read(true).write(true).create_new(true), path) {
            // Another process was first.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                // Before the database there is its folder.
                let folder = database.parent().filter(|_| !database.exists());
                give_to_owner_of(folder.unwrap_or(database), &file);
                return Ok(file);
            }
        }
    }
    Err(Error::other("it comes and goes"))
}

fn open(options: &mut OpenOptions, path: &Path) -> Result<File, Error> {
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_lies_there_instead_of_a_lock_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let (database, precious) = (dir.path().join("shop.db"), dir.path().join("precious"));
        std::fs::write(&precious, "mugs").unwrap();
        symlink(&precious, beside(&database, "link")).unwrap();
        std::fs::hard_link(&precious, beside(&database, "hard")).unwrap();
        symlink(dir.path().join("nowhere"), beside(&database, "dangling")).unwrap();
        std::fs::create_dir(beside(&database, "folder")).unwrap();
        for suffix in ["link", "hard", "dangling", "folder"] {
            let refused = lock_file(&database, suffix).unwrap_err();
            assert!(refused.to_string().contains(suffix), "{refused}");
        }
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "mugs");
        assert!(!dir.path().join("nowhere").exists());
        for _ in 0..2 {
            let mode = lock_file(&database, "turn").unwrap().metadata().unwrap().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
