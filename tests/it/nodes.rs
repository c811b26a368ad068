//! Several daemons on one PostgreSQL, behind a real nginx with the configuration that
//! operators install: nothing is sticky, nothing is sold twice, nothing is lost.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use invshop::writer::Command;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

use crate::api::client::Client;
use crate::daemon::{Daemon, key};
use crate::events::listener::{Socket, Sse};
use crate::harness::{Backend, TestShop, has_postgres, http};
use crate::raw::Raw;

/// Clients at once.
const CLIENTS: u64 = 8;
/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running nginx.
pub(crate) struct Nginx {
    child: Child,
    base: String,
}

impl Nginx {
    /// Starts it before two nodes on a port that was free a moment ago; `None` where
    /// there is no nginx, which CI has.
    fn start(dir: &Path, nodes: [&Daemon; 2]) -> Option<Self> {
        let address = |node: &Daemon| node.base().strip_prefix("http://").unwrap().to_owned();
        Self::before(dir, &nodes.map(address), include_str!("../../deploy/nginx.conf"))
    }

    /// The same before two addresses, with the configuration of a site.
    fn before(dir: &Path, addresses: &[String; 2], site: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let site = site
            .replace("127.0.0.1:8700", &addresses[0])
            .replace("127.0.0.1:8701", &addresses[1])
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
        Self::serve(dir, &site, format!("http://127.0.0.1:{port}"))
    }

    /// Starts it with the configuration of a site, which answers at a base.
    pub(crate) fn serve(dir: &Path, site: &str, base: String) -> Option<Self> {
        let dir = dir.display();
        let whole = format!(
            "daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx.log warn;
             events {{ worker_connections 4096; }}
             http {{
               access_log off;
               client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
               fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi;
               scgi_temp_path {dir}/scgi;
               {site}
             }}"
        );
        let file = format!("{dir}/nginx.conf");
        std::fs::write(&file, whole).unwrap();
        let program = ["nginx", "/usr/sbin/nginx"].into_iter().find_map(|program| {
            let mut command = Process::new(program);
            command.args(["-c", &file]).stdin(Stdio::null()).stderr(Stdio::null());
            command.spawn().ok()
        });
        let Some(child) = program else {
            assert!(std::env::var_os("INVSHOP_CI").is_none(), "no nginx: run scripts/test");
            println!("SKIPPED: no nginx (run scripts/test)");
            return None;
        };
        Some(Self { child, base })
    }

    /// Where it answers.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    async fn ready(&self) {
        self.ready_for(&http().build().unwrap()).await;
    }

    /// Waits until it answers a client.
    pub(crate) async fn ready_for(&self, http: &reqwest::Client) {
        let began = Instant::now();
        while http.get(format!("{}/readyz", self.base)).send().await.is_err() {
            assert!(began.elapsed() < PATIENCE, "nginx does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A client that is not a test's shop.
#[derive(Clone)]
struct Caller {
    http: reqwest::Client,
    key: String,
}

impl Caller {
    fn new(key: String) -> Self {
        Self { http: http().timeout(PATIENCE).build().unwrap(), key }
    }

    async fn post(&self, base: &str, path: &str, body: &Value) -> Option<(u16, bool, Value)> {
        let request = self.http.post(format!("{base}{path}")).bearer_auth(&self.key).json(body);
        let response = request.send().await.ok()?;
        let replayed = response.headers().contains_key("idempotent-replayed");
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        Some((status, replayed, serde_json::from_str(&text).unwrap_or_default()))
    }

    async fn get(&self, base: &str, path: &str) -> (u16, Value) {
        let request = self.http.get(format!("{base}{path}")).bearer_auth(&self.key);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    /// How many orders a node answered for.
    async fn served(&self, node: &Daemon) -> u64 {
        let response = self.http.get(format!("{}/metrics", node.base())).send().await.unwrap();
        let text = response.text().await.unwrap();
        let posts = "invshop_http_requests_total{method=\"POST\",route=\"/v1/orders\"";
        let lines = text.lines().filter(|line| line.starts_with(posts));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

fn order(id: &str, sku: &str) -> Value {
    json!({ "order_id": id, "lines": [{ "sku": sku, "quantity": 1 }] })
}

/// A shop with two nodes and nginx before them, where all that is there.
async fn two_nodes() -> Option<(TestShop, [Daemon; 2], Nginx, Caller)> {
    if !has_postgres() {
        return None;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    shop.item("MUG", 1_000_000).await;
    shop.item("NONE-LEFT", 0).await;
    shop.item("LAST", 1).await;
    let caller = Caller::new(key(&shop).await);
    let nodes = [Daemon::start(&shop), Daemon::start(&shop)];
    let nginx = Nginx::start(shop.dir(), [&nodes[0], &nodes[1]])?;
    nginx.ready().await;
    Some((shop, nodes, nginx, caller))
}

async fn end(shop: TestShop, nodes: impl IntoIterator<Item = Daemon>) {
    for node in nodes {
        node.signal("-TERM");
        assert!(node.wait().success());
    }
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_the_last_unit_is_sold_once_through_two_daemons_behind_nginx() {
    let Some((shop, nodes, nginx, caller)) = two_nodes().await else { return };
    let posts = (0..200).map(|id| {
        let (caller, base) = (caller.clone(), nginx.base.clone());
        async move { caller.post(&base, "/v1/orders", &order(&id.to_string(), "LAST")).await }
    });
    let answers: Vec<_> = join_all(posts).await.into_iter().map(Option::unwrap).collect();
    let won = answers.iter().filter(|(status, _, _)| *status == 201).count();
    let lost = answers
        .iter()
        .filter(|(status, _, body)| *status == 409 && body["code"] == "insufficient_stock")
        .count();
    assert_eq!((won, lost), (1, 199), "{:?}", answers.iter().map(|one| one.0).collect::<Vec<_>>());
    let served = [caller.served(&nodes[0]).await, caller.served(&nodes[1]).await];
    assert_eq!(served.iter().sum::<u64>(), 200);
    assert!(served.iter().all(|served| *served > 20), "both worked: {served:?}");
    drop(nginx);
    end(shop, nodes).await;
}

/// Places orders through nginx until so many were accepted, each until it has an answer;
/// sends a signal to a node on the way. What was accepted, and what was refused.
async fn load(
    (nginx, caller): (&Nginx, &Caller),
    node: &Daemon,
    signal: &str,
) -> (BTreeSet<String>, BTreeSet<String>) {
    const BEFORE: u64 = 60;
    const ENOUGH: u64 = 200;
    let (accepted, signalled) = (AtomicU64::new(0), AtomicBool::new(false));
    let client = async |client: u64| {
        let mut told = (BTreeSet::new(), BTreeSet::new());
        for number in 0.. {
            if accepted.load(Ordering::Relaxed) >= ENOUGH {
                break;
            }
            let id = format!("{client}-{number}");
            let sku = if number % 4 == 3 { "NONE-LEFT" } else { "MUG" };
            let began = Instant::now();
            let status = loop {
                assert!(began.elapsed() < PATIENCE, "{id} has no answer");
                match caller.post(&nginx.base, "/v1/orders", &order(&id, sku)).await {
                    // Nobody knows what became of it: the same order again tells.
                    None | Some((502..=504, _, _)) => {}
                    Some((status, replayed, _)) => break if replayed { 201 } else { status },
                }
            };
            match status {
                201 => told.0.insert(id),
                409 => told.1.insert(id),
                other => panic!("{id}: {other}"),
            };
            let so_many = accepted.fetch_add(1, Ordering::Relaxed) + 1;
            if so_many >= BEFORE && !signalled.swap(true, Ordering::Relaxed) {
                node.signal(signal);
            }
        }
        told
    };
    let mut all = (BTreeSet::new(), BTreeSet::new());
    for told in join_all((0..CLIENTS).map(client)).await {
        all.0.extend(told.0);
        all.1.extend(told.1);
    }
    all
}

/// Every order that was accepted is there once, and none that was refused.
async fn check(shop: &TestShop, (accepted, refused): &(BTreeSet<String>, BTreeSet<String>)) {
    let mut raw = Raw::open(&shop.opening.place).await;
    let all = raw.texts("select external_id from orders where source = 'web'").await;
    let there: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(all.len(), there.len(), "an order is there twice");
    assert_eq!(&there, accepted);
    assert!(there.is_disjoint(refused));
    assert!(refused.len() > 10, "{}", refused.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_under_load_takes_nothing_with_it() {
    let Some((shop, [one, other], nginx, caller)) = two_nodes().await else { return };
    let told = load((&nginx, &caller), &one, "-KILL").await;
    assert!(!one.wait().success());
    check(&shop, &told).await;
    drop(nginx);
    end(shop, [other]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_ended_under_load_finishes_what_it_has() {
    let Some((shop, [one, other], nginx, caller)) = two_nodes().await else { return };
    let told = load((&nginx, &caller), &one, "-TERM").await;
    assert!(one.wait().success());
    check(&shop, &told).await;
    drop(nginx);
    end(shop, [other]).await;
}

/// A node that takes requests and dies over those that write, and how many these were.
async fn dying_node(asked: Arc<AtomicU64>) -> (String, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            if head[..read].starts_with(b"PUT") {
                asked.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    (address, serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_lost_its_node_is_not_sent_to_the_next() {
    if !has_postgres() {
        return;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    shop.item("MUG", 50).await;
    let caller = Caller::new(key(&shop).await);
    let node = Daemon::start(&shop);
    let address = node.base().strip_prefix("http://").unwrap().to_owned();
    let asked = Arc::new(AtomicU64::new(0));
    let (dying, serving) = dying_node(Arc::clone(&asked)).await;
    // It would leave the dying node alone for a while.
    let site = include_str!("../../deploy/nginx.conf").replace("max_fails=1", "max_fails=0");
    let Some(nginx) = Nginx::before(shop.dir(), &[address, dying], &site) else { return };
    nginx.ready().await;
    let placed = json!({ "order_id": "1", "lines": [{ "sku": "MUG", "quantity": 30 }] });
    assert_eq!(caller.post(node.base(), "/v1/orders", &placed).await.unwrap().0, 201);
    let mut done = 0;
    for _ in 0..8 {
        let put = caller.http.put(format!("{}/v1/orders/1/cancel", nginx.base));
        let part = json!({ "lines": [{ "line": 1, "quantity": 1 }] });
        let status = put.bearer_auth(&caller.key).json(&part).send().await.unwrap().status();
        assert!(status == 200 || status == 502, "{status}");
        done += i64::from(status == 200);
    }
    let lost = i64::try_from(asked.load(Ordering::Relaxed)).unwrap();
    assert!(lost > 0 && done > 0 && lost + done == 8, "{lost} lost, {done} done");
    let order = caller.get(node.base(), "/v1/orders/1").await.1;
    assert_eq!(order["lines"][0]["cancelled"], done, "{order}");
    drop((nginx, serving));
    end(shop, [node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_goes_on_at_another_node() {
    let Some((shop, [one, other], nginx, caller)) = two_nodes().await else { return };
    let client = Client::new(&nginx.base, &caller.key);
    let place = async |node: &Daemon, id: &str| {
        let placed = caller.post(node.base(), "/v1/orders", &order(id, "MUG")).await.unwrap();
        assert_eq!(placed.0, 201);
    };
    let own = "types=order.placed";
    // One of each at each node, whichever nginx chooses.
    let mut streams = [
        Sse::open(&client, &format!("?{own}"), None).await,
        Sse::open(&client, &format!("?{own}"), None).await,
    ];
    let mut sockets = [
        Socket::open(&client, &format!("?{own}")).await,
        Socket::open(&client, &format!("?{own}")).await,
    ];
    place(&one, "1").await;
    let first = streams[0].event().await;
    assert_eq!(first["subject"]["order_id"], "1");
    assert_eq!(streams[1].event().await, first);
    for socket in &mut sockets {
        assert_eq!(socket.event().await, first);
    }
    one.signal("-TERM");
    assert!(one.wait().success());
    drop((streams, sockets));
    place(&other, "2").await;
    let mut stream = Sse::open(&client, &format!("?{own}"), first["seq"].as_i64()).await;
    assert_eq!(stream.event().await["subject"]["order_id"], "2");
    let mut socket = Socket::open(&client, &format!("?{own}&after={}", first["seq"])).await;
    assert_eq!(socket.event().await["subject"]["order_id"], "2");
    drop((nginx, stream, socket));
    end(shop, [other]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sticky() {
    let Some((shop, nodes, nginx, caller)) = two_nodes().await else { return };
    let [one, other] = [nodes[0].base(), nodes[1].base()];
    let placed = json!({ "order_id": "1", "payment": "required",
        "lines": [{ "sku": "MUG", "quantity": 2 }] });
    let (status, _, order) = caller.post(one, "/v1/orders", &placed).await.unwrap();
    assert_eq!((status, &order["status"]), (201, &json!("pending")));
    let (_, replayed, _) = caller.post(other, "/v1/orders", &placed).await.unwrap();
    assert!(replayed, "the other node knows the order");
    assert_eq!(caller.get(other, "/v1/orders/1").await.1, caller.get(one, "/v1/orders/1").await.1);
    let cancelled = caller.http.put(format!("{other}/v1/orders/1/cancel"));
    let cancelled = cancelled.bearer_auth(&caller.key).send().await.unwrap();
    assert_eq!(cancelled.status(), 200);
    assert_eq!(caller.get(one, "/v1/orders/1").await.1["status"], "cancelled");
    assert_eq!(caller.get(&nginx.base, "/v1/orders/1").await.1["status"], "cancelled");
    let metrics = caller.http.get(format!("{}/metrics", nginx.base)).send().await.unwrap();
    assert_eq!(metrics.status(), 404, "numbers are for those inside");

    // A key that is revoked is believed by no node for longer than a second.
    let prefix = Raw::open(&shop.opening.place).await.texts("select prefix from api_key k join account a on a.id = k.account_id where a.name = 'web'").await.remove(0);
    shop.run(Command::RevokeKey(prefix)).await.unwrap();
    let began = Instant::now();
    for node in [one, other] {
        while caller.get(node, "/v1/inventory/MUG").await.0 != 401 {
            assert!(began.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    drop(nginx);
    end(shop, nodes).await;
}
