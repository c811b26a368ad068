//! Who ordered without being registered: known with the order, and forgotten for good.

use invshop::domain::{ExternalId, FulfilledBy, OrderRef, Payment, Refusal};
use invshop::orders::{Import, ImportLine, LineRequest, Personal};
use invshop::writer::Command;
use serde_json::{Value, json};

use super::client::Served;
use crate::acts::refused;
use crate::both;
use crate::harness::{Backend, TestShop, sku, units};
use crate::store::secrecy::{contains, everything};

/// What nobody may find: it stands nowhere else in this program or its tests.
const NAME: &str = "Gustav Guestly-Sample";

fn order(id: &str, user: Option<&str>) -> Value {
    json!({
        "order_id": id,
        "lines": [{ "sku": "MUG", "quantity": 1 }],
        "customer": { "name": NAME },
        "user_id": user,
    })
}

fn named(id: &str) -> OrderRef {
    OrderRef { source: "web".to_owned(), external_id: ExternalId::new(id).unwrap() }
}

/// The order as a file has it that was written before.
fn import(shop: &TestShop, id: &str) -> Import {
    let random = shop.shop.random.as_ref();
    let personal = Personal::seal(&shop.shop.key, &named(id), &json!({ "email": NAME }), random);
    let line = ImportLine {
        is_mapped: true,
        number: 1,
        request: LineRequest { sku: sku("MUG"), quantity: units(1), unit_price: None },
        shipped: units(0),
        came_back: units(0),
        fulfilled_by: FulfilledBy::Ledger,
    };
    Import {
        is_current: false,
        reference: named(id),
        source_version: None,
        placed_at: 0,
        effective_at: None,
        payment: Payment::None,
        lines: vec![line],
        location: None,
        currency: None,
        personal: Some(personal),
    }
}

/// Whether the first bytes of what is sealed, in hexadecimal, stand somewhere in the database.
async fn is_there(shop: &TestShop, sealed: &str) -> bool {
    let all = everything(shop).await;
    assert!(contains(&all, "MUG"), "what is there is found");
    assert!(!contains(&all, NAME), "it stands in clear");
    let pair = |at: usize| u8::from_str_radix(sealed.get(at..at + 2).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = (0..128).step_by(2).map(pair).collect();
    match shop.backend() {
        Backend::Sqlite => all.windows(bytes.len()).any(|window| window == bytes),
        Backend::Postgres => contains(&all, sealed),
    }
}

both!(the_customer_of_an_order_is_forgotten_and_the_order_stays, |shop| {
    shop.item("MUG", 9).await;
    let served = Served::new(&shop).await;
    let web = served.client("web", "storefront").await;
    for id in ["1", "2"] {
        assert_eq!(web.post("/v1/orders", &order(id, None)).await.status, 201);
    }
    let user = web.post("/v1/users", &json!({ "email": "a@example.com" })).await;
    let user = user.body["user_id"].as_str();
    assert_eq!(web.post("/v1/orders", &order("3", user)).await.status, 201);
    let hex = match shop.backend() {
        Backend::Sqlite => "lower(hex(p.sealed))",
        Backend::Postgres => "encode(p.sealed, 'hex')",
    };
    let sealed = format!(
        "select {hex} from personal as p join orders as o on o.id = p.order_id
         where o.external_id = '1'"
    );
    let sealed = shop.texts(&sealed).await.concat().concat();
    assert!(is_there(&shop, &sealed).await, "what is sealed is found");

    let forget = |id: &str| shop.run(Command::ForgetCustomer(named(id)));
    assert!(!forget("1").await.unwrap().replayed);
    assert!(shop.shop.db.cut_off_log(100).await.unwrap());
    assert!(!is_there(&shop, &sealed).await, "what was sealed is still there");
    assert!(forget("1").await.unwrap().replayed, "again is no error");
    assert_eq!(shop.count_of("order.customer_forgotten").await, 1);
    let said = "select count(*) from journal
                where kind = 'order.customer_forgotten' and data is null and order_id is not null";
    assert_eq!(shop.int(said).await, 1, "the journal has ids only");
    assert!(matches!(refused(forget("3").await), Refusal::Invalid { .. }), "it is of a user");
    assert_eq!(refused(forget("9").await).code(), "unknown_order");

    // Neither the same request nor a file of before brings anything back.
    let replay = web.post("/v1/orders", &order("1", None)).await;
    assert_eq!((replay.status, replay.replayed), (200, true), "{replay:?}");
    for id in ["1", "2"] {
        shop.run(Command::Import(import(&shop, id))).await.unwrap();
    }
    let has_customer = async |id: &str| {
        let order = web.get(&format!("/v1/orders/{id}")).await;
        assert_eq!((order.status, &order.body["status"]), (200, &json!("open")), "{order:?}");
        order.body.get("customer").is_some()
    };
    for (id, is_known) in [("1", false), ("2", true), ("3", true)] {
        assert_eq!(has_customer(id).await, is_known, "{id}");
    }
    served.end().await;
});
