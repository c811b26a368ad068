//! What is known of somebody: its fields, its bounds, and sealing it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::domain::{
    AccountId, Email, SealedUser, Versions, has_card_number, value_has_card_number,
};
use crate::secret::{Hashed, InstanceKey, OpenError, Random};

/// The most bytes of a name, and of a telephone number.
const NAME_BYTES_MAX: usize = 500;
const PHONE_BYTES_MAX: usize = 64;

/// What is known of somebody. Its fields stand in one order: the hash of all of them tells
/// a repetition.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The e-mail address as it was given.
    pub email: String,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// A telephone number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phone: Option<String>,
    /// A postal address, in whatever fields the caller has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<Map<String, Value>>,
    /// Whatever else the caller keeps.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attributes: Option<Map<String, Value>>,
}

impl fmt::Debug for Profile {
    /// Never what is known: what is debugged is logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile")
    }
}

/// What is said of a field that may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Said<T> {
    /// It stays as it is.
    #[default]
    Nothing,
    /// It is taken away.
    Gone,
    /// It is this.
    Is(T),
}

impl<T> Said<T> {
    /// What is known after it was said.
    fn after(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Nothing => before,
            Self::Gone => None,
            Self::Is(now) => Some(now),
        }
    }

    /// Something else said, where something is said.
    pub fn map<U>(self, other: impl FnOnce(T) -> U) -> Said<U> {
        match self {
            Self::Nothing => Said::Nothing,
            Self::Gone => Said::Gone,
            Self::Is(now) => Said::Is(other(now)),
        }
    }

    /// For telling a repetition: what stays as it is, and what is taken away, are two things.
    fn asked(&self) -> Option<[Option<&T>; 1]> {
        match self {
            Self::Nothing => None,
            Self::Gone => Some([None]),
            Self::Is(now) => Some([Some(now)]),
        }
    }
}

impl<T> From<Option<T>> for Said<T> {
    /// Nothing where nothing is given.
    fn from(given: Option<T>) -> Self {
        given.map_or(Self::Nothing, Self::Is)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Said<T> {
    /// What is left out is nothing, by default; `null` takes away.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Gone, Self::Is))
    }
}

/// What is to be known of somebody from now on.
#[derive(Clone, Default, PartialEq)]
pub struct Change {
    /// Another e-mail address.
    pub email: Option<Email>,
    /// Another name.
    pub name: Said<String>,
    /// Another telephone number.
    pub phone: Said<String>,
    /// Another address.
    pub address: Said<Map<String, Value>>,
    /// Other attributes.
    pub attributes: Said<Map<String, Value>>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Change")
    }
}

impl Change {
    /// Whether the texts that are given could be known of anybody, whatever is known by now.
    pub fn check(&self) -> Result<(), ProfileError> {
        if let Said::Is(name) = &self.name {
            check_text("name", Some(name), NAME_BYTES_MAX)?;
        }
        if let Said::Is(phone) = &self.phone {
            check_text("phone", Some(phone), PHONE_BYTES_MAX)?;
        }
        Ok(())
    }

    /// A keyed hash of what is asked for, and in which version: it tells a repetition.
    pub(super) fn digest(&self, key: &InstanceKey, expected: Option<&Versions>) -> [u8; 32] {
        let Self { email, name, phone, address, attributes } = self;
        let asked = serde_json::json!({
            "email": email.as_ref().map(Email::as_str),
            "name": name.asked(),
            "phone": phone.asked(),
            "address": address.asked(),
            "attributes": attributes.asked(),
            "version": expected.map(Versions::content),
        });
        key.keyed_hash(Hashed::UserChange, asked.to_string().as_bytes())
    }
}

/// Why something cannot be known of somebody, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// A field.
    #[error("{field}: {message}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// It was sealed with another key or for another key holder, or it is damaged.
    #[error(transparent)]
    Sealed(#[from] OpenError),
    /// What was sealed is not a profile.
    #[error("what was sealed is not what is known of a user")]
    Form,
}

fn wrong(field: &'static str, message: impl Into<String>) -> ProfileError {
    ProfileError::Field { field, message: message.into() }
}

impl Profile {
    /// The most bytes of all of it, as JSON.
    pub const BYTES_MAX: usize = 32 * 1024;

    /// What a change makes of it; of nobody known yet it needs an e-mail address.
    pub fn changed(before: Option<Self>, change: Change) -> Result<Self, ProfileError> {
        let Change { email, name, phone, address, attributes } = change;
        let email = match (email, &before) {
            (Some(email), _) => email.as_str().to_owned(),
            (None, Some(before)) => before.email.clone(),
            (None, None) => return Err(wrong("email", "is missing")),
        };
        let before = before.unwrap_or_else(|| Self::of(String::new()));
        let profile = Self {
            email,
            name: name.after(before.name),
            phone: phone.after(before.phone),
            address: address.after(before.address),
            attributes: attributes.after(before.attributes),
        };
        profile.check()?;
        Ok(profile)
    }

    const fn of(email: String) -> Self {
        Self { email, name: None, phone: None, address: None, attributes: None }
    }

    fn check(&self) -> Result<(), ProfileError> {
        check_text("name", self.name.as_deref(), NAME_BYTES_MAX)?;
        check_text("phone", self.phone.as_deref(), PHONE_BYTES_MAX)?;
        for (field, object) in [("address", &self.address), ("attributes", &self.attributes)] {
            let is_card = |(name, value): (&String, &Value)| {
                has_card_number(name) || value_has_card_number(value)
            };
            if object.as_ref().is_some_and(|object| object.iter().any(is_card)) {
                return Err(card(field));
            }
        }
        if self.text().len() > Self::BYTES_MAX {
            let message = format!("all that is known has more than {} bytes", Self::BYTES_MAX);
            return Err(wrong("attributes", message));
        }
        Ok(())
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Seals it for a user of a key holder.
    pub fn seal(&self, key: &InstanceKey, account: AccountId, random: &dyn Random) -> SealedUser {
        let text = self.text();
        // Of two key holders nobody can tell that they have one customer.
        let own = |text: &str| format!("{account} {text}").into_bytes();
        let folded = Email::new(&self.email).map(|email| email.folded()).unwrap_or_default();
        SealedUser {
            email: key.keyed_hash(Hashed::UserEmail, &own(&folded)),
            sealed: key.seal(&context(account), text.as_bytes(), random),
            digest: key.keyed_hash(Hashed::User, &own(&text)),
        }
    }

    /// The hash that an address of a key holder's user has.
    pub fn email_hash(key: &InstanceKey, account: AccountId, email: &Email) -> [u8; 32] {
        key.keyed_hash(Hashed::UserEmail, format!("{account} {}", email.folded()).as_bytes())
    }

    /// Gives back what was sealed for a user of a key holder.
    pub fn open(
        key: &InstanceKey,
        account: AccountId,
        sealed: &[u8],
    ) -> Result<Self, ProfileError> {
        let plain = key.open(&context(account), sealed)?;
        serde_json::from_slice(&plain).map_err(|_| ProfileError::Form)
    }
}

/// Where a sealed profile belongs.
fn context(account: AccountId) -> String {
    format!("user of account {account}")
}

fn check_text(field: &'static str, text: Option<&str>, max: usize) -> Result<(), ProfileError> {
    let Some(text) = text else { return Ok(()) };
    if text.is_empty() {
        return Err(wrong(field, "is empty; leave it out or say null"));
    }
    if text.len() > max {
        return Err(wrong(field, format!("has more than {max} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong(field, "has a control character"));
    }
    if has_card_number(text) { Err(card(field)) } else { Ok(()) }
}

fn card(field: &'static str) -> ProfileError {
    wrong(field, "has what looks like the number of a payment card; these are never kept")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::SeededRandom;

    fn email(text: &str) -> Email {
        Email::new(text).unwrap()
    }

    fn object(value: Value) -> Said<Map<String, Value>> {
        let Value::Object(object) = value else { panic!("{value}") };
        Said::Is(object)
    }

    fn someone() -> Change {
        Change {
            email: Some(email("Buyer@Example.com")),
            name: Said::Is("A Buyer".to_owned()),
            address: object(json!({ "city": "Sampletown" })),
            ..Change::default()
        }
    }

    #[test]
    fn what_is_left_out_stays_and_null_takes_away() {
        let first = Profile::changed(None, someone()).unwrap();
        assert_eq!((first.name.as_deref(), &first.phone), (Some("A Buyer"), &None));
        let change = Change {
            name: Said::Gone,
            phone: Said::Is("+49 30 1234567".to_owned()),
            ..Change::default()
        };
        let second = Profile::changed(Some(first), change).unwrap();
        assert_eq!((second.email.as_str(), &second.name), ("Buyer@Example.com", &None));
        assert_eq!(second.phone.as_deref(), Some("+49 30 1234567"));
        assert!(second.address.is_some());
        let error = Profile::changed(None, Change::default()).unwrap_err();
        assert_eq!(error.to_string(), "email: is missing");
    }

    #[test]
    fn cards_and_what_is_out_of_bounds_are_refused_by_their_fields() {
        let card = "4242 4242 4242 4242";
        let text = |text: &str| Said::Is(text.to_owned());
        let deep = json!({ "notes": [{ "pay": 4_242_424_242_424_242_u64 }] });
        for (field, change) in [
            ("name", Change { name: text(card), ..someone() }),
            ("name", Change { name: text(""), ..someone() }),
            ("name", Change { name: text("a\u{7}b"), ..someone() }),
            ("phone", Change { phone: text(&"1".repeat(65)), ..someone() }),
            ("phone", Change { phone: text(card), ..someone() }),
            ("address", Change { address: object(json!({ "note": card })), ..someone() }),
            ("address", Change { address: object(json!({ card: 1 })), ..someone() }),
            ("attributes", Change { attributes: object(deep), ..someone() }),
            (
                "attributes",
                Change { attributes: object(json!({ "x": "y".repeat(33_000) })), ..someone() },
            ),
        ] {
            let error = Profile::changed(None, change).unwrap_err().to_string();
            assert!(error.starts_with(field), "{field}: {error}");
            assert!(!error.contains("4242"), "{error}");
        }
    }

    #[test]
    fn what_is_sealed_opens_for_its_key_holder_and_tells_no_other_who_it_is() {
        let (key, random) = (InstanceKey::generate(&SeededRandom::new(1)), SeededRandom::new(2));
        let (web, other) = (AccountId::new(1), AccountId::new(2));
        let profile = Profile::changed(None, someone()).unwrap();
        let sealed = profile.seal(&key, web, &random);
        assert_eq!(Profile::open(&key, web, &sealed.sealed), Ok(profile.clone()));
        assert!(Profile::open(&key, other, &sealed.sealed).is_err());
        let again = profile.seal(&key, web, &random);
        assert_eq!((sealed.email, sealed.digest), (again.email, again.digest));
        assert_ne!(sealed.sealed, again.sealed);
        let elsewhere = profile.seal(&key, other, &random);
        assert_ne!((sealed.email, sealed.digest), (elsewhere.email, elsewhere.digest));
        let spelt = Change { email: Some(email("buyer@EXAMPLE.com")), ..someone() };
        let spelt = Profile::changed(None, spelt).unwrap().seal(&key, web, &random);
        assert_eq!(spelt.email, sealed.email);
        assert_ne!(spelt.digest, sealed.digest);
        let found = Profile::email_hash(&key, web, &email("BUYER@example.com"));
        assert_eq!(found, sealed.email);
    }
}
