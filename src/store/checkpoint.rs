//! Folding SQLite's write-ahead log into the file beside the writer, not inside its
//! commits: a commit that also folds 32 MiB makes everybody of its batch wait.
//!
//! Passive rounds on a connection of their own disturb nobody, but the log can only
//! begin anew once all of it is folded, which never happens while commits go on. So
//! a log that has grown large is folded between two batches, while no process writes,
//! where little is left to do. Someone who reads an old state keeps it from that, a
//! backup for minutes: so writers are made to wait for it only shortly, and seldom.

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

statement!(PASSIVE, sqlite "pragma wal_checkpoint(passive)", postgres "select 0::bigint");
statement!(TRUNCATE, sqlite "pragma wal_checkpoint(truncate)", postgres "select 0::bigint");

pub(super) const STATEMENTS: &[&Statement] = &[&PASSIVE, &TRUNCATE];

/// Folds the write-ahead log of one file, from now on in place of the writer.
#[derive(Debug)]
pub struct Checkpointer {
    db: SqliteDb,
    connection: SqliteConnection,
    log_bytes_max: u64,
    whole_not_before: Instant,
}

impl Checkpointer {
    /// Takes over from the commits of this process' writer; a log that is longer than
    /// so many bytes is folded whole.
    pub(crate) async fn start(db: &SqliteDb, log_bytes_max: u64) -> Result<Self, StoreError> {
        let connection = db.options().await.busy_timeout(PATIENCE).connect().await?;
        db.leave_log_alone().await?;
        let whole_not_before = Instant::now();
        Ok(Self { db: db.clone(), connection, log_bytes_max, whole_not_before })
    }

    /// One round. An error leaves the log as it is: the next round goes on.
    pub async fn round(&mut self) -> Result<(), StoreError> {
        Conn::Sqlite(&mut self.connection).execute(&PASSIVE, args![]).await?;
        if self.log_bytes() > self.log_bytes_max && Instant::now() >= self.whole_not_before {
            let _nobody_writes = self.db.lock_writer().await?;
            Conn::Sqlite(&mut self.connection).execute(&TRUNCATE, args![]).await?;
            if self.log_bytes() > 0 {
                self.whole_not_before = Instant::now() + AFTER_VAIN;
            }
        }
        Ok(())
    }

    fn log_bytes(&self) -> u64 {
        std::fs::metadata(self.db.log_path()).map_or(0, |file| file.len())
    }

    /// Closes the connection.
    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(error = %error, "a connection did not close cleanly");
        }
    }
}
