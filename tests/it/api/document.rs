//! The OpenAPI document: what is answered is held against it, and it against what was promised.

mod breaking;
mod deprecated;
mod examples;
mod pages;
mod reached;
mod roles;
mod rows;
mod snapshot;
mod troubles;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use invshop::{api, webhooks};
use jsonschema::{Draft, Validator};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// The document as a daemon serves it.
pub(super) static TEXT: LazyLock<String> =
    LazyLock::new(|| api::document_beside(webhooks::router(&[], None)));
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&TEXT).unwrap());

/// Validators by what they are of: making one takes longer than asking it.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// One operation of the document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) said: &'static Value,
}

/// All of them.
pub(super) fn operations() -> impl Iterator<Item = Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, said)| Operation { method, path, said })
    })
}

impl Operation {
    /// The one with an id.
    pub(super) fn by_id(id: &str) -> Self {
        operations().find(|one| one.id() == id).unwrap_or_else(|| panic!("no operation {id}"))
    }

    /// The one of a request: the path that is most of it is the one.
    fn of(method: &str, path: &str) -> Option<Self> {
        let fits = |one: &Self| one.method.eq_ignore_ascii_case(method) && fits(one.path, path);
        operations().filter(fits).min_by_key(|one| one.path.matches('{').count())
    }

    pub(super) fn id(self) -> &'static str {
        self.said["operationId"].as_str().unwrap()
    }

    /// The scope it takes; none for what is open to all.
    pub(super) fn scope(self) -> Option<&'static str> {
        self.said["security"][0]["key"][0].as_str()
    }

    /// The codes that it documents of a problem, by status.
    pub(super) fn refusals(self) -> Vec<(u16, &'static str)> {
        let mut refusals = Vec::new();
        for (status, response) in self.said["responses"].as_object().unwrap() {
            let schema = &resolved(response)["content"]["application/problem+json"]["schema"];
            let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array();
            let codes = codes.into_iter().flatten();
            refusals.extend(codes.map(|code| (status.parse().unwrap(), code.as_str().unwrap())));
        }
        refusals
    }

    /// Its parameters.
    pub(super) fn parameters(self) -> impl Iterator<Item = &'static Value> {
        self.said["parameters"].as_array().into_iter().flatten().map(resolved)
    }
}

/// A shape of the document.
pub(super) fn schema(name: &str) -> &'static Value {
    &DOCUMENT["components"]["schemas"][name]
}

fn fits(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted.starts_with('{') || wanted == given => {}
            _ => return false,
        }
    }
}

fn resolved(one: &'static Value) -> &'static Value {
    let path = one["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    path.map_or(one, |path| DOCUMENT.pointer(path).unwrap())
}

/// Why a value is not of a schema of the document; nothing where it is.
pub(super) fn wrong(schema: &Value, value: &Value) -> Vec<String> {
    let name = schema.to_string();
    let known = VALIDATORS.lock().unwrap().get(&name).cloned();
    let validator = known.unwrap_or_else(|| {
        let whole = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        let validator = Arc::new(options.should_validate_formats(true).build(&whole).unwrap());
        VALIDATORS.lock().unwrap().insert(name, Arc::clone(&validator));
        validator
    });
    let errors = validator.iter_errors(value);
    errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Holds an answer against the document: its status, its type, its headers and its body.
pub(super) fn check(method: &str, path: &str, status: u16, headers: &HeaderMap, body: &str) {
    // What is served nowhere, or only in a test, is not documented.
    let Some(operation) = Operation::of(method, path).filter(|_| status != 405) else { return };
    let told = format!("{method} {path} answered {status}: {body}");
    let response = &operation.said["responses"][status.to_string()];
    assert!(response.is_object(), "the document has no such status: {told}");
    let response = resolved(response);
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = resolved(header);
        match headers.get(name).map(|value| value.to_str().unwrap()) {
            None => assert!(header["required"] != true, "no header {name}: {told}"),
            Some(value) if header["schema"]["type"] == "integer" => {
                assert!(value.parse::<u64>().is_ok(), "{name}: {value}: {told}");
            }
            Some(_) => {}
        }
    }
    let Some(content) = response["content"].as_object() else {
        assert!(body.is_empty(), "the document has no body: {told}");
        return;
    };
    let kind = headers["content-type"].to_str().unwrap().split(';').next().unwrap();
    let schema = content.get(kind).unwrap_or_else(|| panic!("{kind} is not documented: {told}"));
    if kind.ends_with("json") {
        let body = serde_json::from_str(body).unwrap();
        let wrong = wrong(&schema["schema"], &body);
        assert!(wrong.is_empty(), "{wrong:#?}: {told}");
    }
}
