//! What each field of an order says, and of what belongs to it.

use serde_json::Value;

use super::document::{gid, text, time};
use super::nodes::{self, Found, Node};
use super::orders::{Order, Readiness};
use super::state::State;
use super::work;

pub(super) fn field(state: &State, node: &Node, name: &str) -> Option<Found> {
    match *node {
        Node::Order(id) => order(state, id, name),
        Node::Line(order, id) => line(state, (order, id), name),
        Node::Work(order, id) => piece(state, (order, id), name),
        Node::WorkLine(order, work, id) => work_line(state, (order, work, id), name),
        Node::Parcel(order, id) => parcel(state, (order, id), name),
        Node::ParcelLine(order, parcel, id) => {
            let parcel = nodes::parcel(state, order, parcel)?;
            let one = parcel.lines.iter().find(|one| one.id == id)?;
            match name {
                "quantity" => Some(one.units.into()),
                "lineItem" => Some(Found::Node(Node::Line(order, one.line))),
                _ => None,
            }
        }
        Node::Refund(order, id) => refund(state, (order, id), name),
        Node::RefundLine(order, refund, id) => refund_line(state, (order, refund, id), name),
        _ => None,
    }
}

/// How far an order has left; whether all that has not is held, or put off, is said first
/// (schema of 2026-10, `OrderDisplayFulfillmentStatus`).
fn fulfillment_status(order: &Order, now: i64) -> &'static str {
    let waiting = order.work.iter().filter(|work| work.remaining() > 0);
    let all = |wanted: &str| waiting.clone().all(|one| work::status(order, one, now) == wanted);
    match (order.has_left(), order.has_to_leave()) {
        (_, true) if all("ON_HOLD") => "ON_HOLD",
        (_, true) if all("SCHEDULED") => "SCHEDULED",
        (true, false) => "FULFILLED",
        (true, true) => "PARTIALLY_FULFILLED",
        (false, _) => "UNFULFILLED",
    }
}

/// What an order was about when it was placed, in hundredths.
pub(super) fn total(order: &Order) -> i64 {
    order.lines.iter().map(|line| line.price * line.quantity).sum()
}

fn order(state: &State, id: u64, name: &str) -> Option<Found> {
    let one = nodes::order(state, id)?;
    Some(match name {
        "name" => format!("#{}", one.number).into(),
        "number" => one.number.into(),
        "test" => false.into(),
        "edited" => one.is_edited.into(),
        "createdAt" | "processedAt" => time(one.created).into(),
        "updatedAt" => time(one.updated).into(),
        "cancelledAt" | "closedAt" => one.cancelled.map(time).into(),
        "cancelReason" => one.cancel_reason.clone().into(),
        "cancellation" => {
            let fields = vec![("staffNote", one.staff_note.clone().into())];
            let node = Node::Plain("OrderCancellation", fields);
            Found::some(one.cancelled.map(|_| node))
        }
        "currencyCode" => state.currency.clone().into(),
        "displayFinancialStatus" => one.financial.word().into(),
        "displayFulfillmentStatus" => fulfillment_status(one, state.seconds()).into(),
        "totalPriceSet" => nodes::price(state, total(one)),
        "lineItems" => page(one.lines.iter().map(|line| (line.id, Node::Line(id, line.id)))),
        "fulfillmentOrders" => page(one.work.iter().map(|one| (one.id, Node::Work(id, one.id)))),
        "fulfillments" => {
            Found::List(one.parcels.iter().map(|one| Some(Node::Parcel(id, one.id))).collect())
        }
        "refunds" => {
            Found::List(one.refunds.iter().map(|one| Some(Node::Refund(id, one.id))).collect())
        }
        _ => return None,
    })
}

/// A list in the order of ids, in which things came to be.
fn page(rows: impl Iterator<Item = (u64, Node)>) -> Found {
    let mut rows: Vec<_> = rows.map(|(id, node)| ((0, id), node)).collect();
    rows.sort_by_key(|(key, _)| *key);
    Found::Page(rows)
}

fn line(state: &State, (order, id): (u64, u64), name: &str) -> Option<Found> {
    let one = nodes::line(state, order, id)?;
    let sold = state.variants.get(&one.variant);
    Some(match name {
        "title" | "name" => one.title.clone().into(),
        "sku" => text(&one.sku).into(),
        "quantity" => one.quantity.into(),
        "currentQuantity" => one.current.into(),
        "unfulfilledQuantity" => nodes::order(state, order)?.unfulfilled(id).into(),
        "originalUnitPriceSet" => nodes::price(state, one.price),
        "requiresShipping" => state.items.get(&one.item).is_none_or(|item| item.is_shipped).into(),
        // What is no longer sold is not there.
        "variant" => Found::some(sold.map(|_| Node::Variant(one.variant))),
        "product" => Found::some(sold.map(|sold| Node::Product(sold.product))),
        _ => return None,
    })
}

fn piece(state: &State, (order, id): (u64, u64), name: &str) -> Option<Found> {
    let one = nodes::work(state, order, id)?;
    let placed = nodes::order(state, order)?;
    Some(match name {
        "status" => work::status(placed, one, state.seconds()).into(),
        "fulfillAt" => match one.readiness {
            Readiness::Scheduled(at) => time(at).into(),
            Readiness::Open | Readiness::OnHold => time(placed.created).into(),
        },
        "order" => Found::Node(Node::Order(order)),
        "orderId" => gid("Order", order).into(),
        "orderName" => format!("#{}", placed.number).into(),
        "assignedLocation" => {
            let location = state.locations.get(&one.location);
            let name = location.map(|location| location.name.clone()).unwrap_or_default();
            let node = Found::some(location.map(|_| Node::Location(one.location)));
            let fields = vec![("name", name.into()), ("location", node)];
            Found::Node(Node::Plain("FulfillmentOrderAssignedLocation", fields))
        }
        "lineItems" => {
            // What was taken off the order is no longer listed.
            let lines = one.lines.iter().filter(|line| line.total > 0);
            page(lines.map(|line| (line.id, Node::WorkLine(order, id, line.id))))
        }
        _ => return None,
    })
}

fn work_line(state: &State, (order, piece, id): (u64, u64, u64), name: &str) -> Option<Found> {
    let one = nodes::work(state, order, piece)?.lines.iter().find(|one| one.id == id)?;
    Some(match name {
        "totalQuantity" => one.total.into(),
        "remainingQuantity" => one.remaining.into(),
        "lineItem" => Found::Node(Node::Line(order, one.line)),
        // What else it says is what its line says.
        _ => return line(state, (order, one.line), name),
    })
}

fn parcel(state: &State, (order, id): (u64, u64), name: &str) -> Option<Found> {
    let one = nodes::parcel(state, order, id)?;
    let placed = nodes::order(state, order)?;
    Some(match name {
        "status" => if one.is_cancelled { "CANCELLED" } else { "SUCCESS" }.into(),
        "createdAt" => time(one.created).into(),
        "location" => {
            let known = state.locations.contains_key(&one.location);
            Found::some(known.then_some(Node::Location(one.location)))
        }
        "name" => {
            let at = placed.parcels.iter().take_while(|other| other.id != id).count() + 1;
            format!("#{}-F{at}", placed.number).into()
        }
        "order" => Found::Node(Node::Order(order)),
        "totalQuantity" => one.lines.iter().map(|line| line.units).sum::<i64>().into(),
        "trackingInfo" => {
            let is_said = one.company.is_some() || one.number.is_some();
            let fields = vec![
                ("company", one.company.clone().into()),
                ("number", one.number.clone().into()),
                ("url", Value::Null.into()),
            ];
            let info = Node::Plain("FulfillmentTrackingInfo", fields);
            Found::List(is_said.then_some(Some(info)).into_iter().collect())
        }
        "fulfillmentLineItems" => {
            page(one.lines.iter().map(|line| (line.id, Node::ParcelLine(order, id, line.id))))
        }
        _ => return None,
    })
}

fn refund(state: &State, (order, id): (u64, u64), name: &str) -> Option<Found> {
    let one = nodes::refund(state, order, id)?;
    Some(match name {
        "createdAt" => time(one.created).into(),
        "order" => Found::Node(Node::Order(order)),
        "refundLineItems" => {
            page(one.lines.iter().map(|line| (line.id, Node::RefundLine(order, id, line.id))))
        }
        _ => return None,
    })
}

fn refund_line(state: &State, (order, refund, id): (u64, u64, u64), name: &str) -> Option<Found> {
    let one = nodes::refund(state, order, refund)?.lines.iter().find(|one| one.id == id)?;
    Some(match name {
        "quantity" => one.units.into(),
        "restockType" => one.restock.word().into(),
        "restocked" => one.location.is_some().into(),
        "lineItem" => Found::Node(Node::Line(order, one.line)),
        "location" => Found::some(one.location.map(Node::Location)),
        _ => return None,
    })
}
