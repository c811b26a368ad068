//! The WooCommerce connector against what a live shop answered and sent: recorded
//! exchanges and deliveries, byte for byte, from `contracts/woocommerce/observed`.

mod hooks;
mod lists;
pub(crate) mod recorded;
mod shipping;

use invshop::clock::Timestamp;
use invshop::connectors::woocommerce::WooCommerce;
use invshop::connectors::{
    Catalog as _, Connector as _, Cursor, DecodeError, Deducted, ErrorKind, Fetched, Holder,
    ListedOrder, OrderSource, RemoteOrder, RemoteState, RemoteVersion, StockOutcome,
    StockRead as _, StockTarget, StockWrite as _, Urgency, Window,
};
use invshop::domain::{Quantity, RemoteId, RemoteQuantity, Seq};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use self::recorded::{Recorded, SECRET, answer, body, folder, shop_at};
use super::shape::disagreements;
use crate::harness::START;

fn remote(text: &str) -> RemoteId {
    RemoteId::new(text).unwrap()
}

fn holder(text: &str) -> Holder {
    Holder { id: remote(text), location: None }
}

fn target(text: &str, units: i64) -> StockTarget {
    StockTarget {
        holder: holder(text),
        quantity: Quantity::new(units).unwrap(),
        expected: None,
        known_until: Timestamp::parse(START).unwrap(),
        basis_seq: Seq::new(1),
        key: format!("{text}-{units}"),
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn it_is_what_it_says_it_is() {
    assert_eq!(disagreements(&shop_at("https://shop.example")), Vec::<&str>::new());
}

#[test]
fn a_recorded_order_is_read_as_it_is() {
    if folder().is_none() {
        return;
    }
    let shop = shop_at("https://shop.example");
    let order = order_of(&shop, &body("order-create-paid")).unwrap();
    assert_eq!((order.id.as_str(), order.status.as_str()), ("23", "processing"));
    assert_eq!(order.state, RemoteState::Open);
    assert_eq!(order.version, Some(RemoteVersion::ChangedAt(at("2026-11-22T17:41:25Z"))));
    assert_eq!(order.placed_at, Some(at("2026-11-22T17:41:25Z")));
    assert_eq!(order.total.unwrap().amount(), 16_500);
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|line| {
            (
                line.order_keys[0].as_str(),
                line.sku_text.as_str(),
                line.ordered.get(),
                line.deducted.units().unwrap(),
                line.unit_price.unwrap().amount(),
            )
        })
        .collect();
    // The variation is what was bought, not its parent.
    let expected =
        [("11", "MUG-BLUE", 2, 2, 1250), ("17", "TS-S", 1, 1, 2000), ("21", "HD-red", 3, 3, 4000)];
    assert_eq!(lines, expected);

    // One of two units was refunded and put back: the line still says 2.
    let refunded = order_of(&shop, &body("order-get-refunded")).unwrap();
    let line = &refunded.lines[0];
    let counts = [line.ordered, line.cancelled, line.restocked].map(Quantity::get);
    assert_eq!((refunded.state, counts), (RemoteState::Open, [2, 0, 1]));
    assert_eq!(line.deducted, Deducted::Units(Quantity::new(1).unwrap()));
    // A line without a product is a line.
    let unknown = order_of(&shop, &body("err-order-unknown-sku")).unwrap();
    assert_eq!((unknown.state, unknown.lines[0].order_keys.len()), (RemoteState::Pending, 0));
}

/// What a document says of an order.
fn order_of(shop: &WooCommerce, body: &[u8]) -> Result<RemoteOrder, DecodeError> {
    OrderSource::decode(shop, body)
}

#[tokio::test]
async fn what_php_writes_before_a_document_is_passed_over() {
    if folder().is_none() {
        return;
    }
    for name in ["fault-warning", "fault-bom"] {
        let recorded = Recorded::new(&[name]).await;
        let page = recorded.shop.read(&[holder("20")], Urgency::Ordinary).await.unwrap();
        assert_eq!(page[0].quantity, Some(RemoteQuantity::Untracked), "{name}");
        recorded.asked().await;
    }
}

#[tokio::test]
async fn every_recorded_failure_is_told_for_what_it_is() {
    if folder().is_none() {
        return;
    }
    for (name, kind, says) in [
        ("fault-502", "broken", "502 Bad Gateway"),
        ("fault-db-down", "broken", "Error establishing a database connection"),
        ("fault-db-down-noaccept", "broken", "Database Error"),
        ("fault-maintenance", "broken", "Briefly unavailable"),
        ("fault-maintenance-noaccept", "broken", "Maintenance"),
        ("fault-fatal", "broken", "There has been a critical error"),
        ("fault-oom", "broken", "There has been a critical error"),
        ("err-html-404", "broken", "permalinks"),
        ("err-404-route", "broken", "Is WooCommerce active"),
        ("err-404-product", "not_found", "Invalid ID"),
        ("err-put-unknown-product", "not_found", "Invalid ID"),
        ("err-batch-too-many", "refused", "more than 100 items"),
        ("err-malformed-json", "refused", "Invalid JSON"),
        ("err-readonly-key", "forbidden", "does not have write permissions"),
        ("err-writeonly-key", "forbidden", "does not have read permissions"),
        ("auth-https-bad-secret", "unauthorized", "Consumer secret is invalid"),
        ("auth-http-oauth1-skew", "unauthorized", "Invalid timestamp"),
        ("auth-http-basic", "unauthorized", "cannot list resources"),
    ] {
        let recorded = Recorded::new(&[name]).await;
        let error = recorded.shop.listings(None).await.unwrap_err();
        let found = match error.kind {
            ErrorKind::Broken(_) => "broken",
            ErrorKind::NotFound(_) => "not_found",
            ErrorKind::Refused { .. } => "refused",
            ErrorKind::Forbidden(_) => "forbidden",
            ErrorKind::Unauthorized(_) => "unauthorized",
            _ => "other",
        };
        let text = error.to_string();
        assert!(found == kind && text.contains(says), "{name}: {found}: {text}");
        assert!(!text.contains(SECRET) && !text.contains("<p>"), "{name}: {text}");
        recorded.asked().await;
    }
}

#[tokio::test]
async fn a_batch_says_of_each_number_what_became_of_it() {
    if folder().is_none() {
        return;
    }
    let recorded = Recorded::new(&["products-batch-mixed"]).await;
    let targets = [
        target("11", 25),
        target("999999", 1),
        target("17", 6),
        target("5", 1),
        target("16/18", 1),
    ];
    let outcomes = recorded.shop.write(&targets, Urgency::Ordinary).await.unwrap();
    assert_eq!(outcomes[0], StockOutcome::Stored(RemoteQuantity::Known(25)));
    let code = |outcome: &StockOutcome| match outcome {
        StockOutcome::Refused { code, .. } => code.clone(),
        other => format!("{other:?}"),
    };
    // There is none; a variation is not written so; not answered; of another call.
    assert_eq!(code(&outcomes[1]), "woocommerce_rest_product_invalid_id");
    assert_eq!(code(&outcomes[2]), "woocommerce_rest_invalid_product_id");
    assert_eq!(outcomes[3], StockOutcome::Unknown);
    assert_eq!(code(&outcomes[4]), "unknown_holder");
    let asked = recorded.asked().await;
    assert!(
        asked[0].0.starts_with("POST /wp-json/wc/v3/products/batch?oauth_consumer_key="),
        "{}",
        asked[0].0
    );
    let sent: Value = serde_json::from_str(&asked[0].1).unwrap();
    assert_eq!(sent["update"][0], json!({ "id": 11, "stock_quantity": 25 }));

    let recorded = Recorded::new(&["variations-batch"]).await;
    let targets = [target("16/17", 5), target("16/18", 2), target("16/21", 2)];
    assert_eq!(
        recorded.shop.group_of(&targets[0].holder),
        recorded.shop.group_of(&targets[1].holder)
    );
    let outcomes = recorded.shop.write(&targets, Urgency::Urgent).await.unwrap();
    assert_eq!(outcomes[0], StockOutcome::Stored(RemoteQuantity::Known(5)));
    assert!(matches!(outcomes[2], StockOutcome::Refused { .. }), "{:?}", outcomes[2]);
    let asked = recorded.asked().await;
    assert!(asked[0].0.starts_with("POST /wp-json/wc/v3/products/16/variations/batch?"));
}

#[tokio::test]
async fn a_number_that_is_ignored_is_no_success() {
    if folder().is_none() {
        return;
    }
    // What the shop answers to a number for what it does not count, and for what its
    // parent counts: 200, and the number as it was.
    for name in ["product-unmanaged-set", "variation-parent-managed-set"] {
        let stored: Value = serde_json::from_slice(&body(name)).unwrap();
        let id = stored["id"].as_u64().unwrap();
        let answer = format!("={}", json!({ "update": [stored] }));
        let recorded = Recorded::new(&[&answer]).await;
        let outcomes =
            recorded.shop.write(&[target(&id.to_string(), 9)], Urgency::Ordinary).await.unwrap();
        let refused =
            matches!(&outcomes[0], StockOutcome::Refused { code, .. } if code == "not_managed");
        assert!(refused, "{name}: {outcomes:?}");
        recorded.asked().await;
    }
}

#[tokio::test]
async fn products_and_variations_are_found_with_who_carries_their_number() {
    if folder().is_none() {
        return;
    }
    let variations: Value = serde_json::from_slice(&body("variations-all")).unwrap();
    let of = |parent: u64| {
        let own = variations.as_array().unwrap().iter().filter(|one| one["parent_id"] == parent);
        format!("={}", json!(own.collect::<Vec<_>>()))
    };
    // Three products: two with variations, one without.
    let answers = ["products-list-per_page_3", &of(20), &of(16)];
    let recorded = Recorded::new(&answers).await;
    let page = recorded.shop.listings(None).await.unwrap();
    let next = page.next.expect("there are more pages");
    assert!(next.0.starts_with("2/"), "{next:?}");
    let mut found: Vec<_> = page
        .rows
        .iter()
        .map(|row| (row.sku_text.as_str(), row.holders.first().map(|holder| holder.id.to_string())))
        .collect();
    found.sort_unstable();
    let own = |id: &str| Some(id.to_owned());
    // Of the hoodie the parent carries the number of one colour, the other its own.
    assert!(found.contains(&("STR", own("15"))), "{found:?}");
    assert!(found.contains(&("TS-S", own("16/17"))), "{found:?}");
    assert!(found.contains(&("HD-blue", own("20"))), "{found:?}");
    assert!(found.iter().all(|(sku, _)| !matches!(*sku, "HD" | "TS")), "a parent is not sold");
    let asked = recorded.asked().await;
    assert!(asked[1].0.starts_with("GET /wp-json/wc/v3/products/20/variations?per_page=100"));
}

#[tokio::test]
async fn orders_are_asked_for_by_their_last_change_in_utc() {
    if folder().is_none() {
        return;
    }
    let refused = "=".to_owned() + "[]";
    let recorded = Recorded::new(&["orders-list", &refused]).await;
    let window = Window { from: at("2026-11-22T17:41:31Z"), until: at("2026-11-22T18:00:00.5Z") };
    let page = recorded.shop.changed(window, None).await.unwrap();
    assert!(page.rows.len() > 3, "{}", page.rows.len());
    for row in &page.rows {
        let ListedOrder::Whole(row) = row else { panic!("its orders are listed whole") };
        let order = order_of(&recorded.shop, &row.body).unwrap();
        assert_eq!(order.id, row.id);
    }
    recorded.shop.changed(window, Some(&Cursor("/2/20".to_owned()))).await.unwrap();
    let asked = recorded.asked().await;
    let query = &asked[0].0;
    for part in [
        "modified_after=2026-11-22T17%3A41%3A31&",
        "modified_before=2026-11-22T18%3A00%3A01&",
        "dates_are_gmt=true",
        "status=any",
        "orderby=modified",
        "order=asc",
        "page=1&",
        "oauth_signature=",
    ] {
        assert!(query.contains(part), "{part}: {query}");
    }
    assert!(asked[1].0.contains("page=2&"));
    assert!(!query.contains(SECRET), "the secret signs and is not sent");
}

#[tokio::test]
async fn an_old_shop_is_asked_in_another_order() {
    if folder().is_none() {
        return;
    }
    let headers = "HTTP/1.1 400 Bad Request";
    let body = json!({ "code": "rest_invalid_param", "message": "Invalid parameter(s): orderby",
                       "data": { "status": 400 } });
    let refusal = format!(
        "{headers}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.to_string().len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shop = shop_at(&format!("http://{}", listener.local_addr().unwrap()));
    let serve = async {
        let mut lines = Vec::new();
        for text in [refusal.as_bytes(), &answer("=[]"), &answer("=[]")] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = vec![0; 4096];
            let length = stream.read(&mut read).await.unwrap();
            lines.push(String::from_utf8_lossy(&read[..length]).into_owned());
            stream.write_all(text).await.unwrap();
        }
        lines
    };
    let window = Window { from: at("2026-11-22T17:41:31Z"), until: at("2026-11-22T18:00:00Z") };
    let ask = async {
        shop.changed(window, None).await.unwrap();
        shop.changed(window, None).await.unwrap();
    };
    let (lines, ()) = tokio::join!(serve, ask);
    assert!(lines[0].contains("orderby=modified"));
    assert!(
        lines[1].contains("orderby=date") && lines[2].contains("orderby=date"),
        "it is remembered"
    );
}

#[tokio::test]
async fn what_is_in_the_bin_is_found_and_what_is_gone_is_gone() {
    if folder().is_none() {
        return;
    }
    let mut trashed: Value = serde_json::from_slice(&body("order-trash")).unwrap();
    // The answer to a deletion shows the status before; a read shows the bin.
    trashed["status"] = json!("trash");
    let trashed = format!("={trashed}");
    let recorded = Recorded::new(&[&trashed, "err-put-unknown-order"]).await;
    let Fetched::Found(raw) = recorded.shop.fetch(&remote("29")).await.unwrap() else { panic!() };
    assert_eq!(order_of(&recorded.shop, &raw.body).unwrap().state, RemoteState::Deleted);
    assert_eq!(recorded.shop.fetch(&remote("999")).await.unwrap(), Fetched::Gone);
    recorded.asked().await;
}

#[tokio::test]
async fn a_shop_is_probed_in_words_its_owner_can_act_on() {
    if folder().is_none() {
        return;
    }
    let recorded = Recorded::new(&["=[]", "=[]", "batch-empty", "=[]"]).await;
    let probe = recorded.shop.probe().await.unwrap();
    let problems: Vec<&str> =
        probe.findings.iter().filter(|one| one.is_problem).map(|one| one.text.as_str()).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("no TLS"));
    recorded.asked().await;

    let recorded = Recorded::new(&["=[]", "=[]", "err-readonly-key", r#"=[{"id":1}]"#]).await;
    let probe = recorded.shop.probe().await.unwrap();
    let text: Vec<&str> = probe.findings.iter().map(|one| one.text.as_str()).collect();
    let text = text.join("\n");
    assert!(text.contains("may only read") && text.contains("5.8 or newer"), "{text}");
    recorded.asked().await;

    for (name, says) in [
        ("auth-http-oauth1-skew", "the clock of this machine"),
        ("auth-http-oauth1-wronghost", "Site Address"),
        ("auth-http-basic", "not one of this shop"),
        ("err-html-404", "permalinks"),
        ("err-404-route", "Is WooCommerce active"),
        ("=<!DOCTYPE html><html><title>Soon</title></html>", "no page for maintenance"),
    ] {
        let recorded = Recorded::new(&[name]).await;
        let error = recorded.shop.probe().await.unwrap_err().to_string();
        assert!(error.contains(says), "{name}: {error}");
        recorded.asked().await;
    }
}

// R66: a hundred numbers are one write and one read.
#[tokio::test]
async fn r66_a_hundred_simple_products_take_one_write_and_one_read() {
    let ids: Vec<u64> = (1..=100).collect();
    let stored: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "id": id, "manage_stock": true, "stock_quantity": 7 }))
        .collect();
    let answers = [format!("={}", json!({ "update": stored })), format!("={}", json!(stored))];
    let recorded = Recorded::new(&[&answers[0], &answers[1]]).await;
    let targets: Vec<StockTarget> = ids.iter().map(|id| target(&id.to_string(), 7)).collect();
    let holders: Vec<Holder> = targets.iter().map(|target| target.holder.clone()).collect();
    let outcomes = recorded.shop.write(&targets, Urgency::Ordinary).await.unwrap();
    assert_eq!(outcomes, vec![StockOutcome::Stored(RemoteQuantity::Known(7)); 100]);
    let levels = recorded.shop.read(&holders, Urgency::Ordinary).await.unwrap();
    assert!(levels.iter().all(|level| level.quantity == Some(RemoteQuantity::Known(7))));
    assert_eq!(recorded.asked().await.len(), 2);
}
