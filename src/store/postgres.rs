//! What only PostgreSQL has: the pool, its session settings, the journal lock.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

/// Connections of a process that read.
const READERS_MAX: u32 = 12;
/// Connections of a process that write; the writer needs one.
const WRITERS_MAX: u32 = 4;
/// Connections of a process that find a few rows by their keys.
const LOOKUPS_MAX: u32 = 4;
/// How long a caller waits for a connection before the database counts as down.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection must have been idle to be tried before it is used: a trial
/// is a round trip, one of seven of an order that is placed alone.
const TRIED_AFTER_IDLE: Duration = Duration::from_secs(1);
/// How long the answer to such a trial may take.
const TRIED_MAX: Duration = Duration::from_secs(2);
/// The oldest server whose behaviour is tested (major version × 10 000).
const SERVER_VERSION_MIN: i64 = 130_000;

/// A writing transaction, and one that looks something up, touches a few hundred rows of
/// tables of any size, each by its key. A plan made while a table was small would scan it for
/// ever after: plans are kept as long as their connection. Compiling them would take longer
/// than running them.
const BY_KEY: [(&str, &str); 4] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

statement!(
    SETTINGS,
    sqlite "select 'on', 'UTF8', 150000",
    postgres "select current_setting('synchronous_commit'), current_setting('server_encoding'),
                     current_setting('server_version_num')::bigint"
);

// Handing out journal numbers is the last lock of a transaction. The number
// is arbitrary and only has to be ours, here and in `together.rs`: it is 'invshop' in ASCII.
statement!(
    LOCK_JOURNAL,
    postgres "select pg_advisory_xact_lock(29675938226959216)"
);

pub(super) const STATEMENTS: &[&Statement] = &[&SETTINGS, &LOCK_JOURNAL];

/// A PostgreSQL database.
#[derive(Clone, Debug)]
pub struct PostgresDb {
    pool: PgPool,
    writers: PgPool,
    lookups: PgPool,
    place: String,
}

impl PostgresDb {
    /// Connects; the URL's password never reaches an error or a log.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("invshop")
            .options([
                // A transaction that waits for nobody must not hold its locks for ever.
                ("idle_in_transaction_session_timeout", "30000"),
                ("lock_timeout", "30000"),
                // A statement after a lock must see what was committed before it.
                ("default_transaction_isolation", "read committed"),
                // Plans of the writer's set statements do not depend on their arrays.
                ("plan_cache_mode", "force_generic_plan"),
            ])
            .disable_statement_logging();
        let place = format!(
            "postgres://{}:{}/{}",
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or_default()
        );
        // Connected once before the pool, which would only say that it timed out.
        let first = tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect()).await;
        let first = first.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        let first = first.map_err(|error| StoreError::from(error).at(place.clone()))?;
        sqlx::Connection::close(first).await?;
        let pool = PgPoolOptions::new()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, metadata| {
                Box::pin(async move {
                    if metadata.idle_for <= TRIED_AFTER_IDLE {
                        return Ok(true);
                    }
                    // One that is not answered in time is closed, and the next one tried.
                    let tried = sqlx::Connection::ping(connection);
                    Ok(tokio::time::timeout(TRIED_MAX, tried)
                        .await
                        .is_ok_and(|tried| tried.is_ok()))
                })
            });
        let writers = pool
            .clone()
            .max_connections(WRITERS_MAX)
            .connect_lazy_with(options.clone().options(BY_KEY));
        let lookups = pool
            .clone()
            .max_connections(LOOKUPS_MAX)
            .connect_lazy_with(options.clone().options(BY_KEY));
        let pool = pool
            .max_connections(READERS_MAX)
            .connect_with(options)
            .await
            .map_err(|error| StoreError::from(error).at(place.clone()))?;
        Ok(Self { pool, writers, lookups, place })
    }

    /// Host, port and database, without credentials.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Connections for transactions that write: whatever they do goes by key.
    pub(crate) const fn writers(&self) -> &PgPool {
        &self.writers
    }

    /// Connections for reads that find a few rows by their keys.
    pub(crate) const fn lookups(&self) -> &PgPool {
        &self.lookups
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        self.writers.close().await;
        self.lookups.close().await;
        self.pool.close().await;
    }

    /// An acknowledged order must survive a crash of the server.
    pub(crate) async fn assert_durable(&self) -> Result<(), StoreError> {
        let mut conn = self.pool.acquire().await?;
        let row = Conn::Postgres(&mut conn).one(&SETTINGS, args![]).await?;
        let (commit, encoding, version) = (row.text(0)?, row.text(1)?, row.int(2)?);
        if commit == "off" {
            return Err(StoreError::NotDurable {
                setting: "synchronous_commit",
                found: commit,
                wanted: "on, local, remote_write or remote_apply",
            });
        }
        if encoding != "UTF8" {
            return Err(StoreError::NotDurable {
                setting: "server_encoding",
                found: encoding,
                wanted: "UTF8",
            });
        }
        if version < SERVER_VERSION_MIN {
            let found = version.to_string();
            return Err(StoreError::NotDurable {
                setting: "server_version_num",
                found,
                wanted: "130000 or newer",
            });
        }
        Ok(())
    }
}

/// Takes the journal lock until the transaction ends. Nothing may be locked after it.
pub(crate) async fn lock_journal(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    match conn {
        Conn::Postgres(_) => conn.execute(&LOCK_JOURNAL, args![]).await.map(drop),
        Conn::Sqlite(_) => Ok(()), // The write lock was taken at `begin immediate`.
    }
}
