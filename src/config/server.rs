//! `[server]`: where the daemon listens, and what it proves itself with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::keys::{SERVER_LISTEN, SERVER_PUBLIC_URL, SERVER_TLS_CERTIFICATE, SERVER_TLS_KEY};
use super::{Reader, keys};

/// Where the server listens when nothing is said: on this machine only.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8700);

/// `[server]`: how the daemon is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// The base of the URLs that others are given, without a slash at its end.
    pub public_url: Option<String>,
    /// What it speaks HTTPS with; plain HTTP without.
    pub tls: Option<TlsConfig>,
}

/// The files of a certificate; both are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate, followed by those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key, without a passphrase.
    pub key: PathBuf,
}

impl Reader<'_> {
    pub(super) fn server(&mut self, directory: &Path) -> ServerConfig {
        let listen = self.read(&SERVER_LISTEN.path(), |value| listen(value.text()?));
        let public_url = self.read(&SERVER_PUBLIC_URL.path(), |value| public_url(value.text()?));
        let tls = self.tls(directory);
        ServerConfig { listen: listen.unwrap_or(LISTEN), public_url, tls }
    }

    /// Both files or none: with one of them the daemon would speak plain HTTP where
    /// somebody believes that it does not.
    fn tls(&mut self, directory: &Path) -> Option<TlsConfig> {
        let paths = [SERVER_TLS_CERTIFICATE.path(), SERVER_TLS_KEY.path()];
        let given = paths.each_ref().map(|path| self.settings.get(path).is_some());
        let [certificate, key] =
            paths.each_ref().map(|path| self.read(path, |value| file(value.text()?, directory)));
        let [certificate_path, key_path] = &paths;
        match (given, &certificate, &key) {
            ([true, false], Some(_), _) => self.only_one(certificate_path, SERVER_TLS_KEY),
            ([false, true], _, Some(_)) => self.only_one(key_path, SERVER_TLS_CERTIFICATE),
            _ => {}
        }
        Some(TlsConfig { certificate: certificate?, key: key? })
    }

    fn only_one(&mut self, path: &keys::Path, other: keys::Key) {
        if let Some(given) = self.settings.get(path) {
            let message = format!("needs {} too", other.path());
            self.problems.push(given.problem(path, message));
        }
    }
}

fn file(text: &str, directory: &Path) -> Result<PathBuf, String> {
    match text.strip_prefix("file:") {
        None | Some("") => Err("expected file:PATH, a file in PEM".to_owned()),
        Some(path) => Ok(directory.join(path)),
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_unparsable| {
        "expected ADDRESS:PORT in numbers, as 127.0.0.1:8700, 0.0.0.0:8700 or [::]:8700".to_owned()
    })
}

pub(super) fn public_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let odd = |c: char| matches!(c, '?' | '#' | '@') || c.is_whitespace() || c.is_control();
    if host.is_empty() || host.starts_with(':') || text.contains(odd) {
        return Err("expected https://HOST or http://HOST, with a port and a path if needed, \
                    without login, ? and #"
            .to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}
