//! Whose turn it is to write a SQLite file, among processes.
//!
//! SQLite's own busy handler sleeps and starves: a waiter beside a busy writer
//! may never get in. So every writing process takes the file lock `FILE.turn`,
//! then `FILE.write`, then lets `FILE.turn` go, before `begin immediate`: one
//! waiter stands at the door while the others queue behind the turn.
//!
//! Where somebody else has a lock, one thread waits for it. Shutdown does not
//! join it: it may stand at another process' lock for as long as that takes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;

use super::StoreError;
use super::lock_file::{beside, lock_file};

/// Who waits for the locks.
type Waiting = oneshot::Sender<std::io::Result<()>>;

/// The two lock files beside a database file, and the thread that waits for them.
#[derive(Debug)]
pub(crate) struct Turn {
    waiting: mpsc::Sender<Waiting>,
    files: Arc<Files>,
    path: PathBuf,
}

#[derive(Debug)]
struct Files {
    turn: File,
    write: File,
}

/// The right to write, held until it is dropped.
#[derive(Debug)]
pub(crate) struct TurnGuard {
    files: Arc<Files>,
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        if let Err(error) = self.files.write.unlock() {
            tracing::error!(error = %error, "a lock file cannot be unlocked");
        }
    }
}

impl Files {
    /// Both locks where nobody has them or waits for them: without waiting.
    fn try_take(&self) -> bool {
        if self.turn.try_lock().is_err() {
            return false;
        }
        // A turn that was taken in vain is the thread's to wait with.
        self.write.try_lock().is_ok() && self.turn.unlock().is_ok()
    }

    /// Both locks, as soon as others let them go; after an error, neither.
    ///
    /// After a vain `try_take` this file has the turn already (and the other lock,
    /// where only the unlocking failed). What locking it once more does is
    /// unspecified in general; on Linux it is `flock`, which grants it at once.
    fn wait(&self) -> std::io::Result<()> {
        self.turn.lock()?;
        let taken = self.write.lock();
        let passed_on = self.turn.unlock();
        if taken.is_ok() && passed_on.is_err() {
            self.write.unlock()?;
        }
        taken.and(passed_on)
    }
}

impl Turn {
    /// Opens (and where needed creates) the lock files `FILE.turn` and `FILE.write`.
    pub(crate) fn open(database: &Path) -> Result<Self, StoreError> {
        let (turn, write) = (lock_file(database, "turn")?, lock_file(database, "write")?);
        let files = Arc::new(Files { turn, write });
        let (waiting, inbox) = mpsc::channel();
        let path = beside(database, "write");
        let failed = path.clone();
        let own = Arc::clone(&files);
        std::thread::Builder::new()
            .name("invshop-turn".to_owned())
            .spawn(move || wait_for_locks(&inbox, &own))
            .map_err(|source| StoreError::LockFile { path: failed, source })?;
        Ok(Self { waiting, files, path })
    }

    /// Waits for the right to write. It must be waited for to its end, as `Db` does
    /// in a task of its own: the locks of a wait that is cancelled just as they are
    /// granted go back only with the next writer of this process.
    pub(crate) async fn take(&self) -> Result<TurnGuard, StoreError> {
        if !self.files.try_take() {
            let (reply, taken) = oneshot::channel();
            self.waiting.send(reply).map_err(|_| StoreError::Closed)?;
            taken
                .await
                .map_err(|_| StoreError::Closed)?
                .map_err(|source| StoreError::LockFile { path: self.path.clone(), source })?;
        }
        Ok(TurnGuard { files: Arc::clone(&self.files) })
    }
}

fn wait_for_locks(inbox: &mpsc::Receiver<Waiting>, files: &Files) {
    while let Ok(reply) = inbox.recv() {
        // Nobody waits any more: the next to come must not find the lock held.
        if reply.send(files.wait()).is_err()
            && let Err(error) = files.write.unlock()
        {
            tracing::error!(error = %error, "a lock file cannot be unlocked");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_writers_take_turns() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shop.db");
        let (one, two) = (Turn::open(&file).unwrap(), Turn::open(&file).unwrap());
        let guard = one.take().await.unwrap();
        let waiting = two.take();
        tokio::pin!(waiting);
        // The second writer's thread stands at the lock; it cannot be past it.
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("two writers at once"),
            () = tokio::task::yield_now() => {}
        }
        drop(guard);
        drop(waiting.await.unwrap());
        drop(one.take().await.unwrap());
    }
}
