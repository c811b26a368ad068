//! Pages: how many one may ask for, and who reads them.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{join, join_all};
use invshop::domain::AccountId;
use invshop::events::{Audience, Bounds, Opening, Room, Selection, Step, Transport};
use reqwest::{Method, Response};

use super::bounds::{Running, event, happen, seq};
use super::listener::PATIENCE;
use crate::api::client::{Client, Reply, Served};
use crate::both;
use crate::harness::{Backend, TestShop, has_postgres};
use crate::raw::Raw;

async fn page(client: &Client, query: &str) -> Reply {
    let request = client.request(Method::GET, &format!("/v1/events{query}"));
    client.send(request.header("Accept", "application/json")).await
}

/// Begins to wait for a page: its headers are there, its body is not.
async fn waiting(client: &Client) -> Response {
    let request = client.request(Method::GET, "/v1/events?wait=30");
    let response = request.header("Accept", "application/json").send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

both!(pages_of_one_key_holder_are_bounded_and_others_get_theirs, |shop| {
    let served = Served::new(&shop).await;
    let (greedy, modest) =
        (served.client("greedy", "reader").await, served.client("modest", "reader").await);
    let wait = join_all((0..Bounds::default().pages_of_one_max).map(|_| waiting(&greedy))).await;
    for query in ["", "?wait=5"] {
        let refused = page(&greedy, query).await;
        assert_eq!((refused.status, refused.code()), (429, "too_many_streams"), "{query}");
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(page(&modest, "?wait=1").await.status, 200);
    assert_eq!(greedy.get("/v1/inventory").await.status, 200, "other requests have their own");
    drop(wait);
    let began = Instant::now();
    while page(&greedy, "").await.status != 200 {
        assert!(began.elapsed() < PATIENCE, "whoever left has its place still");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served.end().await;
});

both!(a_page_at_once_takes_no_place_of_those_who_listen, |shop| {
    let served = Served::new(&shop).await;
    let client = served.client("web", "storefront").await;
    let whose = "select id from account where name = 'web'";
    let account = AccountId::new(Raw::open(&shop.opening.place).await.number(whose).await);
    let listen = || {
        let selection = Selection::all(Audience::Reader);
        let (transport, room) = (Transport::Sse, Room::Listening);
        served.feed().open(Opening { account, transport, room, selection, after: None })
    };
    let all = join_all((0..1_000).map(|_| listen())).await;
    assert_eq!(page(&client, "").await.status, 200);
    assert_eq!(page(&client, "?wait=0").await.status, 200);
    let refused = page(&client, "?wait=1").await;
    assert_eq!((refused.status, refused.code()), (429, "too_many_streams"));
    drop(all);
    served.end().await;
});

both!(those_who_come_back_together_read_each_page_once, |shop| {
    const EVENTS: i64 = 600;
    shop.item("MUG", 0).await;
    happen(&shop, 600).await;
    let running = Running::new(&shop, Bounds { events_max: 10, ..Bounds::default() }).await;
    let begin = shop.newest().await - EVENTS;
    // Each where it was cut off.
    let open = (0..100).map(|number| running.open(number, Some(begin + number % 7)));
    let mut streams = join_all(open).await;
    let before = running.pages();
    let read = streams.iter_mut().enumerate().map(async |(number, stream)| {
        let first = begin + i64::try_from(number).unwrap() % 7 + 1;
        for expected in first..=begin + EVENTS {
            assert_eq!(seq(&event(stream).await), expected);
        }
    });
    join_all(read).await;
    let read = running.pages() - before;
    // 100 of them read ten pages each.
    assert!((10..=50).contains(&read), "{read} pages");
    drop(streams);
    running.end().await;
});

// Whoever waits for its turn to read is not cut off by a proxy meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_page_is_told_where_it_is() {
    if !has_postgres() {
        return;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    shop.item("MUG", 0).await;
    let bounds = Bounds { heartbeat: Duration::from_millis(50), ..Bounds::default() };
    let running = Running::new(&shop, bounds).await;
    let (mut behind, mut now) = (running.open(1, Some(0)).await, running.open(2, None).await);
    happen(&shop, 1).await;
    event(&mut now).await;
    let mut raw = Raw::open(&shop.opening.place).await;
    raw.execute("begin; lock table journal in access exclusive mode").await;
    let mut told = 0;
    while told < 3 {
        match tokio::time::timeout(PATIENCE, behind.next()).await.expect("nothing is told") {
            Step::Position(0) => told += 1,
            // It is asked now and then whether it still may.
            Step::Check => behind.checked(),
            step => panic!("{step:?}"),
        }
    }
    raw.execute("rollback").await;
    assert_eq!(seq(&event(&mut behind).await), 1);
    drop((behind, now));
    running.end().await;
    shop.end().await;
}

// Whoever reads stock finds a connection, however many are behind and ask for pages besides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_are_behind_and_those_who_ask_for_pages_take_the_same_few_turns() {
    const TURNS: u64 = 2;
    if !has_postgres() {
        return;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    shop.item("MUG", 0).await;
    happen(&shop, 260).await;
    let running = Running::new(&shop, Bounds { events_max: 10, ..Bounds::default() }).await;
    let mut now = running.open(1, None).await;
    // Each in a page of its own.
    let mut behind = join_all([0, 64, 128, 192].map(|after| running.open(2, Some(after)))).await;
    let mut asking = join_all([0; 4].map(|after| running.open(3, Some(after)))).await;
    happen(&shop, 1).await;
    event(&mut now).await;
    let mut raw = Raw::open(&shop.opening.place).await;
    raw.execute("begin; lock table journal in access exclusive mode").await;
    let before = running.pages();
    let read = async {
        let asked = asking.iter_mut().map(async |stream| stream.page(64).await.unwrap());
        join(join_all(behind.iter_mut().map(event)), join_all(asked)).await
    };
    let watched = async {
        let began = Instant::now();
        while running.pages() - before < TURNS {
            assert!(began.elapsed() < PATIENCE, "nobody reads");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // More of them would have come by now, and none may whenever it is looked at.
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!(running.pages() - before, TURNS, "more are read at the same time");
        }
        raw.execute("rollback").await;
    };
    let ((told, asked), ()) = join(read, watched).await;
    assert_eq!(told.iter().map(seq).collect::<Vec<_>>(), [1, 65, 129, 193]);
    assert!(asked.iter().all(|page| page.next == 64));
    drop((now, behind, asking));
    running.end().await;
    shop.end().await;
}

// Over WebSocket whatever is said goes before: who never stops asking whether somebody is
// there is told of what happens all the same.
both!(a_page_comes_though_it_is_given_up_and_asked_for_again, |shop| {
    shop.item("MUG", 0).await;
    let running = Running::new(&shop, Bounds::default()).await;
    let (mut behind, mut now) = (running.open(1, Some(0)).await, running.open(2, None).await);
    happen(&shop, 1).await;
    event(&mut now).await;
    // So seldom that a page that begins anew each time is hardly ever there at once.
    let began = Instant::now();
    let frame = loop {
        assert!(began.elapsed() < PATIENCE, "nothing is told");
        match behind.next().now_or_never() {
            Some(Step::Event(told)) => break told,
            Some(Step::Check) => behind.checked(),
            Some(Step::Position(_)) | None => tokio::time::sleep(Duration::from_millis(20)).await,
            Some(Step::Closing) => panic!("it ends"),
        }
    };
    assert_eq!(seq(&frame), 1);
    drop((behind, now));
    running.end().await;
});
