//! The same request again under the same key, when something happened in between: it is done
//! once, and its answer tells what is there now.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::client::{Client, Reply, Served};
use crate::both;

/// A request under a key, for what is in one of some versions.
fn tagged(request: RequestBuilder, key: &str, tags: &str) -> RequestBuilder {
    request.header("idempotency-key", key).header("if-match", tags)
}

both!(a_repetition_with_several_tags_is_one, |shop| {
    shop.item("MUG", 0).await;
    let served = Served::new(&shop).await;
    let office = served.client("office", "operator").await;
    let put = async |path: &str, key: &str, tags: &str, body: &Value| {
        office.send(tagged(office.request(Method::PUT, path), key, tags).json(body)).await
    };
    let user = office.post("/v1/users", &json!({ "email": "a@example.com" })).await;
    let user = format!("/v1/users/{}", user.body["user_id"].as_str().unwrap());
    let (item, title, name) =
        ("/v1/inventory/MUG", json!({ "title": "X" }), json!({ "name": "X" }));
    for (path, body, tags) in [
        (item, &title, [r#""1.1", "2.9""#, r#""2.9", "1.1""#, r#""2.9""#]),
        (user.as_str(), &name, [r#""1", "2""#, r#""2", "1""#, r#""2""#]),
    ] {
        let done = put(path, path, tags[0], body).await;
        assert_eq!((done.status, done.replayed), (200, false), "{done:?}");
        // It is of the second version now, which was meant too: that makes it nothing else.
        for tags in &tags[..2] {
            let again = put(path, path, tags, body).await;
            assert_eq!((again.status, again.replayed), (200, true), "{again:?}");
            assert_eq!(again.body["version"], 2);
        }
        assert_eq!(put(path, path, tags[2], body).await.code(), "idempotency_mismatch");
        let other = put(path, "k", r#""3.1", "4", "3", "4.1""#, body).await;
        assert_eq!((other.status, other.code()), (412, "version_conflict"), "{other:?}");
    }
    let remove = async || {
        let request = office.request(Method::DELETE, item);
        office.send(tagged(request, "gone", r#""2.1", "3.1""#)).await.status
    };
    assert_eq!((remove().await, remove().await), (204, 204));
    for kind in ["item.updated", "item.discontinued", "user.updated"] {
        assert_eq!(shop.count_of(kind).await, 1, "{kind}");
    }
    served.end().await;
});

/// All that a storefront does about somebody, each under a key of its own.
async fn all_about_somebody(web: &Client, user: &str) -> Vec<Reply> {
    let about = |path: String| (path, json!({ "name": "Quentin Quiet" }));
    let order = |id: &str| {
        let customer = json!({ "name": "Quentin Quiet" });
        json!({ "order_id": id, "lines": [{ "sku": "MUG", "quantity": 1 }], "user_id": user,
                "customer": customer })
    };
    let (changed, change) = about(format!("/v1/users/{user}"));
    let orders = || "/v1/orders".to_owned();
    let new = json!({ "email": "quiet@example.com", "name": "Quentin Quiet" });
    let mut replies = Vec::new();
    for (key, method, path, prefer, body) in [
        ("new", Method::POST, "/v1/users".to_owned(), "", new),
        ("changed", Method::PUT, changed, "", change),
        ("now", Method::POST, orders(), "", order("1")),
        ("later", Method::POST, orders(), "respond-async", order("2")),
    ] {
        let request = web.request(method, &path).header("idempotency-key", key);
        replies.push(web.send(request.header("prefer", prefer).json(&body)).await);
    }
    replies
}

both!(a_repetition_of_somebody_erased_tells_nothing_of_them, |shop| {
    shop.item("MUG", 9).await;
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    let first = all_about_somebody(&web, "usr_1").await;
    let statuses = |replies: &[Reply]| replies.iter().map(|one| one.status).collect::<Vec<_>>();
    assert_eq!(statuses(&first), [201, 200, 201, 202], "{first:?}");
    assert_eq!(first[0].body["user_id"], "usr_1");
    assert!(first.iter().all(|reply| reply.body.to_string().contains("Quentin")), "{first:?}");
    let erase = || {
        let request = web.request(Method::DELETE, "/v1/users/usr_1");
        web.send(request.header("idempotency-key", "gone"))
    };
    assert_eq!(erase().await.status, 204);
    let entries = shop.int("select count(*) from journal").await;

    let again = all_about_somebody(&web, "usr_1").await;
    assert_eq!(statuses(&again), [422, 404, 200, 200], "{again:?}");
    assert_eq!((again[0].code(), again[1].code()), ("unknown_user", "unknown_user"));
    assert!(again[2].replayed && again[3].replayed, "{again:?}");
    for reply in &again {
        let said = reply.body.to_string();
        assert!(!said.contains("Quentin") && !said.contains("quiet@"), "{said}");
        assert_eq!(reply.body.get("user_id"), None);
    }
    assert_eq!(erase().await.status, 204);
    assert_eq!(shop.int("select count(*) from journal").await, entries, "nothing is done again");
    served.end().await;
});
