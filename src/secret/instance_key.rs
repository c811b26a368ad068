//! The key of one instance: what it seals only it can open.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox};

use super::{REDACTED, Random, hmac_sha256};

/// The messages that derive one subkey or identifier each. No two may be equal
/// and none may begin with `DOMAIN_HASH`, else two uses would share a key.
const DOMAIN_ID: &[u8] = b"invshop instance key id";
const DOMAIN_SEAL: &[u8] = b"invshop seal v1";
const DOMAIN_HASH: &[u8] = b"invshop keyed hash v1:";

/// Where the sealed keys of hashes belong.
pub(crate) const HASHES: &str = "shop.hashes";
/// Room for them, so that growing leaves no copy behind.
const HASHES_BYTES_MAX: usize = 512;

/// A sealed blob is: version, key id, nonce, ciphertext with its tag.
const SEAL_VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// The 256-bit key of one database, wiped from memory when dropped.
pub struct InstanceKey {
    root: SecretBox<[u8; 32]>,
    seal: SecretBox<[u8; 32]>,
    /// What hashes were made with before this key took the place of another.
    hashes: BTreeMap<String, SecretBox<[u8; 32]>>,
    id: KeyId,
}

/// What is hashed with the key, each kind for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashed {
    /// The personal data of an order.
    OrderPersonal,
    /// A body that came in.
    Inbox,
    /// The address and the credentials of a channel.
    ChannelCredentials,
    /// The e-mail address of a user.
    UserEmail,
    /// All that is known of a user.
    User,
    /// A change that was asked for.
    UserChange,
}

impl Hashed {
    /// Those that no other key can compute anew, because what is hashed is not at hand: they
    /// are carried over.
    const CARRIED: [Self; 2] = [Self::OrderPersonal, Self::Inbox];

    const fn as_str(self) -> &'static str {
        match self {
            Self::OrderPersonal => "order.personal",
            Self::Inbox => "inbox",
            Self::ChannelCredentials => "channel.token.credentials",
            Self::UserEmail => "user.email",
            Self::User => "user",
            Self::UserChange => "user.change",
        }
    }
}

impl InstanceKey {
    /// Makes a new key; outside tests `random` must be the system's.
    pub fn generate(random: &dyn Random) -> Self {
        Self::from_secret(SecretBox::init_with_mut(|bytes: &mut [u8; 32]| {
            random.fill(bytes);
        }))
    }

    pub(super) fn from_secret(root: SecretBox<[u8; 32]>) -> Self {
        let seal = SecretBox::init_with_mut(|bytes: &mut [u8; 32]| {
            *bytes = hmac_sha256(root.expose_secret(), &[DOMAIN_SEAL]);
        });
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&hmac_sha256(root.expose_secret(), &[DOMAIN_ID])[..KEY_ID_BYTES]);
        Self { root, seal, hashes: BTreeMap::new(), id: KeyId(id) }
    }

    pub(super) fn expose_bytes(&self) -> &[u8; 32] {
        self.root.expose_secret()
    }

    /// The public identifier of this key; it tells nothing about the key.
    ///
    /// The database keeps it, so that a start with another key is refused.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// A hash of `bytes` that no one without the key can compute or check.
    ///
    /// For looking personal data up by equality, and telling repetitions. Different kinds
    /// give unrelated hashes of the same bytes.
    pub fn keyed_hash(&self, what: Hashed, bytes: &[u8]) -> [u8; 32] {
        self.hash_of(what.as_str(), bytes)
    }

    fn hash_of(&self, domain: &str, bytes: &[u8]) -> [u8; 32] {
        match self.hashes.get(domain) {
            Some(subkey) => hmac_sha256(subkey.expose_secret(), &[bytes]),
            None => hmac_sha256(self.hash_key(domain).expose_secret(), &[bytes]),
        }
    }

    fn hash_key(&self, domain: &str) -> SecretBox<[u8; 32]> {
        SecretBox::init_with_mut(|subkey: &mut [u8; 32]| match self.hashes.get(domain) {
            Some(carried) => *subkey = *carried.expose_secret(),
            None => {
                *subkey = hmac_sha256(self.root.expose_secret(), &[DOMAIN_HASH, domain.as_bytes()]);
            }
        })
    }

    /// What another key hashes orders and deliveries with, sealed with this one: their hashes
    /// stay as they were when this key takes the other's place, and nothing that the other
    /// sealed opens by it.
    pub fn seal_hashes(&self, of: &Self, random: &dyn Random) -> Vec<u8> {
        let mut plain = Zeroizing::new(Vec::with_capacity(HASHES_BYTES_MAX));
        for domain in Hashed::CARRIED.map(Hashed::as_str) {
            plain.extend_from_slice(of.hash_key(domain).expose_secret());
            plain.extend_from_slice(domain.as_bytes());
            plain.push(0);
        }
        self.seal(HASHES, &plain, random)
    }

    /// Hashes from now on as the key whose hashes were sealed.
    pub fn with_hashes(mut self, sealed: &[u8]) -> Result<Self, OpenError> {
        let plain = Zeroizing::new(self.open(HASHES, sealed)?);
        let mut rest = plain.as_slice();
        while let Some((subkey, named)) = rest.split_first_chunk::<32>() {
            let end = named.iter().position(|byte| *byte == 0).ok_or(OpenError::Rejected)?;
            let (domain, after) = named.split_at(end);
            let domain = str::from_utf8(domain).map_err(|_not_utf8| OpenError::Rejected)?;
            let subkey = SecretBox::init_with_mut(|own: &mut [u8; 32]| *own = *subkey);
            self.hashes.insert(domain.to_owned(), subkey);
            rest = after.get(1..).unwrap_or_default();
        }
        if rest.is_empty() { Ok(self) } else { Err(OpenError::Rejected) }
    }

    /// Encrypts and authenticates `plaintext`; 49 bytes longer than it.
    ///
    /// The context says where the blob belongs (table, column, row): it is not
    /// stored in the blob, and the blob opens only under the same context, so
    /// that rows cannot be exchanged. XChaCha20-Poly1305 with a random nonce.
    ///
    /// # Panics
    ///
    /// On a plaintext of 256 GiB or more.
    #[expect(clippy::expect_used, reason = "fails only beyond the cipher's length limit")]
    pub fn seal(&self, context: &str, plaintext: &[u8], random: &dyn Random) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce);
        let payload = Payload { msg: plaintext, aad: context.as_bytes() };
        let ciphertext = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a plaintext is shorter than 256 GiB");
        let mut sealed = Vec::with_capacity(HEADER_BYTES + ciphertext.len());
        sealed.push(SEAL_VERSION);
        sealed.extend_from_slice(&self.id.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Gives back what [`seal`](Self::seal) was given under the same context.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let Some((&version, rest)) = sealed.split_first() else {
            return Err(OpenError::Truncated { len: 0 });
        };
        if version != SEAL_VERSION {
            return Err(OpenError::UnknownVersion { version });
        }
        let truncated = OpenError::Truncated { len: sealed.len() };
        let (&key_id, rest) = rest.split_first_chunk().ok_or(truncated.clone())?;
        if KeyId(key_id) != self.id {
            return Err(OpenError::OtherKey { sealed_with: KeyId(key_id), tried: self.id });
        }
        let (&nonce, ciphertext) =
            rest.split_first_chunk::<NONCE_BYTES>().ok_or(truncated.clone())?;
        if ciphertext.len() < TAG_BYTES {
            return Err(truncated);
        }
        let payload = Payload { msg: ciphertext, aad: context.as_bytes() };
        self.cipher().decrypt(&XNonce::from(nonce), payload).map_err(|_opaque| OpenError::Rejected)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.seal.expose_secret().into())
    }
}

impl fmt::Debug for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceKey({}, {REDACTED})", self.id)
    }
}

/// The public identifier of an [`InstanceKey`]: 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = u64::from_str_radix(text, 16).map_err(|_not_hex| KeyIdError)?;
        let id = Self(number.to_be_bytes());
        // Only the one way of writing it, so that texts compare as ids do.
        if id.to_string() == text { Ok(id) } else { Err(KeyIdError) }
    }
}

/// The text is not the id of an instance key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an instance key id is 16 lower-case hex digits")]
pub struct KeyIdError;

/// Why a sealed blob does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The blob is too short to be one.
    #[error("the sealed data is cut off ({len} bytes)")]
    Truncated {
        /// Its length in bytes.
        len: usize,
    },
    /// The blob was made by a later version of the program, or is none.
    #[error("the sealed data has version {version}, this program reads version {SEAL_VERSION}")]
    UnknownVersion {
        /// The version found.
        version: u8,
    },
    /// The blob was sealed with another instance key.
    #[error("the data was sealed with instance key {sealed_with}, the key in use is {tried}")]
    OtherKey {
        /// The key that can open it.
        sealed_with: KeyId,
        /// The key that was tried.
        tried: KeyId,
    },
    /// The blob was changed, or belongs to another place.
    #[error("the sealed data was changed, or was moved from another record")]
    Rejected,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SeededRandom;

    fn key(seed: u64) -> InstanceKey {
        InstanceKey::generate(&SeededRandom::new(seed))
    }

    fn sealed(plaintext: &[u8]) -> Vec<u8> {
        key(1).seal("customer:7", plaintext, &SeededRandom::new(2))
    }

    #[test]
    fn what_is_sealed_opens_under_the_same_context() {
        for plaintext in [&b""[..], b"Ada Lovelace", &[0; 10_000]] {
            let sealed = sealed(plaintext);
            assert_eq!(sealed.len(), plaintext.len() + HEADER_BYTES + TAG_BYTES);
            assert_eq!(key(1).open("customer:7", &sealed).unwrap(), plaintext);
        }
    }

    #[test]
    fn a_blob_moved_to_another_context_is_rejected() {
        assert_eq!(key(1).open("customer:8", &sealed(b"Ada")), Err(OpenError::Rejected));
    }

    #[test]
    fn another_key_is_told_apart_from_damage() {
        let error = key(9).open("customer:7", &sealed(b"Ada")).unwrap_err();
        assert_eq!(error, OpenError::OtherKey { sealed_with: key(1).id(), tried: key(9).id() });
        assert!(error.to_string().contains(&key(1).id().to_string()), "{error}");
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        let original = sealed(b"Ada");
        for index in 0..original.len() {
            let mut changed = original.clone();
            changed[index] ^= 1;
            key(1).open("customer:7", &changed).unwrap_err();
        }
    }

    #[test]
    fn a_blob_cut_off_anywhere_is_an_error() {
        let original = sealed(b"Ada");
        for len in 0..original.len() {
            let error = key(1).open("customer:7", &original[..len]).unwrap_err();
            let expected = if len < HEADER_BYTES + TAG_BYTES {
                OpenError::Truncated { len }
            } else {
                OpenError::Rejected
            };
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn a_blob_of_a_later_version_says_so() {
        let mut later = sealed(b"Ada");
        later[0] = 2;
        let error = key(1).open("customer:7", &later).unwrap_err();
        assert_eq!(error, OpenError::UnknownVersion { version: 2 });
    }

    #[test]
    fn sealing_the_same_twice_gives_different_blobs() {
        let random = SeededRandom::new(3);
        assert_ne!(key(1).seal("c", b"Ada", &random), key(1).seal("c", b"Ada", &random));
    }

    #[test]
    fn keyed_hashes_differ_by_key_domain_and_content() {
        let hash = key(1).hash_of("email", b"ada@example.com");
        assert_eq!(hash, key(1).hash_of("email", b"ada@example.com"));
        assert_ne!(hash, key(2).hash_of("email", b"ada@example.com"));
        assert_ne!(hash, key(1).hash_of("phone", b"ada@example.com"));
        assert_ne!(hash, key(1).hash_of("email", b"ada@example.org"));
        assert_ne!(key(1).hash_of("ab", b"c"), key(1).hash_of("a", b"bc"));
    }

    #[test]
    fn a_key_that_takes_anothers_place_hashes_as_it_did_and_opens_nothing_of_it() {
        let random = SeededRandom::new(5);
        let sealed = key(2).seal_hashes(&key(1), &random);
        let next = key(2).with_hashes(&sealed).unwrap();
        // And once more: what is carried is carried on.
        let again = key(3).with_hashes(&key(3).seal_hashes(&next, &random)).unwrap();
        for what in Hashed::CARRIED {
            let hash = key(1).keyed_hash(what, b"a@example.com");
            assert_eq!(next.keyed_hash(what, b"a@example.com"), hash);
            assert_eq!(again.keyed_hash(what, b"a@example.com"), hash);
            assert_ne!(key(2).keyed_hash(what, b"a@example.com"), hash);
        }
        assert_ne!(
            next.keyed_hash(Hashed::UserEmail, b"x"),
            key(1).keyed_hash(Hashed::UserEmail, b"x")
        );
        assert!(next.open("customer:7", &key(1).seal("customer:7", b"Ada", &random)).is_err());
        assert!(key(9).with_hashes(&sealed).is_err());
        let cut = key(2).seal(HASHES, &[7; 40], &random);
        assert_eq!(key(2).with_hashes(&cut).err(), Some(OpenError::Rejected));
    }

    #[test]
    fn derivations_stay_as_they_are_because_databases_depend_on_them() {
        let key = InstanceKey::from_secret(SecretBox::new(Box::new([7; 32])));
        assert_eq!(key.id().to_string(), "996b4a7638cf0bd0");
        let hash = key.hash_of("email", b"ada@example.com");
        assert_eq!(u64::from_be_bytes(*hash.first_chunk().unwrap()), 0xa2d2_baf8_d816_7e4a);
        let sealed = key.seal("customer:7", b"Ada", &SeededRandom::new(2));
        let hex = sealed.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(
            hex,
            "01996b4a7638cf0bd0ce56971cde355897421efc0b1046c8bf2f537eddbfbc7b9844b86d586720ee7f620dc10e88f94c66e39f4a"
        );
    }

    #[test]
    fn a_key_id_reads_back_only_in_its_one_form() {
        let id = key(1).id();
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "1", "+000000000000001", "00000000000000AB", "000000000000000g"] {
            assert_eq!(text.parse::<KeyId>(), Err(KeyIdError), "{text}");
        }
    }

    #[test]
    fn the_key_never_shows_in_debug() {
        let key = InstanceKey::from_secret(SecretBox::new(Box::new([7; 32])));
        let shown = format!("{key:?} {key:#?}");
        assert!(shown.contains(REDACTED), "{shown}");
        assert!(!shown.contains("7, 7"), "{shown}");
        assert!(!shown.contains("0707"), "{shown}");
    }
}
