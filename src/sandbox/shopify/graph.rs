//! One operation: paid for, done, and answered.

use serde_json::{Map, Value, json};

use super::cost::{self, REQUEST_MAX};
use super::execute::Executor;
use super::nodes::Node;
use super::plan::{Asked, Operation, failure};
use super::state::State;
use super::{changes, search, stock};

const LIMITS: &str = "https://shopify.dev/api/usage/rate-limits";

/// Does an operation; its answer.
pub(super) fn run(state: &mut State, operation: &Operation) -> Value {
    let requested = cost::requested(operation);
    if requested > REQUEST_MAX {
        let message = format!(
            "Query cost is {requested}, which exceeds the single query max cost limit ({REQUEST_MAX})."
        );
        let error = json!({
            "message": message,
            "extensions": {
                "code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": REQUEST_MAX,
                "documentation": LIMITS,
            },
        });
        return refuse(state, requested, &error);
    }
    if state.faults.too_many_bare > 0 {
        state.faults.too_many_bare -= 1;
        state.throttled += 1;
        return json!({ "errors": [throttled()] });
    }
    let now = state.millis();
    let is_one_too_many = state.faults.too_many > 0;
    state.faults.too_many = state.faults.too_many.saturating_sub(1);
    if is_one_too_many || !state.bucket.take(requested, now) {
        state.throttled += 1;
        return refuse(state, requested, &throttled());
    }
    if state.faults.fail_inside > 0 {
        state.faults.fail_inside -= 1;
        state.bucket.give(requested);
        let message = "Internal error. Looks like something went wrong on our end.";
        return refuse(state, requested, &failure(message, "INTERNAL_SERVER_ERROR"));
    }
    let (answer, actual) = perform(state, operation);
    // Complaints are a list that nobody can foresee: no more is taken than was asked for.
    let actual = actual.min(requested);
    state.bucket.give(requested - actual);
    state.spent += actual;
    let extensions = json!({ "cost": state.bucket.document(requested, Some(actual)) });
    match answer {
        Ok(data) => json!({ "data": data, "extensions": extensions }),
        Err(error) => json!({ "data": null, "errors": [error], "extensions": extensions }),
    }
}

fn throttled() -> Value {
    json!({
        "message": "Throttled",
        "extensions": { "code": "THROTTLED", "documentation": LIMITS },
    })
}

fn refuse(state: &State, requested: i64, error: &Value) -> Value {
    let cost = state.bucket.document(requested, None);
    json!({ "errors": [error], "extensions": { "cost": cost } })
}

/// What was answered, and what that costs.
fn perform(state: &mut State, operation: &Operation) -> (Result<Value, Value>, i64) {
    for field in &operation.fields {
        if let Some(scope) = search::missing_scope(state, &field.name) {
            let needed = format!("Required access: `{scope}` access scope.");
            let message = format!("Access denied for {} field. {needed}", field.name);
            let mut error = failure(&message, "ACCESS_DENIED");
            error["path"] = json!([field.key]);
            return (Err(error), 0);
        }
    }
    if !operation.is_mutation {
        let ignored: Vec<String> = operation.fields.iter().flat_map(search::ignored).collect();
        state.ignored.extend(ignored);
        let mut executor = Executor::new(state);
        let data = executor.object(&Node::Query, &operation.fields);
        return (data, executor.cost);
    }
    let (mut data, mut actual) = (Map::new(), 0);
    for field in &operation.fields {
        let payload = match change(state, field) {
            Ok(payload) => payload,
            Err(mut error) => {
                error["path"] = json!([field.key]);
                return (Err(error), actual);
            }
        };
        let mut executor = Executor::new(state);
        let answer = executor.object(&payload, &field.fields);
        actual += cost::mutation(executor.cost);
        match answer {
            Ok(answer) => data.insert(field.key.clone(), answer),
            Err(error) => return (Err(error), actual),
        };
    }
    (Ok(Value::Object(data)), actual)
}

fn change(state: &mut State, field: &Asked) -> Result<Node, Value> {
    Ok(match field.name.as_str() {
        "inventorySetQuantities" => stock::set(state, field)?,
        "inventoryActivate" => stock::activate(state, field)?,
        "fulfillmentCreate" => changes::ship(state, field),
        "orderCancel" => changes::cancel(state, field),
        "webhookSubscriptionCreate" => changes::subscribe(state, field),
        "webhookSubscriptionDelete" => changes::unsubscribe(state, field),
        other => {
            let message = format!("Internal error: {other} is not served");
            return Err(failure(&message, "INTERNAL_SERVER_ERROR"));
        }
    })
}
