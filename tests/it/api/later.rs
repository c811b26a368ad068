//! `Prefer: respond-async`: taken at once, decided by the daemon as they came, whatever
//! becomes of the daemon meanwhile.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, Reply, Served};
use crate::both;
use crate::daemon::{Daemon, key};
use crate::harness::{Backend, TestShop, has_postgres};
use crate::raw::Raw;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often the daemon is killed.
const KILLS: usize = 8;

fn order(id: &str, quantity: i64) -> Value {
    json!({ "order_id": id, "lines": [{ "sku": "MUG", "quantity": quantity }] })
}

async fn later(client: &Client, body: &Value) -> Reply {
    let request = client.request(Method::POST, "/v1/orders").json(body);
    client.send(request.header("Prefer", "wait=5, respond-async")).await
}

/// Asks for an order until it is decided.
async fn decided(client: &Client, path: &str) -> Reply {
    let began = Instant::now();
    loop {
        let reply = client.get(path).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        if reply.body["lines"][0]["waiting"].is_null() {
            return reply;
        }
        assert!(began.elapsed() < PATIENCE, "{path} is not decided");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// Nobody decides here: no daemon runs.
both!(an_order_that_waits_says_so, |shop| {
    shop.item("MUG", 3).await;
    let served = Served::new(&shop).await;
    let client = served.client("web", "storefront").await;
    let priced = json!({ "order_id": "A 1/x", "lines": [{ "sku": "MUG", "quantity": 2,
        "unit_price": { "amount": 500, "currency": "EUR" } }] });
    let taken = later(&client, &priced).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    assert_eq!(taken.headers["preference-applied"], "respond-async");
    assert_eq!(taken.headers["location"], "/v1/orders/A%201%2Fx");
    assert_eq!(taken.body["status"], "pending");
    assert_eq!(taken.body["total"], json!({ "amount": 1000, "currency": "EUR" }));
    let line = &taken.body["lines"][0];
    assert_eq!((&line["waiting"], &line["cancelled"]), (&json!(2), &json!(0)));
    assert_eq!(client.get("/v1/orders/A%201%2Fx").await.body, taken.body);
    assert_eq!(client.get("/v1/inventory/MUG").await.body["available_to_promise"], 3);
    let again = later(&client, &priced).await;
    assert_eq!((again.status, again.replayed), (200, true));
    let other = later(&client, &order("A 1/x", 1)).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_mismatch"));
    let unknown = json!({ "order_id": "2", "lines": [{ "sku": "NONE", "quantity": 1 }] });
    assert_eq!(later(&client, &unknown).await.code(), "unknown_sku");
    let cancelled = client.put("/v1/orders/A%201%2Fx/cancel", &json!({})).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("cancelled")));
    assert!(cancelled.body["lines"][0]["waiting"].is_null());
    served.end().await;
});

both!(a_daemon_decides_what_was_taken_before_it_began, |shop| {
    shop.item("MUG", 3).await;
    let served = Served::new(&shop).await;
    let client = served.client("web", "storefront").await;
    for (id, quantity) in [("1", 2), ("2", 2), ("3", 1)] {
        assert_eq!(later(&client, &order(id, quantity)).await.status, 202);
    }
    let daemon = Daemon::start(&shop);
    let mut statuses = Vec::new();
    for id in ["1", "2", "3"] {
        let reply = decided(&client, &format!("/v1/orders/{id}")).await;
        let code = reply.body["refusal"]["code"].as_str().unwrap_or("").to_owned();
        statuses.push((reply.body["status"].as_str().unwrap().to_owned(), code));
    }
    let of = |status: &str, code: &str| (status.to_owned(), code.to_owned());
    let expected = [of("open", ""), of("rejected", "insufficient_stock"), of("open", "")];
    assert_eq!(statuses, expected, "as they came");
    let rejected = client.get("/v1/orders/2").await.body;
    let shortage = json!([{ "sku": "MUG", "requested": 2, "available": 1 }]);
    assert_eq!(rejected["refusal"]["shortages"], shortage);
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
    served.end().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_sell_the_last_unit_once_to_whoever_came_first() {
    if !has_postgres() {
        return;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    shop.item("MUG", 1).await;
    let key = key(&shop).await;
    let nodes = [Daemon::start(&shop), Daemon::start(&shop)];
    let clients = nodes.each_ref().map(|node| Client::new(node.base(), &key));
    let place =
        async |number: usize| later(&clients[number % 2], &order(&number.to_string(), 1)).await;
    for reply in join_all((0..200).map(place)).await {
        assert_eq!(reply.status, 202, "{reply:?}");
    }
    for number in 0..200 {
        decided(&clients[0], &format!("/v1/orders/{number}")).await;
    }
    let mut raw = Raw::open(&shop.opening.place).await;
    let of = |status: &str| format!("select count(*) from orders where status = '{status}'");
    assert_eq!(raw.number(&of("open")).await, 1);
    assert_eq!(raw.number(&of("rejected")).await, 199);
    let twice = "select count(*) from (select order_id from journal
                 where kind in ('order.placed', 'order.rejected') and order_id is not null
                 group by order_id having count(*) > 1) as twice";
    assert_eq!(raw.number(twice).await, 0);
    for node in nodes {
        node.signal("-TERM");
        assert!(node.wait().success());
    }
    shop.end().await;
}

/// Takes orders until the daemon is gone; it is killed once so many were taken.
async fn take(daemon: &Daemon, client: &Client, round: usize) -> BTreeSet<String> {
    let mut taken = BTreeSet::new();
    for number in 0.. {
        let id = format!("{round}-{number}");
        let request = client.request(Method::POST, "/v1/orders").json(&order(&id, 1));
        let request = request.header("Prefer", "respond-async");
        match request.send().await {
            Ok(response) => assert_eq!(response.status().as_u16(), 202),
            Err(_) if number > 20 => break,
            Err(error) => panic!("{error:?}"),
        }
        taken.insert(id);
        if number == 20 + round {
            daemon.signal("-KILL");
        }
    }
    taken
}

both!(what_was_taken_is_decided_whenever_the_daemon_is_killed, |shop| {
    shop.item("MUG", 100).await;
    let key = key(&shop).await;
    let mut taken = BTreeSet::new();
    for round in 0..KILLS {
        let daemon = Daemon::start(&shop);
        let client = Client::new(daemon.base(), &key);
        taken.extend(take(&daemon, &client, round).await);
        assert!(!daemon.wait().success());
    }
    let daemon = Daemon::start(&shop);
    let client = Client::new(daemon.base(), &key);
    for id in &taken {
        decided(&client, &format!("/v1/orders/{id}")).await;
    }
    let mut raw = Raw::open(&shop.opening.place).await;
    let count = async |raw: &mut Raw, what: &str| {
        raw.number(&format!("select count(*) from orders where {what}")).await
    };
    let all = count(&mut raw, "1 = 1").await;
    assert!(all >= i64::try_from(taken.len()).unwrap(), "{all} of {}", taken.len());
    assert_eq!(count(&mut raw, "status = 'open'").await, 100.min(all));
    assert_eq!(count(&mut raw, "status = 'rejected'").await, (all - 100).max(0));
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
});
