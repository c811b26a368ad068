//! Who did what to the shop, and who was not let in, stands in the journal.

use chrono_tz::Tz;
use invshop::access::{self, Rotation};
use invshop::reports::{self, AuditRow, SalesPeriod};
use invshop::writer::Command;
use reqwest::Method;

use super::client::Served;
use crate::both;
use crate::harness::TestShop;
use crate::raw::Raw;

/// What the report of the day says.
async fn audit(shop: &TestShop) -> Vec<AuditRow> {
    let day = shop.clock_now().to_string().get(..10).unwrap().parse().unwrap();
    let period = SalesPeriod { from: day, to: day, time_zone: Tz::UTC };
    reports::audit(&shop.shop.db, period).await.unwrap().data
}

both!(acts_and_refused_attempts_are_written_down, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::configured(&shop, &[("server.trusted_proxies", "127.0.0.1")]).await;
    let web = served.client("web", "reader").await;
    let prefix = web.key().get(4..12).unwrap().to_owned();
    access::rotate(&shop.shop, Rotation::AtOnce).await.unwrap();
    // A wrong secret, three times from one place, once from another.
    let wrong = served.with_key(Some(format!("inv_{prefix}_{}", "b".repeat(32))));
    for (address, name) in [
        ("198.51.100.7", "first"),
        ("198.51.100.7", "second"),
        ("198.51.100.8", "third"),
        ("198.51.100.7", "fourth"),
    ] {
        let request = wrong.request(Method::GET, "/v1/orders");
        let request = request.header("x-forwarded-for", address).header("x-request-id", name);
        assert_eq!(wrong.send(request).await.status, 401);
        shop.clock.advance_millis(1);
    }
    let nobody = served.with_key(None);
    assert_eq!(nobody.get("/v1/orders").await.status, 401, "who shows nothing is nobody");
    let forged = served.with_key(Some("a.b.c".to_owned()));
    assert_eq!(forged.get("/v1/orders").await.status, 401);
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", prefix.clone()),
        ("client_secret", "c".repeat(32)),
    ];
    assert_eq!(served.oauth(&form, None).await.status, 401);
    shop.run(Command::RevokeKey(prefix.clone())).await.unwrap();
    let mut raw = Raw::open(&shop.opening.place).await;
    let refused = "select count(*) from journal where kind = 'auth.refused'";
    assert_eq!(raw.number(refused).await, 0, "written now and then");
    served.shop().write_refused().await.unwrap();
    served.shop().write_refused().await.unwrap();

    let rows = audit(&shop).await;
    let said = |row: &AuditRow| {
        let data = |name: &str| row.data[name].as_str().unwrap_or_default().to_owned();
        let times = row.data["times"].as_u64().unwrap_or(0);
        (row.kind.clone(), data("what"), data("who"), times, row.address.clone())
    };
    let refused: Vec<_> = rows.iter().filter(|row| row.kind == "auth.refused").map(said).collect();
    let one = |what: &str, who: &str, times, address: &str| {
        let kind = "auth.refused".to_owned();
        (kind, what.to_owned(), who.to_owned(), times, Some(address.to_owned()))
    };
    let mut expected = vec![
        one("key", &prefix, 3, "198.51.100.7"),
        one("key", &prefix, 1, "198.51.100.8"),
        one("key", &prefix, 1, "127.0.0.1"),
        one("token", "", 1, "127.0.0.1"),
    ];
    let mut sorted = refused.clone();
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected);
    let first = rows.iter().find(|row| row.data["times"] == 3).unwrap();
    assert_eq!((first.request_id.as_deref(), &first.actor), (Some("first"), &None));
    let acts: Vec<_> = rows.iter().filter(|row| row.kind != "auth.refused").collect();
    let kinds: Vec<_> = acts.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(
        kinds.get(kinds.len() - 3..),
        Some(&["key.created", "signing.rotated", "key.revoked"][..])
    );
    assert!(acts.iter().all(|row| row.actor.as_deref() == Some("cli")), "{acts:?}");
    served.end().await;
});
