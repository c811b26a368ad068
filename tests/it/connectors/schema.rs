//! Shopify's schema, asked what is wrong with what the connector sends and with what a
//! sandbox answers. It is read from the records of the contracts; where they are not there,
//! nothing can be said to be wrong, and the tests are skipped.

mod reply;
mod request;
mod sdl;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use flate2::read::GzDecoder;
use serde_json::Value;

use super::contracts;

/// All of the schema of 2026-10, from Shopify's introspection; `None` without the records.
pub(super) fn full() -> Option<&'static Valid<Schema>> {
    static FULL: OnceLock<Valid<Schema>> = OnceLock::new();
    let folder = contracts("shopify")?;
    Some(FULL.get_or_init(|| {
        let packed = read(&folder.join("admin_2026-10.json.gz"));
        let mut json = Vec::new();
        GzDecoder::new(packed.as_slice()).read_to_end(&mut json).unwrap();
        let introspected: Value = serde_json::from_slice(&json).unwrap();
        parsed(sdl::of(&introspected["data"]["__schema"]))
    }))
}

/// What the connector needs of the schema of 2026-07; `None` without the records.
pub(super) fn trimmed() -> Option<&'static Valid<Schema>> {
    static TRIMMED: OnceLock<Valid<Schema>> = OnceLock::new();
    let folder = contracts("shopify")?;
    Some(TRIMMED.get_or_init(|| {
        let sdl = read(&folder.join("admin_2026-07.trimmed.graphql"));
        parsed(String::from_utf8(sdl).unwrap())
    }))
}

/// What a request breaks, of the schema of 2026-10 and of the rules it does not carry.
///
/// Empty for a sound request, and for every request where the records are not there.
/// `variables` are those sent with it: an object, or null where there are none. It is
/// stricter than Shopify: a list of one must be a list, and no variable may be unknown.
pub(super) fn breaches(query: &str, variables: &Value) -> Vec<String> {
    let Some(schema) = full() else { return Vec::new() };
    match document(schema, query) {
        Ok(document) => request::breaches_of(schema, &document, variables),
        Err(errors) => errors,
    }
}

/// Where a reply is not what the query asks of the schema of 2026-10.
///
/// Empty for a sound reply, for one that has errors and no data, and for every reply where
/// the records are not there. The query must be valid and of one operation; `@skip` and
/// `@include` are not followed: what they are on is due.
pub(super) fn reply_breaches(query: &str, reply: &Value) -> Vec<String> {
    let Some(schema) = full() else { return Vec::new() };
    match document(schema, query) {
        Ok(document) => reply::breaches_of(schema, &document, reply),
        Err(errors) => errors,
    }
}

/// The document of a query, or why it is not valid.
fn document(schema: &Valid<Schema>, query: &str) -> Result<Valid<ExecutableDocument>, Vec<String>> {
    ExecutableDocument::parse_and_validate(schema, query, "query.graphql").map_err(|invalid| {
        invalid.errors.iter().map(|found| format!("query: {}", found.error)).collect()
    })
}

/// Why a value is not one of a scalar or enum; Shopify's own scalars are strings.
fn leaf_breach(schema: &Schema, type_name: &str, value: &Value) -> Option<String> {
    let fits = if let Some(ExtendedType::Enum(kind)) = schema.types.get(type_name) {
        value.as_str().is_some_and(|name| kind.values.contains_key(name))
    } else {
        match type_name {
            "Int" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "Float" => value.is_number(),
            "Boolean" => value.is_boolean(),
            "JSON" => true,
            _ => value.is_string(),
        }
    };
    (!fits).then(|| format!("{value} is no {type_name}"))
}

fn parsed(sdl: String) -> Valid<Schema> {
    Schema::parse_and_validate(sdl, "schema.graphql")
        .unwrap_or_else(|invalid| panic!("{}", invalid.errors))
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents of the connector, by the names of their files.
fn documents() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/connectors/shopify/graphql");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let documents: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "graphql"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, String::from_utf8(read(&path)).unwrap())
        })
        .collect();
    assert!(!documents.is_empty(), "no documents in {}", folder.display());
    documents
}

#[test]
fn every_document_is_valid_in_both_schemas() {
    let (Some(full), Some(trimmed)) = (full(), trimmed()) else { return };
    for (name, query) in documents() {
        for (version, schema) in [("2026-10", full), ("2026-07", trimmed)] {
            assert_eq!(document(schema, &query).err(), None, "{name}, {version}");
        }
    }
}

#[test]
fn a_misspelt_field_is_refused() {
    let (Some(full), Some(trimmed)) = (full(), trimmed()) else { return };
    for schema in [full, trimmed] {
        assert_eq!(document(schema, "{ shop { name } }").err(), None);
        let errors = document(schema, "{ shop { name nmae } }").unwrap_err();
        assert_eq!(errors, ["query: type `Shop` does not have a field `nmae`"]);
    }
}

#[test]
fn every_document_carries_the_keys_that_are_due() {
    let Some(schema) = full() else { return };
    let mut keyed = 0;
    for (name, query) in documents() {
        let document = document(schema, &query).unwrap();
        for operation in document.operations.iter() {
            assert_eq!(request::key_breaches(operation, &document), [""; 0], "{name}");
            keyed +=
                operation.root_fields(&document).filter(|field| request::is_keyed(field)).count();
        }
    }
    assert!(keyed > 0, "no document changes a count: this test sees nothing");
}
