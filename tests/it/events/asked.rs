//! How events are asked for: what is refused, pages, and pages that wait.

use std::time::{Duration, Instant};

use futures_util::future::join;
use invshop::ledger::stock::Change;
use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite;

use super::listener::{Socket, Sse, Told};
use crate::api::client::{Client, Reply, Served};
use crate::both;
use crate::harness::units;

async fn page(client: &Client, query: &str) -> Reply {
    let request = client.request(Method::GET, &format!("/v1/events{query}"));
    client.send(request.header("Accept", "application/json")).await
}

both!(what_makes_no_sense_is_refused_by_name, |shop| {
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let newest = shop.newest().await;
    for (query, field) in [
        ("?after=abc", "after"),
        ("?after=-1", "after"),
        ("?after=", "after"),
        ("?after=99999999999999999999", "after"),
        ("?types=stock.reserved,stock.held", "types"),
        ("?types=", "types"),
        ("?sku=NONE", "sku"),
        ("?location=nowhere", "location"),
    ] {
        for reply in [client.get(&format!("/v1/events{query}")).await, page(&client, query).await] {
            assert_eq!((reply.status, reply.body["field"].as_str()), (422, Some(field)), "{query}");
        }
    }
    let types = page(&client, "?types=stock.reserved,stock.held").await;
    assert!(types.body["detail"].as_str().unwrap().contains("'stock.held'"), "{types:?}");
    for query in ["?limit=5", "?wait=5"] {
        assert_eq!(client.get(&format!("/v1/events{query}")).await.status, 422, "{query}");
    }
    for query in ["?limit=0", "?limit=501", "?wait=31", "?wait=x", "?unknown=1"] {
        assert_eq!(page(&client, query).await.status, 422, "{query}");
    }
    let header = client.request(Method::GET, "/v1/events").header("Last-Event-ID", "4x");
    let reply = client.send(header).await;
    assert_eq!((reply.status, &reply.body["field"]), (422, &json!("Last-Event-ID")));

    // A position of another journal: its events were never here.
    let ahead = page(&client, &format!("?after={}", newest + 5)).await;
    assert_eq!((ahead.status, ahead.code()), (409, "cursor_ahead"));
    assert_eq!(ahead.body["newest"], newest);
    assert_eq!(client.get(&format!("/v1/events?after={}", newest + 5)).await.status, 409);
    assert_eq!(served.with_key(None).get("/v1/events").await.status, 401);
    assert_eq!(client.post("/v1/events", &json!({})).await.status, 405);

    let plain = client.get("/v1/events/ws").await;
    assert_eq!((plain.status / 100, plain.code()), (4, "no_websocket"));
    for (query, status) in [("?after=abc", 422), ("?after=999999", 409), ("?wait=1", 422)] {
        let bearer = format!("Bearer {}", client.key());
        let refused = Socket::try_open(&client, query, ("authorization", &bearer)).await;
        let Err(tungstenite::Error::Http(response)) = refused else { panic!("{query}") };
        assert_eq!(response.status(), status, "{query}");
    }
    served.end().await;
});

both!(a_browser_proves_itself_by_a_subprotocol, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let offered = format!("bearer, {}", client.key());
    let mut socket =
        Socket::try_open(&client, "?after=0", ("sec-websocket-protocol", &offered)).await.unwrap();
    assert_eq!(socket.event().await["seq"], 1);
    drop(socket);
    for wrong in ["bearer, inv_aaaaaaaa_no", "bearer", "chat", &format!("chat, {}", client.key())] {
        let header = ("sec-websocket-protocol", wrong);
        let refused = Socket::try_open(&client, "", header).await;
        let Err(tungstenite::Error::Http(response)) = refused.map(drop) else { panic!("{wrong}") };
        assert_eq!(response.status(), 401, "{wrong}");
    }
    // A key in an address would be in every log on the way.
    let reply = served.with_key(None).get(&format!("/v1/events?key={}", client.key())).await;
    assert_eq!(reply.status, 401);
    served.end().await;
});

both!(pages_follow_each_other_without_a_gap, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    for _ in 0..130 {
        shop.stock("MUG", "main", Change::Receive(units(1))).await.unwrap();
    }
    let newest = shop.newest().await;
    let (mut seqs, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let reply = page(&client, &format!("?after={after}&limit=30")).await;
        let data = reply.body["data"].as_array().unwrap();
        seqs.extend(data.iter().map(|event| event["seq"].as_i64().unwrap()));
        reply.body["next_cursor"].as_str().unwrap().clone_into(&mut after);
        if data.is_empty() {
            break;
        }
    }
    assert!(seqs.iter().copied().eq(1..=newest), "{seqs:?}");
    assert_eq!(after, newest.to_string());
    // What is passed over is behind it too, and who says nothing begins now.
    let none = page(&client, "?after=0&types=order.*").await;
    assert_eq!(none.body, json!({ "data": [], "next_cursor": newest.to_string() }));
    assert_eq!(page(&client, "").await.body, none.body);
    served.end().await;
});

both!(a_page_waits_for_what_happens, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let newest = shop.newest().await;
    let began = Instant::now();
    let asked = format!("?wait=30&types=stock.received&after={newest}");
    let waits = page(&client, &asked);
    let happens = async {
        while served.listeners() == 0 {
            tokio::task::yield_now().await;
        }
        shop.stock("MUG", "main", Change::Receive(units(1))).await.unwrap();
    };
    let (reply, ()) = join(waits, happens).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(reply.body["data"][0]["seq"], newest + 1);
    assert_eq!(reply.body["next_cursor"], (newest + 1).to_string());
    let nothing = page(&client, "?wait=1").await;
    let expected = json!({ "data": [], "next_cursor": (newest + 1).to_string() });
    assert_eq!(nothing.body, expected);
    served.end().await;
});

both!(who_says_nothing_begins_now, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let newest = shop.newest().await;
    let mut sse = Sse::open(&client, "", None).await;
    assert_eq!(sse.next().await, Told::Position(newest));
    assert_eq!(sse.header("x-accel-buffering"), Some("no"));
    assert!(sse.retry().is_some_and(|millis| (500..=3_000).contains(&millis)));
    shop.stock("MUG", "main", Change::Receive(units(1))).await.unwrap();
    assert_eq!(sse.event().await["seq"], newest + 1);
    served.end().await;
});
