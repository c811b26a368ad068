//! Where a reply is not what its query asks: the data, gone through with the selections.

use std::collections::{BTreeMap, BTreeSet};

use apollo_compiler::ast::Type;
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Name, Schema};
use serde_json::{Map, Value, json};

use super::{full, leaf_breach, reply_breaches};

/// The fields that an object is to have, by the keys they go by, with all that is selected
/// of each.
type Due<'a> = BTreeMap<&'a str, (&'a Field, Vec<&'a SelectionSet>)>;

/// What of a reply to a valid query of one operation is amiss; empty when it is sound.
pub(super) fn breaches_of(
    schema: &Schema,
    document: &ExecutableDocument,
    reply: &Value,
) -> Vec<String> {
    let Ok(operation) = document.operations.get(None) else {
        return vec!["query: one operation is due".to_owned()];
    };
    let has_failed = reply["errors"].as_array().is_some_and(|errors| !errors.is_empty());
    let data = &reply["data"];
    if data.is_null() {
        let breach = (!has_failed).then(|| "data: missing, and no errors".to_owned());
        return breach.into_iter().collect();
    }
    let mut walk = Walk { schema, document, found: Vec::new() };
    walk.named("data", operation.object_type(), &[&operation.selection_set], data);
    walk.found
}

/// Goes through what was answered, and gathers what is amiss.
struct Walk<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    found: Vec<String>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, path: &str, of_type: &'a Type, sets: &[&'a SelectionSet], value: &Value) {
        match (of_type, value) {
            (Type::NonNullNamed(_) | Type::NonNullList(_), Value::Null) => {
                self.say(path, &format!("null, but {of_type} is due"));
            }
            (_, Value::Null) => {}
            (Type::List(item) | Type::NonNullList(item), Value::Array(values)) => {
                for (at, value) in values.iter().enumerate() {
                    self.value(&format!("{path}[{at}]"), item, sets, value);
                }
            }
            (Type::List(_) | Type::NonNullList(_), _) => self.say(path, "a list is due"),
            (Type::Named(name) | Type::NonNullNamed(name), _) => {
                self.named(path, name, sets, value);
            }
        }
    }

    fn named(&mut self, path: &str, name: &'a str, sets: &[&'a SelectionSet], value: &Value) {
        if self.schema.types.get(name).is_some_and(ExtendedType::is_leaf) {
            if let Some(what) = leaf_breach(self.schema, name, value) {
                self.say(path, &what);
            }
            return;
        }
        let Some(object) = value.as_object() else { return self.say(path, "an object is due") };
        match self.type_of(name, sets, object) {
            Ok(name) => self.object(path, name, sets, object),
            Err(what) => self.say(path, &what),
        }
    }

    fn object(
        &mut self,
        path: &str,
        name: &'a str,
        sets: &[&'a SelectionSet],
        object: &Map<String, Value>,
    ) {
        let mut due = Due::new();
        for set in sets {
            self.gather(name, set, &mut due);
        }
        for key in object.keys().filter(|key| !due.contains_key(key.as_str())) {
            self.say(&format!("{path}.{key}"), "not selected");
        }
        for (key, (field, sets)) in due {
            let path = format!("{path}.{key}");
            let Some(value) = object.get(key) else {
                self.say(&path, "missing");
                continue;
            };
            // An object may promise more of a field than the interface it is selected by.
            let promised = self.schema.type_field(name, &field.name);
            let of_type = promised.map_or(&field.definition.ty, |definition| &definition.ty);
            self.value(&path, of_type, &sets, value);
        }
    }

    /// The type an object is of: what it says, else what it can only be.
    fn type_of(
        &self,
        name: &'a str,
        sets: &[&'a SelectionSet],
        object: &Map<String, Value>,
    ) -> Result<&'a str, String> {
        let mut fields = sets.iter().flat_map(|set| set.root_fields(self.document));
        let said = fields
            .find(|field| field.name == "__typename")
            .and_then(|field| object.get(field.response_key().as_str()));
        if let Some(said) = said {
            let known = said.as_str().and_then(|said| self.schema.types.get_key_value(said));
            return match known {
                Some((own, ExtendedType::Object(_)))
                    if own == name || self.schema.is_subtype(name, own) =>
                {
                    Ok(own.as_str())
                }
                _ => Err(format!("its __typename {said} is no {name}")),
            };
        }
        if self.schema.get_object(name).is_some() {
            return Ok(name);
        }
        let mut conditions = BTreeSet::new();
        for set in sets {
            self.conditions(set, &mut conditions);
        }
        let mut conditions = conditions.into_iter();
        match (conditions.next(), conditions.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Ok(name),
            _ => Err("of which type it is cannot be told: no __typename".to_owned()),
        }
    }

    /// The types of objects that the fragments of a selection are for.
    fn conditions(&self, set: &'a SelectionSet, conditions: &mut BTreeSet<&'a str>) {
        for (condition, set) in set.selections.iter().filter_map(|one| self.fragment(one)) {
            conditions.extend(condition.filter(|name| self.schema.get_object(name).is_some()));
            self.conditions(set, conditions);
        }
    }

    /// Gathers what is selected of an object of a type, its fragments with the rest.
    fn gather(&self, name: &str, set: &'a SelectionSet, due: &mut Due<'a>) {
        for selection in &set.selections {
            if let Selection::Field(field) = selection {
                let (_, sets) = due
                    .entry(field.response_key().as_str())
                    .or_insert_with(|| (field.as_ref(), Vec::new()));
                sets.push(&field.selection_set);
            } else if let Some((condition, set)) = self.fragment(selection)
                && condition.is_none_or(|condition| {
                    condition == name || self.schema.is_subtype(condition, name)
                })
            {
                self.gather(name, set, due);
            }
        }
    }

    /// What a fragment is for, if it says, and what it selects.
    fn fragment(&self, selection: &'a Selection) -> Option<(Option<&'a str>, &'a SelectionSet)> {
        match selection {
            Selection::Field(_) => None,
            Selection::InlineFragment(inline) => {
                let condition = inline.type_condition.as_ref().map(Name::as_str);
                Some((condition, &inline.selection_set))
            }
            Selection::FragmentSpread(spread) => {
                let named = self.document.fragments.get(&spread.fragment_name)?;
                Some((Some(named.type_condition().as_str()), &named.selection_set))
            }
        }
    }

    fn say(&mut self, path: &str, what: &str) {
        self.found.push(format!("{path}: {what}"));
    }
}

const ORDER: &str = "query Order($id: ID!) {
  order(id: $id) {
    id
    placed: createdAt
    cancelledAt
    displayFinancialStatus
    requiresShipping
    totalPriceSet { shopMoney { ...Price } }
    totalPriceSet { shopMoney { currencyCode } }
    lineItems(first: 2) { nodes { quantity sku } }
  }
}
fragment Price on MoneyV2 { amount }";

const NODES: &str = "query Nodes($ids: [ID!]!) {
  nodes(ids: $ids) { id ... on InventoryItem { tracked } }
}";

const KINDS: &str = "query Kinds($ids: [ID!]!) {
  nodes(ids: $ids) {
    kind: __typename
    ... on InventoryItem { tracked }
    ...Place
  }
}
fragment Place on Location { name isActive }";

fn sound() -> Value {
    json!({ "data": { "order": {
        "id": "gid://shopify/Order/1",
        "placed": "2026-11-28T06:00:00Z",
        "cancelledAt": null,
        "displayFinancialStatus": "PAID",
        "requiresShipping": true,
        "totalPriceSet": { "shopMoney": { "amount": "10.00", "currencyCode": "EUR" } },
        "lineItems": { "nodes": [{ "quantity": 2, "sku": "MUG" }] },
    } } })
}

#[test]
fn a_sound_reply_has_no_breach() {
    assert_eq!(reply_breaches(ORDER, &sound()), [""; 0]);
    assert_eq!(reply_breaches(ORDER, &json!({ "data": { "order": null } })), [""; 0]);
    let failed = json!({ "errors": [{ "message": "Throttled" }] });
    assert_eq!(reply_breaches(ORDER, &failed), [""; 0]);
}

#[test]
fn a_reply_of_nothing_is_found() {
    if full().is_none() {
        return;
    }
    assert_eq!(reply_breaches(ORDER, &json!({})), ["data: missing, and no errors"]);
    assert_eq!(reply_breaches(ORDER, &json!({ "data": [] })), ["data: an object is due"]);
    let unknown = reply_breaches("{ shop { name nmae } }", &json!({ "data": {} }));
    assert_eq!(unknown, ["query: type `Shop` does not have a field `nmae`"]);
}

#[test]
fn a_field_that_is_missing_or_was_not_selected_is_found() {
    if full().is_none() {
        return;
    }
    let mut reply = sound();
    let order = reply["data"]["order"].as_object_mut().unwrap();
    let placed = order.remove("placed").unwrap();
    order.insert("createdAt".to_owned(), placed);
    let expected = ["data.order.createdAt: not selected", "data.order.placed: missing"];
    assert_eq!(reply_breaches(ORDER, &reply), expected);
    let mut reply = sound();
    reply["data"]["order"]["totalPriceSet"]["shopMoney"] = json!({});
    let money = "data.order.totalPriceSet.shopMoney";
    let expected = [format!("{money}.amount: missing"), format!("{money}.currencyCode: missing")];
    assert_eq!(reply_breaches(ORDER, &reply), expected);
}

#[test]
fn values_that_are_not_of_their_types_are_found() {
    if full().is_none() {
        return;
    }
    for (path, value, what) in [
        ("id", json!(1), "1 is no ID"),
        ("id", Value::Null, "null, but ID! is due"),
        ("placed", json!(1), "1 is no DateTime"),
        ("cancelledAt", json!(false), "false is no DateTime"),
        ("displayFinancialStatus", json!("OWED"), "\"OWED\" is no OrderDisplayFinancialStatus"),
        ("requiresShipping", json!("true"), "\"true\" is no Boolean"),
        ("totalPriceSet", json!([]), "an object is due"),
        ("totalPriceSet.shopMoney.amount", json!(10.0), "10.0 is no Decimal"),
        ("totalPriceSet.shopMoney.currencyCode", json!("EURO"), "\"EURO\" is no CurrencyCode"),
        ("lineItems.nodes", json!({}), "a list is due"),
        ("lineItems.nodes[0]", Value::Null, "null, but LineItem! is due"),
        ("lineItems.nodes[0].sku", json!(["MUG"]), "[\"MUG\"] is no String"),
        ("lineItems.nodes[0].quantity", json!("2"), "\"2\" is no Int"),
        ("lineItems.nodes[0].quantity", json!(2.5), "2.5 is no Int"),
        ("lineItems.nodes[0].quantity", json!(2_147_483_648_u32), "2147483648 is no Int"),
    ] {
        let mut reply = sound();
        let pointer = path.replace("[0]", "/0").replace('.', "/");
        *reply.pointer_mut(&format!("/data/order/{pointer}")).unwrap() = value;
        assert_eq!(reply_breaches(ORDER, &reply), [format!("data.order.{path}: {what}")]);
    }
}

#[test]
fn the_scalars_of_shopify_are_strings() {
    if full().is_none() {
        return;
    }
    let query = "{ shop { url } product(id: \"1\") { legacyResourceId } }";
    let reply = json!({ "data": { "shop": { "url": 1 }, "product": { "legacyResourceId": 1 } } });
    let expected =
        ["data.product.legacyResourceId: 1 is no UnsignedInt64", "data.shop.url: 1 is no URL"];
    assert_eq!(reply_breaches(query, &reply), expected);
}

#[test]
fn an_object_of_an_interface_is_of_the_only_type_that_is_asked_for() {
    let item = json!({ "id": "1", "tracked": true });
    let sound = json!({ "data": { "nodes": [item, null] } });
    assert_eq!(reply_breaches(NODES, &sound), [""; 0]);
    if full().is_none() {
        return;
    }
    let found = reply_breaches(NODES, &json!({ "data": { "nodes": [{ "id": "1" }] } }));
    assert_eq!(found, ["data.nodes[0].tracked: missing"]);
    let blind = KINDS.replace("kind: __typename", "id");
    let found = reply_breaches(&blind, &json!({ "data": { "nodes": [{ "id": "1" }] } }));
    assert_eq!(found, ["data.nodes[0]: of which type it is cannot be told: no __typename"]);
}

#[test]
fn an_object_is_of_the_type_it_says() {
    let item = json!({ "kind": "InventoryItem", "tracked": true });
    let place = json!({ "kind": "Location", "name": "Attic", "isActive": true });
    let order = json!({ "kind": "Order" });
    let reply = |nodes: Value| json!({ "data": { "nodes": nodes } });
    assert_eq!(reply_breaches(KINDS, &reply(json!([item, place, order]))), [""; 0]);
    if full().is_none() {
        return;
    }
    let mixed = json!({ "kind": "Location", "tracked": true, "name": "Attic", "isActive": true });
    let nodes = json!([mixed, { "kind": "MoneyV2" }, { "kind": 1 }, {}]);
    let expected = [
        "data.nodes[0].tracked: not selected",
        "data.nodes[1]: its __typename \"MoneyV2\" is no Node",
        "data.nodes[2]: its __typename 1 is no Node",
        "data.nodes[3]: of which type it is cannot be told: no __typename",
    ];
    assert_eq!(reply_breaches(KINDS, &reply(nodes)), expected);
}
