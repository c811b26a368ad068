//! One daemon a SQLite file: two would both expire, run jobs and fold the log.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use super::StoreError;
use super::lock_file::{beside, lock_file};

/// The end of the name of the lock file.
const SUFFIX: &str = "daemon";
/// How long a look of [`DaemonLock::holder`] may be in the way.
const LOOK: Duration = Duration::from_millis(50);

/// The right to be the daemon of a SQLite file: held until it is dropped or the
/// process ends, however it ends.
#[derive(Debug)]
pub struct DaemonLock {
    _file: File,
}

impl DaemonLock {
    /// Locks `FILE.daemon` and writes this process' id into it. A daemon that has the
    /// file refuses it, by its id.
    pub fn take(database: &Path) -> Result<Self, StoreError> {
        let path = beside(database, SUFFIX);
        let failed = |source| StoreError::LockFile { path: path.clone(), source };
        let mut file = lock_file(database, SUFFIX)?;
        let mut locked = file.try_lock();
        if matches!(locked, Err(TryLockError::WouldBlock)) {
            std::thread::sleep(LOOK);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read(&mut file).map_err(failed)?;
                return Err(StoreError::DaemonRuns { place: database.display().to_string(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// The process id of the daemon that has the file, where one has.
    pub fn holder(database: &Path) -> Result<Option<String>, StoreError> {
        let path = beside(database, SUFFIX);
        let failed = |source| StoreError::LockFile { path: path.clone(), source };
        if !path.exists() {
            return Ok(None);
        }
        let mut file = lock_file(database, SUFFIX)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => read(&mut file).map(Some).map_err(failed),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

fn read(file: &mut File) -> std::io::Result<String> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_by_the_id_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shop.db");
        assert_eq!(DaemonLock::holder(&file).unwrap(), None);
        let first = DaemonLock::take(&file).unwrap();
        let own = std::process::id().to_string();
        match DaemonLock::take(&file) {
            Err(StoreError::DaemonRuns { pid, .. }) => assert_eq!(pid, own),
            other => panic!("{other:?}"),
        }
        assert_eq!(DaemonLock::holder(&file).unwrap(), Some(own));
        drop(first);
        assert_eq!(DaemonLock::holder(&file).unwrap(), None);
        DaemonLock::take(&file).unwrap();
    }
}
