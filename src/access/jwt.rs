//! ES256 (ECDSA over P-256 with SHA-256, RFC 7518 §3.4) for `jsonwebtoken`, by ring: the one
//! library for cryptography that is here already.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use secrecy::zeroize::Zeroizing;

/// The one algorithm that is spoken; a token that names another is refused before its
/// signature is looked at.
pub(super) const ALGORITHM: Algorithm = Algorithm::ES256;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Signer::new(*algorithm, key)?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Verifier::new(*algorithm, key)?)),
    // For reading and writing key documents, which is done by hand here.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has the library use ring, once for the process.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if PROVIDER.install_default().is_err() {
            tracing::warn!("another library signs tokens: theirs is used");
        }
    });
}

/// A key that was just made: its private part as PKCS#8, and its public point uncompressed.
pub(super) struct NewPair {
    pub(super) private: Zeroizing<Vec<u8>>,
    pub(super) public: Vec<u8>,
}

/// Makes a key with the system's randomness: ring takes no other.
pub(super) fn generate() -> Result<NewPair, ring::error::Unspecified> {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
    let private = Zeroizing::new(document.as_ref().to_vec());
    let pair = pair(&private).map_err(|_rejected| ring::error::Unspecified)?;
    Ok(NewPair { public: pair.public_key().as_ref().to_vec(), private })
}

fn pair(private: &[u8]) -> Result<EcdsaKeyPair, ring::error::KeyRejected> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private, &SystemRandom::new())
}

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, Error> {
        only(algorithm)?;
        pair(key.as_bytes()).map(Self).map_err(|_rejected| ErrorKind::InvalidEcdsaKey.into())
    }
}

impl signature::Signer<Vec<u8>> for Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let signed = self.0.sign(&SystemRandom::new(), message);
        signed.map(|signed| signed.as_ref().to_vec()).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Signer {
    fn algorithm(&self) -> Algorithm {
        ALGORITHM
    }
}

struct Verifier(UnparsedPublicKey<Vec<u8>>);

impl Verifier {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        only(algorithm)?;
        let point = key.try_get_as_bytes()?.to_vec();
        Ok(Self(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)))
    }
}

impl signature::Verifier<Vec<u8>> for Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.verify(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Verifier {
    fn algorithm(&self) -> Algorithm {
        ALGORITHM
    }
}

fn only(algorithm: Algorithm) -> Result<(), Error> {
    if algorithm == ALGORITHM { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}
