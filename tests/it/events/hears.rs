//! Who hears what, and in how many words.

use invshop::domain::{AccountName, Delta, LocationKind, Reason};
use invshop::ledger::catalogue::NewKey;
use invshop::ledger::stock::Change;
use invshop::secret::ApiKey;
use invshop::writer::Command;
use serde_json::{Value, json};

use super::listener::{Socket, Sse, Told};
use crate::api::client::{Client, Served};
use crate::both;
use crate::harness::{TestShop, movement, place, units};

/// All that a client may hear of what happened so far.
async fn all(client: &Client, query: &str) -> Vec<Value> {
    let path = format!("/v1/events?after=0&limit=500{query}");
    let request = client.request(reqwest::Method::GET, &path);
    let reply = client.send(request.header("Accept", "application/json")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["data"].as_array().unwrap().clone()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// The kinds of facts that differ in who hears of them.
async fn happen(shop: &TestShop, served: &Served) -> (Client, Client) {
    shop.item("MUG", 9).await;
    let (web, other) =
        (served.client("web", "storefront").await, served.client("other", "storefront").await);
    let order = |id: &str, quantity: i64| json!({ "order_id": id, "lines": [{ "sku": "MUG", "quantity": quantity }] });
    assert_eq!(web.post("/v1/orders", &order("W-1", 1)).await.status, 201);
    assert_eq!(other.post("/v1/orders", &order("SECRET-1", 2)).await.status, 201);
    assert_eq!(other.put("/v1/orders/SECRET-1/cancel", &json!({})).await.status, 200);
    let mut write_off = movement("MUG", "main", Change::WriteOff(units(1)));
    write_off.reason = Some(Reason::new("dropped by Mary").unwrap());
    shop.run(Command::Stock(write_off)).await.unwrap();
    let key = ApiKey::generate(shop.random().as_ref());
    let new = NewKey {
        account: AccountName::new("till").unwrap(),
        role: "reader",
        prefix: key.prefix().to_owned(),
        hash: key.hash(),
        expires_at: None,
    };
    shop.run(Command::CreateKey(new)).await.unwrap();
    (web, other)
}

both!(a_storefront_hears_of_stock_and_of_its_own_orders, |shop| {
    let served = Served::new(&shop).await;
    let (web, _) = happen(&shop, &served).await;
    let events = all(&web, "").await;
    assert_eq!(
        types(&events),
        [
            "item.created",
            "stock.counted",
            "order.placed",
            "stock.reserved",
            "stock.reserved",
            "stock.released",
            "stock.written_off",
        ]
    );
    let text = json!(events).to_string();
    for secret in ["SECRET", "other", "Mary", "till", "account", "reason", "cost"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(events[2]["subject"], json!({ "order_id": "W-1" }));
    let own = &events[3];
    assert_eq!(
        own["subject"],
        json!({ "sku": "MUG", "location": "main", "order_id": "W-1", "line": 1 })
    );
    assert_eq!(events[4]["subject"], json!({ "sku": "MUG", "location": "main" }), "of another");
    let data = &events[4]["data"];
    for (name, units) in [
        ("on_hand", 9),
        ("reserved", 3),
        ("shortfall", 0),
        ("safety", 0),
        ("available_to_promise", 6),
    ] {
        assert_eq!(data[name], units, "{name}: {data}");
    }
    let id = own["id"].as_str().unwrap();
    assert!(id.starts_with("evt_") && id.len() == 28, "{id}");
    assert_eq!(own["at"], shop.clock_now().to_string());

    // Over a socket it is the same.
    let mut socket = Socket::open(&web, "?after=0").await;
    for event in &events {
        assert_eq!(&socket.event().await, event);
    }
    drop(socket);
    served.end().await;
});

both!(who_looks_after_keys_hears_of_them_and_who_reads_along_does_not, |shop| {
    let served = Served::new(&shop).await;
    happen(&shop, &served).await;
    let (office, reader) =
        (served.client("office", "operator").await, served.client("eye", "reader").await);
    let heard = all(&office, "").await;
    let seqs: Vec<i64> = heard.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    let newest = shop.newest().await;
    assert!(seqs.iter().copied().eq(1..=newest), "the staff hears of everything: {seqs:?}");
    assert!(types(&heard).contains(&"key.created"));
    let text = json!(heard).to_string();
    assert!(text.contains("other:SECRET-1") && text.contains("dropped by Mary"), "{text}");
    let read = all(&reader, "").await;
    assert_eq!(types(&all(&reader, "&types=key.*").await), [] as [&str; 0]);
    let audit = heard.iter().filter(|event| event["type"].as_str().unwrap().starts_with("key."));
    assert_eq!(read.len() + audit.count(), heard.len());
    served.end().await;
});

both!(who_filters_goes_on_after_what_it_did_not_want, |shop| {
    shop.item("MUG", 9).await;
    shop.item("POT", 9).await;
    shop.location("north", LocationKind::Store).await;
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let receive = |name: &'static str, location: &'static str| {
        shop.stock(name, location, Change::Receive(units(1)))
    };
    receive("POT", "north").await.unwrap();
    receive("POT", "main").await.unwrap();
    receive("MUG", "north").await.unwrap();
    shop.stock("MUG", "north", Change::Adjust(Delta::new(-1).unwrap())).await.unwrap();
    let got = |events: &[Value]| -> Vec<String> {
        let one = |event: &Value| {
            format!(
                "{} {}",
                event["subject"]["sku"].as_str().unwrap_or("-"),
                event["type"].as_str().unwrap()
            )
        };
        events.iter().map(one).collect()
    };
    let north = all(&office, "&location=north&types=stock.*").await;
    assert_eq!(got(&north), ["POT stock.received", "MUG stock.received", "MUG stock.adjusted"]);
    let mug = all(&office, "&sku=MUG&location=north&types=stock.received,order.*").await;
    assert_eq!(got(&mug), ["MUG stock.received"]);

    // More than a thousand things that it does not want: it is told where it is.
    let mut sse = Sse::open(&office, "?types=order.*", None).await;
    let Told::Position(begin) = sse.next().await else { panic!("where it begins") };
    for _ in 0..5 {
        let many = (0..220).map(|_| receive("POT", "main"));
        for answer in futures_util::future::join_all(many).await {
            answer.unwrap();
        }
    }
    let Told::Position(position) = sse.next().await else { panic!("where it is") };
    assert!(position >= begin + 1_000, "{begin} to {position}");
    drop(sse);
    shop.run(Command::Place(place("1", &[("MUG", 1)]))).await.unwrap();
    let mut sse = Sse::open(&office, "?types=order.*", Some(position)).await;
    assert_eq!(sse.next().await, Told::Position(position));
    assert_eq!(sse.event().await["type"], "order.placed");
    served.end().await;
});
