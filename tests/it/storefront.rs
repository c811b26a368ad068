//! The example page in a real browser, set up as the README says: live stock while other
//! processes write, a daemon that is killed, and an order that is placed once.

mod browser;

use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use fantoccini::Locator;
use serde_json::Value;
use tokio::task::JoinSet;

use self::browser::Browser;

/// Where the README has the daemon, and where it has the page.
const DAEMON: &str = "127.0.0.1:8700";
const PAGE: &str = "127.0.0.1:8000";
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The shop of the page: a folder, and a daemon that comes and goes at one address.
struct Shop {
    dir: tempfile::TempDir,
    daemon: Option<Child>,
    address: String,
}

impl Shop {
    /// Set up as the README says, for a page at an address; with the key it made.
    fn new(page: &str) -> (Self, String) {
        let text = include_str!("../../README.md");
        let (_, block) = text.split_once("<!-- The page's test runs the next block. -->").unwrap();
        let (block, _) = block.split_once("```sh\n").unwrap().1.split_once("```").unwrap();
        assert!(block.contains(PAGE), "{block}");
        let dir = tempfile::tempdir().unwrap();
        symlink(EXAMPLES, dir.path().join("examples")).unwrap();
        let shop = Self { dir, daemon: None, address: format!("127.0.0.1:{}", free_port()) };
        let script = format!("set -euo pipefail\n{}", block.replace(PAGE, page));
        let mut command = Self::process("bash", shop.dir.path());
        let said = output(command.args(["-c", &script]));
        let key = said.split_whitespace().rfind(|word| word.starts_with("inv_"));
        (shop, key.unwrap().to_owned())
    }

    /// A program beside ours, with no setting of ours.
    fn process(program: &str, dir: &Path) -> Process {
        let ours = Path::new(env!("CARGO_BIN_EXE_invshop")).parent().unwrap();
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let paths = [ours.to_owned()].into_iter().chain(std::env::split_paths(&paths));
        let mut command = Process::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("INVSHOP") {
                command.env_remove(name);
            }
        }
        command.env("PATH", std::env::join_paths(paths).unwrap());
        command.current_dir(dir).stdin(Stdio::null());
        command
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("page")
    }

    /// What a command says.
    fn invshop(&self, words: &[&str]) -> String {
        output(Self::process(env!("CARGO_BIN_EXE_invshop"), &self.path()).args(words))
    }

    /// Every order there is, as its status.
    fn orders(&self) -> Vec<(String, String)> {
        let said: Value =
            serde_json::from_str(&self.invshop(&["order", "list", "--json"])).unwrap();
        let text = |order: &Value, name: &str| order[name].as_str().unwrap().to_owned();
        let orders = said["data"].as_array().unwrap();
        orders.iter().map(|one| (text(one, "order_id"), text(one, "status"))).collect()
    }

    /// Starts the daemon, where it was before.
    fn start(&mut self) {
        let mut command = Self::process(env!("CARGO_BIN_EXE_invshopd"), &self.path());
        command.env("INVSHOP__SERVER__LISTEN", &self.address).stderr(Stdio::null());
        self.daemon = Some(command.spawn().unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().ok();
            daemon.wait().ok();
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.kill();
    }
}

fn output(command: &mut Process) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Serves the page, which looks for its daemon at an address of this test.
fn serve_page(listener: TcpListener, daemon: String) -> JoinSet<()> {
    let file = async move |uri: Uri| -> Response {
        let name = uri.path().trim_start_matches('/');
        let name = if name.is_empty() { "index.html" } else { name };
        let kind = match Path::new(name).extension().and_then(|end| end.to_str()) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css",
            Some("js") => "text/javascript",
            _ => return StatusCode::NOT_FOUND.into_response(),
        };
        let text = std::fs::read_to_string(format!("{EXAMPLES}/storefront/{name}")).unwrap();
        ([(header::CONTENT_TYPE, kind)], text.replace(DAEMON, &daemon)).into_response()
    };
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async { axum::serve(listener, Router::new().fallback(file)).await.unwrap() });
    serving
}

const MUG: &str = "tr[data-sku='MUG-GRY-300']";
const MUGS: &str = "tr[data-sku='MUG-GRY-300'] .available";
/// A pot and four of the mugs.
const SETS: &str = "tr[data-sku='SET-TEA-GRY'] .available";

/// What the ledger would promise.
fn promised(shop: &Shop, sku: &str) -> i64 {
    let said = shop.invshop(&["stock", "show", sku, "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    said["available_to_promise"].as_i64().unwrap()
}

/// A change by another process is shown, and what it makes of a set.
async fn hears_of_stock(browser: &Browser, shop: &Shop) {
    let mugs = promised(shop, "MUG-GRY-300");
    browser.until(MUGS, &mugs.to_string()).await;
    shop.invshop(&["stock", "receive", "MUG-GRY-300", "1000"]);
    let took = browser.until(MUGS, &(mugs + 1_000).to_string()).await;
    println!("shown {took:?} after the command ended");
    shop.invshop(&["stock", "count", "MUG-GRY-300", "22"]);
    browser.until(MUGS, "22").await;
    assert_eq!(promised(shop, "SET-TEA-GRY"), 5);
    browser.until(SETS, "5").await;
}

/// What happened while no daemon was there is shown when it is back, and an order that
/// nobody answered is placed once.
async fn survives_a_restart(browser: &Browser, shop: &mut Shop) {
    browser.click(&format!("{MUG} button")).await;
    shop.kill();
    browser.until("#state", "Not live").await;
    browser.click("#place").await;
    browser.until("#refusal", "No answer yet").await;
    shop.invshop(&["stock", "receive", "MUG-GRY-300", "7"]);
    shop.start();
    browser.until(MUGS, "28").await;
    browser.until("#orders", "open: 1 × MUG-GRY-300").await;
    browser.until("#state", "Live").await;
    let orders = shop.orders();
    assert_eq!(orders.len(), 1, "{orders:?}");
    let (_, id) = orders[0].0.split_once(':').unwrap();
    assert!(browser.text("#orders").await.unwrap().contains(id), "{orders:?}");
    shop.invshop(&["order", "ship", &orders[0].0]);
    browser.until("#orders", "shipped: 1 × MUG-GRY-300").await;
}

/// Too much is refused with what there is, and nothing is ordered.
async fn orders_no_more_than_there_is(browser: &Browser, shop: &Shop) {
    browser.click(&format!("{MUG} button")).await;
    browser.fill("#lines input", "500").await;
    browser.click("#place").await;
    browser.until("#refusal", "There is too little; nothing was ordered.").await;
    browser.until("#lines", "500 asked for, 28 available").await;
    assert_eq!(shop.orders().len(), 1);
    browser.fill("#lines input", "28").await;
    browser.click("#place").await;
    browser.until("#orders", "open: 28 × MUG-GRY-300").await;
    browser.until(MUGS, "0").await;
    assert_eq!(shop.orders().len(), 2);
}

async fn walk(browser: &Browser, listener: TcpListener) {
    let page = listener.local_addr().unwrap().to_string();
    let (mut shop, key) = Shop::new(&page);
    shop.start();
    let serving = serve_page(listener, shop.address.clone());
    browser.client.goto(&format!("http://{page}/")).await.unwrap();
    let (id, secret) = key.strip_prefix("inv_").unwrap().split_once('_').unwrap();
    browser.fill("#key-id", id).await;
    browser.fill("#secret", &secret.chars().rev().collect::<String>()).await;
    browser.click("#enter button").await;
    browser.until("#wrong", "the client is not known, its secret is wrong").await;
    browser.fill("#secret", secret).await;
    browser.click("#enter button").await;
    browser.until("#state", "Live").await;
    // Four pages of the list.
    let rows = browser.client.find_all(Locator::Css("#items tr")).await.unwrap();
    assert_eq!(rows.len(), 308);
    hears_of_stock(browser, &shop).await;
    survives_a_restart(browser, &mut shop).await;
    orders_no_more_than_there_is(browser, &shop).await;
    shop.invshop(&["db", "verify"]);
    drop((shop, serving));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_live_stock_and_places_orders_across_a_restart() {
    let Some(browser) = Browser::start().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    walk(&browser, listener).await;
}
