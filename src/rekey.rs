//! Exchanging the instance key: all that is sealed is sealed anew, in one transaction.
//!
//! The new key is written beside the old one first, then the rows, then it takes the old
//! one's place: wherever this is cut off, one of the two files has the key of the database,
//! and to run it again ends it. Hashes stay as they were, or no repetition would be known
//! again. Whoever has the old key in memory meanwhile is refused by the database.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use thiserror::Error;

use crate::access;
use crate::domain::{AccountId, Entry, ExternalId, Kind, OrderRef, TextError};
use crate::people;
use crate::secret::{HASHES, InstanceKey, KeyFile, KeyFileError, KeyId, OpenError, Random};
use crate::shop::{CLI_ACCOUNT, Opening};
use crate::store::sealed::{self, Sealed, Table};
use crate::store::{self, Conn, Db, StoreError};
use crate::{orders, sync};

/// Rows that are read at once.
const PAGE_ROWS: i64 = 500;

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
    let wanted = store::shop::key_id(&mut db.read().await?.conn()).await?;
    let wanted = wanted.ok_or_else(|| StoreError::Missing(db.place()))?;
    let is_wanted = |key: &InstanceKey| key.id().to_string() == wanted;
    let current = file.read()?;
    let next = read_next(file)?;
    let before = current.id();
    let (now, rows) = match (is_wanted(&current), next) {
        // It was cut off between the rows and the files.
        (false, Some(next)) if is_wanted(&next) => (next.id(), 0),
        (false, _) => {
            return Err(RekeyError::Neither { wanted, file: file.path().to_owned() });
        }
        (true, next) => {
            let next = match next {
                Some(next) => next,
                None => {
                    let next = InstanceKey::generate(opening.random.as_ref());
                    file.next().create(&next)?;
                    next
                }
            };
            let id = next.id();
            let keys = Keys { current, next, random: Arc::clone(&opening.random) };
            (id, reseal(db, opening, &keys, progress).await?)
        }
    };
    let kept = file.put_next(before)?;
    Ok(Rotated { before, now, rows, file: file.path().to_owned(), kept })
}

/// The key that waits to take the place, where one does.
fn read_next(file: &KeyFile) -> Result<Option<InstanceKey>, KeyFileError> {
    match file.next().read() {
        Ok(key) => Ok(Some(key)),
        Err(KeyFileError::Missing { .. }) => Ok(None),
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
    let now = opening.clock.now().as_millis();
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
                let sealed = keys.reseal(&context(table, one)?, &one.sealed)?;
                sealed::set(conn, table, one.id, sealed).await?;
                done += 1;
            }
            progress(done, total);
        }
    }
    for key in store::signing_keys::list(conn).await? {
        let sealed = keys.reseal(&access::sealed_context(&key.kid), &key.sealed)?;
        sealed::set_signing_key(conn, &key.kid, sealed).await?;
        done += 1;
        progress(done, total);
    }
    let mut entry = Entry::new(Kind::InstanceKeyRotated, now);
    entry.account = store::accounts::find(conn, CLI_ACCOUNT).await?;
    entry.data = Some(json!({ "before": before, "now": next, "records": done }).to_string());
    store::journal::append_aside(conn, &[entry], now).await?;
    Ok(done)
}

/// Where a sealed value belongs.
fn context(table: Table, one: &Sealed) -> Result<String, RekeyError> {
    let [first, second] = &one.names;
    let number = || first.parse::<i64>().unwrap_or_default();
    Ok(match table {
        Table::Personal => {
            let external_id = ExternalId::new(second)?;
            orders::sealed_context(&OrderRef { source: first.clone(), external_id })
        }
        Table::Inbox => sync::inbox_context(number(), second),
        Table::ChannelToken => sync::token_context(first),
        Table::Users => people::sealed_context(AccountId::new(number())),
    })
}
