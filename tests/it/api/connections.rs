//! Connections are bounded, in all and of one machine. Neither database has a part in it.

use std::net::SocketAddr;
use std::time::Duration;

use invshop::api::Manner;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::client::{Served, manner};
use crate::events::listener::{Socket, Told};
use crate::harness::{Backend, TestShop};

/// How long an answer may take where there is room: less than a connection that says nothing
/// is left alone.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opens_all_connections_it_can_leaves_room_for_others() {
    const ALL: usize = 12;
    let shop = TestShop::new(Backend::Sqlite).await;
    let bounds = Manner { connections_max: ALL, connections_of_one_max: ALL / 2, ..manner() };
    let served = Served::over(&shop, bounds, &[]).await;
    let address: SocketAddr = served.base().strip_prefix("http://").unwrap().parse().unwrap();
    let mut silent = Vec::new();
    for _ in 0..4 * ALL {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        silent.push(socket.connect(address).await.unwrap());
    }
    for _ in 0..40 {
        // Each over a connection of its own.
        let asked = served.with_key(None);
        let answer = timeout(PATIENCE, asked.get("/healthz")).await;
        assert_eq!(answer.expect("it is kept out").status, 200);
    }
    drop(silent);
    served.end().await;
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_among_the_connections_there_may_be() {
    const CONNECTIONS: usize = 3;
    let shop = TestShop::new(Backend::Sqlite).await;
    let bounds = Manner { connections_max: CONNECTIONS, ..manner() };
    let served = Served::over(&shop, bounds, &[]).await;
    let client = served.client("office", "operator").await;
    let mut sockets = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut socket = Socket::open(&client, "").await;
        assert!(matches!(socket.next().await, Told::Position(_)));
        sockets.push(socket);
    }
    let answer = timeout(Duration::from_millis(700), client.get("/healthz")).await;
    assert!(answer.is_err(), "a fourth is let in: {answer:?}");
    drop(sockets.pop());
    let answer = timeout(PATIENCE, client.get("/healthz")).await;
    assert_eq!(answer.expect("its place is not free").status, 200);
    drop(sockets);
    served.end().await;
    shop.end().await;
}
