//! The token of an account: where one is kept that was asked for, so that whoever opens the
//! account next need not ask again. What a token is, and when it is asked for, is the
//! connector's to say; where it is kept is not.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::clock::Timestamp;
use crate::secret::Secret;

/// A token that an account gave.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself.
    pub secret: Secret,
    /// When it was asked for: later than any that was known then, whatever the clock said.
    pub asked_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// Keeps the newest token of one account, for the credentials it is opened with now.
///
/// A store that cannot be read or written says so in the log and has nothing: the connector
/// works on with the token it has in memory.
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// The token that is kept, whether it lasts or not; never one that other credentials
    /// were given, or another address gave.
    fn find(&self) -> BoxFuture<'_, Option<Token>>;

    /// Keeps a token in the place of older ones. The one to be used from now on: this, or
    /// one that somebody else asked for later.
    fn keep(&self, token: Token) -> BoxFuture<'_, Token>;
}

/// Keeps a token for as long as the process lives: for connectors of no shop.
#[derive(Debug, Default)]
pub struct MemoryTokens(Mutex<Option<Token>>);

impl TokenStore for MemoryTokens {
    fn find(&self) -> BoxFuture<'_, Option<Token>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        std::future::ready(kept).boxed()
    }

    fn keep(&self, token: Token) -> BoxFuture<'_, Token> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = match kept.take() {
            Some(newer) if newer.asked_at >= token.asked_at => newer,
            _ => token,
        };
        *kept = Some(newest.clone());
        drop(kept);
        std::future::ready(newest).boxed()
    }
}
