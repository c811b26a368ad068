//! Whose turn it is to write a SQLite file, among processes.
//!
//! SQLite's own busy handler sleeps and starves: a waiter beside a busy writer
//! may never get in. So every writing process takes the file lock `FILE.turn`,
//! then `FILE.write`, then lets `FILE.turn` go, before `begin immediate`: one
//! waiter stands at the door while the others queue behind the turn.
//!
//! File locks block, so they live on one thread of their own. Shutdown does not
//! join it: it may stand at another process' lock for as long as that takes.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::StoreError;

enum Message {
    Take(oneshot::Sender<std::io::Result<()>>),
    Leave,
}

/// The two lock files beside a database file, and the thread that waits for them.
#[derive(Debug)]
pub(crate) struct Turn {
    messages: mpsc::Sender<Message>,
    path: PathBuf,
}

/// The right to write, held until it is dropped.
#[derive(Debug)]
pub(crate) struct TurnGuard {
    messages: mpsc::Sender<Message>,
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        // A closed channel means that the thread has ended, and its locks with it.
        let _closed = self.messages.send(Message::Leave);
    }
}

impl Turn {
    /// Opens (and where needed creates) the lock files `FILE.turn` and `FILE.write`.
    pub(crate) fn open(database: &Path) -> Result<Self, StoreError> {
        let turn = lock_file(database, "turn")?;
        let write = lock_file(database, "write")?;
        let (messages, inbox) = mpsc::channel();
        let path = beside(database, "write");
        let failed = path.clone();
        std::thread::Builder::new()
            .name("invshop-turn".to_owned())
            .spawn(move || wait_for_locks(&inbox, &turn, &write))
            .map_err(|source| StoreError::LockFile { path: failed, source })?;
        Ok(Self { messages, path })
    }

    /// Waits for the right to write. It must be waited for to its end, as `Db` does
    /// in a task of its own: the locks of a wait that is cancelled just as they are
    /// granted go back only with the next writer of this process.
    pub(crate) async fn take(&self) -> Result<TurnGuard, StoreError> {
        let (reply, taken) = oneshot::channel();
        self.messages.send(Message::Take(reply)).map_err(|_| StoreError::Closed)?;
        match taken.await {
            Ok(Ok(())) => Ok(TurnGuard { messages: self.messages.clone() }),
            Ok(Err(source)) => Err(StoreError::LockFile { path: self.path.clone(), source }),
            Err(_) => Err(StoreError::Closed),
        }
    }
}

fn wait_for_locks(inbox: &mpsc::Receiver<Message>, turn: &File, write: &File) {
    while let Ok(message) = inbox.recv() {
        let result = match message {
            Message::Take(reply) => {
                let taken = turn.lock().and_then(|()| write.lock()).and_then(|()| turn.unlock());
                // Nobody waits any more: the next Take must not find the lock held.
                if reply.send(taken).is_err() { write.unlock() } else { Ok(()) }
            }
            Message::Leave => write.unlock(),
        };
        if let Err(error) = result {
            tracing::error!(error = %error, "a lock file cannot be unlocked");
            return;
        }
    }
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn lock_file(database: &Path, suffix: &str) -> Result<File, StoreError> {
    let path = beside(database, suffix);
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|source| StoreError::LockFile { path, source })
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
