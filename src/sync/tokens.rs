//! The tokens of channels: kept in the database for their connectors, sealed with its key.
//!
//! All nodes of a shop share them, and a node that was begun again finds them. A token belongs
//! to the address and the credentials it was asked for with: where the configuration has others
//! now, it is not used, and is forgotten when the channels are opened.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::clock::Timestamp;
use crate::config::ChannelConfig;
use crate::connectors::{Token, TokenStore};
use crate::secret::{Hashed, InstanceKey, Random, Secret};
use crate::shop::Shop;
use crate::store::channel_tokens::{self, StoredToken};
use crate::store::{Db, StoreError};

/// How long a connector waits for the database before it works on without it.
const STORE_MAX: Duration = Duration::from_secs(5);
/// What the hash of credentials is made for.
const WHAT: Hashed = Hashed::ChannelCredentials;

/// The tokens of one channel.
#[derive(Debug)]
struct ChannelTokens {
    db: Db,
    key: Arc<InstanceKey>,
    random: Arc<dyn Random>,
    channel: String,
    /// Of what its tokens are asked for with now.
    credentials: [u8; 32],
}

/// Where the tokens of a channel are kept, for the credentials it is configured with.
pub fn tokens(shop: &Shop, config: &ChannelConfig) -> Arc<dyn TokenStore> {
    Arc::new(ChannelTokens {
        db: shop.db.clone(),
        key: Arc::clone(&shop.key),
        random: Arc::clone(&shop.random),
        channel: config.name.clone(),
        credentials: hash(&shop.key, config),
    })
}

/// Forgets the tokens of channels that are configured no more, or with other credentials.
pub(super) async fn forget_others(
    shop: &Shop,
    configured: &[ChannelConfig],
) -> Result<(), StoreError> {
    let mut others = channel_tokens::owners(&mut shop.db.read().await?.conn()).await?;
    others.retain(|(name, credentials)| {
        let config = configured.iter().find(|config| config.name == *name);
        config.is_none_or(|config| hash(&shop.key, config) != *credentials)
    });
    if others.is_empty() {
        return Ok(());
    }
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move {
            for (name, credentials) in others {
                channel_tokens::forget(&mut conn, &name, credentials).await?;
            }
            Ok(())
        })
    });
    written.await
}

/// A hash of a channel's address and credentials that tells nothing of them. Each part is
/// hashed by itself first: no two lists of parts read the same.
fn hash(key: &InstanceKey, config: &ChannelConfig) -> [u8; 32] {
    let url = config.url.as_deref().unwrap_or_default();
    let credentials = config.credentials.iter();
    let credentials = credentials.flat_map(|(name, secret)| [name.as_str(), secret.expose()]);
    let parts = [config.kind.as_str(), url].into_iter().chain(credentials);
    let parts: Vec<[u8; 32]> = parts.map(|part| key.keyed_hash(WHAT, part.as_bytes())).collect();
    key.keyed_hash(WHAT, parts.as_flattened())
}

/// Where a sealed token of a channel belongs.
fn context(channel: &str) -> String {
    format!("channel.token {channel}")
}

/// Why a kept token is not there.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the database does not answer")]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("what is kept cannot be opened: {0}")]
    Sealed(String),
}

impl ChannelTokens {
    /// Where a sealed token belongs: it opens for no other channel.
    fn context(&self) -> String {
        context(&self.channel)
    }

    async fn read(&self) -> Result<Option<Token>, Failed> {
        let find =
            async { channel_tokens::find(&mut self.db.read().await?.conn(), &self.channel).await };
        let stored = tokio::time::timeout(STORE_MAX, find).await??;
        let stored = stored.filter(|stored| stored.credentials == self.credentials);
        stored.map(|stored| self.open(&stored)).transpose()
    }

    fn open(&self, stored: &StoredToken) -> Result<Token, Failed> {
        let wrong = |why: &dyn Display| Failed::Sealed(why.to_string());
        let plain = self.key.open(&self.context(), &stored.sealed);
        let plain = String::from_utf8(plain.map_err(|error| wrong(&error))?);
        let moment = |millis| Timestamp::from_millis(millis).map_err(|error| wrong(&error));
        Ok(Token {
            secret: Secret::given(plain.map_err(|_| wrong(&"it is not text"))?),
            asked_at: moment(stored.asked_at)?,
            ends_at: moment(stored.ends_at)?,
        })
    }

    /// False where a newer one is kept.
    async fn write(&self, token: &Token) -> Result<bool, Failed> {
        let plain = token.secret.expose().as_bytes();
        let stored = StoredToken {
            credentials: self.credentials,
            sealed: self.key.seal(&self.context(), plain, self.random.as_ref()),
            asked_at: token.asked_at.as_millis(),
            ends_at: token.ends_at.as_millis(),
        };
        let channel = self.channel.clone();
        let written = self.db.write(move |mut conn| {
            Box::pin(async move { channel_tokens::keep(&mut conn, &channel, stored).await })
        });
        Ok(tokio::time::timeout(STORE_MAX, written).await??)
    }

    /// What was done with the database, or nothing.
    fn noted<T>(&self, done: Result<T, Failed>, problem: &'static str) -> Option<T> {
        let noted = |error| tracing::warn!(channel = self.channel, error = %error, "{problem}");
        done.map_err(noted).ok()
    }
}

impl TokenStore for ChannelTokens {
    fn find(&self) -> BoxFuture<'_, Option<Token>> {
        async {
            let read = self.read().await;
            self.noted(read, "the token of a channel cannot be read").flatten()
        }
        .boxed()
    }

    fn keep(&self, token: Token) -> BoxFuture<'_, Token> {
        async {
            let written = self.write(&token).await;
            let written = self.noted(written, "the token of a channel is not kept");
            if written != Some(false) {
                return token;
            }
            let newer = self.find().await;
            newer.filter(|newer| newer.asked_at >= token.asked_at).unwrap_or(token)
        }
        .boxed()
    }
}
