//! Databases to measure on: new ones, with the same items in each.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use clap::ValueEnum;
use invshop::clock::SystemClock;
use invshop::domain::{BatchId, LocationCode, Quantity, Sku};
use invshop::ledger::OrderPolicy;
use invshop::ledger::catalogue::{ItemRow, NewBatch};
use invshop::secret::{KeyFile, SystemRandom};
use invshop::shop::{FIRST_LOCATION, Opening, Shop};
use invshop::store::Place;
use invshop::writer::{CHUNK_ROWS_MAX, Chunk, Command, Detail};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use crate::arguments::ShopArguments;
use crate::wanted::{self, ITEMS, ON_HAND};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A file.
    Sqlite,
    /// The server.
    Postgres,
}

impl Kind {
    /// As the table says it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// Where databases are made: a folder on this disk, and a server.
#[derive(Debug)]
pub(crate) struct Bed {
    folder: tempfile::TempDir,
    server: String,
    made: AtomicU32,
}

/// A database made for a measurement.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) opening: Opening,
    pub(crate) arguments: ShopArguments,
}

impl Bed {
    /// In the build folder: where temporary files live there may be no disk at all.
    pub(crate) fn new(server: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let server = server.to_owned();
        Ok(Self { folder, server, made: AtomicU32::new(0) })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn admin(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(&self.server).await.context("PostgreSQL does not answer")
    }

    /// A setting of the server.
    pub(crate) async fn setting(&self, name: &str) -> anyhow::Result<String> {
        let query = sqlx::query_scalar("select current_setting($1)").bind(name);
        Ok(query.fetch_one(&mut self.admin().await?).await?)
    }

    /// A new shop without items.
    pub(crate) async fn empty(&self, kind: Kind) -> anyhow::Result<(Made, Shop)> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("bench_{}_{number}", std::process::id());
        let place = match kind {
            Kind::Sqlite => self.folder.path().join(format!("{name}.db")).display().to_string(),
            Kind::Postgres => {
                let create = AssertSqlSafe(format!("create database {name}"));
                self.admin().await?.execute(create).await?;
                let options = PgConnectOptions::from_str(&self.server)?.database(&name);
                options.to_url_lossy().to_string()
            }
        };
        let key = self.folder.path().join(format!("{name}.key"));
        let arguments = ShopArguments { place, key };
        let opening = opening(&arguments);
        let (shop, _) = Shop::create(opening.clone()).await?;
        Ok((Made { opening, arguments }, shop))
    }

    /// A new shop with all items and their opening stock.
    pub(crate) async fn stocked(&self, kind: Kind) -> anyhow::Result<(Made, Shop)> {
        let (made, shop) = self.empty(kind).await?;
        let rows = (0..ITEMS).map(|item| Ok((Sku::new(&wanted::sku(item))?, item_row(ON_HAND)?)));
        let rows = rows.collect::<anyhow::Result<Vec<_>>>()?;
        let batch = open_batch(&shop, "items", rows.len()).await?;
        let mut done = 0;
        for rows in rows.chunks(CHUNK_ROWS_MAX) {
            let chunk = chunk_of(batch, &mut done, rows.len())?;
            shop.submit(Command::ItemRows { chunk, rows: rows.to_vec() }, None).await?;
        }
        shop.submit(Command::BatchApplied(batch), None).await?;
        Ok((made, shop))
    }

    /// Removes a database that nobody has open.
    pub(crate) async fn remove(&self, made: &Made) -> anyhow::Result<()> {
        match &made.opening.place {
            Place::Sqlite(path) => std::fs::remove_file(path)?,
            Place::Postgres(url) => {
                let options = PgConnectOptions::from_str(url)?;
                let name = options.get_database().context("a database without a name")?;
                let drop = AssertSqlSafe(format!("drop database {name} with (force)"));
                self.admin().await?.execute(drop).await?;
            }
        }
        Ok(())
    }
}

/// A row of an items import with opening stock.
pub(crate) fn item_row(on_hand: i64) -> anyhow::Result<ItemRow> {
    Ok(ItemRow {
        location: Some(LocationCode::new(FIRST_LOCATION)?),
        on_hand: Some(Quantity::new(on_hand)?),
        ..ItemRow::default()
    })
}

/// Begins an import.
pub(crate) async fn open_batch(
    shop: &Shop,
    kind: &'static str,
    rows: usize,
) -> anyhow::Result<BatchId> {
    let new = NewBatch {
        kind,
        file_name: format!("{kind}.csv"),
        content_hash: [0; 32],
        options: "{}".to_owned(),
        rows_total: i64::try_from(rows)?,
    };
    match shop.submit(Command::BatchOpen(new), None).await?.detail {
        Detail::Id(id) => Ok(BatchId::new(id)),
        other => anyhow::bail!("an import without an id: {other:?}"),
    }
}

/// The next rows of an import; `done` counts on.
pub(crate) fn chunk_of(batch: BatchId, done: &mut i64, rows: usize) -> anyhow::Result<Chunk> {
    let done_before = *done;
    *done += i64::try_from(rows)?;
    Ok(Chunk { batch, done_before, done_after: *done })
}

/// How a shop is opened.
pub(crate) fn opening(arguments: &ShopArguments) -> Opening {
    let place = if arguments.place.starts_with("postgres://") {
        Place::Postgres(arguments.place.clone())
    } else {
        Place::Sqlite(arguments.place.clone().into())
    };
    Opening {
        place,
        key_file: KeyFile::new(arguments.key.clone()),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        orders: OrderPolicy { split: true, hold_ms: 900_000 },
        faults: None,
    }
}

/// A connection past the store, for checks and for plain SQL.
#[derive(Debug)]
pub(crate) enum Plain {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Plain {
    /// Connects.
    pub(crate) async fn open(made: &Made) -> anyhow::Result<Self> {
        Ok(match &made.opening.place {
            Place::Sqlite(path) => Self::Sqlite(sqlite_options(path).connect().await?),
            Place::Postgres(url) => {
                Self::Postgres(PgConnectOptions::from_str(url)?.connect().await?)
            }
        })
    }

    /// The one number a query gives.
    pub(crate) async fn number(&mut self, sql: &'static str) -> anyhow::Result<i64> {
        let number = match self {
            Self::Sqlite(conn) => sqlx::query_scalar(sql).fetch_one(conn).await,
            Self::Postgres(conn) => sqlx::query_scalar(sql).fetch_one(conn).await,
        };
        number.with_context(|| sql.to_owned())
    }

    /// Runs statements without arguments.
    pub(crate) async fn run(&mut self, sql: &'static str) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(conn) => conn.execute(sql).await.map(drop),
            Self::Postgres(conn) => conn.execute(sql).await.map(drop),
        }
        .with_context(|| sql.to_owned())
    }

    /// Closes the connection.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(conn) => conn.close().await?,
            Self::Postgres(conn) => conn.close().await?,
        }
        Ok(())
    }
}

/// As durable as the ledger's own connection.
pub(crate) fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
    /// Under 256 callers a plain program's transactions wait for each other that long.
    const BUSY: std::time::Duration = std::time::Duration::from_mins(2);
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("cache_size", "-16384")
        .disable_statement_logging()
}
