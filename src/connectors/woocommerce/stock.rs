//! Numbers of a shop.
//!
//! A simple product carries its own number, a variation its own or its parent's. The
//! name of a holder says how it is written: `11` for a product, also one that carries
//! its variations' number, `16/17` for a variation of product 16.
//!
//! To write to a holder that carries no number is answered 200 and ignored; a batch takes
//! any value without looking. So only whole numbers are sent, the management of stock is
//! never switched, and what is stored afterwards is what counts.

use std::collections::{BTreeMap, HashMap};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::document::plain;
use super::{PAGE_MAX, WooCommerce};
use crate::connectors::{
    Answer, ChannelError, Cursor, ErrorKind, Group, Holder, Page, RemoteLevel, StockOutcome,
    StockRead, StockTarget, StockWrite, Ticket, TicketState, Urgency,
};
use crate::domain::{RemoteId, RemoteQuantity};

const READ: &str = "read stock";
const WRITE: &str = "write stock";
/// The fields of a number.
pub(super) const FIELDS: &str = "id,manage_stock,stock_quantity";
/// The group of products; variations have their parent's.
const PRODUCTS: &str = "products";

/// Who carries a number, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Product(u64),
    Variation { parent: u64, id: u64 },
}

impl Carrier {
    /// The holder that is named so.
    pub(super) fn holder(self) -> Holder {
        let id = match self {
            Self::Product(id) => RemoteId::of_numbers(&[id]),
            Self::Variation { parent, id } => RemoteId::of_numbers(&[parent, id]),
        };
        Holder { id, location: None }
    }

    /// Reads the name; `None` where it is none of ours.
    fn of(holder: &Holder) -> Option<Self> {
        let name = holder.id.as_str();
        Some(match name.split_once('/') {
            Some((parent, id)) => {
                Self::Variation { parent: parent.parse().ok()?, id: id.parse().ok()? }
            }
            None => Self::Product(name.parse().ok()?),
        })
    }

    /// Where it is listed and written.
    fn path(self) -> String {
        match self {
            Self::Product(_) => PRODUCTS.to_owned(),
            Self::Variation { parent, .. } => format!("products/{parent}/variations"),
        }
    }

    const fn id(self) -> u64 {
        match self {
            Self::Product(id) | Self::Variation { id, .. } => id,
        }
    }
}

/// What is stored of a number.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Stored {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) manage_stock: Value,
    #[serde(default)]
    pub(super) stock_quantity: Value,
}

impl Stored {
    /// Whether it carries a number itself: a variation may say `"parent"`.
    pub(super) fn is_managed(&self) -> bool {
        self.manage_stock == Value::Bool(true)
    }

    /// Whether its parent carries its number.
    pub(super) fn is_of_parent(&self) -> bool {
        self.manage_stock.as_str() == Some("parent")
    }

    /// Its number.
    pub(super) fn quantity(&self) -> RemoteQuantity {
        if !self.is_managed() {
            return RemoteQuantity::Untracked;
        }
        // Managed and without a number is what a shop shows that was switched half-way.
        self.stock_quantity.as_i64().map_or(RemoteQuantity::Unreadable, RemoteQuantity::Known)
    }
}

impl StockRead for WooCommerce {
    fn read<'a>(&'a self, holders: &'a [Holder], urgency: Urgency) -> Answer<'a, Vec<RemoteLevel>> {
        async move {
            let mut wanted: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            for carrier in holders.iter().filter_map(Carrier::of) {
                wanted.entry(carrier.path()).or_default().push(carrier.id());
            }
            let mut found = HashMap::new();
            for (path, ids) in wanted {
                for some in ids.chunks(PAGE_MAX) {
                    for stored in self.numbers(&path, some, urgency).await? {
                        found.insert((path.clone(), stored.id), stored.quantity());
                    }
                }
            }
            let level = |holder: &Holder| RemoteLevel {
                holder: holder.clone(),
                quantity: Carrier::of(holder)
                    .and_then(|carrier| found.get(&(carrier.path(), carrier.id())).copied()),
            };
            Ok(holders.iter().map(level).collect())
        }
        .boxed()
    }

    fn read_all<'a>(&'a self, after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteLevel>> {
        async move {
            let page = self.products(READ, after).await?;
            let mut rows = Vec::with_capacity(page.rows.len());
            for product in &page.rows {
                // A parent's number stands once, whatever number of variations show it.
                if product.stored.is_managed() {
                    let holder = Carrier::Product(product.stored.id).holder();
                    rows.push(RemoteLevel { holder, quantity: Some(product.stored.quantity()) });
                }
                let parent = product.stored.id;
                for variation in self.variations(READ, product).await? {
                    let (stored, id) = (&variation.stored, variation.stored.id);
                    if stored.is_managed() {
                        let holder = Carrier::Variation { parent, id }.holder();
                        rows.push(RemoteLevel { holder, quantity: Some(stored.quantity()) });
                    }
                }
            }
            Ok(Page { rows, next: page.next })
        }
        .boxed()
    }
}

impl WooCommerce {
    async fn numbers(
        &self,
        path: &str,
        ids: &[u64],
        urgency: Urgency,
    ) -> Result<Vec<Stored>, ChannelError> {
        let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
        let query = [
            ("include", ids.join(",")),
            ("per_page", PAGE_MAX.to_string()),
            ("_fields", FIELDS.to_owned()),
        ];
        match self.api.get_urgent::<Vec<Stored>>(READ, path, &query, urgency).await {
            Ok((stored, _)) => Ok(stored),
            // The parent is gone, and its variations with it.
            Err(ChannelError { kind: ErrorKind::NotFound(_), .. }) if path != PRODUCTS => {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }
}

impl StockWrite for WooCommerce {
    fn group_of(&self, holder: &Holder) -> Group {
        Group(Carrier::of(holder).map_or(PRODUCTS.to_owned(), Carrier::path))
    }

    fn write<'a>(
        &'a self,
        targets: &'a [StockTarget],
        urgency: Urgency,
    ) -> BoxFuture<'a, Result<Vec<StockOutcome>, ChannelError>> {
        async move {
            let sound =
                |target: &StockTarget| Some((Carrier::of(&target.holder)?, target.quantity.get()));
            let updates: Vec<(Carrier, i64)> = targets.iter().filter_map(sound).collect();
            let Some((first, _)) = updates.first() else {
                return Ok(targets.iter().map(|_| unknown_holder()).collect());
            };
            let update: Vec<Value> = updates
                .iter()
                .map(|(carrier, units)| json!({ "id": carrier.id(), "stock_quantity": units }))
                .collect();
            let path = format!("{}/batch", first.path());
            let body = json!({ "update": update });
            let sent = self.api.send_json(WRITE, (Method::POST, &path), &body, urgency);
            let written: Written = sent.await?;
            let answers: HashMap<u64, &Item> =
                written.update.iter().filter_map(|item| Some((item.id?, item))).collect();
            let outcome = |target: &StockTarget| match Carrier::of(&target.holder) {
                Some(carrier) if carrier.path() == first.path() => {
                    answers.get(&carrier.id()).map_or(StockOutcome::Unknown, |item| item.outcome())
                }
                _ => unknown_holder(),
            };
            Ok(targets.iter().map(outcome).collect())
        }
        .boxed()
    }

    fn ticket<'a>(&'a self, _: &'a Ticket) -> Answer<'a, TicketState> {
        // Nothing is done later here, so there is none that it knows.
        async { Ok(TicketState::Lost) }.boxed()
    }
}

fn unknown_holder() -> StockOutcome {
    StockOutcome::Refused {
        code: "unknown_holder".to_owned(),
        detail: "it is no product of this shop, or not of this call".to_owned(),
    }
}

/// The answer to a batch: one entry for each that was sent, each with an outcome.
#[derive(Debug, Deserialize)]
struct Written {
    #[serde(default)]
    update: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    id: Option<u64>,
    error: Option<Failed>,
    #[serde(default)]
    manage_stock: Value,
    #[serde(default)]
    stock_quantity: Value,
}

#[derive(Debug, Deserialize)]
struct Failed {
    code: String,
    #[serde(default)]
    message: String,
}

impl Item {
    fn outcome(&self) -> StockOutcome {
        if let Some(Failed { code, message }) = &self.error {
            return StockOutcome::Refused { code: code.clone(), detail: plain(message) };
        }
        let stored = Stored {
            id: self.id.unwrap_or_default(),
            manage_stock: self.manage_stock.clone(),
            stock_quantity: self.stock_quantity.clone(),
        };
        match stored.quantity() {
            RemoteQuantity::Untracked => StockOutcome::Refused {
                code: "not_managed".to_owned(),
                detail: "the shop does not count it here (any more): stock management is off, \
                         or it is its parent's"
                    .to_owned(),
            },
            quantity => StockOutcome::Stored(quantity),
        }
    }
}
