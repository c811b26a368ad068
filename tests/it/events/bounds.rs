//! What is kept does not grow: not with those who are slow, and not with how many listen.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use invshop::domain::AccountId;
use invshop::events::{
    Audience, Bounds, Feed, Frame, Opening, Room, Selection, Step, Stream, Transport,
};
use invshop::ledger::stock::Change;
use invshop::shop::Shop;
use reqwest::Method;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::listener::PATIENCE;
use crate::api::client::Served;
use crate::both;
use crate::harness::{TestShop, units};
use crate::raw::Raw;

/// A feed beside the API, with bounds of the test's own.
pub(super) struct Running {
    feed: Arc<Feed>,
    shop: Arc<Shop>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    pub(super) async fn new(shop: &TestShop, bounds: Bounds) -> Self {
        let shop = Arc::new(shop.another().await);
        let feed = Arc::new(Feed::new(Arc::clone(&shop), bounds));
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(Arc::clone(&feed).run(stop.clone()));
        Self { feed, shop, stop, tasks }
    }

    pub(super) async fn open(&self, account: i64, after: Option<i64>) -> Stream {
        let (account, selection) = (AccountId::new(account), Selection::all(Audience::Staff));
        let opening =
            Opening { account, transport: Transport::Sse, room: Room::Listening, selection, after };
        self.feed.open(opening).await.unwrap()
    }

    pub(super) fn pages(&self) -> u64 {
        self.shop.counters.streams.pages()
    }

    pub(super) async fn end(self) {
        self.stop.cancel();
        self.tasks.join_all().await;
        drop(self.feed);
        Arc::into_inner(self.shop).unwrap().close().await;
    }
}

/// The next event.
pub(super) async fn event(stream: &mut Stream) -> Frame {
    loop {
        let step = tokio::time::timeout(PATIENCE, stream.next()).await;
        match step.expect("nothing is told") {
            Step::Event(frame) => return frame,
            Step::Position(_) => {}
            Step::Check => stream.checked(),
            Step::Closing => panic!("it ends"),
        }
    }
}

pub(super) fn seq(frame: &Frame) -> i64 {
    let event: serde_json::Value = serde_json::from_slice(&frame.json()).unwrap();
    event["seq"].as_i64().unwrap()
}

/// Makes so many things happen.
pub(super) async fn happen(shop: &TestShop, events: usize) {
    for part in (0..events).collect::<Vec<_>>().chunks(200) {
        let receive = |_: &usize| shop.stock("MUG", "main", Change::Receive(units(1)));
        for answer in join_all(part.iter().map(receive)).await {
            answer.unwrap();
        }
    }
}

both!(who_is_slow_loses_nothing_and_keeps_nothing, |shop| {
    shop.item("MUG", 0).await;
    let bounds = Bounds { events_max: 100, ..Bounds::default() };
    let running = Running::new(&shop, bounds).await;
    let newest = shop.newest().await;
    let (mut slow, mut fast) = (running.open(1, None).await, running.open(2, None).await);
    let keeps_up = async {
        for expected in newest + 1..=newest + 1_000 {
            assert_eq!(seq(&event(&mut fast).await), expected);
            assert!(running.feed.kept().0 <= 100, "{:?}", running.feed.kept());
        }
    };
    tokio::join!(happen(&shop, 1_000), keeps_up);
    let before = running.pages();
    for expected in newest + 1..=newest + 1_000 {
        assert_eq!(seq(&event(&mut slow).await), expected);
    }
    let read = running.pages() - before;
    // Some of them may have been read for the other, and are kept for a while.
    assert!(read <= 20, "{read} pages for 900 that are not kept");
    // From here on it is with the others again, and reads no pages.
    let before = running.pages();
    happen(&shop, 1).await;
    assert_eq!(seq(&event(&mut slow).await), newest + 1_001);
    assert_eq!(running.pages(), before);
    drop((slow, fast));
    running.end().await;
});

both!(a_thousand_who_listen_share_what_is_kept, |shop| {
    shop.item("MUG", 0).await;
    let bounds = Bounds { events_max: 120, ..Bounds::default() };
    let running = Running::new(&shop, bounds).await;
    let mut streams = join_all((0..1_000).map(|_| running.open(1, None))).await;
    let refused = Opening {
        account: AccountId::new(1),
        transport: Transport::Sse,
        room: Room::Listening,
        selection: Selection::all(Audience::Staff),
        after: None,
    };
    assert!(running.feed.open(refused).await.is_err(), "one key has no more of them");
    // All are with the newest once the feed has begun.
    happen(&shop, 1).await;
    join_all(streams.iter_mut().map(event)).await;
    let before = running.pages();
    happen(&shop, 100).await;
    for _ in 0..100 {
        let frames = join_all(streams.iter_mut().map(event)).await;
        let first = frames[0].sse();
        assert!(
            frames.iter().all(|frame| frame.sse().as_ptr() == first.as_ptr()),
            "an event is in memory once"
        );
    }
    let (events, bytes) = running.feed.kept();
    assert!(events <= 120 && bytes < 600_000, "{events} events, {bytes} bytes");
    assert_eq!(running.pages(), before, "nobody reads the journal for itself");
    drop(streams);
    running.end().await;
});

both!(a_place_is_free_again_when_somebody_leaves, |shop| {
    let served = Served::new(&shop).await;
    let client = served.client("web", "storefront").await;
    let whose = "select id from account where name = 'web'";
    let web = AccountId::new(Raw::open(&shop.opening.place).await.number(whose).await);
    let open = async |account: AccountId, many: usize| {
        let one = || {
            let audience = Audience::Storefront { own_source: "web".to_owned() };
            let selection = Selection::all(audience);
            served.feed().open(Opening {
                account,
                transport: Transport::Sse,
                room: Room::Listening,
                selection,
                after: None,
            })
        };
        join_all((0..many).map(|_| one())).await.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let get = || client.request(Method::GET, "/v1/events");
    let all = open(web, 1_000).await;
    let refused = client.send(get()).await;
    assert_eq!((refused.status, refused.code()), (429, "too_many_streams"));
    assert!(refused.headers.contains_key("retry-after"));
    drop(all);
    let (one, other) = (
        open(AccountId::new(1_000_001), 1_000).await,
        open(AccountId::new(1_000_002), 1_000).await,
    );
    let refused = client.send(get()).await;
    assert_eq!((refused.status, refused.code()), (503, "too_many_streams"));
    assert!(refused.headers.contains_key("retry-after"));
    drop((one, other));
    let response = get().send().await.unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    served.end().await;
});

both!(who_hears_nothing_is_told_where_it_is, |shop| {
    let bounds = Bounds { heartbeat: Duration::from_millis(50), ..Bounds::default() };
    let running = Running::new(&shop, bounds).await;
    let newest = shop.newest().await;
    let mut stream = running.open(1, None).await;
    for _ in 0..3 {
        let step = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap();
        assert!(matches!(step, Step::Position(position) if position == newest), "{step:?}");
    }
    drop(stream);
    running.end().await;
});
