//! API keys: shown once, stored as a hash.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{REDACTED, Random};

/// Marks a text as one of our keys, also for the scanners that look for leaked ones.
const SCHEME: &str = "inv_";
/// Base 32 (RFC 4648) in lower case: 5 bits a character, none easily confused.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// 40 bits: enough to find one key among all by an index.
const PREFIX_CHARS: usize = 8;
/// 160 bits: beyond guessing, so a plain fast hash protects the stored form.
const SECRET_CHARS: usize = 32;
const PREFIX_START: usize = SCHEME.len();
const PREFIX_END: usize = PREFIX_START + PREFIX_CHARS;
const KEY_CHARS: usize = PREFIX_END + 1 + SECRET_CHARS;

/// The key of an API client: `inv_PREFIX_SECRET`.
///
/// The prefix is public and names the key in lists; the rest is 160 random
/// bits. Only [`prefix`](Self::prefix) and [`hash`](Self::hash) may be stored.
#[derive(Clone)]
pub struct ApiKey {
    text: SecretString,
    prefix: String,
}

impl ApiKey {
    /// Makes a new key; outside tests `random` must be the system's.
    ///
    /// A prefix can meet an existing one (2⁻⁴⁰ per pair): the caller tries again
    /// when the store refuses it.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = secrecy::zeroize::Zeroizing::new([0; PREFIX_CHARS + SECRET_CHARS]);
        random.fill(&mut *bytes);
        let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte & 31)]);
        let (prefix, secret) = bytes.split_at(PREFIX_CHARS);
        let prefix: String = prefix.iter().map(letter).collect();
        // Reserved in full, so that growing leaves no copy of the secret behind.
        let mut text = String::with_capacity(KEY_CHARS);
        text.push_str(SCHEME);
        text.push_str(&prefix);
        text.push('_');
        text.extend(secret.iter().map(letter));
        Self { text: text.into(), prefix }
    }

    /// Reads a key as a client sent it; says nothing about whether it is known.
    pub fn parse(text: &str) -> Result<Self, ApiKeyError> {
        let random = text
            .strip_prefix(SCHEME)
            .filter(|_| text.len() == KEY_CHARS)
            .and_then(|rest| rest.split_once('_'))
            .filter(|(prefix, _)| prefix.len() == PREFIX_CHARS);
        let (prefix, secret) = random.ok_or(ApiKeyError)?;
        if prefix.bytes().chain(secret.bytes()).all(|byte| ALPHABET.contains(&byte)) {
            Ok(Self { text: text.into(), prefix: prefix.to_owned() })
        } else {
            Err(ApiKeyError)
        }
    }

    /// The whole key, to be shown once to the person who asked for it.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// The public part, 8 characters: how lists and logs name the key.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// SHA-256 of the whole key: what is stored.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.expose().as_bytes()).into()
    }

    /// Whether the stored hash is this key's; takes the same time either way.
    pub fn verify(&self, hash: &[u8; 32]) -> bool {
        self.hash().ct_eq(hash).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({SCHEME}{}_{REDACTED})", self.prefix)
    }
}

/// The text is not an API key; what was sent is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an API key is written inv_, 8 characters, _, 32 characters")]
pub struct ApiKeyError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SeededRandom;

    fn key() -> ApiKey {
        ApiKey::generate(&SeededRandom::new(5))
    }

    #[test]
    fn a_new_key_reads_back_and_verifies_against_its_hash() {
        let key = key();
        let read = ApiKey::parse(key.expose()).unwrap();
        assert_eq!(read.expose(), key.expose());
        assert_eq!(read.prefix(), key.prefix());
        assert_eq!(key.expose().get(4..12), Some(key.prefix()));
        assert!(read.verify(&key.hash()));
    }

    #[test]
    fn another_key_or_a_changed_character_does_not_verify() {
        let hash = key().hash();
        assert!(!ApiKey::generate(&SeededRandom::new(6)).verify(&hash));
        let last = if key().expose().ends_with('a') { "b" } else { "a" };
        let changed = key().expose().get(..KEY_CHARS - 1).unwrap().to_owned() + last;
        assert!(!ApiKey::parse(&changed).unwrap().verify(&hash));
    }

    #[test]
    fn texts_of_another_shape_are_refused() {
        let good = key().expose().to_owned();
        for text in [
            String::new(),
            "inv_".to_owned(),
            good.to_uppercase(),
            format!("{good}a"),
            format!(" {good}"),
            good.replacen('_', "-", 1),
            good.replacen("inv_", "key_", 1),
            format!("inv_{}_{}", "a".repeat(7), "a".repeat(33)),
            format!("inv_{}_{}", "1".repeat(8), "a".repeat(32)),
            format!("inv_{}_{}", "a".repeat(8), "ü".repeat(16)),
        ] {
            assert!(ApiKey::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_shows_the_prefix_only() {
        let key = key();
        assert_eq!(format!("{key:?}"), format!("ApiKey(inv_{}_[redacted])", key.prefix()));
    }
}
