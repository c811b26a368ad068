//! Values of arguments and variables: read as they are written, checked against their kind.

use std::collections::{BTreeMap, BTreeSet};

use graphql_parser::query::{Type, Value as Written, VariableDefinition};
use serde_json::{Map, Value, json};

use super::plan::failure;
use super::schema::{self, Schema};

/// Entries of a list that is given, at most.
const INPUT_MAX: usize = 250;

/// Why a value does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is not of the kind; what is wrong, and where.
    Kind { explanation: String, path: Vec<String> },
    /// A list is too long.
    Size(usize),
}

impl Problem {
    fn of(explanation: impl Into<String>) -> Self {
        Self::Kind { explanation: explanation.into(), path: Vec::new() }
    }

    fn below(self, name: &str) -> Self {
        match self {
            Self::Kind { explanation, mut path } => {
                path.insert(0, name.to_owned());
                Self::Kind { explanation, path }
            }
            size @ Self::Size(_) => size,
        }
    }

    pub(super) fn failure(&self, message: &str, code: &str) -> Value {
        match self {
            Self::Kind { explanation, path } => json!({
                "message": format!("{message}: {explanation}"),
                "extensions": {
                    "code": code, "problems": [{ "path": path, "explanation": explanation }],
                },
            }),
            Self::Size(size) => {
                let limit = format!("greater than the maximum allowed of {INPUT_MAX}");
                let message = format!("The input array size of {size} is {limit}.");
                failure(&message, "MAX_INPUT_SIZE_EXCEEDED")
            }
        }
    }
}

/// Whether a value is of a kind.
pub(super) fn check(
    schema: &Schema,
    kind: &Type<'_, String>,
    value: &Value,
) -> Result<(), Problem> {
    match (kind, value) {
        (Type::NonNullType(_), Value::Null) => Err(Problem::of("Expected value to not be null")),
        (Type::NonNullType(inner), value) => check(schema, inner, value),
        (_, Value::Null) => Ok(()),
        (Type::ListType(inner), Value::Array(entries)) => {
            if entries.len() > INPUT_MAX {
                return Err(Problem::Size(entries.len()));
            }
            entries.iter().enumerate().try_for_each(|(at, entry)| {
                check(schema, inner, entry).map_err(|problem| problem.below(&at.to_string()))
            })
        }
        (Type::ListType(inner), value) => check(schema, inner, value),
        (Type::NamedType(name), value) => check_named(schema, name, value),
    }
}

fn check_named(schema: &Schema, name: &str, value: &Value) -> Result<(), Problem> {
    if let Some(words) = schema.words(name) {
        let is_known = value.as_str().is_some_and(|word| words.iter().any(|known| known == word));
        let explanation = || format!("Expected {value} to be one of: {}", words.join(", "));
        return if is_known { Ok(()) } else { Err(Problem::of(explanation())) };
    }
    if let Some(fields) = schema.input(name) {
        let Value::Object(given) = value else {
            return Err(Problem::of(format!("Expected {value} to be a key-value object")));
        };
        if let Some(unknown) = given.keys().find(|key| !fields.contains_key(*key)) {
            let explanation = format!("Field is not defined on {name}");
            return Err(Problem::of(explanation).below(unknown));
        }
        return fields.iter().try_for_each(|(key, kind)| {
            let value = given.get(key).unwrap_or(&Value::Null);
            check(schema, kind, value).map_err(|problem| problem.below(key))
        });
    }
    let is_right = match name {
        "Int" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "Boolean" => value.is_boolean(),
        "ID" => value.is_string() || value.is_i64() || value.is_u64(),
        _ => value.is_string(),
    };
    if is_right {
        return Ok(());
    }
    Err(Problem::of(format!("Could not coerce value {value} to {name}")))
}

/// A value without variables.
pub(super) fn constant(value: &Written<'_, String>) -> Option<Value> {
    Some(match value {
        Written::Variable(_) => return None,
        Written::Int(number) => number.as_i64().into(),
        Written::Float(number) => (*number).into(),
        Written::String(text) | Written::Enum(text) => text.clone().into(),
        Written::Boolean(flag) => (*flag).into(),
        Written::Null => Value::Null,
        Written::List(entries) => entries.iter().filter_map(constant).collect(),
        Written::Object(fields) => {
            let fields = fields.iter().filter_map(|(key, one)| Some((key.clone(), constant(one)?)));
            Value::Object(fields.collect())
        }
    })
}

/// Reads values of one argument.
pub(super) struct Literal<'p, 'a> {
    pub(super) schema: &'p Schema,
    pub(super) declared: &'p BTreeMap<&'a str, &'a VariableDefinition<'static, String>>,
    pub(super) variables: &'p Map<String, Value>,
    pub(super) used: &'p mut BTreeSet<String>,
    pub(super) errors: &'p mut Vec<Value>,
    pub(super) argument: &'p str,
}

impl Literal<'_, '_> {
    /// The value, filled in; none where it is a variable that was not given.
    pub(super) fn read(
        &mut self,
        value: &Written<'_, String>,
        kind: &Type<'_, String>,
    ) -> Option<Value> {
        let is_enum = self.schema.words(schema::name(kind)).is_some();
        match value {
            Written::Variable(name) => self.variable(name, kind),
            Written::List(entries) => {
                let inner = schema::entry(kind).unwrap_or(kind);
                let read = entries.iter().filter_map(|entry| self.read(entry, inner));
                Some(read.collect())
            }
            Written::Object(fields) => {
                let schema = self.schema;
                let known = schema.input(schema::name(kind));
                let mut object = Map::new();
                for (name, value) in fields {
                    // What is not known is kept, so that the check of it fails.
                    let kind = known.and_then(|known| known.get(name));
                    let value = match kind {
                        Some(kind) => self.read(value, kind),
                        None => constant(value),
                    };
                    object.extend(value.map(|value| (name.clone(), value)));
                }
                Some(Value::Object(object))
            }
            // A word is no text, and a text is no word.
            Written::String(_) if is_enum => self.fail(kind),
            Written::Enum(_) if !is_enum => self.fail(kind),
            other => constant(other),
        }
    }

    fn fail(&mut self, kind: &Type<'_, String>) -> Option<Value> {
        let name = self.argument;
        let message = format!("Argument '{name}' has an invalid value. Expected type '{kind}'.");
        self.errors.push(failure(&message, "argumentLiteralsIncompatible"));
        None
    }

    fn variable(&mut self, name: &str, kind: &Type<'_, String>) -> Option<Value> {
        let Some(declared) = self.declared.get(name) else {
            let message = format!("Variable ${name} is used by the operation but not declared");
            self.errors.push(failure(&message, "variableNotDefined"));
            return None;
        };
        self.used.insert(name.to_owned());
        let given = &declared.var_type;
        if !schema::fits(given, kind, declared.default_value.is_some()) {
            let argument = self.argument;
            let message = format!(
                "Type mismatch on variable ${name} and argument {argument} ({given} / {kind})"
            );
            self.errors.push(failure(&message, "variableMismatch"));
        }
        self.variables.get(name).cloned()
    }
}
