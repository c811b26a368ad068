//! Ctrl-C, heard from the moment the listener is made.

#[cfg(unix)]
use tokio::signal::unix::Signal as Presses;
#[cfg(windows)]
use tokio::signal::windows::CtrlC as Presses;

/// Listens from now on: a press counts even if nobody awaits it yet.
#[cfg(unix)]
pub(crate) fn listen() -> std::io::Result<Presses> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
}

/// Listens from now on: a press counts even if nobody awaits it yet.
#[cfg(windows)]
pub(crate) fn listen() -> std::io::Result<Presses> {
    tokio::signal::windows::ctrl_c()
}

/// Waits for the next press; for ever where nobody can listen.
pub(crate) async fn pressed(presses: &mut Option<Presses>) {
    let heard = match presses {
        Some(presses) => presses.recv().await,
        None => None,
    };
    if heard.is_none() {
        std::future::pending::<()>().await;
    }
}
