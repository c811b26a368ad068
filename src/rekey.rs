//! Exchanging the instance key: all that is sealed is sealed anew, in one transaction.
//!
//! The new key is written beside the old one first, which is kept under its id, then the
//! rows, then the new one takes the old one's place: wherever this is cut off, a file has
//! the key of the database, and to run it again ends it. Hashes of orders and deliveries
//! stay as they were, or no repetition would be known again; users are hashed anew. What
//! tokens are signed with goes, and so do the tokens of channels: whoever had the old key
//! may have them. Whoever has the old key in memory meanwhile is refused by the database.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use thiserror::Error;

use crate::domain::{AccountId, Entry, ExternalId, Kind, OrderRef, TextError, UserId};
use crate::people::{Profile, ProfileError};
use crate::secret::{HASHES, InstanceKey, KeyFile, KeyFileError, KeyId, OpenError, Random};
use crate::shop::{CLI_ACCOUNT, Opening};
use crate::store::sealed::{self, Sealed, Table};
use crate::store::{self, Conn, Db, StoreError};
use crate::{orders, sync};

/// Rows that are read at once.
const PAGE_ROWS: i64 = 50;
/// Tries to leave nothing in the files of the rows as they were.
const SCRUB_TRIES: u32 = 10;

/// How it went.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The key of before.
    pub before: KeyId,
    /// The key of now.
    pub now: KeyId,
    /// Records that were sealed anew; 0 where only the end of an exchange was missing.
    pub rows: u64,
    /// The file of the key.
    pub file: PathBuf,
    /// Where the key of before is.
    pub kept: PathBuf,
    /// Whether nothing that the key of before sealed is left in the files of the database
    /// ([`Db::scrub`]).
    pub is_scrubbed: bool,
}

/// Why the key was not exchanged. Nothing was changed but, maybe, for the new key beside
/// the old one, which is used the next time.
#[derive(Debug, Error)]
pub enum RekeyError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of a key.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// Something does not open with the key of the database.
    #[error("{what} cannot be opened: {error}")]
    Open {
        /// What it is.
        what: String,
        /// Why.
        error: OpenError,
    },
    /// What is known of a user cannot be read.
    #[error("what is known of {user} cannot be read: {error}")]
    User {
        /// The user.
        user: UserId,
        /// Why.
        error: ProfileError,
    },
    /// The name of an order cannot be read.
    #[error("the id of an order cannot be read: {0}")]
    Name(#[from] TextError),
    /// Neither file has the key of the database.
    #[error("the database belongs to the key {wanted}; {} has another", file.display())]
    Neither {
        /// The key of the database.
        wanted: String,
        /// The file of the key.
        file: PathBuf,
    },
}

/// Exchanges the key of a shop that nothing runs on; `progress` hears of records done, and
/// of how many there are.
pub async fn rotate(
    opening: &Opening,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Rotated, RekeyError> {
    let db = Db::open(&opening.place).await?;
    let rotated = rotate_in(&db, opening, progress).await;
    db.close().await;
    rotated
}

async fn rotate_in(
    db: &Db,
    opening: &Opening,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Rotated, RekeyError> {
    let file = &opening.key_file;
    let mut reader = db.read().await?;
    let wanted = store::shop::key_id(&mut reader.conn()).await?;
    if let Some(to) = store::dump::moved_to(&mut reader.conn()).await? {
        return Err(StoreError::Moved { place: db.place(), to }.into());
    }
    drop(reader);
    let wanted = wanted.ok_or_else(|| StoreError::Missing(db.place()))?;
    let is_wanted = |key: &InstanceKey| key.id().to_string() == wanted;
    let current = file.read()?;
    let next = read_next(file, is_wanted(&current))?;
    let before = current.id();
    let kept = match (is_wanted(&current), &next) {
        (true, _) => file.keep(&current)?,
        // It was cut off between the rows and the files.
        (false, Some(next)) if is_wanted(next) => file.keep(&current)?,
        (false, _) => {
            return Err(RekeyError::Neither { wanted, file: file.path().to_owned() });
        }
    };
    let (now, rows) = if is_wanted(&current) {
        let next = if let Some(next) = next {
            next
        } else {
            let next = InstanceKey::generate(opening.random.as_ref());
            file.create_next(&next)?;
            next
        };
        let id = next.id();
        let keys = Keys { current, next, random: Arc::clone(&opening.random) };
        let rows = reseal(db, opening, &keys, progress).await?;
        (id, rows)
    } else {
        (next.map_or(before, |next| next.id()), 0)
    };
    // Before the files, or to run it again would not end it.
    let is_scrubbed = db.scrub(SCRUB_TRIES).await?;
    file.put_next()?;
    let (file, kept) = (file.path().to_owned(), kept.path().to_owned());
    Ok(Rotated { before, now, rows, file, kept, is_scrubbed })
}

/// The key that waits to take the place, where one does. Half a key is none: whoever wrote
/// it died before anything was sealed with it.
fn read_next(file: &KeyFile, is_new: bool) -> Result<Option<InstanceKey>, KeyFileError> {
    match file.next().read() {
        Ok(key) => Ok(Some(key)),
        Err(KeyFileError::Missing { .. }) => Ok(None),
        Err(KeyFileError::Malformed { .. }) if is_new => file.forget_next().map(|()| None),
        Err(error) => Err(error),
    }
}

struct Keys {
    current: InstanceKey,
    next: InstanceKey,
    random: Arc<dyn Random>,
}

impl Keys {
    fn reseal(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, RekeyError> {
        let plain = self.current.open(context, sealed);
        let plain = plain.map_err(|error| RekeyError::Open { what: context.to_owned(), error })?;
        Ok(self.next.seal(context, &plain, self.random.as_ref()))
    }
}

/// All rows in one transaction.
async fn reseal(
    db: &Db,
    opening: &Opening,
    keys: &Keys,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<u64, RekeyError> {
    let mut tx = db.begin().await?;
    let mut conn = tx.conn()?;
    // On PostgreSQL the nodes go by the clock of the server.
    let now = match db.file() {
        Some(_) => opening.clock.now().as_millis(),
        None => store::shop::server_time(&mut conn).await?,
    };
    let done = match reseal_in(&mut conn, now, keys, progress).await {
        Ok(done) => done,
        Err(RekeyError::Store(StoreError::NodeRuns { node, .. })) => {
            tx.rollback().await;
            return Err(StoreError::NodeRuns { place: db.place(), node }.into());
        }
        Err(error) => {
            tx.rollback().await;
            return Err(error);
        }
    };
    tx.commit().await?;
    Ok(done)
}

async fn reseal_in(
    conn: &mut Conn<'_>,
    now: i64,
    keys: &Keys,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<u64, RekeyError> {
    // Everybody else is kept out, and whoever comes after finds another key named.
    store::dump::lock(conn).await?;
    if let Some(node) = store::leases::holder(conn, now).await? {
        return Err(StoreError::NodeRuns { place: String::new(), node }.into());
    }
    let total = u64::try_from(sealed::count(conn).await?).unwrap_or(0);
    let carried = store::shop::hashes(conn).await?;
    let (before, next) = (keys.current.id().to_string(), keys.next.id().to_string());
    let hashes = match carried {
        Some(carried) => keys.reseal(HASHES, &carried)?,
        None => keys.next.seal_hashes(&keys.current, keys.random.as_ref()),
    };
    store::shop::set_key(conn, (&before, &next), hashes).await?;
    let mut done = 0;
    for table in Table::ALL {
        let mut after = i64::MIN;
        loop {
            let page = sealed::page(conn, table, after, PAGE_ROWS).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for one in &page {
                reseal_one(conn, table, one, keys).await?;
                done += 1;
            }
            progress(done, total);
        }
    }
    store::signing_keys::clear(conn).await?;
    store::channel_tokens::clear(conn).await?;
    let mut entry = Entry::new(Kind::InstanceKeyRotated, now);
    entry.account = store::accounts::find(conn, CLI_ACCOUNT).await?;
    entry.data = Some(json!({ "before": before, "now": next, "records": done }).to_string());
    store::journal::append_aside(conn, &[entry], now).await?;
    Ok(done)
}

async fn reseal_one(
    conn: &mut Conn<'_>,
    table: Table,
    one: &Sealed,
    keys: &Keys,
) -> Result<(), RekeyError> {
    let [first, second] = &one.names;
    let number = || first.parse::<i64>().unwrap_or_default();
    let context = match table {
        Table::Personal => {
            let external_id = ExternalId::new(second)?;
            orders::sealed_context(&OrderRef { source: first.clone(), external_id })
        }
        Table::Inbox => sync::inbox_context(number(), second),
        Table::Users => {
            let account = AccountId::new(number());
            let broken = |error| RekeyError::User { user: UserId::new(one.id), error };
            let known = Profile::open(&keys.current, account, &one.value).map_err(broken)?;
            let sealed = known.seal(&keys.next, account, keys.random.as_ref());
            return Ok(store::users::reseal(conn, UserId::new(one.id), sealed).await?);
        }
    };
    let sealed = keys.reseal(&context, &one.value)?;
    Ok(sealed::set(conn, table, one.id, sealed).await?)
}
