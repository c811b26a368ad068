//! The table `signing_key`: what tokens are signed with, sealed.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

/// Its name, for whoever empties all of a shop.
pub(super) const TABLE: &str = "signing_key";

/// A key as it is stored.
#[derive(Clone)]
pub(crate) struct StoredSigningKey {
    pub(crate) kid: String,
    /// The uncompressed point: 65 bytes.
    pub(crate) public: Vec<u8>,
    /// The private part.
    pub(crate) sealed: Vec<u8>,
    pub(crate) created_at: i64,
    pub(crate) signs_from: i64,
    /// What it signed is refused from then on; none while it may still sign.
    pub(crate) verifies_until: Option<i64>,
}

impl StoredSigningKey {
    /// Whether it may sign at a moment.
    pub(crate) fn signs_at(&self, now: i64) -> bool {
        self.signs_from <= now && self.verifies_until.is_none_or(|until| now < until)
    }
}

impl std::fmt::Debug for StoredSigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the signing key {}", self.kid)
    }
}

statement!(
    LIST,
    "select kid, public, sealed, created_at, signs_from, verifies_until
     from signing_key order by signs_from, kid"
);
statement!(
    INSERT,
    "insert into signing_key (kid, public, sealed, created_at, signs_from)
     values ($1, $2, $3, $4, $5)"
);
statement!(
    END_OTHERS,
    "update signing_key set verifies_until = $2
     where kid <> $1 and (verifies_until is null or verifies_until > $2)"
);
statement!(FORGET_ENDED, "delete from signing_key where verifies_until <= $1");
statement!(CLEAR, "delete from signing_key");

pub(super) const STATEMENTS: &[&Statement] = &[&LIST, &INSERT, &END_OTHERS, &FORGET_ENDED, &CLEAR];

/// All keys, the one that signs first first.
pub(crate) async fn list(conn: &mut Conn<'_>) -> Result<Vec<StoredSigningKey>, StoreError> {
    let rows = conn.all(&LIST, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok(StoredSigningKey {
                kid: row.text(0)?,
                public: row.bytes(1)?,
                sealed: row.bytes(2)?,
                created_at: row.int(3)?,
                signs_from: row.int(4)?,
                verifies_until: row.int_opt(5)?,
            })
        })
        .collect()
}

/// Adds a key.
pub(crate) async fn add(conn: &mut Conn<'_>, new: StoredSigningKey) -> Result<(), StoreError> {
    let StoredSigningKey { kid, public, sealed, created_at, signs_from, .. } = new;
    conn.execute_one(&INSERT, args![kid.as_str(), public, sealed, created_at, signs_from]).await
}

/// Ends all keys but one at a moment; what has ended by now is forgotten.
pub(crate) async fn end_others(
    conn: &mut Conn<'_>,
    new: &StoredSigningKey,
    until: i64,
) -> Result<(), StoreError> {
    conn.execute(&FORGET_ENDED, args![new.created_at]).await?;
    conn.execute(&END_OTHERS, args![new.kid.as_str(), until]).await.map(drop)
}

/// Forgets all keys.
pub(crate) async fn clear(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    conn.execute(&CLEAR, args![]).await.map(drop)
}
