//! How listening ends: the daemon ends, the key does, or the client is at fault.

use std::time::{Duration, Instant};

use invshop::writer::Command;
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::listener::{Socket, Sse, Told};
use crate::api::client::{Client, Served};
use crate::both;
use crate::daemon::{Daemon, key};
use crate::harness::{Backend, TestShop, place};
use crate::raw::Raw;

/// How long the end of a daemon may wait for those who listen.
const END_MAX: Duration = Duration::from_secs(5);

/// What was told last.
async fn last(mut next: impl AsyncFnMut() -> Told) -> Vec<Told> {
    let mut told = Vec::new();
    loop {
        match next().await {
            Told::Event(_) | Told::Position(_) => {}
            Told::Gone => return told,
            other => told.push(other),
        }
    }
}

both!(the_end_of_the_server_is_told_and_waits_for_nobody, |shop| {
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let mut sse = Sse::open(&client, "", None).await;
    let mut socket = Socket::open(&client, "").await;
    assert!(matches!(sse.next().await, Told::Position(_)));
    assert!(matches!(socket.next().await, Told::Position(_)));
    let began = Instant::now();
    let ((), sse, socket) = tokio::join!(
        served.end(),
        last(async || sse.next().await),
        last(async || socket.next().await),
    );
    assert!(began.elapsed() < END_MAX, "{:?}", began.elapsed());
    assert_eq!(sse, [Told::End("closing".to_owned())]);
    assert_eq!(socket, [Told::Close(1012)]);
});

/// More than the buffers of two sockets hold: so many entries, each a kilobyte.
const UNREAD: i64 = 8_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_nothing_does_not_hold_the_end_up() {
    let shop = TestShop::new(Backend::Sqlite).await;
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let rows = format!(
        "with recursive n(value) as (select 1 union all select value + 1 from n where value < {UNREAD})
         insert into journal (seq, at, kind, effective_at, item_id, data)
         select last.seq + n.value, last.at, 'item.updated', last.at, (select min(id) from item),
                '{{\"note\":\"{}\"}}'
         from (select max(seq) as seq, max(at) as at from journal) as last cross join n",
        "a".repeat(1_000)
    );
    Raw::open(&shop.opening.place).await.execute(&rows).await;
    let address = client.base().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /v1/events?after=0 HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
        client.key()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // It is sent what fits, and then no more.
    let sent = async || {
        let (_, text) = client.text("/metrics").await;
        let name = "invshop_events_sent_total{transport=\"sse\"} ";
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse::<i64>().unwrap()
    };
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = sent().await;
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    assert!(before < UNREAD, "{before} fitted");
    let began = Instant::now();
    served.end().await;
    assert!(began.elapsed() < END_MAX, "{:?}", began.elapsed());
    drop(stream);
    shop.end().await;
}

both!(a_revoked_key_hears_nothing_more, |shop| {
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let other = served.client("other", "operator").await;
    let mut sse = Sse::open(&client, "", None).await;
    let mut socket = Socket::open(&client, "").await;
    let mut stays = Sse::open(&other, "", None).await;
    let prefix = client.key().split('_').nth(1).unwrap().to_owned();
    shop.run(Command::RevokeKey(prefix)).await.unwrap();
    shop.clock.advance_millis(1_000);
    let began = Instant::now();
    assert_eq!(last(async || sse.next().await).await, [Told::End("key".to_owned())]);
    assert_eq!(last(async || socket.next().await).await, [Told::Close(1008)]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    shop.item("MUG", 5).await;
    while stays.event().await["type"] != "item.created" {}
    served.end().await;
});

both!(a_revoked_key_is_given_no_page_that_it_waits_for, |shop| {
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let request = client.request(Method::GET, "/v1/events?wait=20&types=item.*");
    let waits = client.send(request.header("accept", "application/json"));
    let revoked = async {
        while served.listeners() == 0 {
            tokio::task::yield_now().await;
        }
        let prefix = client.key().split('_').nth(1).unwrap().to_owned();
        shop.run(Command::RevokeKey(prefix)).await.unwrap();
        shop.clock.advance_millis(1_000);
        while served.listeners() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        shop.item("MUG", 5).await;
    };
    let began = Instant::now();
    let (reply, ()) = tokio::join!(waits, revoked);
    assert_eq!(reply.body["data"], json!([]), "{reply:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    served.end().await;
});

both!(who_leaves_a_socket_is_answered, |shop| {
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let mut socket = Socket::open(&client, "").await;
    assert!(matches!(socket.next().await, Told::Position(_)));
    socket.leave().await;
    assert_eq!(last(async || socket.next().await).await, [Told::Close(1000)]);
    served.end().await;
});

both!(who_talks_on_a_socket_is_sent_away, |shop| {
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let mut socket = Socket::open(&client, "").await;
    socket.say("hello").await;
    assert_eq!(last(async || socket.next().await).await, [Told::Close(1003)]);
    let mut socket = Socket::open(&client, "").await;
    socket.say(&"a".repeat(100_000)).await;
    assert!(matches!(last(async || socket.next().await).await[..], [] | [Told::Close(_)]));
    let (_, text) = client.text("/metrics").await;
    let line = "invshop_event_streams_ended_total{reason=\"misused\"} 1";
    assert!(text.lines().any(|one| one == line), "{text}");
    served.end().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_ends_at_once_whoever_listens() {
    let shop = TestShop::new(Backend::Sqlite).await;
    shop.item("MUG", 5).await;
    let daemon = Daemon::start(&shop);
    let client = Client::new(daemon.base(), &key(&shop).await);
    let mut sse = Sse::open(&client, "", None).await;
    let mut socket = Socket::open(&client, "").await;
    // The command line, or whoever else writes to the same file.
    shop.run(Command::Place(place("1", &[("MUG", 1)]))).await.unwrap();
    assert_eq!(sse.event().await["type"], "stock.reserved");
    assert_eq!(socket.event().await["type"], "stock.reserved");
    let began = Instant::now();
    daemon.signal("-TERM");
    let ended = tokio::task::spawn_blocking(move || daemon.wait());
    assert_eq!(last(async || sse.next().await).await, [Told::End("closing".to_owned())]);
    assert_eq!(last(async || socket.next().await).await, [Told::Close(1012)]);
    assert!(ended.await.unwrap().success());
    assert!(began.elapsed() < END_MAX, "{:?}", began.elapsed());
    shop.end().await;
}
