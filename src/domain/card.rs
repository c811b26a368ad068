//! Telling numbers of payment cards: they are taken nowhere, so that they leak nowhere.
//!
//! A number counts as a card's where its length and its beginning are those of an issuer
//! and its check digit is right (ISO/IEC 7812-1). Telephone numbers, barcodes and most
//! ids pass: one that begins with a `+` is a telephone number, and digits beside letters
//! or more digits are something longer.

use serde_json::Value;

/// The digits of a card: the fewest and the most.
const DIGITS_MIN: usize = 14;
const DIGITS_MAX: usize = 19;

/// Whether a text has what looks like the number of a payment card in it, in one piece or
/// in groups with one blank, hyphen or dot between them.
pub fn has_card_number(text: &str) -> bool {
    has(text, DIGITS_MIN)
}

/// The same of what is said of goods: fourteen digits are the number of a trade unit there
/// (GTIN-14), and no card's.
pub fn has_long_card_number(text: &str) -> bool {
    has(text, DIGITS_MIN + 1)
}

/// Whether a text or a number anywhere in a JSON value has one, or the name of a field.
pub fn value_has_card_number(value: &Value) -> bool {
    match value {
        Value::String(text) => has_card_number(text),
        Value::Number(number) => has_card_number(&number.to_string()),
        Value::Array(values) => values.iter().any(value_has_card_number),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| has_card_number(name) || value_has_card_number(value))
        }
        Value::Null | Value::Bool(_) => false,
    }
}

fn has(text: &str, digits_min: usize) -> bool {
    // Hardly any text has so many digits: the rest is for those that have.
    text.bytes().filter(u8::is_ascii_digit).count() >= digits_min
        && runs(text).any(|run| run.len() >= digits_min && is_card(&run))
}

/// The groups of digits of a text, as far as they belong together.
fn runs(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let mut runs = Vec::new();
    let (mut run, mut is_other, mut parted) = (Vec::new(), false, false);
    for character in text.chars().chain([';']) {
        match character {
            '0'..='9' => {
                run.push(u8::try_from(u32::from(character) - u32::from('0')).unwrap_or(0));
                parted = false;
            }
            ' ' | '-' | '.' | '\u{a0}' if !run.is_empty() && !parted => parted = true,
            other => {
                // Digits that a letter touches are no number of their own.
                let touches = other.is_alphanumeric() && !parted;
                if !run.is_empty() && !is_other && !touches {
                    runs.push(std::mem::take(&mut run));
                }
                run.clear();
                is_other = other.is_alphanumeric() || other == '+';
                parted = false;
            }
        }
    }
    runs.into_iter()
}

fn is_card(digits: &[u8]) -> bool {
    (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
        && is_issued(digits)
        && sum(digits).is_multiple_of(10)
}

/// Whether an issuer gives out numbers that begin so and are so long: the ranges that the
/// networks publish.
fn is_issued(digits: &[u8]) -> bool {
    let begins = |count: usize| {
        digits.iter().take(count).fold(0_u32, |number, digit| number * 10 + u32::from(*digit))
    };
    let (two, three, four) = (begins(2), begins(3), begins(4));
    match digits.len() {
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37),
        16 => {
            matches!(two, 40..=49 | 51..=55 | 62 | 65 | 50 | 56..=58 | 60 | 63 | 67)
                || matches!(four, 2221..=2720 | 3528..=3589)
                || matches!(three, 644..=649)
        }
        19 => matches!(two, 40..=49 | 62 | 65 | 60 | 63 | 67) || matches!(four, 3528..=3589),
        _ => false,
    }
}

/// The sum of Luhn: every second digit from the right counts twice.
fn sum(digits: &[u8]) -> u32 {
    let weighed = digits.iter().rev().enumerate().map(|(index, digit)| {
        let digit = u32::from(*digit);
        match (index % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        }
    });
    weighed.sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // The numbers that networks and gateways publish for tests.
    const CARDS: [&str; 9] = [
        "4242424242424242",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "6011111111111117",
        "3056930009020004",
        "36227206271667",
        "6200000000000005",
        "3566002020360505",
    ];

    #[test]
    fn numbers_of_cards_are_told_wherever_they_stand() {
        for card in CARDS {
            assert!(has_card_number(card), "{card}");
            assert!(has_card_number(&format!("card: {card}, exp 12/30")), "{card}");
            assert!(!has_card_number(&format!("x{card}")), "{card}");
            assert!(!has_card_number(&format!("{card}9999")), "{card}");
            let (first, last) = card.split_at(card.len() - 1);
            let other = (last.parse::<u8>().unwrap() + 1) % 10;
            assert!(!has_card_number(&format!("{first}{other}")), "{card}");
        }
        for text in [
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            "3782.822463.10005",
            "(4242424242424242)",
        ] {
            assert!(has_card_number(text), "{text}");
        }
    }

    #[test]
    fn what_people_and_shops_write_otherwise_passes() {
        for text in [
            "",
            "+49 151 1234 5678 9012",
            "DE89 3704 0044 0532 0130 00",
            "4006381333931",
            "12 Example Street, 1234 Sampletown",
            "gid://shopify/Order/5534567890123",
            "4242  4242  4242  4242",
            "1714132800000",
        ] {
            assert!(!has_card_number(text), "{text}");
        }
    }

    #[test]
    fn they_are_found_however_deep_and_a_trade_unit_is_none() {
        for value in [
            json!({ "a": [{ "b": "4242 4242 4242 4242" }] }),
            json!(4_242_424_242_424_242_u64),
            json!({ "4242424242424242": true }),
        ] {
            assert!(value_has_card_number(&value), "{value}");
        }
        assert!(!value_has_card_number(&json!({ "a": [1, null, true, "x"] })));
        assert!(has_card_number("36227206271667"));
        assert!(!has_long_card_number("36227206271667"));
        assert!(has_long_card_number("{\"x\":4242424242424242}"));
    }
}
