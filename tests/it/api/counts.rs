//! What requests cost in statements, as the server counts them: a count is the same on
//! every machine, a time is not.

use futures_util::future::join_all;
use serde_json::json;

use super::client::Served;
use crate::harness::{Backend, TestShop, has_postgres};
use crate::raw::Raw;

/// Items of one request.
const ITEMS: usize = 500;
/// Statements of the database so far, those of the question left out.
const STATEMENTS: &str = "select coalesce(sum(calls), 0)::bigint from pg_stat_statements
    where dbid = (select oid from pg_database where datname = current_database())
      and query not like '%pg_stat_statements%'";

/// Whether the server counts statements: the one of the tests does.
async fn counts(raw: &mut Raw) -> bool {
    let loaded = "select count(*) from pg_settings where name = 'shared_preload_libraries'
                  and setting like '%pg_stat_statements%'";
    if raw.number(loaded).await == 0 {
        assert!(std::env::var_os("INVSHOP_CI").is_none(), "the server counts no statements");
        println!("SKIPPED: the server counts no statements (pg_stat_statements)");
        return false;
    }
    raw.execute("create extension if not exists pg_stat_statements").await;
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_for_500_items_takes_twenty_times_fewer_statements() {
    if !has_postgres() {
        return;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    let mut raw = Raw::open(&shop.opening.place).await;
    if !counts(&mut raw).await {
        return;
    }
    let skus: Vec<String> = (0..ITEMS).map(|number| format!("ITEM-{number}")).collect();
    join_all(skus.iter().map(|sku| shop.item(sku, 1))).await;
    let served = Served::new(&shop).await;
    let client = served.client("web", "storefront").await;
    let before = raw.number(STATEMENTS).await;
    for sku in &skus {
        assert_eq!(client.get(&format!("/v1/inventory/{sku}")).await.status, 200);
    }
    let after_each = raw.number(STATEMENTS).await;
    let all = client.post("/v1/inventory/batch-get", &json!({ "skus": skus })).await;
    let after_all = raw.number(STATEMENTS).await;
    assert_eq!((all.status, all.body["data"].as_array().unwrap().len()), (200, ITEMS));
    let (each, all) = (after_each - before, after_all - after_each);
    println!("{each} statements for {ITEMS} requests, {all} for one");
    assert!(all > 0 && each >= 20 * all, "{each} statements one by one, {all} at once");
    served.end().await;
    shop.end().await;
}
