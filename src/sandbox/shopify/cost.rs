//! What requests cost: reserved before they are done, and partly given back after.

use serde_json::{Value, json};

use super::plan::{Asked, Operation};

/// What one request may cost at most.
pub(super) const REQUEST_MAX: i64 = 1000;
/// What a change costs beside what it answers.
const MUTATION: i64 = 10;
/// What a list costs that is read page by page, beside its entries.
pub(super) const CONNECTION: i64 = 2;

/// A bucket of points that fills by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Points of a full one.
    pub maximum: i64,
    /// Points that come back in a second.
    pub per_second: i64,
    /// Points that were left when it was last looked at, and when that was, milliseconds.
    left: i64,
    at: i64,
}

impl Bucket {
    /// A full bucket.
    pub const fn new(maximum: i64, per_second: i64) -> Self {
        Self { maximum, per_second, left: maximum, at: 0 }
    }

    /// Points that were left when it was last looked at.
    pub const fn left(&self) -> i64 {
        self.left
    }

    /// Leaves so many points in it at a time.
    pub(super) const fn set(&mut self, points: i64, now: i64) {
        (self.left, self.at) = (points, now);
    }

    /// Lets points come back.
    fn fill(&mut self, now: i64) {
        let gained = (now - self.at).max(0).saturating_mul(self.per_second) / 1000;
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(self.maximum);
            self.at = now;
        }
    }

    /// Takes points; whether there are so many.
    pub(super) fn take(&mut self, points: i64, now: i64) -> bool {
        self.fill(now);
        let is_enough = self.left >= points;
        if is_enough {
            self.left -= points;
        }
        is_enough
    }

    /// Gives points back.
    pub(super) fn give(&mut self, points: i64) {
        self.left = self.left.saturating_add(points.max(0)).min(self.maximum);
    }

    /// What an answer says of it.
    pub(super) fn document(&self, requested: i64, actual: Option<i64>) -> Value {
        // Limits are written with a fraction, what is left without.
        let fraction = |points: i64| {
            serde_json::from_str::<Value>(&format!("{points}.0")).unwrap_or(Value::Null)
        };
        json!({
            "requestedQueryCost": requested, "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": fraction(self.maximum), "currentlyAvailable": self.left,
                "restoreRate": fraction(self.per_second),
            },
        })
    }
}

/// What an operation costs where every list is as long as it may be.
pub(super) fn requested(operation: &Operation) -> i64 {
    if !operation.is_mutation {
        return all(&operation.fields);
    }
    operation
        .fields
        .iter()
        .fold(0, |sum: i64, field| sum.saturating_add(mutation(all(&field.fields))))
}

/// What a change costs with what it answers.
pub(super) const fn mutation(answered: i64) -> i64 {
    answered.saturating_add(MUTATION)
}

fn all(fields: &[Asked]) -> i64 {
    fields.iter().map(one).fold(0, i64::saturating_add)
}

fn one(field: &Asked) -> i64 {
    if field.fields.is_empty() {
        return 0;
    }
    if field.is_connection() {
        let entries = field.entries_max();
        return CONNECTION.saturating_add(entries.saturating_mul(entry(&field.fields)));
    }
    let entries = if super::schema::entry(&field.kind).is_some() { field.entries_max() } else { 1 };
    entries.saturating_mul(all(&field.fields).saturating_add(1))
}

/// What an entry of a list costs that is read page by page: its edge costs nothing.
fn entry(fields: &[Asked]) -> i64 {
    fields.iter().fold(0, |sum: i64, field| {
        sum.saturating_add(match field.name.as_str() {
            "nodes" | "node" => all(&field.fields).saturating_add(1),
            "edges" => entry(&field.fields),
            _ => 0,
        })
    })
}
