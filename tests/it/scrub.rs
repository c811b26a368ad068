//! Leaving nothing in the files of what was erased, or sealed with a former key.

use invshop::rekey;
use invshop::shop::Opening;
use serde_json::json;

use crate::api::client::{Client, Served};
use crate::both;
use crate::harness::{Backend, TestShop};
use crate::raw::Raw;

/// What is sealed now, in hexadecimal digits.
async fn sealed(shop: &TestShop) -> Vec<String> {
    let hex = match shop.backend() {
        Backend::Sqlite => "lower(hex(sealed))",
        Backend::Postgres => "encode(sealed, 'hex')",
    };
    let rows = format!(
        "select {hex} from users where sealed is not null union all select {hex} from personal"
    );
    shop.texts(&rows).await.concat()
}

/// How many of these values stand in the files of the database.
async fn found(shop: &TestShop, values: &[String]) -> usize {
    let mut count = 0;
    match shop.backend() {
        Backend::Sqlite => {
            let file = shop.opening.place.clone();
            let invshop::store::Place::Sqlite(file) = file else { unreachable!("it is a file") };
            let log = file.with_file_name(format!(
                "{}-wal",
                file.file_name().and_then(|name| name.to_str()).unwrap()
            ));
            let mut bytes = std::fs::read(&file).unwrap();
            bytes.extend(std::fs::read(&log).unwrap_or_default());
            for value in values {
                let digits = (0..64).step_by(2).map(|at| value.get(at..at + 2).unwrap());
                let begin: Vec<u8> =
                    digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
                count += usize::from(bytes.windows(32).any(|window| window == begin));
            }
        }
        Backend::Postgres => {
            let mut raw = Raw::open(&shop.opening.place).await;
            raw.execute("checkpoint").await;
            for value in values {
                let files = format!(
                    "select count(*) from unnest(array['users', 'personal']) as name
                     where position('\\x{value}'::bytea
                                    in pg_read_binary_file(pg_relation_filepath(name))) > 0"
                );
                count += usize::from(raw.number(&files).await > 0);
            }
        }
    }
    count
}

/// A user and an order with a customer.
async fn someone(web: &Client, number: u8) -> String {
    let email = format!("buyer-{number}@example.com");
    let user = web.post("/v1/users", &json!({ "email": email, "name": "A Buyer" })).await;
    let id = user.body["user_id"].as_str().unwrap().to_owned();
    let order = json!({ "order_id": format!("{number}"), "user_id": id,
                        "customer": { "name": "A Buyer", "street": "12 Sample Street" },
                        "lines": [{ "sku": "MUG", "quantity": 1 }] });
    assert_eq!(web.post("/v1/orders", &order).await.status, 201);
    id
}

both!(nothing_of_what_was_erased_or_sealed_anew_is_left_in_the_files, |shop| {
    shop.item("MUG", 9).await;
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    let (erased, _stays) = (someone(&web, 1).await, someone(&web, 2).await);
    let before = sealed(&shop).await;
    assert_eq!((before.len(), found(&shop, &before).await), (4, 4), "what is sealed is found");
    let path = format!("/v1/users/{erased}");
    assert_eq!(web.send(web.request(reqwest::Method::DELETE, &path)).await.status, 204);
    served.end().await;
    let stays = sealed(&shop).await;
    assert_eq!(stays.len(), 2);
    assert_eq!(found(&shop, &before).await, 4, "rows that are no more are in the files");

    assert!(shop.shop.db.scrub(10).await.unwrap());
    assert_eq!(found(&shop, &before).await, 2, "of the other user and its order");
    assert_eq!(found(&shop, &stays).await, 2);

    shop.clock.advance_millis(1_000);
    let opening = Opening { random: shop.random(), ..shop.opening.clone() };
    let rotated = rekey::rotate(&opening, &|_, _| ()).await.unwrap();
    assert_eq!((rotated.rows, rotated.is_scrubbed), (2, true));
    assert_eq!(found(&shop, &before).await, 0, "nor what the key of before had sealed");
    let now = sealed(&shop).await;
    assert_eq!((now.len(), found(&shop, &now).await), (2, 2));
});
