//! Money: integer minor units with an ISO 4217 currency, never a float.

use std::fmt;

use thiserror::Error;

/// The largest amount, in minor units: 10^15, far above any order and far
/// below what a sum of a million of them could overflow.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000_000;

/// Why a text is not money.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// Not an ISO 4217 code.
    #[error("'{0}' is not an ISO 4217 currency code")]
    Currency(String),
    /// Not a plain decimal amount.
    #[error("'{0}' is not an amount of money like 12.90")]
    Amount(String),
    /// More decimals than the currency has.
    #[error("'{text}' has more than the {exponent} decimals of {currency}")]
    TooPrecise {
        /// What was given.
        text: String,
        /// Decimals of the currency.
        exponent: u16,
        /// The currency.
        currency: Currency,
    },
    /// Outside 0..=[`AMOUNT_MAX`].
    #[error("the amount {0} is out of range")]
    OutOfRange(String),
}

/// An ISO 4217 currency that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Reads the three-letter code, upper case.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        iso_currency::Currency::from_code(code)
            .map(Self)
            .ok_or_else(|| MoneyError::Currency(code.chars().take(10).collect()))
    }

    /// The three-letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimals of the minor unit: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u16 {
        self.0.exponent().unwrap_or(0)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in minor units of one currency, 0..=[`AMOUNT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    amount: i64,
    currency: Currency,
}

impl Money {
    /// Checks the range.
    pub fn new(amount: i64, currency: Currency) -> Result<Self, MoneyError> {
        if (0..=AMOUNT_MAX).contains(&amount) {
            Ok(Self { amount, currency })
        } else {
            Err(MoneyError::OutOfRange(amount.to_string()))
        }
    }

    /// Reads a decimal amount such as `12.90`, exactly.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let bad = || MoneyError::Amount(text.chars().take(40).collect());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(bad());
        }
        let exponent = usize::from(currency.exponent());
        if fraction.len() > exponent {
            return Err(MoneyError::TooPrecise {
                text: text.chars().take(40).collect(),
                exponent: currency.exponent(),
                currency,
            });
        }
        let padded = format!("{whole}{fraction:0<exponent$}");
        let amount = padded.parse().map_err(|_| MoneyError::OutOfRange(padded))?;
        Self::new(amount, currency)
    }

    /// Minor units.
    pub const fn amount(self) -> i64 {
        self.amount
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_amount(f, self.amount, self.currency)
    }
}

/// Writes minor units as a decimal amount: 1290 EUR is `12.90`.
fn write_amount(f: &mut fmt::Formatter<'_>, amount: i64, currency: Currency) -> fmt::Result {
    let exponent = usize::from(currency.exponent());
    let unit = 10_i64.pow(u32::from(currency.exponent()));
    if exponent == 0 {
        write!(f, "{amount}")
    } else {
        write!(f, "{}.{:0exponent$}", amount / unit, amount % unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, code: &str) -> Result<i64, MoneyError> {
        Money::parse(text, Currency::parse(code)?).map(Money::amount)
    }

    #[test]
    fn decimals_follow_the_currency() {
        assert_eq!(parse("12.9", "EUR"), Ok(1290));
        assert_eq!(parse("12", "EUR"), Ok(1200));
        assert_eq!(parse("12", "JPY"), Ok(12));
        assert_eq!(parse("1.234", "KWD"), Ok(1234));
        assert!(matches!(parse("12.901", "EUR"), Err(MoneyError::TooPrecise { .. })));
        assert!(parse("12.5", "JPY").is_err());
    }

    #[test]
    fn what_is_not_money_is_refused() {
        for bad in ["", ".5", "5.", "-1", "1,50", "1e3", " 1", "99999999999999999999"] {
            assert!(parse(bad, "EUR").is_err(), "{bad:?}");
        }
        assert!(Currency::parse("eur").is_err());
    }

    #[test]
    fn an_amount_prints_as_it_reads() {
        for text in ["0.05", "12.90", "1000000.00"] {
            let money = Money::parse(text, Currency::parse("EUR").unwrap()).unwrap();
            assert_eq!(money.to_string(), text);
        }
    }
}
