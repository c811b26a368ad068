//! The real daemon as a process: killed or ended under load over HTTP, whatever it
//! acknowledged is there, once.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use invshop::domain::AccountName;
use invshop::ledger::catalogue::NewAccount;
use invshop::secret::ApiKey;
use invshop::shop::Opening;
use invshop::store::Place;
use invshop::writer::Command;
use serde_json::json;

use crate::dice::Dice;
use crate::harness::{Backend, TestShop, has_postgres};
use crate::raw::Raw;

/// How often the daemon is killed on each database.
const KILLS: u64 = 30;
/// Clients at once.
const CLIENTS: u64 = 8;
/// Orders that are accepted before the daemon is ended, at most.
const ACCEPTED_MAX: i64 = 40;

/// How long a client waits for its answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    base: String,
    said: Arc<Mutex<String>>,
}

impl Daemon {
    /// Starts it on the test's shop, on a port of its own.
    pub(crate) fn start(shop: &TestShop) -> Self {
        Self::start_with(shop, &[])
    }

    /// The same with settings of the environment.
    pub(crate) fn start_with(shop: &TestShop, settings: &[(&str, &str)]) -> Self {
        Self::start_on(&shop.opening, settings)
    }

    /// Starts it on a shop that is known by how it is opened.
    pub(crate) fn start_on(opening: &Opening, settings: &[(&str, &str)]) -> Self {
        let url = match &opening.place {
            Place::Sqlite(path) => format!("sqlite:{}", path.display()),
            Place::Postgres(url) => url.clone(),
        };
        let key = opening.key_file.path();
        let mut child = Process::new(env!("CARGO_BIN_EXE_invshopd"))
            .current_dir(key.parent().unwrap())
            .env("INVSHOP__DATABASE__URL", url)
            .env("INVSHOP__DATABASE__KEY", format!("file:{}", key.display()))
            .env("INVSHOP__SERVER__LISTEN", "127.0.0.1:0")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else { panic!("it did not start: {said:#?}") };
            if let Some((_, address)) = line.split_once("address=") {
                break address.split_whitespace().next().unwrap().to_owned();
            }
            said.push(line);
        };
        // Whatever else it says is read, or it would wait for its reader.
        let said = Arc::new(Mutex::new(said.join("\n")));
        let more = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut said = more.lock().unwrap();
                said.push('\n');
                said.push_str(&line);
            }
        });
        Self { child, base: format!("http://{address}"), said }
    }

    /// Where it is served.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it has said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Process::new("kill").args([name, &pid]).status().unwrap().success());
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

/// A storefront's key, of the account `web`.
pub(crate) async fn key(shop: &TestShop) -> String {
    let key = ApiKey::generate(shop.random().as_ref());
    let account = NewAccount {
        name: AccountName::new("web").unwrap(),
        role: "storefront",
        key: Some((key.prefix().to_owned(), key.hash())),
    };
    shop.run(Command::CreateAccount(account)).await.unwrap();
    key.expose().to_owned()
}

/// What clients were told.
#[derive(Debug, Default)]
struct Told {
    accepted: BTreeSet<String>,
    refused: BTreeSet<String>,
}

/// Clients place orders until the daemon is gone; it is ended once so many are accepted.
async fn load(daemon: &Daemon, key: &str, round: u64, enough: u64, end: &str) -> Told {
    // Bounded: after one of several hundred kills a client still waited when none of
    // its connections was left.
    let http = crate::harness::http().timeout(ANSWER_MAX).build().unwrap();
    let (accepted, ended) = (Arc::new(AtomicU64::new(0)), AtomicBool::new(false));
    let client = async |client: u64| {
        let mut told = Told::default();
        for number in 0.. {
            let id = format!("{round}-{client}-{number}");
            let sku = if number % 4 == 3 { "NONE-LEFT" } else { "MUG" };
            let order = json!({ "order_id": id, "lines": [{ "sku": sku, "quantity": 1 }] });
            let request = http.post(format!("{}/v1/orders", daemon.base)).bearer_auth(key);
            let response = match request.json(&order).send().await {
                Ok(response) => response,
                Err(error) => {
                    assert!(ended.load(Ordering::Relaxed), "{id}: {error:?}");
                    break;
                }
            };
            match response.status().as_u16() {
                201 => told.accepted.insert(id),
                409 => told.refused.insert(id),
                status => panic!("{id}: {status}"),
            };
            let so_many = accepted.fetch_add(1, Ordering::Relaxed) + 1;
            if so_many >= enough && !ended.swap(true, Ordering::Relaxed) {
                daemon.signal(end);
            }
        }
        told
    };
    let mut all = Told::default();
    for told in join_all((0..CLIENTS).map(client)).await {
        all.accepted.extend(told.accepted);
        all.refused.extend(told.refused);
    }
    all
}

async fn check(shop: &TestShop, told: &Told) {
    let mut raw = Raw::open(&shop.opening.place).await;
    let all = raw.texts("select external_id from orders where source = 'web'").await;
    let there: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(all.len(), there.len(), "an order is there twice");
    let lost: Vec<_> = told.accepted.difference(&there).collect();
    assert!(lost.is_empty(), "accepted and not there: {lost:?}");
    let kept: Vec<_> = told.refused.intersection(&there).collect();
    assert!(kept.is_empty(), "refused and there: {kept:?}");
}

async fn killed_under_load(backend: Backend) {
    let shop = TestShop::new(backend).await;
    shop.item("MUG", 1_000_000).await;
    shop.item("NONE-LEFT", 0).await;
    let key = key(&shop).await;
    let mut dice = Dice::new(0xdead);
    let mut all = Told::default();
    for round in 0..KILLS {
        let daemon = Daemon::start(&shop);
        let enough = u64::try_from(dice.range(1, ACCEPTED_MAX)).unwrap();
        let told = load(&daemon, &key, round, enough, "-KILL").await;
        assert!(!daemon.wait().success());
        all.accepted.extend(told.accepted);
        all.refused.extend(told.refused);
    }
    check(&shop, &all).await;
    let (accepted, refused) = (all.accepted.len(), all.refused.len());
    assert!(accepted >= 30 && refused >= 30, "{accepted} accepted, {refused} refused");
    println!("{backend:?}: {KILLS} kills, {accepted} orders accepted, {refused} refused");
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_daemon_accepted_survives_a_kill_on_sqlite() {
    killed_under_load(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_daemon_accepted_survives_a_kill_on_postgres() {
    if has_postgres() {
        killed_under_load(Backend::Postgres).await;
    }
}

async fn ended_under_load(backend: Backend) {
    let shop = TestShop::new(backend).await;
    shop.item("MUG", 1_000_000).await;
    shop.item("NONE-LEFT", 0).await;
    let key = key(&shop).await;
    for (round, signal) in ["-TERM", "-INT"].into_iter().enumerate() {
        let daemon = Daemon::start(&shop);
        let told = load(&daemon, &key, u64::try_from(round).unwrap(), 25, signal).await;
        let status = daemon.wait();
        assert!(status.success(), "{signal}: {status}");
        check(&shop, &told).await;
    }
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_ends_in_order_under_load_on_sqlite() {
    ended_under_load(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_ends_in_order_under_load_on_postgres() {
    if has_postgres() {
        ended_under_load(Backend::Postgres).await;
    }
}

#[tokio::test]
async fn check_tells_whether_the_daemon_could_run() {
    let shop = TestShop::new(Backend::Sqlite).await;
    let check = |url: &str| {
        Process::new(env!("CARGO_BIN_EXE_invshopd"))
            .arg("--check")
            .current_dir(shop.dir())
            .env("INVSHOP__DATABASE__URL", url)
            .env("INVSHOP__DATABASE__KEY", format!("file:{}", shop.key_path().display()))
            .output()
            .unwrap()
    };
    assert_eq!(check("sqlite:shop.db").status.code(), Some(0));
    let missing = check("sqlite:none.db");
    assert_eq!(missing.status.code(), Some(2));
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("there is no database") && said.contains("none.db"), "{said}");
    shop.end().await;
}

// As config.example.toml says: with the daemon too.
#[tokio::test]
async fn the_daemon_creates_the_configured_locations() {
    let shop = TestShop::new(Backend::Sqlite).await;
    let file = "[[location]]\ncode = \"main\"\nname = \"another name\"\n\
                [[location]]\ncode = \"north\"\nkind = \"store\"\n";
    std::fs::write(shop.dir().join("invshop.toml"), file).unwrap();
    let daemon = Daemon::start(&shop);
    let http = crate::harness::http().timeout(ANSWER_MAX).build().unwrap();
    let ready = http.get(format!("{}/readyz", daemon.base())).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
    let mut raw = Raw::open(&shop.opening.place).await;
    let known =
        raw.texts("select code || ' ' || name || ' ' || kind from location order by id").await;
    assert_eq!(known, ["main main warehouse", "north north store"]);
    shop.end().await;
}
