//! An opened shop: its database, its writer, its key.
//!
//! The daemon and the CLI are peers over this: both open a shop, ask its writer
//! and read its database.

mod refused;
pub(crate) mod turn;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::clock::{Clock, SharedClock, SystemClock, Timestamp};
use crate::config::{Config, DatabaseUrl, LocationConfig};
use crate::domain::{
    AccountId, AccountName, Key, LocationCode, LocationKind, Refusal, TextError, Title,
};
use crate::ledger::OrderPolicy;
use crate::ledger::catalogue::{NewAccount, NewLocation};
use crate::secret::{ApiKey, InstanceKey, KeyFile, KeyFileError, OpenError, Random, SystemRandom};
use crate::store::{self, Db, Place, StoreError};
use crate::telemetry::Counters;
use crate::writer::{self, Answer, Command, Faults, Request, Tools, WriteError, Writer};

pub use refused::Refused;

/// The account of the command line, and the source of the orders it places.
pub const CLI_ACCOUNT: &str = "cli";
/// The location every shop begins with.
pub const FIRST_LOCATION: &str = "main";

/// Why a shop cannot be opened or created.
#[derive(Debug, Error)]
pub enum ShopError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The instance key's file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// A command of the creation.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A name of the creation.
    #[error(transparent)]
    Name(#[from] TextError),
    /// The database was created half-way.
    #[error(
        "the database at {0} was not created to its end\nhint: remove it and run `invshop init` again"
    )]
    Unfinished(String),
    /// An exchange of the instance key was cut off after it was written.
    #[error(
        "the exchange of the instance key at {} was cut off\nhint: run `invshop db rotate-key` \
         again: it ends it",
        .0.display()
    )]
    Exchange(PathBuf),
    /// What hashes are made with cannot be opened.
    #[error("what hashes are made with cannot be opened: {0}")]
    Hashes(OpenError),
    /// A location of the configuration.
    #[error("location '{code}': {message}")]
    Location {
        /// Its code.
        code: String,
        /// What is wrong with it.
        message: String,
    },
}

/// What a shop is opened with.
#[derive(Clone)]
pub struct Opening {
    /// The database.
    pub place: Place,
    /// The instance key's file.
    pub key_file: KeyFile,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub random: Arc<dyn Random>,
    /// How orders are decided.
    pub orders: OrderPolicy,
    /// What goes wrong on purpose; `None` outside tests.
    pub faults: Option<Faults>,
}

impl Opening {
    /// As the configuration says, on the system's clock and randomness.
    pub fn of(config: &Config) -> Self {
        Self {
            place: match &config.database.url {
                DatabaseUrl::Sqlite(path) => Place::Sqlite(path.clone()),
                DatabaseUrl::Postgres(url) => Place::Postgres(url.expose().to_owned()),
            },
            key_file: config.database.key_file.clone(),
            clock: Arc::new(SharedClock::new(Arc::new(SystemClock))),
            random: Arc::new(SystemRandom),
            orders: OrderPolicy {
                split: config.orders.split,
                hold_ms: i64::from(config.orders.hold_seconds) * 1000,
            },
            faults: None,
        }
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

/// An opened shop.
#[derive(Debug)]
pub struct Shop {
    /// Its database.
    pub db: Db,
    /// The way to its writer.
    pub writer: Writer,
    /// The key personal data is sealed with.
    pub key: Arc<InstanceKey>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub random: Arc<dyn Random>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// The account commands are done for.
    pub account: AccountId,
    /// Told when an order was taken that waits for its decision.
    pub waiting: Notify,
    /// Who was not believed lately.
    pub refused: Refused,
    task: JoinHandle<()>,
}

impl Shop {
    /// Creates the database, its key, the account of the command line, the
    /// location `main` and an admin key, which is returned and kept nowhere.
    pub async fn create(opening: Opening) -> Result<(Self, ApiKey), ShopError> {
        let key = InstanceKey::generate(opening.random.as_ref());
        let db = Db::create(&opening.place).await?;
        agree_on_time(&db, &*opening.clock).await?;
        opening.key_file.create(&key)?;
        let now = opening.clock.now().as_millis();
        let key_id = key.id().to_string();
        let cli = NewAccount { name: AccountName::new(CLI_ACCOUNT)?, role: "admin", key: None };
        let account = db
            .write(move |mut conn| {
                Box::pin(async move {
                    store::shop::insert(&mut conn, &key_id, now).await?;
                    let mut ids = store::next_account_ids(&mut conn, 1).await?;
                    let account = ids.pop_front().ok_or(StoreError::Closed)?;
                    store::accounts::insert(&mut conn, account, &cli, now).await?;
                    Ok(account)
                })
            })
            .await?;
        let shop = Self::start(opening, db, key, account);
        let main = NewLocation {
            code: LocationCode::new(FIRST_LOCATION)?,
            name: Title::new(FIRST_LOCATION)?,
            kind: LocationKind::Warehouse,
            sellable: None,
            authority: None,
            priority: Some(10),
        };
        shop.submit(Command::CreateLocation(main), None).await?;
        let api_key = ApiKey::generate(shop.random.as_ref());
        let admin = NewAccount {
            name: AccountName::new("admin")?,
            role: "admin",
            key: Some((api_key.prefix().to_owned(), api_key.hash())),
        };
        shop.submit(Command::CreateAccount(admin), None).await?;
        Ok((shop, api_key))
    }

    /// Opens a shop: the schema must be this program's, the key the database's own.
    pub async fn open(opening: Opening) -> Result<Self, ShopError> {
        let db = Db::open(&opening.place).await?;
        agree_on_time(&db, &*opening.clock).await?;
        let mut reader = db.read().await?;
        let wanted = store::shop::key_id(&mut reader.conn()).await?;
        let account = store::accounts::find(&mut reader.conn(), CLI_ACCOUNT).await?;
        let hashes = store::shop::hashes(&mut reader.conn()).await?;
        let moved_to = store::dump::moved_to(&mut reader.conn()).await?;
        drop(reader);
        if let Some(to) = moved_to {
            return Err(StoreError::Moved { place: db.place(), to }.into());
        }
        let (Some(wanted), Some(account)) = (wanted, account) else {
            return Err(ShopError::Unfinished(db.place()));
        };
        let key = key_of(&opening.key_file, &wanted)?;
        let key = match hashes {
            Some(sealed) => key.with_hashes(&sealed).map_err(ShopError::Hashes)?,
            None => key,
        };
        Ok(Self::start(opening, db, key, account))
    }

    fn start(opening: Opening, db: Db, key: InstanceKey, account: AccountId) -> Self {
        let counters = Arc::new(Counters::default());
        let (writer, task) = writer::start(Tools {
            db: db.clone(),
            clock: Arc::clone(&opening.clock),
            random: Arc::clone(&opening.random),
            orders: opening.orders,
            counters: Arc::clone(&counters),
            faults: opening.faults,
        });
        let Opening { clock, random, .. } = opening;
        Self {
            db,
            writer,
            key: Arc::new(key),
            clock,
            random,
            counters,
            account,
            waiting: Notify::new(),
            refused: Refused::default(),
            task,
        }
    }

    /// Sets the clock by the database server's, so that all nodes of a shop go by one; one
    /// that is far away is not asked about the time. SQLite's nodes are on one machine.
    pub async fn agree_on_time(&self) -> Result<(), StoreError> {
        agree_on_time(&self.db, &*self.clock).await
    }

    /// Creates the locations of the configuration that do not exist yet. What is in
    /// the database already stays as it is there.
    pub async fn create_configured(&self, configured: &[LocationConfig]) -> Result<(), ShopError> {
        if configured.is_empty() {
            return Ok(());
        }
        let known = store::locations::all(&mut self.db.read().await?.conn()).await?;
        for location in configured {
            if known.iter().any(|one| one.code.as_str() == location.code) {
                continue;
            }
            let bad = |error: &dyn std::fmt::Display| ShopError::Location {
                code: location.code.clone(),
                message: error.to_string(),
            };
            let command = Command::CreateLocation(NewLocation {
                code: LocationCode::new(&location.code).map_err(|error| bad(&error))?,
                name: Title::new(&location.name).map_err(|error| bad(&error))?,
                kind: location.kind.as_str().parse().map_err(|error: String| bad(&error))?,
                sellable: None,
                authority: None,
                priority: None,
            });
            match self.submit(command, None).await {
                // Another process, started with the same file, was first.
                Ok(_) | Err(WriteError::Refused(Refusal::AlreadyExists { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Has a command done for the shop's own account.
    pub async fn submit(&self, command: Command, key: Option<Key>) -> Result<Answer, WriteError> {
        self.writer.submit(Request::new(self.account, command).with_key(key)).await
    }

    /// Writes down that somebody did by hand what the last run of a scheduled job failed to
    /// do; nothing where it did not fail.
    pub async fn done_by_hand(&self, job: &'static str, detail: String) -> Result<(), StoreError> {
        let runs = store::job_runs::last_of_each(&mut self.db.read().await?.conn()).await?;
        if !runs.iter().any(|run| run.job == job && run.outcome.as_deref() == Some("failed")) {
            return Ok(());
        }
        let now = self.clock.now().as_millis();
        let write = self.db.write(move |mut conn| {
            Box::pin(async move {
                store::job_runs::by_hand(&mut conn, job, "by hand", now, &detail).await
            })
        });
        write.await
    }

    /// Lets the queue run empty and closes the database.
    pub async fn close(self) {
        drop(self.writer);
        if let Err(error) = self.task.await {
            tracing::error!(error = %error, "the writer did not end well");
        }
        self.db.close().await;
    }
}

/// The key of a database. One that was being exchanged stands beside the old one until the
/// exchange ends.
fn key_of(file: &KeyFile, wanted: &str) -> Result<InstanceKey, ShopError> {
    let key = file.read()?;
    let given = key.id().to_string();
    if given == wanted {
        return Ok(key);
    }
    if file.next().read().is_ok_and(|next| next.id().to_string() == wanted) {
        return Err(ShopError::Exchange(file.path().to_owned()));
    }
    Err(StoreError::WrongKey { given, wanted: wanted.to_owned() }.into())
}

/// How long the answer about the time may take to be of use.
const TIME_MAX: Duration = Duration::from_secs(1);

async fn agree_on_time(db: &Db, clock: &dyn Clock) -> Result<(), StoreError> {
    if db.file().is_some() {
        return Ok(());
    }
    let mut reader = db.read().await?;
    let asked = Instant::now();
    let millis = store::shop::server_time(&mut reader.conn()).await?;
    let took = asked.elapsed();
    if took > TIME_MAX {
        return Ok(());
    }
    // It was that time somewhere on the way.
    let since = i64::try_from(took.as_millis() / 2).unwrap_or_default();
    if let Ok(now) = Timestamp::from_millis(millis.saturating_add(since)) {
        clock.agree(now);
    }
    Ok(())
}
