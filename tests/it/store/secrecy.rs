//! Personal data stands sealed in one table and nowhere else.

use invshop::orders::{Personal, Place};
use invshop::writer::Command;

use crate::both;
use crate::harness::{Backend, TestShop, place, reference};

const PLAIN: &str = r#"{"email":"jo.doe@example.org","name":"Jo Doe"}"#;

/// Everything the database holds, as bytes: the files, or every row as text with
/// its bytes decoded.
pub(crate) async fn everything(shop: &TestShop) -> Vec<u8> {
    match shop.backend() {
        Backend::Sqlite => {
            let mut bytes = Vec::new();
            for entry in std::fs::read_dir(shop.dir()).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|extension| extension != "key") {
                    bytes.extend(std::fs::read(path).unwrap());
                }
            }
            bytes
        }
        Backend::Postgres => {
            let tables = "select table_name::text from information_schema.tables
                          where table_schema = 'public'";
            let mut bytes = Vec::new();
            for table in shop.texts(tables).await {
                let rows = shop.texts(&format!("select t::text from {} as t", table[0])).await;
                bytes.extend(rows.concat().concat().into_bytes());
            }
            bytes
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Whether a text stands there, as it is or as hexadecimal digits.
pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    let hex = hex(text.as_bytes());
    let found = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    found(text.as_bytes()) || found(hex.as_bytes())
}

both!(personal_data_is_nowhere_in_plain, |shop| {
    shop.item("MUG", 3).await;
    let key = &shop.shop.key;
    let plain = serde_json::from_str(PLAIN).unwrap();
    let personal = Personal::seal(key, &reference("1"), &plain, shop.shop.random.as_ref());
    let order = Place { personal: Some(personal.clone()), ..place("1", &[("MUG", 1)]) };
    shop.run(Command::Place(order.clone())).await.unwrap();
    assert!(shop.run(Command::Place(order)).await.unwrap().replayed);
    shop.cancel("1").await.unwrap();
    let all = everything(&shop).await;
    assert!(contains(&all, "MUG"), "what is there is found");
    for secret in ["jo.doe@example.org", "Jo Doe", "example.org"] {
        assert!(!contains(&all, secret), "{secret} stands in plain");
    }
    let kept = match shop.backend() {
        Backend::Sqlite => "select lower(hex(sealed)) from personal",
        Backend::Postgres => "select encode(sealed, 'hex') from personal",
    };
    assert_eq!(shop.texts(kept).await, [[hex(&personal.sealed)]]);
    assert_eq!(Personal::open(key, &reference("1"), &personal.sealed).unwrap(), plain);
    // Bound to its order: another order's row does not open.
    assert!(Personal::open(key, &reference("2"), &personal.sealed).is_err());
});
