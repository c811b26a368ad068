//! Those who listen: by server-sent events, and over WebSocket with another library's
//! idea of the protocol.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::api::client::Client;
use crate::harness::http;

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// An event.
    Event(Value),
    /// Everything up to here.
    Position(i64),
    /// The end of a stream of server-sent events, and why.
    End(String),
    /// The end of a WebSocket.
    Close(u16),
    /// The connection is gone.
    Gone,
}

/// One who listens by server-sent events.
pub(crate) struct Sse {
    response: reqwest::Response,
    read: String,
    told: VecDeque<Told>,
    retry: Option<u64>,
}

impl Sse {
    /// Begins to listen; `query` may be empty.
    pub(crate) async fn open(client: &Client, query: &str, last: Option<i64>) -> Self {
        let http = http().timeout(Duration::from_mins(2)).build().unwrap();
        let request = http.get(format!("{}/v1/events{query}", client.base()));
        let request = request.bearer_auth(client.key());
        let request = match last {
            Some(last) => request.header("Last-Event-ID", last.to_string()),
            None => request,
        };
        Self::of(request.send().await.unwrap())
    }

    /// What is told in an answer.
    pub(crate) fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        Self { response, read: String::new(), told: VecDeque::new(), retry: None }
    }

    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// How long it was asked to wait before it comes back, in milliseconds.
    pub(crate) const fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// What is told next.
    pub(crate) async fn next(&mut self) -> Told {
        loop {
            if let Some(told) = self.told.pop_front() {
                return told;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let Ok(Some(chunk)) = chunk.expect("nothing is told") else { return Told::Gone };
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
            let Some(end) = self.read.rfind("\n\n") else { continue };
            let rest = self.read.split_off(end + 2);
            let whole = std::mem::replace(&mut self.read, rest);
            for block in whole.split_terminator("\n\n") {
                self.told.extend(block_of(block, &mut self.retry));
            }
        }
    }

    /// The next event, whatever is told before.
    pub(crate) async fn event(&mut self) -> Value {
        loop {
            match self.next().await {
                Told::Event(event) => return event,
                Told::Position(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// One block of a stream, by the rules of the HTML standard as far as we use them.
fn block_of(block: &str, retry: &mut Option<u64>) -> Option<Told> {
    let (mut id, mut event, mut data) = (None, None, None);
    for line in block.lines() {
        match line.split_once(": ").unwrap() {
            ("", _) => {}
            ("id", value) => id = Some(value.parse::<i64>().unwrap()),
            ("event", value) => event = Some(value.to_owned()),
            ("data", value) => data = Some(serde_json::from_str::<Value>(value).unwrap()),
            ("retry", value) => *retry = Some(value.parse().unwrap()),
            _ => panic!("{line}"),
        }
    }
    match (event, data) {
        (None, None) => Some(Told::Position(id?)),
        (Some(event), Some(data)) if event == "end" => {
            assert_eq!(id, None, "the end is no place to go on after");
            Some(Told::End(data["reason"].as_str().unwrap().to_owned()))
        }
        (Some(event), Some(data)) => {
            assert_eq!(data["type"], event);
            assert_eq!(data["seq"].as_i64(), id);
            Some(Told::Event(data))
        }
        other => panic!("{other:?}: {block}"),
    }
}

/// One who listens over WebSocket.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Begins to listen, with its key in the header.
    pub(crate) async fn open(client: &Client, query: &str) -> Self {
        let bearer = format!("Bearer {}", client.key());
        Self::try_open(client, query, ("authorization", &bearer)).await.unwrap()
    }

    /// The same with a header of the test's choice; the answer where it is refused.
    pub(crate) async fn try_open(
        client: &Client,
        query: &str,
        (name, value): (&'static str, &str),
    ) -> Result<Self, tungstenite::Error> {
        let address = client.base().strip_prefix("http://").unwrap();
        let url = format!("ws://{address}/v1/events/ws{query}");
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Self(socket))
    }

    /// What is told next.
    pub(crate) async fn next(&mut self) -> Told {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await;
            match message.expect("nothing is told") {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    return match message["type"].as_str().unwrap() {
                        "position" => Told::Position(message["seq"].as_i64().unwrap()),
                        _ => Told::Event(message),
                    };
                }
                Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => {
                    return Told::Close(code.into());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("{other:?}"),
                Some(Err(_)) | None => return Told::Gone,
            }
        }
    }

    /// Says goodbye.
    pub(crate) async fn leave(&mut self) {
        let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        self.0.send(Message::Close(Some(close))).await.unwrap();
    }

    /// Says something.
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next event, whatever is told before.
    pub(crate) async fn event(&mut self) -> Value {
        loop {
            match self.next().await {
                Told::Event(event) => return event,
                Told::Position(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
