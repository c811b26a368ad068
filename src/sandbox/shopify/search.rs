//! What is asked for at the top: one thing by its id, or lists that are searched.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use serde_json::Value;

use super::document::{self, Gid};
use super::execute;
use super::nodes::{Found, Key, Node};
use super::orders::Order;
use super::plan::Asked;
use super::state::State;

/// How long orders are shown without the scope for all, seconds.
const SHOWN_SECONDS: i64 = 60 * 24 * 60 * 60;
const ALL_ORDERS: &str = "read_all_orders";
/// What has to be granted for lists and things at the top, and for changes.
const NEEDED: [(&str, &str); 14] = [
    ("order", "read_orders"),
    ("orders", "read_orders"),
    ("refund", "read_orders"),
    ("fulfillment", "read_orders"),
    ("productVariants", "read_products"),
    ("productVariant", "read_products"),
    ("inventoryItems", "read_inventory"),
    ("inventoryItem", "read_inventory"),
    ("locations", "read_locations"),
    ("fulfillmentOrder", "read_merchant_managed_fulfillment_orders"),
    ("fulfillmentCreate", "write_merchant_managed_fulfillment_orders"),
    ("inventoryActivate", "write_inventory"),
    ("inventorySetQuantities", "write_inventory"),
    ("orderCancel", "write_orders"),
];

/// What is missing for what is asked for at the top.
pub(super) fn missing_scope(state: &State, name: &str) -> Option<&'static str> {
    let (_, scope) = NEEDED.iter().find(|(field, _)| *field == name)?;
    // Locations are shown to whoever may see the stock there.
    let is_shown = *scope == "read_locations" && state.scopes.contains("read_inventory");
    (!is_shown && !state.scopes.contains(*scope)).then_some(scope)
}

pub(super) fn root(state: &State, asked: &Asked) -> Option<Found> {
    let id = || asked.arguments.get("id").and_then(|id| Gid::read(id.as_str()?));
    Some(match asked.name.as_str() {
        "shop" => Found::Node(Node::Shop),
        "currentAppInstallation" => Found::Node(Node::Installation),
        "node" => Found::some(id().and_then(|gid| node(state, &gid))),
        "nodes" => {
            let ids = asked.arguments.get("ids")?.as_array()?;
            let all = ids.iter().map(|id| node(state, &Gid::read(id.as_str()?)?));
            Found::List(all.collect())
        }
        "orders" => orders(state, asked),
        "productVariants" => {
            let search = search(asked);
            let rows = rest(&state.variants, asked).filter(|(id, one)| {
                search.is_met(&Row { id: **id, updated: one.updated, created: 0, sku: &one.sku })
            });
            let rows = rows.take(page_of(asked));
            Found::Page(rows.map(|(id, _)| ((0, *id), Node::Variant(*id))).collect())
        }
        "inventoryItems" => {
            let search = search(asked);
            let sku = |variant: &u64| state.variants.get(variant).map(|one| one.sku.as_str());
            let rows = rest(&state.items, asked).filter(|(id, one)| {
                let sku = sku(&one.variant).unwrap_or_default();
                search.is_met(&Row { id: **id, updated: one.updated, created: 0, sku })
            });
            let rows = rows.take(page_of(asked));
            Found::Page(rows.map(|(id, _)| ((0, *id), Node::Item(*id))).collect())
        }
        "locations" => {
            let takes_inactive = asked.arguments.get("includeInactive") == Some(&Value::Bool(true));
            let rows = state.locations.iter().filter(|(_, one)| one.is_active || takes_inactive);
            Found::Page(rows.map(|(id, _)| ((0, *id), Node::Location(*id))).collect())
        }
        "webhookSubscriptions" => {
            let topics = asked.arguments.get("topics").and_then(Value::as_array);
            let rows = state.hooks.iter().filter(|(_, one)| {
                topics.is_none_or(|topics| topics.iter().any(|topic| *topic == one.topic))
            });
            Found::Page(rows.map(|(id, _)| ((0, *id), Node::Hook(*id))).collect())
        }
        // The others are one thing by its id, and none where the id is of another kind.
        _ => {
            let wanted = super::schema::name(&asked.kind);
            let gid = id().filter(|gid| gid.kind == wanted);
            Found::some(gid.and_then(|gid| node(state, &gid)))
        }
    })
}

/// The rows of a list by ids from where it goes on: what was read before is not looked at.
fn rest<'a, T>(rows: &'a BTreeMap<u64, T>, asked: &Asked) -> btree_map::Range<'a, u64, T> {
    let (_, last) = execute::goes_on_after(asked).unwrap_or_default();
    rows.range((Bound::Excluded(last), Bound::Unbounded))
}

/// As many of them as a page has, and one more: it tells that there are more.
fn page_of(asked: &Asked) -> usize {
    usize::try_from(asked.entries_max()).unwrap_or_default().saturating_add(1)
}

/// What an id is the id of.
pub(super) fn node(state: &State, gid: &Gid) -> Option<Node> {
    let id = gid.number;
    let with = |has: fn(&Order, u64) -> bool| {
        let mut shown = state.orders.iter().filter(|(_, order)| is_shown(state, order));
        shown.find(|(_, order)| has(order, id)).map(|(order, _)| *order)
    };
    match gid.kind.as_str() {
        "Location" => state.locations.contains_key(&id).then_some(Node::Location(id)),
        "Product" => state.products.contains_key(&id).then_some(Node::Product(id)),
        "ProductVariant" => state.variants.contains_key(&id).then_some(Node::Variant(id)),
        "InventoryItem" => state.items.contains_key(&id).then_some(Node::Item(id)),
        "InventoryLevel" => {
            let item = gid.item?;
            state.levels.contains_key(&(item, id)).then_some(Node::Level(item, id))
        }
        "WebhookSubscription" => state.hooks.contains_key(&id).then_some(Node::Hook(id)),
        "Order" => {
            let order = state.orders.get(&id).filter(|order| is_shown(state, order));
            order.map(|_| Node::Order(id))
        }
        "LineItem" => with(|order, id| order.line(id).is_some()).map(|order| Node::Line(order, id)),
        "FulfillmentOrder" => with(|order, id| order.work.iter().any(|one| one.id == id))
            .map(|order| Node::Work(order, id)),
        "Fulfillment" => with(|order, id| order.parcels.iter().any(|one| one.id == id))
            .map(|order| Node::Parcel(order, id)),
        "Refund" => with(|order, id| order.refunds.iter().any(|one| one.id == id))
            .map(|order| Node::Refund(order, id)),
        _ => None,
    }
}

/// Whether an order is not too old to be shown.
fn is_shown(state: &State, order: &Order) -> bool {
    state.scopes.contains(ALL_ORDERS) || order.created >= state.seconds() - SHOWN_SECONDS
}

fn orders(state: &State, asked: &Asked) -> Found {
    let search = search(asked);
    let sort = asked.arguments.get("sortKey").and_then(Value::as_str).unwrap_or("PROCESSED_AT");
    let key = |id: u64, order: &Order| -> Key {
        match sort {
            "UPDATED_AT" => (order.updated, id),
            "ID" => (0, id),
            _ => (order.created, id),
        }
    };
    let rows = state.orders.iter().filter(|(id, order)| {
        let (updated, created) = (order.updated, order.created);
        let row = Row { id: **id, updated, created, sku: "" };
        let is_listed = updated + state.quirks.lists_after <= state.seconds();
        is_listed && is_shown(state, order) && search.is_met(&row)
    });
    let mut rows: Vec<(Key, Node)> =
        rows.map(|(id, order)| (key(*id, order), Node::Order(*id))).collect();
    rows.sort_by_key(|(key, _)| *key);
    Found::Page(rows)
}

/// What is searched of a row.
struct Row<'a> {
    id: u64,
    updated: i64,
    created: i64,
    sku: &'a str,
}

/// Terms that all have to be met.
struct Search<'a> {
    terms: Vec<Term<'a>>,
}

struct Term<'a> {
    field: &'a str,
    relation: &'a str,
    value: &'a str,
}

fn search(asked: &Asked) -> Search<'_> {
    let text = asked.arguments.get("query").and_then(Value::as_str).unwrap_or_default();
    Search { terms: text.split_whitespace().filter_map(term).collect() }
}

/// A term of a search, where it is one that is known: the shop leaves out others.
fn term(text: &str) -> Option<Term<'_>> {
    let (field, rest) = text.split_once(':')?;
    if !["id", "updated_at", "created_at", "sku"].contains(&field) {
        return None;
    }
    let relation = [">=", "<=", ">", "<"].into_iter().find(|one| rest.starts_with(one));
    let relation = relation.unwrap_or_default();
    let value = rest.strip_prefix(relation)?.trim_matches(['\'', '"']);
    let is_read = match field {
        "id" => value.parse::<u64>().is_ok(),
        "sku" => true,
        _ => document::seconds(value).is_some(),
    };
    is_read.then_some(Term { field, relation, value })
}

/// The terms of a search that the shop leaves out.
pub(super) fn ignored(asked: &Asked) -> Vec<String> {
    let text = asked.arguments.get("query").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().filter(|one| term(one).is_none()).map(str::to_owned).collect()
}

impl Search<'_> {
    fn is_met(&self, row: &Row<'_>) -> bool {
        self.terms.iter().all(|term| term.is_met(row))
    }
}

impl Term<'_> {
    fn is_met(&self, row: &Row<'_>) -> bool {
        let order = match self.field {
            "id" => self.value.parse().map(|value| row.id.cmp(&value)).ok(),
            "updated_at" => document::seconds(self.value).map(|value| row.updated.cmp(&value)),
            "created_at" => document::seconds(self.value).map(|value| row.created.cmp(&value)),
            _ => Some(row.sku.cmp(self.value)),
        };
        let Some(order) = order else { return true };
        match self.relation {
            ">=" => order.is_ge(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            "<" => order.is_lt(),
            _ => order.is_eq(),
        }
    }
}
