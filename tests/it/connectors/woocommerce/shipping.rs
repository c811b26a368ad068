//! What a shop is told of its orders, and what it is not told.

use invshop::connectors::{Fulfilment as _, Parcel, Told, Tracking};
use invshop::domain::FactId;
use serde_json::{Value, json};

use super::recorded::Recorded;
use super::remote;

const OPEN: &str = r#"={"status":"processing"}"#;
const DONE: &str = r#"={"status":"completed"}"#;

fn parcel(is_last: bool) -> Parcel {
    let tracking = Some(Tracking { number: "T-1".to_owned(), carrier: Some("Cart".to_owned()) });
    Parcel {
        order: remote("23"),
        shipment: FactId::new("s1").unwrap(),
        lines: Vec::new(),
        is_last,
        tracking,
    }
}

#[tokio::test]
async fn an_order_is_completed_once_and_only_whole() {
    let recorded = Recorded::new(&[OPEN, DONE, DONE]).await;
    assert!(matches!(recorded.shop.ship(&parcel(false)).await.unwrap(), Told::Refused { .. }));
    let plain = Parcel { tracking: None, ..parcel(true) };
    assert_eq!(recorded.shop.ship(&plain).await.unwrap(), Told::Done);
    assert_eq!(recorded.shop.ship(&plain).await.unwrap(), Told::Already);
    let asked = recorded.asked().await;
    assert!(asked[1].0.starts_with("PUT /wp-json/wc/v3/orders/23?"));
    assert_eq!(asked[1].1, r#"{"status":"completed"}"#);
}

#[tokio::test]
async fn a_parcel_is_noted_once_and_before_the_order_is_completed() {
    // The status fails after the note: all of it is done again.
    let recorded = Recorded::new(&[OPEN, "=[]", r#"={"id":5}"#, "=broken"]).await;
    recorded.shop.ship(&parcel(true)).await.unwrap_err();
    let asked = recorded.asked().await;
    assert!(asked[2].0.starts_with("POST /wp-json/wc/v3/orders/23/notes?"), "{asked:?}");
    assert!(asked[3].0.starts_with("PUT /wp-json/wc/v3/orders/23?"), "{asked:?}");
    let sent: Value = serde_json::from_str(&asked[2].1).unwrap();
    let note = sent["note"].as_str().unwrap();
    assert!(note.starts_with("Shipped: Cart T-1 [parcel "), "{note}");

    let notes = format!("={}", json!([{ "note": "paid" }, { "note": note }]));
    let recorded = Recorded::new(&[OPEN, &notes, DONE]).await;
    assert_eq!(recorded.shop.ship(&parcel(true)).await.unwrap(), Told::Done);
    let asked = recorded.asked().await;
    assert!(asked.iter().all(|(line, _)| !line.starts_with("POST")), "{asked:?}");

    // The note of another parcel is not its own.
    let recorded = Recorded::new(&[OPEN, &notes, r#"={"id":6}"#, DONE]).await;
    let other = Parcel { shipment: FactId::new("s2").unwrap(), ..parcel(true) };
    assert_eq!(recorded.shop.ship(&other).await.unwrap(), Told::Done);
    recorded.asked().await;
}

#[tokio::test]
async fn a_status_that_somebody_set_in_the_shop_stays() {
    for status in ["refunded", "cancelled", "failed", "trash", "pending", "lay-away"] {
        let now = format!("={}", json!({ "status": status }));
        let recorded = Recorded::new(&[&now]).await;
        let told = recorded.shop.ship(&parcel(true)).await.unwrap();
        let refused = matches!(&told, Told::Refused { code, .. } if code == "another_status");
        assert!(refused, "{status}: {told:?}");
        recorded.asked().await;
    }
    for status in ["refunded", "completed", "trash", "lay-away"] {
        let now = format!("={}", json!({ "status": status }));
        let recorded = Recorded::new(&[&now]).await;
        let told = recorded.shop.cancel(&remote("23"), None).await.unwrap();
        let refused = matches!(&told, Told::Refused { code, .. } if code == "another_status");
        assert!(refused, "{status}: {told:?}");
        recorded.asked().await;
    }
    let recorded = Recorded::new(&[r#"={"status":"cancelled"}"#]).await;
    assert_eq!(recorded.shop.cancel(&remote("23"), None).await.unwrap(), Told::Already);
    recorded.asked().await;
}
