//! Lists that are cut, too large, or change while they are read.

use invshop::connectors::{Catalog as _, ErrorKind, OrderSource as _, StockRead as _, Window};
use serde_json::{Value, json};

use super::at;
use super::recorded::Recorded;

/// Products of a page, told with how many there are and on how many pages.
fn page(ids: std::ops::RangeInclusive<u64>, total: u64, pages: u64) -> String {
    let rows: Vec<Value> = ids
        .map(|id| json!({ "id": id, "type": "simple", "manage_stock": true, "stock_quantity": 7 }))
        .collect();
    format!("#X-WP-Total: {total}\r\nX-WP-TotalPages: {pages}\n{}", json!(rows))
}

#[tokio::test]
async fn an_empty_page_in_the_middle_is_no_end() {
    let recorded =
        Recorded::new(&[&page(1..=100, 150, 2), "#X-WP-Total: 150\r\nX-WP-TotalPages: 2\n[]"])
            .await;
    let first = recorded.shop.read_all(None).await.unwrap();
    let error = recorded.shop.read_all(first.next.as_ref()).await.unwrap_err().to_string();
    assert!(error.contains("page 2 of 2 is empty"), "{error}");
    recorded.asked().await;
}

#[tokio::test]
async fn a_product_that_goes_between_two_pages_hides_none() {
    // Of 150 products 1 to 100 are read; then 50 goes, so that 101 is on the first page.
    let answers = [
        page(1..=100, 150, 2),
        page(102..=150, 149, 2),
        page(2..=101, 149, 2),
        page(102..=150, 149, 2),
    ];
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let recorded = Recorded::new(&answers).await;
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = recorded.shop.read_all(cursor.as_ref()).await.unwrap();
        found.extend(page.rows.iter().map(|level| level.holder.id.to_string()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let all: Vec<String> = (1..=150).map(|id: u64| id.to_string()).collect();
    assert_eq!(found, all, "each once, and none is passed over");
    recorded.asked().await;
}

#[tokio::test]
async fn what_has_variations_is_sold_through_them_whatever_its_kind() {
    let parent = json!([{ "id": 3, "name": "Tea box", "type": "variable-subscription",
                          "manage_stock": false, "status": "publish", "variations": [4] }]);
    let variation = json!([{ "id": 4, "type": "variation", "sku": "TEA-S", "status": "publish",
                             "manage_stock": true, "stock_quantity": 2 }]);
    let recorded = Recorded::new(&[&format!("={parent}"), &format!("={variation}")]).await;
    let listings = recorded.shop.listings(None).await.unwrap().rows;
    assert_eq!(listings.len(), 1, "{listings:?}");
    assert_eq!(listings[0].holders[0].id.as_str(), "3/4");
    recorded.asked().await;
}

#[tokio::test]
async fn orders_that_are_too_large_together_are_asked_for_in_smaller_pages() {
    let large = format!("=[{{\"id\":1,\"x\":\"{}\"}}]", "x".repeat(9 << 20));
    let second = "#X-WP-Total: 11\r\nX-WP-TotalPages: 2\n[{\"id\":1}]";
    let recorded = Recorded::new(&[&large, &large, second, &large, second]).await;
    let window = Window { from: at("2026-11-22T17:41:31Z"), until: at("2026-11-22T18:00:00Z") };
    let first = recorded.shop.changed(window, None).await.unwrap();
    assert_eq!(first.rows.len(), 1);
    recorded.shop.changed(window, first.next.as_ref()).await.unwrap();
    let asked = recorded.asked().await;
    for (asked, part) in asked.iter().zip([
        "per_page=100&page=1&",
        "per_page=20&page=1&",
        "per_page=10&page=1&",
        // The second page of ten begins where the third of five does.
        "per_page=10&page=2&",
        "per_page=5&page=3&",
    ]) {
        assert!(asked.0.contains(part), "{part}: {}", asked.0);
    }
}

// What one list is not able to answer the other may be: neither makes the other's pages
// smaller, nor larger again.
#[tokio::test]
async fn the_bin_has_a_size_of_pages_of_its_own() {
    let large = format!("=[{{\"id\":1,\"x\":\"{}\"}}]", "x".repeat(9 << 20));
    let more = "#X-WP-Total: 21\r\nX-WP-TotalPages: 2\n[{\"id\":1}]";
    let recorded = Recorded::new(&[&large, more, "=[]", more]).await;
    let window = Window { from: at("2026-11-22T17:41:31Z"), until: at("2026-11-22T18:00:00Z") };
    recorded.shop.omitted(window, None).await.unwrap();
    recorded.shop.changed(window, None).await.unwrap();
    recorded.shop.omitted(window, None).await.unwrap();
    let asked = recorded.asked().await;
    let wanted = [("trash", 100), ("trash", 20), ("any", 100), ("trash", 20)];
    for ((line, _), (status, size)) in asked.iter().zip(wanted) {
        assert!(line.contains(&format!("status={status}&")), "{line}");
        assert!(line.contains(&format!("per_page={size}&")), "{line}");
    }
}

#[tokio::test]
async fn one_order_that_is_too_large_is_told() {
    let large = format!("=[{{\"id\":1,\"x\":\"{}\"}}]", "x".repeat(9 << 20));
    let recorded = Recorded::new(&[large.as_str(); 5]).await;
    let window = Window { from: at("2026-11-22T17:41:31Z"), until: at("2026-11-22T18:00:00Z") };
    let error = recorded.shop.changed(window, None).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TooLarge { .. }), "{error}");
    let asked = recorded.asked().await;
    assert!(asked[4].0.contains("per_page=1&page=1&"), "{}", asked[4].0);
}

#[tokio::test]
async fn a_list_of_orders_goes_on_from_the_last_change() {
    let first = "#X-WP-Total: 2\r\nX-WP-TotalPages: 2\n\
                 [{\"id\":1,\"date_modified_gmt\":\"2026-11-22T17:50:00\"}]";
    let recorded = Recorded::new(&[first, "=[]"]).await;
    let window = Window { from: at("2026-11-22T17:41:31Z"), until: at("2026-11-22T18:00:00Z") };
    let page = recorded.shop.changed(window, None).await.unwrap();
    recorded.shop.changed(window, page.next.as_ref()).await.unwrap();
    let asked = recorded.asked().await;
    assert!(asked[0].0.contains("modified_after=2026-11-22T17%3A41%3A31"), "{}", asked[0].0);
    // The order that moved up over the edge of the first page is on the second.
    assert!(asked[1].0.contains("modified_after=2026-11-22T17%3A49%3A59"), "{}", asked[1].0);
    assert!(asked[1].0.contains("page=1&"), "{}", asked[1].0);
}
