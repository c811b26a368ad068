//! What a shop can do, found by asking, in words its owner can act on. Nothing is changed.

use serde::Deserialize;
use serde_json::json;

use super::api::Document;
use super::ids::number;
use super::{Listed, Shopify};
use crate::connectors::{ChannelError, Finding, Probe, Urgency};

const PROBE: Document =
    Document::reading("see what the keys may do", include_str!("graphql/probe.graphql"), 200);
/// What is needed, and what for. A scope to write is one to read too.
const SCOPES: [(&str, &str); 5] = [
    ("read_orders", "read orders"),
    ("write_inventory", "write stock"),
    ("read_products", "find listings"),
    ("write_merchant_managed_fulfillment_orders", "tell of parcels"),
    ("write_orders", "cancel orders"),
];
/// What is seen only with it of orders that others ship.
const OTHERS: [&str; 2] =
    ["read_third_party_fulfillment_orders", "read_assigned_fulfillment_orders"];
/// With it, orders of more than 60 days ago are shown.
const ALL_ORDERS: &str = "read_all_orders";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probed {
    shop: Shop,
    current_app_installation: App,
    locations: Listed<Location>,
}

#[derive(Deserialize)]
struct Shop {
    name: String,
    plan: Plan,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    public_display_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct App {
    access_scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct Scope {
    handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    id: String,
    name: String,
    is_active: bool,
    is_fulfillment_service: bool,
}

pub(super) async fn probe(shop: &Shopify) -> Result<Probe, ChannelError> {
    let probed: Probed = shop.api.run(&PROBE, &json!({}), Urgency::Ordinary).await?;
    let Shop { name, plan } = probed.shop;
    let mut findings =
        vec![found(format!("the keys are taken by {name} (plan {})", plan.public_display_name))];
    let scopes: Vec<&str> = probed
        .current_app_installation
        .access_scopes
        .iter()
        .map(|one| one.handle.as_str())
        .collect();
    let has = |scope: &str| {
        let writes = scope.strip_prefix("read_").map(|rest| format!("write_{rest}"));
        scopes.iter().any(|one| *one == scope || Some(*one) == writes.as_deref())
    };
    for (scope, what) in SCOPES {
        findings.push(if has(scope) {
            found(format!("the app may {what}"))
        } else {
            problem(format!("the app may not {what}: give it the scope {scope}"))
        });
    }
    if !OTHERS.iter().all(|scope| has(scope)) {
        findings.push(found(format!(
            "what a fulfilment service ships is not seen to leave from its location (scopes {})",
            OTHERS.join(", ")
        )));
    }
    let mut capability = shop.capability.clone();
    if has(ALL_ORDERS) {
        if let Some(orders) = &mut capability.orders {
            orders.history_max = None;
        }
    } else {
        findings.push(found(format!(
            "orders of more than 60 days ago are not shown to the app (scope {ALL_ORDERS})"
        )));
    }
    for location in probed.locations.nodes.into_iter().filter(|one| one.is_active) {
        let id = number(&location.id).map_or_else(String::new, |id| id.to_string());
        let whose = if location.is_fulfillment_service { ", of a fulfilment service" } else { "" };
        findings.push(found(format!("it has the location {id} ({}{whose})", location.name)));
    }
    if probed.locations.page_info.has_next_page {
        findings
            .push(problem("it has more than 100 locations, which are not all listed".to_owned()));
    }
    Ok(Probe { capability, findings })
}

fn found(text: String) -> Finding {
    Finding { is_problem: false, text }
}

fn problem(text: String) -> Finding {
    Finding { is_problem: true, text }
}
