//! People a storefront registers: what is known, whose they are, and taking it away.

use std::io::Read as _;
use std::time::Duration;

use futures_util::future::join_all;
use invshop::domain::{ExternalId, FulfilledBy, OrderRef, Payment};
use invshop::orders::{Import, ImportLine, LineRequest, Personal};
use invshop::writer::Command;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, Reply, Served};
use crate::backup::UNSEEN;
use crate::both;
use crate::daemon::Daemon;
use crate::harness::{Backend, TestShop, sku, units};
use crate::store::secrecy::{contains, everything};

/// What nobody may find: it stands nowhere else in this program or its tests.
const SEEDS: [&str; 6] = [
    "quietbuyer@secret-mail.example",
    "Quincy Sample-Buyer",
    "+49 170 99887766",
    "77 Hidden Lane",
    "Sampletown-under-Test",
    "prefers blue mugs",
];

fn someone() -> Value {
    json!({
        "email": SEEDS[0],
        "name": SEEDS[1],
        "phone": SEEDS[2],
        "address": { "street": SEEDS[3], "city": SEEDS[4] },
        "attributes": { "note": SEEDS[5] },
    })
}

fn order(id: &str, user: Option<&str>) -> Value {
    json!({
        "order_id": id,
        "lines": [{ "sku": "MUG", "quantity": 1 }],
        "customer": { "name": SEEDS[1], "street": SEEDS[3] },
        "user_id": user,
    })
}

async fn change(client: &Client, id: &str, tag: Option<&str>, body: &Value) -> Reply {
    let request = client.request(Method::PUT, &format!("/v1/users/{id}")).json(body);
    let request = match tag {
        Some(tag) => request.header("if-match", tag),
        None => request,
    };
    client.send(request).await
}

async fn erase(client: &Client, id: &str) -> Reply {
    client.send(client.request(Method::DELETE, &format!("/v1/users/{id}"))).await
}

async fn user_version(client: &Client, id: &str) -> i64 {
    client.get(&format!("/v1/users/{id}")).await.body["version"].as_i64().unwrap()
}

async fn erase_read(client: &Client, id: &str, tag: &str) -> Reply {
    let request = client.request(Method::DELETE, &format!("/v1/users/{id}"));
    client.send(request.header("if-match", tag)).await
}

fn id_of(reply: &Reply) -> String {
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    reply.body["user_id"].as_str().unwrap().to_owned()
}

both!(a_user_is_registered_once_and_changed_in_the_version_that_was_read, |shop| {
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    let made = web.post("/v1/users", &someone()).await;
    assert_eq!((made.status, &made.body["version"]), (201, &json!(1)), "{made:?}");
    let id = id_of(&made);
    assert_eq!(made.headers["location"], format!("/v1/users/{id}"));
    assert_eq!(made.headers["etag"], "\"1\"");
    assert_eq!(made.body["account"], "web");
    let again = web.post("/v1/users", &someone()).await;
    assert_eq!((again.status, again.replayed, id_of(&again)), (200, true, id.clone()));
    // The address in other letters is the same address, and of somebody who is known otherwise.
    let other = json!({ "email": SEEDS[0].to_uppercase(), "name": "Another" });
    let taken = web.post("/v1/users", &other).await;
    assert_eq!((taken.status, taken.code()), (409, "already_exists"));
    assert_eq!(taken.body["user_id"], json!(id));

    let path = format!("/v1/users/{id}");
    assert_eq!(web.get(&path).await.body, made.body);
    let known = web.send(web.request(Method::GET, &path).header("if-none-match", "\"1\"")).await;
    assert_eq!(known.status, 304);
    let changed = change(&web, &id, Some("\"1\""), &json!({ "phone": null, "name": "Q." })).await;
    assert_eq!((changed.status, &changed.body["version"]), (200, &json!(2)), "{changed:?}");
    assert_eq!((&changed.body["phone"], &changed.body["name"]), (&Value::Null, &json!("Q.")));
    assert_eq!(changed.body["address"], made.body["address"]);
    for tag in ["\"1\"", "W/\"2\"", "\"nothing\""] {
        let stale = change(&web, &id, Some(tag), &json!({ "name": "Late" })).await;
        assert_eq!((stale.status, stale.code()), (412, "version_conflict"), "{tag}");
    }
    let several = change(&web, &id, Some("\"1\", \"2\""), &json!({ "name": "R." })).await;
    assert_eq!((several.status, &several.body["version"]), (200, &json!(3)));
    let same = change(&web, &id, None, &json!({ "name": "R." })).await;
    assert_eq!((same.status, &same.body["version"], same.replayed), (200, &json!(3), true));

    // Under one key one change, whatever was known in between.
    let keyed = |name: &str| {
        let request = web.request(Method::PUT, &path).header("idempotency-key", "k1");
        request.json(&json!({ "name": name }))
    };
    assert_eq!(web.send(keyed("S.")).await.body["name"], "S.");
    assert_eq!(change(&web, &id, None, &json!({ "name": "T." })).await.status, 200);
    let replay = web.send(keyed("S.")).await;
    assert_eq!((replay.status, replay.replayed), (200, true), "{replay:?}");
    assert_eq!(replay.body["name"], "T.", "it is shown as it is now");
    assert_eq!(web.send(keyed("U.")).await.code(), "idempotency_mismatch");
    served.end().await;
});

both!(what_is_wrong_with_a_user_is_told_by_its_field, |shop| {
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    shop.item("MUG", 5).await;
    let with = |field: &str, value: Value| {
        let mut body = json!({ "email": "a@example.com" });
        body[field] = value;
        body
    };
    let card = "4242 4242 4242 4242";
    for (body, field) in [
        (json!({}), "email"),
        (with("email", json!("nobody")), "email"),
        (with("email", json!(7)), "email"),
        (with("name", json!("")), "name"),
        (with("name", json!(card)), "name"),
        (with("phone", json!("1".repeat(65))), "phone"),
        (with("address", json!("here")), "address"),
        (with("address", json!({ "a": { "b": [card] } })), "address"),
        (with("attributes", json!({ "n": 4_242_424_242_424_242_u64 })), "attributes"),
        (with("attributes", json!({ "n": "x".repeat(33_000) })), "attributes"),
    ] {
        let reply = web.post("/v1/users", &body).await;
        assert_eq!((reply.status, reply.code()), (422, "invalid"), "{reply:?}");
        assert_eq!(reply.body["field"], field, "{reply:?}");
        assert!(!reply.body.to_string().contains("4242"), "{reply:?}");
    }
    let unknown = web.post("/v1/users", &with("password", json!("x"))).await;
    assert_eq!(unknown.status, 422, "{unknown:?}");
    let mut paid = order("1", None);
    paid["customer"]["note"] = json!(card);
    let reply = web.post("/v1/orders", &paid).await;
    assert_eq!((reply.status, &reply.body["field"]), (422, &json!("customer")), "{reply:?}");
    let reason = json!({ "kind": "receipt", "quantity": 1, "reason": card });
    let office = served.client("office", "operator").await;
    let reply = office.post("/v1/inventory/MUG/movements", &reason).await;
    assert_eq!((reply.status, &reply.body["field"]), (422, &json!("reason")), "{reply:?}");
    for id in ["usr_1", "usr_x", "7", "usr_99999999999999999999"] {
        let reply = web.get(&format!("/v1/users/{id}")).await;
        assert_eq!((reply.status, reply.code()), (404, "unknown_user"), "{id}");
    }
    let reply = web.post("/v1/orders", &order("1", Some("usr_1"))).await;
    assert_eq!((reply.status, reply.code()), (422, "unknown_user"));
    assert_eq!(shop.int("select count(*) from users").await, 0);
    assert_eq!(shop.int("select count(*) from orders").await, 0);
    served.end().await;
});

both!(a_storefront_has_its_own_users_and_nobody_elses, |shop| {
    shop.item("MUG", 9).await;
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    let app = served.client("app", "storefront").await;
    let office = served.client("office", "operator").await;
    let id = id_of(&web.post("/v1/users", &someone()).await);
    // One person may be a customer of both: they are two users.
    let others = id_of(&app.post("/v1/users", &someone()).await);
    assert_ne!(id, others);
    for path in [format!("/v1/users/{id}"), format!("/v1/users/{id}/export")] {
        let reply = app.get(&path).await;
        assert_eq!((reply.status, reply.code()), (404, "unknown_user"), "{path}");
        assert_eq!(office.get(&path).await.status, 200, "{path}");
    }
    assert_eq!(change(&app, &id, None, &json!({ "name": "X" })).await.status, 404);
    assert_eq!(erase(&app, &id).await.status, 404);
    let reply = app.post("/v1/orders", &order("1", Some(&id))).await;
    assert_eq!((reply.status, reply.code()), (422, "unknown_user"));
    // Nor does anybody else order for them: the order would be another's than the user.
    assert_eq!(office.post("/v1/orders", &order("1", Some(&id))).await.code(), "unknown_user");
    assert_eq!(web.post("/v1/orders", &order("1", Some(&id))).await.body["user_id"], json!(id));
    let ids = async |client: &Client, path: &str, name: &str| {
        let reply = client.get(path).await;
        let data = reply.body["data"].as_array().unwrap().clone();
        data.iter().map(|one| one[name].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&web, "/v1/users", "user_id").await, std::slice::from_ref(&id));
    assert_eq!(ids(&office, "/v1/users", "user_id").await, [id.clone(), others.clone()]);
    let page = office.get("/v1/users?limit=1").await;
    assert_eq!(page.body["next_cursor"], json!(id));
    let rest = office.get(&format!("/v1/users?limit=1&cursor={id}")).await;
    assert_eq!(
        (&rest.body["data"][0]["user_id"], &rest.body["next_cursor"]),
        (&json!(others), &Value::Null)
    );
    assert_eq!(office.get("/v1/users?cursor=x").await.code(), "invalid");
    let orders = format!("/v1/orders?user_id={id}");
    assert_eq!(ids(&web, &orders, "order_id").await, ["1"]);
    assert_eq!(ids(&office, &orders, "order_id").await, ["web:1"]);
    assert_eq!(ids(&app, &orders, "order_id").await, [] as [&str; 0]);
    served.end().await;
});

both!(what_is_held_on_somebody_is_handed_over_and_erased_and_the_orders_stay, |shop| {
    shop.item("MUG", 9).await;
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    let id = id_of(&web.post("/v1/users", &someone()).await);
    for number in ["1", "2", "3"] {
        assert_eq!(web.post("/v1/orders", &order(number, Some(&id))).await.status, 201);
    }
    // One that waits for its decision is its own too.
    let later = web.request(Method::POST, "/v1/orders").header("prefer", "respond-async");
    assert_eq!(web.send(later.json(&order("4", Some(&id)))).await.status, 202);
    assert_eq!(web.post("/v1/orders", &order("5", None)).await.status, 201);

    let path = format!("/v1/users/{id}/export");
    let held = web.get(&path).await;
    let orders = held.body["orders"].as_array().unwrap();
    let ids: Vec<_> = orders.iter().map(|one| one["order_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["4", "3", "2", "1"]);
    for seed in SEEDS {
        assert!(held.body.to_string().contains(seed), "{seed}");
    }
    let page = web.get(&format!("{path}?limit=3")).await;
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let rest = web.get(&format!("{path}?limit=3&cursor={cursor}")).await;
    assert_eq!(rest.body["orders"][0]["order_id"], "1");
    assert_eq!(rest.body["next_cursor"], Value::Null);

    let version = user_version(&web, &id).await;
    for tag in [&format!("\"{}\"", version + 1), "W/\"1\"", "\"nothing\""] {
        let stale = erase_read(&web, &id, tag).await;
        assert_eq!((stale.status, stale.code()), (412, "version_conflict"), "{tag}");
    }
    let several = format!("\"99\", \"{version}\"");
    assert_eq!(erase_read(&web, &id, &several).await.status, 204);
    assert_eq!(erase(&web, &id).await.status, 204, "again is no error");
    assert_eq!(erase_read(&web, &id, &several).await.status, 204, "it was done");
    assert_eq!(web.get(&format!("/v1/users/{id}")).await.status, 404);
    assert_eq!(web.get(&path).await.status, 404);
    assert_eq!(change(&web, &id, None, &json!({ "name": "X" })).await.status, 404);
    assert_eq!(web.get("/v1/users").await.body["data"], json!([]));
    for number in ["1", "4"] {
        let one = web.get(&format!("/v1/orders/{number}")).await;
        assert_eq!(one.status, 200);
        assert_eq!((one.body.get("customer"), one.body.get("user_id")), (None, None));
    }
    assert!(web.get("/v1/orders/5").await.body.get("customer").is_some(), "others' stay");
    // The same order again is a replay, which brings nothing back.
    let replay = web.post("/v1/orders", &order("1", Some(&id))).await;
    assert_eq!((replay.status, replay.replayed), (200, true), "{replay:?}");
    assert_eq!(replay.body.get("customer"), None);
    assert_eq!(web.post("/v1/orders", &order("6", Some(&id))).await.code(), "unknown_user");
    // Nor does a file that still has the order as it was.
    let web_1 = OrderRef { source: "web".to_owned(), external_id: ExternalId::new("1").unwrap() };
    let random = shop.shop.random.as_ref();
    let personal = Personal::seal(&shop.shop.key, &web_1, &json!({ "email": SEEDS[0] }), random);
    let line = ImportLine {
        is_mapped: true,
        number: 1,
        request: LineRequest { sku: sku("MUG"), quantity: units(1), unit_price: None },
        shipped: units(0),
        came_back: units(0),
        fulfilled_by: FulfilledBy::Ledger,
    };
    let import = Import {
        is_current: false,
        reference: web_1,
        source_version: None,
        placed_at: 0,
        effective_at: None,
        payment: Payment::None,
        lines: vec![line],
        location: None,
        currency: None,
        personal: Some(personal),
    };
    shop.run(Command::Import(import)).await.unwrap();
    assert_eq!(shop.int("select count(*) from personal").await, 1, "only of the other order");
    let anew = id_of(&web.post("/v1/users", &someone()).await);
    assert_ne!(anew, id, "nobody gets an id that somebody had");
    assert_eq!(shop.count_of("user.erased").await, 1);
    served.end().await;
});

both!(of_many_who_register_one_address_one_does, |shop| {
    let (one, two) = (Served::new(&shop).await, Served::new(&shop).await);
    let web = one.client("web", "storefront").await;
    let other = two.with_key(Some(web.key().to_owned()));
    let name = |number: usize| json!({ "email": SEEDS[0], "name": format!("N{}", number % 4) });
    let asked = (0..24).map(|number| {
        let client = if number % 2 == 0 { &web } else { &other };
        async move { (number, client.post("/v1/users", &name(number)).await) }
    });
    let replies = join_all(asked).await;
    let made: Vec<_> = replies.iter().filter(|(_, reply)| reply.status == 201).collect();
    assert_eq!(made.len(), 1, "{replies:?}");
    let (winner, id) = (made[0].0 % 4, id_of(&made[0].1));
    for (number, reply) in &replies {
        let told = (reply.status, reply.body["user_id"].as_str());
        let expected = match (reply.status, number % 4 == winner) {
            (201, _) => 201,
            (_, true) => 200,
            (_, false) => 409,
        };
        assert_eq!(told, (expected, Some(id.as_str())), "{number}");
    }
    assert_eq!(shop.int("select count(*) from users").await, 1);
    two.end().await;
    one.end().await;
});

both!(an_order_that_meets_an_erasure_keeps_nothing_of_the_erased, |shop| {
    shop.item("MUG", 1000).await;
    let (one, two) = (Served::new(&shop).await, Served::new(&shop).await);
    let web = one.client("web", "storefront").await;
    let other = two.with_key(Some(web.key().to_owned()));
    for round in 0..12 {
        let id = id_of(&web.post("/v1/users", &someone()).await);
        let placing = (0..4).map(|number| {
            let client = if number % 2 == 0 { &web } else { &other };
            let body = order(&format!("{round}-{number}"), Some(&id));
            async move { client.post("/v1/orders", &body).await }
        });
        let (placed, erased) = tokio::join!(join_all(placing), erase(&other, &id));
        assert_eq!(erased.status, 204);
        for reply in placed {
            assert!(reply.status == 201 || reply.code() == "unknown_user", "{reply:?}");
        }
        let left = "select (select count(*) from personal)
                    + (select count(*) from order_user where user_id is not null)";
        assert_eq!(shop.int(left).await, 0, "round {round}");
    }
    two.end().await;
    one.end().await;
});

/// The bytes of what is sealed of the one user and the one order there are.
async fn sealed(shop: &TestShop) -> Vec<String> {
    let hex = match shop.backend() {
        Backend::Sqlite => "lower(hex(sealed))",
        Backend::Postgres => "encode(sealed, 'hex')",
    };
    let rows = format!("select {hex} from users union all select {hex} from personal");
    shop.texts(&rows).await.concat()
}

both!(nothing_personal_stands_in_clear_anywhere_and_nothing_sealed_once_it_is_erased, |shop| {
    shop.item("MUG", 9).await;
    let key = crate::daemon::key(&shop).await;
    let daemon = Daemon::start_with(&shop, &[("INVSHOP__TELEMETRY__LOG_LEVEL", "trace")]);
    let web = Client::new(daemon.base(), &key);
    let id = id_of(&web.post("/v1/users", &someone()).await);
    assert_eq!(web.post("/v1/orders", &order("1", Some(&id))).await.status, 201);
    // What is refused is told of too, without what it was.
    assert_eq!(web.post("/v1/users", &json!({ "email": SEEDS[0] })).await.status, 409);
    assert_eq!(change(&web, &id, None, &json!({ "name": null })).await.status, 200);
    assert_eq!(change(&web, &id, None, &json!({ "name": SEEDS[1] })).await.status, 200);
    let file = shop.dir().join("before.backup");
    let now = shop.clock_now();
    invshop::backup::write(&shop.shop.db, &file, (now, false), UNSEEN).await.unwrap();
    let sealed = sealed(&shop).await;
    assert_eq!(sealed.len(), 2);
    let secrets: Vec<&str> = SEEDS.iter().copied().chain([key.as_str()]).collect();
    let find = async |when: &str| {
        let all = everything(&shop).await;
        assert!(contains(&all, "MUG"), "what is there is found");
        for secret in &secrets {
            assert!(!contains(&all, secret), "{secret} stands in clear {when}");
            assert!(!daemon.said().contains(secret), "{secret} was logged {when}");
        }
        all
    };
    let before = find("before it was erased").await;
    let bytes = |hex: &String| {
        let pairs = (0..hex.len()).step_by(2);
        pairs
            .map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap())
            .collect::<Vec<u8>>()
    };
    let is_there = |all: &[u8], sealed: &String| match shop.backend() {
        Backend::Sqlite => all.windows(64).any(|window| window == &bytes(sealed)[..64]),
        Backend::Postgres => contains(all, sealed),
    };
    assert!(sealed.iter().all(|one| is_there(&before, one)), "what is sealed is found");
    let mut rows = String::new();
    let packed = std::fs::File::open(&file).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut rows).unwrap();
    assert!(rows.contains("MUG") && sealed.iter().all(|one| rows.contains(one)));
    for secret in &secrets {
        assert!(!contains(rows.as_bytes(), secret), "{secret} stands in clear in the backup");
    }
    // It stays as it was made: it lives as long as backups are kept.
    std::fs::remove_file(&file).unwrap();
    assert_eq!(erase(&web, &id).await.status, 204);
    // The log is cut off a moment later, beside the writer.
    let mut looks = 0;
    let remains = loop {
        let after = find("after it was erased").await;
        looks += 1;
        match sealed.iter().any(|one| is_there(&after, one)) {
            true if looks < 100 => tokio::time::sleep(Duration::from_millis(100)).await,
            remains => break remains,
        }
    };
    assert!(!remains, "what was sealed is still in the files");
    assert!(daemon.said().contains("users"), "the log tells of requests");
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
});
