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
use serde_json::{Value, json};
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

/// How many of a mug stand in the basket, and how many sets.
const BASKET: &str = "return [...document.querySelectorAll('#lines li')]
    .map((line) => `${line.dataset.sku}: ${line.querySelector('input').value}`).join();";

/// The answer to an order is lost and the page loaded again: the same order is sent again.
async fn places_once_what_it_sent_before_it_was_loaded_again(browser: &Browser, page: &Page) {
    let shop = &page.shop;
    shop.invshop(&["stock", "receive", "MUG-GRY-300", "9"]);
    browser.until(MUGS, "9").await;
    let lose = "const ask = window.fetch;
        window.fetch = async (url, options) => {
          const answer = await ask(url, options);
          if (options.method === 'POST' && url.endsWith('/v1/orders')) throw new TypeError('lost');
          return answer;
        };";
    browser.run(lose).await;
    browser.click(&format!("{MUG} button")).await;
    browser.click("#place").await;
    browser.until("#refusal", "No answer yet").await;
    assert_eq!(shop.orders().len(), 3);
    page.open(browser).await;
    page.connect(browser).await;
    browser.until("#orders", "open: 1 × MUG-GRY-300").await;
    assert_eq!(browser.run(BASKET).await, "");
    assert_eq!(shop.orders().len(), 3, "it was placed twice");
}

/// What comes into the basket while an order is sent is there when it is answered.
async fn keeps_in_the_basket_what_was_not_sent(browser: &Browser) {
    let hold = "const ask = window.fetch;
        const answered = new Promise((go) => { window.go = go; });
        window.fetch = async (url, options) => {
          const answer = await ask(url, options);
          if (options.method === 'POST' && url.endsWith('/v1/orders')) await answered;
          return answer;
        };";
    browser.run(hold).await;
    browser.click(&format!("{MUG} button")).await;
    browser.click(&format!("{MUG} button")).await;
    browser.click("#place").await;
    browser.click(&format!("{MUG} button")).await;
    browser.click("tr[data-sku='SET-TEA-GRY'] button").await;
    assert_eq!(browser.run(BASKET).await, "MUG-GRY-300: 3,SET-TEA-GRY: 1");
    browser.run("window.go();").await;
    browser.until("#orders", "open: 2 × MUG-GRY-300").await;
    assert_eq!(browser.run(BASKET).await, "MUG-GRY-300: 1,SET-TEA-GRY: 1");
}

/// Answers that overtake each other: what is known never goes back.
async fn takes_nothing_back_for_an_older_answer(browser: &Browser) {
    let script = "return import('/stock.js').then(({ Stock }) => {
        const stock = new Stock();
        const read = (sku, version, available, level) => ({
          sku, version, title: `version ${version}`, price: null, available_to_promise: available,
          levels: [{ location: 'main', available_to_promise: available, version: level }],
        });
        const told = (sku, available, version) => stock.apply({
          type: 'stock.received', subject: { sku, location: 'main' },
          data: { available_to_promise: available, version },
        });
        stock.put(read('MUG', 2, 5, 7), 10);
        told('MUG', 6, 8);
        // Read before the event: its title is as new, its level is not.
        const older = stock.put(read('MUG', 2, 5, 7), 10).available;
        // Read before the catalogue changed.
        const title = stock.put(read('MUG', 1, 4, 6), 10).title;
        // The levels of a bundle have no version.
        stock.put(read('SET', 1, 2, 0), 10);
        const set = stock.put(read('SET', 1, 3, 0), 9).available;
        const next = stock.put(read('SET', 1, 1, 0), 11).available;
        // One that is not here yet, and is read while something happens to it.
        const before = told('NEW', 1, 1).toRead;
        const ends = stock.awaits(['NEW']);
        const meanwhile = told('NEW', 2, 2).toRead;
        ends();
        const after = told('NEW', 3, 3).toRead;
        return { older, title, set, next, before, meanwhile, after };
      });";
    let expected = json!({
        "older": 6, "title": "version 2", "set": 2, "next": 1,
        "before": ["SET"], "meanwhile": ["NEW", "SET"], "after": ["SET"],
    });
    assert_eq!(browser.run(script).await, expected);
}

/// Connects twice before the first is answered, and listens once.
async fn listens_once(browser: &Browser, page: &Page) {
    let count = "const ask = window.fetch;
        window.streams = [];
        window.fetch = (url, options) => {
          if (url.includes('/v1/events')) window.streams.push(options.signal);
          return ask(url, options);
        };";
    browser.run(count).await;
    page.fill(browser).await;
    let twice = "const secret = document.getElementById('secret');
        const { value } = secret;
        secret.form.requestSubmit();
        secret.value = value;
        secret.form.requestSubmit();";
    browser.run(twice).await;
    browser.until("#state", "Live").await;
    let left = "return window.streams.filter((signal) => !signal.aborted).length;";
    assert_eq!(browser.run(left).await, 1);
}

/// While the list is loaded nothing is live, also where events come again meanwhile.
async fn is_live_once_it_is_loaded(browser: &Browser, page: &Page) {
    page.open(browser).await;
    let hold = "const ask = window.fetch;
        const loaded = new Promise((go) => { window.go = go; });
        window.fetch = async (url, options) => {
          if (url.includes('/v1/inventory?')) await loaded;
          if (!url.includes('/v1/events')) return ask(url, options);
          const gone = new AbortController();
          window.cut = () => gone.abort();
          return ask(url, { ...options, signal: AbortSignal.any([options.signal, gone.signal]) });
        };";
    browser.run(hold).await;
    page.fill(browser).await;
    browser.click("#enter button").await;
    browser.until("#state", "Loading").await;
    browser.run("window.cut();").await;
    browser.until("#state", "Not live").await;
    browser.until("#state", "Loading").await;
    browser.run("window.go();").await;
    browser.until("#state", "Live").await;
}

/// The page with its shop, and the key it was set up with.
struct Page {
    shop: Shop,
    address: String,
    key: String,
}

impl Page {
    async fn open(&self, browser: &Browser) {
        browser.client.goto(&format!("http://{}/", self.address)).await.unwrap();
    }

    /// The key's id and its secret.
    fn key(&self) -> (&str, &str) {
        self.key.strip_prefix("inv_").unwrap().split_once('_').unwrap()
    }

    async fn fill(&self, browser: &Browser) {
        let (id, secret) = self.key();
        browser.fill("#key-id", id).await;
        browser.fill("#secret", secret).await;
    }

    async fn connect(&self, browser: &Browser) {
        self.fill(browser).await;
        browser.click("#enter button").await;
        browser.until("#state", "Live").await;
    }
}

async fn walk(browser: &Browser, listener: TcpListener) {
    let address = listener.local_addr().unwrap().to_string();
    let (mut shop, key) = Shop::new(&address);
    shop.start();
    let serving = serve_page(listener, shop.address.clone());
    let mut page = Page { shop, address, key };
    page.open(browser).await;
    let (id, secret) = page.key();
    browser.fill("#key-id", id).await;
    browser.fill("#secret", &secret.chars().rev().collect::<String>()).await;
    browser.click("#enter button").await;
    browser.until("#wrong", "the client is not known, its secret is wrong").await;
    listens_once(browser, &page).await;
    // Four pages of the list.
    let rows = browser.client.find_all(Locator::Css("#items tr")).await.unwrap();
    assert_eq!(rows.len(), 308);
    hears_of_stock(browser, &page.shop).await;
    survives_a_restart(browser, &mut page.shop).await;
    orders_no_more_than_there_is(browser, &page.shop).await;
    places_once_what_it_sent_before_it_was_loaded_again(browser, &page).await;
    keeps_in_the_basket_what_was_not_sent(browser).await;
    takes_nothing_back_for_an_older_answer(browser).await;
    is_live_once_it_is_loaded(browser, &page).await;
    page.shop.invshop(&["db", "verify"]);
    drop((page, serving));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_live_stock_and_places_orders_across_a_restart() {
    let Some(browser) = Browser::start().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    walk(&browser, listener).await;
}
