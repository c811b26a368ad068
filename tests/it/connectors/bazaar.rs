//! The connector of the simulated marketplace: what it says of itself, and what it refuses.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use invshop::clock::{SystemClock, Timestamp};
use invshop::connectors::registry::{self, KINDS, Settings};
use invshop::connectors::{
    Connector, ErrorKind, Forged, Heard, Hint, Holder, Inbound, Intake, MemoryTokens, StockOutcome,
    StockTarget, Urgency, WebhookSecrets,
};
use invshop::domain::{Quantity, RemoteId, RemoteQuantity, Seq};
use invshop::sandbox::bazaar::{Bazaar, Cost};
use invshop::secret::{Secret, SystemRandom};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::shape::disagreements;

const TOKEN: &str = "token-TEST";
const SIGNED: &str = "a90d02998ce20bcbb158e1d70336987d16414b9a0f0efd07dcf7c06bfdbe9623";

fn secret(text: &str) -> Secret {
    Secret::resolve(text, &|_| None, Path::new("")).unwrap()
}

fn connector(url: &str, token: &str) -> Arc<dyn Connector> {
    let settings = Settings {
        url: Some(url),
        credentials: &BTreeMap::from([("token".to_owned(), secret(token))]),
        requests_per_second: None,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        heard: Heard::default(),
        tokens: Arc::new(MemoryTokens::default()),
    };
    registry::open(KINDS, "bazaar", &settings).unwrap()
}

async fn market() -> (Bazaar, JoinSet<()>) {
    let now = Arc::new(|| 1_800_000_000_000);
    let (market, serve) = Bazaar::open(now, TOKEN, &["north", "south"]).await.unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(serve);
    (market, serving)
}

fn at(offer: u64, place: &str) -> Holder {
    let id = RemoteId::new(&format!("offer-{offer}")).unwrap();
    Holder { id, location: Some(RemoteId::new(place).unwrap()) }
}

fn target(holder: Holder, quantity: i64, expected: Option<i64>) -> StockTarget {
    StockTarget {
        holder,
        quantity: Quantity::new(quantity).unwrap(),
        expected,
        known_until: Timestamp::from_millis(0).unwrap(),
        basis_seq: Seq::new(1),
        key: "key".to_owned(),
    }
}

#[test]
fn it_is_what_it_says() {
    let connector = connector("http://127.0.0.1:1", TOKEN);
    assert_eq!(disagreements(connector.as_ref()), Vec::<&str>::new());
}

#[tokio::test]
async fn each_number_of_a_write_has_its_own_outcome() {
    let (market, _serving) = market().await;
    let connector = connector(&market.url(), TOKEN);
    let mug = market.state().add_offer("MUG", &[("north", 5), ("south", 7)], 990);
    let writes = connector.stock_write().unwrap();
    let targets = [
        target(at(mug, "north"), 4, Some(5)),
        target(at(mug, "south"), 4, None),
        target(at(mug, "south"), 4, Some(6)),
        target(at(999, "south"), 4, Some(6)),
    ];
    let outcomes = writes.write(&targets, Urgency::Ordinary).await.unwrap();
    let known = RemoteQuantity::Known;
    assert_eq!(outcomes[0], StockOutcome::Stored(known(4)));
    assert!(
        matches!(&outcomes[1], StockOutcome::Refused { code, .. } if code == "nothing_expected")
    );
    assert_eq!(outcomes[2], StockOutcome::Stale { current: Some(known(7)) });
    assert!(matches!(&outcomes[3], StockOutcome::Refused { code, .. } if code == "unknown_offer"));
    market.state().offers.get_mut(&mug).unwrap().stock.insert("south".to_owned(), None);
    let reads = connector.stock_read().unwrap();
    let holders = [at(mug, "south"), at(mug, "west"), at(mug, "north")];
    let levels = reads.read(&holders, Urgency::Ordinary).await.unwrap();
    let numbers: Vec<_> = levels.iter().map(|level| level.quantity).collect();
    assert_eq!(numbers, [Some(RemoteQuantity::Untracked), None, Some(known(4))]);
}

#[tokio::test]
async fn lists_go_on_by_their_cursor_to_the_end() {
    let (market, _serving) = market().await;
    let connector = connector(&market.url(), TOKEN);
    for number in 0..120 {
        market.state().add_offer(&format!("SKU-{number}"), &[("north", number)], 990);
    }
    let (mut found, mut pages, mut cursor) = (0, 0, None);
    loop {
        let page = connector.catalog().unwrap().listings(cursor.as_ref()).await.unwrap();
        (found, pages, cursor) = (found + page.rows.len(), pages + 1, page.next);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (120, 3));
}

#[tokio::test]
async fn what_it_says_of_its_budget_is_heeded() {
    let (market, _serving) = market().await;
    let connector = connector(&market.url(), TOKEN);
    market.state().faults.too_many = 1;
    let catalog = connector.catalog().unwrap();
    let refused = catalog.listings(None).await.unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::RateLimited), "{refused}");
    market.state().cost = Some(Cost::new(3, 0));
    market.state().requests.clear();
    let all = async { while catalog.listings(None).await.is_ok() {} };
    // It waits for its budget, and asks nothing that would be refused.
    tokio::time::timeout(Duration::from_millis(500), all).await.unwrap_err();
    let asked: u64 = market.state().requests.values().sum();
    assert!((1..=3).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_wrong_token_is_told_in_words() {
    let (market, _serving) = market().await;
    let error = connector(&market.url(), "other").probe().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unauthorized(_)), "{error}");
    let probe = connector(&market.url(), TOKEN).probe().await.unwrap();
    let texts: Vec<_> = probe.findings.iter().map(|one| one.text.as_str()).collect();
    assert!(texts.contains(&"it has the place north (Warehouse north)"), "{texts:?}");
}

#[test]
fn an_order_that_does_not_add_up_is_refused_by_its_field() {
    let connector = connector("http://127.0.0.1:1", TOKEN);
    let orders = connector.orders().unwrap();
    let line = json!({ "id": "line-2", "offer": "offer-1", "place": "north", "quantity": 2,
        "shipped": 0, "cancelled": 0, "committed": 2, "unit_price_cents": 990 });
    let order = json!({ "id": "order-1", "revision": 1, "status": "open", "currency": "EUR",
        "placed_at": "2026-03-02T09:00:00.000Z", "changed_at": "2026-03-02T09:00:00.001Z",
        "total_cents": 1980, "lines": [line] });
    let decode = |order: &Value| orders.decode(order.to_string().as_bytes());
    let sound = decode(&order).unwrap();
    assert_eq!(sound.lines[0].holder, Some(at(1, "north")));
    for (at, value, field) in [
        ("/status", json!("lost"), "status"),
        ("/currency", json!("X"), "currency"),
        ("/changed_at", json!("yesterday"), "changed_at"),
        ("/lines/0/quantity", json!(-1), "lines[0].quantity"),
        ("/lines/0/cancelled", json!(3), "lines[0].quantity"),
        ("/lines/0/place", json!(""), "lines[0].place"),
        ("/lines/0/committed", json!("2"), "line 1"),
    ] {
        let mut wrong = order.clone();
        *wrong.pointer_mut(at).unwrap() = value;
        let error = decode(&wrong).unwrap_err();
        assert!(error.field.starts_with(field), "{at}: {error}");
    }
    for bytes in [&b""[..], b"{", b"[]", b"\xff\xfe", b"null"] {
        orders.decode(bytes).unwrap_err();
    }
}

// The signature was computed by another program (Python's hmac) over the same call.
#[test]
fn a_call_is_believed_with_its_signature_and_in_its_time() {
    let connector = connector("http://127.0.0.1:1", TOKEN);
    let Intake::HttpWebhook(webhook) = connector.intake() else { panic!("it calls") };
    let body = br#"{"id":"event-9","type":"order.changed","order":"order-1"}"#;
    let call = |signature: &str, received: i64| Inbound {
        method: "POST".to_owned(),
        url: String::new(),
        query: String::new(),
        headers: vec![
            ("x-bazaar-timestamp".to_owned(), b"1800000000".to_vec()),
            ("x-bazaar-signature".to_owned(), signature.as_bytes().to_vec()),
        ],
        body: body.to_vec(),
        received_at: Timestamp::from_millis(received).unwrap(),
    };
    let now = 1_800_000_000_000;
    let (secret, old) = (secret("lantern"), secret("candle"));
    let check = |call: &Inbound| {
        webhook.verify(call, &WebhookSecrets { secret: &old, previous: Some(&secret) })
    };
    assert_eq!(check(&call(SIGNED, now)), Ok(()));
    assert_eq!(check(&call(SIGNED, now + 299_000)), Ok(()));
    assert_eq!(check(&call(SIGNED, now + 301_000)), Err(Forged::Stale));
    assert_eq!(check(&call(SIGNED, now - 301_000)), Err(Forged::Stale));
    let cut = SIGNED.strip_suffix(|_| true).unwrap();
    for forged in ["", "zz", "00ff", cut, &format!("{cut}0"), &format!("{SIGNED}00")] {
        assert_eq!(check(&call(forged, now)), Err(Forged::Signature), "{forged}");
    }
    let unsigned = Inbound { headers: Vec::new(), ..call(SIGNED, now) };
    assert_eq!(check(&unsigned), Err(Forged::Unsigned));
    let hints = webhook.decode(&call(SIGNED, now)).unwrap();
    assert_eq!(hints, [Hint::Order(RemoteId::new("order-1").unwrap())]);
    assert_eq!(webhook.dedupe_key(&call(SIGNED, now)), "event-9");
    for wrong in [&b"{}"[..], b"{\"type\":\"order.changed\"}", b"\xff", b"[[[["] {
        webhook.decode(&Inbound { body: wrong.to_vec(), ..call(SIGNED, now) }).unwrap_err();
    }
}
