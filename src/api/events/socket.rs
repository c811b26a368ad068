//! `GET /v1/events/ws`: the same events over WebSocket, one JSON document a message.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use futures_util::SinkExt as _;
use tokio::time::{Instant, timeout};

use super::{Asked, Listener, Opened, Said, refuse_page_words};
use crate::api::Api;
use crate::api::auth::{BEARER, May, ReadEvents};
use crate::api::connections::ConnectionPlace;
use crate::api::document::parameters::LastEventId;
use crate::api::problem::{Answered, Problem};
use crate::api::query::Parameters;
use crate::events::{End, HEARTBEAT, Transport};

/// How long a message of a client may be: nothing it says is listened to.
const HEARD_BYTES_MAX: usize = 4 << 10;
/// What a connection sets aside for reading.
const READ_BYTES: usize = 4 << 10;
/// What is gathered before it is written: some events.
const WRITE_BYTES: usize = 8 << 10;
/// How long a client may take nothing of what it is sent.
const UNREAD_MAX: Duration = Duration::from_secs(20);
/// How long a client may take to answer that it was heard of.
const SILENT_MAX: Duration = HEARTBEAT.saturating_mul(2);
/// How long a client may take to answer that it heard of the end.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// Tells the same over WebSocket: one event a message, as JSON.
///
/// The first message, and one now and then, is `{"seq": SEQ, "type": "position"}`: where to go on
/// after. Browsers send their key as a subprotocol: `Sec-WebSocket-Protocol: bearer, KEY`.
#[utoipa::path(
    get,
    path = "/events/ws",
    operation_id = "listen_on_socket",
    tag = "events",
    security(("key" = [ReadEvents::SCOPE])),
    params(Asked, LastEventId),
    responses((status = 101)),
    extensions(("x-refusals" = json!([
        "400 no_websocket", "409 cursor_ahead", "429 too_many_streams",
        "503 closing", "503 too_many_streams",
    ]))),
)]
pub(in crate::api) async fn listen(
    State(api): State<Arc<Api>>,
    May { caller, .. }: May<ReadEvents>,
    Parameters(asked): Parameters<Asked>,
    place: Option<Extension<ConnectionPlace>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answered {
    let upgrade = upgrade.map_err(|rejection| {
        Problem::new(rejection.status(), "no_websocket", rejection.body_text())
    })?;
    refuse_page_words(&asked)?;
    let opened = Listener::open(&api, caller, &asked, &headers, Transport::WebSocket).await?;
    let listener = match opened {
        Opened::Listener(listener) => listener,
        Opened::Refused(response) => return Ok(response),
    };
    let upgrade = upgrade
        .protocols([BEARER])
        .max_message_size(HEARD_BYTES_MAX)
        .max_frame_size(HEARD_BYTES_MAX)
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES);
    Ok(upgrade.on_upgrade(|socket| async move {
        talk(socket, *listener).await;
        // Until here it is one of the connections, though HTTP has ended.
        drop(place);
    }))
}

/// Sends what happens until somebody leaves.
async fn talk(mut socket: WebSocket, mut listener: Listener) {
    let end = match told(&mut socket, &mut listener).await {
        Err(end) | Ok(end) => end,
    };
    if end != End::Left {
        listener.stream.ends(end);
    }
    if let Some(close) = close(end) {
        let goodbye = async {
            if socket.send(Message::Close(Some(close))).await.is_ok() {
                while let Some(Ok(_)) = socket.recv().await {}
            }
        };
        // Whoever does not say goodbye is left without.
        timeout(GOODBYE_MAX, goodbye).await.unwrap_or_default();
    } else {
        // Whoever said goodbye is answered: reading on sends what is due.
        let goodbye = async { while let Some(Ok(_)) = socket.recv().await {} };
        timeout(GOODBYE_MAX, goodbye).await.unwrap_or_default();
    }
}

async fn told(socket: &mut WebSocket, listener: &mut Listener) -> Result<End, End> {
    let mut asked_at = None;
    let begin = vec![position(listener.stream.told())];
    send(socket, listener, begin).await?;
    loop {
        let said = tokio::select! {
            heard = socket.recv() => match heard {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    asked_at = None;
                    continue;
                }
                Some(Ok(Message::Text(_) | Message::Binary(_))) => return Ok(End::Misused),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(End::Left),
            },
            said = listener.next() => said?,
        };
        let messages = match said {
            Said::Event(frame) => {
                let mut messages = vec![text(frame.json())];
                while let Some(frame) = listener.stream.ready() {
                    messages.push(text(frame.json()));
                }
                messages
            }
            Said::Position(seq) => {
                if asked_at.get_or_insert_with(Instant::now).elapsed() > SILENT_MAX {
                    return Ok(End::Slow);
                }
                vec![position(seq), Message::Ping(Bytes::new())]
            }
        };
        send(socket, listener, messages).await?;
    }
}

/// Sends messages to a client that takes them.
async fn send(
    socket: &mut WebSocket,
    listener: &Listener,
    messages: Vec<Message>,
) -> Result<(), End> {
    let sent = async {
        for message in messages {
            socket.feed(message).await?;
        }
        socket.flush().await
    };
    tokio::select! {
        biased;
        sent = timeout(UNREAD_MAX, sent) => match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Left),
            Err(_elapsed) => Err(End::Slow),
        },
        () = listener.stream.closing() => Err(End::Closing),
    }
}

/// Where the listener is, to go on after. Its type is no event's.
fn position(seq: i64) -> Message {
    Message::Text(format!("{{\"seq\":{seq},\"type\":\"position\"}}").into())
}

fn text(json: Bytes) -> Message {
    // It is JSON that was made of texts; where it were not UTF-8 it is sent as it is.
    Utf8Bytes::try_from(json.clone()).map_or_else(|_| Message::Binary(json), Message::Text)
}

/// What a client is told of the end: a code (RFC 6455, 7.4) and why.
fn close(end: End) -> Option<CloseFrame> {
    let (code, reason) = match end {
        // Service restart: come back in a moment.
        End::Closing => (1012, "the daemon ends: come back and go on after the last seq"),
        End::Key => (1008, "the key is not valid any more"),
        End::Misused => (1003, "nothing can be said here"),
        End::Slow => (1013, "too slow: come back and go on after the last seq"),
        End::Left => return None,
    };
    Some(CloseFrame { code, reason: reason.into() })
}
