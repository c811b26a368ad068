//! Behind a real nginx that ends TLS, with the configuration that operators install: who asks
//! is known, and what happens is heard at once.

use std::net::{IpAddr, TcpListener};
use std::process::Command as Process;
use std::time::{Duration, Instant};

use invshop::writer::Command;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use reqwest::{Certificate, StatusCode};

use crate::daemon::{Daemon, key};
use crate::events::listener::{PATIENCE, Sse};
use crate::harness::{Backend, TestShop, http, place};
use crate::nodes::Nginx;

/// How long an event may take that nobody holds back: what nginx buffers is kept for good.
const AT_ONCE: Duration = Duration::from_secs(10);
/// What one address may ask for at once here.
const BURST: usize = 20;

/// A daemon behind nginx.
struct Proxied {
    shop: TestShop,
    daemon: Daemon,
    nginx: Nginx,
    trusted: Certificate,
    key: String,
}

impl Proxied {
    /// Starts them; `None` where there is no nginx.
    async fn start() -> Option<Self> {
        let shop = TestShop::new(Backend::Sqlite).await;
        shop.item("MUG", 50).await;
        let key = key(&shop).await;
        let burst = BURST.to_string();
        let daemon = Daemon::start_with(
            &shop,
            &[
                ("INVSHOP__RATE_LIMIT__ADDRESS_PER_SECOND", "1"),
                ("INVSHOP__RATE_LIMIT__ADDRESS_BURST", &burst),
            ],
        );
        let CertifiedKey { cert, signing_key }: CertifiedKey<KeyPair> =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let file = |name: &str| shop.dir().join(name).display().to_string();
        std::fs::write(file("stock.crt"), cert.pem()).unwrap();
        std::fs::write(file("stock.key"), signing_key.serialize_pem()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = format!("https://127.0.0.1:{port}");
        let site = include_str!("../../deploy/nginx-tls.conf")
            .replace("127.0.0.1:8443", &format!("127.0.0.1:{port}"))
            .replace("127.0.0.1:8700", daemon.base().strip_prefix("http://").unwrap())
            .replace("/etc/nginx/tls/stock.crt", &file("stock.crt"))
            .replace("/etc/nginx/tls/stock.key", &file("stock.key"));
        let nginx = Nginx::serve(shop.dir(), &site, base)?;
        let trusted = Certificate::from_pem(cert.pem().as_bytes()).unwrap();
        let proxied = Self { shop, daemon, nginx, trusted, key };
        proxied.nginx.ready_for(&proxied.client("127.0.0.1")).await;
        Some(proxied)
    }

    /// Somebody who asks from an address of this machine and knows the proxy.
    fn client(&self, address: &str) -> reqwest::Client {
        let address: IpAddr = address.parse().unwrap();
        let client = http().tls_certs_only([self.trusted.clone()]).local_address(address);
        client.timeout(Duration::from_mins(1)).build().unwrap()
    }

    fn get(&self, client: &reqwest::Client, path: &str) -> reqwest::RequestBuilder {
        client.get(format!("{}{path}", self.nginx.base())).bearer_auth(&self.key)
    }

    async fn end(self) {
        self.daemon.signal("-TERM");
        assert!(self.daemon.wait().success());
        drop(self.nginx);
        self.shop.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_through_nginx_is_limited_and_written_down_by_its_own_address() {
    let Some(proxied) = Proxied::start().await else { return };
    let (greedy, modest) = (proxied.client("127.0.0.2"), proxied.client("127.0.0.3"));
    let ask = async |client: &reqwest::Client, made_up: &str| {
        let request = proxied.get(client, "/v1/inventory/MUG");
        let response = request.header("x-forwarded-for", made_up).send().await.unwrap();
        assert_eq!(response.version(), reqwest::Version::HTTP_2);
        assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
        response.status()
    };
    let began = Instant::now();
    let mut granted = 0;
    // What it makes up of itself, or of others, is no way around.
    let made_up = |number: usize| match number % 2 {
        0 => format!("203.0.113.{number}"),
        _ => "127.0.0.3".to_owned(),
    };
    let refused = loop {
        let status = ask(&greedy, &made_up(granted)).await;
        if status != StatusCode::OK {
            break status;
        }
        granted += 1;
        let flowed_in = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
        assert!(granted <= BURST + flowed_in, "{granted} of {BURST}");
        assert!(began.elapsed() < PATIENCE, "it is not refused at all");
    };
    assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS);
    assert!(granted >= BURST, "{granted} of {BURST}");
    assert_eq!(ask(&modest, "127.0.0.2").await, StatusCode::OK);
    let prefix = proxied.key.split('_').nth(1).unwrap();
    let wrong = format!("inv_{prefix}_{}", "b".repeat(32));
    let guess = modest.get(format!("{}/v1/orders", proxied.nginx.base())).bearer_auth(wrong);
    assert_eq!(guess.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let numbers = proxied.get(&modest, "/metrics").send().await.unwrap();
    assert_eq!(numbers.status(), StatusCode::NOT_FOUND, "numbers are for those inside");

    // Its end writes down who was refused.
    let Proxied { shop, daemon, nginx, .. } = proxied;
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
    let report = ["report", "audit", "--from", "2026-03-01", "--to", "2035-12-31", "--json"];
    let said = Process::new(env!("CARGO_BIN_EXE_invshop"))
        .args(report)
        .current_dir(shop.dir())
        .env("INVSHOP__DATABASE__URL", "sqlite:shop.db")
        .env("INVSHOP__DATABASE__KEY", format!("file:{}", shop.key_path().display()))
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("auth.refused") && said.contains("127.0.0.3"), "{said}");
    assert!(!said.contains("203.0.113."), "{said}");
    drop(nginx);
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_heard_at_once_through_nginx() {
    let Some(proxied) = Proxied::start().await else { return };
    let client = proxied.client("127.0.0.2");
    let response = proxied.get(&client, "/v1/events?types=stock.*").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut sse = Sse::of(response);
    for id in ["1", "2", "3"] {
        let began = Instant::now();
        proxied.shop.run(Command::Place(place(id, &[("MUG", 1)]))).await.unwrap();
        // One alone fills no buffer.
        assert_eq!(sse.event().await["type"], "stock.reserved");
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        println!("heard {:?} after it was begun", began.elapsed());
    }
    drop(sse);
    proxied.end().await;
}
