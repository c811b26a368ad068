//! `[[channel]]`: the shops, marketplaces and tills that sell the stock.
//!
//! What kinds there are and which credentials each wants is not known here: the
//! registry of connectors says so, when a channel is opened.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::settings::Value;
use crate::secret::Secret;

/// The section, written once for each channel.
pub(super) const CHANNEL: &str = "channel";
/// Where the credentials of a channel stand; their names are the vendor's.
pub(super) const CREDENTIALS: &str = "credentials";

pub(super) const NAME: &str = "name";
pub(super) const KIND: &str = "kind";
pub(super) const URL: &str = "url";
pub(super) const MODE: &str = "mode";
pub(super) const LOCATIONS: &str = "locations";
pub(super) const POLL_SECONDS: &str = "poll_seconds";
pub(super) const REQUESTS_PER_SECOND: &str = "requests_per_second";
pub(super) const STALE_AFTER_SECONDS: &str = "stale_after_seconds";
pub(super) const SECRET: &str = "webhook.secret";
pub(super) const PREVIOUS_SECRET: &str = "webhook.previous_secret";
pub(super) const BUFFER: &str = "rules.buffer";
pub(super) const SHARE_PERCENT: &str = "rules.share_percent";
pub(super) const MAX_QUANTITY: &str = "rules.max_quantity";
pub(super) const MIN_QUANTITY: &str = "rules.min_quantity";
pub(super) const STALE_BUFFER: &str = "rules.stale_buffer";

/// The settings of a channel, but for its credentials.
pub(super) const NAMES: [&str; 15] = [
    NAME,
    KIND,
    URL,
    MODE,
    LOCATIONS,
    POLL_SECONDS,
    REQUESTS_PER_SECOND,
    STALE_AFTER_SECONDS,
    SECRET,
    PREVIOUS_SECRET,
    BUFFER,
    SHARE_PERCENT,
    MAX_QUANTITY,
    MIN_QUANTITY,
    STALE_BUFFER,
];

/// The longest name, in bytes: it is the source of the channel's orders.
const NAME_BYTES_MAX: usize = 64;
/// How often a channel is asked for its orders.
const POLL_SECONDS_DEFAULT: u32 = 60;
/// How long a channel's orders may not be read before it is blind.
const STALE_AFTER_SECONDS_DEFAULT: u32 = 30 * 60;
/// The largest quantity, as everywhere.
pub(super) const UNITS_MAX: u32 = 1_000_000_000;

/// One connected account.
#[derive(Debug, Clone)]
pub struct ChannelConfig {
    /// Its key for ever, and the source of its orders: letters, digits, `-` and `_`.
    pub name: String,
    /// Which connector.
    pub kind: String,
    /// Its address, where it has one of its own.
    pub url: Option<String>,
    /// What it begins with; a mode that was set by command goes before it.
    pub mode: ChannelMode,
    /// The locations whose stock it sells; every sellable one when not given.
    pub locations: Option<Vec<String>>,
    /// Seconds from one look for changed orders to the next, 5 to 86 400.
    pub poll_seconds: u32,
    /// How long its orders may not be read before it is blind, in seconds, 60 to 604 800.
    pub stale_after_seconds: u32,
    /// How many requests it takes in a second, 1 to 10 000; what its kind is known to take
    /// when not given.
    pub requests_per_second: Option<u32>,
    /// What the vendor wants, by its own names.
    pub credentials: BTreeMap<String, Secret>,
    /// What its webhooks are signed with, and what they were signed with before.
    pub webhook: Option<WebhookConfig>,
    /// What it is told of a number.
    pub rules: RulesConfig,
}

/// `[channel.webhook]`.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The present secret.
    pub secret: Secret,
    /// The one before, believed while it is given here.
    pub previous: Option<Secret>,
}

/// `[channel.rules]`: from what there is to what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulesConfig {
    /// Units that are held back.
    pub buffer: u32,
    /// Of the rest, so many hundredths, 0 to 100.
    pub share_percent: u32,
    /// Never more than this.
    pub max_quantity: Option<u32>,
    /// Less than this is shown as 0.
    pub min_quantity: u32,
    /// Units that are held back besides, while another channel is blind: it may be selling
    /// what nobody hears of.
    pub stale_buffer: u32,
}

impl Default for RulesConfig {
    fn default() -> Self {
        Self { buffer: 0, share_percent: 100, max_quantity: None, min_quantity: 0, stale_buffer: 0 }
    }
}

/// What a channel is for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelMode {
    /// Its orders come in and its numbers are computed; nothing is published.
    #[default]
    Shadow,
    /// Its numbers are published.
    Live,
    /// Its orders come in; nothing else.
    Paused,
}

impl ChannelMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Shadow, Self::Live, Self::Paused];

    /// The word for it in files, in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Live => "live",
            Self::Paused => "paused",
        }
    }
}

impl fmt::Display for ChannelMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ChannelMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            format!("expected one of {words}, found {text:?}")
        })
    }
}

pub(super) const fn poll_seconds_default() -> u32 {
    POLL_SECONDS_DEFAULT
}

pub(super) const fn stale_after_seconds_default() -> u32 {
    STALE_AFTER_SECONDS_DEFAULT
}

pub(super) fn name(text: &str, others: &[ChannelConfig]) -> Result<String, String> {
    if others.iter().any(|other| other.name == text) {
        return Err(format!("another channel has the name {text:?} already"));
    }
    // It stands in paths, commands and the names of orders, before their ':'.
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.chars().all(allowed) {
        return Err(format!(
            "may have letters, digits, '-' and '_' only, at most {NAME_BYTES_MAX} of them"
        ));
    }
    Ok(text.to_owned())
}

/// A list of texts.
pub(super) fn texts(value: &Value) -> Result<Vec<String>, String> {
    let Value::Texts(texts) = value else {
        return Err(format!("expected a list of texts in quotes, found {}", value.kind()));
    };
    if texts.is_empty() {
        return Err("is empty; leave it out to get the default".to_owned());
    }
    Ok(texts.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_reads_back_from_its_word() {
        for mode in ChannelMode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        "on".parse::<ChannelMode>().unwrap_err();
    }

    #[test]
    fn names_stand_before_a_colon_and_in_paths() {
        for good in ["web", "shop-2", "Till_1", &"x".repeat(64)] {
            assert_eq!(name(good, &[]).as_deref(), Ok(good));
        }
        for bad in ["", "a:b", "a b", "a/b", "ä", &"x".repeat(65)] {
            name(bad, &[]).unwrap_err();
        }
    }
}
