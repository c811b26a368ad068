//! `[auth]` and `[rate_limit]`: the tokens clients are given, and how much each may ask for.

use super::{Reader, Value, keys};

/// Five minutes: short enough to do without a way to take a token back.
const TOKEN_SECONDS: u32 = 300;
/// As long as a request may have been on its way, at least.
const TOKEN_SECONDS_MIN: u32 = 30;
/// An hour.
const TOKEN_SECONDS_MAX: u32 = 3_600;
/// The longest name of an issuer, in bytes.
const ISSUER_BYTES_MAX: usize = 200;
/// Requests a second of one key holder, and of one address.
const PER_SECOND: u32 = 500;
/// Requests that either may send at once.
const BURST: u32 = 1_000;
/// More than this in a second is no limit.
const RATE_MAX: u32 = 1_000_000;

/// `[auth]`: the tokens that clients are given for their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthConfig {
    /// Who signs them; where nothing is said, the public URL, else a name made of the shop's.
    pub issuer: Option<String>,
    /// How long they are good for, in seconds, 30 to 3 600.
    pub token_seconds: u32,
}

/// `[rate_limit]`: how much one client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Whether there is a limit.
    pub enabled: bool,
    /// Of one key holder, under all of its keys.
    pub account: Rate,
    /// Of one client address, whoever it says it is.
    pub address: Rate,
}

/// So many requests a second, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run, 1 to 1 000 000.
    pub per_second: u32,
    /// After a pause, 1 to 1 000 000.
    pub burst: u32,
}

impl Reader<'_> {
    pub(super) fn auth(&mut self) -> AuthConfig {
        let issuer = self.read(&keys::AUTH_ISSUER.path(), |value| issuer(value.text()?));
        let seconds = self.read(&keys::AUTH_TOKEN_SECONDS.path(), |value| {
            value.integer(&(TOKEN_SECONDS_MIN..=TOKEN_SECONDS_MAX))
        });
        AuthConfig { issuer, token_seconds: seconds.unwrap_or(TOKEN_SECONDS) }
    }

    pub(super) fn rate_limit(&mut self) -> RateLimitConfig {
        let enabled = self.read(&keys::RATE_LIMIT_ENABLED.path(), Value::boolean);
        let mut rate = |per_second: keys::Key, burst: keys::Key| Rate {
            per_second: self.rate(per_second).unwrap_or(PER_SECOND),
            burst: self.rate(burst).unwrap_or(BURST),
        };
        RateLimitConfig {
            enabled: enabled.unwrap_or(true),
            account: rate(keys::RATE_LIMIT_ACCOUNT_PER_SECOND, keys::RATE_LIMIT_ACCOUNT_BURST),
            address: rate(keys::RATE_LIMIT_ADDRESS_PER_SECOND, keys::RATE_LIMIT_ADDRESS_BURST),
        }
    }

    fn rate(&mut self, key: keys::Key) -> Option<u32> {
        self.read(&key.path(), |value| value.integer(&(1..=RATE_MAX)))
    }
}

fn issuer(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if text.is_empty() || text.len() > ISSUER_BYTES_MAX || text.contains(odd) {
        return Err(format!(
            "expected a name or an address without blanks, of at most {ISSUER_BYTES_MAX} bytes"
        ));
    }
    Ok(text.to_owned())
}
