//! What is changed from outside beside numbers: parcels, cancellations, webhooks.

use serde_json::Value;

use super::document::{Gid, gid};
use super::hooks::Hook;
use super::nodes::{Found, Node};
use super::orders::Work;
use super::parcels::{Picked, Tracking};
use super::plan::Asked;
use super::state::State;
use super::stock::{Complaint, complaints};
use super::work;

/// Characters of a note of a cancellation at most (schema of 2026-10, `orderCancel`).
const NOTE_MAX: usize = 255;

/// A cancellation that is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) order: u64,
    reason: String,
    is_restocked: bool,
    note: Option<String>,
}

/// `fulfillmentCreate`.
pub(super) fn ship(state: &mut State, asked: &Asked) -> Node {
    let input = asked.arguments.get("fulfillment").cloned().unwrap_or_default();
    let (parcel, wrong) = match pick(state, &input) {
        Ok((order, picked)) => {
            let info = input.get("trackingInfo");
            let text = |name: &str| info?.get(name)?.as_str().map(str::to_owned);
            let first = || info?.get("numbers")?.as_array()?.first()?.as_str().map(str::to_owned);
            let number = text("number").or_else(first);
            let tracking = Tracking { company: text("company"), number };
            let parcel = state.pack(order, &picked, tracking);
            (parcel.map(|parcel| Node::Parcel(order, parcel)), Vec::new())
        }
        Err(message) => (None, vec![Complaint::new(&["fulfillment"], &message)]),
    };
    let errors = complaints("UserError", &wrong);
    let fields = vec![("fulfillment", Found::some(parcel)), ("userErrors", errors)];
    Node::Plain("FulfillmentCreatePayload", fields)
}

/// What of an order is to leave, by the lines of its fulfilment orders, or why not.
fn pick(state: &State, input: &Value) -> Result<(u64, Picked), String> {
    let entries = input.get("lineItemsByFulfillmentOrder").and_then(Value::as_array);
    let (mut picked, mut place) = (Picked::new(), None);
    for entry in entries.into_iter().flatten() {
        let id = entry.get("fulfillmentOrderId").and_then(|id| Gid::of(id, "FulfillmentOrder"));
        let order = id.as_ref().and_then(|id| state.order_of_work(id.number));
        let works = order.and_then(|order| state.orders.get(&order)).map(|order| &order.work);
        let work = works.into_iter().flatten();
        let work = work.into_iter().find(|work| id.as_ref().is_some_and(|id| id.number == work.id));
        let (Some(order), Some(work)) = (order, work) else {
            return Err("Fulfillment order does not exist.".to_owned());
        };
        if *place.get_or_insert((order, work.location)) != (order, work.location) {
            return Err("All fulfillment orders must be assigned to the same location.".to_owned());
        }
        let status = state.orders.get(&order).map(|one| work::status(one, work, state.seconds()));
        if let Some(status) = status.filter(|status| !matches!(*status, "OPEN" | "IN_PROGRESS")) {
            // Its words are the shop's own, with this space.
            let (id, status) = (work.id, status.to_lowercase());
            return Err(format!("Fulfillment order {id} has an unfulfillable status= {status}."));
        }
        picked.extend(pick_lines(work, entry.get("fulfillmentOrderLineItems"))?);
    }
    let mut ids: Vec<u64> = picked.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    match place {
        Some((order, _)) if !picked.is_empty() && ids.len() == picked.len() => Ok((order, picked)),
        _ => Err("Fulfillment order line items are missing or not unique.".to_owned()),
    }
}

fn pick_lines(work: &Work, given: Option<&Value>) -> Result<Picked, String> {
    let open = work.lines.iter().filter(|line| line.remaining > 0);
    let Some(given) = given.and_then(Value::as_array).filter(|given| !given.is_empty()) else {
        return Ok(open.map(|line| (line.id, line.remaining)).collect());
    };
    let pick = |one: &Value| {
        let id = Gid::of(one.get("id")?, "FulfillmentOrderLineItem")?.number;
        let units = one.get("quantity")?.as_i64()?;
        let line = work.lines.iter().find(|line| line.id == id)?;
        (1..=line.remaining).contains(&units).then_some((id, units))
    };
    let picked: Option<Picked> = given.iter().map(pick).collect();
    picked.ok_or("Invalid fulfillment order line item quantity requested.".to_owned())
}

/// `orderCancel`: it is done in a while.
pub(super) fn cancel(state: &mut State, asked: &Asked) -> Node {
    let id = asked.arguments.get("orderId").and_then(|id| Gid::of(id, "Order"));
    let order = id.and_then(|id| Some((id.number, state.orders.get(&id.number)?)));
    let note = asked.arguments.get("staffNote").and_then(Value::as_str);
    let complaint = |code, message| Some(Complaint::new(&["orderId"], message).coded(code));
    let wrong = match order {
        _ if note.is_some_and(|note| note.chars().count() > NOTE_MAX) => {
            let message = "The staff note is too long (maximum is 255 characters).";
            Some(Complaint::new(&["staffNote"], message).coded("INVALID"))
        }
        None => complaint("NOT_FOUND", "The order couldn't be found."),
        Some((_, order)) if order.cancelled.is_some() => {
            complaint("INVALID", "The order has already been cancelled.")
        }
        Some((_, order)) if order.has_left() => {
            complaint("INVALID", "Cannot cancel an order that has fulfillments.")
        }
        Some(_) => None,
    };
    let order = order.map(|(id, _)| id).filter(|_| wrong.is_none());
    let job = order.map(|order| {
        let reason = asked.arguments.get("reason").and_then(Value::as_str);
        let reason = reason.unwrap_or("OTHER").to_owned();
        let is_restocked = asked.arguments.get("restock") == Some(&Value::Bool(true));
        let note = note.map(str::to_owned);
        state.jobs.push(Job { order, reason, is_restocked, note });
        if !state.quirks.cancels_later {
            state.finish_jobs();
        }
        // It says so whether or not it was quick.
        let fields = vec![("id", gid("Job", state.small_id()).into()), ("done", false.into())];
        Node::Plain("Job", fields)
    });
    let wrong: Vec<Complaint> = wrong.into_iter().collect();
    let fields = vec![
        ("job", Found::some(job)),
        ("orderCancelUserErrors", complaints("OrderCancelUserError", &wrong)),
        ("userErrors", complaints("UserError", &wrong)),
    ];
    Node::Plain("OrderCancelPayload", fields)
}

/// `webhookSubscriptionCreate`.
pub(super) fn subscribe(state: &mut State, asked: &Asked) -> Node {
    let topic = asked.arguments.get("topic").and_then(Value::as_str).unwrap_or_default();
    let input = asked.arguments.get("webhookSubscription").cloned().unwrap_or_default();
    let uri = input.get("uri").or_else(|| input.get("callbackUrl")).and_then(Value::as_str);
    let uri = uri.unwrap_or_default();
    let is_taken = state.hooks.values().any(|hook| hook.topic == topic && hook.uri == uri);
    // The real one takes no address without TLS.
    let is_address = uri.starts_with("https://") || uri.starts_with("http://127.0.0.1");
    let wrong = match (is_address, is_taken) {
        (false, _) => Some("Address is not allowed"),
        (true, true) => Some("Address for this topic has already been taken"),
        (true, false) => None,
    };
    let wrong =
        wrong.map(|message| Complaint::new(&["webhookSubscription", "callbackUrl"], message));
    let hook = wrong.is_none().then(|| {
        let id = state.small_id();
        let (topic, uri) = (topic.to_owned(), uri.to_owned());
        state.hooks.insert(id, Hook { topic, uri, failures: 0 });
        Node::Hook(id)
    });
    let wrong: Vec<Complaint> = wrong.into_iter().collect();
    let fields = vec![
        ("webhookSubscription", Found::some(hook)),
        ("userErrors", complaints("UserError", &wrong)),
    ];
    Node::Plain("WebhookSubscriptionCreatePayload", fields)
}

/// `webhookSubscriptionDelete`.
pub(super) fn unsubscribe(state: &mut State, asked: &Asked) -> Node {
    let given = asked.arguments.get("id");
    let id = given.and_then(|id| Gid::of(id, "WebhookSubscription")).map(|gid| gid.number);
    let removed = id.and_then(|id| state.hooks.remove(&id));
    let (deleted, wrong) = if removed.is_some() {
        (given.cloned().unwrap_or_default(), Vec::new())
    } else {
        let message = "Webhook subscription does not exist";
        (Value::Null, vec![Complaint::new(&["id"], message)])
    };
    let fields = vec![
        ("deletedWebhookSubscriptionId", deleted.into()),
        ("userErrors", complaints("UserError", &wrong)),
    ];
    Node::Plain("WebhookSubscriptionDeletePayload", fields)
}

impl State {
    /// Does what was put off: orders that are to be cancelled are.
    pub fn finish_jobs(&mut self) {
        for job in std::mem::take(&mut self.jobs) {
            let is_done = self.cancel(job.order, &job.reason, job.is_restocked);
            let order = self.orders.get_mut(&job.order).filter(|_| is_done);
            if let Some(order) = order {
                order.staff_note = job.note;
            }
        }
    }
}
