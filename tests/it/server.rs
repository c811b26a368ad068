//! A PostgreSQL server of one test, to be stopped, killed and started again.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};

/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server with a directory and a port of its own.
pub(crate) struct Server {
    programs: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

/// The directory of `initdb` and `postgres`: the newest of Debian's, or of PATH.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut all: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    all.sort();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = all.into_iter().rev().chain(std::env::split_paths(&paths));
    let mut found = found.filter(|dir| dir.join("initdb").exists());
    found.next().expect("scripts/with-postgres found one")
}

/// A program as somebody whom PostgreSQL lets run it, who dies with this process.
fn as_user(program: &Path) -> Process {
    let output = Process::new("id").arg("-u").output().unwrap();
    let mut command = Process::new("setpriv");
    command.arg("--pdeathsig=QUIT").current_dir("/").stdin(Stdio::null());
    if output.stdout.trim_ascii() == b"0" {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg(program);
    command
}

impl Server {
    /// Makes a cluster and starts it.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // It is root who cannot run it, and only root who can give it away.
        Process::new("chown").arg("postgres").arg(dir.path()).stderr(Stdio::null()).status().ok();
        let programs = programs();
        let data = dir.path().join("data");
        let made = as_user(&programs.join("initdb"))
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=postgres", "--auth=trust", "--locale=C.UTF-8", "--no-sync"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { programs, dir, port, child: None };
        server.start_again().await;
        server
    }

    /// The URL of a superuser on the maintenance database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it again on the same data and port.
    pub(crate) async fn start_again(&mut self) {
        let began = Instant::now();
        loop {
            let mut child = as_user(&self.programs.join("postgres"))
                .arg("-D")
                .arg(self.dir.path().join("data"))
                .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
                .args(["-c", &format!("unix_socket_directories={}", self.dir.path().display())])
                // The machine does not crash here: only the server does.
                .args(["-c", "fsync=off", "-c", "max_connections=50"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            while child.try_wait().unwrap().is_none() {
                if PgConnection::connect(&self.url()).await.is_ok() {
                    self.child = Some(child);
                    return;
                }
                assert!(began.elapsed() < PATIENCE, "the server does not start");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            // What a killed one left running holds on to the data for a moment.
            assert!(began.elapsed() < PATIENCE, "the server does not start");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends it with a signal: -INT cuts everybody off, -KILL lets nobody say anything.
    pub(crate) fn end(&mut self, signal: &str) {
        let mut child = self.child.take().unwrap();
        let pid = child.id().to_string();
        assert!(Process::new("kill").args([signal, &pid]).status().unwrap().success());
        child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.end("-QUIT");
        }
    }
}
