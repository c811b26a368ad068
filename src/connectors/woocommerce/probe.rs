//! What a shop can do, found by asking, in words its owner can act on. Nothing is changed.

use reqwest::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::WooCommerce;
use crate::connectors::{ChannelError, ErrorKind, Finding, PAGE, Probe, Urgency};

const KEYS: &str = "see whether the keys work";
const WRITES: &str = "see whether the keys may write";
const FILTER: &str = "see whether orders can be listed by their last change";
/// What stands where a shop answers with a page and status 200.
const NOT_THE_API: &str = "Something answers in place of the REST API: is the url that of the \
                           shop, are its permalinks on (Settings > Permalinks, anything but \
                           \"Plain\"), and does no page for maintenance or a login stand before it?";
/// After every order there will be.
const NEVER: &str = "2999-01-01T00:00:00";

#[derive(Debug, Deserialize)]
struct Row {}

pub(super) async fn probe(shop: &WooCommerce) -> Result<Probe, ChannelError> {
    let cheap = [("per_page", "1".to_owned()), ("_fields", "id".to_owned())];
    shop.api
        .get::<Vec<IgnoredAny>>(KEYS, "products", &cheap)
        .await
        .map_err(|error| explained(shop, error))?;
    let mut findings = vec![found("the keys read products")];
    shop.api.get::<Vec<IgnoredAny>>(KEYS, "orders", &cheap).await?;
    findings.push(found("the keys read orders"));
    if !shop.api.has_tls() {
        let text = "the shop has no TLS: the keys stay here, but its orders can be read on the way";
        findings.push(problem(text));
    }
    // An empty batch changes nothing, and is refused where writing is.
    let batch = (Method::POST, "products/batch");
    match shop.api.send_json::<Value>(WRITES, batch, &json!({}), Urgency::Ordinary).await {
        Ok(_) => findings.push(found("the keys may write stock")),
        Err(ChannelError {
            kind: ErrorKind::Forbidden(_) | ErrorKind::Unauthorized(_), ..
        }) => {
            let text = "the keys may only read: make keys with Read/Write under WooCommerce > \
                        Settings > Advanced > REST API";
            findings.push(problem(text));
        }
        Err(error) => return Err(error),
    }
    let filter = [
        ("modified_after", NEVER.to_owned()),
        ("dates_are_gmt", "true".to_owned()),
        ("status", "any".to_owned()),
        ("per_page", "1".to_owned()),
        ("_fields", "id".to_owned()),
    ];
    let (rows, _) = shop.api.get::<Vec<Row>>(FILTER, "orders", &filter).await?;
    findings.push(if rows.is_empty() {
        found("orders can be listed by their last change")
    } else {
        problem("the shop ignores by when orders changed: WooCommerce 5.8 or newer is needed")
    });
    Ok(Probe { capability: shop.capability.clone(), findings })
}

/// A failure with all that it may be, in words that say what to do.
fn explained(shop: &WooCommerce, error: ChannelError) -> ChannelError {
    let kind = match &error.kind {
        ErrorKind::Unauthorized(words) => match cause(shop.api.has_tls(), words) {
            Some(cause) => ErrorKind::Unauthorized(format!("{words} That is: {cause}")),
            None => return error,
        },
        ErrorKind::Unreadable(words) if words.contains(PAGE) => {
            ErrorKind::Unreadable(format!("{words}. {NOT_THE_API}"))
        }
        _ => return error,
    };
    ChannelError { kind, ..error }
}

/// Why keys are not accepted. What a shop answers to keys it does not see is what it answers
/// to keys it does not know; none where its own words say enough.
fn cause(has_tls: bool, words: &str) -> Option<&'static str> {
    if words.contains("secret is invalid") {
        return None;
    }
    Some(if has_tls {
        "the consumer key is not one of this shop, or something on the way takes the \
         Authorization header off, or the shop does not know that it is reached by https \
         (behind a proxy that ends TLS, WordPress needs to be told)"
    } else if words.contains("timestamp") {
        "the clock of this machine or of the shop is off by more than 15 minutes"
    } else if words.contains("signature") {
        "the consumer secret is wrong, or the url is not the one that the shop itself is \
         configured with (Settings > General > Site Address)"
    } else {
        "the consumer key is not one of this shop"
    })
}

fn found(text: &str) -> Finding {
    Finding { is_problem: false, text: text.to_owned() }
}

fn problem(text: &str) -> Finding {
    Finding { is_problem: true, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::cause;

    // What WooCommerce 11 was recorded to say.
    #[test]
    fn keys_that_are_not_accepted_are_explained() {
        let unseen = "Sorry, you cannot list resources.";
        let over_tls = cause(true, unseen).unwrap();
        assert!(over_tls.contains("Authorization header") && over_tls.contains("proxy"));
        assert!(!cause(false, unseen).unwrap().contains("Authorization"), "it is not sent there");
        assert_eq!(cause(true, "Consumer secret is invalid."), None);
        let skewed = cause(false, "Invalid timestamp.").unwrap();
        assert!(skewed.contains("clock"), "{skewed}");
    }
}
