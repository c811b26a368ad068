//! Pages: who reads them for those who are behind.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use invshop::events::{Bounds, Step};

use super::bounds::{Running, event, happen, seq};
use super::listener::PATIENCE;
use crate::both;
use crate::harness::{Backend, TestShop, has_postgres};
use crate::raw::Raw;

/// How often somebody asks who gives up at once.
const ASKED_MAX: usize = 100;

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
    for _ in 0..3 {
        let step = tokio::time::timeout(PATIENCE, behind.next()).await.expect("nothing is told");
        assert!(matches!(step, Step::Position(0)), "{step:?}");
    }
    raw.execute("rollback").await;
    assert_eq!(seq(&event(&mut behind).await), 1);
    drop((behind, now));
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
    let mut frame = None;
    for _ in 0..ASKED_MAX {
        match behind.next().now_or_never() {
            Some(Step::Event(told)) => {
                frame = Some(told);
                break;
            }
            Some(Step::Check) => behind.checked(),
            Some(Step::Position(_)) | None => tokio::time::sleep(Duration::from_millis(20)).await,
            Some(Step::Closing) => panic!("it ends"),
        }
    }
    let frame = frame.expect("nothing is told");
    assert_eq!(seq(&frame), 1);
    drop((behind, now));
    running.end().await;
});
