//! The kinds of channel there are: the one list of connectors.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Connector, Heard, TokenStore};
use crate::clock::Clock;
use crate::secret::{Random, Secret};

/// What a connector is opened with.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The address of the account, where it has one of its own.
    pub url: Option<&'a str>,
    /// What the vendor wants, by its own names.
    pub credentials: &'a BTreeMap<String, Secret>,
    /// How fast it may be asked, where that is known better than by its kind.
    pub requests_per_second: Option<u32>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub random: Arc<dyn Random>,
    /// Who is told of every call.
    pub heard: Heard,
    /// Where the tokens are kept that it asks for.
    pub tokens: Arc<dyn TokenStore>,
}

/// A kind of channel.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Whether it wants an address.
    pub has_url: bool,
    /// The names of the credentials it wants: all of one of these.
    pub credentials: &'static [&'static [&'static str]],
    /// Makes one, of settings that have all this; asks nobody anything.
    pub open: fn(&Settings<'_>) -> Result<Arc<dyn Connector>, String>,
}

/// Every kind.
pub const KINDS: &[Kind] =
    &[super::woocommerce::ENTRY, super::shopify::ENTRY, super::bazaar::ENTRY];

/// What is wrong with a setting of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The setting, as in the configuration.
    pub setting: String,
    /// What is wrong.
    pub message: String,
}

/// Opens a channel's connector, of one of some kinds; or all that is wrong with its
/// settings.
pub fn open(
    kinds: &[Kind],
    kind: &str,
    settings: &Settings<'_>,
) -> Result<Arc<dyn Connector>, Vec<Wrong>> {
    let wrong = |setting: &str, message: String| Wrong { setting: setting.to_owned(), message };
    let Some(found) = kinds.iter().find(|known| known.name == kind) else {
        let names: Vec<&str> = kinds.iter().map(|known| known.name).collect();
        let message = format!("there is no kind {kind:?}; there are: {}", names.join(", "));
        return Err(vec![wrong("kind", message)]);
    };
    let mut all = Vec::new();
    match settings.url {
        None if found.has_url => all.push(wrong("url", "is missing".to_owned())),
        Some(_) if !found.has_url => {
            all.push(wrong("url", format!("{kind} has no address of its own")));
        }
        _ => {}
    }
    let given = |name: &str| settings.credentials.contains_key(name);
    // Of several ways that is meant of which most is there.
    let most = |names: &&&[&str]| names.iter().filter(|name| given(name)).count();
    let wanted = found.credentials.iter().rev().max_by_key(most).copied().unwrap_or_default();
    for name in wanted.iter().filter(|name| !given(name)) {
        all.push(wrong(&format!("credentials.{name}"), format!("is missing: {kind} wants it")));
    }
    for name in settings.credentials.keys().filter(|name| !wanted.contains(&name.as_str())) {
        let ways: Vec<String> = found.credentials.iter().map(|names| names.join(", ")).collect();
        let message = format!("unknown credential; {kind} wants {}", ways.join("; or "));
        all.push(wrong(&format!("credentials.{name}"), message));
    }
    if !all.is_empty() {
        return Err(all);
    }
    (found.open)(settings).map_err(|message| vec![wrong("url", message)])
}
