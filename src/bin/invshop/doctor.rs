//! `doctor`: what may be wrong with this installation, one line a check.
//!
//! It looks at everything a command relies on, from the configuration up, and
//! changes nothing: the one transaction it begins is rolled back, the one file
//! it writes has no name.

mod daemon;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use invshop::clock::{Clock as _, SystemClock};
use invshop::config::{Config, DatabaseUrl};
use invshop::reports;
use invshop::shop::{Opening, Shop};
use invshop::store::{Db, SCHEMA_VERSION};
use serde_json::{Value, json};

use crate::app::{App, place};
use crate::failure::Failure;
use crate::output::{Reply, Table};

/// Longer than any transaction of ours takes.
const TURN_WAIT: Duration = Duration::from_secs(10);
/// What must fit beside the database: some hours of a busy shop, in bytes.
const SPACE_WANTED: usize = 64 * 1024 * 1024;
/// Written at a time, in bytes.
const SPACE_STEP: usize = 1024 * 1024;
/// A write-ahead log of this size is not being checkpointed, in bytes.
const WAL_LARGE: u64 = 256 * 1024 * 1024;
/// How far the journal may be ahead of the clock before it is worth a look:
/// two machines' clocks differ by less.
const CLOCK_AHEAD_MS: i64 = 5_000;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    Warn,
    Fail,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One check.
#[derive(Clone, Debug)]
struct Check {
    name: &'static str,
    state: State,
    detail: String,
    hint: String,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, state: State::Ok, detail: detail.into(), hint: String::new() }
    }

    fn warn(name: &'static str, detail: impl Into<String>, hint: &str) -> Self {
        let hint = hint.to_owned();
        Self { name, state: State::Warn, detail: detail.into(), hint }
    }

    fn fail(name: &'static str, failure: &Failure) -> Self {
        let (detail, hint) = (failure.message.clone(), failure.hints.join("; "));
        Self { name, state: State::Fail, detail, hint }
    }
}

/// Makes every check; those that rest on one that failed are left out.
pub(crate) async fn run(app: &App<'_>) -> Result<Reply, Failure> {
    let mut checks = Vec::new();
    match app.config() {
        Ok(config) => {
            checks.push(configuration(config));
            installation(config, &mut checks).await;
        }
        Err(failure) => checks.push(Check::fail("config", &failure)),
    }
    let failed = checks.iter().any(|check| check.state == State::Fail);
    let mut table = Table::new(&["check", "state", "detail", "hint"], "");
    for check in &checks {
        let state = check.state.as_str().to_owned();
        table.row(vec![check.name.to_owned(), state, check.detail.clone(), check.hint.clone()]);
    }
    let data: Vec<Value> = checks.iter().map(document).collect();
    Ok(Reply::list(table, &data).with_findings(failed))
}

fn document(check: &Check) -> Value {
    let hint = Some(&check.hint).filter(|hint| !hint.is_empty());
    json!({
        "check": check.name,
        "state": check.state.as_str(),
        "detail": check.detail,
        "hint": hint,
    })
}

fn configuration(config: &Config) -> Check {
    let file = config.file.as_ref();
    let file = file.map_or("none: all is default".to_owned(), |file| file.display().to_string());
    if config.warnings.is_empty() {
        return Check::ok("config", file);
    }
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    Check::warn("config", format!("{file}: {}", warnings.join("; ")), "see the warning")
}

async fn installation(config: &Config, checks: &mut Vec<Check>) {
    let key_file = &config.database.key_file;
    checks.push(match key_file.read() {
        Ok(key) => {
            let detail = format!("{} (key {})", key_file.path().display(), key.id());
            Check::ok("key file", detail)
        }
        Err(error) => Check::fail("key file", &error.into()),
    });
    if let Some(files) = &config.server.tls {
        checks.push(daemon::certificate(files.clone()).await);
    }
    if let DatabaseUrl::Sqlite(file) = &config.database.url {
        checks.extend(writable(file));
        checks.extend(private(file));
    }
    match Db::open(&place(config)).await {
        Ok(db) => {
            let name = db.place();
            checks.push(Check::ok("database", name));
            checks.push(Check::ok("schema", format!("version {SCHEMA_VERSION}")));
            checks.push(Check::ok("durability", durability(&db)));
            checks.push(turn(&db).await);
            checks.push(clock(&db).await);
            if let Some(file) = db.file() {
                checks.push(wal(file));
                checks.push(space(file));
                checks.push(daemon::daemon(file));
            } else {
                checks.push(daemon::server_clock(&db).await);
            }
            checks.push(daemon::jobs(&db).await);
            db.close().await;
            checks.push(belongs(config).await);
        }
        Err(error) => {
            let failure = Failure::from(error);
            checks.push(Check::fail(stage(failure.code), &failure));
        }
    }
}

/// Whether the file may be written to, where there is one. SQLite opens it for
/// reading otherwise and refuses only the first write. It must have no
/// connection in this process yet: closing the file here would drop its locks.
fn writable(file: &Path) -> Option<Check> {
    const NAME: &str = "database file";
    match OpenOptions::new().write(true).open(file) {
        Ok(_) => Some(Check::ok(NAME, "may be written to")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            let failure = Failure::io(&file.display().to_string(), &error);
            Some(Check::fail(NAME, &failure.hint("give this user the right to write it")))
        }
    }
}

/// Whether others on this machine may read orders and prices, or even write them.
fn private(file: &Path) -> Option<Check> {
    const NAME: &str = "permissions";
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    let everybody = mode & 0o007;
    if everybody == 0 {
        return Some(Check::ok(NAME, format!("mode {mode:04o}")));
    }
    let may = if everybody & 0o002 == 0 { "read" } else { "write" };
    let detail = format!("{} has mode {mode:04o}: everybody may {may} it", file.display());
    Some(Check::warn(NAME, detail, "chmod o= it and the files beside it"))
}

/// Which check a database that cannot be opened has failed.
fn stage(code: &str) -> &'static str {
    match code {
        "schema_newer" | "schema_older" => "schema",
        "not_durable" => "durability",
        "lock_file" => "turn",
        _ => "database",
    }
}

/// What the start has asserted.
const fn durability(db: &Db) -> &'static str {
    match db {
        Db::Sqlite(_) => "WAL, synchronous=FULL, foreign keys on",
        Db::Postgres(_) => "synchronous_commit is not off",
    }
}

/// Whether this process gets its turn: usable locks, and nobody in the way.
async fn turn(db: &Db) -> Check {
    const NAME: &str = "turn";
    match tokio::time::timeout(TURN_WAIT, db.begin()).await {
        Ok(Ok(transaction)) => {
            transaction.rollback().await;
            Check::ok(NAME, "a transaction that writes can begin")
        }
        Ok(Err(error)) => Check::fail(NAME, &error.into()),
        Err(_) => {
            let detail = format!("another process has been writing for {} s", TURN_WAIT.as_secs());
            Check::warn(NAME, detail, "an import may take long; else look for a stopped process")
        }
    }
}

/// Whether time goes forward: an entry never gets an earlier time than the one before.
async fn clock(db: &Db) -> Check {
    const NAME: &str = "clock";
    let now = SystemClock.now();
    match reports::newest(db).await {
        Ok(None) => Check::ok(NAME, format!("{now}, nothing is recorded yet")),
        Ok(Some((_, at))) if at.as_millis() > now.as_millis() + CLOCK_AHEAD_MS => {
            let detail = format!("it is {now} here, and the newest entry is of {at}");
            Check::warn(
                NAME,
                detail,
                "set the clock: entries get the time of the newest until then",
            )
        }
        Ok(Some((seq, at))) => Check::ok(NAME, format!("{now}, newest entry {seq} of {at}")),
        Err(error) => Check::fail(NAME, &error.into()),
    }
}

fn wal(database: &Path) -> Check {
    const NAME: &str = "wal";
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    match std::fs::metadata(&path).map(|file| file.len()) {
        Ok(bytes) if bytes > WAL_LARGE => Check::warn(
            NAME,
            format!("{} MiB", bytes / 1024 / 1024),
            "a reader that never ends keeps it from being written back; look for one",
        ),
        Ok(bytes) => Check::ok(NAME, format!("{} KiB", bytes / 1024)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Check::ok(NAME, "none"),
        Err(error) => Check::fail(NAME, &Failure::io("the write-ahead log", &error)),
    }
}

/// Whether there is room beside the database. It is written, not asked for: so
/// quotas and limits of the process count too.
fn space(database: &Path) -> Check {
    const NAME: &str = "disk space";
    let directory = database.parent().filter(|path| !path.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let step = vec![0; SPACE_STEP];
    let mut file = match tempfile::tempfile_in(directory) {
        Ok(file) => file,
        Err(error) => return Check::fail(NAME, &Failure::io("a file beside the database", &error)),
    };
    for written in 0..SPACE_WANTED / SPACE_STEP {
        if let Err(error) = file.write_all(&step) {
            let message = format!("only {written} MiB can be written");
            let failure = Failure::io(&message, &error).hint("free some space");
            return Check::fail(NAME, &failure);
        }
    }
    Check::ok(NAME, format!("{} MiB can be written", SPACE_WANTED / 1024 / 1024))
}

/// Whether the key is the database's own, and the shop was created to its end.
async fn belongs(config: &Config) -> Check {
    const NAME: &str = "instance key";
    match Shop::open(Opening::of(config)).await {
        Ok(shop) => {
            shop.close().await;
            Check::ok(NAME, "it is the one of this database")
        }
        Err(error) => Check::fail(NAME, &error.into()),
    }
}
