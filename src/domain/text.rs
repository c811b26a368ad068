//! Bounded strings: every text that crosses the edge has a type, a length and
//! an alphabet. NUL and other control characters are refused everywhere
//! (PostgreSQL cannot store NUL, and a terminal must not be driven by a title).

use std::fmt;

use thiserror::Error;

use super::card::has_card_number;

/// Why a text was refused. Names the field, never repeats a long value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// Nothing was given.
    #[error("{field} is empty")]
    Empty {
        /// The field at fault.
        field: &'static str,
    },
    /// Too many bytes.
    #[error("{field} has {length} bytes; at most {max} are allowed")]
    TooLong {
        /// The field at fault.
        field: &'static str,
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// What looks like the number of a payment card: these are never kept.
    #[error("{field} has what looks like the number of a payment card; these are never kept")]
    Card {
        /// The field at fault.
        field: &'static str,
    },
    /// A character outside the alphabet of the field.
    #[error("{field} contains {character:?}, which is not allowed")]
    Character {
        /// The field at fault.
        field: &'static str,
        /// The first character at fault.
        character: char,
    },
}

fn checked(
    field: &'static str,
    text: &str,
    max: usize,
    allowed: fn(char) -> bool,
) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty { field });
    }
    if text.len() > max {
        return Err(TextError::TooLong { field, length: text.len(), max });
    }
    match text.chars().find(|&character| !allowed(character)) {
        Some(character) => Err(TextError::Character { field, character }),
        None => Ok(()),
    }
}

/// A text in somebody's own words has no card's number.
fn no_card(field: &'static str, text: &str) -> Result<(), TextError> {
    if has_card_number(text) { Err(TextError::Card { field }) } else { Ok(()) }
}

fn printable(character: char) -> bool {
    !character.is_control()
}

fn code(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

fn ascii_printable(character: char) -> bool {
    character.is_ascii_graphic() || character == ' '
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $field:literal, $max:literal, $allowed:expr $(, $also:ident)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The most bytes it may have.
            pub const BYTES_MAX: usize = $max;

            /// Checks length and alphabet; the text itself is kept byte for byte.
            pub fn new(text: &str) -> Result<Self, TextError> {
                checked($field, text, $max, $allowed)?;
                $($also($field, text)?;)?
                Ok(Self(text.into()))
            }

            /// The text as given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text! {
    /// The seller's key of an item: opaque, compared byte for byte, spaces and all.
    Sku, "sku", 200, printable
}
text! {
    /// What an item is called.
    Title, "title", 500, printable
}
text! {
    /// A barcode as printed; its check digit is the seller's affair.
    Barcode, "barcode", 64, ascii_printable
}
text! {
    /// The short name of a location.
    LocationCode, "location", 64, code
}
text! {
    /// The name of a key holder; also the source of the orders it places.
    AccountName, "account", 64, code
}
text! {
    /// An order's id at its source. Ids of requests must not contain `:`.
    ExternalId, "order_id", 200, printable
}
text! {
    /// An id that a channel gave to something of its own: opaque, and for ever.
    RemoteId, "external_id", 200, printable
}

impl RemoteId {
    /// The id of a channel that numbers its things; parted by `/` where one belongs to
    /// another: `16/17`.
    pub fn of_numbers(numbers: &[u64]) -> Self {
        // Twenty digits each at most, and never many of them.
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        Self(numbers.join("/").into())
    }
}

text! {
    /// The caller's id of a payment, shipment, return or refund.
    FactId, "id", 200, printable
}
text! {
    /// Why somebody did something, in their words.
    Reason, "reason", 500, printable, no_card
}
text! {
    /// An idempotency key: one key of one account, one effect.
    Key, "key", 200, ascii_printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r60_a_sku_is_kept_byte_for_byte() {
        for sku in ["0017", "90.750", "1E5", " A ", "=1+1", "Ä-ß", "a:b"] {
            assert_eq!(Sku::new(sku).unwrap().as_str(), sku);
        }
    }

    #[test]
    fn control_characters_and_long_texts_are_refused_by_name() {
        assert_eq!(Sku::new("a\0b"), Err(TextError::Character { field: "sku", character: '\0' }));
        assert!(matches!(Sku::new(&"x".repeat(201)), Err(TextError::TooLong { length: 201, .. })));
        assert_eq!(Title::new(""), Err(TextError::Empty { field: "title" }));
        assert!(LocationCode::new("store north").is_err());
    }
}
