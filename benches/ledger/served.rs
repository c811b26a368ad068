//! Servers of the bench, each a process of its own, and the client that asks them.
//!
//! The client writes requests byte by byte and reads no more of an answer than its
//! status and its length: on few cores whatever it does takes from the server.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use axum::http::{StatusCode, header};
use axum::routing::{self, post};
use axum::{Json, Router};
use invshop::domain::AccountName;
use invshop::ledger::catalogue::NewAccount;
use invshop::secret::ApiKey;
use invshop::shop::Shop;
use invshop::writer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::shops::Made;
use crate::wanted::{Wanted, sku};

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(30);

/// A server that was started.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// The daemon on a shop, on a port of its own.
    pub(crate) fn daemon(made: &Made) -> anyhow::Result<Self> {
        let place = &made.arguments.place;
        let url = if place.starts_with("postgres://") {
            place.clone()
        } else {
            format!("sqlite:{place}")
        };
        let folder = made.arguments.key.parent().context("a key without a folder")?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_invshopd"));
        command
            .current_dir(folder)
            .env("INVSHOP__DATABASE__URL", url)
            .env("INVSHOP__DATABASE__KEY", format!("file:{}", made.arguments.key.display()))
            .env("INVSHOP__SERVER__LISTEN", "127.0.0.1:0")
            .env("INVSHOP__SCHEDULE__VERIFY", "never")
            .env("INVSHOP__AUTH__TOKEN_SECONDS", "3600");
        // Requests are counted against limits as ever, which are out of reach.
        for who in ["ACCOUNT", "ADDRESS"] {
            for limit in ["PER_SECOND", "BURST"] {
                command.env(format!("INVSHOP__RATE_LIMIT__{who}_{limit}"), "1000000");
            }
        }
        Self::start(&mut command)
    }

    /// The daemon with a configuration and variables.
    pub(crate) fn configured(
        config: &Path,
        variables: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_invshopd"));
        Self::start(command.arg("--config").arg(config).envs(variables))
    }

    /// A server that takes what the daemon takes and stores nothing.
    pub(crate) fn nothing() -> anyhow::Result<Self> {
        Self::start(Command::new(std::env::current_exe()?).arg("nothing"))
    }

    /// A server that has orders placed and asks nobody who they are.
    pub(crate) fn bare(made: &Made) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare").arg("--place").arg(&made.arguments.place);
        Self::start(command.arg("--key").arg(&made.arguments.key))
    }

    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        let address = loop {
            let line = lines.next().context("the server did not start")??;
            if let Some((_, rest)) = line.split_once("address=") {
                break rest.split_whitespace().next().context("no address")?.to_owned();
            }
        };
        // What else it says is read, or it would wait for its reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its process, as `/proc` names it.
    pub(crate) fn process(&self) -> String {
        self.child.id().to_string()
    }

    /// Waits until it answers that it is ready.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        let request = get("/readyz", &self.address, "");
        let begun = Instant::now();
        loop {
            if let Ok(mut connection) = Connection::open(&self.address).await
                && connection.send(&request).await.is_ok_and(|status| status == 200)
            {
                return Ok(());
            }
            ensure!(begun.elapsed() < START_MAX, "the server is not ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends it in order.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        Command::new("kill").args(["-TERM", &self.process()]).status()?;
        ensure!(self.child.wait()?.success(), "the server did not end in order");
        Ok(())
    }

    /// Ends it at once: it has nothing to lose.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

/// Serves what the empty server serves, until it is killed.
#[expect(clippy::print_stderr, reason = "the parent reads it")]
pub(crate) async fn nothing() -> anyhow::Result<()> {
    let take = async |Json(order): Json<Value>| {
        let answer = json!({ "order_id": order["order_id"], "lines": order["lines"] });
        (StatusCode::CREATED, Json(answer))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("address={}", listener.local_addr()?);
    let constant = async |axum::extract::Path(bytes): axum::extract::Path<usize>| {
        ([(header::CONTENT_TYPE, "application/json")], "x".repeat(bytes))
    };
    let router = Router::new()
        .route("/v1/orders", post(take))
        .route("/constant/{bytes}", routing::get(constant));
    axum::serve(listener, router).await?;
    Ok(())
}

/// A key that may place orders.
pub(crate) async fn key(shop: &Shop) -> anyhow::Result<String> {
    let key = ApiKey::generate(shop.random.as_ref());
    let account = NewAccount {
        name: AccountName::new("web")?,
        role: "storefront",
        key: Some((key.prefix().to_owned(), key.hash())),
    };
    shop.submit(writer::Command::CreateAccount(account), None).await?;
    Ok(key.expose().to_owned())
}

/// A request for what is at a path.
pub(crate) fn get(path: &str, address: &str, key: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\r\n")
        .into_bytes()
}

/// A request for a body.
pub(crate) fn post_of(path: &str, address: &str, key: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A request for an order.
pub(crate) fn order_of(wanted: &Wanted, address: &str, key: &str) -> Vec<u8> {
    let line = |&(item, units): &(u64, i64)| json!({ "sku": sku(item), "quantity": units });
    let lines: Vec<Value> = wanted.lines.iter().map(line).collect();
    let body = json!({ "order_id": wanted.id(), "lines": lines });
    post_of("/v1/orders", address, key, &body)
}

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(16 * 1024) })
    }

    /// The bytes of the body of the last answer.
    pub(crate) fn body_bytes(&self) -> usize {
        let head = self.read.windows(4).position(|four| four == b"\r\n\r\n");
        head.map_or(0, |head| self.read.len() - head - 4)
    }

    /// Sends a request and waits for its whole answer; the status.
    pub(crate) async fn send(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let mut whole = None;
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("the server closed the connection");
            }
            if whole.is_none() {
                whole = head(&self.read)?;
            }
            if let Some((status, length)) = whole
                && self.read.len() >= length
            {
                return Ok(status);
            }
        }
    }
}

/// The status of an answer and the length of all of it, once its head is there.
fn head(read: &[u8]) -> anyhow::Result<Option<(u16, usize)>> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&read[..end])?;
    let status = text.split(' ').nth(1).context("an answer without a status")?.parse()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    let length: usize = length.context("an answer without a length")?.parse()?;
    Ok(Some((status, end + 4 + length)))
}
