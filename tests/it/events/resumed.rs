//! A consumer that is killed again and again sees every event exactly once, in order.

use std::time::Duration;

use futures_util::future::{join_all, join3};
use invshop::writer::Command;
use serde_json::Value;

use super::listener::{Socket, Sse, Told};
use crate::api::client::{Client, Served};
use crate::both;
use crate::dice::Dice;
use crate::harness::{TestShop, place};
use crate::raw::Raw;

/// How often a consumer is killed.
const KILLS: usize = 50;
/// Events that happen meanwhile.
const EVENTS: i64 = 10_000;
/// Lines of an order: each is an event beside the order's own.
const LINES: usize = 19;

/// Orders of a part.
const ORDERS: usize = 10;

/// Makes so many things happen, a part at a time: orders of this process, and rows that
/// another process wrote, as far as anybody here can tell.
async fn happen(shop: &TestShop, end: i64) {
    let skus: Vec<String> = (0..LINES).map(|number| format!("MUG-{number}")).collect();
    let lines: Vec<(&str, i64)> = skus.iter().map(|sku| (sku.as_str(), 1)).collect();
    let mut raw = Raw::open(&shop.opening.place).await;
    for part in 0.. {
        let orders = (0..ORDERS)
            .map(|number| shop.run(Command::Place(place(&format!("{part}-{number}"), &lines))));
        for answer in join_all(orders).await {
            answer.unwrap();
        }
        let left = end - shop.newest().await;
        raw.execute(&rows_of_others(left.min(800))).await;
        if left <= 800 {
            return;
        }
    }
}

/// So many entries that change no level.
fn rows_of_others(count: i64) -> String {
    format!(
        "with recursive n(value) as (select 1 union all select value + 1 from n where value < {count})
         insert into journal (seq, at, kind, effective_at, item_id)
         select last.seq + n.value, last.at, 'item.updated', last.at, (select min(id) from item)
         from (select max(seq) as seq, max(at) as at from journal) as last cross join n"
    )
}

/// A consumer: what it saw, and when it is killed next.
struct Consumer {
    seen: Vec<i64>,
    dice: Dice,
    kills: usize,
    left: i64,
}

impl Consumer {
    fn new(seed: u64) -> Self {
        Self { seen: Vec::new(), dice: Dice::new(seed), kills: 0, left: 0 }
    }

    fn last(&self) -> i64 {
        self.seen.last().copied().unwrap_or(0)
    }

    /// Takes what it is told; whether it goes on.
    fn take(&mut self, told: &Told) -> bool {
        let Told::Event(event) = told else {
            assert!(matches!(told, Told::Position(_)), "{told:?}");
            return true;
        };
        self.seen.push(event["seq"].as_i64().unwrap());
        self.left -= 1;
        self.left > 0
    }

    /// Whether it begins again: it is killed so often, and then reads to the end.
    fn begin(&mut self, end: i64) -> bool {
        if self.last() >= end {
            return false;
        }
        self.left = if self.kills < KILLS { self.dice.range(1, 340) } else { end - self.last() };
        self.left = self.left.min(end - self.last());
        self.kills += 1;
        true
    }

    fn check(&self, end: i64) {
        assert!(self.kills > KILLS, "{} kills", self.kills);
        assert!(self.seen.iter().copied().eq(1..=end), "{:?}", first_wrong(&self.seen));
    }
}

fn first_wrong(seen: &[i64]) -> Option<(usize, i64)> {
    let wrong = |(index, seq): &(usize, i64)| *seq != i64::try_from(index + 1).unwrap();
    seen.iter().copied().enumerate().find(wrong)
}

async fn by_sse(client: &Client, end: i64) -> Consumer {
    let mut consumer = Consumer::new(0x55e);
    while consumer.begin(end) {
        // What stands in the address is where it began; the header is newer.
        let mut sse = Sse::open(client, "?after=0", Some(consumer.last())).await;
        while consumer.take(&sse.next().await) {}
    }
    consumer
}

async fn by_socket(client: &Client, end: i64) -> Consumer {
    let mut consumer = Consumer::new(0x50c);
    while consumer.begin(end) {
        let query = format!("?after={}", consumer.last());
        let mut socket = Socket::open(client, &query).await;
        while consumer.take(&socket.next().await) {}
    }
    consumer
}

both!(a_consumer_killed_50_times_sees_each_event_once_in_order, |shop| {
    for number in 0..LINES {
        shop.item(&format!("MUG-{number}"), 1_000_000).await;
    }
    let served = Served::new(&shop).await;
    let client = served.client("audit", "admin").await;
    let end = shop.newest().await + EVENTS;
    let all = join3(by_sse(&client, end), by_socket(&client, end), happen(&shop, end));
    // Who lost an event would wait for ever: it is told again and again where it is.
    let (sse, socket, ()) = tokio::time::timeout(Duration::from_mins(2), all).await.unwrap();
    sse.check(end);
    socket.check(end);
    assert_eq!(shop.newest().await, end);
    served.end().await;
});

// The two are on one database as two nodes are, and neither hears the other's commits.
both!(what_one_node_writes_is_heard_at_another, |shop| {
    shop.item("MUG", 5).await;
    let (here, there) = (Served::new(&shop).await, Served::new(&shop).await);
    let client = there.client("office", "operator").await;
    let mut sse = Sse::open(&client, "", None).await;
    let mut socket = Socket::open(&client, "").await;
    for id in ["1", "2", "3"] {
        here.shop().submit(Command::Place(place(id, &[("MUG", 1)])), None).await.unwrap();
        let told = [sse.event().await, socket.event().await];
        assert_eq!(told[0], told[1], "both are told the same");
        assert_eq!(told[0]["type"], "order.placed");
        assert_eq!(told[0]["subject"]["order_id"], format!("cli:{id}"));
        let reserved: [Value; 2] = [sse.event().await, socket.event().await];
        assert_eq!(reserved[0]["type"], "stock.reserved");
        assert_eq!(reserved[0], reserved[1]);
    }
    drop((sse, socket));
    here.end().await;
    there.end().await;
});
