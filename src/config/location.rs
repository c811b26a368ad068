//! `[[location]]`: the places that hold stock.

use std::fmt;
use std::str::FromStr;

/// The longest code, in bytes.
const CODE_BYTES_MAX: usize = 64;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// A location to be created when it does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationConfig {
    /// Its key for ever: 1 to 64 bytes, compared byte for byte.
    pub code: String,
    /// What people call it, 1 to 200 bytes; the code when not given.
    pub name: String,
    /// What it is for; a warehouse when not given.
    pub kind: LocationKind,
}

/// What a location is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocationKind {
    /// `warehouse`: sellable.
    #[default]
    Warehouse,
    /// `store`: sellable.
    Store,
    /// `third_party`: held by someone else.
    ThirdParty,
    /// `transit`: on the road, never sellable.
    Transit,
    /// `quarantine`: never sellable.
    Quarantine,
}

impl LocationKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 5] =
        [Self::Warehouse, Self::Store, Self::ThirdParty, Self::Transit, Self::Quarantine];

    /// The word for it in files, in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warehouse => "warehouse",
            Self::Store => "store",
            Self::ThirdParty => "third_party",
            Self::Transit => "transit",
            Self::Quarantine => "quarantine",
        }
    }
}

impl fmt::Display for LocationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LocationKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            format!("expected one of {words}, found {text:?}")
        })
    }
}

pub(super) fn code(text: &str, others: &[LocationConfig]) -> Result<String, String> {
    if others.iter().any(|other| other.code == text) {
        return Err(format!("another location has the code {text:?} already"));
    }
    // The same alphabet as `domain::LocationCode`: a code stands in commands and files.
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || !text.chars().all(allowed) {
        return Err("may have letters, digits, '-', '_' and '.' only".to_owned());
    }
    line_of(text, CODE_BYTES_MAX)
}

pub(super) fn name(text: &str) -> Result<String, String> {
    line_of(text, NAME_BYTES_MAX)
}

fn line_of(text: &str, bytes_max: usize) -> Result<String, String> {
    if text.len() > bytes_max {
        return Err(format!("is longer than {bytes_max} bytes"));
    }
    if text.trim() != text || text.contains(char::is_control) {
        return Err("has blanks at its ends, or control characters".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_from_its_word() {
        for kind in LocationKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        let error = "shop".parse::<LocationKind>().unwrap_err();
        assert_eq!(
            error,
            "expected one of warehouse, store, third_party, transit, quarantine, found \"shop\""
        );
    }

    #[test]
    fn codes_keep_their_bytes_and_have_bounds() {
        for good in ["main", "0017", "store-north", &"x".repeat(64)] {
            assert_eq!(code(good, &[]).as_deref(), Ok(good));
        }
        for bad in ["", " main", "ma in", "ma\nin", "Köln", &"x".repeat(65)] {
            code(bad, &[]).unwrap_err();
        }
    }
}
