//! Ids: `gid://shopify/InventoryItem/123` outside, `123` here. They are up to 64 bits long,
//! and texts, because a number of that size is none in many programs.

use crate::connectors::{ChannelError, ErrorKind};
use crate::domain::RemoteId;

/// The id of a thing of a kind, as documents name it.
pub(super) fn gid(kind: &str, id: &RemoteId) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// The number in an id; nothing where it has none.
pub(super) fn number(gid: &str) -> Option<RemoteId> {
    let id = gid.strip_prefix("gid://shopify/")?.split_once('/')?.1;
    let id = id.split_once('?').map_or(id, |(id, _)| id);
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| RemoteId::new(id).ok()).flatten()
}

/// The same, where an answer without it cannot be read.
pub(super) fn numbered(what: &'static str, gid: &str) -> Result<RemoteId, ChannelError> {
    let unreadable = || ErrorKind::Unreadable("an id of another form than expected".to_owned());
    number(gid).ok_or_else(|| ChannelError::new(what, unreadable()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_64_bits_are_kept_digit_for_digit() {
        let id = number("gid://shopify/Order/820982911946154508").unwrap();
        assert_eq!(gid("Order", &id), "gid://shopify/Order/820982911946154508");
        let level = "gid://shopify/InventoryLevel/24826418?inventory_item_id=271878346596884015";
        assert_eq!(number(level).unwrap().as_str(), "24826418");
        for bad in ["", "123", "gid://shopify/Order/", "gid://shopify/Order/x", "gid://a/Order/1"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
