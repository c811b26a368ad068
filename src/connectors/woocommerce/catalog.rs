//! Products and variations of a shop, as listings.

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::Value;

use super::orders::id;
use super::pages::Place;
use super::stock::{Carrier, FIELDS, Stored};
use super::{PAGE_MAX, WooCommerce};
use crate::connectors::{Answer, Catalog, ChannelError, Cursor, ErrorKind, Page, RemoteListing};

const LISTINGS: &str = "read the products";
/// What is sold through its variations only.
const VARIABLE: &str = "variable";
/// Kinds that carry no number: they lead elsewhere, or are made of others.
const WITHOUT_STOCK: [&str; 2] = ["external", "grouped"];
/// Variations of one product that are read: fifty pages.
const VARIATION_PAGES_MAX: usize = 50;

/// A product or a variation.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Product {
    #[serde(flatten)]
    pub(super) stored: Stored,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    sku: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    variations: Value,
}

impl Product {
    /// Whether it is sold through its variations: plugins have kinds of their own for
    /// that, as `variable-subscription`.
    fn is_variable(&self) -> bool {
        self.kind == VARIABLE || self.variations.as_array().is_some_and(|all| !all.is_empty())
    }
}

impl Catalog for WooCommerce {
    fn listings<'a>(&'a self, after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteListing>> {
        async move {
            let page = self.products(LISTINGS, after).await?;
            let mut rows = Vec::with_capacity(page.rows.len());
            for product in &page.rows {
                for variation in self.variations(LISTINGS, product).await? {
                    rows.push(variation_listing(product, &variation));
                }
                if !product.is_variable() {
                    rows.push(listing(product));
                }
            }
            Ok(Page { rows, next: page.next })
        }
        .boxed()
    }
}

fn listing(product: &Product) -> RemoteListing {
    let carries = product.stored.is_managed() && !WITHOUT_STOCK.contains(&product.kind.as_str());
    let own = id(product.stored.id);
    RemoteListing {
        order_keys: vec![own.clone()],
        id: own,
        holders: carries
            .then(|| Carrier::Product(product.stored.id).holder())
            .into_iter()
            .collect(),
        sku_text: product.sku.clone(),
        title: product.name.clone(),
        is_active: product.status == "publish",
        quantity: Some(product.stored.quantity()),
    }
}

fn variation_listing(parent: &Product, variation: &Product) -> RemoteListing {
    let own = variation.stored.id;
    let carrier = if variation.stored.is_managed() {
        Some((Carrier::Variation { parent: parent.stored.id, id: own }, &variation.stored))
    } else if variation.stored.is_of_parent() && parent.stored.is_managed() {
        Some((Carrier::Product(parent.stored.id), &parent.stored))
    } else {
        None
    };
    let (own, quantity) = (id(own), carrier.map(|(_, stored)| stored.quantity()));
    let title = if variation.name.is_empty() || variation.name == parent.name {
        format!("{} #{own}", parent.name)
    } else if variation.name.starts_with(&parent.name) {
        variation.name.clone()
    } else {
        format!("{} - {}", parent.name, variation.name)
    };
    RemoteListing {
        order_keys: vec![own.clone()],
        id: own,
        holders: carrier.map(|(carrier, _)| carrier.holder()).into_iter().collect(),
        sku_text: variation.sku.clone(),
        title,
        is_active: variation.status == "publish" && parent.status == "publish",
        quantity: Some(quantity.unwrap_or(crate::domain::RemoteQuantity::Untracked)),
    }
}

impl WooCommerce {
    /// A page of products, by id: new ones come last, so that none is passed over.
    pub(super) async fn products(
        &self,
        what: &'static str,
        after: Option<&Cursor>,
    ) -> Result<Page<Product>, ChannelError> {
        let place = Place::of(what, after)?;
        let (rows, next) = self.product_page(what, "products", place).await?;
        Ok(Page { rows, next: next.map(Place::cursor) })
    }

    /// What is at a place of a list and was not read yet, and the place after it.
    async fn product_page(
        &self,
        what: &'static str,
        path: &str,
        place: Place,
    ) -> Result<(Vec<Product>, Option<Place>), ChannelError> {
        let (rows, headers) = self.api.get(what, path, &query(place.page)).await?;
        let mut rows: Vec<Product> = rows;
        let ids: Vec<u64> = rows.iter().map(|row| row.stored.id).collect();
        let next = place.next(what, &headers, &ids, PAGE_MAX)?;
        if next.is_some_and(|next| next.is_again(place)) {
            rows.clear();
        }
        rows.retain(|row| !place.has_read(row.stored.id));
        Ok((rows, next))
    }

    /// All variations of a product; none where it has none.
    pub(super) async fn variations(
        &self,
        what: &'static str,
        product: &Product,
    ) -> Result<Vec<Product>, ChannelError> {
        let mut all = Vec::new();
        if !product.is_variable() {
            return Ok(all);
        }
        let path = format!("products/{}/variations", product.stored.id);
        let mut place = Place::START;
        for _ in 0..VARIATION_PAGES_MAX {
            let (rows, next) = self.product_page(what, &path, place).await?;
            all.extend(rows);
            match next {
                Some(next) => place = next,
                None => return Ok(all),
            }
        }
        let why = format!("product {} has more variations than are read", product.stored.id);
        Err(ChannelError::new(what, ErrorKind::Unreadable(why)))
    }
}

fn query(page: usize) -> [(&'static str, String); 5] {
    [
        ("per_page", PAGE_MAX.to_string()),
        ("page", page.to_string()),
        ("orderby", "id".to_owned()),
        ("order", "asc".to_owned()),
        ("_fields", format!("{FIELDS},name,type,sku,status,variations")),
    ]
}
