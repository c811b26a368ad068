//! The names a configuration may use: the one list the parser goes by.

use std::fmt;

use super::channel::{CHANNEL, CREDENTIALS, NAMES, PLACES};

/// One setting, by its section and its name in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
}

const fn key(section: &'static str, name: &'static str) -> Key {
    Key { section, name }
}

pub(super) const DATABASE_URL: Key = key("database", "url");
pub(super) const DATABASE_KEY: Key = key("database", "key");
pub(super) const ORDERS_SPLIT: Key = key("orders", "split");
pub(super) const ORDERS_HOLD_SECONDS: Key = key("orders", "hold_seconds");
pub(super) const SERVER_LISTEN: Key = key("server", "listen");
pub(super) const SERVER_PUBLIC_URL: Key = key("server", "public_url");
pub(super) const SERVER_TLS_CERTIFICATE: Key = key("server", "tls_certificate");
pub(super) const SERVER_TLS_KEY: Key = key("server", "tls_key");
pub(super) const SERVER_TRUSTED_PROXIES: Key = key("server", "trusted_proxies");
pub(super) const SERVER_CORS_ORIGINS: Key = key("server", "cors_origins");
pub(super) const AUTH_ISSUER: Key = key("auth", "issuer");
pub(super) const AUTH_TOKEN_SECONDS: Key = key("auth", "token_seconds");
pub(super) const RATE_LIMIT_ENABLED: Key = key("rate_limit", "enabled");
pub(super) const RATE_LIMIT_ACCOUNT_PER_SECOND: Key = key("rate_limit", "account_per_second");
pub(super) const RATE_LIMIT_ACCOUNT_BURST: Key = key("rate_limit", "account_burst");
pub(super) const RATE_LIMIT_ADDRESS_PER_SECOND: Key = key("rate_limit", "address_per_second");
pub(super) const RATE_LIMIT_ADDRESS_BURST: Key = key("rate_limit", "address_burst");
pub(super) const SCHEDULE_VERIFY: Key = key("schedule", "verify");
pub(super) const SCHEDULE_RECONCILE: Key = key("schedule", "reconcile");
pub(super) const SCHEDULE_BACKUP: Key = key("schedule", "backup");
pub(super) const SCHEDULE_BACKUP_DIRECTORY: Key = key("schedule", "backup_directory");
pub(super) const SCHEDULE_BACKUP_KEEP: Key = key("schedule", "backup_keep");
pub(super) const TELEMETRY_LOG_FORMAT: Key = key("telemetry", "log_format");
pub(super) const TELEMETRY_LOG_LEVEL: Key = key("telemetry", "log_level");
pub(super) const LOCATION_CODE: Key = key("location", "code");
pub(super) const LOCATION_NAME: Key = key("location", "name");
pub(super) const LOCATION_KIND: Key = key("location", "kind");

/// Every setting there is; what is not here is an unknown key.
pub(super) const KEYS: [Key; 27] = [
    DATABASE_URL,
    DATABASE_KEY,
    ORDERS_SPLIT,
    ORDERS_HOLD_SECONDS,
    SERVER_LISTEN,
    SERVER_PUBLIC_URL,
    SERVER_TLS_CERTIFICATE,
    SERVER_TLS_KEY,
    SERVER_TRUSTED_PROXIES,
    SERVER_CORS_ORIGINS,
    AUTH_ISSUER,
    AUTH_TOKEN_SECONDS,
    RATE_LIMIT_ENABLED,
    RATE_LIMIT_ACCOUNT_PER_SECOND,
    RATE_LIMIT_ACCOUNT_BURST,
    RATE_LIMIT_ADDRESS_PER_SECOND,
    RATE_LIMIT_ADDRESS_BURST,
    SCHEDULE_VERIFY,
    SCHEDULE_RECONCILE,
    SCHEDULE_BACKUP,
    SCHEDULE_BACKUP_DIRECTORY,
    SCHEDULE_BACKUP_KEEP,
    TELEMETRY_LOG_FORMAT,
    TELEMETRY_LOG_LEVEL,
    LOCATION_CODE,
    LOCATION_NAME,
    LOCATION_KIND,
];

/// The section that is written `[[location]]`, once per location.
pub(super) const LOCATION: &str = "location";

/// Sections that are planned: named as such, so that no one believes they work.
const LATER_SECTIONS: [&str; 2] = ["alerts", "events"];

/// Further apart than this, two names are not one name with a slip.
const SLIPS_MAX: usize = 2;
/// A longer name gets no suggestion, in bytes.
const NAME_BYTES_MAX: usize = 40;

/// Where a setting stands in one configuration: `orders.split`, `location[0].code`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(String);

impl Key {
    /// The place of a setting that exists once.
    pub(super) fn path(self) -> Path {
        Path(format!("{}.{}", self.section, self.name))
    }

    /// The same for a section of which there are several, by its index from 0.
    pub(super) fn path_at(self, index: Option<usize>) -> Path {
        match index {
            Some(index) => Path(format!("{}[{index}].{}", self.section, self.name)),
            None => self.path(),
        }
    }
}

impl Path {
    /// A setting of a channel, by its index from 0: `channel[0].rules.buffer`.
    pub(super) fn of_channel(index: usize, name: &str) -> Self {
        Self(format!("{CHANNEL}[{index}].{name}"))
    }

    /// The rest of a setting in a section of a channel, whose names are the vendor's.
    pub(super) fn within(&self, index: usize, section: &str) -> Option<&str> {
        self.0.strip_prefix(&format!("{CHANNEL}[{index}].{section}."))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The setting of this name, or what to say when there is none.
pub(super) fn find(section: &str, name: &str) -> Result<Key, String> {
    let known = KEYS.into_iter().find(|key| key.section == section && key.name == name);
    known.ok_or_else(|| {
        let names = KEYS.into_iter().filter(|key| key.section == section).map(|key| key.name);
        format!("unknown key{}", did_you_mean(name, names))
    })
}

/// Whether a channel has a setting of this name, or what to say when it has none.
pub(super) fn find_of_channel(name: &str) -> Result<(), String> {
    let free = [CREDENTIALS, PLACES].iter().find_map(|section| name.strip_prefix(section));
    let free = free.and_then(|rest| rest.strip_prefix('.'));
    if NAMES.contains(&name) || free.is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    Err(format!("unknown key{}", did_you_mean(name, NAMES.into_iter())))
}

/// Whether there is a section of this name, or what to say when there is none.
pub(super) fn find_section(section: &str) -> Result<(), String> {
    if section == CHANNEL || KEYS.iter().any(|key| key.section == section) {
        return Ok(());
    }
    if LATER_SECTIONS.contains(&section) {
        return Err(format!("the section [{section}] is not supported yet"));
    }
    // A setting written outside its section is as common a mistake as a slip.
    if let Some(key) = KEYS.iter().find(|key| key.name == section && key.section != LOCATION) {
        return Err(format!("unknown section or key; did you mean \"{}\"?", key.path()));
    }
    let sections = KEYS.iter().map(|key| key.section).chain([CHANNEL]);
    Err(format!("unknown section{}", did_you_mean(section, sections)))
}

fn did_you_mean(name: &str, candidates: impl Iterator<Item = &'static str>) -> String {
    if name.len() > NAME_BYTES_MAX {
        return String::new();
    }
    let nearest = candidates.map(|candidate| (slips(name, candidate), candidate)).min();
    match nearest {
        // In a short name two slips change everything: fewer than half of its letters.
        Some((slips, candidate)) if slips <= SLIPS_MAX && slips * 2 < candidate.len() => {
            format!("; did you mean \"{candidate}\"?")
        }
        _ => String::new(),
    }
}

/// How many letters must be put in, left out or replaced (Levenshtein).
fn slips(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted_like_levenshtein() {
        for (from, to, count) in
            [("", "", 0), ("", "abc", 3), ("split", "split", 0), ("kitten", "sitting", 3)]
        {
            assert_eq!(slips(from, to), count, "{from} {to}");
            assert_eq!(slips(to, from), count, "{to} {from}");
        }
    }

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let said = |section, name| find(section, name).unwrap_err();
        assert_eq!(said("orders", "hold_second"), "unknown key; did you mean \"hold_seconds\"?");
        assert_eq!(said("database", "uri"), "unknown key; did you mean \"url\"?");
        assert_eq!(said("orders", "spilt"), "unknown key; did you mean \"split\"?");
        assert_eq!(said("orders", "colour"), "unknown key");
        assert_eq!(said("database", "kex2"), "unknown key");
        assert_eq!(said("orders", &"x".repeat(1_000_000)), "unknown key");
    }

    #[test]
    fn a_setting_outside_its_section_is_told_where_it_belongs() {
        assert_eq!(
            find_section("hold_seconds").unwrap_err(),
            "unknown section or key; did you mean \"orders.hold_seconds\"?"
        );
        assert_eq!(
            find_section("locations").unwrap_err(),
            "unknown section; did you mean \"location\"?"
        );
    }

    #[test]
    fn what_is_planned_is_called_not_supported_yet() {
        for section in LATER_SECTIONS {
            assert!(find_section(section).unwrap_err().ends_with("is not supported yet"));
        }
    }
}
