//! What browsers are told.

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;

use super::client::Served;
use crate::both;

both!(pages_of_named_origins_may_ask_and_no_others, |shop| {
    shop.item("MUG", 5).await;
    let origins = [("server.cors_origins", "https://shop.example.com, http://localhost:3000")];
    let served = Served::configured(&shop, &origins).await;
    let web = served.client("web", "storefront").await;
    let nobody = served.with_key(None);
    for (origin, allowed) in [
        ("https://shop.example.com", true),
        ("http://localhost:3000", true),
        ("https://shop.example.com.evil.example", false),
        ("null", false),
    ] {
        // The browser asks before the page does, and shows no key.
        let asked = nobody.request(Method::OPTIONS, "/v1/orders").header("origin", origin);
        let asked = asked
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,idempotency-key");
        let reply = nobody.send(asked).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let header = |name: &str| reply.headers.get(name).map(|one| one.to_str().unwrap());
        assert_eq!(header("access-control-allow-origin"), allowed.then_some(origin));
        assert!(header("access-control-allow-methods").unwrap().contains("POST"));
        assert!(header("access-control-allow-headers").unwrap().contains("idempotency-key"));
        assert_eq!(header("access-control-allow-credentials"), None, "no cookies");

        let asked = web.request(Method::GET, "/v1/inventory/MUG").header("origin", origin);
        let reply = web.send(asked).await;
        let told = reply.headers.get("access-control-allow-origin");
        assert_eq!((reply.status, told.is_some()), (200, allowed));
        // A page can read why it was refused, too.
        let asked = nobody.request(Method::GET, "/v1/inventory/MUG").header("origin", origin);
        let reply = nobody.send(asked).await;
        let told = reply.headers.get("access-control-allow-origin");
        assert_eq!((reply.status, told.is_some()), (401, allowed));
    }
    served.end().await;
    let served = Served::new(&shop).await;
    let nobody = served.with_key(None);
    let asked = nobody.request(Method::OPTIONS, "/v1/orders");
    let asked = asked.header("origin", "https://shop.example.com");
    let reply = nobody.send(asked.header("access-control-request-method", "POST")).await;
    assert!(!reply.headers.contains_key("access-control-allow-origin"), "{reply:?}");
    served.end().await;
});

both!(every_answer_says_that_it_is_no_page, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    let nobody = served.with_key(None);
    for reply in [
        web.get("/v1/inventory/MUG").await,
        web.get("/v1/inventory/NONE").await,
        web.post("/v1/orders", &json!({})).await,
        nobody.get("/v1/orders").await,
        nobody.get("/nowhere").await,
        nobody.get("/healthz").await,
    ] {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(reply.headers[name], value, "{reply:?}");
        }
        assert!(!reply.headers.contains_key("strict-transport-security"), "it is plain HTTP");
    }
    // There are keys with the first token.
    let (id, secret) = web.key().strip_prefix("inv_").unwrap().split_once('_').unwrap();
    let basic = (id.to_owned(), secret.to_owned());
    let form = [("grant_type", "client_credentials".to_owned())];
    assert_eq!(served.oauth(&form, Some(basic)).await.status, 200);
    let keys = nobody.get("/.well-known/jwks.json").await;
    assert_eq!(keys.headers["cache-control"], "public, max-age=300");
    served.end().await;
});

both!(long_lists_are_compressed_for_who_takes_it, |shop| {
    for number in 0..100 {
        shop.item(&format!("MUG-{number}"), 5).await;
    }
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    // A client that does not unpack what it gets.
    let http = crate::harness::http().gzip(false).build().unwrap();
    let list = async |encoding: &str| {
        let request = http.get(format!("{}/v1/inventory?limit=100", served.base()));
        let request = request.bearer_auth(web.key()).header("accept-encoding", encoding);
        let response = request.send().await.unwrap();
        let packed = response.headers().get("content-encoding").cloned();
        (packed, response.bytes().await.unwrap().len())
    };
    let (packed, plain) = list("identity").await;
    assert!(packed.is_none());
    let (packed, less) = list("gzip").await;
    assert!(packed.is_some_and(|one| one == "gzip") && less * 4 < plain, "{less} of {plain}");
    served.end().await;
});

// The bytes of both forms differ, so their tags do; whoever has one of them can ask and change by
// it, whatever it takes then.
both!(a_packed_answer_has_a_tag_of_its_own_that_conditions_know, |shop| {
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let much: String = "red ".repeat(1_000);
    let item = json!({ "sku": "MUG", "attributes": { "about": much } });
    assert_eq!(office.post("/v1/inventory", &item).await.status, 201);
    let http = crate::harness::http().gzip(false).build().unwrap();
    let ask = async |method: Method, coding: &str, condition: Option<(&str, &HeaderValue)>| {
        let request = http.request(method.clone(), format!("{}/v1/inventory/MUG", served.base()));
        let mut request = request.bearer_auth(office.key()).header("accept-encoding", coding);
        if let Some((name, tag)) = condition {
            request = request.header(name, tag);
        }
        if method == Method::PUT {
            request = request.json(&json!({ "title": "Mug" }));
        }
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        assert_eq!(headers.get_all("vary").iter().count(), 1, "{headers:?}");
        let is_packed = headers.contains_key("content-encoding");
        (response.status().as_u16(), headers["etag"].clone(), is_packed)
    };
    let (_, plain, _) = ask(Method::GET, "identity", None).await;
    let (_, packed, is_packed) = ask(Method::GET, "gzip", None).await;
    assert!(is_packed);
    let open = plain.to_str().unwrap().strip_suffix('"').unwrap();
    assert_eq!(packed.to_str().unwrap(), format!("{open}-gzip\""));
    for coding in ["identity", "gzip"] {
        for tag in [&plain, &packed] {
            let (status, told, _) = ask(Method::GET, coding, Some(("if-none-match", tag))).await;
            assert_eq!((status, &told), (304, tag), "{coding}");
        }
    }
    // What a change answers is packed, too, and its tag is good for the next one.
    let (status, changed, is_packed) = ask(Method::PUT, "gzip", Some(("if-match", &packed))).await;
    assert_eq!((status, is_packed), (200, true));
    let (status, again, _) = ask(Method::PUT, "identity", Some(("if-match", &changed))).await;
    assert_eq!(status, 200);
    assert_ne!(again, plain);
    let stale = office.request(Method::PUT, "/v1/inventory/MUG").header("if-match", &packed);
    let stale = office.send(stale.json(&json!({ "title": "Cup" }))).await;
    assert_eq!((stale.status, stale.code()), (412, "version_conflict"));

    let profile = json!({ "email": "a@example.com", "attributes": { "about": much } });
    let made = office.post("/v1/users", &profile).await;
    assert_eq!((made.status, &made.headers["etag"]), (201, &"\"1-gzip\"".parse().unwrap()));
    let path = format!("/v1/users/{}", made.body["user_id"].as_str().unwrap());
    let change = office.request(Method::PUT, &path).header("if-match", &made.headers["etag"]);
    let change = office.send(change.json(&json!({ "name": "A" }))).await;
    assert_eq!((change.status, &change.headers["etag"]), (200, &"\"2-gzip\"".parse().unwrap()));
    served.end().await;
});
