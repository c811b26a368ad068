//! A connector over the simulated shop; whatever is said between them fits the schema.

mod calls;
mod limits;
mod returns;
mod work;

use std::sync::Arc;

use invshop::connectors::{Connector, Holder};
use invshop::domain::RemoteId;
use invshop::sandbox::shopify::{ShopifyShop, State, VERSION, caller};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::schema::{breaches, reply_breaches};
use super::opened;

pub(super) const TOKEN: &str = "token-TEST";
pub(super) const APP: (&str, &str) = ("app-TEST", "app-secret-TEST");
/// The shop's clock, milliseconds since 1970.
pub(super) const NOW: i64 = 1_800_000_000_000;

pub(super) struct World {
    pub(super) shop: ShopifyShop,
    pub(super) connector: Arc<dyn Connector>,
    _serving: JoinSet<()>,
}

impl World {
    pub(super) async fn new() -> Self {
        let (shop, serve) = ShopifyShop::open(Arc::new(|| NOW), APP).await.unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve);
        shop.set_token(TOKEN);
        shop.state().keeps_exchanges = true;
        let connector = opened(&shop.url(), &[("access_token", TOKEN)]).unwrap();
        Self { shop, connector, _serving: serving }
    }

    /// A variant with units at a location; its item's holder there.
    pub(super) fn stocked(&self, sku: &str, location: u64, units: i64) -> (u64, Holder) {
        let mut state = self.shop.state();
        let variant = state.add_variant(sku, &[(location, units)], 990);
        (variant, at(&state, variant, location))
    }

    /// What the shop answers to a document, asked as an app asks.
    async fn ask(&self, query: &str, variables: Value) -> Value {
        let url = format!("{}/admin/api/{VERSION}/graphql.json", self.shop.url());
        let request = caller().unwrap().post(url).header("x-shopify-access-token", TOKEN);
        let request = request.json(&json!({ "query": query, "variables": variables }));
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Everything that was said fits the schema of 2026-10, and its rules.
    pub(super) fn is_sound(&self) {
        let state = self.shop.state();
        assert!(!state.exchanges.is_empty());
        for exchange in &state.exchanges {
            let wrong = breaches(&exchange.query, &exchange.variables);
            assert_eq!(wrong, Vec::<String>::new(), "{}", exchange.query);
            let wrong = reply_breaches(&exchange.query, &exchange.reply);
            assert_eq!(wrong, Vec::<String>::new(), "{} {}", exchange.query, exchange.reply);
        }
    }
}

pub(super) fn at(state: &State, variant: u64, location: u64) -> Holder {
    let item = state.variants[&variant].item;
    let id = |number| RemoteId::of_numbers(&[number]);
    Holder { id: id(item), location: Some(id(location)) }
}

/// A list, page by page to its end.
macro_rules! read_to_the_end {
    ($page:expr) => {{
        let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, None);
        loop {
            let page = $page(cursor.clone()).await.unwrap();
            rows.extend(page.rows);
            (pages, cursor) = (pages + 1, page.next);
            if cursor.is_none() {
                break (rows, pages);
            }
        }
    }};
}
pub(super) use read_to_the_end;
