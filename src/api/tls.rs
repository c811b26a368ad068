//! The certificate the daemon proves itself with: read from its files, checked, and taken
//! over again when they change, so that one that is renewed every few weeks needs nobody
//! and no restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::config::TlsConfig;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Longer than any chain of certificates, in bytes.
const FILE_BYTES_MAX: usize = 256 * 1024;
/// How long the two sides may take to agree.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file has not what it should.
    #[error("{} holds no {wanted} in PEM", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// The two do not work, mostly because the key is another certificate's.
    #[error("{} and {} cannot be used together: {source}", certificate.display(), key.display())]
    Unusable {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// A certificate that is in use, and the files it came from.
#[derive(Debug)]
pub struct Certificate {
    files: TlsConfig,
    /// Of the content that was last looked at, good or not; none when it could not be read.
    seen: Option<[u8; 32]>,
    current: watch::Sender<Arc<rustls::ServerConfig>>,
}

/// What connections are taken with: always the certificate that is current.
#[derive(Clone, Debug)]
pub struct Handshakes(watch::Receiver<Arc<rustls::ServerConfig>>);

/// Both files, as they are on disk.
struct Files {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Certificate {
    /// Reads the files and proves that they belong together.
    pub async fn load(files: TlsConfig) -> Result<Self, TlsError> {
        let content = Files::read(&files).await?;
        let seen = Some(content.digest());
        let current = watch::Sender::new(content.understood(&files)?);
        Ok(Self { files, seen, current })
    }

    /// What takes connections with it.
    pub fn handshakes(&self) -> Handshakes {
        Handshakes(self.current.subscribe())
    }

    /// Takes the files over again whenever they have changed, every minute and when the
    /// configuration is to be read again. Files that are no good change nothing: the
    /// certificate in use stays, and the log says so once.
    pub async fn renew(mut self, stop: CancellationToken) {
        let mut hangups = signal(SignalKind::hangup()).ok();
        loop {
            let hangup = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = hangup => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let content = match Files::read(&self.files).await {
            Ok(content) => content,
            Err(error) => {
                if self.seen.take().is_some() {
                    tracing::warn!(%error, "the certificate stays as it was");
                }
                return;
            }
        };
        let digest = Some(content.digest());
        if digest == self.seen {
            return;
        }
        self.seen = digest;
        match content.understood(&self.files) {
            Ok(config) => {
                self.current.send_replace(config);
                let file = self.files.certificate.display();
                tracing::info!(%file, "a new certificate was taken over");
            }
            // The second of the two files may not be written yet: then they are looked at again.
            Err(error) => tracing::warn!(%error, "the certificate stays as it was"),
        }
    }
}

impl Handshakes {
    /// Agrees with a client that has connected; none when it does not, or takes too long.
    pub(super) async fn agree<S>(&self, stream: S) -> Option<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.0.borrow()));
        match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a connection does not speak TLS as it should");
                None
            }
            Err(_elapsed) => {
                tracing::debug!("a connection took too long to agree on its encryption");
                None
            }
        }
    }
}

impl Files {
    async fn read(files: &TlsConfig) -> Result<Self, TlsError> {
        let mut certificate = Vec::new();
        read(&files.certificate, &mut certificate).await?;
        // In full, so that growing leaves no copy of the key behind.
        let mut key = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
        read(&files.key, &mut key).await?;
        Ok(Self { certificate, key })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.certificate.len().to_le_bytes());
        digest.update(&self.certificate);
        digest.update(&*self.key);
        digest.finalize().into()
    }

    fn understood(&self, files: &TlsConfig) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        let missing = |path: &Path, wanted| TlsError::Missing { path: path.to_owned(), wanted };
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .filter(|chain| !chain.is_empty())
            .ok_or_else(|| missing(&files.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_not_one| missing(&files.key, "private key without a passphrase"))?;
        rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map(|mut config| {
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Arc::new(config)
            })
            .map_err(|source| TlsError::Unusable {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
                source,
            })
    }
}

/// Reads a file; one that is longer than any certificate is none.
async fn read(path: &Path, content: &mut Vec<u8>) -> Result<(), TlsError> {
    let reading = async {
        let file = tokio::fs::File::open(path).await?;
        let read = file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(content).await?;
        if read > FILE_BYTES_MAX {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        Ok(())
    };
    reading.await.map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new certificate and its key, in PEM.
    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    /// A certificate in files of its own.
    async fn loaded() -> (tempfile::TempDir, TlsConfig, Certificate) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let files = TlsConfig { certificate: path("tls.crt"), key: path("tls.key") };
        let (certificate, key) = made();
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key).unwrap();
        let certificate = Certificate::load(files.clone()).await.unwrap();
        (directory, files, certificate)
    }

    #[tokio::test]
    async fn only_a_pair_that_fits_is_taken_over() {
        let (_directory, files, mut certificate) = loaded().await;
        let first = Arc::clone(&certificate.current.borrow());
        let is_first = |one: &Certificate| Arc::ptr_eq(&one.current.borrow(), &first);
        certificate.look().await;
        assert!(is_first(&certificate), "nothing changed");
        let (chain, key) = made();
        std::fs::write(&files.key, key).unwrap();
        certificate.look().await;
        assert!(is_first(&certificate), "the key is another certificate's");
        std::fs::remove_file(&files.certificate).unwrap();
        certificate.look().await;
        assert!(is_first(&certificate) && certificate.seen.is_none());
        std::fs::write(&files.certificate, chain).unwrap();
        certificate.look().await;
        assert!(!is_first(&certificate), "both are there");
        std::fs::write(&files.certificate, vec![b'-'; FILE_BYTES_MAX + 1]).unwrap();
        let error = Certificate::load(files).await.unwrap_err().to_string();
        assert!(error.contains("tls.crt cannot be read: file too large"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_connects_and_says_nothing_is_not_waited_for() {
        let (_directory, _files, certificate) = loaded().await;
        let (ours, _theirs) = tokio::io::duplex(1024);
        let began = tokio::time::Instant::now();
        assert!(certificate.handshakes().agree(ours).await.is_none());
        assert_eq!(began.elapsed().as_secs(), HANDSHAKE_MAX.as_secs());
    }
}
