//! `GET /v1/events`: what happens, while it happens.
//!
//! As server-sent events, as one page of JSON for those who ask again (`page`), and over
//! WebSocket (`socket`). Where a listener begins, what it hears and when it must go is the
//! same for all three, and here.

mod page;
pub(super) mod socket;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::auth::{Caller, May, ReadEvents};
use super::document::parameters::LastEventId;
use super::problem::{Answered, Problem};
use super::query::Parameters;
use super::serve::Endless;
use crate::access::{Right, Role};
use crate::clock::Timestamp;
use crate::domain::{LocationCode, Sku};
use crate::events::{
    Audience, End, Full, OpenError, Opening, Room, Selection, SelectionError, Step, Stream,
    Transport, Types,
};

const LAST_EVENT_ID: &str = "last-event-id";
/// Seconds after which whoever listens too often may look again for a place.
const PLACE_AFTER: HeaderValue = HeaderValue::from_static("10");
/// How many milliseconds a client waits before it comes back: after a restart not all of
/// them at once.
const RETRY_MS: std::ops::Range<u64> = 500..3_000;

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Goes on after the event with this seq; 0 is the beginning. Without it with what comes now.
    #[param(value_type = Option<i64>, minimum = 0)]
    after: Option<String>,
    /// Types, and beginnings of types before a `*`: `order.placed,stock.*`.
    types: Option<String>,
    /// Only of this item.
    #[param(value_type = Option<Sku>)]
    sku: Option<String>,
    /// Only of this location.
    #[param(value_type = Option<LocationCode>)]
    location: Option<String>,
    /// Of a page: events at most; 50 when nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Of a page: seconds to wait for the first event.
    #[param(minimum = 0, maximum = 30)]
    wait: Option<u64>,
}

/// An event: an entry of the journal, as much of it as the key holder may know.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "events are written as text; this is its shape")]
struct Event {
    /// Its place in the journal.
    seq: i64,
    #[schema(pattern = "^evt_[0-9a-f]{24,}$")]
    id: String,
    /// Types may be added: pass over what is not known.
    #[schema(pattern = "^[a-z_]+\\.[a-z_]+$", example = "stock.reserved")]
    r#type: String,
    /// When it was written; `null` only of what cannot be read.
    #[schema(required)]
    at: Option<Timestamp>,
    /// What it is about.
    #[schema(value_type = Object)]
    subject: (),
    /// What happened, and what is true after it.
    #[schema(value_type = Object)]
    data: (),
}

/// A page of events. There is always something to go on after.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "events are written as text; this is its shape")]
struct EventPage {
    data: Vec<Event>,
    /// The `after` of the next page.
    #[schema(pattern = "^[0-9]+$")]
    next_cursor: String,
}

/// Tells what happens, while it happens.
///
/// As server-sent events, each with its seq as `id`: a client that comes back with
/// `Last-Event-ID` misses nothing. With `Accept: application/json` one page.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "listen",
    tag = "events",
    security(("key" = [ReadEvents::SCOPE])),
    params(Asked, LastEventId),
    responses((status = 200, content(
        (String = "text/event-stream"),
        (EventPage = "application/json"),
    ))),
    extensions(("x-refusals" = json!([
        "409 cursor_ahead", "429 too_many_streams", "503 closing", "503 too_many_streams",
    ]))),
)]
pub(super) async fn listen(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<ReadEvents>,
    Parameters(asked): Parameters<Asked>,
    endless: Option<Extension<Endless>>,
    headers: HeaderMap,
) -> Answered {
    if wants_page(&headers) {
        return page::answer(&api, &caller, &asked, &headers).await;
    }
    refuse_page_words(&asked)?;
    match Listener::open(&api, caller, &asked, &headers, Transport::Sse).await? {
        Opened::Listener(listener) => {
            if let Some(Extension(endless)) = endless {
                endless.set();
            }
            Ok(sse(listener))
        }
        Opened::Refused(response) => Ok(response),
    }
}

/// Whether one page of JSON is asked for. Who says nothing, or can take both, listens.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = |wanted: &str| {
        let accept = headers.get_all(header::ACCEPT).iter();
        let mut kinds =
            accept.filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(','));
        let is_wanted = |kind: &str| kind.trim().eq_ignore_ascii_case(wanted);
        kinds.any(|kind| kind.split(';').next().is_some_and(is_wanted))
    };
    accepts("application/json") && !accepts("text/event-stream")
}

/// What only a page has is not passed over in silence.
fn refuse_page_words(asked: &Asked) -> Result<(), Problem> {
    let message = "only one page has it: Accept: application/json";
    match asked {
        Asked { limit: Some(_), .. } => Err(Problem::invalid("limit", message)),
        Asked { wait: Some(_), .. } => Err(Problem::invalid("wait", message)),
        _ => Ok(()),
    }
}

/// A listener with the key it came with.
// Its stream has its place, which goes last: it is declared last.
struct Listener {
    api: Arc<Api>,
    caller: Caller,
    /// What it proved itself with: asked about again while it listens.
    proof: HeaderMap,
    stream: Stream,
}

/// A listener, or why there is none, in an answer of its own.
enum Opened {
    Listener(Box<Listener>),
    Refused(Response),
}

impl Listener {
    async fn open(
        api: &Arc<Api>,
        caller: Caller,
        asked: &Asked,
        headers: &HeaderMap,
        transport: Transport,
    ) -> Result<Opened, Problem> {
        let selection = selection(api, &caller, asked).await?;
        let after = after(asked, headers)?;
        let room = match (transport, asked.wait) {
            (Transport::Page, None | Some(0)) => Room::Page,
            (Transport::Page, Some(_)) => Room::WaitingPage,
            (Transport::Sse | Transport::WebSocket, _) => Room::Listening,
        };
        let opening = Opening { account: caller.account, transport, room, selection, after };
        let stream = match api.feed.open(opening).await {
            Ok(stream) => stream,
            Err(OpenError::Full(full @ (Full::One(_) | Full::Pages(_)))) => {
                return Ok(Opened::Refused(too_many(full)));
            }
            Err(error) => return Err(error.into()),
        };
        let proof = proof(headers);
        let listener = Self { api: Arc::clone(api), caller, proof, stream };
        Ok(Opened::Listener(Box::new(listener)))
    }

    /// What is to be done next, or why it ends. May be given up and asked again.
    async fn next(&mut self) -> Result<Said, End> {
        loop {
            match self.stream.next().await {
                Step::Event(frame) => return Ok(Said::Event(frame)),
                Step::Position(position) => return Ok(Said::Position(position)),
                Step::Closing => return Err(End::Closing),
                Step::Check if self.still_may().await => self.stream.checked(),
                Step::Check => return Err(End::Key),
            }
        }
    }

    /// Whether the key is still good for what is listened to. What cannot be found out now
    /// is found out later: without the database nothing new is heard either.
    async fn still_may(&self) -> bool {
        match self.api.prove(&self.proof).await {
            Ok(holder) => {
                let is_same = holder.account == self.caller.account;
                is_same && holder.role == self.caller.role && holder.rights.has(Right::ReadEvents)
            }
            Err(why) => !why.is_for_good(),
        }
    }

    /// Some milliseconds after which it may come back, others than the next one's.
    fn retry_ms(&self) -> u64 {
        let mut bytes = [0; 2];
        self.api.shop.random.fill(&mut bytes);
        let share = u64::from(u16::from_be_bytes(bytes));
        RETRY_MS.start + share * (RETRY_MS.end - RETRY_MS.start) / u64::from(u16::MAX)
    }
}

/// What a listener is told.
enum Said {
    Event(crate::events::Frame),
    Position(i64),
}

/// Of headers those that their sender proves itself with.
fn proof(headers: &HeaderMap) -> HeaderMap {
    let names = [header::AUTHORIZATION, header::SEC_WEBSOCKET_PROTOCOL];
    let known = names.into_iter().filter_map(|name| Some((name.clone(), headers.get(name)?)));
    known.map(|(name, value)| (name, value.clone())).collect()
}

async fn selection(api: &Api, caller: &Caller, asked: &Asked) -> Result<Selection, Problem> {
    let audience = match caller.role {
        Role::Admin | Role::Operator => Audience::Staff,
        Role::Reader => Audience::Reader,
        Role::Storefront => Audience::Storefront { own_source: caller.name.clone() },
    };
    let mut selection = Selection::all(audience);
    if let Some(types) = &asked.types {
        let types = Types::parse(types);
        selection.types = types.map_err(|error| Problem::invalid("types", error.to_string()))?;
    }
    let unknown = |field: &str, error: SelectionError| match error {
        SelectionError::Store(error) => error.into(),
        other => Problem::invalid(field, other.to_string()),
    };
    if let Some(sku) = &asked.sku {
        let sku = Sku::new(sku).map_err(|error| Problem::invalid("sku", error.to_string()))?;
        let of_item = selection.of_item(&api.shop.db, &sku).await;
        selection = of_item.map_err(|error| unknown("sku", error))?;
    }
    if let Some(code) = &asked.location {
        let code = LocationCode::new(code);
        let code = code.map_err(|error| Problem::invalid("location", error.to_string()))?;
        let of_location = selection.of_location(&api.shop.db, code).await;
        selection = of_location.map_err(|error| unknown("location", error))?;
    }
    Ok(selection)
}

/// The position to go on after. A client that comes back by itself sends the header, which
/// is newer than what stands in its address.
fn after(asked: &Asked, headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let header = match headers.get(LAST_EVENT_ID) {
        Some(value) if value.is_empty() => None,
        Some(value) => Some(("Last-Event-ID", value.to_str().unwrap_or("?"))),
        None => None,
    };
    let Some((field, text)) = header.or(asked.after.as_deref().map(|after| ("after", after)))
    else {
        return Ok(None);
    };
    let is_number = !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    match text.parse() {
        Ok(seq) if is_number => Ok(Some(seq)),
        _ => Err(Problem::invalid(field, "expected the seq of an event, or 0")),
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        let detail = error.to_string();
        match error {
            OpenError::Ahead { newest, .. } => {
                Self::new(StatusCode::CONFLICT, "cursor_ahead", detail).with("newest", newest)
            }
            OpenError::Full(Full::All) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail)
            }
            OpenError::Full(Full::One(_) | Full::Pages(_)) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail)
            }
            OpenError::Closing => Self::new(StatusCode::SERVICE_UNAVAILABLE, "closing", detail),
            OpenError::Store(error) => error.into(),
        }
    }
}

/// What a key holder with too many streams or pages is told.
fn too_many(full: Full) -> Response {
    let mut response = Problem::from(OpenError::Full(full)).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, PLACE_AFTER);
    response
}

/// The events as they happen. The first lines say at once where it begins.
fn sse(listener: Box<Listener>) -> Response {
    let position = listener.stream.told();
    let begin = format!("retry: {}\n: from here on\nid: {position}\n\n", listener.retry_ms());
    let begin = stream::once(async { Ok::<_, Infallible>(Bytes::from(begin)) });
    let events = stream::unfold(Some(listener), |listener| async {
        let mut listener = listener?;
        let bytes = match listener.next().await {
            Ok(Said::Event(frame)) => frame.sse(),
            Ok(Said::Position(position)) => format!(": up to here\nid: {position}\n\n").into(),
            Err(end) => {
                listener.stream.ends(end);
                return Some((Ok(ended(&listener, end)), None));
            }
        };
        Some((Ok(bytes), Some(listener)))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // nginx would hold events back until they fill a buffer.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(begin.chain(events))).into_response()
}

/// The last event: why it ends, and when to come back.
fn ended(listener: &Listener, end: End) -> Bytes {
    let retry = listener.retry_ms();
    format!("retry: {retry}\nevent: end\ndata: {{\"reason\":\"{}\"}}\n\n", end.as_str()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_those_who_want_json_and_cannot_listen() {
        let wants = |accept: &'static str| {
            let accept = HeaderValue::from_static(accept);
            wants_page(&HeaderMap::from_iter([(header::ACCEPT, accept)]))
        };
        assert!(wants("application/json"));
        assert!(wants("text/html, Application/JSON;q=0.9"));
        for accept in ["*/*", "text/event-stream", "text/event-stream, application/json", ""] {
            assert!(!wants(accept), "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
