//! What cannot be read is told as such.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::bounds::happen;
use super::listener::{PATIENCE, Socket, Sse, Told};
use crate::api::client::Served;
use crate::both;

both!(an_entry_that_cannot_be_read_is_told_as_one_and_stops_nobody, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let web = served.client("web", "storefront").await;
    let newest = shop.newest().await;
    let mut sse = Sse::open(&office, "", None).await;
    // It may be what somebody asked for, and nobody can tell.
    let mut socket = Socket::open(&web, "?types=stock.received&sku=MUG").await;
    assert_eq!(sse.next().await, Told::Position(newest));
    assert_eq!(socket.next().await, Told::Position(newest));
    let row = "insert into journal (seq, at, kind, effective_at)
               select max(seq) + 1, max(at), 'of.another.program', max(at) from journal";
    shop.corrupt(row).await;
    happen(&shop, 1).await;
    let unreadable = |told: &Value| {
        assert_eq!(
            (&told["type"], &told["seq"]),
            (&"journal.unreadable".into(), &(newest + 1).into())
        );
        assert_eq!((&told["subject"], &told["data"]), (&json!({}), &json!({})));
    };
    let first = async { [sse.event().await, socket.event().await] };
    // Whoever hears nothing is told again and again where it is.
    for told in timeout(PATIENCE, first).await.expect("it stops everybody") {
        unreadable(&told);
    }
    for told in [sse.event().await, socket.event().await] {
        assert_eq!((&told["type"], &told["seq"]), (&"stock.received".into(), &(newest + 2).into()));
    }
    // Whoever comes later reads it from the journal, and it is told of once in all.
    let mut late = Sse::open(&office, "", Some(newest)).await;
    unreadable(&late.event().await);
    let request = web.request(Method::GET, &format!("/v1/events?after={newest}"));
    let reply = web.send(request.header("Accept", "application/json")).await;
    unreadable(&reply.body["data"][0]);
    assert_eq!(reply.body["data"][1]["type"], "stock.received");
    let (_, text) = office.text("/metrics").await;
    let line = "invshop_events_unreadable_total 1";
    assert!(text.lines().any(|one| one == line), "{text}");
    drop((sse, socket, late));
    served.end().await;
});
