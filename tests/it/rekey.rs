//! Exchanging the instance key: what was sealed opens, what was known is known, and
//! wherever it is cut off it can be ended.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use invshop::backup::{self, Folder};
use invshop::rekey::{self, Rotated};
use invshop::secret::KeyFile;
use invshop::shop::{Opening, Shop};
use serde_json::{Value, json};

use crate::api::client::Served;
use crate::backup::{UNSEEN, changed};
use crate::both;
use crate::harness::{Backend, TestShop};
use crate::raw::Raw;

fn opening(shop: &TestShop) -> Opening {
    // Its clock runs on, or two exchanges would be one moment.
    shop.clock.advance_millis(1_000);
    Opening { random: shop.random(), ..shop.opening.clone() }
}

async fn rotate(shop: &TestShop) -> Rotated {
    rekey::rotate(&opening(shop), &|done, total| assert!(done <= total)).await.unwrap()
}

fn someone() -> Value {
    json!({ "email": "a.buyer@example.com", "name": "A Buyer" })
}

fn order() -> Value {
    json!({ "order_id": "1", "lines": [{ "sku": "MUG", "quantity": 1 }], "customer": someone() })
}

fn form(key: &str) -> Vec<(&'static str, String)> {
    let (id, secret) = key.strip_prefix("inv_").unwrap().split_once('_').unwrap();
    vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", id.to_owned()),
        ("client_secret", secret.to_owned()),
    ]
}

/// Something that a channel sent, and the token it is asked with, as they are kept.
async fn of_a_channel(shop: &TestShop) {
    let key = &shop.shop.key;
    let hex = |bytes: Vec<u8>| {
        let hex = bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        match shop.backend() {
            Backend::Sqlite => format!("x'{hex}'"),
            Backend::Postgres => format!("'\\x{hex}'::bytea"),
        }
    };
    let seal = |context: &str| hex(key.seal(context, b"{}", shop.shop.random.as_ref()));
    let (came, token) = (seal("inbox 7 delivery k"), seal("channel.token web-shop"));
    Raw::open(&shop.opening.place)
        .await
        .execute(&format!(
            "insert into channel (id, name, kind, mode, rules, created_at)
             values (7, 'web-shop', 'woocommerce', 'paused', '', 1);
             insert into inbox (id, channel_id, kind, dedupe_key, sealed, state, received_at)
             values (1, 7, 'delivery', 'delivery k', {came}, 'pending', 1);
             insert into channel_token (channel_id, credentials, sealed, asked_at, ends_at)
             values (7, {}, {token}, 1, 2)",
            hex(vec![1; 32])
        ))
        .await;
}

both!(all_that_is_sealed_is_sealed_anew_and_what_was_known_is_known_again, |shop| {
    shop.item("MUG", 9).await;
    // Tokens are in a name that the key has nothing to do with.
    let issuer = [("auth.issuer", "https://shop.example")];
    let served = Served::configured(&shop, &issuer).await;
    let web = served.client("web", "storefront").await;
    let registered = web.post("/v1/users", &someone()).await;
    assert_eq!(registered.status, 201);
    let placed = web.post("/v1/orders", &order()).await;
    assert_eq!(placed.status, 201);
    let token = served.oauth(&form(web.key()), None).await.body["access_token"].clone();
    let (web_key, token) = (web.key().to_owned(), token.as_str().unwrap().to_owned());
    of_a_channel(&shop).await;
    let file = shop.dir().join("before.backup");
    let at = (shop.clock_now(), false);
    backup::write(&shop.shop.db, &file, at, UNSEEN).await.unwrap();

    let rotated = rotate(&shop).await;
    assert_eq!(rotated.rows, 3, "a user, an order and a delivery");
    assert_ne!(rotated.before, rotated.now);
    // Whoever still has the key of before is refused by the database.
    let late = json!({ "order_id": "2", "lines": [{ "sku": "MUG", "quantity": 1 }],
                       "customer": someone() });
    assert_eq!(web.post("/v1/orders", &late).await.status, 503);
    assert_eq!(web.post("/v1/users", &json!({ "email": "b@example.com" })).await.status, 503);
    served.end().await;
    assert_eq!(shop.int("select count(*) from orders").await, 1, "nothing is half-written");
    assert_eq!(shop.int("select count(*) from users").await, 1);

    // Twice: what is carried over is carried on.
    let again = rotate(&shop).await;
    assert_eq!((again.before, again.rows), (rotated.now, 3));
    let served = Served::configured(&shop, &issuer).await;
    let web = served.with_key(Some(web_key));
    let known = web.post("/v1/users", &someone()).await;
    assert_eq!((known.status, known.replayed), (200, true), "{known:?}");
    assert_eq!(known.body, registered.body);
    let replay = web.post("/v1/orders", &order()).await;
    assert_eq!((replay.status, replay.replayed), (200, true), "{replay:?}");
    assert_eq!(replay.body, placed.body);
    let holder = served.with_key(Some(token));
    // What it was signed with is gone, whoever had it.
    assert_eq!(holder.get("/v1/orders/1").await.status, 401);
    assert_eq!(served.oauth(&form(web.key()), None).await.status, 200);
    let hex = match shop.backend() {
        Backend::Sqlite => "hex(sealed)",
        Backend::Postgres => "encode(sealed, 'hex')",
    };
    let sealed = shop.texts(&format!("select {hex} from inbox")).await.concat().concat();
    let pairs = (0..sealed.len()).step_by(2);
    let sealed: Vec<u8> =
        pairs.map(|at| u8::from_str_radix(sealed.get(at..at + 2).unwrap(), 16).unwrap()).collect();
    assert_eq!(served.shop().key.open("inbox 7 delivery k", &sealed).unwrap(), b"{}");
    assert_eq!(shop.int("select count(*) from channel_token").await, 0, "it is asked for anew");
    assert_eq!(shop.int("select count(*) from signing_key").await, 1, "the one of now");
    served.end().await;
    assert_eq!(shop.count_of("instance_key.rotated").await, 2);

    // A backup of before is restored with the key of before, which was kept.
    let kept = KeyFile::new(&rotated.kept);
    let place = invshop::store::Place::Sqlite(shop.dir().join("restored.db"));
    let restoring = backup::Restoring {
        file: &file,
        place: &place,
        key_file: &kept,
        replace: false,
        now: shop.clock_now(),
    };
    backup::restore(restoring, UNSEEN).await.unwrap();
    let opening = Opening { place, key_file: kept, ..opening(&shop) };
    Shop::open(opening).await.unwrap().close().await;
});

both!(an_exchange_that_was_cut_off_anywhere_is_ended_by_another, |shop| {
    shop.item("MUG", 9).await;
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    assert_eq!(web.post("/v1/users", &someone()).await.status, 201);
    served.end().await;
    let file = shop.key_path();
    let next = KeyFile::new(&file).next();
    // Half a key: whoever wrote it died.
    std::fs::write(next.path(), "invshop-inst").unwrap();
    std::fs::set_permissions(next.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(rotate(&shop).await.rows, 1);
    // Before the rows: the new key is there, and used.
    let waiting = invshop::secret::InstanceKey::generate(shop.random().as_ref());
    next.create(&waiting).unwrap();
    Shop::open(opening(&shop)).await.unwrap().close().await;
    let rotated = rotate(&shop).await;
    assert_eq!((rotated.now, rotated.rows), (waiting.id(), 1));
    assert!(!next.path().exists());

    // After the rows and before the files.
    std::fs::rename(&file, next.path()).unwrap();
    std::fs::rename(&rotated.kept, &file).unwrap();
    let refused = Shop::open(opening(&shop)).await.unwrap_err().to_string();
    assert!(refused.contains("rotate-key"), "{refused}");
    let ended = rotate(&shop).await;
    assert_eq!((ended.now, ended.before, ended.rows), (rotated.now, rotated.before, 0));
    let open = Arc::new(Shop::open(opening(&shop)).await.unwrap());
    assert_eq!(open.key.id(), rotated.now);
    Arc::into_inner(open).unwrap().close().await;

    // A key that is nobody's takes nobody's place.
    let foreign = invshop::secret::InstanceKey::generate(shop.random().as_ref());
    let own = shop.dir().join("own.key");
    std::fs::rename(&file, &own).unwrap();
    KeyFile::new(&file).create(&foreign).unwrap();
    let error = rekey::rotate(&opening(&shop), &|_, _| ()).await.unwrap_err().to_string();
    assert!(error.contains("has another"), "{error}");
    assert!(!next.path().exists());
    std::fs::rename(&own, &file).unwrap();
});

both!(backups_under_a_key_of_before_are_deleted_in_their_turn, |shop| {
    shop.item("MUG", 9).await;
    let folder = Folder { path: shop.dir().join("kept"), keep: 3 };
    let make = async |of: &Shop| {
        shop.clock.advance_millis(60_000);
        let now = shop.clock_now();
        backup::scheduled(&of.db, of.key.id(), &folder, now, UNSEEN).await.unwrap()
    };
    let (first, deleted) = make(&shop.shop).await;
    assert_eq!(deleted, 0);
    shop.item("POT", 3).await;
    let (second, _) = make(&shop.shop).await;
    // A copy of the shop had the same key, and other entries at another time.
    let name = first.file.file_name().unwrap().to_str().unwrap();
    let copy = folder.path.join(name.replace("-202", "-201"));
    let long_ago = |lines: &mut Vec<String>| {
        let mut header: Value = serde_json::from_str(&lines[0]).unwrap();
        header["at"] = json!(1_500_000_000_000_i64);
        lines[0] = header.to_string();
    };
    std::fs::write(&copy, changed(&first.file, long_ago)).unwrap();

    rotate(&shop).await;
    let reopened = shop.another().await;
    let (third, deleted) = make(&reopened).await;
    assert_eq!(deleted, 0, "three are kept");
    for (gone, stays) in [(&first, &second), (&second, &third)] {
        assert_eq!(make(&reopened).await.1, 1);
        assert!(!gone.file.exists() && stays.file.exists(), "{gone:?} {stays:?}");
    }
    assert!(copy.exists(), "it is not this shop's");
    reopened.close().await;
});
