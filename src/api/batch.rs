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
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::auth::{Caller, May, WriteStock};
use super::body::{Body, each};
use super::movements::Movement;
use super::problem::{Answered, Problem};
use super::{Api, COMMAND_MAX};
use crate::domain::{Key, Seq, Sku};
use crate::reports::LIMIT_MAX;
use crate::writer::{Answer, Command, WriteError};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    movements: Vec<Movement>,
}

/// Posts movements: one outcome each, in their order.
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
    Ok(Json(json!({ "data": outcomes })).into_response())
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
) -> Value {
    let done = match movement.command(sku.clone()) {
        Ok(command) => run.submit(api, caller, (command, key)).await.map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    let sku = sku.as_str();
    match done {
        Ok(answer) => {
            let status = if answer.replayed { 200 } else { 201 };
            let seq = answer.seq.map(Seq::get);
            json!({ "sku": sku, "status": status, "seq": seq, "replayed": answer.replayed })
        }
        Err(problem) => {
            let mut outcome = problem.outcome();
            outcome.insert("sku".to_owned(), json!(sku));
            Value::Object(outcome)
        }
    }
}
