//! Recorded exchanges: where they are, and a shop that answers with them.

use std::path::PathBuf;
use std::sync::Arc;

use invshop::clock::{Clock, ManualClock, Timestamp};
use invshop::connectors::woocommerce::{Access, WooCommerce};
use invshop::secret::{Secret, SeededRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::connectors::contracts;
use crate::harness::START;

/// What the keys are here: nothing may ever say it.
pub(super) const SECRET: &str = "cs_not-to-be-told";

/// Where the recorded exchanges are; `None` where they are not there.
pub(crate) fn folder() -> Option<PathBuf> {
    contracts("woocommerce/observed")
}

pub(crate) fn file(name: &str) -> Vec<u8> {
    let path = folder().unwrap().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(super) fn body(name: &str) -> Vec<u8> {
    file(&format!("{name}.response.body"))
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::resolve(text, &|_| None, std::path::Path::new(".")).unwrap()
}

pub(super) fn shop_at(url: &str) -> WooCommerce {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::parse(START).unwrap()));
    let access = Access {
        url: url.to_owned(),
        key: secret("ck_LAB"),
        secret: secret(SECRET),
        requests_per_second: None,
    };
    WooCommerce::new(access, clock, Arc::new(SeededRandom::new(7))).unwrap()
}

/// What was asked: the request line and the body.
pub(super) type Asked = (String, String);

/// A shop that answers with recorded replies, one after the other.
pub(super) struct Recorded {
    pub(super) shop: WooCommerce,
    serving: JoinSet<Vec<Asked>>,
}

impl Recorded {
    /// With the names of recorded exchanges; `=` and a body is an answer of ours,
    /// `#` and headers, a line, and a body one with headers.
    pub(super) async fn new(names: &[&str]) -> Self {
        let answers: Vec<Vec<u8>> = names.iter().map(|name| answer(name)).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = shop_at(&format!("http://{}", listener.local_addr().unwrap()));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
                });
                let mut sent = vec![0; length.map_or(0, Result::unwrap)];
                stream.read_exact(&mut sent).await.unwrap();
                asked.push((
                    head.lines().next().unwrap().to_owned(),
                    String::from_utf8(sent).unwrap(),
                ));
                // Who has read enough hangs up.
                stream.write_all(&answer).await.ok();
            }
            asked
        });
        Self { shop, serving }
    }

    /// All it was asked, once all its answers are given.
    pub(super) async fn asked(mut self) -> Vec<Asked> {
        self.serving.join_next().await.unwrap().unwrap()
    }
}

pub(super) fn answer(name: &str) -> Vec<u8> {
    let (head, body) = if let Some(body) = name.strip_prefix('=') {
        ("HTTP/1.1 200 OK".to_owned(), body.as_bytes().to_vec())
    } else if let Some((headers, body)) =
        name.strip_prefix('#').and_then(|own| own.rsplit_once('\n'))
    {
        (format!("HTTP/1.1 200 OK\r\n{headers}"), body.as_bytes().to_vec())
    } else {
        const OF_THE_CONNECTION: [&str; 4] =
            ["transfer-encoding", "connection", "content-length", "content-encoding"];
        let headers = String::from_utf8(file(&format!("{name}.response.headers"))).unwrap();
        let kept = headers.lines().filter(|line| {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            !OF_THE_CONNECTION.contains(&name.as_str()) && !line.trim().is_empty()
        });
        (kept.collect::<Vec<_>>().join("\r\n"), body(name))
    };
    let mut whole =
        format!("{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
            .into_bytes();
    whole.extend(body);
    whole
}
