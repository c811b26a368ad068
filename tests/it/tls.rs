//! HTTPS by the daemon itself: what is proven, how a certificate is renewed, and what does
//! not work is said before anything starts.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use reqwest::Certificate;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use crate::daemon::Daemon;
use crate::harness::{Backend, TestShop};

/// How long a new certificate may take to be served.
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate that only itself vouches for.
fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

/// Where the daemon of a shop has its certificate and key.
fn files(shop: &TestShop) -> (PathBuf, PathBuf) {
    (shop.dir().join("tls.crt"), shop.dir().join("tls.key"))
}

fn write(shop: &TestShop, certificate: &CertifiedKey<KeyPair>) {
    let (file, key) = files(shop);
    std::fs::write(file, certificate.cert.pem()).unwrap();
    std::fs::write(key, certificate.signing_key.serialize_pem()).unwrap();
}

const SETTINGS: [(&str, &str); 2] = [
    ("INVSHOP__SERVER__TLS_CERTIFICATE", "file:tls.crt"),
    ("INVSHOP__SERVER__TLS_KEY", "file:tls.key"),
];

/// Whether somebody who trusts this certificate alone is answered, over a connection of
/// his own.
async fn answers(daemon: &Daemon, trusted: &CertifiedKey<KeyPair>) -> bool {
    let root = Certificate::from_pem(trusted.cert.pem().as_bytes()).unwrap();
    let client = crate::harness::http().tls_certs_only([root]).timeout(PATIENCE).build().unwrap();
    let url = format!("{}/readyz", daemon.base().replace("http://", "https://"));
    match client.get(url).send().await {
        Ok(answer) => answer.status() == 200,
        Err(_) => false,
    }
}

#[tokio::test]
async fn the_daemon_speaks_https_and_takes_over_a_renewed_certificate() {
    let shop = TestShop::new(Backend::Sqlite).await;
    let (first, second) = (certificate(), certificate());
    write(&shop, &first);
    let daemon = Daemon::start_with(&shop, &SETTINGS);
    assert!(answers(&daemon, &first).await);
    assert!(!answers(&daemon, &second).await, "a stranger's certificate is not believed");
    let plain = crate::harness::http().timeout(PATIENCE).build().unwrap();
    let plain = plain.get(format!("{}/readyz", daemon.base())).send().await;
    assert!(plain.is_err(), "nothing is served in the clear: {plain:?}");

    write(&shop, &second);
    daemon.signal("-HUP");
    let began = Instant::now();
    while !answers(&daemon, &second).await {
        assert!(began.elapsed() < PATIENCE, "the new certificate is not served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!answers(&daemon, &first).await);

    // Somebody who connected and says nothing does not hold up the end.
    let silent = TcpStream::connect(daemon.base().trim_start_matches("http://")).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    daemon.signal("-TERM");
    assert!(daemon.wait().success());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop(silent);
    shop.end().await;
}

// What was asked for before the end is answered, over TLS as without.
#[tokio::test]
async fn a_request_under_way_is_answered_when_the_daemon_ends() {
    let shop = TestShop::new(Backend::Sqlite).await;
    let ours = certificate();
    write(&shop, &ours);
    shop.item("MUG", 3).await;
    let token = crate::daemon::key(&shop).await;
    let daemon = Daemon::start_with(&shop, &SETTINGS);
    let mut roots = RootCertStore::empty();
    roots.add(ours.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider);
    let client = client.with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let address = daemon.base().trim_start_matches("http://").to_owned();
    let stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let mut stream = connector.connect(name, stream).await.unwrap();
    let body = r#"{"order_id":"A","lines":[{"sku":"MUG","quantity":1}]}"#;
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body.as_bytes()[..5]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    daemon.signal("-TERM");
    tokio::time::sleep(Duration::from_millis(300)).await;
    stream.write_all(&body.as_bytes()[5..]).await.unwrap();
    let mut answer = Vec::new();
    // The daemon may close without a last word of TLS.
    stream.read_to_end(&mut answer).await.ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(daemon.wait().success());
    shop.end().await;
}

#[tokio::test]
async fn check_says_what_is_wrong_with_a_certificate() {
    let shop = TestShop::new(Backend::Sqlite).await;
    let check = |settings: &[(&str, &str)]| {
        let output = Process::new(env!("CARGO_BIN_EXE_invshopd"))
            .arg("--check")
            .current_dir(shop.dir())
            .env("INVSHOP__DATABASE__URL", "sqlite:shop.db")
            .env("INVSHOP__DATABASE__KEY", format!("file:{}", shop.key_path().display()))
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let wrong = |settings: &[(&str, &str)], words: &[&str]| {
        let (code, said) = check(settings);
        assert_eq!(code, Some(2), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    wrong(&SETTINGS, &["tls.crt", "No such file"]);
    wrong(&SETTINGS[..1], &["server.tls_certificate", "needs server.tls_key too"]);
    wrong(&SETTINGS[1..], &["server.tls_key", "needs server.tls_certificate too"]);

    let (file, key) = files(&shop);
    let (ours, other) = (certificate(), certificate());
    write(&shop, &ours);
    assert_eq!(check(&SETTINGS), (Some(0), String::new()));
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    wrong(&SETTINGS, &["tls.crt", "tls.key", "cannot be used together"]);
    std::fs::write(&key, "no key\n").unwrap();
    wrong(&SETTINGS, &["tls.key holds no private key"]);
    std::fs::write(&file, "").unwrap();
    wrong(&SETTINGS, &["tls.crt holds no certificate"]);
    shop.end().await;
}
