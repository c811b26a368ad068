//! Who asks for too much is told when to come again; everybody else notices nothing.

use std::time::Instant;

use invshop::domain::AccountName;
use invshop::ledger::catalogue::NewKey;
use invshop::secret::ApiKey;
use invshop::writer::Command;
use reqwest::Method;
use serde_json::Value;

use super::client::{Client, Served};
use crate::both;

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
    let (refused, ()) = tokio::join!(futures_util::future::join_all(flood), modest);
    assert!(refused.iter().all(|refused| *refused >= 300), "{refused:?}");
    served.end().await;
});
