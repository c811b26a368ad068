//! Serving a router on a listener: bounded connections, slow headers and clients that
//! do not take their answers cut off, and an end that lets what was begun finish.

use std::future::pending;
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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::peer::Peer;
use super::tls::Handshakes;

/// Connections at the same time; others wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;
/// How long the headers of a request may take to arrive.
const HEADERS_MAX: Duration = Duration::from_secs(10);
/// How long an answer may wait for its client to take any of it.
const UNREAD_MAX: Duration = Duration::from_secs(20);
/// How long an answer that has no end may take to end when the server does.
const ENDLESS_DRAIN: Duration = Duration::from_secs(2);
/// The pause after a connection could not be accepted: mostly there are no files left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is stopped, then lets the requests under way finish for as long
/// as `drain` says. Without `tls` it is plain HTTP.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Handshakes>,
    stop: CancellationToken,
    drain: Duration,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
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
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "a connection delays small answers");
        }
        let talk = Talk { router: router.clone(), peer, stop: stop.clone() };
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
            drop(place);
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, ended).await.is_err() {
        tracing::warn!("requests were cut off: they took longer than the end may take");
    }
}

/// One connection's requests and answers.
struct Talk {
    router: Router,
    peer: Peer,
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
        let (of_connection, peer) = (endless.clone(), self.peer);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(of_connection.clone());
            request.extensions_mut().insert(peer);
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_MAX)
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
