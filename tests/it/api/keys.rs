//! Keys: a second one of the same holder changes nothing but the secret, and a
//! revoked one opens nothing.

use invshop::clock::Timestamp;
use invshop::domain::{AccountName, Refusal};
use invshop::ledger::catalogue::NewKey;
use invshop::secret::ApiKey;
use invshop::writer::{Command, WriteError};
use serde_json::json;

use super::client::Served;
use crate::both;
use crate::harness::TestShop;

fn new_key(shop: &TestShop, name: &str, role: &'static str) -> (ApiKey, NewKey) {
    let key = ApiKey::generate(shop.random().as_ref());
    let new = NewKey {
        account: AccountName::new(name).unwrap(),
        role,
        prefix: key.prefix().to_owned(),
        hash: key.hash(),
        expires_at: None,
    };
    (key, new)
}

both!(a_rotated_key_is_the_same_holder, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let (first, new) = new_key(&shop, "web", "storefront");
    shop.run(Command::CreateKey(new)).await.unwrap();
    let (second, new) = new_key(&shop, "web", "storefront");
    shop.run(Command::CreateKey(new)).await.unwrap();
    let [one, two] = [&first, &second].map(|key| served.with_key(Some(key.expose().to_owned())));
    let order = json!({ "order_id": "1", "lines": [{ "sku": "MUG", "quantity": 1 }] });
    assert_eq!(one.post("/v1/orders", &order).await.status, 201);
    let again = two.post("/v1/orders", &order).await;
    assert_eq!((again.status, again.replayed), (200, true));

    let revoke = || Command::RevokeKey(first.prefix().to_owned());
    assert!(!shop.run(revoke()).await.unwrap().replayed);
    assert!(shop.run(revoke()).await.unwrap().replayed, "a repeat changes nothing");
    // What a node believes of a key is a second old at most.
    shop.clock.advance_millis(1_000);
    assert_eq!(one.get("/v1/orders/1").await.status, 401);
    assert_eq!(two.get("/v1/orders/1").await.status, 200);
    let unknown = shop.run(Command::RevokeKey("aaaaaaaa".to_owned())).await;
    let refused = |reply| matches!(reply, Err(WriteError::Refused(Refusal::UnknownName { .. })));
    assert!(refused(unknown));
    served.end().await;
});

both!(a_key_holder_keeps_its_role_and_a_key_its_time, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let (_, new) = new_key(&shop, "web", "storefront");
    shop.run(Command::CreateKey(new)).await.unwrap();
    let (_, other) = new_key(&shop, "web", "admin");
    let reply = shop.run(Command::CreateKey(other)).await;
    assert!(matches!(reply, Err(WriteError::Refused(Refusal::Invalid { field: "role", .. }))));

    let (key, mut new) = new_key(&shop, "till", "reader");
    let now = shop.clock_now().as_millis();
    new.expires_at = Some(now);
    let reply = shop.run(Command::CreateKey(new.clone())).await;
    assert!(matches!(reply, Err(WriteError::Refused(Refusal::Invalid { field: "expires", .. }))));
    new.expires_at = Some(now + 1000);
    shop.run(Command::CreateKey(new)).await.unwrap();
    let till = served.with_key(Some(key.expose().to_owned()));
    assert_eq!(till.get("/v1/inventory/MUG").await.status, 200);
    shop.clock.set(Timestamp::from_millis(now + 1000).unwrap());
    assert_eq!(till.get("/v1/inventory/MUG").await.status, 401);
    let listed = invshop::reports::keys(&shop.shop.db).await.unwrap();
    let names: Vec<_> = listed.iter().map(|key| (key.name.as_str(), key.role.as_str())).collect();
    assert_eq!(names, [("admin", "admin"), ("till", "reader"), ("web", "storefront")]);
    served.end().await;
});

both!(the_last_use_of_a_key_is_known_when_it_was_written, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let (used, new) = new_key(&shop, "web", "storefront");
    shop.run(Command::CreateKey(new)).await.unwrap();
    let (_, new) = new_key(&shop, "till", "reader");
    shop.run(Command::CreateKey(new)).await.unwrap();
    let web = served.with_key(Some(used.expose().to_owned()));
    let wrong = format!("{}x", used.expose());
    assert_eq!(served.with_key(Some(wrong)).get("/v1/inventory/MUG").await.status, 401);
    let uses = async || {
        served.write_uses().await;
        let keys = invshop::reports::keys(&shop.shop.db).await.unwrap();
        let of = |name: &str| keys.iter().find(|key| key.name == name).unwrap().last_used_at;
        (of("web"), of("till"))
    };
    assert_eq!(uses().await, (None, None), "a refused secret is no use of the key");
    assert_eq!(web.get("/v1/inventory/MUG").await.status, 200);
    shop.clock.advance_millis(5_000);
    let last = shop.clock_now();
    assert_eq!(web.get("/v1/inventory/MUG").await.status, 200);
    assert_eq!(uses().await, (Some(last), None));
    shop.clock.advance_millis(5_000);
    assert_eq!(uses().await, (Some(last), None), "written once, and not as of now");
    served.end().await;
});
