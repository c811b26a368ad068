//! Who is asking: without TLS only signed requests are believed (OAuth 1.0a, one-legged).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

/// What RFC 3986 leaves as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How far off a clock may be, in seconds.
const CLOCK_SECONDS: i64 = 15 * 60;

/// Why a request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It does not say who is asking, or the key is unknown.
    Nobody,
    /// The signature is another.
    Signature,
    /// Its time is too far off.
    Timestamp,
    /// Its nonce was used.
    Nonce,
}

/// A request as far as it is signed.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// The address without its query.
    pub(super) url: &'a str,
    pub(super) query: &'a str,
}

/// The parameters of a query, decoded.
pub(super) fn parameters(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        let spaces = text.replace('+', " ");
        percent_decode_str(&spaces).decode_utf8_lossy().into_owned()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Whether the one user made the request; the nonce it used.
pub(super) fn check(
    request: &Signed<'_>,
    (key, secret): (&str, &str),
    now: i64,
    is_used: impl Fn(&str) -> bool,
) -> Result<String, Refused> {
    let mut given = parameters(request.query);
    let signature = given.remove("oauth_signature").ok_or(Refused::Nobody)?;
    if given.get("oauth_consumer_key").map(String::as_str) != Some(key) {
        return Err(Refused::Nobody);
    }
    let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let mut pairs: Vec<(String, String)> =
        given.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let base = format!("{}&{}&{}", request.method, encode(request.url), encode(&pairs.join("&")));
    let mac = Hmac::<Sha256>::new_from_slice(format!("{secret}&").as_bytes());
    let mut mac = mac.map_err(|_| Refused::Signature)?;
    mac.update(base.as_bytes());
    let wanted = BASE64.decode(signature).map_err(|_| Refused::Signature)?;
    mac.verify_slice(&wanted).map_err(|_| Refused::Signature)?;
    let timestamp = given.get("oauth_timestamp").and_then(|text| text.parse::<i64>().ok());
    if timestamp.is_none_or(|at| (at - now).abs() > CLOCK_SECONDS) {
        return Err(Refused::Timestamp);
    }
    let nonce = given.get("oauth_nonce").cloned().unwrap_or_default();
    if nonce.is_empty() || is_used(&nonce) {
        return Err(Refused::Nonce);
    }
    Ok(nonce)
}
