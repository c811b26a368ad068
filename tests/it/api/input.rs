//! Whoever asks wrongly is told what is wrong, and nothing is written.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::client::{Client, Served};
use crate::both;
use crate::raw::Raw;

both!(keys_open_what_their_role_may_do, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let order = json!({ "order_id": "1", "lines": [{ "sku": "MUG", "quantity": 1 }] });
    let receipt = json!({ "kind": "receipt", "quantity": 1 });
    let attempts = async |client: &Client| {
        [
            client.get("/v1/inventory/MUG").await.status,
            client.get("/v1/inventory/MUG/movements").await.status,
            client.post("/v1/inventory/MUG/movements", &receipt).await.status,
            client.get("/v1/orders").await.status,
            client.post("/v1/orders", &order).await.status,
            client.post("/v1/orders/1/payments", &json!({ "payment_id": "p" })).await.status,
        ]
    };
    let reader = served.client("till", "reader").await;
    assert_eq!(attempts(&reader).await, [200, 200, 403, 200, 403, 403]);
    let storefront = served.client("web", "storefront").await;
    assert_eq!(attempts(&storefront).await, [200, 403, 403, 200, 201, 403]);
    let operator = served.client("office", "operator").await;
    assert_eq!(attempts(&operator).await, [200, 200, 201, 200, 201, 200]);
    let wrong = "inv_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned();
    for key in [None, Some(wrong), Some("x".to_owned())] {
        let stranger = served.with_key(key);
        assert_eq!(attempts(&stranger).await, [401; 6]);
        let challenge = &stranger.get("/v1/orders").await.headers["www-authenticate"];
        assert!(challenge.to_str().unwrap().starts_with(r#"Bearer realm="invshop""#));
        assert_eq!(stranger.get("/healthz").await.status, 200);
        assert_eq!(stranger.get("/readyz").await.status, 200);
    }
    served.end().await;
});

both!(keys_end_when_they_expire_or_are_revoked, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let (one, two) = (served.client("one", "reader").await, served.client("two", "reader").await);
    let mut raw = Raw::open(&shop.opening.place).await;
    let of = |name: &str| format!("(select id from account where name = '{name}')");
    raw.execute(&format!("update api_key set revoked_at = 1 where account_id = {}", of("one")))
        .await;
    raw.execute(&format!("update api_key set expires_at = 1 where account_id = {}", of("two")))
        .await;
    assert_eq!(one.get("/v1/inventory/MUG").await.status, 401);
    assert_eq!(two.get("/v1/inventory/MUG").await.status, 401);
    served.end().await;
});

both!(bad_input_is_refused_by_its_name, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let line = |quantity: Value| json!({ "sku": "MUG", "quantity": quantity });
    let order = |lines: Value| json!({ "order_id": "1", "lines": lines });
    let long = "x".repeat(201);
    for (body, status, field) in [
        (order(json!([line(json!("1"))])), 422, "lines[0].quantity"),
        (order(json!([line(json!(1.5))])), 422, "lines[0].quantity"),
        (order(json!([line(json!(0))])), 422, "lines[0].quantity"),
        (order(json!([line(json!(1)), line(json!(1_000_000_001))])), 422, "lines[1].quantity"),
        (order(json!([line(json!(u64::MAX))])), 422, "lines[0].quantity"),
        (order(json!([{ "sku": "M\u{0}G", "quantity": 1 }])), 422, "lines[0].sku"),
        (order(json!([{ "sku": long, "quantity": 1 }])), 422, "lines[0].sku"),
        (order(json!([{ "sku": "MUG", "quantity": 1, "price": 1 }])), 422, "lines[0].price"),
        (order(json!([])), 422, "lines"),
        (order(json!({})), 422, "lines"),
        (json!({ "order_id": long, "lines": [line(json!(1))] }), 422, "order_id"),
        (json!({ "order_id": "a:b", "lines": [line(json!(1))] }), 422, "order_id"),
        (json!({ "lines": [line(json!(1))] }), 422, "order_id"),
    ] {
        let reply = client.post("/v1/orders", &body).await;
        assert_eq!(reply.status, status, "{body} {reply:?}");
        let said = reply.body.to_string();
        assert!(said.contains(field), "{field}: {said}");
    }
    for (bytes, status, code) in [
        (b"{\"order_id\":\"1\",\"order_id\":\"2\"}".to_vec(), 422, "invalid"),
        (b"{\"order_id\":\"1\"".to_vec(), 400, "malformed_json"),
        (b"{\"order_id\":\"\xff\xfe\"}".to_vec(), 400, "malformed_json"),
        (vec![b'['; 100_000], 422, "invalid"),
        (b"{\"lines\":".repeat(100_000), 422, "invalid"),
        (b"[\"1\",[{\"sku\":\"MUG\",\"quantity\":1}]]".to_vec(), 422, "invalid"),
        (vec![b' '; 1024 * 1024 + 1], 413, "body_too_large"),
        (vec![b' '; 7 * 1024 * 1024], 413, "body_too_large"),
        (Vec::new(), 400, "malformed_json"),
    ] {
        let request = client.request(Method::POST, "/v1/orders");
        let request = request.header("content-type", "application/json").body(bytes);
        let reply = client.send(request).await;
        assert_eq!((reply.status, reply.code()), (status, code), "{reply:?}");
    }
    let reply = client.send(client.request(Method::POST, "/v1/orders").body("{}")).await;
    assert_eq!((reply.status, reply.code()), (415, "unsupported_media_type"));
    for (path, status) in [
        ("/v1/inventory?limit=0", 422),
        ("/v1/inventory?limit=501", 422),
        ("/v1/inventory?colour=red", 422),
        ("/v1/inventory?status=old", 422),
        ("/v1/orders?cursor=x", 422),
        ("/v1/orders?placed_since=yesterday", 422),
        ("/v1/inventory/NONE", 404),
        ("/v1/inventory/NONE/movements", 404),
        ("/v1/inventory/a%00b", 404),
        ("/v1/inventory/a%FFb", 400),
        ("/v1/nothing", 404),
        ("/v1/orders/1/payments", 405),
    ] {
        assert_eq!(client.get(path).await.status, status, "{path}");
    }
    let request = client.request(Method::POST, "/v1/inventory/MUG/movements");
    let request = request.header("Idempotency-Key", "k".repeat(201));
    let reply = client.send(request.json(&json!({ "kind": "receipt", "quantity": 1 }))).await;
    assert_eq!((reply.status, &reply.body["field"]), (422, &json!("Idempotency-Key")));
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders").await, 0);
    assert_eq!(raw.number("select cast(sum(on_hand) as bigint) from level").await, 5);
    served.end().await;
});

both!(a_body_that_breaks_off_writes_nothing, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let request = client.request(Method::POST, "/v1/orders").build().unwrap();
    let (host, key) = (request.url().clone(), &request.headers()["authorization"]);
    let address = format!("{}:{}", host.host_str().unwrap(), host.port().unwrap());
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"order_id\"",
        key.to_str().unwrap()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(9), read).await.unwrap().unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders").await, 0);
    served.end().await;
});

both!(what_no_text_can_hold_is_refused_in_every_query, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    for path in [
        "/v1/inventory?q=%00",
        "/v1/inventory?cursor=a%00b",
        "/v1/inventory?status=%00",
        "/v1/inventory/MUG/movements?cursor=%00",
        "/v1/orders?channel=%00",
        "/v1/orders?cursor=%00",
        "/v1/orders?status=%0A",
        "/v1/inventory/MUG/explain?channel=%00",
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 422, "{path}: {answer:?}");
    }
    assert_eq!(client.get("/v1/inventory?q=%20").await.status, 200);
    served.end().await;
});

both!(what_an_item_is_said_to_be_has_an_end, |shop| {
    let served = Served::new(&shop).await;
    let client = served.client("office", "operator").await;
    let text = "x".repeat(17 * 1024);
    let item = json!({ "sku": "MUG", "attributes": { "text": text } });
    let answer = client.post("/v1/inventory", &item).await;
    assert_eq!((answer.status, answer.code()), (422, "invalid"), "{answer:?}");
    assert_eq!(client.get("/v1/inventory/MUG").await.status, 404);
    served.end().await;
});
