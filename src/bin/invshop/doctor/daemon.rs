//! What the daemon needs beside the database, and what it left behind: its certificate,
//! whether one runs, and how its jobs went.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use invshop::api::{Certificate, TlsError};
use invshop::clock::{Clock as _, SystemClock};
use invshop::config::TlsConfig;
use invshop::reports;
use invshop::store::{DaemonLock, Db};

use super::Check;
use crate::failure::Failure;

/// How far the database server's clock may be from this one's: the shop goes by the
/// server's, everything else on this machine does not.
const CLOCK_APART_MS: i64 = 2_000;

/// Whether the daemon could prove itself with its certificate, which may be read by others
/// than this one. How long it is valid is not looked at.
pub(super) async fn certificate(files: TlsConfig) -> Check {
    const NAME: &str = "certificate";
    let detail = files.certificate.display().to_string();
    let mode = std::fs::metadata(&files.key).map_or(0, |file| file.permissions().mode());
    let key = files.key.display().to_string();
    match Certificate::load(files).await {
        Ok(_) if mode & 0o007 != 0 => {
            let detail = format!("{key} has mode {:04o}: everybody may use it", mode & 0o777);
            Check::warn(NAME, detail, "chmod o= it")
        }
        Ok(_) => Check::ok(NAME, detail),
        Err(error) => {
            let hint = match &error {
                TlsError::Unreadable { .. } => "the daemon's user must be able to read both files",
                TlsError::Missing { .. } => "both files are PEM, the key without a passphrase",
                TlsError::Unusable { .. } => "the key must be that of the first certificate",
            };
            Check::fail(NAME, &Failure::failed("certificate", error.to_string()).hint(hint))
        }
    }
}

/// Whether a daemon has the file. Neither is wrong: it is for the one who wonders.
pub(super) fn daemon(file: &Path) -> Check {
    const NAME: &str = "daemon";
    match DaemonLock::holder(file) {
        Ok(Some(pid)) => Check::ok(NAME, format!("runs as process {pid}")),
        Ok(None) => Check::ok(NAME, "none runs on this file"),
        Err(error) => Check::fail(NAME, &error.into()),
    }
}

/// Whether the database server's clock goes with this one.
pub(super) async fn server_clock(db: &Db) -> Check {
    const NAME: &str = "server clock";
    let before = SystemClock.now();
    match reports::server_time(db).await {
        Ok(server) => {
            let after = SystemClock.now();
            let early = before.as_millis() - server.as_millis();
            let late = server.as_millis() - after.as_millis();
            let apart = early.max(late).max(0);
            if apart > CLOCK_APART_MS {
                let detail = format!("it is {server} at the database and {after} here");
                let hint = "set the wrong one: entries have the time of the database";
                return Check::warn(NAME, detail, hint);
            }
            Check::ok(NAME, format!("within {} ms of this one's", apart + 1))
        }
        Err(error) => Check::fail(NAME, &error.into()),
    }
}

/// How the last runs of scheduled jobs went.
pub(super) async fn jobs(db: &Db) -> Check {
    const NAME: &str = "jobs";
    let runs = match reports::last_runs(db).await {
        Ok(runs) => runs,
        Err(error) => return Check::fail(NAME, &error.into()),
    };
    if runs.is_empty() {
        return Check::ok(NAME, "none has run yet");
    }
    let told = runs.iter().map(|run| {
        let outcome = run.outcome.as_deref().unwrap_or("not finished");
        let detail = run.detail.as_deref().unwrap_or_default();
        format!("{} of {}: {outcome}: {detail}", run.job, run.due_at)
    });
    let told = told.collect::<Vec<_>>().join("; ");
    if runs.iter().any(|run| run.due_at > SystemClock.now()) {
        let hint = "a run is due in the future: a clock was or is wrong; set it";
        return Check::warn(NAME, told, hint);
    }
    if runs.iter().any(|run| run.outcome.as_deref() == Some("failed")) {
        return Check::warn(NAME, told, "the daemon's log of that time has more");
    }
    Check::ok(NAME, told)
}
