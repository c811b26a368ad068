//! Serving a router on a listener: bounded connections, slow headers and clients that
//! do not take their answers cut off, and an end that lets what was begun finish.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

use super::peer::Peer;
use super::tls::Handshakes;

/// Connections at the same time; others wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;
/// How long the headers of a request may take to arrive.
const HEADERS_MAX: Duration = Duration::from_secs(10);
/// How long an answer may wait for its client to take any of it.
const UNREAD_MAX: Duration = Duration::from_secs(20);
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
    let graceful = GracefulShutdown::new();
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
        let talk = Talk { router: router.clone(), peer, watcher: graceful.watcher() };
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
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were cut off: they took longer than the end may take");
    }
}

/// One connection's requests and answers.
struct Talk {
    router: Router,
    peer: Peer,
    watcher: Watcher,
}

impl Talk {
    async fn run(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let service = Extension(self.peer).layer(self.router);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        if let Err(error) = self.watcher.watch(connection).await {
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
