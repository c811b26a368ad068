//! What introspection tells of a schema, written as the language of schemas.

use std::fmt::Write as _;

use serde_json::Value;

/// These are defined wherever a schema is.
const BUILT_IN: [&str; 9] =
    ["String", "Int", "Float", "Boolean", "ID", "include", "skip", "deprecated", "specifiedBy"];

/// The whole of a `__schema`, but for the descriptions of all that is not a field.
pub(super) fn of(schema: &Value) -> String {
    let mut sdl = "schema {".to_owned();
    for operation in ["query", "mutation", "subscription"] {
        if let Some(name) = schema[format!("{operation}Type")]["name"].as_str() {
            write!(sdl, " {operation}: {name}").unwrap();
        }
    }
    sdl.push_str(" }\n");
    for directive in own(&schema["directives"]) {
        let repeatable = if directive["isRepeatable"] == true { " repeatable" } else { "" };
        let locations: Vec<_> =
            list(&directive["locations"]).iter().filter_map(Value::as_str).collect();
        let (name, arguments) = (name(directive), arguments(&directive["args"]));
        let places = locations.join(" | ");
        writeln!(sdl, "directive @{name}{arguments}{repeatable} on {places}").unwrap();
    }
    for definition in own(&schema["types"]) {
        sdl.push_str(&type_definition(definition));
        sdl.push('\n');
    }
    sdl
}

fn type_definition(definition: &Value) -> String {
    let name = name(definition);
    match definition["kind"].as_str().unwrap() {
        "SCALAR" => format!("scalar {name}"),
        "ENUM" => format!("enum {name} {{ {} }}", names(&definition["enumValues"], " ")),
        "UNION" => format!("union {name} = {}", names(&definition["possibleTypes"], " | ")),
        "INPUT_OBJECT" => {
            let one_of = if definition["isOneOf"] == true { " @oneOf" } else { "" };
            format!("input {name}{one_of} {{ {} }}", inputs(&definition["inputFields"]))
        }
        kind => {
            let keyword = if kind == "INTERFACE" { "interface" } else { "type" };
            let interfaces = match names(&definition["interfaces"], " & ") {
                none if none.is_empty() => none,
                some => format!(" implements {some}"),
            };
            let fields: Vec<_> = list(&definition["fields"]).iter().map(field).collect();
            format!("{keyword} {name}{interfaces} {{\n{}}}", fields.concat())
        }
    }
}

/// A string of JSON is one of the language of schemas as it stands.
fn field(field: &Value) -> String {
    let description =
        field["description"].as_str().map(|text| Value::from(text).to_string()).unwrap_or_default();
    let (name, arguments) = (name(field), arguments(&field["args"]));
    format!("{description} {name}{arguments}: {}\n", type_reference(&field["type"]))
}

fn arguments(arguments: &Value) -> String {
    match inputs(arguments) {
        none if none.is_empty() => none,
        some => format!("({some})"),
    }
}

/// Arguments, or the fields of an input object; a default is told as it is written.
fn inputs(inputs: &Value) -> String {
    let written = list(inputs).iter().map(|input| {
        let default = input["defaultValue"].as_str().map(|value| format!(" = {value}"));
        let (name, of_type) = (name(input), type_reference(&input["type"]));
        format!("{name}: {of_type}{}", default.unwrap_or_default())
    });
    written.collect::<Vec<_>>().join(", ")
}

fn type_reference(reference: &Value) -> String {
    let inner = || type_reference(&reference["ofType"]);
    match reference["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", inner()),
        "LIST" => format!("[{}]", inner()),
        _ => name(reference).to_owned(),
    }
}

/// What the schema defines itself.
fn own(definitions: &Value) -> impl Iterator<Item = &Value> {
    list(definitions)
        .iter()
        .filter(|one| !BUILT_IN.contains(&name(one)) && !name(one).starts_with("__"))
}

fn names(named: &Value, separator: &str) -> String {
    list(named).iter().map(name).collect::<Vec<_>>().join(separator)
}

fn name(named: &Value) -> &str {
    named["name"].as_str().unwrap()
}

/// Introspection tells a list that a kind of type does not have as null.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
