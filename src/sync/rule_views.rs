//! The rules of one listing, each with whose it is.

use serde::Serialize;

use super::Channel;
use super::listing::{MapError, unknown};
use super::target::over;
use crate::store::listings;

/// A rule in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RuleView {
    /// Its name.
    pub rule: &'static str,
    /// What it says; none where there is no bound.
    pub value: Option<i64>,
    /// Whose it is: `listing` or `channel`.
    pub from: &'static str,
}

/// The rules by which a listing is shown: its own go before those of its channel, one by
/// one.
pub async fn listing_rules(
    channel: &Channel,
    listing: &str,
    place: &str,
) -> Result<[RuleView; 4], MapError> {
    let mut reader = channel.shop.db.read().await?;
    let found = listings::find(&mut reader.conn(), channel.id, listing, place).await?;
    let own = found.ok_or_else(|| unknown(channel, listing))?.rules;
    let all = over(channel.rules(), own);
    let view = |rule, value, is_own: bool| RuleView {
        rule,
        value,
        from: if is_own { "listing" } else { "channel" },
    };
    Ok([
        view("buffer", Some(all.buffer), own.buffer.is_some()),
        view("share_percent", Some(all.share_percent), own.share_percent.is_some()),
        view("min_quantity", Some(all.min_quantity), own.min_quantity.is_some()),
        view("max_quantity", all.max_quantity, own.max_quantity.is_some()),
    ])
}
