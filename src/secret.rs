//! Randomness, keys and secrets: everything that must not be guessed or shown.
//!
//! - [`Random`] is passed in like the clock, so that tests can seed it.
//! - [`InstanceKey`] belongs to one database: it seals personal data, raw
//!   inbound bodies and tokens, and gives keyed hashes. [`KeyFile`] is where it lives; a
//!   backup never contains it.
//! - [`Secret`] is a secret in the configuration, written plain or as a
//!   reference to a variable or a file.
//! - [`ApiKey`] lets a client in; only its hash is stored.
//!
//! Nothing here logs, and no `Debug` or `Display` shows more than that a secret
//! is there.

mod api_key;
mod instance_key;
mod key_file;
mod random;
mod value;

pub use api_key::{ApiKey, ApiKeyError};
pub(crate) use instance_key::HASHES;
pub use instance_key::{Hashed, InstanceKey, KeyId, KeyIdError, OpenError};
pub use key_file::{KeyFile, KeyFileError};
pub use random::{Random, SeededRandom, SystemRandom};
pub use value::{Secret, SecretError, SecretSource};

/// What stands in a text in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// HMAC-SHA256 over the parts, one after the other.
fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    use hmac::{Hmac, KeyInit, Mac};

    // A key of one block or less is padded with zeros, so this is the plain
    // 32-byte key, by a constructor that cannot fail.
    let mut block = secrecy::zeroize::Zeroizing::new([0; 64]);
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<sha2::Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::hmac_sha256;

    #[test]
    fn the_hmac_agrees_with_rfc_4231_case_2_padded_to_32_bytes() {
        // The RFC's key "Jefe" is shorter; HMAC pads it with zeros as we do here.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let tag = hmac_sha256(&key, &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(tag[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
        assert_eq!(tag[24..], [0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43]);
    }
}
