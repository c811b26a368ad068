//! A document made into what is asked for: chosen, checked against the types, filled in.

use std::collections::{BTreeMap, BTreeSet};

use graphql_parser::query::{
    Definition, Document, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
    TypeCondition, VariableDefinition, parse_query,
};
use serde_json::{Map, Value, json};

use super::schema::{self, Kind, Schema};
use super::values;

/// How deep a document may go: fragments that name themselves would go on for ever.
const DEPTH_MAX: usize = 32;
/// Entries of a page at most.
const PAGE_MAX: i64 = 250;

/// What a document asks for.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) is_mutation: bool,
    pub(super) fields: Vec<Asked>,
}

/// A field that is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    /// What it is called in the answer.
    pub(super) key: String,
    pub(super) name: String,
    /// It is asked for of this type only.
    pub(super) on: Option<String>,
    pub(super) kind: Kind,
    pub(super) arguments: Map<String, Value>,
    /// The key of a mutation that is to be done once.
    pub(super) once: Option<String>,
    pub(super) fields: Vec<Self>,
}

impl Asked {
    /// Whether it is a list that is read page by page.
    pub(super) fn is_connection(&self) -> bool {
        schema::name(&self.kind).ends_with("Connection")
    }

    /// How many entries it has at most where it is a list, by what is asked for.
    pub(super) fn entries_max(&self) -> i64 {
        let ids = || i64::try_from(self.arguments.get("ids")?.as_array()?.len()).ok();
        self.arguments.get("first").and_then(Value::as_i64).or_else(ids).unwrap_or(1)
    }
}

/// An entry of the errors of an answer.
pub(super) fn failure(message: &str, code: &str) -> Value {
    json!({ "message": message, "extensions": { "code": code } })
}

struct Planner<'a> {
    schema: &'a Schema,
    fragments: BTreeMap<&'a str, &'a FragmentDefinition<'static, String>>,
    declared: BTreeMap<&'a str, &'a VariableDefinition<'static, String>>,
    variables: Map<String, Value>,
    used: BTreeSet<String>,
    errors: Vec<Value>,
}

/// What a document asks for, or what is wrong with it.
pub(super) fn plan(
    schema: &Schema,
    text: &str,
    variables: &Map<String, Value>,
    name: Option<&str>,
) -> Result<Operation, Vec<Value>> {
    let document = parse_query::<String>(text)
        .map_err(|error| vec![json!({ "message": format!("syntax error: {error}") })])?
        .into_static();
    let (is_mutation, declared, asked) = choose(&document, name)?;
    let fragments = document.definitions.iter().filter_map(|definition| match definition {
        Definition::Fragment(fragment) => Some((fragment.name.as_str(), fragment)),
        Definition::Operation(_) => None,
    });
    let mut planner = Planner {
        schema,
        fragments: fragments.collect(),
        declared: declared.iter().map(|one| (one.name.as_str(), one)).collect(),
        variables: Map::new(),
        used: BTreeSet::new(),
        errors: Vec::new(),
    };
    planner.fill(variables);
    if !planner.errors.is_empty() {
        return Err(planner.errors);
    }
    let root = if is_mutation { "Mutation" } else { "QueryRoot" };
    let fields = planner.select((root, None), asked, 0);
    for one in declared.iter().filter(|one| !planner.used.contains(&one.name)) {
        let message = format!("Variable ${} is declared by the operation but not used", one.name);
        planner.errors.push(failure(&message, "variableNotUsed"));
    }
    if planner.errors.is_empty() {
        Ok(Operation { is_mutation, fields })
    } else {
        Err(planner.errors)
    }
}

type Chosen<'a> =
    (bool, &'a [VariableDefinition<'static, String>], &'a SelectionSet<'static, String>);

/// The operation that is meant.
fn choose<'a>(
    document: &'a Document<'static, String>,
    name: Option<&str>,
) -> Result<Chosen<'a>, Vec<Value>> {
    let mut found = Vec::new();
    for definition in &document.definitions {
        let Definition::Operation(operation) = definition else { continue };
        let (named, chosen): (_, Chosen<'a>) = match operation {
            OperationDefinition::SelectionSet(set) => (None, (false, &[], set)),
            OperationDefinition::Query(one) => (
                one.name.as_deref(),
                (false, one.variable_definitions.as_slice(), &one.selection_set),
            ),
            OperationDefinition::Mutation(one) => (
                one.name.as_deref(),
                (true, one.variable_definitions.as_slice(), &one.selection_set),
            ),
            OperationDefinition::Subscription(_) => continue,
        };
        if name.is_none() || named == name {
            found.push(chosen);
        }
    }
    match (found.pop(), found.is_empty(), name) {
        (Some(one), true, _) => Ok(one),
        (_, _, None) => Err(vec![json!({ "message": "An operation name is required" })]),
        (_, _, Some(name)) => {
            Err(vec![json!({ "message": format!("No operation named \"{name}\"") })])
        }
    }
}

impl<'a> Planner<'a> {
    /// Takes the variables that are declared, with their defaults.
    fn fill(&mut self, given: &Map<String, Value>) {
        for (name, one) in self.declared.clone() {
            let value = match (given.get(name), &one.default_value) {
                (Some(value), _) => Some(value.clone()),
                (None, Some(default)) => values::constant(default),
                // What is absent is checked as null, and stays absent.
                (None, None) => None,
            };
            let checked =
                values::check(self.schema, &one.var_type, value.as_ref().unwrap_or(&Value::Null));
            if let Err(problem) = checked {
                let kind = &one.var_type;
                let message = format!("Variable ${name} of type {kind} was provided invalid value");
                self.errors.push(problem.failure(&message, "INVALID_VARIABLE"));
            }
            if let Some(value) = value {
                self.variables.insert(name.to_owned(), value);
            }
        }
    }

    fn fail(&mut self, code: &str, message: &str) {
        self.errors.push(failure(message, code));
    }

    /// The fields that are selected of a type, those of fragments among them.
    fn select(
        &mut self,
        (of, on): (&str, Option<&str>),
        set: &'a SelectionSet<'static, String>,
        depth: usize,
    ) -> Vec<Asked> {
        let mut all = Vec::new();
        if depth > DEPTH_MAX {
            self.fail("queryDepth", "The query goes too deep");
            return all;
        }
        for item in &set.items {
            let (condition, inner) = match item {
                Selection::Field(field) => {
                    let asked = self.field((of, on), field, depth);
                    merge(&mut all, asked.into_iter());
                    continue;
                }
                Selection::InlineFragment(one) => (one.type_condition.as_ref(), &one.selection_set),
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    let Some(one) = self.fragments.get(name).copied() else {
                        let message = format!("Fragment {name} was used, but not defined");
                        self.fail("useAndDefineFragment", &message);
                        continue;
                    };
                    (Some(&one.type_condition), &one.selection_set)
                }
            };
            let kind = condition.map_or(of, |TypeCondition::On(kind)| kind.as_str());
            if !self.schema.has_object(kind) {
                let message = format!("No such type {kind}, so it can't be a fragment condition");
                self.fail("undefinedType", &message);
                continue;
            }
            let on = if kind == of { on } else { Some(kind) };
            let asked = self.select((kind, on), inner, depth + 1);
            merge(&mut all, asked.into_iter());
        }
        all
    }

    fn field(
        &mut self,
        (of, on): (&str, Option<&str>),
        field: &'a Field<'static, String>,
        depth: usize,
    ) -> Option<Asked> {
        let name = field.name.clone();
        let key = field.alias.clone().unwrap_or_else(|| name.clone());
        let on = on.map(str::to_owned);
        if name == "__typename" {
            let kind = Kind::NonNullType(Box::new(Kind::NamedType("String".to_owned())));
            let (arguments, fields) = (Map::new(), Vec::new());
            return Some(Asked { key, name, on, kind, arguments, once: None, fields });
        }
        let schema = self.schema;
        let Some(known) = schema.field(of, &name) else {
            self.errors.push(json!({
                "message": format!("Field '{name}' doesn't exist on type '{of}'"),
                "extensions": { "code": "undefinedField", "typeName": of, "fieldName": name },
            }));
            return None;
        };
        let arguments = self.arguments(field, &known.arguments);
        let once = self.once(field);
        let kind = known.kind.clone();
        let inner = schema::name(&known.kind);
        let has_fields = !field.selection_set.items.is_empty();
        if has_fields != schema.has_object(inner) {
            let message = if has_fields {
                format!("Selections can't be made on scalars (field '{name}' returns {inner})")
            } else {
                format!("Field must have selections (field '{name}' returns {inner})")
            };
            self.fail("selectionMismatch", &message);
            return None;
        }
        let fields = self.select((inner, None), &field.selection_set, depth + 1);
        let asked = Asked { key, name, on, kind, arguments, once, fields };
        self.bound(&asked);
        Some(asked)
    }

    /// A page has a size, and not any.
    fn bound(&mut self, asked: &Asked) {
        match asked.arguments.get("first").and_then(Value::as_i64) {
            Some(first) if first > PAGE_MAX => {
                self.fail("BAD_REQUEST", "first cannot exceed 250");
            }
            Some(first) if first < 0 => self.fail("BAD_REQUEST", "first cannot be negative"),
            None if asked.is_connection() => {
                self.fail("BAD_REQUEST", "you must provide one of first or last");
            }
            Some(_) | None => {}
        }
    }

    fn arguments(
        &mut self,
        field: &'a Field<'static, String>,
        known: &BTreeMap<String, Kind>,
    ) -> Map<String, Value> {
        let mut arguments = Map::new();
        for (name, value) in &field.arguments {
            let Some(kind) = known.get(name) else {
                let message = format!("Field '{}' doesn't accept argument '{name}'", field.name);
                self.fail("argumentNotAccepted", &message);
                continue;
            };
            let mut literal = values::Literal {
                schema: self.schema,
                declared: &self.declared,
                variables: &self.variables,
                used: &mut self.used,
                errors: &mut self.errors,
                argument: name,
            };
            let Some(value) = literal.read(value, kind) else { continue };
            if let Err(problem) = values::check(self.schema, kind, &value) {
                let message =
                    format!("Argument '{name}' on Field '{}' has an invalid value", field.name);
                self.errors.push(problem.failure(&message, "argumentLiteralsIncompatible"));
            }
            arguments.insert(name.clone(), value);
        }
        let is_missing = |(name, kind): &(&String, &Kind)| {
            schema::is_required(kind) && !field.arguments.iter().any(|(given, _)| given == *name)
        };
        for (name, _) in known.iter().filter(is_missing) {
            let message = format!("Field '{}' is missing required arguments: {name}", field.name);
            self.fail("missingRequiredArguments", &message);
        }
        arguments
    }

    /// The key of `@idempotent`; other directives are not known here.
    fn once(&mut self, field: &'a Field<'static, String>) -> Option<String> {
        let mut key = None;
        for directive in &field.directives {
            if directive.name != "idempotent" {
                let message = format!("Directive @{} is not defined", directive.name);
                self.fail("undefinedDirective", &message);
                continue;
            }
            let text = Kind::NonNullType(Box::new(Kind::NamedType("String".to_owned())));
            let given = directive.arguments.iter().find(|(name, _)| name == "key");
            let mut literal = values::Literal {
                schema: self.schema,
                declared: &self.declared,
                variables: &self.variables,
                used: &mut self.used,
                errors: &mut self.errors,
                argument: "key",
            };
            key = given.and_then(|(_, value)| literal.read(value, &text));
        }
        key.as_ref().and_then(Value::as_str).map(str::to_owned)
    }
}

/// Adds fields; what is asked for twice is asked for once, with the fields of both.
fn merge(all: &mut Vec<Asked>, more: impl Iterator<Item = Asked>) {
    for one in more {
        let known = all.iter_mut().find(|known| known.key == one.key && known.on == one.on);
        match known {
            Some(known) => merge(&mut known.fields, one.fields.into_iter()),
            None => all.push(one),
        }
    }
}
