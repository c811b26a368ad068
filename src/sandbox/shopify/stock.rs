//! Numbers that are written from outside: each call once, and whole or not at all.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::document::{Gid, time};
use super::nodes::{Found, Node};
use super::plan::{Asked, failure};
use super::state::{Counted, Level, State, Unstocked, Write};

/// The largest number it takes, above 0 and below.
const QUANTITY_MAX: i64 = 1_000_000_000;
/// Why a number may change.
const REASONS: [&str; 17] = [
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_canceled",
    "movement_created",
    "movement_received",
    "movement_updated",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
];

/// A call that was made with a key, and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    name: String,
    arguments: Map<String, Value>,
    /// What was answered, where it was done.
    answer: Option<Node>,
}

/// What a caller did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) field: Vec<String>,
    pub(super) message: String,
    pub(super) code: Option<&'static str>,
}

impl Complaint {
    pub(super) fn new(field: &[&str], message: &str) -> Self {
        let field = field.iter().map(|&part| part.to_owned()).collect();
        Self { field, message: message.to_owned(), code: None }
    }

    pub(super) fn coded(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }
}

/// Complaints as they are answered.
pub(super) fn complaints(kind: &'static str, all: &[Complaint]) -> Found {
    let node = |one: &Complaint| {
        let field = Some(one.field.clone()).filter(|field| !field.is_empty());
        let field = field.map_or(Value::Null, Value::from);
        let code = one.code.map(str::to_owned);
        let fields = vec![
            ("field", field.into()),
            ("message", one.message.clone().into()),
            ("code", code.into()),
        ];
        Some(Node::Plain(kind, fields))
    };
    Found::List(all.iter().map(node).collect())
}

/// What was done, or why not.
type Done = Result<Node, Vec<Complaint>>;

/// Does what has a key, once: a key is asked for, and what was done with it is not done
/// again.
fn once(
    state: &mut State,
    asked: &Asked,
    refuse: fn(&[Complaint]) -> Node,
    run: fn(&mut State, &Map<String, Value>) -> Done,
) -> Result<Node, Value> {
    let key = asked.once.clone().filter(|key| !key.trim().is_empty()).ok_or_else(|| {
        let message =
            "The @idempotent directive is required for this mutation but was not provided.";
        failure(message, "BAD_REQUEST")
    })?;
    let fail = |code, message| Ok(refuse(&[Complaint::new(&[], message).coded(code)]));
    if state.faults.concurrent > 0 {
        state.faults.concurrent -= 1;
        let message = "Another request with the same key is being processed.";
        return fail("IDEMPOTENCY_CONCURRENT_REQUEST", message);
    }
    if let Some(kept) = state.kept.get(&key) {
        if kept.name != asked.name || kept.arguments != asked.arguments {
            let message = "The key was used with other parameters.";
            return fail("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", message);
        }
        return match &kept.answer {
            Some(answer) => Ok(answer.clone()),
            None => fail(
                "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
                "A previous attempt with this key failed.",
            ),
        };
    }
    let done = run(state, &asked.arguments);
    let (name, arguments) = (asked.name.clone(), asked.arguments.clone());
    let answer = done.as_ref().ok().cloned();
    state.kept.insert(key, Kept { name, arguments, answer });
    Ok(done.unwrap_or_else(|complaints| refuse(&complaints)))
}

/// `inventorySetQuantities`.
pub(super) fn set(state: &mut State, asked: &Asked) -> Result<Node, Value> {
    once(state, asked, |all| set_answer(Value::Null.into(), all), set_all)
}

fn set_answer(group: Found, all: &[Complaint]) -> Node {
    let errors = complaints("InventorySetQuantitiesUserError", all);
    let fields = vec![("inventoryAdjustmentGroup", group), ("userErrors", errors)];
    Node::Plain("InventorySetQuantitiesPayload", fields)
}

fn set_all(state: &mut State, arguments: &Map<String, Value>) -> Done {
    for (variant, location, units) in std::mem::take(&mut state.sell_before_write) {
        state.buy(&[(variant, location, units)], super::Financial::Paid);
    }
    let input = arguments.get("input").cloned().unwrap_or_default();
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let mut wrong = Vec::new();
    let counted = match text("name") {
        Some("available") => Counted::Available,
        Some("on_hand") => Counted::OnHand,
        _ => {
            let complaint = Complaint::new(&["input", "name"], "The quantity name is invalid.");
            return Err(vec![complaint.coded("INVALID_NAME")]);
        }
    };
    let reason = text("reason").unwrap_or_default().to_owned();
    if !REASONS.contains(&reason.as_str()) {
        let complaint = Complaint::new(&["input", "reason"], "The reason is invalid.");
        wrong.push(complaint.coded("INVALID_REASON"));
    }
    let reference = text("referenceDocumentUri").map(str::to_owned);
    let is_uri = |text: &String| text.split_once(':').is_some_and(|(_, rest)| !rest.is_empty());
    if reference.as_ref().is_some_and(|text| !is_uri(text)) {
        let complaint = Complaint::new(&["input", "referenceDocumentUri"], "It is no URI.");
        wrong.push(complaint.coded("INVALID_REFERENCE_DOCUMENT"));
    }
    let (mut writes, mut seen) = (Vec::new(), BTreeSet::new());
    let quantities = input.get("quantities").and_then(Value::as_array);
    for (at, given) in quantities.into_iter().flatten().enumerate() {
        match set_one(state, given, counted) {
            Ok(write) if !seen.insert((write.item, write.location)) => wrong.push(refused(
                (at, "locationId"),
                "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
                "The combination of inventoryItemId and locationId must be unique.",
            )),
            Ok(write) => writes.push(write),
            Err((field, code, message)) => wrong.push(refused((at, field), code, message)),
        }
    }
    if !wrong.is_empty() {
        remember_stale(state, &wrong);
        return Err(wrong);
    }
    for write in writes {
        write_one(state, write);
    }
    let created = time(state.seconds());
    let id = super::document::gid("InventoryAdjustmentGroup", state.small_id());
    let fields = vec![
        ("id", id.into()),
        ("createdAt", created.into()),
        ("reason", reason.into()),
        ("referenceDocumentUri", reference.into()),
    ];
    let group = Found::Node(Node::Plain("InventoryAdjustmentGroup", fields));
    Ok(set_answer(group, &[]))
}

fn refused((at, field): (usize, &str), code: &'static str, message: &str) -> Complaint {
    let at = at.to_string();
    Complaint::new(&["input", "quantities", &at, field], message).coded(code)
}

fn remember_stale(state: &mut State, wrong: &[Complaint]) {
    let stale = wrong.iter().filter(|one| one.code == Some("CHANGE_FROM_QUANTITY_STALE")).count();
    state.stale += u64::try_from(stale).unwrap_or_default();
    if stale > 0
        && let Some((item, location, number)) = state.type_after_stale.take()
    {
        state.type_stock(item, location, number);
    }
}

/// Where, by which code and how a number is refused.
type Refusal = (&'static str, &'static str, &'static str);

/// Looks at one number of a call: what is to be written, where nothing is against it.
fn set_one(state: &State, given: &Value, counted: Counted) -> Result<Write, Refusal> {
    let id = |name: &str, kind| Some(Gid::of(given.get(name)?, kind)?.number);
    let item = id("inventoryItemId", "InventoryItem");
    let Some((item, one)) = item.and_then(|id| Some((id, state.items.get(&id)?))) else {
        let message = "The specified inventory item could not be found.";
        return Err(("inventoryItemId", "INVALID_INVENTORY_ITEM", message));
    };
    let location = id("locationId", "Location");
    let location = location.filter(|id| state.locations.get(id).is_some_and(|one| one.is_active));
    let Some(location) = location else {
        let message = "The specified location could not be found.";
        return Err(("locationId", "INVALID_LOCATION", message));
    };
    if one.is_bundle {
        let message = "The specified inventory item is not allowed to be adjusted via API.";
        return Err(("inventoryItemId", "NON_MUTABLE_INVENTORY_ITEM", message));
    }
    let quantity = given.get("quantity").and_then(Value::as_i64).unwrap_or_default();
    if quantity > QUANTITY_MAX {
        let message = "The quantity can't be higher than 1,000,000,000.";
        return Err(("quantity", "INVALID_QUANTITY_TOO_HIGH", message));
    }
    if quantity < -QUANTITY_MAX {
        let message = "The quantity can't be lower than -1,000,000,000.";
        return Err(("quantity", "INVALID_QUANTITY_TOO_LOW", message));
    }
    let level = state.levels.get(&(item, location)).filter(|level| level.is_active);
    if level.is_none() && state.quirks.unstocked == Unstocked::Refused {
        let message = "The inventory item is not stocked at the location.";
        return Err(("locationId", "INVALID_LOCATION", message));
    }
    let before = level.map_or(0, |level| match counted {
        Counted::Available => level.available,
        Counted::OnHand => level.on_hand(),
    });
    // It may be null, and it may not be absent: the types say nothing of that.
    let Some(expected) = given.get("changeFromQuantity") else {
        let message = "The changeFromQuantity argument must be given to each quantity.";
        return Err(("changeFromQuantity", "COMPARE_QUANTITY_REQUIRED", message));
    };
    let expected = expected.as_i64();
    if expected.is_some_and(|expected| expected != before) {
        let message = "The changeFromQuantity argument no longer matches the persisted quantity.";
        return Err(("changeFromQuantity", "CHANGE_FROM_QUANTITY_STALE", message));
    }
    Ok(Write { item, location, name: counted, quantity, before, expected })
}

fn write_one(state: &mut State, write: Write) {
    let updated = state.seconds();
    let key = (write.item, write.location);
    let is_new = !state.is_stocked(write.item, write.location);
    let empty = Level { available: 0, committed: 0, is_active: true, updated };
    let level = state.levels.entry(key).or_insert(empty);
    level.available = match write.name {
        Counted::Available => write.quantity,
        Counted::OnHand => write.quantity - level.committed,
    };
    (level.is_active, level.updated) = (true, updated);
    state.writes.push(write);
    if is_new {
        state.connect_happened(write.item, write.location);
    }
    // The writer hears of it as everybody does.
    state.stock_happened(write.item, write.location);
    state.event_ends();
}

/// `inventoryActivate`.
pub(super) fn activate(state: &mut State, asked: &Asked) -> Result<Node, Value> {
    once(state, asked, |all| activate_answer(None, all), activate_one)
}

fn activate_answer(level: Option<Node>, all: &[Complaint]) -> Node {
    let errors = complaints("UserError", all);
    let fields = vec![("inventoryLevel", Found::some(level)), ("userErrors", errors)];
    Node::Plain("InventoryActivatePayload", fields)
}

fn activate_one(state: &mut State, arguments: &Map<String, Value>) -> Done {
    let id = |name: &str, kind| Some(Gid::of(arguments.get(name)?, kind)?.number);
    let item = id("inventoryItemId", "InventoryItem").filter(|id| state.items.contains_key(id));
    let Some(item) = item else {
        let message = "The inventory item couldn't be found.";
        return Err(vec![Complaint::new(&["inventoryItemId"], message)]);
    };
    let location = id("locationId", "Location");
    let location = location.filter(|id| state.locations.get(id).is_some_and(|one| one.is_active));
    let Some(location) = location else {
        let message = "The location couldn't be found.";
        return Err(vec![Complaint::new(&["locationId"], message)]);
    };
    let number = |name: &str| arguments.get(name).and_then(Value::as_i64);
    let (available, on_hand) = (number("available"), number("onHand"));
    let updated = state.seconds();
    let known = state.levels.get(&(item, location)).copied();
    if known.is_some_and(|level| level.is_active) {
        if available.or(on_hand).is_some() {
            let message = "Not allowed to set available quantity when the item is already active at the location.";
            return Err(vec![Complaint::new(&["available"], message)]);
        }
    } else {
        let committed = known.map_or(0, |level| level.committed);
        let available = available.or(on_hand.map(|units| units - committed)).unwrap_or(0);
        let level = Level { available, committed, is_active: true, updated };
        state.levels.insert((item, location), level);
        state.connect_happened(item, location);
        state.event_ends();
    }
    Ok(activate_answer(Some(Node::Level(item, location)), &[]))
}
