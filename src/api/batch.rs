//! `POST /v1/inventory/batch`: many movements in one round trip.
//!
//! Each is decided on its own, in their order, and has an outcome of its own; most of
//! them are committed together. Under an `Idempotency-Key` each has a key made of it
//! and its place, so that the same batch again does what is left and tells the rest:
//! what was not taken comes after what was, never between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::auth::{Caller, May, WriteStock};
use super::body::{Body, each};
use super::document::parameters::Once;
use super::inventory::Outcomes;
use super::items::needs_sku;
use super::movements::Movement;
use super::problem::{Answered, Problem};
use super::{Api, COMMAND_MAX};
use crate::domain::{Key, Seq, Sku};
use crate::reports::LIMIT_MAX;
use crate::writer::{Answer, Command, WriteError};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    #[schema(value_type = Vec<NamedMovement>, max_items = 500)]
    movements: Vec<Movement>,
}

/// A movement that says of what.
#[derive(Debug)]
pub(super) struct NamedMovement;

impl PartialSchema for NamedMovement {
    fn schema() -> RefOr<Schema> {
        let mut schema = Movement::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            needs_sku(object);
            // What is out of bounds has its outcome, and the rest is done.
            object.properties.insert("quantity".to_owned(), i64::schema());
        }
        schema
    }
}

impl ToSchema for NamedMovement {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Movement::schemas(schemas);
    }
}

/// What became of one movement: what was done, or why nothing was.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    Done(Done),
    Refused(RefusedMovement),
}

/// A movement that was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    sku: String,
    /// 201, or 200 where it was done before.
    #[schema(minimum = 200, maximum = 201)]
    status: u16,
    /// Its entry in the journal; `null` where a count found what was known.
    #[schema(required)]
    seq: Option<i64>,
    /// Whether it was done before.
    replayed: bool,
}

/// A movement that was refused: what a problem says beside these stands here too.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefusedMovement {
    sku: String,
    /// The status it would have had by itself.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The stable code.
    code: &'static str,
    /// For people.
    detail: String,
    #[serde(flatten)]
    #[schema(ignore)]
    fields: Map<String, Value>,
}

/// Moves many goods at once: one outcome each, in their order.
///
/// Each is decided by itself. Under an `Idempotency-Key` the same batch again does what is left
/// and tells the rest.
#[utoipa::path(
    post,
    path = "/inventory/batch",
    operation_id = "move_items",
    tag = "inventory",
    security(("key" = [WriteStock::SCOPE])),
    params(Once),
    request_body(content = Batch, examples(
        ("two" = (
            summary = "One that can be done and one that cannot",
            value = json!({ "movements": [
                { "sku": "MUG-RED-300", "kind": "receipt", "location": "main", "quantity": 6 },
                { "sku": "NO-SUCH-MUG", "kind": "receipt", "location": "main", "quantity": 6 },
            ]})
        )),
    )),
    responses((status = 200, body = Outcomes<Outcome>)),
)]
pub(super) async fn post(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<WriteStock>,
    headers: HeaderMap,
    Body(given): Body<Batch>,
) -> Answered {
    if given.movements.len() > LIMIT_MAX {
        return Err(Problem::invalid("movements", format!("at most {LIMIT_MAX} at once")));
    }
    let key = super::idempotency_key(&headers)?;
    let posts = each(given.movements, |place, mut movement| {
        let field = format!("movements[{place}].sku");
        let sku = movement.sku.take().ok_or_else(|| Problem::invalid(&field, "is missing"))?;
        Ok((sku, movement, key_of(key.as_ref(), place)?))
    })?;
    // A few at a time: they would fill the writer's queue for everybody.
    let _turn = api.batches.acquire().await;
    let run = Run { ends: Instant::now() + COMMAND_MAX, is_full: AtomicBool::new(false) };
    let posts = posts.into_iter().map(|post| post_one(&api, &caller, &run, post));
    let outcomes = join_all(posts).await;
    Ok(Json(Outcomes { data: outcomes }).into_response())
}

fn key_of(key: Option<&Key>, place: usize) -> Result<Option<Key>, Problem> {
    let key = key.map(|key| Key::new(&format!("{}/{place}", key.as_str())));
    key.transpose().map_err(|error| Problem::invalid("Idempotency-Key", error.to_string()))
}

/// What the movements of a batch share. They are queued in their order and decided in
/// it; once one finds no room or comes too late, so do all after it. Else a count that
/// is repeated would undo the sale that was posted behind it.
#[derive(Debug)]
struct Run {
    ends: Instant,
    is_full: AtomicBool,
}

impl Run {
    async fn submit(
        &self,
        api: &Api,
        caller: &Caller,
        (command, key): (Command, Option<Key>),
    ) -> Result<Answer, WriteError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(WriteError::Busy);
        }
        let answer = api.write(caller, command, key, self.ends).await;
        if matches!(answer, Err(WriteError::Busy)) {
            self.is_full.store(true, Ordering::Relaxed);
        }
        answer
    }
}

async fn post_one(
    api: &Api,
    caller: &Caller,
    run: &Run,
    (sku, movement, key): (Sku, Movement, Option<Key>),
) -> Outcome {
    let done = match movement.command(sku.clone()) {
        Ok(command) => run.submit(api, caller, (command, key)).await.map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    let sku = sku.to_string();
    match done {
        Ok(Answer { replayed, seq, .. }) => {
            let status = if replayed { 200 } else { 201 };
            Outcome::Done(Done { sku, status, seq: seq.map(Seq::get), replayed })
        }
        Err(problem) => {
            let (status, code, detail, mut fields) = problem.into_parts();
            // It is the one that was asked for.
            fields.remove("sku");
            Outcome::Refused(RefusedMovement { sku, status, code, detail, fields })
        }
    }
}
