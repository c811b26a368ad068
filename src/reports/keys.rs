//! The API keys, as lists show them: never a secret or its hash.

use serde::Serialize;

use super::ReportError;
use super::view::time;
use crate::clock::Timestamp;
use crate::store::{self, Db};

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyView {
    /// The public part of the key, which names it.
    pub prefix: String,
    /// Its holder.
    pub name: String,
    /// `admin`, `operator`, `storefront` or `reader`.
    pub role: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `null` for never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked; `null` where it was not.
    pub revoked_at: Option<Timestamp>,
    /// When a daemon accepted it last, within a minute; `null` for never.
    pub last_used_at: Option<Timestamp>,
}

/// All keys, by their holders' names, the oldest first.
pub async fn keys(db: &Db) -> Result<Vec<KeyView>, ReportError> {
    let mut reader = db.read().await?;
    let listed = store::accounts::list_keys(&mut reader.conn()).await?;
    let view = |key: store::accounts::ListedKey| {
        Ok(KeyView {
            prefix: key.prefix,
            name: key.account,
            role: key.role,
            created_at: time(key.created_at)?,
            expires_at: key.expires_at.map(time).transpose()?,
            revoked_at: key.revoked_at.map(time).transpose()?,
            last_used_at: key.last_used_at.map(time).transpose()?,
        })
    };
    listed.into_iter().map(view).collect()
}
