//! What there is to ask about, and what each field of it says.

use serde_json::Value;

use super::document::{self, Gid, gid, money, time};
use super::orders::{Line, Order, Parcel, Refund, Work};
use super::plan::Asked;
use super::state::{Level, Policy, State};
use super::{search, trade};

/// The number in the id of the shop, and of the app in it.
pub(super) const SHOP: u64 = 1;

/// What rows of a list are sorted by.
pub(super) type Key = (i64, u64);

/// Something that can be asked about, by its ids.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Query,
    Shop,
    Installation,
    Location(u64),
    Product(u64),
    Variant(u64),
    Item(u64),
    Level(u64, u64),
    Order(u64),
    /// Of an order, as all that follow.
    Line(u64, u64),
    Work(u64, u64),
    /// Of a piece of work.
    WorkLine(u64, u64, u64),
    Parcel(u64, u64),
    /// Of a parcel.
    ParcelLine(u64, u64, u64),
    Refund(u64, u64),
    /// Of a refund.
    RefundLine(u64, u64, u64),
    Hook(u64),
    /// Something that is only looked at: its type, and its fields.
    Plain(&'static str, Vec<(&'static str, Found)>),
}

/// What a field says.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Value(Value),
    Node(Node),
    List(Vec<Option<Node>>),
    /// A whole list, of which a page is shown.
    Page(Vec<(Key, Node)>),
}

impl Found {
    pub(super) fn some(node: Option<Node>) -> Self {
        node.map_or(Self::Value(Value::Null), Self::Node)
    }
}

macro_rules! says {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Found {
            fn from(value: $kind) -> Self {
                Self::Value(value.into())
            }
        })*
    };
}

says!(Value, String, &str, bool, i64, Option<String>, Option<&str>);

impl Node {
    /// The name of its type.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Query => "QueryRoot",
            Self::Shop => "Shop",
            Self::Installation => "AppInstallation",
            Self::Location(_) => "Location",
            Self::Product(_) => "Product",
            Self::Variant(_) => "ProductVariant",
            Self::Item(_) => "InventoryItem",
            Self::Level(..) => "InventoryLevel",
            Self::Order(_) => "Order",
            Self::Line(..) => "LineItem",
            Self::Work(..) => "FulfillmentOrder",
            Self::WorkLine(..) => "FulfillmentOrderLineItem",
            Self::Parcel(..) => "Fulfillment",
            Self::ParcelLine(..) => "FulfillmentLineItem",
            Self::Refund(..) => "Refund",
            Self::RefundLine(..) => "RefundLineItem",
            Self::Hook(_) => "WebhookSubscription",
            Self::Plain(kind, _) => kind,
        }
    }

    /// Whether it can be asked for by its id alone.
    pub(super) const fn has_id(&self) -> bool {
        !matches!(self, Self::Query | Self::Plain(..))
    }

    fn id(&self) -> Option<String> {
        let number = match self {
            Self::Shop | Self::Installation => SHOP,
            Self::Level(item, location) => return Some(document::level_gid(*item, *location)),
            Self::Location(id)
            | Self::Product(id)
            | Self::Variant(id)
            | Self::Item(id)
            | Self::Order(id)
            | Self::Hook(id)
            | Self::Line(_, id)
            | Self::Work(_, id)
            | Self::Parcel(_, id)
            | Self::Refund(_, id)
            | Self::WorkLine(_, _, id)
            | Self::ParcelLine(_, _, id)
            | Self::RefundLine(_, _, id) => *id,
            Self::Query | Self::Plain(..) => return None,
        };
        Some(gid(self.kind(), number))
    }
}

/// What a field says; none where it is not served.
pub(super) fn field(state: &State, node: &Node, asked: &Asked) -> Option<Found> {
    let name = asked.name.as_str();
    match (name, node) {
        ("id", node) if node.has_id() => return Some(node.id()?.into()),
        ("legacyResourceId", node) => {
            // It is a number that is written as a text.
            let id = Gid::read(&node.id()?)?.number;
            return Some(id.to_string().into());
        }
        _ => {}
    }
    match node {
        Node::Query => search::root(state, asked),
        Node::Shop => shop(state, name),
        Node::Installation => installation(state, name),
        Node::Location(id) => location(state, *id, name),
        Node::Product(id) => product(state, *id, name),
        Node::Variant(id) => variant(state, *id, name),
        Node::Item(id) => item(state, *id, asked),
        Node::Level(item, location) => level(state, (*item, *location), asked),
        Node::Hook(id) => hook(state, *id, name),
        Node::Plain(_, fields) => {
            fields.iter().find(|(known, _)| *known == name).map(|(_, found)| found.clone())
        }
        Node::Order(_)
        | Node::Line(..)
        | Node::Work(..)
        | Node::WorkLine(..)
        | Node::Parcel(..)
        | Node::ParcelLine(..)
        | Node::Refund(..)
        | Node::RefundLine(..) => trade::field(state, node, name),
    }
}

fn shop(state: &State, name: &str) -> Option<Found> {
    Some(match name {
        "name" => state.name.clone().into(),
        "currencyCode" => state.currency.clone().into(),
        "myshopifyDomain" => state.domain.clone().into(),
        "plan" => {
            let plan = state.plan.clone();
            let fields =
                vec![("publicDisplayName", plan.into()), ("shopifyPlus", state.is_plus.into())];
            Found::Node(Node::Plain("ShopPlan", fields))
        }
        _ => return None,
    })
}

fn installation(state: &State, name: &str) -> Option<Found> {
    let scope = |handle: &String| {
        let fields =
            vec![("handle", handle.clone().into()), ("description", handle.clone().into())];
        Some(Node::Plain("AccessScope", fields))
    };
    (name == "accessScopes").then(|| Found::List(state.scopes.iter().map(scope).collect()))
}

fn location(state: &State, id: u64, name: &str) -> Option<Found> {
    let one = state.locations.get(&id)?;
    Some(match name {
        "name" => one.name.clone().into(),
        "isActive" => one.is_active.into(),
        "fulfillsOnlineOrders" => one.fulfills_online.into(),
        "isFulfillmentService" => one.is_service.into(),
        _ => return None,
    })
}

fn product(state: &State, id: u64, name: &str) -> Option<Found> {
    let one = state.products.get(&id)?;
    Some(match name {
        "title" => one.title.clone().into(),
        "status" => one.status.clone().into(),
        _ => return None,
    })
}

fn variant(state: &State, id: u64, name: &str) -> Option<Found> {
    let one = state.variants.get(&id)?;
    let product = || state.products.get(&one.product).map(|product| product.title.as_str());
    Some(match name {
        "title" => one.title.clone().into(),
        "displayName" => format!("{} - {}", product().unwrap_or_default(), one.title).into(),
        // A text that was never typed is null.
        "sku" => document::text(&one.sku).into(),
        "price" => money(one.price).into(),
        "inventoryItem" => Found::Node(Node::Item(one.item)),
        "inventoryPolicy" => match one.policy {
            Policy::Deny => "DENY".into(),
            Policy::Continue => "CONTINUE".into(),
        },
        "inventoryQuantity" => {
            let levels = state.levels.iter().filter(|((item, _), _)| *item == one.item);
            levels.map(|(_, level)| level.available).sum::<i64>().into()
        }
        "product" => Found::Node(Node::Product(one.product)),
        "requiresComponents" => state.items.get(&one.item)?.is_bundle.into(),
        "updatedAt" => time(one.updated).into(),
        _ => return None,
    })
}

fn item(state: &State, id: u64, asked: &Asked) -> Option<Found> {
    let one = state.items.get(&id)?;
    let takes_inactive = asked.arguments.get("includeInactive") == Some(&Value::Bool(true));
    let is_shown = |level: &Level| level.is_active || takes_inactive;
    Some(match asked.name.as_str() {
        "tracked" => one.is_tracked.into(),
        "requiresShipping" => one.is_shipped.into(),
        "sku" => state.variants.get(&one.variant).and_then(|one| document::text(&one.sku)).into(),
        "updatedAt" => time(one.updated).into(),
        "variant" => Found::Node(Node::Variant(one.variant)),
        "inventoryLevel" => {
            let location = Gid::of(asked.arguments.get("locationId")?, "Location");
            let location = location.map(|gid| gid.number).unwrap_or_default();
            let level = state.levels.get(&(id, location)).filter(|level| is_shown(level));
            Found::some(level.map(|_| Node::Level(id, location)))
        }
        "inventoryLevels" => {
            let levels = state.levels.range((id, 0)..=(id, u64::MAX));
            let levels = levels.filter(|(_, level)| is_shown(level));
            let rows =
                levels.map(|((item, location), _)| ((0, *location), Node::Level(*item, *location)));
            Found::Page(rows.collect())
        }
        _ => return None,
    })
}

fn level(state: &State, key: (u64, u64), asked: &Asked) -> Option<Found> {
    let one = state.levels.get(&key)?;
    Some(match asked.name.as_str() {
        "isActive" => one.is_active.into(),
        "item" => Found::Node(Node::Item(key.0)),
        "location" => Found::Node(Node::Location(key.1)),
        "updatedAt" => time(one.updated).into(),
        "quantities" => {
            let names = asked.arguments.get("names")?.as_array()?;
            let names = names.iter().filter_map(Value::as_str);
            Found::List(names.map(|name| quantity(key, one, name)).collect())
        }
        _ => return None,
    })
}

/// One number of a level; nothing is ever on its way, reserved or damaged here.
fn quantity((item, location): (u64, u64), level: &Level, name: &str) -> Option<Node> {
    let number = match name {
        "available" => level.available,
        "committed" => level.committed,
        "on_hand" => level.on_hand(),
        "incoming" | "reserved" | "damaged" | "safety_stock" | "quality_control" => 0,
        _ => return None,
    };
    let id = format!("gid://shopify/InventoryQuantity/{location}-{name}?inventory_item_id={item}");
    let fields = vec![
        ("id", id.into()),
        ("name", name.into()),
        ("quantity", number.into()),
        ("updatedAt", time(level.updated).into()),
    ];
    Some(Node::Plain("InventoryQuantity", fields))
}

fn hook(state: &State, id: u64, name: &str) -> Option<Found> {
    let one = state.hooks.get(&id)?;
    Some(match name {
        "topic" => one.topic.clone().into(),
        "uri" | "callbackUrl" => one.uri.clone().into(),
        "format" => "JSON".into(),
        _ => return None,
    })
}

/// An amount as a price in the money of the shop, and of the buyer.
pub(super) fn price(state: &State, hundredths: i64) -> Found {
    let fields = vec![
        ("amount", document::decimal(hundredths).into()),
        ("currencyCode", state.currency.clone().into()),
    ];
    let money = Found::Node(Node::Plain("MoneyV2", fields));
    let fields = vec![("shopMoney", money.clone()), ("presentmentMoney", money)];
    Found::Node(Node::Plain("MoneyBag", fields))
}

/// Finds what belongs to an order, by ids.
pub(super) fn order(state: &State, id: u64) -> Option<&Order> {
    state.orders.get(&id)
}

pub(super) fn line(state: &State, order: u64, id: u64) -> Option<&Line> {
    state.orders.get(&order)?.line(id)
}

pub(super) fn work(state: &State, order: u64, id: u64) -> Option<&Work> {
    state.orders.get(&order)?.work.iter().find(|one| one.id == id)
}

pub(super) fn parcel(state: &State, order: u64, id: u64) -> Option<&Parcel> {
    state.orders.get(&order)?.parcels.iter().find(|one| one.id == id)
}

pub(super) fn refund(state: &State, order: u64, id: u64) -> Option<&Refund> {
    state.orders.get(&order)?.refunds.iter().find(|one| one.id == id)
}
