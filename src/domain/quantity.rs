//! Counts of units, bounded so that no sum of them can overflow.

use std::fmt;

use thiserror::Error;

/// The most units a level, a line or a movement may carry (`semantics` bound:
/// 0..=1 000 000 000, the range every channel accepts).
pub const QUANTITY_MAX: i64 = 1_000_000_000;

/// Why a number is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// Not a whole decimal number.
    #[error("'{0}' is not a whole number of units")]
    NotANumber(String),
    /// Outside the range of the type.
    #[error("{value} is outside {min}..={QUANTITY_MAX} units")]
    OutOfRange {
        /// The number given.
        value: i64,
        /// The least that is allowed.
        min: i64,
    },
}

/// A number of units, 0..=[`QUANTITY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i64);

impl Quantity {
    /// No units.
    pub const ZERO: Self = Self(0);

    /// Checks the range.
    pub fn new(value: i64) -> Result<Self, QuantityError> {
        if (0..=QUANTITY_MAX).contains(&value) {
            Ok(Self(value))
        } else {
            Err(QuantityError::OutOfRange { value, min: 0 })
        }
    }

    /// At least one unit.
    pub fn positive(value: i64) -> Result<Self, QuantityError> {
        match Self::new(value) {
            Ok(quantity) if quantity.0 > 0 => Ok(quantity),
            _ => Err(QuantityError::OutOfRange { value, min: 1 }),
        }
    }

    /// Reads a plain decimal number: digits only, so `1e3`, `+5` and `5.0` are refused.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        Self::new(parse_whole(text)?)
    }

    /// The units as a number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A change of units, −[`QUANTITY_MAX`]..=[`QUANTITY_MAX`], never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delta(i64);

impl Delta {
    /// Checks the range; 0 changes nothing and is refused.
    pub fn new(value: i64) -> Result<Self, QuantityError> {
        if value != 0 && (-QUANTITY_MAX..=QUANTITY_MAX).contains(&value) {
            Ok(Self(value))
        } else {
            Err(QuantityError::OutOfRange { value, min: -QUANTITY_MAX })
        }
    }

    /// Reads a decimal number with an optional sign.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let value = match (text.strip_prefix('-'), text.strip_prefix('+')) {
            (Some(digits), _) => -parse_whole(digits)?,
            (None, Some(digits)) => parse_whole(digits)?,
            (None, None) => parse_whole(text)?,
        };
        Self::new(value)
    }

    /// The change as a number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

fn parse_whole(text: &str) -> Result<i64, QuantityError> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if plain { text.parse().ok() } else { None };
    parsed.ok_or_else(|| QuantityError::NotANumber(text.chars().take(40).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_are_a_quantity() {
        for bad in ["", "+5", "-1", "1e3", "5.0", " 5", "５", "99999999999999999999"] {
            assert!(Quantity::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Quantity::parse("007").map(Quantity::get), Ok(7));
    }

    #[test]
    fn the_bounds_hold_on_both_sides() {
        assert!(Quantity::new(QUANTITY_MAX).is_ok());
        assert!(Quantity::new(QUANTITY_MAX + 1).is_err());
        assert!(Quantity::new(-1).is_err());
        assert!(Quantity::positive(0).is_err());
        assert!(Delta::new(0).is_err());
        assert_eq!(Delta::parse("-12").map(Delta::get), Ok(-12));
        assert!(Delta::parse("--1").is_err());
    }
}
