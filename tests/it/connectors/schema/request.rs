//! What a request breaks: its variables against their types, and the rules since 2026-04
//! that the schema tells only in prose.

use apollo_compiler::ast::{Type, Value as Literal};
use apollo_compiler::executable::{Field, Operation};
use apollo_compiler::schema::{ExtendedType, InputObjectType};
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::{Map, Value, json};

use super::{breaches, full, leaf_breach};

/// The mutations that are refused without a key since 2026-04, as their descriptions say.
const KEYED: [&str; 16] = [
    "inventoryActivate",
    "inventoryAdjustQuantities",
    "inventoryMoveQuantities",
    "inventorySetOnHandQuantities",
    "inventorySetQuantities",
    "inventoryShipmentAddItems",
    "inventoryShipmentCreate",
    "inventoryShipmentCreateInTransit",
    "inventoryShipmentReceive",
    "inventoryTransferCreate",
    "inventoryTransferCreateAsReadyToShip",
    "inventoryTransferDuplicate",
    "inventoryTransferSetItems",
    "locationActivate",
    "locationDeactivate",
    "refundCreate",
];

/// How many quantities one call may set: Shopify's limit of every list in an input.
const QUANTITIES_MAX: usize = 250;

/// What a request with a valid document breaks; empty when it is sound.
pub(super) fn breaches_of(
    schema: &Schema,
    document: &ExecutableDocument,
    variables: &Value,
) -> Vec<String> {
    let Ok(operation) = document.operations.get(None) else {
        return vec!["query: one operation is due".to_owned()];
    };
    let none = Map::new();
    let given = match variables {
        Value::Null => &none,
        Value::Object(given) => given,
        other => return vec![format!("variables: {other} is no object")],
    };
    let mut inputs = Inputs { schema, found: key_breaches(operation, document) };
    inputs.variables(operation, given);
    let mut found = inputs.found;
    for field in operation.root_fields(document) {
        let key = key_of(field).map(|key| resolved(key, operation, given));
        if key.as_ref().and_then(Value::as_str).is_some_and(|key| key.trim().is_empty()) {
            found.push(format!("{}: its key is blank", field.name));
        }
        if field.name == "inventorySetQuantities"
            && let Some(input) = field.specified_argument_by_name("input")
        {
            found.extend(quantity_breaches(&resolved(input, operation, given)));
        }
    }
    found
}

/// The mutations of an operation that lack the key they are refused without.
pub(super) fn key_breaches(operation: &Operation, document: &ExecutableDocument) -> Vec<String> {
    let keyed = operation.root_fields(document).filter(|field| is_keyed(field));
    let breaches = keyed.filter_map(|field| {
        let Some(variable) = key_of(field).and_then(Literal::as_variable) else {
            return Some(format!("{}: no @idempotent(key: $…)", field.name));
        };
        let definition = operation.variables.iter().find(|one| one.name == *variable)?;
        (!definition.ty.is_non_null()).then(|| format!("{}: its key may be null", field.name))
    });
    breaches.collect()
}

/// Whether a field is refused without a key.
pub(super) fn is_keyed(field: &Field) -> bool {
    KEYED.contains(&field.name.as_str())
}

fn key_of(field: &Field) -> Option<&Literal> {
    let key = field.directives.get("idempotent")?.specified_argument_by_name("key")?;
    Some(key.as_ref())
}

/// What the entries of one call break. A quantity is set only where it is what we think it is.
fn quantity_breaches(input: &Value) -> Vec<String> {
    let entries = input["quantities"].as_array().map_or(&[] as &[_], Vec::as_slice);
    let unguarded = entries.iter().enumerate().filter_map(|(at, entry)| {
        let what = match entry.get("changeFromQuantity") {
            None => "is missing",
            Some(Value::Null) => "is null, which compares nothing",
            Some(_) => return None,
        };
        Some(format!("inventorySetQuantities: changeFromQuantity of quantities[{at}] {what}"))
    });
    let many = (entries.len() > QUANTITIES_MAX).then(|| {
        format!("inventorySetQuantities: {} of {QUANTITIES_MAX} quantities", entries.len())
    });
    unguarded.chain(many).collect()
}

/// The value that a literal stands for with the variables given.
fn resolved(literal: &Literal, operation: &Operation, given: &Map<String, Value>) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Variable(name) => given.get(name.as_str()).cloned().unwrap_or_else(|| {
            let definition = operation.variables.iter().find(|one| one.name == *name);
            let default = definition.and_then(|one| one.default_value.as_ref());
            default.map_or(Value::Null, |literal| resolved(literal, operation, given))
        }),
        Literal::Enum(name) => json!(name.as_str()),
        Literal::String(text) => json!(text),
        Literal::Boolean(value) => json!(value),
        Literal::Int(number) => json!(number.try_to_i32().ok()),
        Literal::Float(number) => json!(number.try_to_f64().ok()),
        Literal::List(items) => items.iter().map(|item| resolved(item, operation, given)).collect(),
        Literal::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.to_string(), resolved(field, operation, given)))
            .collect(),
    }
}

/// Goes through what is given for inputs, and gathers what does not fit.
struct Inputs<'a> {
    schema: &'a Schema,
    found: Vec<String>,
}

impl Inputs<'_> {
    fn variables(&mut self, operation: &Operation, given: &Map<String, Value>) {
        for name in given.keys() {
            if !operation.variables.iter().any(|one| one.name.as_str() == name) {
                self.found.push(format!("variables.{name}: not declared"));
            }
        }
        for variable in &operation.variables {
            let path = format!("variables.{}", variable.name);
            match given.get(variable.name.as_str()) {
                Some(value) => self.value(&path, &variable.ty, value),
                None if variable.ty.is_non_null() && variable.default_value.is_none() => {
                    self.found.push(format!("{path}: missing"));
                }
                None => {}
            }
        }
    }

    fn value(&mut self, path: &str, of_type: &Type, value: &Value) {
        match (of_type, value) {
            (Type::NonNullNamed(_) | Type::NonNullList(_), Value::Null) => {
                self.found.push(format!("{path}: null, but {of_type} is due"));
            }
            (_, Value::Null) => {}
            (Type::List(item) | Type::NonNullList(item), Value::Array(values)) => {
                for (at, value) in values.iter().enumerate() {
                    self.value(&format!("{path}[{at}]"), item, value);
                }
            }
            (Type::List(_) | Type::NonNullList(_), _) => {
                self.found.push(format!("{path}: a list is due"));
            }
            (Type::Named(name) | Type::NonNullNamed(name), _) => {
                match (self.schema.types.get(name), value) {
                    (Some(ExtendedType::InputObject(kind)), Value::Object(fields)) => {
                        self.object(path, kind, fields);
                    }
                    (Some(ExtendedType::InputObject(_)), _) => {
                        self.found.push(format!("{path}: an object is due"));
                    }
                    _ => self.found.extend(
                        leaf_breach(self.schema, name, value).map(|what| format!("{path}: {what}")),
                    ),
                }
            }
        }
    }

    fn object(&mut self, path: &str, kind: &InputObjectType, given: &Map<String, Value>) {
        for name in given.keys().filter(|name| !kind.fields.contains_key(name.as_str())) {
            self.found.push(format!("{path}.{name}: no field of {}", kind.name));
        }
        for (name, definition) in &kind.fields {
            let path = format!("{path}.{name}");
            match given.get(name.as_str()) {
                Some(value) => self.value(&path, &definition.ty, value),
                None if definition.is_required() => self.found.push(format!("{path}: missing")),
                None => {}
            }
        }
        let chosen = given.values().filter(|value| !value.is_null()).count();
        if kind.directives.has("oneOf") && (chosen, given.len()) != (1, 1) {
            self.found.push(format!("{path}: one field of {} is due", kind.name));
        }
    }
}

const SET: &str = "mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { code } }
}";

fn entry() -> Value {
    json!({
        "inventoryItemId": "gid://shopify/InventoryItem/1",
        "locationId": "gid://shopify/Location/1",
        "quantity": 7,
        "changeFromQuantity": 9,
    })
}

/// The variables of a sound request but for what is at a place in them.
fn with(pointer: &str, value: Value) -> Value {
    let input = json!({ "name": "available", "reason": "correction", "quantities": [entry()] });
    let mut variables = json!({ "input": input, "key": "b1f5" });
    *variables.pointer_mut(pointer).unwrap() = value;
    variables
}

fn without(value: &Value, field: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(field).unwrap();
    value
}

#[test]
fn a_sound_request_breaks_nothing() {
    assert_eq!(breaches(SET, &with("/key", json!("b1f5"))), [""; 0]);
    assert_eq!(breaches("{ shop { name } }", &Value::Null), [""; 0]);
}

#[test]
fn a_request_that_the_schema_does_not_know_is_found() {
    if full().is_none() {
        return;
    }
    let found = breaches(&SET.replace("code", "code cod"), &with("/key", json!("b1f5")));
    let expected = "query: type `InventorySetQuantitiesUserError` does not have a field `cod`";
    assert_eq!(found, [expected]);
    assert!(!breaches("{ shop {", &json!({})).is_empty());
}

#[test]
fn variables_that_do_not_fit_are_found() {
    if full().is_none() {
        return;
    }
    let none = "variables.input: missing";
    let mut strange = with("/key", json!("b1f5"));
    strange["input"]["ignoreCompareQuantity"] = json!(true);
    strange["stray"] = json!(1);
    let field = "variables.input.ignoreCompareQuantity: no field of InventorySetQuantitiesInput";
    let item = "variables.input.quantities[0]";
    for (variables, expected) in [
        (without(&with("/key", json!("b1f5")), "input"), vec![none.to_owned()]),
        (strange, vec!["variables.stray: not declared".to_owned(), field.to_owned()]),
        (json!([]), vec!["variables: [] is no object".to_owned()]),
        (with("/key", json!(1)), vec!["variables.key: 1 is no String".to_owned()]),
        (with("/key", Value::Null), vec!["variables.key: null, but String! is due".to_owned()]),
        (with("/input", json!("x")), vec!["variables.input: an object is due".to_owned()]),
        (
            with("/input/quantities", entry()),
            vec!["variables.input.quantities: a list is due".to_owned()],
        ),
        (
            with("/input/quantities/0", without(&entry(), "quantity")),
            vec![format!("{item}.quantity: missing")],
        ),
        (
            with("/input/quantities/0/quantity", json!("7")),
            vec![format!("{item}.quantity: \"7\" is no Int")],
        ),
        (
            with("/input/quantities/0/quantity", json!(2_147_483_648_u32)),
            vec![format!("{item}.quantity: 2147483648 is no Int")],
        ),
        (
            with("/input/quantities/0/inventoryItemId", json!(1)),
            vec![format!("{item}.inventoryItemId: 1 is no ID")],
        ),
    ] {
        assert_eq!(breaches(SET, &variables), expected, "{variables}");
    }
}

#[test]
fn an_unknown_value_of_an_enum_and_two_of_one_are_found() {
    if full().is_none() {
        return;
    }
    let cancel = "mutation Cancel($id: ID!, $reason: OrderCancelReason!) {
      orderCancel(orderId: $id, reason: $reason, restock: true) { job { id } }
    }";
    let found = breaches(cancel, &json!({ "id": "1", "reason": "BORED" }));
    assert_eq!(found, ["variables.reason: \"BORED\" is no OrderCancelReason"]);
    let location = "query At($at: LocationIdentifierInput!) {
      locationByIdentifier(identifier: $at) { id }
    }";
    let found = breaches(location, &json!({ "at": { "id": null } }));
    assert_eq!(found, ["variables.at: one field of LocationIdentifierInput is due"]);
    assert_eq!(breaches(location, &json!({ "at": { "id": "1" } })), [""; 0]);
}

#[test]
fn a_quantity_that_is_not_compared_is_found() {
    if full().is_none() {
        return;
    }
    let of = "inventorySetQuantities: changeFromQuantity of quantities[0]";
    let missing = with("/input/quantities/0", without(&entry(), "changeFromQuantity"));
    assert_eq!(breaches(SET, &missing), [format!("{of} is missing")]);
    let null = with("/input/quantities/0/changeFromQuantity", Value::Null);
    let expected = format!("{of} is null, which compares nothing");
    assert_eq!(breaches(SET, &null), [expected.as_str()]);
    let literal = "mutation Set($quantities: [InventoryQuantityInput!]!, $key: String!) {
      inventorySetQuantities(input: { name: \"available\", reason: \"correction\",
        quantities: $quantities }) @idempotent(key: $key) { userErrors { code } }
    }";
    let quantities = &null["input"]["quantities"];
    let null = json!({ "quantities": quantities, "key": "b1f5" });
    assert_eq!(breaches(literal, &null), [expected]);
}

#[test]
fn more_quantities_than_a_call_may_set_are_found() {
    if full().is_none() {
        return;
    }
    let many = |count| with("/input/quantities", Value::Array(vec![entry(); count]));
    assert_eq!(breaches(SET, &many(QUANTITIES_MAX)), [""; 0]);
    let found = breaches(SET, &many(QUANTITIES_MAX + 1));
    assert_eq!(found, ["inventorySetQuantities: 251 of 250 quantities"]);
}

#[test]
fn a_mutation_without_its_key_is_found() {
    if full().is_none() {
        return;
    }
    let variables = json!({ "item": "1", "location": "2" });
    let activate = |directive: &str, declared: &str| {
        format!(
            "mutation Activate($item: ID!, $location: ID!{declared}) {{
              inventoryActivate(inventoryItemId: $item, locationId: $location) {directive} {{
                inventoryLevel {{ id }}
              }}
            }}"
        )
    };
    let none = "inventoryActivate: no @idempotent(key: $…)";
    assert_eq!(breaches(&activate("", ""), &variables), [none]);
    let fixed = activate("@idempotent(key: \"always\")", "");
    assert_eq!(breaches(&fixed, &variables), [none]);
    let nullable = activate("@idempotent(key: $key)", ", $key: String = \"k\"");
    let null = "inventoryActivate: its key may be null";
    assert_eq!(breaches(&nullable, &variables), [null]);
    let found = breaches(SET, &with("/key", json!(" ")));
    assert_eq!(found, ["inventorySetQuantities: its key is blank"]);
}

#[test]
fn the_mutations_that_need_a_key_are_those_that_say_so() {
    let Some(schema) = full() else { return };
    let mutations = &schema.get_object("Mutation").unwrap().fields;
    let said = mutations.iter().filter(|(_, mutation)| {
        let description = mutation.description.as_ref().map_or("", |text| text.as_ref());
        description.contains("the idempotency key is required")
    });
    let mut said: Vec<_> = said.map(|(name, _)| name.as_str()).collect();
    said.sort_unstable();
    assert_eq!(said, KEYED);
}
