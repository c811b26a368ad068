//! `[server]`: where the daemon listens, and what it proves itself with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::channel::texts;
use super::keys::{
    SERVER_CORS_ORIGINS, SERVER_LISTEN, SERVER_PUBLIC_URL, SERVER_TLS_CERTIFICATE, SERVER_TLS_KEY,
    SERVER_TRUSTED_PROXIES,
};
use super::{Reader, Value, keys};

/// Where the server listens when nothing is said: on this machine only.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8700);

/// `[server]`: how the daemon is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// The base of the URLs that others are given, without a slash at its end.
    pub public_url: Option<String>,
    /// What it speaks HTTPS with; plain HTTP without.
    pub tls: Option<TlsConfig>,
    /// Who is believed when it says whom it asks for; where nothing is said, this machine.
    pub trusted_proxies: Vec<IpNet>,
    /// Whose pages may ask from a browser: `https://HOST`, without a path.
    pub cors_origins: Vec<String>,
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
        let trusted = self.read(&SERVER_TRUSTED_PROXIES.path(), |value| networks(&list(value)?));
        let origins = self.read(&SERVER_CORS_ORIGINS.path(), |value| origins(list(value)?));
        ServerConfig {
            listen: listen.unwrap_or(LISTEN),
            public_url,
            tls,
            trusted_proxies: trusted.unwrap_or_else(loopback),
            cors_origins: origins.unwrap_or_default(),
        }
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

/// A proxy on the same machine: whoever else is there may as well ask for itself.
fn loopback() -> Vec<IpNet> {
    [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)].map(IpNet::from).into()
}

/// From the environment, where there are no lists, with commas between them.
fn list(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Untyped(text) => Ok(text.split(',').map(|one| one.trim().to_owned()).collect()),
        given => texts(given),
    }
}

/// Origins as browsers write them; nothing stands for all of them.
fn origins(texts: Vec<String>) -> Result<Vec<String>, String> {
    for text in &texts {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_origin = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '*']));
        if !is_origin || public_url(text).is_err() {
            return Err(format!(
                "{text:?} is no origin: expected https://HOST or http://HOST, with a port if needed"
            ));
        }
    }
    Ok(texts)
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>, String> {
    let network = |text: &String| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
            format!("{text:?} is no address: expected one as 10.0.0.7, or a network as 10.0.0.0/8")
        })
    };
    texts.iter().map(network).collect()
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
