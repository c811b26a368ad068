//! People that a key holder registers: their ids and their e-mail addresses.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::card::has_card_number;
use super::ids::UserId;

/// What the id of a user begins with outside.
const PREFIX: &str = "usr_";

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.get())
    }
}

/// A text is no id of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not the id of a user: usr_ and a number")]
pub struct UserIdError;

impl FromStr for UserId {
    type Err = UserIdError;

    fn from_str(text: &str) -> Result<Self, UserIdError> {
        let number = text.strip_prefix(PREFIX).ok_or(UserIdError)?;
        let is_plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse() {
            Ok(id) if is_plain => Ok(Self::new(id)),
            _ => Err(UserIdError),
        }
    }
}

/// Why a text is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EmailError {
    /// Too long to be one.
    #[error("is longer than {} bytes", Email::BYTES_MAX)]
    TooLong,
    /// It has not the form.
    #[error("is not an e-mail address")]
    Form,
    /// It has what looks like the number of a payment card.
    #[error("has what looks like the number of a payment card; these are never kept")]
    Card,
}

/// An e-mail address as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(Box<str>);

impl Email {
    /// The most bytes of one (RFC 5321 §4.5.3.1.3, without its brackets).
    pub const BYTES_MAX: usize = 254;
    /// The most bytes before its `@` (RFC 5321 §4.5.3.1.1).
    const LOCAL_BYTES_MAX: usize = 64;

    /// The form is looked at, no more: only a letter tells whether one arrives.
    pub fn new(text: &str) -> Result<Self, EmailError> {
        if text.len() > Self::BYTES_MAX {
            return Err(EmailError::TooLong);
        }
        let (local, host) = text.rsplit_once('@').ok_or(EmailError::Form)?;
        let is_whole = !local.is_empty()
            && local.len() <= Self::LOCAL_BYTES_MAX
            && !host.is_empty()
            && !host.starts_with('.')
            && !host.ends_with('.');
        let is_odd = |character: char| character.is_whitespace() || character.is_control();
        let is_plain = !text.chars().any(is_odd) && !local.contains('@');
        if has_card_number(text) {
            return Err(EmailError::Card);
        }
        if is_whole && is_plain { Ok(Self(text.into())) } else { Err(EmailError::Form) }
    }

    /// The address as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one address have in common: small letters.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        Self::new(text)
    }
}

impl fmt::Debug for Email {
    /// Never the address: what is debugged is logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email")
    }
}

/// What is known of a user, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedUser {
    /// Keyed hash of the address in small letters.
    pub email: [u8; 32],
    /// All of it, sealed for this user's key holder.
    pub sealed: Vec<u8>,
    /// Keyed hash of all of it.
    pub digest: [u8; 32],
}

/// A user as it is stored, without what is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserMark {
    /// Its id.
    pub id: UserId,
    /// The key holder who registered it.
    pub account: super::ids::AccountId,
    /// Keyed hashes of its address and of all of it; none once it is erased.
    pub known: Option<([u8; 32], [u8; 32])>,
    /// Grows by one with each change.
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_users_read_back_only_in_their_one_form() {
        let id = UserId::new(42);
        assert_eq!(id.to_string(), "usr_42");
        assert_eq!("usr_42".parse(), Ok(id));
        for text in ["", "42", "usr_", "usr_0", "usr_042", "usr_+1", "usr_-1", "usr_9x", "USR_1"] {
            assert_eq!(text.parse::<UserId>(), Err(UserIdError), "{text}");
        }
        assert_eq!("usr_99999999999999999999".parse::<UserId>(), Err(UserIdError));
    }

    #[test]
    fn addresses_are_kept_as_given_and_compared_in_small_letters() {
        let given = Email::new("Ä.Someone@Example.COM").unwrap();
        assert_eq!(given.as_str(), "Ä.Someone@Example.COM");
        assert_eq!(given.folded(), "ä.someone@example.com");
        assert!(!format!("{given:?}").contains("xample"));
        let long = format!("{}@example.com", "a".repeat(65));
        for text in ["", "a", "@", "a@", "@b", "a b@c", "a@b c", "a@@b", "a@.b", "a@b.", &long] {
            assert_eq!(Email::new(text), Err(EmailError::Form), "{text}");
        }
        let long = format!("a@{}", "b".repeat(253));
        assert_eq!(Email::new(&long), Err(EmailError::TooLong));
    }
}
