//! SKUs that a spreadsheet has changed: leading zeros, trailing zeros and long
//! numbers do not survive one (R60).

use crate::domain::Sku;

/// Zeros tried at the end of a decimal number.
const TRAILING_MAX: usize = 4;

/// Whether a SKU looks like a number a spreadsheet shortened: `1E+05`, `1.23E+11`.
pub(super) fn is_scientific(sku: &str) -> bool {
    let Some((digits, exponent)) = sku.split_once(['E', 'e']) else {
        return false;
    };
    let Some(exponent) = exponent.strip_prefix(['+', '-']) else {
        return false;
    };
    is_decimal(digits) && !exponent.is_empty() && all_digits(exponent)
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    !whole.is_empty() && all_digits(whole) && all_digits(fraction)
}

/// What an unknown SKU may have been before, given the lengths of the shop's
/// SKUs that begin with a zero.
pub(super) fn originals(sku: &str, zero_led: &[i64]) -> Vec<Sku> {
    let mut found = Vec::new();
    if is_decimal(sku) {
        for &length in zero_led {
            let length = usize::try_from(length).unwrap_or(0).min(Sku::BYTES_MAX);
            if length > sku.len() {
                found.push(format!("{sku:0>length$}"));
            }
        }
        if sku.contains('.') {
            found.extend((1..=TRAILING_MAX).map(|zeros| format!("{sku}{}", "0".repeat(zeros))));
        }
    } else if is_scientific(sku) {
        found.extend(without_exponent(sku));
    }
    found.iter().filter_map(|text| Sku::new(text).ok()).collect()
}

/// `1E+05` was `1E5`, `1E05`, `1e5` or `100000`.
fn without_exponent(sku: &str) -> Vec<String> {
    let Some((digits, exponent)) = sku.split_once(['E', 'e']) else {
        return Vec::new();
    };
    let bare = exponent.trim_start_matches(['+', '-']);
    let short = bare.trim_start_matches('0');
    let mut found = vec![
        format!("{digits}E{short}"),
        format!("{digits}e{short}"),
        format!("{digits}E{bare}"),
        format!("{digits}e{bare}"),
    ];
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if let Ok(zeros) = short.parse::<usize>()
        && !exponent.starts_with('-')
        && (fraction.len()..Sku::BYTES_MAX).contains(&zeros)
    {
        found.push(format!("{whole}{fraction:0<zeros$}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sku: &str, lengths: &[i64]) -> Vec<String> {
        originals(sku, lengths).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn r60_what_a_spreadsheet_strips_is_looked_for() {
        assert_eq!(names("17", &[4, 2]), ["0017"]);
        assert!(names("90.75", &[]).contains(&"90.750".to_owned()));
        let scientific = names("1E+05", &[]);
        assert!(scientific.contains(&"1E5".to_owned()));
        assert!(scientific.contains(&"100000".to_owned()));
        assert!(names("1.23E+11", &[]).contains(&"123000000000".to_owned()));
        assert!(names("MUG", &[4]).is_empty());
    }

    #[test]
    fn only_numbers_with_a_signed_exponent_are_scientific() {
        assert!(is_scientific("1E+05") && is_scientific("1.5e-3"));
        assert!(!is_scientific("1E5") && !is_scientific("E+05") && !is_scientific("PAN-E+1"));
    }
}
