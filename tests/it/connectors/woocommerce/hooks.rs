//! The deliveries of a live shop, byte for byte.

use std::collections::BTreeSet;

use invshop::connectors::{Forged, Hint, Inbound, Webhook as _, WebhookSecrets};

use super::order_of;
use super::recorded::{file, folder, secret, shop_at};
use crate::harness::START;

/// What the webhooks were made with (SOURCE.txt): quotes, ampersand and brackets are in it.
const HOOK_SECRET: &str = "whsec \"quoted\" & <odd>";
#[test]
fn every_recorded_delivery_is_believed_once_and_only_unchanged() {
    let Some(folder) = folder() else { return };
    let shop = shop_at("https://shop.example");
    let secret = secret(HOOK_SECRET);
    let secrets = WebhookSecrets { secret: &secret, previous: None };
    let other = super::recorded::secret("another");
    let after_a_change = WebhookSecrets { secret: &other, previous: Some(&secret) };
    let mut names: Vec<String> = std::fs::read_dir(folder.join("hooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".body").map(str::to_owned))
        .collect();
    names.sort_unstable();
    let (mut pings, mut signed, mut gone) = (0, 0, 0);
    let (mut keys, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        let call = delivery(&name);
        if name.ends_with("-ping") {
            assert_eq!(shop.handshake(&call).unwrap().status, 200, "{name}");
            assert_eq!(shop.verify(&call, &secrets), Err(Forged::Unsigned), "{name}");
            pings += 1;
            continue;
        }
        assert!(shop.handshake(&call).is_none(), "{name}");
        assert_eq!(shop.verify(&call, &secrets), Ok(()), "{name}");
        assert_eq!(shop.verify(&call, &after_a_change), Ok(()), "{name}");
        let mut changed = call.clone();
        changed.body.push(b' ');
        assert_eq!(shop.verify(&changed, &secrets), Err(Forged::Signature), "{name}");
        let hints = shop.decode(&call).unwrap();
        let about = name.split('-').nth(1).unwrap();
        match &hints[..] {
            [Hint::Nothing] => gone += 1,
            [Hint::Order(_)] => assert!(about.starts_with("order."), "{name}"),
            [Hint::Listing(_)] => assert!(about.starts_with("product."), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        let is_order = matches!(&hints[..], [Hint::Order(_)]);
        if is_order && about != "order.deleted" {
            order_of(&shop, &call.body).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        signed += 1;
        keys.insert((shop.dedupe_key(&call), about.to_owned()));
        ids.insert(call.header("x-wc-webhook-delivery-id").unwrap().to_vec());
    }
    // Two were about an order that was gone by the time they were sent.
    assert_eq!((pings, signed, gone), (6, 95, 2));
    assert!(ids.len() < keys.len(), "ids of deliveries repeat: {} of {}", ids.len(), keys.len());
}

/// A delivery as it was received.
fn delivery(name: &str) -> Inbound {
    let head = String::from_utf8(file(&format!("hooks/{name}.headers"))).unwrap();
    let mut lines = head.lines();
    let method = lines.next().unwrap().split(' ').next().unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Inbound {
        method,
        url: "https://invshop.example/webhooks/woo".to_owned(),
        query: String::new(),
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes().to_vec()))
            .collect(),
        body: file(&format!("hooks/{name}.body")),
        received_at: invshop::clock::Timestamp::parse(START).unwrap(),
    }
}
