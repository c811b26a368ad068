//! Tokens: given for keys, believed while they are to be believed, and for nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invshop::access::{self, ROTATION_LEAD_SECONDS, Rotation, TOKEN_SECONDS_MAX};
use invshop::writer::Command;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
};
use serde_json::{Value, json};

use super::client::{Client, Served};
use crate::both;
use crate::harness::TestShop;
use crate::raw::Raw;

/// The form of a client with a key.
pub(super) fn form(key: &str) -> Vec<(&'static str, String)> {
    let (id, secret) = key.strip_prefix("inv_").unwrap().split_once('_').unwrap();
    vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", id.to_owned()),
        ("client_secret", secret.to_owned()),
    ]
}

/// A token for a key.
pub(super) async fn token(served: &Served, key: &str) -> String {
    let reply = served.oauth(&form(key), None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["access_token"].as_str().unwrap().to_owned()
}

pub(super) fn holder(served: &Served, token: &str) -> Client {
    served.with_key(Some(token.to_owned()))
}

fn millis(seconds: i64) -> u64 {
    u64::try_from(seconds * 1000).unwrap()
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

both!(a_key_is_exchanged_for_a_token_that_does_what_the_key_may, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    let (id, secret) = web.key().strip_prefix("inv_").unwrap().split_once('_').unwrap();
    let grant = [("grant_type", "client_credentials".to_owned())];
    for basic in [
        (id.to_owned(), secret.to_owned()),
        (format!("inv_{id}"), web.key().to_owned()),
        (id.to_owned(), web.key().to_owned()),
    ] {
        let reply = served.oauth(&grant, Some(basic)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert_eq!(reply.body["token_type"], "Bearer");
        assert_eq!(reply.body["expires_in"], 300);
        assert_eq!(
            reply.body["scope"],
            "stock:read orders:read orders:place users:read users:write events:read"
        );
        let token = reply.body["access_token"].as_str().unwrap();
        let (header, claims) = (part(token, 0), part(token, 1));
        assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("at+jwt")));
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("web"), &json!(id)));
        assert_eq!(holder(&served, token).get("/v1/inventory/MUG").await.status, 200);
    }
    let one = holder(&served, &token(&served, web.key()).await);
    let order = json!({ "order_id": "1", "lines": [{ "sku": "MUG", "quantity": 1 }] });
    assert_eq!(one.post("/v1/orders", &order).await.status, 201);
    // The holder of key and token is one: the order is its own under both.
    assert_eq!(web.post("/v1/orders", &order).await.status, 200);
    assert_eq!(one.get("/v1/inventory/MUG/movements").await.status, 403);

    let mut less = form(web.key());
    less.push(("scope", "stock:read".to_owned()));
    let reply = served.oauth(&less, None).await;
    assert_eq!(reply.body["scope"], "stock:read");
    let reader = holder(&served, reply.body["access_token"].as_str().unwrap());
    assert_eq!(reader.get("/v1/inventory/MUG").await.status, 200);
    let refused = reader.get("/v1/orders/1").await;
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    assert_eq!(
        refused.headers["www-authenticate"],
        r#"Bearer realm="invshop", error="insufficient_scope", scope="orders:read""#
    );
    served.end().await;
});

both!(who_asks_for_a_token_wrongly_is_told_in_the_words_of_oauth, |shop| {
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    let good = form(web.key());
    let with = |name: &'static str, value: &str| {
        let mut form = good.clone();
        form.retain(|(one, _)| *one != name);
        form.push((name, value.to_owned()));
        form
    };
    let without = |name: &str| {
        let kept = good.iter().filter(|(one, _)| *one != name).cloned();
        kept.collect::<Vec<_>>()
    };
    let wrong_secret = "a".repeat(32);
    let twice: Vec<_> = good.iter().chain(&good).cloned().collect();
    for (form, status, error) in [
        (without("grant_type"), 400, "invalid_request"),
        (with("grant_type", "password"), 400, "unsupported_grant_type"),
        (with("scope", "stock:everything"), 400, "invalid_scope"),
        (with("scope", "stock:write"), 400, "invalid_scope"),
        (with("client_secret", &wrong_secret), 401, "invalid_client"),
        (with("client_id", "aaaaaaaa"), 401, "invalid_client"),
        (with("client_id", "not an id"), 401, "invalid_client"),
        (without("client_secret"), 401, "invalid_client"),
        (twice, 400, "invalid_request"),
    ] {
        let reply = served.oauth(&form, None).await;
        assert_eq!((reply.status, reply.code()), (status, error), "{form:?} {reply:?}");
        assert_eq!(reply.body["error"], error);
        assert_eq!(reply.headers["cache-control"], "no-store");
        let challenge = reply.headers.get("www-authenticate");
        assert_eq!(challenge.is_some(), status == 401, "{reply:?}");
    }
    let both = served.oauth(&good, Some(("a".to_owned(), "b".to_owned()))).await;
    assert_eq!((both.status, both.code()), (400, "invalid_request"));
    // Not a form at all.
    let reply = served.with_key(None).post("/oauth/token", &json!({ "grant_type": "x" })).await;
    assert_eq!((reply.status, reply.code()), (400, "invalid_request"));
    served.end().await;
});

/// The key that signs, as whoever stole it would have it.
async fn stolen(shop: &TestShop) -> (String, EcdsaKeyPair) {
    let mut raw = Raw::open(&shop.opening.place).await;
    let kid = raw.texts("select kid from signing_key").await.remove(0);
    let hex = match &raw {
        Raw::Sqlite(_) => "select hex(sealed) from signing_key",
        Raw::Postgres(_) => "select encode(sealed, 'hex') from signing_key",
    };
    let hex = raw.texts(hex).await.remove(0);
    let byte = |at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2).unwrap(), 16).unwrap();
    let sealed: Vec<u8> = (0..hex.len() / 2).map(byte).collect();
    let private = shop.shop.key.open(&format!("signing.key {kid}"), &sealed).unwrap();
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private, &random);
    (kid, pair.unwrap())
}

fn stranger() -> EcdsaKeyPair {
    let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn sign(header: &Value, claims: &Value, pair: &EcdsaKeyPair) -> String {
    let message = unsigned(header, claims);
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

fn changed(value: &Value, name: &str, to: Value) -> Value {
    let mut value = value.clone();
    value[name] = to;
    value
}

fn without(value: &Value, name: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(name);
    value
}

/// A key over another curve, and what it signs under the name of the shop's.
fn other_curve(header: &Value, claims: &Value) -> String {
    let (random, algorithm) = (SystemRandom::new(), &ECDSA_P384_SHA384_FIXED_SIGNING);
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
    sign(&changed(header, "alg", json!("ES384")), claims, &pair)
}

/// An HMAC under what is published of the shop's key, as if it were a secret.
fn confused(header: &Value, claims: &Value, published: &Value) -> String {
    let message = unsigned(&changed(header, "alg", json!("HS256")), claims);
    let coordinate =
        |name: &str| URL_SAFE_NO_PAD.decode(published[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &point);
    let tag = ring::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

both!(a_forged_or_damaged_token_opens_nothing, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let web = served.client("web", "operator").await;
    let good = token(&served, web.key()).await;
    let (header, claims) = (part(&good, 0), part(&good, 1));
    let signature = good.rsplit_once('.').unwrap().1;
    let (kid, key) = stolen(&shop).await;
    assert_eq!(header["kid"], kid);
    // What is forged below fails for what is wrong with it, and for nothing else.
    let again = holder(&served, &sign(&header, &claims, &key));
    assert_eq!(again.get("/v1/inventory/MUG").await.status, 200);
    let published = served.with_key(None).get("/.well-known/jwks.json").await.body;
    let published = &published["keys"][0];
    let own = stranger();
    let of = |name, to| sign(&header, &changed(&claims, name, to), &key);
    let headed = |name, to| sign(&changed(&header, name, to), &claims, &key);
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    let none = changed(&header, "alg", json!("none"));
    let admin = unsigned(&header, &changed(&claims, "role", json!("admin")));
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "alg": "ES256" });
    let forged = [
        ("no algorithm and no signature", format!("{}.", unsigned(&none, &claims))),
        ("no algorithm", format!("{}.{signature}", unsigned(&none, &claims))),
        ("a public key as a secret", confused(&header, &claims, published)),
        ("another curve", other_curve(&header, &claims)),
        ("another key under the name", sign(&header, &claims, &own)),
        ("a key it brings along", sign(&changed(&header, "jwk", jwk), &claims, &own)),
        ("a key that is not known", headed("kid", json!("another"))),
        ("a key from somewhere", sign(&changed(&header, "kid", json!("../x")), &claims, &own)),
        ("no key", sign(&without(&header, "kid"), &claims, &key)),
        ("another kind of token", headed("typ", json!("JWT"))),
        ("another issuer", of("iss", json!("urn:invshop:another"))),
        ("no issuer", sign(&header, &without(&claims, "iss"), &key)),
        ("another audience", of("aud", json!("another"))),
        ("no audience", sign(&header, &without(&claims, "aud"), &key)),
        ("no end", sign(&header, &without(&claims, "exp"), &key)),
        ("the end was", of("exp", json!(iat))),
        ("an end that is far", of("exp", json!(iat + TOKEN_SECONDS_MAX + 1))),
        ("a beginning to come", of("iat", json!(exp - 10))),
        ("a role there is not", of("role", json!("owner"))),
        ("a scope there is not", of("scope", json!("stock:everything"))),
        ("other claims", format!("{admin}.{signature}")),
        ("half a signature", good.get(..good.len() - 40).unwrap().to_owned()),
        ("no signature", unsigned(&header, &claims)),
        ("half a token", good.get(..good.len() / 2).unwrap().to_owned()),
        ("a fourth part", format!("{good}.{signature}")),
        ("much too long", format!("{good}{}", "A".repeat(10_000))),
        ("nonsense", "..".to_owned()),
    ];
    for (what, token) in forged {
        let reply = holder(&served, &token).get("/v1/inventory/MUG").await;
        assert_eq!((reply.status, reply.code()), (401, "unauthorized"), "{what}: {reply:?}");
        let challenge = reply.headers["www-authenticate"].to_str().unwrap();
        let start = r#"Bearer realm="invshop", error="invalid_token", error_description=""#;
        assert!(challenge.starts_with(start), "{what}: {challenge}");
    }
    // More rights than its role has are none.
    let storefront = changed(&claims, "role", json!("storefront"));
    let reader = holder(&served, &sign(&header, &storefront, &key));
    assert_eq!(reader.get("/v1/inventory/MUG").await.status, 200);
    assert_eq!(reader.get("/v1/inventory/MUG/movements").await.status, 403);
    served.end().await;
});

both!(a_token_ends_by_itself_and_with_its_key, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let (web, till) = (served.client("web", "reader").await, served.client("till", "reader").await);
    let (first, second) = (token(&served, web.key()).await, token(&served, till.key()).await);
    let status = async |token: &str| holder(&served, token).get("/v1/inventory/MUG").await.status;
    assert_eq!((status(&first).await, status(&second).await), (200, 200));
    let prefix = till.key().get(4..12).unwrap().to_owned();
    shop.run(Command::RevokeKey(prefix)).await.unwrap();
    shop.clock.advance_millis(5_000);
    assert_eq!((status(&first).await, status(&second).await), (200, 401), "its key was revoked");
    shop.clock.advance_millis(294_000);
    assert_eq!(status(&first).await, 200);
    shop.clock.advance_millis(1_000);
    assert_eq!(status(&first).await, 401, "five minutes are over");

    // A token outlives no key.
    let mut raw = Raw::open(&shop.opening.place).await;
    let soon = shop.clock_now().as_millis() + 60_000;
    let query = format!(
        "update api_key set expires_at = {soon} where prefix = '{}'",
        web.key().get(4..12).unwrap()
    );
    raw.execute(&query).await;
    shop.clock.advance_millis(1_000);
    let reply = served.oauth(&form(web.key()), None).await;
    assert_eq!(reply.body["expires_in"], 59, "{reply:?}");
    served.end().await;
});

both!(the_first_key_is_made_once_however_many_ask, |shop| {
    shop.item("MUG", 5).await;
    let nodes = [Served::new(&shop).await, Served::new(&shop).await];
    let web = nodes[0].client("web", "reader").await;
    // Both know that there is none.
    for node in &nodes {
        let keys = node.with_key(None).get("/.well-known/jwks.json").await;
        assert_eq!(keys.body, json!({ "keys": [] }));
        assert_eq!(keys.headers["cache-control"], "no-store");
    }
    let asks = (0..20).map(|ask| token(&nodes[ask % 2], web.key()));
    let tokens = futures_util::future::join_all(asks).await;
    shop.clock.advance_millis(5_000);
    for token in &tokens {
        for node in &nodes {
            assert_eq!(holder(node, token).get("/v1/inventory/MUG").await.status, 200);
        }
    }
    let keys = access::signing_keys(&shop.shop).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.state).collect::<Vec<_>>(), ["signs"]);
    for node in nodes {
        node.end().await;
    }
});

both!(signing_keys_are_exchanged_without_anybody_noticing, |shop| {
    shop.item("MUG", 5).await;
    let (one, two) = (Served::new(&shop).await, Served::new(&shop).await);
    let web = one.client("web", "reader").await;
    let signer = |token: &str| part(token, 0)["kid"].as_str().unwrap().to_owned();
    let published = async |served: &Served| {
        let reply = served.with_key(None).get("/.well-known/jwks.json").await;
        let keys = reply.body["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let status = async |served: &Served, token: &str| {
        holder(served, token).get("/v1/inventory/MUG").await.status
    };
    let first = token(&one, web.key()).await;
    let old = signer(&first);
    // A node that did not sign it, and knew of no key.
    assert_eq!(status(&two, &first).await, 200);
    let new = access::rotate(&shop.shop, Rotation::Smooth).await.unwrap();
    shop.clock.advance_millis(5_000);
    assert_eq!(published(&two).await, [old.clone(), new.clone()], "published before it signs");
    assert_eq!(signer(&token(&one, web.key()).await), old);
    shop.clock.advance_millis(millis(ROTATION_LEAD_SECONDS) - 6_000);
    let last = token(&one, web.key()).await;
    assert_eq!(signer(&last), old);
    shop.clock.advance_millis(6_000);
    let next = token(&one, web.key()).await;
    assert_eq!(signer(&next), new);
    for token in [&last, &next] {
        assert_eq!((status(&one, token).await, status(&two, token).await), (200, 200));
    }
    shop.clock.advance_millis(millis(TOKEN_SECONDS_MAX));
    assert_eq!(published(&two).await, [new.as_str()]);

    // A key that somebody else has ends at once, and all it signed.
    let before = token(&two, web.key()).await;
    assert_eq!((status(&one, &before).await, status(&two, &before).await), (200, 200));
    let newest = access::rotate(&shop.shop, Rotation::AtOnce).await.unwrap();
    shop.clock.advance_millis(5_000);
    assert_eq!((status(&one, &before).await, status(&two, &before).await), (401, 401));
    assert_eq!(published(&one).await, [newest.as_str()]);
    assert_eq!(signer(&token(&two, web.key()).await), newest);
    let states: Vec<_> = access::signing_keys(&shop.shop).await.unwrap();
    let states: Vec<_> = states.iter().map(|key| (key.kid.as_str(), key.state)).collect();
    assert_eq!(states, [(new.as_str(), "ended"), (newest.as_str(), "signs")]);
    let mut raw = Raw::open(&shop.opening.place).await;
    let noted = "select count(*) from journal where kind = 'signing.rotated'";
    assert_eq!(raw.number(noted).await, 3);
    one.end().await;
    two.end().await;
});
