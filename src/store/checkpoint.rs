//! Folding SQLite's write-ahead log into the file beside the writer, not inside its
//! commits: a commit that also folds 32 MiB makes everybody of its batch wait.
//!
//! Passive rounds on a connection of their own disturb nobody, but the log can only
//! begin anew once all of it is folded, which never happens while commits go on. So
//! a log that has grown large is folded between two batches, on the writer's
//! connection, where little is left to do.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions as _, Connection as _};

use super::statement::{args, statement};
use super::{Conn, SqliteDb, Statement, StoreError};

/// A log of so many bytes is folded whole: twice what commits fold by themselves.
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long a passive round waits for a lock: it can come again.
const PATIENCE: Duration = Duration::from_millis(100);

statement!(PASSIVE, sqlite "pragma wal_checkpoint(passive)", postgres "select 0::bigint");
statement!(TRUNCATE, sqlite "pragma wal_checkpoint(truncate)", postgres "select 0::bigint");

pub(super) const STATEMENTS: &[&Statement] = &[&PASSIVE, &TRUNCATE];

/// Folds the write-ahead log of one file, from now on in place of the writer.
#[derive(Debug)]
pub struct Checkpointer {
    db: SqliteDb,
    connection: SqliteConnection,
}

impl Checkpointer {
    /// Takes over from the commits of this process' writer.
    pub(crate) async fn start(db: &SqliteDb) -> Result<Self, StoreError> {
        let connection = db.options().await.busy_timeout(PATIENCE).connect().await?;
        db.leave_log_alone().await?;
        Ok(Self { db: db.clone(), connection })
    }

    /// One round. An error leaves the log as it is: the next round goes on.
    pub async fn round(&mut self) -> Result<(), StoreError> {
        Conn::Sqlite(&mut self.connection).execute(&PASSIVE, args![]).await?;
        let bytes = std::fs::metadata(self.db.log_path()).map_or(0, |file| file.len());
        if bytes > LOG_BYTES_MAX {
            let mut writer = self.db.lock_writer().await?;
            Conn::Sqlite(writer.connection()?).execute(&TRUNCATE, args![]).await?;
        }
        Ok(())
    }

    /// Closes the connection.
    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(error = %error, "a connection did not close cleanly");
        }
    }
}
