//! Answers what is asked for, field by field, and counts what that costs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::cost::CONNECTION;
use super::nodes::{self, Found, Key, Node};
use super::plan::{Asked, failure};
use super::state::State;

/// Answers from a state that does not change meanwhile.
pub(super) struct Executor<'a> {
    state: &'a State,
    /// What was answered costs so much.
    pub(super) cost: i64,
}

impl<'a> Executor<'a> {
    pub(super) const fn new(state: &'a State) -> Self {
        Self { state, cost: 0 }
    }

    /// What is asked for of an object, or why nothing can be answered.
    pub(super) fn object(&mut self, node: &Node, asked: &[Asked]) -> Result<Value, Value> {
        let kind = node.kind();
        let is_meant = |one: &&Asked| {
            one.on.as_deref().is_none_or(|on| on == kind || (on == "Node" && node.has_id()))
        };
        let mut object = Map::new();
        for one in asked.iter().filter(is_meant) {
            let value = if one.name == "__typename" { kind.into() } else { self.field(node, one)? };
            object.insert(one.key.clone(), value);
        }
        Ok(Value::Object(object))
    }

    fn field(&mut self, node: &Node, asked: &Asked) -> Result<Value, Value> {
        match nodes::field(self.state, node, asked) {
            Some(Found::Value(value)) => Ok(value),
            Some(Found::Node(node)) => self.entry(&node, &asked.fields),
            Some(Found::List(nodes)) => {
                // A list without pages ends after as many as are asked for, and nothing says
                // that there are more.
                let first = asked.arguments.get("first").and_then(Value::as_u64);
                let first = first.and_then(|first| usize::try_from(first).ok());
                let some = nodes.iter().take(first.unwrap_or(nodes.len()));
                let entries = some.map(|node| match node {
                    Some(node) => self.entry(node, &asked.fields),
                    None => Ok(Value::Null),
                });
                entries.collect()
            }
            Some(Found::Page(rows)) => self.page(rows, asked),
            // The types promise it, and nobody answers.
            None => Err(failure(
                &format!("Internal error: {}.{} is not served", node.kind(), asked.name),
                "INTERNAL_SERVER_ERROR",
            )),
        }
    }

    fn entry(&mut self, node: &Node, asked: &[Asked]) -> Result<Value, Value> {
        self.cost += 1;
        self.object(node, asked)
    }

    /// A page of rows, which are sorted by their keys.
    fn page(&mut self, rows: Vec<(Key, Node)>, asked: &Asked) -> Result<Value, Value> {
        self.cost += CONNECTION;
        let first = usize::try_from(asked.entries_max()).unwrap_or_default();
        let (after, passed) = match asked.arguments.get("after").and_then(Value::as_str) {
            None => (None, 0),
            Some(text) => {
                let (key, passed) = read_cursor(text).ok_or_else(|| {
                    failure("Invalid cursor for current pagination sort.", "BAD_REQUEST")
                })?;
                (Some(key), passed)
            }
        };
        let is_endless = self.state.quirks.endless == Some(super::schema::name(&asked.kind));
        let begins = after.filter(|_| !is_endless);
        let mut rest = rows.into_iter().filter(|(key, _)| begins.is_none_or(|after| *key > after));
        let some: Vec<(Key, Node)> = rest.by_ref().take(first).collect();
        let has_more = rest.next().is_some() || is_endless;
        let seen = passed + i64::try_from(some.len()).unwrap_or(i64::MAX);
        if seen > self.state.pages_max {
            let message = format!("Pagination beyond {} objects", self.state.pages_max);
            return Err(failure(&message, "BAD_REQUEST"));
        }
        let cursors: Vec<String> =
            (passed + 1..).zip(&some).map(|(at, (key, _))| write_cursor(*key, at)).collect();
        let mut object = Map::new();
        for one in &asked.fields {
            let value = match one.name.as_str() {
                "nodes" => {
                    let nodes = some.iter().map(|(_, node)| self.entry(node, &one.fields));
                    nodes.collect::<Result<Value, Value>>()?
                }
                "edges" => {
                    let edges = some.iter().zip(&cursors);
                    let edges = edges.map(|((_, node), cursor)| self.edge(node, cursor, one));
                    edges.collect::<Result<Value, Value>>()?
                }
                "pageInfo" => page_info(&cursors, (after.is_some(), has_more), one),
                _ => schema_name(asked),
            };
            object.insert(one.key.clone(), value);
        }
        Ok(Value::Object(object))
    }

    fn edge(&mut self, node: &Node, cursor: &str, asked: &Asked) -> Result<Value, Value> {
        let mut object = Map::new();
        for one in &asked.fields {
            let value = match one.name.as_str() {
                "node" => self.entry(node, &one.fields)?,
                "cursor" => cursor.into(),
                _ => schema_name(asked),
            };
            object.insert(one.key.clone(), value);
        }
        Ok(Value::Object(object))
    }
}

fn page_info(cursors: &[String], (has_before, has_more): (bool, bool), asked: &Asked) -> Value {
    let mut object = Map::new();
    for one in &asked.fields {
        let value = match one.name.as_str() {
            "hasNextPage" => has_more.into(),
            "hasPreviousPage" => has_before.into(),
            "startCursor" => cursors.first().cloned().into(),
            "endCursor" => cursors.last().cloned().into(),
            _ => schema_name(asked),
        };
        object.insert(one.key.clone(), value);
    }
    Value::Object(object)
}

/// What `__typename` says: nothing else is left to ask for.
fn schema_name(asked: &Asked) -> Value {
    super::schema::name(&asked.kind).into()
}

/// A place in a list: its key, and how many entries were read up to it.
fn write_cursor((first, second): Key, passed: i64) -> String {
    BASE64.encode(format!("{first}:{second}:{passed}"))
}

/// The key of the last entry that a list was read to, where it goes on after one.
pub(super) fn goes_on_after(asked: &Asked) -> Option<Key> {
    let (key, _) = read_cursor(asked.arguments.get("after")?.as_str()?)?;
    Some(key)
}

fn read_cursor(text: &str) -> Option<(Key, i64)> {
    let text = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let mut parts = text.split(':');
    let (first, second, passed) = (parts.next()?, parts.next()?, parts.next()?);
    Some(((first.parse().ok()?, second.parse().ok()?), passed.parse().ok()?))
}
