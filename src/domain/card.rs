//! Telling numbers of payment cards: they are not taken, so that they leak nowhere.
//!
//! A number counts as a card's where its length and its beginning are those of an issuer,
//! its check digit is right (ISO/IEC 7812-1), and it is written as cards' are: in one piece,
//! or in groups of four to six digits. Telephone numbers, barcodes and most ids pass: one
//! that begins with a `+` is a telephone number, and digits beside letters are something
//! longer.

use serde_json::Value;

/// The digits of a card: the fewest and the most.
const DIGITS_MIN: usize = 14;
const DIGITS_MAX: usize = 19;
/// The digits of a group of them; the last may have fewer.
const GROUP_MIN: usize = 4;
const GROUP_MAX: usize = 6;
/// Blanks, hyphens and the like between two groups, at most.
const PARTED_MAX: usize = 3;

/// Whether a text has what looks like the number of a payment card in it.
pub fn has_card_number(text: &str) -> bool {
    has(text, DIGITS_MIN)
}

/// Whether a text or a whole number anywhere in a JSON value has one, or the name of a field.
pub fn value_has_card_number(value: &Value) -> bool {
    value_has(value, DIGITS_MIN)
}

/// The same of what is said of goods, as JSON: fourteen digits are the number of a trade
/// unit there (GTIN-14), and no card's.
pub fn attributes_have_card_number(json: &str) -> bool {
    serde_json::from_str(json).is_ok_and(|value| value_has(&value, DIGITS_MIN + 1))
}

fn value_has(value: &Value, digits_min: usize) -> bool {
    match value {
        Value::String(text) => has(text, digits_min),
        // A coordinate has as many digits, and is none.
        Value::Number(number) => !number.is_f64() && has(&number.to_string(), digits_min),
        Value::Array(values) => values.iter().any(|value| value_has(value, digits_min)),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| has(name, digits_min) || value_has(value, digits_min))
        }
        Value::Null | Value::Bool(_) => false,
    }
}

fn has(text: &str, digits_min: usize) -> bool {
    // Hardly any text has so many digits: the rest is for those that have.
    text.bytes().filter(u8::is_ascii_digit).count() >= digits_min
        && rows(text).iter().any(|groups| row_has(groups, digits_min))
}

/// Whether groups of digits that stand together have a card's number among them.
fn row_has(groups: &[Vec<u8>], digits_min: usize) -> bool {
    let is_card = |digits: &[u8]| digits.len() >= digits_min && is_card(digits);
    groups.iter().enumerate().any(|(first, group)| {
        let mut digits = group.clone();
        if is_card(&digits) {
            return true;
        }
        let mut last = group;
        for next in groups.iter().skip(first + 1) {
            if !(GROUP_MIN..=GROUP_MAX).contains(&last.len()) || next.len() > GROUP_MAX {
                return false;
            }
            digits.extend(next);
            if is_card(&digits) {
                return true;
            }
            last = next;
        }
        false
    })
}

/// The groups of digits of a text, those together that little stands between.
fn rows(text: &str) -> Vec<Vec<Vec<u8>>> {
    let mut rows = vec![Vec::new()];
    let (mut group, mut parted, mut is_other) = (Vec::new(), 0, false);
    for character in text.chars().chain([';']) {
        if let Some(digit) = character.to_digit(10) {
            if group.is_empty() && parted > PARTED_MAX {
                rows.push(Vec::new());
            }
            group.push(u8::try_from(digit).unwrap_or(0));
            parted = 0;
            continue;
        }
        // Digits that a letter touches are no number of their own.
        let touches = character.is_alphanumeric();
        if !group.is_empty() {
            let group = std::mem::take(&mut group);
            if is_other || touches {
                rows.push(Vec::new());
            } else if let Some(row) = rows.last_mut() {
                row.push(group);
            }
        }
        match character {
            ' ' | '-' | '.' | '/' | '_' | '\t' | '\n' | '\r' | '\u{a0}' | '\u{2013}' => {
                parted += 1;
                is_other = is_other && parted == 0;
            }
            other => {
                rows.push(Vec::new());
                parted = 0;
                is_other = other.is_alphanumeric() || other == '+';
            }
        }
    }
    rows
}

fn is_card(digits: &[u8]) -> bool {
    (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
        && is_issued(digits)
        && sum(digits).is_multiple_of(10)
}

/// Whether an issuer gives out numbers that begin so and are so long: the ranges that the
/// networks publish. Those of 12, 13, 17 and 18 digits are left out: hardly any are in use,
/// and barcodes and ids have as many.
fn is_issued(digits: &[u8]) -> bool {
    let begins = |count: usize| {
        digits.iter().take(count).fold(0_u32, |number, digit| number * 10 + u32::from(*digit))
    };
    let (two, three, four) = (begins(2), begins(3), begins(4));
    match digits.len() {
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37),
        16 => {
            matches!(two, 36 | 38..=58 | 60 | 62 | 63 | 65 | 67 | 81 | 82)
                || matches!(four, 2200..=2204 | 2221..=2720 | 3528..=3589)
                || matches!(three, 300..=305 | 644..=649)
        }
        19 => matches!(two, 40..=49 | 60 | 62 | 63 | 65 | 67) || matches!(four, 3528..=3589),
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
            for text in [
                card.to_owned(),
                format!("card: {card}, exp 12/30"),
                format!("{card} 12/30 123"),
                format!("1 {card}"),
                format!("no.{card}!"),
            ] {
                assert!(has_card_number(&text), "{text}");
            }
            for text in [format!("x{card}"), format!("{card}f"), format!("{card}9999")] {
                assert!(!has_card_number(&text), "{text}");
            }
            let (first, last) = card.split_at(card.len() - 1);
            let other = (last.parse::<u8>().unwrap() + 1) % 10;
            assert!(!has_card_number(&format!("{first}{other}")), "{card}");
        }
        for text in [
            "4242 4242 4242 4242",
            "4242 4242 4242 4242 12/30",
            "4242-4242-4242-4242 exp 12/30",
            "4242  4242\u{2013}4242 / 4242",
            "3782.822463.10005",
            "(4242424242424242)",
            "pay with 1 4242 4242 4242 4242",
        ] {
            assert!(has_card_number(text), "{text}");
        }
    }

    #[test]
    fn what_people_and_shops_write_otherwise_passes() {
        for text in [
            "",
            "+49 151 1234 5678 9012",
            "+4242424242424242",
            "DE89 3704 0044 0532 0130 00",
            "4006381333931",
            "12 Example Street, 1234 Sampletown",
            "gid://shopify/Order/5534567890123",
            "42 42 42 42 42 42 42 42",
            "4242, 4242, 4242, 4242",
            "1714132800000",
        ] {
            assert!(!has_card_number(text), "{text}");
        }
    }

    #[test]
    fn they_are_found_however_deep_and_neither_places_nor_trade_units_are_any() {
        for value in [
            json!({ "a": [{ "b": "4242 4242 4242 4242" }] }),
            json!(4_242_424_242_424_242_u64),
            json!({ "4242424242424242": true }),
        ] {
            assert!(value_has_card_number(&value), "{value}");
        }
        let place = json!({ "lat": 49.550_148_674_605_19, "a": [1, null, true, "x"] });
        assert!(!value_has_card_number(&place));
        assert!(!value_has_card_number(&json!("49.55014867460519")));
        assert!(has_card_number("36227206271667"));
        assert!(!attributes_have_card_number(r#"{"gtin":"36227206271667"}"#));
        assert!(attributes_have_card_number(r#"{"x":"\u0034242 4242 4242 4242"}"#));
        assert!(attributes_have_card_number(r#"{"x":4242424242424242}"#));
        assert!(!attributes_have_card_number("[49.55014867460519]"));
    }
}
