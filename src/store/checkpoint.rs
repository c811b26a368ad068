//! Folding SQLite's write-ahead log into the file beside the writer, not inside its
//! commits: a commit that also folds 32 MiB makes everybody of its batch wait.
//!
//! Passive rounds on a connection of their own disturb nobody, but the log can only
//! begin anew once all of it is folded, which never happens while commits go on. So
//! a log that has grown long is folded between two batches, while no process writes,
//! where little is left to do: the next commit begins it anew, in place, because writing
//! over a file is cheaper than making it longer. Someone who reads an old state keeps it
//! from that, a backup for minutes: so writers are made to wait for it only shortly, and
//! seldom, and a file that grew too long then is cut off.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::Instant;

use super::statement::{args, statement};
use super::{Conn, SqliteDb, Statement, StoreError};

/// How long a round waits for a lock: it can come again.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long writers are left alone after folding the whole log was in vain.
const AFTER_VAIN: Duration = Duration::from_secs(2);
/// A file so many times longer than the log may be is cut off once it can be.
const CUT_OFF_AT: u64 = 2;
/// What a page takes in the log: itself and its head (sqlite.org/fileformat2.html, 4.1).
const FRAME_BYTES: i64 = 4096 + 24;

// How it went, the pages in the log, and those of them that are folded.
statement!(PASSIVE, sqlite "pragma wal_checkpoint(passive)", postgres "select 0::bigint, 0::bigint, 0::bigint");
statement!(TRUNCATE, sqlite "pragma wal_checkpoint(truncate)", postgres "select 0::bigint");

pub(super) const STATEMENTS: &[&Statement] = &[&PASSIVE, &TRUNCATE];

/// Folds all of the log and cuts the file off, while nobody writes. Whether it could be:
/// not while somebody reads an old state.
async fn cut_off(db: &SqliteDb, connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let _nobody_writes = db.lock_writer().await?;
    let row = Conn::Sqlite(connection).one(&TRUNCATE, args![]).await?;
    let is_cut = row.int(0)? == 0;
    if is_cut {
        db.cut_off_wanted().store(false, Ordering::Relaxed);
    }
    Ok(is_cut)
}

/// Cuts the log off now: pages that something was erased from are in it as they were before.
pub(crate) async fn cut_off_now(db: &SqliteDb, tries: u32) -> Result<bool, StoreError> {
    let mut connection = db.options().await.busy_timeout(PATIENCE).connect().await?;
    let mut is_cut = false;
    for _ in 0..tries {
        Conn::Sqlite(&mut connection).execute(&PASSIVE, args![]).await?;
        is_cut = cut_off(db, &mut connection).await?;
        if is_cut {
            break;
        }
        tokio::time::sleep(PATIENCE).await;
    }
    connection.close().await?;
    Ok(is_cut)
}

/// Folds the write-ahead log of one file, from now on in place of the writer.
#[derive(Debug)]
pub struct Checkpointer {
    db: SqliteDb,
    connection: SqliteConnection,
    log_bytes_max: u64,
    whole_not_before: Instant,
    /// How long the log was when it was folded between two batches, until it is known
    /// whether it began anew.
    folded_at: Option<u64>,
}

impl Checkpointer {
    /// Takes over from the commits of this process' writer; a log that is longer than
    /// so many bytes is folded whole.
    pub(crate) async fn start(db: &SqliteDb, log_bytes_max: u64) -> Result<Self, StoreError> {
        let connection = db.options().await.busy_timeout(PATIENCE).connect().await?;
        db.leave_log_alone().await?;
        // Whoever erased something last may have died before its log was cut off.
        db.cut_off_wanted().store(true, Ordering::Relaxed);
        let whole_not_before = Instant::now();
        Ok(Self { db: db.clone(), connection, log_bytes_max, whole_not_before, folded_at: None })
    }

    /// One round. An error leaves the log as it is: the next round goes on.
    pub async fn round(&mut self) -> Result<(), StoreError> {
        let log_bytes = self.fold().await?;
        // Nearly all is folded: writers wait for little more than those that read.
        if self.db.cut_off_wanted().load(Ordering::Relaxed)
            && Instant::now() >= self.whole_not_before
            && !cut_off(&self.db, &mut self.connection).await?
        {
            self.whole_not_before = Instant::now() + AFTER_VAIN;
        }
        if log_bytes <= self.log_bytes_max {
            self.folded_at = None;
            return Ok(());
        }
        if self.folded_at.take().is_some_and(|then| log_bytes >= then) {
            // It did not begin anew: someone reads an old state.
            self.whole_not_before = Instant::now() + AFTER_VAIN;
        }
        if Instant::now() < self.whole_not_before {
            return Ok(());
        }
        let _nobody_writes = self.db.lock_writer().await?;
        self.fold().await?;
        let file_bytes = std::fs::metadata(self.db.log_path()).map_or(0, |file| file.len());
        // Beside short reads there is hardly a moment in which all of it can be folded, or
        // begun anew: cutting it off waits for those that read, where nothing else does.
        if file_bytes > CUT_OFF_AT * self.log_bytes_max {
            Conn::Sqlite(&mut self.connection).execute(&TRUNCATE, args![]).await?;
        }
        self.folded_at = Some(log_bytes);
        Ok(())
    }

    /// Folds what it can: how long the log is, in bytes.
    async fn fold(&mut self) -> Result<u64, StoreError> {
        let row = Conn::Sqlite(&mut self.connection).one(&PASSIVE, args![]).await?;
        // It is -1 where there is no log.
        let pages = row.int(1)?;
        Ok(u64::try_from(pages.saturating_mul(FRAME_BYTES)).unwrap_or(0))
    }

    /// Closes the connection.
    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(error = %error, "a connection did not close cleanly");
        }
    }
}
