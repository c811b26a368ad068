//! The keys that tokens are signed with: made, shared by all nodes, and exchanged without
//! anybody noticing.
//!
//! A new key is published before it signs, so that whoever verifies by the published set has
//! read it by then; the one before verifies for as long as what it signed may be used.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::zeroize::Zeroizing;
use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::jwt::{self, NewPair};
use super::token::TOKEN_SECONDS_MAX;
use crate::clock::Timestamp;
use crate::domain::{Entry, Kind};
use crate::shop::Shop;
use crate::store::signing_keys::{self, StoredSigningKey};
use crate::store::{self, StoreError};

/// How long a new key is published before it signs: whoever keeps the published set for the
/// five minutes it is offered for has it by then, twice over.
pub const ROTATION_LEAD_SECONDS: i64 = 600;

/// How long what was read of keys is believed: a key that was ended at once, and a token
/// whose holder's key was revoked, are refused after that.
const BELIEVED_MS: i64 = 5_000;
/// How soon a key that is not known is looked for again: another node may have made it.
const UNKNOWN_MS: i64 = 1_000;
/// How long a revoked key may still be believed by whoever gives tokens, and more.
const REVOKED_LATE_MS: i64 = 60_000;
/// How far the clock of another node may be behind: a key that is needed now signs there too.
const BEHIND_MS: i64 = 5_000;
/// Random bytes of a key's name.
const KID_BYTES: usize = 12;

/// Why tokens can be neither signed nor verified.
#[derive(Debug, Error)]
pub enum SigningError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be opened, or is none.
    #[error("the signing key {0} cannot be used: was the instance key exchanged?")]
    Unusable(String),
    /// No key could be made.
    #[error("a signing key could not be made")]
    Make,
}

/// A key that verifies, as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name.
    pub kid: String,
    /// The coordinates of its point, 32 bytes each.
    pub x: String,
    /// The other one.
    pub y: String,
}

/// A key of a moment's set.
pub(super) struct SigningKey {
    pub(super) kid: String,
    public: Vec<u8>,
    private: Zeroizing<Vec<u8>>,
    signs_from: i64,
    verifies_until: Option<i64>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the signing key {}", self.kid)
    }
}

impl SigningKey {
    /// A key that cannot be opened is told of and verifies nothing. It stands in the way of
    /// signing until somebody rotates at once.
    fn open(shop: &Shop, stored: StoredSigningKey) -> Option<Self> {
        let StoredSigningKey { kid, public, sealed, signs_from, verifies_until, .. } = stored;
        let Ok(private) = shop.key.open(&context(&kid), &sealed) else {
            tracing::error!(kid, "a signing key cannot be opened: was the instance key exchanged?");
            return None;
        };
        Some(Self { kid, public, private: Zeroizing::new(private), signs_from, verifies_until })
    }

    fn verifies_at(&self, now: i64) -> bool {
        self.verifies_until.is_none_or(|until| now < until)
    }

    pub(super) fn encoding(&self) -> EncodingKey {
        EncodingKey::from_ec_der(&self.private)
    }

    pub(super) fn decoding(&self) -> DecodingKey {
        DecodingKey::from_ec_der(&self.public)
    }

    fn published(&self) -> PublicKey {
        // 4, then the coordinates (SEC 1 §2.3.3); the schema holds the length.
        let (x, y) = self.public.get(1..).unwrap_or_default().split_at(self.public.len() / 2);
        let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        PublicKey { kid: self.kid.clone(), x: coordinate(x), y: coordinate(y) }
    }
}

/// What is known at a moment: the keys, and whose tokens are not believed any more.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<SigningKey>,
    /// The prefixes of API keys that were revoked while tokens of theirs may live.
    revoked: HashSet<String>,
}

impl KeySet {
    async fn read(shop: &Shop, now: i64) -> Result<Self, StoreError> {
        // A token may be given until its key is known to be revoked.
        let since = now - TOKEN_SECONDS_MAX * 1000 - REVOKED_LATE_MS;
        let mut reader = shop.db.read().await?;
        let stored = signing_keys::list(&mut reader.conn()).await?;
        let revoked = store::accounts::revoked_since(&mut reader.conn(), since).await?;
        let lives = |key: &StoredSigningKey| key.verifies_until.is_none_or(|until| now < until);
        let keys = stored.into_iter().filter(lives).filter_map(|key| SigningKey::open(shop, key));
        Ok(Self { keys: keys.collect(), revoked: revoked.into_iter().collect() })
    }

    /// The key that signs now: the one that began last.
    pub(super) fn signer(&self, now: i64) -> Option<&SigningKey> {
        let signs = |key: &&SigningKey| key.signs_from <= now && key.verifies_at(now);
        self.keys.iter().rfind(signs)
    }

    /// The key of a name, while what it signed is believed.
    pub(super) fn verifier(&self, kid: &str, now: i64) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.kid == kid && key.verifies_at(now))
    }

    /// Whether the API key of a prefix was revoked.
    pub(super) fn is_revoked(&self, prefix: &str) -> bool {
        self.revoked.contains(prefix)
    }
}

#[derive(Debug)]
struct Known {
    set: Arc<KeySet>,
    read_at: i64,
}

/// The keys as a node knows them: read again every few seconds, not for every request.
#[derive(Debug, Default)]
pub struct SigningKeys {
    known: Mutex<Option<Known>>,
    /// Whoever reads them again: the others wait for what it finds.
    reading: tokio::sync::Mutex<()>,
}

impl SigningKeys {
    /// What is known, read again where it is older than is believed.
    pub(super) async fn known(&self, shop: &Shop) -> Result<Arc<KeySet>, SigningError> {
        self.no_older_than(shop, BELIEVED_MS).await
    }

    /// What is known now that a key was met that is not: another node may have made it.
    pub(super) async fn looked_for(&self, shop: &Shop) -> Result<Arc<KeySet>, SigningError> {
        self.no_older_than(shop, UNKNOWN_MS).await
    }

    async fn no_older_than(&self, shop: &Shop, age: i64) -> Result<Arc<KeySet>, SigningError> {
        if let Some(set) = self.younger_than(shop, age) {
            return Ok(set);
        }
        let _reading = self.reading.lock().await;
        if let Some(set) = self.younger_than(shop, age) {
            return Ok(set);
        }
        let now = shop.clock.now().as_millis();
        let set = Arc::new(KeySet::read(shop, now).await?);
        let known = Known { set: Arc::clone(&set), read_at: now };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(set)
    }

    fn younger_than(&self, shop: &Shop, age: i64) -> Option<Arc<KeySet>> {
        let now = shop.clock.now().as_millis();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| (0..age).contains(&(now - known.read_at)));
        known.map(|known| Arc::clone(&known.set))
    }

    /// What is known with a key that signs: the first is made when it is first needed.
    pub(super) async fn with_signer(&self, shop: &Shop) -> Result<Arc<KeySet>, SigningError> {
        let known = self.known(shop).await?;
        if known.signer(shop.clock.now().as_millis()).is_some() {
            return Ok(known);
        }
        make_first(shop).await?;
        self.no_older_than(shop, 0).await
    }

    /// The keys that verify now or will, for whoever verifies elsewhere.
    pub async fn published(&self, shop: &Shop) -> Result<Vec<PublicKey>, SigningError> {
        let (set, now) = (self.known(shop).await?, shop.clock.now().as_millis());
        let verifying = set.keys.iter().filter(|key| key.verifies_at(now));
        Ok(verifying.map(SigningKey::published).collect())
    }
}

/// How a new key takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It signs after a while, and what was signed before stays good: nobody notices.
    Smooth,
    /// It signs now, and all tokens there are end now: for keys that somebody else may have.
    AtOnce,
}

/// Makes the first signing key, unless another node was faster: nobody's tokens end by it.
async fn make_first(shop: &Shop) -> Result<(), SigningError> {
    let now = shop.clock.now().as_millis();
    let new = new_key(shop, now, now - BEHIND_MS)?;
    let entry = entry(&new, now, json!({ "first": true }));
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move {
            // Whoever else is about to make one waits here, and finds this one.
            store::lock_journal(&mut conn).await?;
            let keys = signing_keys::list(&mut conn).await?;
            if keys.iter().any(|key| key.signs_at(now)) {
                return Ok(());
            }
            signing_keys::add(&mut conn, new).await?;
            store::journal::append_aside(&mut conn, &[entry], now).await.map(drop)
        })
    });
    Ok(written.await?)
}

/// Makes a new signing key, which is written to the journal; its name.
pub async fn rotate(shop: &Shop, rotation: Rotation) -> Result<String, SigningError> {
    let now = shop.clock.now().as_millis();
    let stored = signing_keys::list(&mut shop.db.read().await?.conn()).await?;
    // Where there is nobody to take over from, nobody is waited for either.
    let waits = rotation == Rotation::Smooth && stored.iter().any(|key| key.signs_at(now));
    let (signs_from, others_until) = if waits {
        let signs_from = now + ROTATION_LEAD_SECONDS * 1000;
        (signs_from, signs_from + TOKEN_SECONDS_MAX * 1000)
    } else {
        (now - BEHIND_MS, now)
    };
    let new = new_key(shop, now, signs_from)?;
    let kid = new.kid.clone();
    let mut entry = entry(&new, now, json!({ "at_once": rotation == Rotation::AtOnce }));
    entry.account = Some(shop.account);
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move {
            signing_keys::end_others(&mut conn, &new, others_until).await?;
            signing_keys::add(&mut conn, new).await?;
            store::journal::append_aside(&mut conn, &[entry], now).await.map(drop)
        })
    });
    written.await?;
    Ok(kid)
}

fn new_key(shop: &Shop, now: i64, signs_from: i64) -> Result<StoredSigningKey, SigningError> {
    let NewPair { private, public } = jwt::generate().map_err(|_| SigningError::Make)?;
    let mut name = [0; KID_BYTES];
    shop.random.fill(&mut name);
    let kid = URL_SAFE_NO_PAD.encode(name);
    let sealed = shop.key.seal(&context(&kid), &private, shop.random.as_ref());
    let (created_at, verifies_until) = (now, None);
    Ok(StoredSigningKey { kid, public, sealed, created_at, signs_from, verifies_until })
}

fn entry(new: &StoredSigningKey, now: i64, mut data: Value) -> Entry {
    data["kid"] = json!(new.kid);
    let signs_from = Timestamp::from_millis(new.signs_from.max(now)).ok();
    data["signs_from"] = json!(signs_from.map(|at| at.to_string()));
    let mut entry = Entry::new(Kind::SigningRotated, now);
    entry.data = Some(data.to_string());
    entry
}

/// A signing key as lists show it.
#[derive(Clone, Debug, Serialize)]
pub struct SigningKeyView {
    /// Its name.
    pub kid: String,
    /// `published`, `signs`, `verifies` or `ended`.
    pub state: &'static str,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it signs, or from when it will.
    pub signs_from: Timestamp,
    /// Until when what it signed is believed; none while it may still sign.
    pub verifies_until: Option<Timestamp>,
}

/// All signing keys, the one that began last last.
pub async fn signing_keys(shop: &Shop) -> Result<Vec<SigningKeyView>, SigningError> {
    let now = shop.clock.now().as_millis();
    let stored = signing_keys::list(&mut shop.db.read().await?.conn()).await?;
    let signer = stored.iter().rfind(|key| key.signs_at(now)).map(|key| key.kid.clone());
    let moment = |millis| Timestamp::from_millis(millis).ok();
    let view = |key: StoredSigningKey| {
        let state = match key.verifies_until {
            Some(until) if until <= now => "ended",
            _ if signer.as_ref() == Some(&key.kid) => "signs",
            _ if key.signs_from > now => "published",
            _ => "verifies",
        };
        Some(SigningKeyView {
            created_at: moment(key.created_at)?,
            signs_from: moment(key.signs_from.max(key.created_at))?,
            verifies_until: key.verifies_until.and_then(moment),
            kid: key.kid,
            state,
        })
    };
    Ok(stored.into_iter().filter_map(view).collect())
}

/// Where a sealed key belongs: it opens under no other name.
fn context(kid: &str) -> String {
    format!("signing.key {kid}")
}
