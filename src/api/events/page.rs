//! One page of events, at once or as soon as there is one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::time::Instant;

use super::{Asked, Listener, Opened, Said};
use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::problem::{Answered, Problem};
use crate::api::query::limit;
use crate::events::{Frame, Page, Transport};

/// How many seconds an answer may wait for an event: less than what proxies wait for one.
const WAIT_SECONDS_MAX: u64 = 30;

/// Answers with one page. With `wait` its headers come at once and its body when there is
/// something to say, so that it takes no place among requests meanwhile.
pub(super) async fn answer(
    api: &Arc<Api>,
    caller: &Caller,
    asked: &Asked,
    headers: &HeaderMap,
) -> Answered {
    let limit = limit(asked.limit)?;
    let wait = asked.wait.unwrap_or(0);
    if wait > WAIT_SECONDS_MAX {
        return Err(Problem::invalid("wait", format!("expected 0 to {WAIT_SECONDS_MAX}")));
    }
    let until = Instant::now() + Duration::from_secs(wait);
    let opened = Listener::open(api, caller.clone(), asked, headers, Transport::Page).await?;
    let mut listener = match opened {
        Opened::Listener(listener) => listener,
        Opened::Refused(response) => return Ok(response),
    };
    let page = listener.stream.page(limit).await?;
    if wait == 0 || !page.events.is_empty() {
        return Ok(json(Body::from(document(&page))));
    }
    let body = stream::once(async move {
        let first = listener.first_until(until).await;
        let page = listener.stream.page_from(first, limit);
        Ok::<_, Infallible>(document(&page))
    });
    Ok(json(Body::from_stream(body)))
}

impl Listener {
    /// The first event that comes until a moment; none where the listener must go before.
    async fn first_until(&mut self, until: Instant) -> Option<Frame> {
        while let Ok(said) = tokio::time::timeout_at(until, self.next()).await {
            match said {
                Ok(Said::Event(frame)) => return Some(frame),
                Ok(Said::Position(_)) => {}
                Err(end) => {
                    self.stream.ends(end);
                    return None;
                }
            }
        }
        None
    }
}

fn json(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}

/// `{"data": [...], "next_cursor": "SEQ"}`: there is always something to go on after.
fn document(page: &Page) -> Bytes {
    let mut document = b"{\"data\":[".to_vec();
    for (index, event) in page.events.iter().enumerate() {
        if index > 0 {
            document.push(b',');
        }
        document.extend_from_slice(&event.json());
    }
    document.extend_from_slice(format!("],\"next_cursor\":\"{}\"}}", page.next).as_bytes());
    document.into()
}
