//! Serving a router on a listener: bounded connections, slow headers and clients that
//! do not take their answers cut off, and an end that lets what was begun finish.

use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::connections::{ConnectionPlace, Connections};
use super::peer::Peer;
use super::tls::Handshakes;

/// Connections at the same time; others wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;
/// Those of them that may be of one address: half, so that nobody alone can take them all.
const CONNECTIONS_OF_ONE_MAX: usize = CONNECTIONS_MAX / 2;
/// How long the headers of a request may take to arrive.
const HEADERS_MAX: Duration = Duration::from_secs(10);
/// How long an answer may wait for its client to take any of it.
const UNREAD_MAX: Duration = Duration::from_secs(20);
/// How long an answer that has no end may take to end when the server does.
const ENDLESS_DRAIN: Duration = Duration::from_secs(2);
/// How long a client may be silent before its machine is asked whether it is there.
const ALIVE_AFTER: Duration = Duration::from_mins(1);
/// How often it is asked, and how often in vain.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
const ALIVE_TRIES: u32 = 3;
/// How long what was sent may be on its way: a machine that is gone says nothing, and what it
/// is sent now and then would keep its connection for a quarter of an hour.
const UNTAKEN_MAX: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted: mostly there are no files left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How connections are served.
#[derive(Debug)]
pub struct Manner {
    /// How they are secured; plain HTTP without.
    pub tls: Option<Handshakes>,
    /// How many there may be at the same time; others wait to be accepted.
    pub connections_max: usize,
    /// How many of them may be of one address; others are ended at once.
    pub connections_of_one_max: usize,
    /// The proxies that are believed: each has the connections of many.
    pub trusted: Vec<IpNet>,
    /// How long the headers of a request may take to arrive.
    pub headers_max: Duration,
    /// How long the requests under way may take to finish at the end.
    pub drain: Duration,
}

impl Manner {
    /// Plain HTTP over as many connections as a daemon takes, which believes no proxy.
    pub const fn plain(drain: Duration) -> Self {
        Self {
            tls: None,
            connections_max: CONNECTIONS_MAX,
            connections_of_one_max: CONNECTIONS_OF_ONE_MAX,
            trusted: Vec::new(),
            headers_max: HEADERS_MAX,
            drain,
        }
    }
}

/// Serves until it is stopped, then lets the requests under way finish.
pub async fn serve(listener: TcpListener, router: Router, manner: Manner, stop: CancellationToken) {
    let Manner { tls, connections_max, connections_of_one_max, trusted, headers_max, drain } =
        manner;
    let places = Connections::new(connections_max, connections_of_one_max, trusted);
    let mut connections = JoinSet::new();
    loop {
        let room = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            room = places.room() => room,
        };
        let Some(room) = room else { break };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, Peer(peer.ip())),
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = prepare(&stream) {
            tracing::debug!(error = %error, "a connection is not as it should be");
        }
        let Some(place) = places.place(room, peer.0) else {
            tracing::debug!(peer = %peer.0, "an address has all connections that one may have");
            continue;
        };
        let talk = Talk { router: router.clone(), peer, place, headers_max, stop: stop.clone() };
        let (stream, tls, stop) = (bounded(stream), tls.clone(), stop.clone());
        connections.spawn(async move {
            match tls {
                None => talk.run(stream).await,
                Some(tls) => {
                    // Whoever is asked to go before anything was agreed on asked for nothing.
                    let agreed = stop.run_until_cancelled(tls.agree(stream)).await;
                    if let Some(stream) = agreed.flatten() {
                        talk.run(stream).await;
                    }
                }
            }
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, ended).await.is_err() {
        tracing::warn!("requests were cut off: they took longer than the end may take");
    }
}

/// Small answers go at once, and whoever is gone is noticed.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let alive = TcpKeepalive::new().with_time(ALIVE_AFTER).with_interval(ALIVE_EVERY);
    socket.set_tcp_keepalive(&alive.with_retries(ALIVE_TRIES))?;
    socket.set_tcp_user_timeout(Some(UNTAKEN_MAX))
}

/// One connection's requests and answers.
struct Talk {
    router: Router,
    peer: Peer,
    place: ConnectionPlace,
    headers_max: Duration,
    stop: CancellationToken,
}

/// Of a connection: set by an answer that does not end by itself. The end of the server
/// does not wait for a client that takes no more of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Endless(Arc<AtomicBool>);

impl Endless {
    /// The answer under way has no end.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Waits until such an answer had its time to end; for ever where there is none.
    async fn had_its_time(&self) {
        tokio::time::sleep(ENDLESS_DRAIN).await;
        if !self.0.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }
}

impl Talk {
    async fn run(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let (endless, router) = (Endless::default(), TowerToHyperService::new(self.router));
        let (of_connection, peer, place) = (endless.clone(), self.peer, self.place);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(of_connection.clone());
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(place.clone());
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.headers_max)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                // What is under way is answered, and nothing after it.
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = endless.had_its_time() => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, "a connection ended early");
        }
    }
}

/// A connection whose writes fail when the other side takes nothing for too long.
/// Reading is bounded by what is read: headers and bodies have their own limits.
fn bounded(stream: TcpStream) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(UNREAD_MAX));
    Box::pin(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_is_gone_without_a_word_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        prepare(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), ALIVE_AFTER);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNTAKEN_MAX));
        drop(client);
    }
}
