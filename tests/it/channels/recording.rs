//! What was recorded of a live shop, and the simulated one filled with it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime};
use invshop::sandbox::woocommerce::{Managed, Order, OrderLine, Product, ShopState};
use serde_json::Value;

use crate::connectors::woocommerce::recorded::{file, folder};

/// What its webhooks were signed with.
pub(super) const HOOK_SECRET: &str = "whsec \"quoted\" & <odd>";
/// An order that was deleted for good, not only put in the bin: the two deliveries that
/// were made of it after that say so, and the list of the bin is empty then.
const GONE: u64 = 29;

/// A recording.
pub(super) struct Recording {
    /// By when they were answered.
    pub(super) exchanges: Vec<Exchange>,
    /// In the order of their arrival.
    pub(super) deliveries: Vec<Delivery>,
}

/// A request and its answer.
pub(super) struct Exchange {
    pub(super) name: String,
    pub(super) method: String,
    /// With the query, below the address of the shop.
    pub(super) path: String,
    pub(super) sent: String,
    pub(super) status: u16,
    /// By name, in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) document: Value,
    /// Whole seconds.
    pub(super) at: i64,
}

/// A call of a webhook.
#[derive(Clone)]
pub(super) struct Delivery {
    pub(super) name: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Delivery {
    /// Whether it only asks if anybody is there.
    pub(super) fn is_ping(&self) -> bool {
        self.name.ends_with("-ping")
    }

    /// What it is about, as `order.created`.
    pub(super) fn topic(&self) -> &str {
        self.name.split_once('-').unwrap().1
    }

    pub(super) fn document(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Recording {
    /// Reads it; `None` where it is not there.
    pub(super) fn read() -> Option<Self> {
        let folder = folder()?;
        let names = |folder: &std::path::Path, suffix: &str| {
            let entries = std::fs::read_dir(folder).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let names = names.filter_map(|name| Some(name.strip_suffix(suffix)?.to_owned()));
            let mut names: Vec<String> = names.collect();
            names.sort_unstable();
            names
        };
        let deliveries = names(&folder.join("hooks"), ".body");
        let exchanges = names(&folder, ".request.txt");
        let mut exchanges: Vec<_> = exchanges.into_iter().map(exchange).collect();
        exchanges.sort_by_key(|exchange| exchange.at);
        Some(Self { exchanges, deliveries: deliveries.into_iter().map(delivery).collect() })
    }

    /// The exchange of a name.
    pub(super) fn exchange(&self, name: &str) -> &Exchange {
        self.exchanges.iter().find(|exchange| exchange.name == name).unwrap()
    }

    /// Every document of an answer up to a moment, and of each delivery; of the same
    /// second the delivery is the later one.
    fn documents(&self, until: i64) -> Vec<Value> {
        let mut all = Vec::new();
        for exchange in self.exchanges.iter().filter(|exchange| exchange.at <= until) {
            match &exchange.document {
                Value::Array(list) => all.extend(list.iter().cloned()),
                one if one["update"].is_array() => {
                    all.extend(one["update"].as_array().unwrap().iter().cloned());
                }
                one => all.push(one.clone()),
            }
        }
        all.extend(self.deliveries.iter().map(Delivery::document));
        all.retain(|one| modified(one).is_some_and(|at| at <= until));
        all
    }

    /// Fills a shop with what the recording shows of a moment; of its end at the last.
    pub(super) fn fill(&self, state: &mut ShopState, until: i64) {
        state.products.clear();
        state.orders.clear();
        "USD".clone_into(&mut state.currency);
        for document in self.documents(until) {
            put(state, &document);
        }
        // A deletion has no time of its own: that of the request, else of what was sent before.
        let mut at = 0;
        for delivery in &self.deliveries {
            let document = delivery.document();
            at = at.max(modified(&document).unwrap_or(0));
            let asked = document["id"].as_u64().and_then(|id| self.deleted_at(id));
            if asked.unwrap_or(at) <= until {
                forget(state, delivery);
            }
        }
    }

    fn deleted_at(&self, id: u64) -> Option<i64> {
        let is_it = |exchange: &&Exchange| {
            exchange.method == "DELETE" && exchange.path.ends_with(&format!("/{id}"))
        };
        self.exchanges.iter().find(is_it).map(|exchange| exchange.at)
    }
}

/// Takes away what a delivery says is deleted.
pub(super) fn forget(state: &mut ShopState, delivery: &Delivery) {
    let document = delivery.document();
    let id = document["id"].as_u64();
    match (delivery.topic(), id) {
        ("order.deleted", Some(GONE)) => _ = state.orders.remove(&GONE),
        ("order.deleted", Some(id)) => {
            if let Some(order) = state.orders.get_mut(&id) {
                "trash".clone_into(&mut order.status);
            }
        }
        ("product.deleted", Some(id)) => _ = state.products.remove(&id),
        _ => {}
    }
}

/// Puts a product or an order as it is written into a shop, unless a newer state is there.
pub(super) fn put(state: &mut ShopState, document: &Value) {
    let (Some(id), Some(at)) = (document["id"].as_u64(), modified(document)) else { return };
    if document["line_items"].is_array() && document["billing"].is_object() {
        if state.orders.get(&id).is_none_or(|order| order.modified <= at) {
            state.orders.insert(id, order(document, at));
        }
    } else if document["manage_stock"] != Value::Null
        && document["name"].is_string()
        && state.products.get(&id).is_none_or(|product| product.modified <= at)
    {
        let mut product = product(document, at);
        // Alone a variation is called as in an order: with its product's name before its own.
        let parent = product.parent.and_then(|parent| state.products.get(&parent));
        let own = parent.and_then(|parent| product.name.strip_prefix(&parent.name));
        if let Some(own) = own.and_then(|own| own.strip_prefix(" - ")).map(str::to_owned) {
            product.name = own;
        }
        state.products.insert(id, product);
    }
}

fn product(document: &Value, modified: i64) -> Product {
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    let managed = match &document["manage_stock"] {
        Value::Bool(true) => Managed::Own,
        Value::Bool(false) => Managed::No,
        other => {
            assert_eq!(other, "parent");
            Managed::Parent
        }
    };
    Product {
        name: text("name"),
        sku: text("sku"),
        parent: document["parent_id"].as_u64().filter(|parent| *parent != 0),
        is_variable: document["type"] == "variable",
        managed,
        stock: document["stock_quantity"].as_i64().unwrap_or(0),
        price: hundredths(&text("price")),
        modified,
    }
}

fn order(document: &Value, modified: i64) -> Order {
    let lines = document["line_items"].as_array().unwrap().iter().map(|line| {
        let id = |name: &str| line[name].as_u64().unwrap();
        OrderLine {
            id: id("id"),
            product: if id("variation_id") == 0 { id("product_id") } else { id("variation_id") },
            quantity: line["quantity"].as_i64().unwrap(),
            reduced: meta(line, "_reduced_stock"),
            restocked: meta(line, "_restock_refunded_items"),
            price: hundredths(&line["price"].to_string()),
        }
    });
    Order {
        status: document["status"].as_str().unwrap().to_owned(),
        lines: lines.collect(),
        created: seconds(document["date_created_gmt"].as_str().unwrap()),
        modified,
    }
}

/// A further field of a line that is a number; 0 where it is not there.
pub(super) fn meta(line: &Value, key: &str) -> i64 {
    let all = line["meta_data"].as_array().unwrap();
    let found = all.iter().find(|meta| meta["key"] == key);
    found.map_or(0, |meta| meta["value"].as_str().unwrap().parse().unwrap())
}

/// When a document last changed, where it says.
pub(super) fn modified(document: &Value) -> Option<i64> {
    document["date_modified_gmt"].as_str().map(seconds)
}

/// A time of the shop that is UTC, as whole seconds.
pub(super) fn seconds(text: &str) -> i64 {
    let moment = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").unwrap();
    moment.and_utc().timestamp()
}

/// A decimal as hundredths: nothing here has more places.
pub(super) fn hundredths(text: &str) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<2}");
    assert_eq!(part.len(), 2, "{text}");
    format!("{whole}{part}").parse().unwrap_or(0)
}

fn delivery(name: String) -> Delivery {
    let head = String::from_utf8(file(&format!("hooks/{name}.headers"))).unwrap();
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Delivery { headers: headers.collect(), body: file(&format!("hooks/{name}.body")), name }
}

fn exchange(name: String) -> Exchange {
    let request = String::from_utf8(file(&format!("{name}.request.txt"))).unwrap();
    let (head, sent) = split(&request);
    let mut line = head.lines().next().unwrap().split(' ');
    let (method, path) = (line.next().unwrap().to_owned(), line.next().unwrap().to_owned());
    let answer = String::from_utf8(file(&format!("{name}.response.headers"))).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let headers = answer.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<_, _> =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let at = DateTime::parse_from_rfc2822(&headers["date"]).unwrap().timestamp();
    let body = file(&format!("{name}.response.body"));
    let document = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let sent = sent.trim().to_owned();
    Exchange { name, method, path, sent, status, headers, document, at }
}

/// The head of a request and what follows the empty line.
fn split(text: &str) -> (&str, &str) {
    let ends = ["\r\n\r\n", "\n\n"].into_iter().filter_map(|end| text.split_once(end));
    ends.min_by_key(|(head, _)| head.len()).unwrap_or((text, ""))
}
