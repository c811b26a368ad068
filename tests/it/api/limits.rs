//! Who asks for too much is told when to come again; everybody else notices nothing.

use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use invshop::api::Manner;
use invshop::domain::AccountName;
use invshop::ledger::catalogue::NewKey;
use invshop::secret::ApiKey;
use invshop::writer::Command;
use reqwest::Method;
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::client::{Client, Served, manner};
use crate::both;
use crate::events::listener::PATIENCE;
use crate::harness::{Backend, TestShop};

/// How often a request is granted of so many, and the first refusal.
async fn flood(client: &Client, path: &str, times: u32) -> (u32, Option<super::client::Reply>) {
    let (mut granted, mut refused) = (0, None);
    for _ in 0..times {
        let reply = client.get(path).await;
        if reply.status == 429 {
            refused.get_or_insert(reply);
        } else {
            granted += 1;
        }
    }
    (granted, refused)
}

both!(a_key_holder_gets_its_burst_and_its_rate_and_others_theirs, |shop| {
    shop.item("MUG", 5).await;
    let limits = [("rate_limit.account_per_second", "1"), ("rate_limit.account_burst", "5")];
    let served = Served::configured(&shop, &limits).await;
    let (greedy, modest) =
        (served.client("greedy", "reader").await, served.client("modest", "reader").await);
    let begun = Instant::now();
    let (granted, refused) = flood(&greedy, "/v1/inventory/MUG", 40).await;
    let seconds = u32::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    assert!((5..=5 + seconds).contains(&granted), "{granted} in {seconds} s");
    let refused = refused.unwrap();
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.headers["ratelimit-policy"], r#""account";q=5;w=5"#);
    assert_eq!(refused.headers["ratelimit"], r#""account";r=0;t=5"#);
    // Another key of the same holder is no way around it, another holder is not in its way.
    let second = ApiKey::generate(shop.random().as_ref());
    let new = NewKey {
        account: AccountName::new("greedy").unwrap(),
        role: "reader",
        prefix: second.prefix().to_owned(),
        hash: second.hash(),
        expires_at: None,
    };
    shop.run(Command::CreateKey(new)).await.unwrap();
    let second = served.with_key(Some(second.expose().to_owned()));
    assert!(flood(&second, "/v1/inventory/MUG", 20).await.0 < 15, "one holder, one bucket");
    let reply = modest.get("/v1/inventory/MUG").await;
    assert_eq!(
        (reply.status, &reply.headers["ratelimit"]),
        (200, &r#""account";r=4;t=1"#.parse().unwrap())
    );
    assert_eq!(served.with_key(None).get("/healthz").await.status, 200);
    served.end().await;
});

both!(an_address_pays_for_keys_that_are_refused, |shop| {
    shop.item("MUG", 5).await;
    let limits = [("rate_limit.address_per_second", "1"), ("rate_limit.address_burst", "100")];
    let served = Served::configured(&shop, &limits).await;
    let web = served.client("web", "reader").await;
    let guess = || served.with_key(Some(format!("inv_aaaaaaaa_{}", "b".repeat(32))));
    let begun = Instant::now();
    let (granted, refused) = flood(&guess(), "/v1/inventory/MUG", 30).await;
    let seconds = u32::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    // 21 of a hundred each.
    assert!((4..=5 + seconds / 21).contains(&granted), "{granted} in {seconds} s");
    assert_eq!(refused.unwrap().headers["ratelimit-policy"], r#""address";q=100;w=100"#);
    let reply = web.get("/v1/inventory/MUG").await;
    assert_eq!(reply.status, 429, "the address is asked before the key");
    served.end().await;
});

both!(a_proxy_that_is_trusted_asks_for_many, |shop| {
    shop.item("MUG", 5).await;
    let limits = [
        ("rate_limit.address_per_second", "1"),
        ("rate_limit.address_burst", "3"),
        ("server.trusted_proxies", "127.0.0.1"),
    ];
    let served = Served::configured(&shop, &limits).await;
    let web = served.client("web", "reader").await;
    let asked_for = async |address: String| {
        let request = web.request(Method::GET, "/v1/inventory/MUG");
        web.send(request.header("x-forwarded-for", address)).await.status
    };
    for client in 1..=20 {
        assert_eq!(asked_for(format!("198.51.100.{client}")).await, 200);
    }
    let mut granted = 0;
    for _ in 0..20 {
        // What it made up stands before what the proxy wrote.
        granted += u32::from(asked_for("203.0.113.1, 198.51.100.99".to_owned()).await == 200);
    }
    assert!((3..20).contains(&granted), "{granted}");
    served.end().await;

    let limits = [limits[0], limits[1], ("server.trusted_proxies", "192.0.2.1")];
    let served = Served::configured(&shop, &limits).await;
    let web = served.with_key(Some(web.key().to_owned()));
    let mut granted = 0;
    for client in 0..20 {
        let request = web.request(Method::GET, "/v1/inventory/MUG");
        let request = request.header("x-forwarded-for", format!("198.51.100.{client}"));
        granted += u32::from(web.send(request).await.status == 200);
    }
    assert!((3..20).contains(&granted), "whom nobody trusts is one client: {granted}");
    served.end().await;
});

both!(a_flood_leaves_a_client_that_keeps_to_its_limit_working, |shop| {
    shop.item("MUG", 5).await;
    let limits = [
        ("rate_limit.address_per_second", "1"),
        ("rate_limit.address_burst", "50"),
        ("server.trusted_proxies", "127.0.0.1"),
    ];
    let served = Served::configured(&shop, &limits).await;
    let web = served.client("web", "reader").await;
    // Ten times what one address may, from four addresses at once.
    let flood = (0..4).map(|flooder| {
        let web = web.clone();
        async move {
            let mut refused = 0;
            for _ in 0..500 {
                let request = web.request(Method::GET, "/v1/inventory/MUG");
                let request = request.header("x-forwarded-for", format!("198.51.100.{flooder}"));
                let reply = request.send().await.unwrap();
                refused += u32::from(reply.status() == 429);
                let _body: Value = reply.json().await.unwrap();
            }
            refused
        }
    });
    let modest = async {
        for _ in 0..50 {
            let request = web.request(Method::GET, "/v1/inventory/MUG");
            let reply = web.send(request.header("x-forwarded-for", "203.0.113.5")).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    };
    let (refused, ()) = tokio::join!(join_all(flood), modest);
    assert!(refused.iter().all(|refused| *refused >= 300), "{refused:?}");
    served.end().await;
});

/// Connections of each kind that is slow.
const SLOW: usize = 50;
/// How long headers may take here: longer than it takes to open these connections.
const HEADERS_MAX: Duration = Duration::from_secs(1);

/// A connection that has sent the beginning of something.
async fn slow(client: &Client, beginning: String) -> TcpStream {
    let address = client.base().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    stream
}

/// Sends a byte now and then on connections that are slow.
async fn drip(streams: impl Iterator<Item = &TcpStream> + Clone) {
    loop {
        for stream in streams.clone() {
            // Whoever took too long was cut off.
            stream.try_write(b"a").ok();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many of some connections the server has ended without a word.
fn cut_off(streams: &[TcpStream]) -> usize {
    let is_cut_off =
        |stream: &&TcpStream| match SockRef::from(*stream).peek(&mut [MaybeUninit::uninit()]) {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
    streams.iter().filter(is_cut_off).count()
}

// Neither database has a part in it. All connections there may be are of clients that are slow:
// there is room for others only when those that do not come to the end of their headers are cut
// off, and for as many as those were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_and_a_flood_leave_a_client_that_keeps_to_its_limit_working() {
    let shop = TestShop::new(Backend::Sqlite).await;
    shop.item("MUG", 1_000).await;
    let limits = [
        ("rate_limit.address_per_second", "1"),
        ("rate_limit.address_burst", "100"),
        ("server.trusted_proxies", "127.0.0.1"),
    ];
    let bounds = Manner { connections_max: 2 * SLOW, headers_max: HEADERS_MAX, ..manner() };
    let served = Served::over(&shop, bounds, &limits).await;
    let (bad, good) =
        (served.client("bad", "storefront").await, served.client("good", "storefront").await);
    let headers = |number: usize| format!("GET /v1/orders HTTP/1.1\r\nHost: slow-{number}\r\n");
    let body = |number: usize| {
        format!(
            "POST /v1/orders HTTP/1.1\r\nHost: slow\r\nX-Forwarded-For: 198.51.100.{number}\r\n\
             Authorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: 1000\r\n\r\n{{",
            bad.key()
        )
    };
    let bodies = join_all((0..SLOW).map(|number| slow(&bad, body(number)))).await;
    let streams = join_all((0..SLOW).map(|number| slow(&bad, headers(number)))).await;
    let from = |request: reqwest::RequestBuilder| {
        good.send(request.header("x-forwarded-for", "203.0.113.5"))
    };
    let reads = async || {
        let read = from(good.request(Method::GET, "/v1/inventory/MUG")).await;
        assert_eq!(read.status, 200, "{read:?}");
    };
    let works = async {
        for number in 0..40 {
            reads().await;
            let lines = json!([{ "sku": "MUG", "quantity": 1 }]);
            let order = json!({ "order_id": number.to_string(), "lines": lines });
            let placed = from(good.request(Method::POST, "/v1/orders").json(&order)).await;
            assert_eq!(placed.status, 201, "{placed:?}");
        }
        while cut_off(&streams) < SLOW {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let all = async {
        reads().await;
        assert_ne!(cut_off(&streams), 0, "there was room, and all connections were taken");
        tokio::join!(too_much(&bad), works).0
    };
    let refused = tokio::select! {
        () = drip(streams.iter().chain(&bodies)) => unreachable!(),
        refused = all => refused,
        () = tokio::time::sleep(PATIENCE) => panic!("{} are cut off", cut_off(&streams)),
    };
    assert!(refused >= 800, "{refused} of 1000 were refused");
    drop((streams, bodies));
    served.end().await;
    shop.end().await;
}

/// Asks ten times as often as one address may, and says how often it was refused.
async fn too_much(client: &Client) -> u32 {
    let refused = join_all((0..8).map(async |_| {
        let mut refused = 0;
        for _ in 0..125 {
            let request = client.request(Method::GET, "/v1/inventory/MUG");
            let response = request.header("x-forwarded-for", "198.51.100.250").send().await;
            refused += u32::from(response.unwrap().status() == 429);
        }
        refused
    }));
    refused.await.into_iter().sum()
}
