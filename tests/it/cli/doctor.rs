//! `doctor` beside a daemon, and what it says of files that are too open.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use invshop::store::DaemonLock;
use serde_json::Value;

use super::{Cli, both_shops};
use crate::harness::Backend;

/// A check by its name.
fn check(said: &Value, name: &str) -> (String, String) {
    let checks = said["data"].as_array().unwrap();
    let check = checks.iter().find(|check| check["check"] == name);
    let check = check.unwrap_or_else(|| panic!("no check {name}: {said}"));
    let text = |key: &str| check[key].as_str().unwrap().to_owned();
    (text("state"), text("detail"))
}

#[tokio::test]
async fn a_daemon_on_the_file_is_named() {
    let cli = Cli::new(Backend::Sqlite).await;
    let file = cli.path().join("invshop.db");
    let (state, detail) = check(&cli.json(&["doctor"]), "daemon");
    assert_eq!((state.as_str(), detail.as_str()), ("ok", "none runs on this file"));
    let lock = DaemonLock::take(&file).unwrap();
    let (state, detail) = check(&cli.json(&["doctor"]), "daemon");
    let named = format!("runs as process {}", std::process::id());
    assert_eq!((state.as_str(), detail), ("ok", named));
    drop(lock);
    cli.end().await;
}

#[tokio::test]
async fn files_are_private_and_open_ones_are_told() {
    let cli = Cli::new(Backend::Sqlite).await;
    for entry in fs::read_dir(cli.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        if name.starts_with("invshop.db") {
            assert_eq!(mode, 0o600, "{name}");
        }
    }
    let file = cli.path().join("invshop.db");
    assert_eq!(check(&cli.json(&["doctor"]), "permissions").0, "ok");
    for (mode, may) in [(0o604, "read"), (0o606, "write")] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let (state, detail) = check(&cli.json(&["doctor"]), "permissions");
        assert_eq!(state, "warn");
        assert!(detail.ends_with(&format!("everybody may {may} it")), "{detail}");
    }
    cli.end().await;
}

both_shops!(clocks_and_jobs_are_looked_at, |cli| {
    let said = cli.json(&["doctor"]);
    assert_eq!(check(&said, "jobs"), ("ok".to_owned(), "none has run yet".to_owned()));
    assert_eq!(check(&said, "clock").0, "ok");
    let server = cli.database.as_ref().map(|_| check(&said, "server clock").0);
    assert_eq!(server.as_deref(), cli.database.as_ref().map(|_| "ok"));
});

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_told() {
    let cli = Cli::new(Backend::Sqlite).await;
    let settings = "[server]\ntls_certificate = \"file:tls.crt\"\ntls_key = \"file:tls.key\"\n";
    fs::write(cli.path().join("invshop.toml"), settings).unwrap();
    let said = cli.say(&["--json", "doctor"]).json();
    let (state, detail) = check(&said, "certificate");
    assert_eq!(state, "fail");
    assert!(detail.contains("tls.crt cannot be read"), "{detail}");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(cli.path().join("tls.crt"), made.cert.pem()).unwrap();
    let key = cli.path().join("tls.key");
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o604)).unwrap();
    let (state, detail) = check(&cli.json(&["doctor"]), "certificate");
    assert_eq!(state, "warn");
    assert!(detail.ends_with("tls.key has mode 0604: everybody may use it"), "{detail}");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(check(&cli.json(&["doctor"]), "certificate").0, "ok");
    cli.end().await;
}
