//! The token that documents are sent with: one that does not end, or one of a day, asked for
//! with the client's credentials where none that lasts is known or kept.

use std::sync::Arc;

use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::clock::{Clock, Timestamp};
use crate::connectors::{
    ChannelError, ChannelHttp, ErrorKind, MemoryTokens, Reply, Token, TokenStore,
};
use crate::secret::Secret;

/// Where tokens come from, below the shop's address.
pub(super) const PATH: &str = "admin/oauth/access_token";
/// A token is replaced so long before it ends, milliseconds: a call may be on its way.
const EARLY_MS: i64 = 5 * 60 * 1000;
/// No token is believed to last longer, seconds.
const SECONDS_MAX: i64 = 366 * 24 * 60 * 60;
const ASK: &str = "ask for an access token";

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    /// A token that does not end.
    Fixed(Secret),
    /// What tokens of a day are asked for with (the client credentials grant).
    Grant {
        /// The client's id.
        id: Secret,
        /// The client's secret; webhooks are signed with it too.
        secret: Secret,
    },
}

/// The tokens of one shop.
#[derive(Debug)]
pub(super) struct Tokens {
    keys: Keys,
    url: Url,
    clock: Arc<dyn Clock>,
    store: Arc<dyn TokenStore>,
    /// Held while one is asked for: the others wait for it.
    newest: Mutex<Newest>,
}

/// The newest token that was heard of.
#[derive(Debug, Default)]
struct Newest {
    token: Option<Token>,
    /// Whether the shop does not take it any more: only a newer one is used.
    is_refused: bool,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: i64,
}

impl Newest {
    /// The token, where it may be used.
    fn usable(&self, now: Timestamp) -> Option<&Secret> {
        let token = self.token.as_ref().filter(|token| !self.is_refused && lasts(token, now));
        token.map(|token| &token.secret)
    }

    /// Takes note of a token that is kept, where it is news.
    fn hear(&mut self, kept: Token) {
        if self.token.as_ref().is_none_or(|known| known.asked_at < kept.asked_at) {
            self.take(kept);
        }
    }

    fn take(&mut self, token: Token) {
        *self = Self { token: Some(token), is_refused: false };
    }

    /// When the next one is asked for: after this one, also where this one is of a node
    /// whose clock is ahead.
    fn next(&self, now: Timestamp) -> Timestamp {
        let after = self.token.as_ref().and_then(|token| token.asked_at.plus_millis(1).ok());
        after.map_or(now, |after| after.max(now))
    }
}

/// Whether a token lasts for a call that is sent now.
fn lasts(token: &Token, now: Timestamp) -> bool {
    token.ends_at.as_millis() - EARLY_MS > now.as_millis()
}

impl Tokens {
    /// Those of the keys of a shop that gives them at an address, kept in memory.
    pub(super) fn new(keys: Keys, url: Url, clock: Arc<dyn Clock>) -> Self {
        let store = Arc::new(MemoryTokens::default());
        Self { keys, url, clock, store, newest: Mutex::default() }
    }

    /// Has them kept.
    pub(super) fn kept_in(mut self, store: Arc<dyn TokenStore>) -> Self {
        self.store = store;
        self
    }

    /// The token to ask with: the one that is known, or the one that is kept, or a new one.
    pub(super) async fn current(&self, http: &ChannelHttp) -> Result<Secret, ChannelError> {
        let client = match &self.keys {
            Keys::Fixed(token) => return Ok(token.clone()),
            Keys::Grant { id, secret } => (id, secret),
        };
        let mut newest = self.newest.lock().await;
        let now = self.clock.now();
        if let Some(known) = newest.usable(now) {
            return Ok(known.clone());
        }
        if let Some(kept) = self.store.find().await {
            newest.hear(kept);
        }
        if let Some(kept) = newest.usable(now) {
            return Ok(kept.clone());
        }
        let own = self.ask(http, client, newest.next(now)).await?;
        let kept = self.store.keep(own.clone()).await;
        let token = if lasts(&kept, now) { kept } else { own };
        let secret = token.secret.clone();
        newest.take(token);
        Ok(secret)
    }

    /// Hears that the shop does not take a token any more: only a newer one is used. False
    /// where there can be no other.
    pub(super) async fn refused(&self, token: &Secret) -> bool {
        if matches!(self.keys, Keys::Fixed(_)) {
            return false;
        }
        let mut newest = self.newest.lock().await;
        let known = newest.token.as_ref().map(|known| known.secret.expose());
        newest.is_refused |= known == Some(token.expose());
        true
    }

    async fn ask(
        &self,
        http: &ChannelHttp,
        (id, secret): (&Secret, &Secret),
        asked_at: Timestamp,
    ) -> Result<Token, ChannelError> {
        let now = self.clock.now();
        let body = json!({
            "client_id": id.expose(), "client_secret": secret.expose(),
            "grant_type": "client_credentials",
        });
        let call = http.call(ASK, Method::POST, self.url.clone());
        let reply = http.send(call.cost(0).with(|request| request.json(&body))).await?;
        let refused = |reply: &Reply| {
            let why = "the shop does not give these keys a token".to_owned();
            matches!(reply.status.as_u16(), 400 | 401 | 403).then(|| ErrorKind::Unauthorized(why))
        };
        let granted: Granted = http.succeeded(reply, refused)?.json()?;
        let lasts_ms = granted.expires_in.clamp(0, SECONDS_MAX) * 1000;
        let ends_at = now
            .plus_millis(lasts_ms)
            .map_err(|error| ChannelError::new(ASK, ErrorKind::Unreadable(error.to_string())))?;
        Ok(Token { secret: Secret::given(granted.access_token), asked_at, ends_at })
    }
}
