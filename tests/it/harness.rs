//! A shop for a test: on either database, with a clock and a seed of its own.
//!
//! PostgreSQL comes from `INVSHOP_TEST_POSTGRES` (set by `scripts/test`); each
//! test gets a database of its own. Without the variable the PostgreSQL half
//! says SKIPPED, and fails in CI.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use invshop::clock::{Clock as _, ManualClock, Timestamp};
use invshop::domain::{ExternalId, LocationCode, LocationKind, OrderRef, Quantity, Sku, Title};
use invshop::ledger::OrderPolicy;
use invshop::ledger::catalogue::{ItemRow, NewLocation, Upsert};
use invshop::ledger::stock::{Change, Place as At, StockCommand};
use invshop::orders::{self, LineRequest};
use invshop::secret::{KeyFile, SeededRandom};
use invshop::shop::{Opening, Shop};
use invshop::store::Place;
use invshop::writer::{Answer, Command, Faults, WriteError};
use sqlx::{Connection as _, Executor as _};

/// Where every test's clock starts: 2026-03-02 09:00 UTC.
pub(crate) const START: &str = "2026-03-02T09:00:00Z";

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// Runs a test on both databases, one after the other.
#[macro_export]
macro_rules! both {
    ($(#[$meta:meta])* $name:ident, |$shop:ident| $body:expr) => {
        async fn $name($shop: $crate::harness::TestShop) -> $crate::harness::TestShop {
            $body;
            $shop
        }

        mod $name {
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let shop = $crate::harness::TestShop::new($crate::harness::Backend::Sqlite).await;
                super::$name(shop).await.end().await;
            }
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if !$crate::harness::has_postgres() { return; }
                let shop = $crate::harness::TestShop::new($crate::harness::Backend::Postgres).await;
                super::$name(shop).await.end().await;
            }
        }
    };
}

/// Whether the PostgreSQL half can run; in CI it must.
pub(crate) fn has_postgres() -> bool {
    if std::env::var_os("INVSHOP_TEST_POSTGRES").is_some() {
        return true;
    }
    assert!(
        std::env::var_os("INVSHOP_CI").is_none(),
        "INVSHOP_TEST_POSTGRES is not set: run scripts/test"
    );
    println!("SKIPPED: no PostgreSQL (run scripts/test)");
    false
}

/// A client of the API, to be built.
pub(crate) fn http() -> reqwest::ClientBuilder {
    // It fails only where one is there already.
    rustls::crypto::ring::default_provider().install_default().ok();
    // Without the machine's certificates, which take longer to read than most tests run.
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

/// A shop with what it needs to be opened again.
pub(crate) struct TestShop {
    pub(crate) shop: Shop,
    pub(crate) clock: ManualClock,
    pub(crate) opening: Opening,
    dir: tempfile::TempDir,
    database: Option<String>,
    corrupted: AtomicBool,
    writers: AtomicU64,
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

impl TestShop {
    /// A new shop with the location `main`.
    pub(crate) async fn new(backend: Backend) -> Self {
        Self::with_policy(backend, OrderPolicy { split: true, hold_ms: 900_000 }).await
    }

    /// A new shop that decides orders by a policy.
    pub(crate) async fn with_policy(backend: Backend, orders: OrderPolicy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (place, database) = match backend {
            Backend::Sqlite => (Place::Sqlite(dir.path().join("shop.db")), None),
            Backend::Postgres => {
                let (url, name) = new_database().await;
                (Place::Postgres(url), Some(name))
            }
        };
        let clock = ManualClock::new(Timestamp::parse(START).unwrap());
        let opening = Opening {
            place,
            key_file: KeyFile::new(dir.path().join("shop.key")),
            clock: Arc::new(clock.clone()),
            random: Arc::new(SeededRandom::new(7)),
            orders,
            faults: None,
        };
        let (shop, _) = Shop::create(opening.clone()).await.unwrap();
        let (corrupted, writers) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { shop, clock, opening, dir, database, corrupted, writers }
    }

    /// Which database it is on.
    pub(crate) fn backend(&self) -> Backend {
        match self.opening.place {
            Place::Sqlite(_) => Backend::Sqlite,
            Place::Postgres(_) => Backend::Postgres,
        }
    }

    /// A second process' view of the same database.
    pub(crate) async fn another(&self) -> Shop {
        let mut opening = self.opening.clone();
        opening.random = self.random();
        Shop::open(opening).await.unwrap()
    }

    /// The randomness of one more writer: two with one seed would make the same keys.
    pub(crate) fn random(&self) -> Arc<SeededRandom> {
        let number = self.writers.fetch_add(1, Ordering::Relaxed);
        Arc::new(SeededRandom::new(1000 + number))
    }

    /// Opens the shop again with faults, as after a crash.
    pub(crate) async fn reopen(&mut self, faults: Option<Faults>) {
        let mut opening = self.opening.clone();
        opening.faults = faults;
        opening.random = self.random();
        let shop = Shop::open(opening).await.unwrap();
        std::mem::replace(&mut self.shop, shop).close().await;
    }

    /// The folder of the test.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The instance key's file.
    pub(crate) fn key_path(&self) -> PathBuf {
        self.dir.path().join("shop.key")
    }

    /// Runs SQL behind the program's back, with triggers and checks out of the
    /// way: from here on the test itself says what `verify` must find.
    pub(crate) async fn corrupt(&self, sql: &str) {
        self.corrupted.store(true, Ordering::Relaxed);
        match &self.opening.place {
            Place::Sqlite(path) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let options = options.foreign_keys(false);
                let mut conn = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
                let setup = "pragma ignore_check_constraints = on;
                             drop trigger if exists journal_no_update;
                             drop trigger if exists journal_no_delete";
                conn.execute(setup).await.unwrap();
                conn.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
                conn.close().await.unwrap();
            }
            Place::Postgres(url) => {
                let mut conn = sqlx::PgConnection::connect(url).await.unwrap();
                let setup = "set session_replication_role = replica;
                    do $$ declare r record; begin
                      for r in select conrelid::regclass as t, conname from pg_constraint
                               where contype = 'c' and connamespace = 'public'::regnamespace
                                 and conrelid <> 0
                      loop execute format('alter table %s drop constraint %I', r.t, r.conname);
                      end loop;
                    end $$";
                conn.execute(setup).await.unwrap();
                conn.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
                conn.close().await.unwrap();
            }
        }
    }

    /// Every test ends here: the invariant counter is 0, and the books are proven.
    pub(crate) async fn end(self) {
        assert_eq!(self.shop.counters.invariant_violations.get(), 0, "broken invariants");
        if !self.corrupted.load(Ordering::Relaxed) {
            self.audit().await;
            let verified = invshop::reports::verify(&self.shop.db, &mut |_| {}).await.unwrap();
            assert!(verified.is_clean(), "{verified:#?}");
        }
        self.shop.close().await;
        if let Some(name) = self.database {
            drop_database(&name).await;
        }
    }

    /// What the test's clock shows.
    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Has a command done.
    pub(crate) async fn run(&self, command: Command) -> Result<Answer, WriteError> {
        self.shop.submit(command, None).await
    }

    /// Adds a location.
    pub(crate) async fn location(&self, code: &str, kind: LocationKind) {
        let new = NewLocation {
            code: LocationCode::new(code).unwrap(),
            name: Title::new(code).unwrap(),
            kind,
            sellable: None,
            authority: None,
            priority: None,
        };
        self.run(Command::CreateLocation(new)).await.unwrap();
    }

    /// Adds an item with opening stock at `main`.
    pub(crate) async fn item(&self, name: &str, on_hand: i64) {
        let row = ItemRow {
            location: Some(LocationCode::new("main").unwrap()),
            on_hand: Some(Quantity::new(on_hand).unwrap()),
            ..ItemRow::default()
        };
        let command = Command::Item { sku: sku(name), row: Box::new(row), mode: Upsert::Create };
        self.run(command).await.unwrap();
    }

    /// Has a movement done at a location.
    pub(crate) async fn stock(
        &self,
        name: &str,
        location: &str,
        change: Change,
    ) -> Result<Answer, WriteError> {
        self.run(Command::Stock(movement(name, location, change))).await
    }
}

/// An order's name: of the command line, or of the source before its first `:`.
pub(crate) fn reference(id: &str) -> OrderRef {
    let (source, id) = id.split_once(':').unwrap_or(("cli", id));
    OrderRef { source: source.to_owned(), external_id: ExternalId::new(id).unwrap() }
}

/// A request for an order with nothing special about it.
pub(crate) fn place(id: &str, lines: &[(&str, i64)]) -> orders::Place {
    let line = |&(name, count): &(&str, i64)| LineRequest {
        sku: sku(name),
        quantity: units(count),
        unit_price: None,
    };
    orders::Place {
        reference: reference(id),
        lines: lines.iter().map(line).collect(),
        location: None,
        payment_required: false,
        allow_backorder: false,
        hold_ms: None,
        currency: None,
        placed_at: None,
        personal: None,
        user: None,
    }
}

/// A movement without reason, time or version.
pub(crate) fn movement(name: &str, location: &str, change: Change) -> StockCommand {
    StockCommand {
        place: At { sku: sku(name), location: Some(LocationCode::new(location).unwrap()) },
        change,
        reason: None,
        effective_at: None,
        if_version: None,
    }
}

/// A SKU that must be sound.
pub(crate) fn sku(name: &str) -> Sku {
    Sku::new(name).unwrap()
}

/// A quantity that must be sound.
pub(crate) fn units(count: i64) -> Quantity {
    Quantity::new(count).unwrap()
}

async fn admin() -> sqlx::PgConnection {
    let url = std::env::var("INVSHOP_TEST_POSTGRES").unwrap();
    sqlx::PgConnection::connect(&url).await.unwrap()
}

pub(crate) async fn new_database() -> (String, String) {
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    let name = format!("t_{}_{number}", std::process::id());
    let create = format!("create database {name}");
    admin().await.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
    (url_of(&name), name)
}

/// How a database of the test server is reached.
pub(crate) fn url_of(name: &str) -> String {
    let url = std::env::var("INVSHOP_TEST_POSTGRES").unwrap();
    let (head, tail) = url.split_once('?').map_or((url.as_str(), ""), |(h, t)| (h, t));
    let (server, _) = head.rsplit_once('/').unwrap();
    let query = if tail.is_empty() { String::new() } else { format!("?{tail}") };
    format!("{server}/{name}{query}")
}

pub(crate) async fn drop_database(name: &str) {
    let drop = format!("drop database if exists {name} with (force)");
    admin().await.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
}
