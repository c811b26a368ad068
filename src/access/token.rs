//! Tokens: JWTs (RFC 7519, RFC 9068) that say for a few minutes who somebody is and what it
//! may do, so that no request has to ask the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header, encode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use uuid::Uuid;

use super::jwt;
use super::role::{Rights, Role};
use super::signing::{SigningError, SigningKeys};
use crate::config::Config;
use crate::domain::AccountId;
use crate::shop::Shop;

/// The shortest life a token may be given, in seconds.
pub const TOKEN_SECONDS_MIN: i64 = 30;
/// How long one is good for where nothing is said.
const TOKEN_SECONDS: i64 = 300;
/// The longest.
pub const TOKEN_SECONDS_MAX: i64 = 3_600;

/// What the header of an access token says it is (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";
/// Who tokens are for.
const AUDIENCE: &str = "invshop";
/// The longest text that is looked at: ours have fewer than 900 bytes.
const TOKEN_BYTES_MAX: usize = 2_048;
/// How far the clocks of two nodes may be apart, in seconds: they go by one database's.
const SKEW_SECONDS: i64 = 5;
/// Tokens that are remembered as good: to verify one costs as much as a small query.
const VERIFIED_MAX: usize = 4_096;

/// Somebody who has proven who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The key holder.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// What it may do: all of its role, or less.
    pub rights: Rights,
    /// The public part of the key it proved itself with, now or for its token.
    pub prefix: String,
}

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Which shop signed it.
    pub iss: String,
    /// Who it is for.
    pub aud: String,
    /// The name of the key holder.
    pub sub: String,
    /// The public part of the key it was given for.
    pub client_id: String,
    /// When it was signed, in seconds since 1970.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// Its own name.
    pub jti: String,
    /// What its holder may do with it.
    pub scope: String,
    /// What its holder is.
    pub role: String,
    /// The key holder's number.
    pub account: i64,
}

/// A token that was just signed.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: SecretString,
    /// How long it is good for, in seconds.
    pub expires_in: i64,
    /// What it allows.
    pub rights: Rights,
}

/// Why a token is not believed.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It is no token of this kind.
    #[error("it is not a token of this shop")]
    Malformed,
    /// It names another way of signing than the one there is, or none.
    #[error("it is signed in a way that is not accepted")]
    Algorithm,
    /// It names no key that is known and still believed.
    #[error("it is signed with a key that is not known")]
    UnknownKey,
    /// Its signature is not of its content.
    #[error("its signature is wrong")]
    Signature,
    /// It is of another shop.
    #[error("it was issued by somebody else")]
    Issuer,
    /// It is for somebody else.
    #[error("it is for somebody else")]
    Audience,
    /// It is over.
    #[error("it has expired")]
    Expired,
    /// It is of the future, or is good for longer than any token.
    #[error("its times make no sense")]
    Times,
    /// The key it was given for was revoked.
    #[error("the key it was given for was revoked")]
    Revoked,
    /// Nobody can tell.
    #[error(transparent)]
    Keys(#[from] SigningError),
}

#[derive(Debug)]
struct Verified {
    holder: Arc<Holder>,
    kid: String,
    exp: i64,
}

/// Signs tokens and verifies them.
#[derive(Debug)]
pub struct Tokens {
    keys: SigningKeys,
    issuer: String,
    seconds: i64,
    /// Those that were verified, by their hashes: the tokens themselves are not kept.
    verified: Mutex<HashMap<[u8; 32], Verified>>,
}

impl Tokens {
    /// Tokens as the configuration says.
    pub fn of(shop: &Shop, config: &Config) -> Self {
        let issuer = config.auth.issuer.as_ref().or(config.server.public_url.as_ref());
        let issuer = issuer.map_or_else(|| own_name(shop), Clone::clone);
        Self::new(issuer, i64::from(config.auth.token_seconds))
    }

    /// Tokens in the shop's own name.
    pub fn own(shop: &Shop) -> Self {
        Self::new(own_name(shop), TOKEN_SECONDS)
    }

    fn new(issuer: String, seconds: i64) -> Self {
        jwt::install();
        let seconds = seconds.clamp(TOKEN_SECONDS_MIN, TOKEN_SECONDS_MAX);
        Self { keys: SigningKeys::default(), issuer, seconds, verified: Mutex::default() }
    }

    /// The keys, to be published.
    pub const fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// Who signs.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs a token for a holder with some of its rights, that ends no later than its key.
    pub async fn issue(
        &self,
        shop: &Shop,
        holder: &Holder,
        asked: Rights,
        key_ends_at: Option<i64>,
    ) -> Result<Issued, SigningError> {
        let known = self.keys.with_signer(shop).await?;
        let now = shop.clock.now().as_millis();
        let key = known.signer(now).ok_or(SigningError::Make)?;
        let (iat, mut name) = (now / 1000, [0; 16]);
        shop.random.fill(&mut name);
        let exp = key_ends_at.map_or(i64::MAX, |at| at / 1000).min(iat + self.seconds);
        let rights = asked.among(holder.rights);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: holder.name.clone(),
            client_id: holder.prefix.clone(),
            iat,
            exp,
            jti: Uuid::from_bytes(name).simple().to_string(),
            scope: rights.scopes(),
            role: holder.role.as_str().to_owned(),
            account: holder.account.get(),
        };
        let mut header = Header::new(jwt::ALGORITHM);
        (header.typ, header.kid) = (Some(TYPE.to_owned()), Some(key.kid.clone()));
        let signed = encode(&header, &claims, &key.encoding());
        let token = signed.map_err(|_| SigningError::Unusable(key.kid.clone()))?;
        Ok(Issued { token: token.into(), expires_in: exp - iat, rights })
    }

    /// Whose a token is, and what it allows. One that was verified lately is only looked up.
    pub async fn verify(&self, shop: &Shop, token: &str) -> Result<Arc<Holder>, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let known = self.keys.known(shop).await?;
        let (now, hash) = (shop.clock.now().as_millis(), Sha256::digest(token).into());
        let remembered = self.remembered(&hash);
        if let Some((holder, kid, exp)) = remembered
            && known.verifier(&kid, now).is_some()
        {
            return if exp <= now / 1000 {
                Err(TokenError::Expired)
            } else if known.is_revoked(&holder.prefix) {
                Err(TokenError::Revoked)
            } else {
                Ok(holder)
            };
        }
        let (kid, claims) = self.claims(shop, token).await?;
        let (exp, holder) = (claims.exp, Arc::new(holder(claims)?));
        if known.is_revoked(&holder.prefix) {
            return Err(TokenError::Revoked);
        }
        self.remember(hash, Verified { holder: Arc::clone(&holder), kid, exp }, now / 1000);
        Ok(holder)
    }

    /// What a token says, once everything about it was verified, and the key it is signed with.
    async fn claims(&self, shop: &Shop, token: &str) -> Result<(String, Claims), TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.alg != jwt::ALGORITHM {
            return Err(TokenError::Algorithm);
        }
        let typ = header.typ.unwrap_or_default();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        if !typ.eq_ignore_ascii_case(TYPE) {
            return Err(TokenError::Malformed);
        }
        // Keys that a token brings along, or says where to fetch, are nobody's.
        let kid = header.kid.ok_or(TokenError::UnknownKey)?;
        let now = shop.clock.now().as_millis();
        let mut known = self.keys.known(shop).await?;
        if known.verifier(&kid, now).is_none() {
            known = self.keys.looked_for(shop).await?;
        }
        let key = known.verifier(&kid, now).ok_or(TokenError::UnknownKey)?;
        let mut validation = Validation::new(jwt::ALGORITHM);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library goes by the system's clock; this program by its shop's.
        validation.validate_exp = false;
        let decoded = decode::<Claims>(token, &key.decoding(), &validation);
        let claims = decoded.map_err(|error| refusal(error.kind()))?.claims;
        let now = now / 1000;
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        if claims.iat > now + SKEW_SECONDS || claims.exp - claims.iat > TOKEN_SECONDS_MAX {
            return Err(TokenError::Times);
        }
        Ok((kid, claims))
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<(Arc<Holder>, String, i64)> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let one = verified.get(hash)?;
        Some((Arc::clone(&one.holder), one.kid.clone(), one.exp))
    }

    fn remember(&self, hash: [u8; 32], one: Verified, now: i64) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= VERIFIED_MAX {
            verified.retain(|_, one| one.exp > now);
        }
        if verified.len() >= VERIFIED_MAX {
            verified.clear();
        }
        verified.insert(hash, one);
    }
}

/// A name that no other shop has: of its instance key's.
fn own_name(shop: &Shop) -> String {
    format!("urn:invshop:{}", shop.key.id())
}

fn holder(claims: Claims) -> Result<Holder, TokenError> {
    let role = Role::parse(&claims.role).ok_or(TokenError::Malformed)?;
    let rights = Rights::of_scopes(&claims.scope).map_err(|_| TokenError::Malformed)?;
    Ok(Holder {
        account: AccountId::new(claims.account),
        name: claims.sub,
        role,
        // A role that lost a right since takes it from its tokens too.
        rights: rights.among(role.rights()),
        prefix: claims.client_id,
    })
}

fn refusal(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::InvalidAudience => TokenError::Audience,
        _ => TokenError::Malformed,
    }
}

/// What a token says, without asking whether it is to be believed, for whoever has it in hand.
pub fn inspect(token: &str) -> Result<(serde_json::Value, serde_json::Value), TokenError> {
    let token = token.trim();
    if token.len() > TOKEN_BYTES_MAX * 4 {
        return Err(TokenError::Malformed);
    }
    let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
    let claims = insecure_decode_claims(token).map_err(|_| TokenError::Malformed)?;
    Ok((serde_json::to_value(header).map_err(|_| TokenError::Malformed)?, claims))
}
