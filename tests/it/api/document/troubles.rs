//! What is nobody's fault who asks: how each route says so.

use std::time::Duration;

use futures_util::future::join_all;
use invshop::api::Load;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::api::client::{Client, Served};
use crate::both;
use crate::events::listener::PATIENCE;
use crate::harness::{Backend, TestShop};

both!(what_fails_inside_says_nothing_of_it, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let admin = served.client("office", "admin").await;
    assert_eq!(admin.get("/v1/inventory/MUG").await.status, 200);
    shop.corrupt("alter table level rename to gone").await;
    let order = json!({ "order_id": "1", "lines": [{ "sku": "MUG", "quantity": 1 }] });
    for reply in [
        admin.get("/v1/inventory/MUG").await,
        admin.get("/v1/inventory").await,
        admin.post("/v1/orders", &order).await,
    ] {
        assert_eq!((reply.status, reply.code()), (500, "internal"), "{reply:?}");
        assert!(!reply.body.to_string().contains("level"), "{reply:?}");
    }
    shop.corrupt("alter table gone rename to level").await;
    assert_eq!(admin.get("/v1/inventory/MUG").await.status, 200);

    served.shop().db.close().await;
    let gone = (503, "database_unavailable");
    for path in ["/v1/inventory/MUG", "/v1/inventory", "/v1/orders", "/v1/orders/1"] {
        let reply = admin.get(path).await;
        assert_eq!((reply.status, reply.code()), gone, "{path}: {reply:?}");
        assert_eq!(reply.headers["retry-after"], "1");
    }
    let ready = admin.get("/readyz").await;
    assert_eq!((ready.status, ready.code()), (503, "not_ready"), "{ready:?}");
    let token = served.oauth(&crate::api::tokens::form(admin.key()), None).await;
    assert_eq!((token.status, token.code()), gone, "{token:?}");
    assert_eq!(admin.get("/healthz").await.status, 200);
    served.end().await;
});

/// Begins to send an order and does not go on.
async fn begin(admin: &Client) -> TcpStream {
    let mut stream =
        TcpStream::connect(admin.base().strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n",
        admin.key()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

// With as many bodies that do not come as there are places nobody else finds one, and then each
// is told; and a body is not waited for longer than it may take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_holds_its_place_and_is_not_waited_for() {
    let shop = TestShop::new(Backend::Sqlite).await;
    let held = Load { requests_max: 4, room_max: Duration::from_millis(1), body_max: 2 * PATIENCE };
    let served = Served::with_load(&shop, held).await;
    let admin = served.client("office", "admin").await;
    let streams = join_all((0..held.requests_max).map(|_| begin(&admin))).await;
    // They may still be on their way in: whoever comes meanwhile finds room.
    let refused = async {
        loop {
            let reply = admin.get("/v1/orders").await;
            if reply.status != 200 {
                return reply;
            }
        }
    };
    let refused = timeout(PATIENCE, refused).await.expect("nobody is refused");
    assert_eq!((refused.status, refused.code()), (503, "overloaded"), "{refused:?}");
    drop(streams);
    served.end().await;

    let short = Load { body_max: Duration::from_millis(50), ..Load::default() };
    let served = Served::with_load(&shop, short).await;
    let admin = served.client("clerk", "admin").await;
    let (mut stream, mut answer) = (begin(&admin).await, String::new());
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("it is waited for").unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"request_timeout\""), "{answer}");
    served.end().await;
    shop.end().await;
}
