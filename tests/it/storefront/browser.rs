//! A real browser, and what drives it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// How long anything may take that is waited for: a busy machine is slow.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the driver may take to end its browsers before it is killed with them.
const END_MAX: Duration = Duration::from_secs(5);

/// What drives browsers. Its end is theirs, however the test ends.
struct Driver {
    child: Child,
    /// Where it listens, once it does.
    port: Option<u16>,
}

impl Driver {
    /// Starts it; `None` where there is none, which CI has.
    fn start() -> Option<Self> {
        let mut driver = Process::new("chromedriver");
        driver.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Its browsers are of its group: the group is ended where it does not end them itself.
        let Ok(child) = driver.process_group(0).spawn() else {
            assert!(std::env::var_os("INVSHOP_CI").is_none(), "no Chromium: run scripts/test");
            println!("SKIPPED: no Chromium (run scripts/test)");
            return None;
        };
        let mut driver = Self { child, port: None };
        let mut lines = BufReader::new(driver.child.stdout.take().unwrap()).lines();
        while driver.port.is_none() {
            let line = lines.next().expect("chromedriver did not start").unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                driver.port = Some(port.trim_end_matches('.').parse().unwrap());
            }
        }
        Some(driver)
    }

    /// Has it end its browsers, which takes their files away, and itself.
    fn shut_down(&mut self) -> std::io::Result<()> {
        let Some(port) = self.port else { return Ok(()) };
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(END_MAX))?;
        let request = "GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut Vec::new())?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() && asked.elapsed() < END_MAX {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shut_down().ok();
        let group = format!("-{}", self.child.id());
        Process::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().ok();
        self.child.wait().ok();
    }
}

/// A browser of its own.
pub(super) struct Browser {
    pub(super) client: Client,
    _driver: Driver,
}

impl Browser {
    /// Starts it; `None` where there is none.
    pub(super) async fn start() -> Option<Self> {
        let driver = Driver::start()?;
        // As root it runs without its sandbox: the only page that it sees is ours.
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-proxy-server",
        ];
        let options = json!({ "goog:chromeOptions": { "args": args } });
        let connected = ClientBuilder::new(HttpConnector::new())
            .capabilities(options.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{}", driver.port.unwrap()))
            .await;
        Some(Self { client: connected.unwrap(), _driver: driver })
    }

    /// What an element says; nothing while there is none.
    pub(super) async fn text(&self, css: &str) -> Option<String> {
        self.client.find(Locator::Css(css)).await.ok()?.text().await.ok()
    }

    /// Waits until an element says what is wanted; how long that took.
    pub(super) async fn until(&self, css: &str, wanted: &str) -> Duration {
        let began = Instant::now();
        loop {
            let text = self.text(css).await;
            if text.as_deref().is_some_and(|text| text.contains(wanted)) {
                return began.elapsed();
            }
            assert!(began.elapsed() < PATIENCE, "{css} does not say '{wanted}' but {text:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn click(&self, css: &str) {
        self.client.find(Locator::Css(css)).await.unwrap().click().await.unwrap();
    }

    pub(super) async fn fill(&self, css: &str, text: &str) {
        let input = self.client.find(Locator::Css(css)).await.unwrap();
        input.clear().await.unwrap();
        input.send_keys(text).await.unwrap();
    }

    /// Runs a script in the page; what it returns, or what it promises.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }
}
