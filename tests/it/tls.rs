//! HTTPS by the daemon itself: what is proven, how a certificate is renewed, and what does
//! not work is said before anything starts.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use reqwest::Certificate;

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
