//! A web shop that is nothing but pages: it shows numbers of so many products, and is as
//! fast as they can be written down, so that what is measured is who reads them.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::import::row;

/// Of so many numbers one is wrong.
pub(crate) const WRONG_ONE_IN: u64 = 1000;
/// What is wrong with it.
const WRONG_BY: i64 = 7;
const PER_PAGE: u64 = 100;
const TOTAL: HeaderName = HeaderName::from_static("x-wp-total");
const TOTAL_PAGES: HeaderName = HeaderName::from_static("x-wp-totalpages");

/// What it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// Of the rows of the import.
    pub(crate) seed: u64,
    /// Products, numbered from 1.
    pub(crate) products: u64,
    /// Whether some numbers are wrong.
    pub(crate) wrong: bool,
}

impl Shown {
    /// Numbers that are wrong.
    pub(crate) const fn wrong(&self) -> u64 {
        if self.wrong { self.products / WRONG_ONE_IN } else { 0 }
    }

    fn push(&self, id: u64, text: &mut String) {
        let row = row(self.seed, id - 1);
        let is_wrong = self.wrong && id.is_multiple_of(WRONG_ONE_IN);
        let number = row.on_hand + if is_wrong { WRONG_BY } else { 0 };
        // Writing to a String cannot fail.
        let _infallible: std::fmt::Result = write!(
            text,
            "{}{{\"id\":{id},\"name\":\"{}\",\"type\":\"simple\",\"status\":\"publish\",\
             \"sku\":\"{}\",\"manage_stock\":true,\"stock_quantity\":{number},\"variations\":[]}}",
            if text.len() > 1 { "," } else { "" },
            row.title,
            row.sku,
        );
    }

    fn page(&self, query: &str) -> (u64, String) {
        let mut text = String::from("[");
        let field = |name: &str| {
            query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)
        };
        let total = if let Some((_, ids)) = field("include") {
            let ids = ids.split("%2C").flat_map(|some| some.split(','));
            let ids: Vec<u64> = ids.filter_map(|id| id.parse().ok()).collect();
            let shown = ids.iter().filter(|id| (1..=self.products).contains(*id));
            shown.for_each(|id| self.push(*id, &mut text));
            ids.len() as u64
        } else {
            let page = field("page").and_then(|(_, page)| page.parse().ok()).unwrap_or(1);
            let first = (page - 1) * PER_PAGE + 1;
            let last = self.products.min(first + PER_PAGE - 1);
            (first..=last).for_each(|id| self.push(id, &mut text));
            self.products
        };
        text.push(']');
        (total, text)
    }
}

/// Serves until the set is dropped; where it listens.
pub(crate) async fn serve(shown: Shown, running: &mut JoinSet<()>) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let routes = Router::new()
        .route("/wp-json/wc/v3/products", get(products))
        .fallback(async || answer(0, "[]".to_owned()))
        .with_state(Arc::new(shown));
    running.spawn(async move {
        // It ends with the bench.
        drop(axum::serve(listener, routes).await);
    });
    Ok(url)
}

async fn products(State(shown): State<Arc<Shown>>, RawQuery(query): RawQuery) -> Response {
    let (total, text) = shown.page(&query.unwrap_or_default());
    answer(total, text)
}

fn answer(total: u64, text: String) -> Response {
    let pages = total.div_ceil(PER_PAGE);
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (TOTAL, total.to_string()),
        (TOTAL_PAGES, pages.to_string()),
    ];
    (headers, text).into_response()
}
