//! The connector of Shopify: what it says of itself, whose calls it believes, and what it
//! makes of a shop. The shop is the simulated one; every document it is sent and all that it
//! answers is held against the vendor's own schema.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use invshop::clock::{SystemClock, Timestamp};
use invshop::connectors::registry::{self, KINDS, Settings};
use invshop::connectors::{
    Connector, Forged, Heard, Hint, Holder, Inbound, Intake, MemoryTokens, WebhookSecrets,
};
use invshop::domain::RemoteId;
use invshop::secret::{Secret, SystemRandom};

mod budget;
mod endless;
mod orders;
mod stock;
mod stocking;
mod twin;

use super::shape::disagreements;

/// Computed by another program over the body below, with the secret "hush"
/// (`contracts/webhook-vectors`).
const SIGNED: &str = "NRNASbbTUXMt+Svao9wqxh2uyH0Fbqr2ygU5q9zHpwk=";
const BODY: &str = "{\"id\":820982911946154508,\"name\":\"#9999\",\"note\":\"caf\u{e9} / slash\",\
                    \"line_items\":[{\"sku\":\"IPOD2008PINK\",\"quantity\":1}]}";

fn secret(text: &str) -> Secret {
    Secret::resolve(text, &|_| None, Path::new("")).unwrap()
}

fn opened(url: &str, credentials: &[(&str, &str)]) -> Result<Arc<dyn Connector>, Vec<String>> {
    let credentials: BTreeMap<String, Secret> =
        credentials.iter().map(|(name, text)| ((*name).to_owned(), secret(text))).collect();
    let settings = Settings {
        url: Some(url),
        credentials: &credentials,
        requests_per_second: None,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        heard: Heard::default(),
        tokens: Arc::new(MemoryTokens::default()),
    };
    registry::open(KINDS, "shopify", &settings).map_err(|all| {
        all.into_iter().map(|one| format!("{}: {}", one.setting, one.message)).collect()
    })
}

fn connector(url: &str) -> Arc<dyn Connector> {
    opened(url, &[("access_token", "token-TEST")]).unwrap()
}

#[test]
fn it_is_what_it_says() {
    assert_eq!(disagreements(connector("http://127.0.0.1:1").as_ref()), Vec::<&str>::new());
}

#[test]
fn it_is_asked_with_a_token_or_with_what_gets_one() {
    let url = "https://lamps.myshopify.com";
    opened(url, &[("access_token", "t")]).unwrap();
    opened(url, &[("client_id", "i"), ("client_secret", "s")]).unwrap();
    let wrong = |credentials: &[(&str, &str)]| opened(url, credentials).unwrap_err();
    assert_eq!(
        wrong(&[]),
        [
            "credentials.client_id: is missing: shopify wants it",
            "credentials.client_secret: is missing: shopify wants it",
        ]
    );
    assert_eq!(
        wrong(&[("client_id", "i")]),
        ["credentials.client_secret: is missing: shopify wants it"]
    );
    let both = "unknown credential; shopify wants client_id, client_secret; or access_token";
    assert_eq!(
        wrong(&[("access_token", "t"), ("token", "x")]),
        [format!("credentials.token: {both}")]
    );
    for bad in ["lamps.myshopify.com", "http://lamps.myshopify.com", "ftp://127.0.0.1"] {
        assert_eq!(opened(bad, &[("access_token", "t")]).unwrap_err().len(), 1, "{bad}");
    }
}

fn call(topic: &str, body: &[u8], signature: &str) -> Inbound {
    let headers = [
        ("x-shopify-topic", topic),
        ("x-shopify-hmac-sha256", signature),
        ("x-shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
    ];
    Inbound {
        method: "POST".to_owned(),
        url: String::new(),
        query: String::new(),
        headers: headers.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).to_vec(),
        body: body.to_vec(),
        received_at: Timestamp::from_millis(1_800_000_000_000).unwrap(),
    }
}

#[test]
fn a_call_is_believed_with_either_of_two_secrets_and_with_no_other() {
    let connector = connector("http://127.0.0.1:1");
    let Intake::HttpWebhook(webhook) = connector.intake() else { panic!("it calls") };
    let (new, old) = (secret("hush"), secret("before"));
    let believed = |call: &Inbound, secret: &Secret, previous: Option<&Secret>| {
        webhook.verify(call, &WebhookSecrets { secret, previous })
    };
    let sound = call("orders/updated", BODY.as_bytes(), SIGNED);
    assert_eq!(believed(&sound, &new, None), Ok(()));
    assert_eq!(believed(&sound, &old, Some(&new)), Ok(()), "the secret was changed");
    assert_eq!(believed(&sound, &old, None), Err(Forged::Signature));
    let respaced = BODY.replace(':', ": ");
    let respaced = call("orders/updated", respaced.as_bytes(), SIGNED);
    assert_eq!(believed(&respaced, &new, None), Err(Forged::Signature), "other bytes");
    for forged in ["", "====", "aGVsbG8=", SIGNED.trim_start_matches('N')] {
        let forged = call("orders/updated", BODY.as_bytes(), forged);
        assert_eq!(believed(&forged, &new, None), Err(Forged::Signature));
    }
    let unsigned = Inbound { headers: Vec::new(), ..sound };
    assert_eq!(believed(&unsigned, &new, None), Err(Forged::Unsigned));
}

#[test]
fn a_call_names_what_is_to_be_read_again_and_is_known_by_its_delivery() {
    let connector = connector("http://127.0.0.1:1");
    let Intake::HttpWebhook(webhook) = connector.intake() else { panic!("it calls") };
    let hint = |topic: &str, body: &str| webhook.decode(&call(topic, body.as_bytes(), "")).unwrap();
    let id = |text: &str| RemoteId::new(text).unwrap();
    let order = [Hint::Order(id("820982911946154508"))];
    assert_eq!(hint("orders/create", BODY), order);
    assert_eq!(hint("orders/cancelled", BODY), order);
    assert_eq!(hint("refunds/create", r#"{"id":1,"order_id":820982911946154508}"#), order);
    let edited = r#"{"order_edit":{"id":1,"order_id":820982911946154508}}"#;
    assert_eq!(hint("orders/edited", edited), order);
    let level = r#"{"inventory_item_id":271878346596884015,"location_id":24826418,"available":0}"#;
    let holder = Holder { id: id("271878346596884015"), location: Some(id("24826418")) };
    assert_eq!(hint("inventory_levels/update", level), [Hint::Stock(holder)]);
    assert_eq!(hint("app/uninstalled", "{}"), [Hint::Nothing]);
    // What is to leave names no order: each that is named is one to ask about.
    let work = |id: &str| format!("{{\"id\":\"gid://shopify/FulfillmentOrder/{id}\"}}");
    let moved = format!(
        "{{\"original_fulfillment_order\":{},\"moved_fulfillment_order\":{},
          \"source_location\":{{\"id\":\"gid://shopify/Location/4\"}},\"again\":[{}]}}",
        work("8"),
        work("9"),
        work("8")
    );
    let mut named = hint("fulfillment_orders/moved", &moved);
    named.sort_by_key(|one| format!("{one:?}"));
    assert_eq!(named, [Hint::OrderOf(id("8")), Hint::OrderOf(id("9"))]);
    let nothing = call("fulfillment_orders/split", b"{\"fulfillment_order\":{}}", "");
    webhook.decode(&nothing).unwrap_err();
    let one = call("orders/create", BODY.as_bytes(), SIGNED);
    assert_eq!(webhook.dedupe_key(&one), "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043");
    assert_eq!(webhook.event(&one), None, "it says none");
    let mut told = one.clone();
    let header = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    told.headers.push(header("x-shopify-event-id", "98880550-7158-44d4-b7cd-2c97c8a091b5"));
    told.headers.push(header("x-shopify-triggered-at", "2026-11-28T10:00:00.123456789Z"));
    let event = webhook.event(&told).unwrap();
    assert_eq!(event.id, "98880550-7158-44d4-b7cd-2c97c8a091b5");
    assert_eq!(event.told_at, Some(Timestamp::parse("2026-11-28T10:00:00.123Z").unwrap()));
    let unnamed = Inbound { headers: Vec::new(), ..one.clone() };
    assert_ne!(webhook.dedupe_key(&unnamed), "", "the body tells them apart");
    webhook.decode(&unnamed).unwrap_err();
    for wrong in [&b"{}"[..], b"{\"id\":\"1\"}", b"{\"id\":-1}", b"\xff", b"[[[[", b""] {
        webhook.decode(&call("orders/create", wrong, "")).unwrap_err();
    }
}
