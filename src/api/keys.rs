//! The keys that were used lately: believed for a second without asking the
//! database again, and their last use written down now and then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::shop::Shop;
use crate::store::accounts::StoredKey;
use crate::store::{self, StoreError};

/// How long a key that was read is believed: a revoked one is refused after that.
const BELIEVED_MS: i64 = 1_000;
/// Keys that are remembered: with more of them in one second the database is asked.
const KNOWN_MAX: usize = 4_096;

/// A key as the database had it at a moment.
#[derive(Clone, Debug)]
struct Known {
    key: StoredKey,
    read_at: i64,
}

/// What is known of keys that were used lately, by their prefixes. Only keys that
/// exist are remembered, so what attackers make up takes no memory.
#[derive(Debug, Default)]
pub struct Keys {
    known: Mutex<HashMap<String, Known>>,
    used: Mutex<HashMap<String, i64>>,
}

impl Keys {
    /// The key of a prefix, as it is or was a moment ago.
    pub(super) async fn find(
        &self,
        shop: &Shop,
        prefix: &str,
    ) -> Result<Option<StoredKey>, StoreError> {
        let now = shop.clock.now().as_millis();
        let fresh = |known: &&Known| (0..BELIEVED_MS).contains(&(now - known.read_at));
        if let Some(known) = lock(&self.known).get(prefix).filter(fresh) {
            return Ok(Some(known.key.clone()));
        }
        let found = store::accounts::find_key(&mut shop.db.read().await?.conn(), prefix).await?;
        let mut known = lock(&self.known);
        match &found {
            Some(key) => {
                if known.len() >= KNOWN_MAX {
                    known.clear();
                }
                known.insert(prefix.to_owned(), Known { key: key.clone(), read_at: now });
            }
            None => {
                known.remove(prefix);
            }
        }
        Ok(found)
    }

    /// Notes that a key was used and accepted.
    pub(super) fn note_use(&self, prefix: &str, now: i64) {
        let mut used = lock(&self.used);
        if let Some(at) = used.get_mut(prefix) {
            *at = now;
        } else if used.len() < KNOWN_MAX {
            used.insert(prefix.to_owned(), now);
        }
    }

    /// Writes the last uses down that were noted since the last time. What cannot be
    /// written now is kept for the next time.
    pub async fn write_uses(&self, shop: &Shop) -> Result<(), StoreError> {
        let noted: HashMap<String, i64> = std::mem::take(&mut *lock(&self.used));
        if noted.is_empty() {
            return Ok(());
        }
        let mut uses: Vec<(String, i64)> = noted.into_iter().collect();
        // Nodes write in one order, or they could wait for each other.
        uses.sort_unstable();
        let written = uses.clone();
        let result = shop.db.write(move |mut conn| {
            Box::pin(async move { store::accounts::write_uses(&mut conn, &written).await })
        });
        let result = result.await;
        if result.is_err() {
            let mut used = lock(&self.used);
            for (prefix, at) in uses {
                used.entry(prefix).or_insert(at);
            }
        }
        result
    }
}

/// A thread that panicked with it left a whole map behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
