//! What of a change breaks those who use the API.
//!
//! A request that was good must stay so: nothing is taken away from what is accepted. An answer may
//! say more, but nothing that was in it may go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// Which way a schema goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

/// What breaks between two documents, by where it is.
pub(super) fn breaking(old: &Value, new: &Value) -> Vec<String> {
    let mut compared = Compared { old, new, found: Vec::new(), seen: BTreeSet::new() };
    for (path, item) in fields(&old["paths"]) {
        for (method, before) in fields(item) {
            let at = format!("{} {path}", method.to_ascii_uppercase());
            match new["paths"].get(path).and_then(|item| item.get(method)) {
                None => compared.say(&at, "is gone"),
                Some(after) => compared.operation(&at, before, after),
            }
        }
    }
    compared.found
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn texts(value: &Value) -> BTreeSet<String> {
    let one = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        Value::Null => BTreeSet::new(),
        value => BTreeSet::from([one(value)]),
    }
}

struct Compared<'d> {
    old: &'d Value,
    new: &'d Value,
    found: Vec<String>,
    /// References that are compared: shapes may hold themselves.
    seen: BTreeSet<(String, String, bool)>,
}

fn resolve<'d>(document: &'d Value, one: &'d Value) -> &'d Value {
    let path = one["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    path.map_or(one, |path| document.pointer(path).unwrap_or(&Value::Null))
}

/// A schema with the parts of `allOf` in one.
fn whole(document: &Value, schema: &Value) -> Map<String, Value> {
    let schema = resolve(document, schema);
    let mut all = schema.as_object().cloned().unwrap_or_default();
    let parts = all.remove("allOf");
    for part in parts.as_ref().and_then(Value::as_array).into_iter().flatten() {
        for (name, value) in whole(document, part) {
            match (all.get_mut(&name), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
                (Some(_), _) => {}
                (None, value) => drop(all.insert(name, value)),
            }
        }
    }
    all
}

/// The names under which a schema has several shapes to choose from.
const CHOICES: [&str; 2] = ["oneOf", "anyOf"];

fn is_choice(schema: &Value) -> bool {
    CHOICES.iter().any(|name| schema[name].is_array())
}

/// The shapes that a schema lets choose from, each with what it says of all; one that lets
/// choose nothing is one shape.
fn shapes(schema: &Value) -> Vec<Value> {
    let mut of_all = schema.as_object().cloned().unwrap_or_default();
    let lists: Vec<Value> = CHOICES.iter().filter_map(|name| of_all.remove(*name)).collect();
    let Some(shapes) = lists.first().and_then(Value::as_array) else { return vec![schema.clone()] };
    let shape = |one: &Value| json!({ "allOf": [one, of_all] });
    shapes.iter().map(shape).collect()
}

impl<'d> Compared<'d> {
    fn say(&mut self, at: &str, what: &str) {
        self.found.push(format!("{at} {what}"));
    }

    fn operation(&mut self, at: &str, before: &'d Value, after: &'d Value) {
        for name in ["operationId", "security"] {
            if before[name] != after[name] {
                self.say(at, &format!("has another {name}: {}", after[name]));
            }
        }
        self.parameters(at, before, after);
        let (body_before, body_after) = (&before["requestBody"], &after["requestBody"]);
        if body_before["required"] != true && body_after["required"] == true {
            self.say(at, "needs a body");
        }
        self.content(&format!("{at}: body"), body_before, body_after, Way::Request);
        for (status, response) in fields(&before["responses"]) {
            let at = format!("{at}: {status}");
            let Some(now) = after["responses"].get(status) else {
                self.say(&at, "is gone");
                continue;
            };
            let (response, now) = (resolve(self.old, response), resolve(self.new, now));
            self.headers(&at, response, now);
            self.content(&at, response, now, Way::Answer);
        }
    }

    fn parameters(&mut self, at: &str, before: &'d Value, after: &'d Value) {
        let by_name = |document: &'d Value, operation: &'d Value| {
            let all = operation["parameters"].as_array().into_iter().flatten();
            let all = all.map(|one| resolve(document, one));
            all.map(|one| ((texts(&one["in"]), texts(&one["name"])), one))
                .collect::<BTreeMap<_, _>>()
        };
        let (before, after) = (by_name(self.old, before), by_name(self.new, after));
        for (name, one) in &after {
            let is_new = before.get(name).is_none_or(|one| one["required"] != true);
            if is_new && one["required"] == true {
                self.say(at, &format!("needs the parameter {}", one["name"]));
            }
        }
        for (name, one) in before {
            match after.get(&name) {
                None => self.say(at, &format!("has no parameter {}", one["name"])),
                Some(now) => {
                    let at = format!("{at}: parameter {}", one["name"]);
                    self.schema(&at, &one["schema"], &now["schema"], Way::Request);
                }
            }
        }
    }

    fn headers(&mut self, at: &str, before: &'d Value, after: &'d Value) {
        for (name, header) in fields(&before["headers"]) {
            let Some(now) = after["headers"].get(name) else {
                self.say(at, &format!("has no header {name}"));
                continue;
            };
            let (header, now) = (resolve(self.old, header), resolve(self.new, now));
            if header["required"] == true && now["required"] != true {
                self.say(at, &format!("may lack the header {name}"));
            }
            let at = format!("{at}: header {name}");
            self.schema(&at, &header["schema"], &now["schema"], Way::Answer);
        }
    }

    fn content(&mut self, at: &str, before: &'d Value, after: &'d Value, way: Way) {
        for (kind, content) in fields(&before["content"]) {
            match after["content"].get(kind) {
                None => self.say(at, &format!("is not {kind} any more")),
                Some(now) => self.schema(at, &content["schema"], &now["schema"], way),
            }
        }
    }

    fn schema(&mut self, at: &str, before: &Value, after: &Value, way: Way) {
        if let (Some(before), Some(after)) = (before["$ref"].as_str(), after["$ref"].as_str()) {
            let pair = (before.to_owned(), after.to_owned(), way == Way::Request);
            if !self.seen.insert(pair) {
                return;
            }
        }
        let (before, after) = (whole(self.old, before), whole(self.new, after));
        let (before, after) = (Value::Object(before), Value::Object(after));
        if is_choice(&before) != is_choice(&after) {
            return self.choices(at, &before, &after, way);
        }
        self.types(at, &before, &after, way);
        self.bounds(at, &before, &after, way);
        self.properties(at, &before, &after, way);
        self.variants(at, &before, &after, way);
        if before.get("items").is_some() {
            self.schema(&format!("{at}[]"), &before["items"], &after["items"], way);
        }
    }

    fn types(&mut self, at: &str, before: &Value, after: &Value, way: Way) {
        let (old, new) = (texts(&before["type"]), texts(&after["type"]));
        let is_kept = match way {
            Way::Request => new.is_empty() || (!old.is_empty() && old.is_subset(&new)),
            Way::Answer => old.is_empty() || (!new.is_empty() && new.is_subset(&old)),
        };
        if !is_kept {
            self.say(at, &format!("is {new:?} and was {old:?}"));
        }
        let names = |schema: &Value| match schema.get("const") {
            Some(one) => texts(&json!([one])),
            None => texts(&schema["enum"]),
        };
        let (old, new) = (names(before), names(after));
        // Who reads an answer may look for each name; more of them were announced.
        let gone: Vec<_> = old.difference(&new).collect();
        let is_open = way == Way::Request && new.is_empty();
        if !gone.is_empty() && !is_open {
            self.say(at, &format!("has no {gone:?} any more"));
        }
        if way == Way::Request && old.is_empty() && !new.is_empty() {
            self.say(at, &format!("is only {new:?} now"));
        }
    }

    fn bounds(&mut self, at: &str, before: &Value, after: &Value, way: Way) {
        for (name, is_upper) in [
            ("minimum", false),
            ("minLength", false),
            ("minItems", false),
            ("maximum", true),
            ("maxLength", true),
            ("maxItems", true),
        ] {
            let (old, new) = (before[name].as_f64(), after[name].as_f64());
            let open = if is_upper { f64::INFINITY } else { f64::NEG_INFINITY };
            let (old, new) = (old.unwrap_or(open), new.unwrap_or(open));
            let is_narrower = if is_upper { new < old } else { new > old };
            let is_wider = if is_upper { new > old } else { new < old };
            if (way == Way::Request && is_narrower) || (way == Way::Answer && is_wider) {
                self.say(at, &format!("has {name} {new} and had {old}"));
            }
        }
        for name in ["pattern", "format"] {
            let is_narrower = way == Way::Request && after.get(name).is_some();
            let is_wider = way == Way::Answer && before.get(name).is_some();
            if (is_narrower || is_wider) && before[name] != after[name] {
                self.say(at, &format!("has {name} {} and had {}", after[name], before[name]));
            }
        }
    }

    fn properties(&mut self, at: &str, before: &Value, after: &Value, way: Way) {
        let (old, new) = (texts(&before["required"]), texts(&after["required"]));
        let changed: Vec<_> = match way {
            Way::Request => new.difference(&old).collect(),
            Way::Answer => old.difference(&new).collect(),
        };
        for name in changed {
            let needs = if way == Way::Request { "needs" } else { "may lack" };
            self.say(at, &format!("{needs} {name}"));
        }
        let closed = |schema: &Value| schema["additionalProperties"] == false;
        if way == Way::Request && closed(after) && !closed(before) {
            self.say(at, "refuses names it does not know");
        }
        for (name, schema) in fields(&before["properties"]) {
            match after["properties"].get(name) {
                None => self.say(at, &format!("has no {name}")),
                Some(now) => self.schema(&format!("{at}.{name}"), schema, now, way),
            }
        }
    }

    fn variants(&mut self, at: &str, before: &Value, after: &Value, way: Way) {
        for name in CHOICES {
            let list = |schema: &Value| schema[name].as_array().cloned().unwrap_or_default();
            if let Some(lost) = self.lost(&list(before), &list(after), way) {
                self.say(at, &format!("differs in {name}: {lost}"));
            }
        }
    }

    /// Where only one of both has several shapes to choose from: the other is one shape.
    fn choices(&mut self, at: &str, before: &Value, after: &Value, way: Way) {
        if let Some(lost) = self.lost(&shapes(before), &shapes(after), way) {
            let became = if is_choice(after) { "is a choice now" } else { "is no choice any more" };
            self.say(at, &format!("{became}: {lost}"));
        }
    }

    /// Of a request each shape must be taken still; an answer has none that was not there.
    fn lost(&self, old: &[Value], new: &[Value], way: Way) -> Option<Value> {
        let fits = |old: &Value, new: &Value| {
            let mut trial = Compared { found: Vec::new(), seen: self.seen.clone(), ..*self };
            trial.schema("", old, new, way);
            trial.found.is_empty()
        };
        let lost = match way {
            Way::Request => old.iter().find(|old| !new.iter().any(|new| fits(old, new))),
            Way::Answer => new.iter().find(|new| !old.iter().any(|old| fits(old, new))),
        };
        lost.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document of today, changed at one place.
    fn changed(path: &str, change: impl FnOnce(&mut Value)) -> Vec<String> {
        let document: Value = serde_json::from_str(&super::super::TEXT).unwrap();
        let mut other = document.clone();
        change(other.pointer_mut(path).unwrap_or_else(|| panic!("{path} is not there")));
        assert_ne!(document, other, "{path} was not changed");
        breaking(&document, &other)
    }

    fn without(name: &'static str) -> impl FnOnce(&mut Value) {
        move |value| drop(value.as_object_mut().unwrap().remove(name))
    }

    fn with(name: &'static str, field: Value) -> impl FnOnce(&mut Value) {
        move |value| drop(value.as_object_mut().unwrap().insert(name.to_owned(), field))
    }

    fn entry(name: &'static str) -> impl FnOnce(&mut Value) {
        move |value| value.as_array_mut().unwrap().push(json!(name))
    }

    fn no_entry(name: &'static str) -> impl FnOnce(&mut Value) {
        move |value| value.as_array_mut().unwrap().retain(|one| one != name)
    }

    fn is(other: Value) -> impl FnOnce(&mut Value) {
        move |value| *value = other
    }

    fn text() -> Value {
        json!({ "type": "string" })
    }

    fn parameter(required: bool) -> impl FnOnce(&mut Value) {
        move |value| {
            let parameter = json!({ "name": "new", "in": "query", "required": required });
            value.as_array_mut().unwrap().push(parameter);
        }
    }

    #[test]
    fn what_breaks_is_named() {
        type Change = Box<dyn FnOnce(&mut Value)>;
        let of = |name: &str| format!("/components/schemas/{name}");
        let order = "/paths/~1v1~1orders/post";
        let list = "/paths/~1v1~1inventory/get";
        let planted: Vec<(String, Change, &str)> = vec![
            ("/paths".into(), Box::new(without("/v1/orders")), "GET /v1/orders is gone"),
            ("/paths/~1v1~1orders".into(), Box::new(without("post")), "POST /v1/orders is gone"),
            (order.into(), Box::new(with("operationId", json!("x"))), "another operationId"),
            (format!("{order}/security/0"), Box::new(with("key", json!([]))), "another security"),
            (format!("{order}/responses"), Box::new(without("202")), "202 is gone"),
            (format!("{order}/responses"), Box::new(without("409")), "409 is gone"),
            (format!("{order}/responses/202/headers"), Box::new(without("Location")), "no header"),
            (format!("{order}/requestBody/content"), Box::new(without("application/json")), "not"),
            (format!("{list}/parameters"), Box::new(parameter(true)), "needs the parameter"),
            (format!("{list}/parameters/0"), Box::new(with("name", json!("r"))), "no parameter"),
            (format!("{list}/parameters/0"), Box::new(with("required", json!(true))), "needs the"),
            (of("ItemView/allOf/1/properties"), Box::new(without("title")), "has no title"),
            (of("TotalsView/properties"), Box::new(without("reserved")), "has no reserved"),
            (of("OrderView/required"), Box::new(no_entry("total")), "may lack total"),
            (of("OrderView/properties/version"), Box::new(with("type", json!("string"))), "is {"),
            (
                of("OrderView/properties/channel"),
                Box::new(with("type", json!(["string", "null"]))),
                "is {",
            ),
            (of("NewOrder/properties"), Box::new(without("customer")), "has no customer"),
            (of("NewOrder/required"), Box::new(entry("payment")), "needs payment"),
            (of("OrderedLine/properties/quantity"), Box::new(with("maximum", json!(5))), "maximum"),
            (of("OrderedLine/properties/quantity"), Box::new(with("minimum", json!(2))), "minimum"),
            (of("Sku"), Box::new(with("maxLength", json!(100))), "maxLength"),
            (of("Sku"), Box::new(with("pattern", json!("^x$"))), "pattern"),
            (of("BatchGet/properties/skus"), Box::new(with("maxItems", json!(100))), "maxItems"),
            (of("MovementKind/enum"), Box::new(no_entry("count")), "has no [\"count\"]"),
            (of("OrderStatus/enum"), Box::new(no_entry("open")), "has no [\"open\"]"),
            (of("Timestamp"), Box::new(without("format")), "format"),
            (
                of("Moment"),
                Box::new(|one| drop(one["anyOf"].as_array_mut().unwrap().pop())),
                "differs in anyOf",
            ),
            (of("Shown/oneOf"), Box::new(entry("x")), "differs in oneOf"),
        ];
        for (path, change, said) in planted {
            let found = changed(&path, change);
            let named = found.iter().any(|one| one.contains(said));
            assert!(named, "{path}: {said} was not found: {found:#?}");
        }
    }

    #[test]
    fn a_choice_that_comes_or_goes_and_a_header_that_may_be_missing_are_named() {
        let of = |name: &str| format!("/components/schemas/{name}");
        let (came, went) = ("is a choice now", "is no choice any more");
        let other = json!({ "type": "null" });
        let number_or_null = json!({ "oneOf": [{ "type": "integer" }, other] });
        let text_or_null = json!({ "anyOf": [text(), other] });
        for (path, now, said) in [
            (of("OrderedLine/properties/sku"), number_or_null, came),
            (of("OrderView/properties/channel"), text_or_null, came),
            (of("ItemChange/properties/title"), text(), went),
            (of("Moment"), json!({ "type": "integer" }), went),
            (of("Shown"), other.clone(), went),
            ("/components/headers/X-Request-Id/required".into(), json!(false), "may lack the"),
            ("/components/headers/Retry-After/schema/type".into(), json!("string"), "is {"),
        ] {
            let found = changed(&path, |value| *value = now);
            let named = found.iter().any(|one| one.contains(said));
            assert!(named, "{path}: {said} was not found: {found:#?}");
        }
    }

    #[test]
    fn what_breaks_nobody_is_not_named() {
        type Change = Box<dyn FnOnce(&mut Value)>;
        let of = |name: &str| format!("/components/schemas/{name}");
        let order = "/paths/~1v1~1orders/post";
        let amount = || json!({ "$ref": "#/components/schemas/AmountView" });
        let planted: Vec<(String, Change)> = vec![
            ("/paths".into(), Box::new(with("/v1/new", json!({ "get": {} })))),
            (format!("{order}/responses"), Box::new(with("451", json!({})))),
            (format!("{order}/parameters"), Box::new(parameter(false))),
            (order.into(), Box::new(with("summary", text()))),
            (of("OrderView/properties"), Box::new(with("new", text()))),
            (of("OrderView/required"), Box::new(entry("new"))),
            (of("NewOrder/properties"), Box::new(with("new", text()))),
            (of("OrderStatus/enum"), Box::new(entry("new"))),
            (of("MovementKind/enum"), Box::new(entry("new"))),
            (of("OrderedLine/properties/quantity"), Box::new(without("maximum"))),
            (of("Reason"), Box::new(with("maxLength", json!(1_000)))),
            (
                of("OrderedLine/properties/quantity"),
                Box::new(is(json!({ "oneOf": [{ "type": "integer", "minimum": 0 }, text()] }))),
            ),
            (of("ItemView/allOf/1/properties/price"), Box::new(is(amount()))),
            ("/components/headers/RateLimit".into(), Box::new(with("required", json!(true)))),
        ];
        for (path, change) in planted {
            let found = changed(&path, change);
            assert!(found.is_empty(), "{path}: {found:#?}");
        }
    }
}
