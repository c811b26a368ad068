//! A transaction on PostgreSQL that does not wait for ever for a server that is silent.
//!
//! A host that vanishes without a word leaves its connections open: the system gives up on
//! them after a quarter of an hour. So whatever is waited for has a bound, and a connection
//! whose transaction did not come to its end is closed and never used again.

use std::future::Future;
use std::time::Duration;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

/// How long a transaction's work may take, and its commit: longer than the server lets
/// anybody wait for a lock.
pub(crate) const SILENT_MAX: Duration = Duration::from_secs(35);
/// How long its first and its last word may take where nothing hangs on them.
const WORD_MAX: Duration = Duration::from_secs(5);

statement!(BEGIN, "begin");
statement!(COMMIT, "commit");
statement!(ROLLBACK, "rollback");

/// A transaction that has begun. Dropped before its end it takes its connection along.
#[derive(Debug)]
pub(super) struct PostgresTx {
    connection: PoolConnection<Postgres>,
    is_over: bool,
}

impl PostgresTx {
    /// Begins on a connection; whoever stops waiting for it loses the connection.
    pub(super) async fn begin(connection: PoolConnection<Postgres>) -> Result<Self, StoreError> {
        let mut tx = Self { connection, is_over: false };
        in_time(WORD_MAX, tx.say(&BEGIN)).await?;
        Ok(tx)
    }

    /// The connection for a statement.
    pub(super) fn conn(&mut self) -> Conn<'_> {
        Conn::Postgres(&mut self.connection)
    }

    /// Commits. An error of kind `Connection` leaves the outcome unknown.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        in_time(SILENT_MAX, self.say(&COMMIT)).await?;
        self.is_over = true;
        Ok(())
    }

    /// Rolls back; a connection that cannot is closed.
    pub(super) async fn rollback(mut self) {
        match in_time(WORD_MAX, self.say(&ROLLBACK)).await {
            Ok(()) => self.is_over = true,
            Err(error) => {
                tracing::debug!(error = %error, "a transaction was lost with its connection");
            }
        }
    }

    async fn say(&mut self, word: &'static Statement) -> Result<(), StoreError> {
        self.conn().execute(word, args![]).await.map(drop)
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.close_on_drop();
        }
    }
}

/// Waits for something so long; then the server counts as gone.
pub(crate) async fn in_time<T, E: From<StoreError>>(
    most: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match tokio::time::timeout(most, work).await {
        Ok(done) => done,
        Err(elapsed) => {
            let silent = std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed);
            Err(StoreError::Connection(sqlx::Error::Io(silent)).into())
        }
    }
}
