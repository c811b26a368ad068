//! What many routes have in common, written into the document once for all: the problems that
//! follow from what a route takes, the headers of every answer, and what is deprecated.
//!
//! A route itself names only what it refuses (`x-refusals`: `"404 unknown_sku"`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::codes::{CODES, meaning};
use super::deprecation::Deprecation;
use crate::access::Right;

/// The extension that names what a route refuses; it becomes responses.
pub(super) const REFUSALS: &str = "x-refusals";

/// By status the codes of problems.
type Refusals = BTreeMap<u16, BTreeSet<String>>;

/// Names of statuses that are documented here.
const STATUSES: [(&str, &str); 7] = [
    ("101", "Switching protocols"),
    ("200", "Done"),
    ("201", "Written"),
    ("202", "Taken, and decided later"),
    ("204", "Done; nothing is left to say"),
    ("304", "Not changed"),
    ("400", "Not understood"),
];

/// The whole document, of what the routes say of themselves.
pub(super) fn finish(mut document: Value) -> Value {
    let (mut responses, mut ids) = (Map::new(), BTreeSet::new());
    let paths = document["paths"].as_object_mut();
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let Some(operation) = operation.as_object_mut() else { continue };
            complete(path, operation, &mut responses);
            let id = operation["operationId"].as_str().unwrap_or_default();
            if !ids.insert(id.to_owned()) {
                // One handler of two methods.
                let id = format!("{id}_by_{method}");
                ids.insert(id.clone());
                operation.insert("operationId".to_owned(), json!(id));
            }
        }
    }
    refer(&mut document["components"]["schemas"]);
    join_lines(&mut document);
    document["components"]["responses"] = Value::Object(responses);
    document["components"]["headers"] = headers();
    document["components"]["schemas"]["Problem"] = problem();
    document["components"]["schemas"]["Shortage"] = shortage();
    document["components"]["securitySchemes"] = security();
    document["components"]["parameters"] = json!({ "AcceptVersion": {
        "name": "Accept-Version", "in": "header", "required": false, "schema": { "const": "1" },
        "description": "The version that is spoken: 1, which is also what is meant without it.",
    }});
    document
}

/// Lists name what they are of, which the macro writes out: `Page_ItemView` is of `ItemView`.
fn refer(schemas: &mut Value) {
    let Some(schemas) = schemas.as_object_mut() else { return };
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in &names {
        let of = name.split_once('_').map(|(_, of)| of.to_owned());
        let Some(of) = of.filter(|of| names.contains(of)) else { continue };
        let items = schemas.get_mut(name).map(|schema| &mut schema["properties"]["data"]["items"]);
        if let Some(items) = items {
            *items = json!({ "$ref": format!("#/components/schemas/{of}") });
        }
    }
}

/// Where a line of the source ends, no line of a text does.
fn join_lines(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(join_lines),
        Value::Object(fields) => {
            for name in ["summary", "description"] {
                if let Some(Value::String(text)) = fields.get_mut(name) {
                    let paragraphs = text.split("\n\n").map(|one| one.replace('\n', " "));
                    *text = paragraphs.collect::<Vec<_>>().join("\n\n");
                }
            }
            fields.values_mut().for_each(join_lines);
        }
        _ => {}
    }
}

fn complete(path: &str, operation: &mut Map<String, Value>, shared: &mut Map<String, Value>) {
    let refusals = refusals(path, operation);
    let is_versioned = is_versioned(path);
    let deprecation = Deprecation::of(operation);
    if deprecation.is_some() {
        operation.insert("deprecated".to_owned(), json!(true));
    }
    if is_versioned && let Some(parameters) = array(operation, "parameters") {
        parameters.push(json!({ "$ref": "#/components/parameters/AcceptVersion" }));
    }
    let Some(responses) = operation.entry("responses").or_insert(json!({})).as_object_mut() else {
        return;
    };
    for (status, response) in responses.iter_mut() {
        succeed(status, response, deprecation.is_some());
    }
    for (status, codes) in refusals {
        let codes: Vec<String> = codes.into_iter().collect();
        let name = format!("{status}.{}", codes.join("."));
        let refused = shared.entry(name.clone()).or_insert_with(|| refused(status, &codes));
        if let Some(own) = responses.get_mut(&status.to_string()) {
            // OAuth has errors of its own beside ours.
            own["content"][PROBLEM] = refused["content"][PROBLEM].clone();
        } else {
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            responses.insert(status.to_string(), reference);
        }
    }
}

/// Whether the paths below know versions: `Accept-Version` is looked at there.
fn is_versioned(path: &str) -> bool {
    path.starts_with("/v1/") || path == "/oauth/token"
}

fn array<'a>(operation: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Vec<Value>> {
    operation.entry(name).or_insert_with(|| json!([])).as_array_mut()
}

const PROBLEM: &str = "application/problem+json";

/// What a route refuses: what it names, and what follows from what it takes.
fn refusals(path: &str, operation: &mut Map<String, Value>) -> Refusals {
    let mut refusals = Refusals::new();
    let own = operation.remove(REFUSALS).unwrap_or_default();
    let own: Vec<String> = serde_json::from_value(own).unwrap_or_default();
    let is_secured = operation.contains_key("security");
    let parameters = || {
        let parameters = operation.get("parameters").and_then(Value::as_array);
        parameters.into_iter().flatten()
    };
    let has = |place: &str| parameters().any(|one| one["in"] == place);
    let has_key = parameters().any(|one| one["name"] == "Idempotency-Key");
    let body = operation.get("requestBody").map(|body| &body["content"]);
    let mut also = vec![(path != "/healthz", &["429 rate_limited"][..])];
    also.push((is_secured, &SECURED));
    also.push((is_secured && has("path"), &["400 malformed_path"]));
    also.push((is_secured && (has("query") || has_key), &["422 invalid"]));
    also.push((is_versioned(path), &VERSIONED));
    also.push((body.is_some_and(|body| body.get("application/json").is_some()), &BODY));
    let implied = also.into_iter().filter(|(is_so, _)| *is_so).flat_map(|(_, these)| these);
    for refusal in own.iter().map(String::as_str).chain(implied.copied()) {
        if let Some((status, code)) = refusal.split_once(' ')
            && let Ok(status) = status.parse()
        {
            refusals.entry(status).or_default().insert(code.to_owned());
        }
    }
    refusals
}

const SECURED: [&str; 4] =
    ["401 unauthorized", "403 forbidden", "500 internal", "503 database_unavailable"];
const VERSIONED: [&str; 3] = ["406 unknown_version", "503 overloaded", "503 timeout"];
const BODY: [&str; 6] = [
    "400 malformed_json",
    "400 body_incomplete",
    "408 request_timeout",
    "413 body_too_large",
    "415 unsupported_media_type",
    "422 invalid",
];

/// A response that the route named itself: with a description and the headers of all.
fn succeed(status: &str, response: &mut Value, is_deprecated: bool) {
    if response["description"].as_str().is_none_or(str::is_empty) {
        let known = STATUSES.iter().find(|(known, _)| *known == status);
        response["description"] = json!(known.map_or("Answered", |(_, said)| said));
    }
    let mut names = vec!["X-Request-Id", "RateLimit", "RateLimit-Policy"];
    if is_deprecated {
        names.extend(["Deprecation", "Sunset", "Link"]);
    }
    for name in names {
        response["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
    }
}

/// A problem of a status with one of some codes.
fn refused(status: u16, codes: &[String]) -> Value {
    let described = codes.iter().map(|code| format!("`{code}`: {}", meaning(code)));
    let of_status = json!({
        "properties": { "status": { "const": status }, "code": { "enum": codes } },
    });
    let schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Problem" }, of_status] });
    let mut names = vec!["X-Request-Id", "RateLimit", "RateLimit-Policy"];
    match status {
        401 | 403 => names.push("WWW-Authenticate"),
        429 | 503 => names.push("Retry-After"),
        _ => {}
    }
    let header = |name| (name, json!({ "$ref": format!("#/components/headers/{name}") }));
    let headers: BTreeMap<&str, Value> = names.into_iter().map(header).collect();
    json!({
        "description": described.collect::<Vec<_>>().join("; "),
        "headers": headers,
        "content": { PROBLEM: { "schema": schema } },
    })
}

fn headers() -> Value {
    let text = |description: &str, is_always: bool| {
        let schema = json!({ "type": "string" });
        json!({ "description": description, "required": is_always, "schema": schema })
    };
    json!({
        "X-Request-Id": text("The name of the request: its client's, or a new one.", true),
        "RateLimit": text("What is left: `\"account\";r=99;t=1`; none without limits.", false),
        "RateLimit-Policy": text("The limit: `\"account\";q=200;w=2`; none without limits.", false),
        "Retry-After": {
            "description": "Seconds after which to come again.",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
        },
        "WWW-Authenticate": text("How to prove oneself, and what it takes (RFC 6750).", true),
        "Deprecation": text("Since when it is deprecated (RFC 9745): `@1735689600`.", true),
        "Sunset": text("When it will be gone (RFC 8594).", false),
        "Link": text("Where to read about that: `rel=\"deprecation\"`.", true),
    })
}

/// RFC 9457, with what ours have beside.
fn problem() -> Value {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer", "format": "int64" });
    let codes: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
    json!({
        "type": "object",
        "description": "Why a request has no other answer (RFC 9457). Scripts match on `code`.",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "const": "about:blank" },
            "title": text,
            "status": { "type": "integer", "format": "int32", "minimum": 400, "maximum": 599 },
            "code": { "type": "string", "enum": codes },
            "detail": { "type": "string", "description": "For people; its words may change." },
            "field": { "type": "string", "description": "What is at fault, as `lines[1].sku`." },
            "sku": { "type": "string" },
            "location": { "type": "string" },
            "locations": { "type": "array", "items": text },
            "orders": { "type": "array", "items": text },
            "shortages": { "type": "array", "items": { "$ref": "#/components/schemas/Shortage" } },
            "expected_version": number,
            "actual_version": number,
            "on_hand": number,
            "newest": number,
            "key": { "type": "string" },
        },
    })
}

fn shortage() -> Value {
    let number = json!({ "type": "integer", "format": "int64" });
    json!({
        "type": "object",
        "description": "A SKU of which there is not enough.",
        "required": ["sku", "requested", "available"],
        "properties": { "sku": { "type": "string" }, "requested": number, "available": number },
    })
}

fn security() -> Value {
    let scopes: BTreeMap<&str, &str> =
        Right::ALL.iter().map(|right| (right.scope(), right.scope())).collect();
    json!({
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "`Authorization: Bearer KEY_OR_TOKEN`: a key of the shop, or a token \
                            that `/oauth/token` gave for one. The scopes are those of its role, \
                            or fewer that a token was asked for with.",
        },
        "oauth": {
            "type": "oauth2",
            "flows": { "clientCredentials": { "tokenUrl": "/oauth/token", "scopes": scopes } },
        },
    })
}
