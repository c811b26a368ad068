//! The real binary, as a script uses it: on both databases where it matters.

mod access;
mod adopting;
mod archive;
mod attention;
mod broken;
mod channels;
mod commands;
mod doctor;
mod events;
mod init;
mod listings;
mod stocking;
mod together;
mod users;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use invshop::clock::{ManualClock, Timestamp};
use invshop::ledger::OrderPolicy;
use invshop::secret::{KeyFile, SeededRandom};
use invshop::shop::{Opening, Shop};
use invshop::store::Place;
use serde_json::Value;

use crate::harness::{self, Backend};

/// Runs a test of the binary on both databases.
macro_rules! both_shops {
    ($name:ident, |$cli:ident| $body:expr) => {
        mod $name {
            use super::*;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let $cli: Cli = Cli::new(crate::harness::Backend::Sqlite).await;
                $body;
                $cli.end().await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if !crate::harness::has_postgres() {
                    return;
                }
                let $cli: Cli = Cli::new(crate::harness::Backend::Postgres).await;
                $body;
                $cli.end().await;
            }
        }
    };
}
use both_shops;

/// What a command said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    /// The document on stdout.
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error: the last line of stderr.
    fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_default();
        let document: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        document["error"].clone()
    }
}

/// A shop that only the binary touches.
struct Cli {
    directory: tempfile::TempDir,
    database: Option<String>,
}

impl Cli {
    /// A directory where `init` has run.
    async fn new(backend: Backend) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (url, database) = match backend {
            Backend::Sqlite => (None, None),
            Backend::Postgres => {
                let (url, name) = harness::new_database().await;
                (Some(url), Some(name))
            }
        };
        let cli = Self { directory, database };
        let mut words = vec!["init"];
        if let Some(url) = &url {
            words.extend(["--database-url", url]);
        }
        cli.ok(&words);
        cli
    }

    /// An empty directory.
    fn nothing() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), database: None }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The command, in the shop's directory and with no variable of ours.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_invshop"));
        command.current_dir(self.path()).args(words).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("INVSHOP") {
                command.env_remove(name);
            }
        }
        command
    }

    fn say(&self, words: &[&str]) -> Said {
        said(&mut self.command(words))
    }

    /// What a command that must succeed said, for people.
    fn ok(&self, words: &[&str]) -> String {
        let said = self.say(words);
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        said.stdout
    }

    /// The document of a command that must succeed.
    fn json(&self, words: &[&str]) -> Value {
        let said = self.say(&[&["--json"], words].concat());
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        assert_eq!(said.stderr, "", "{words:?}");
        said.json()
    }

    /// The error of a command that must be refused (1) or fail (2); nothing is
    /// on stdout then.
    fn error(&self, code: i32, words: &[&str]) -> Value {
        let said = self.say(&[&["--json"], words].concat());
        assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
        assert_eq!(said.stdout, "", "{words:?}");
        let error = said.error();
        // People are told the same.
        let plain = self.say(words);
        assert_eq!(plain.code, Some(code), "{words:?}: {plain:?}");
        assert!(plain.stderr.contains("error: "), "{words:?}: {plain:?}");
        error
    }

    /// The document of a command that must find something.
    fn findings(&self, words: &[&str]) -> Value {
        let said = self.say(&[&["--json"], words].concat());
        assert_eq!(said.code, Some(1), "{words:?}: {said:?}");
        said.json()
    }

    /// The document of a command that may find something, or nothing.
    fn findings_or_done(&self, words: &[&str]) -> Value {
        let said = self.say(&[&["--json"], words].concat());
        assert!(matches!(said.code, Some(0 | 1)), "{words:?}: {said:?}");
        said.json()
    }

    /// Where the database is.
    fn place(&self) -> Place {
        match &self.database {
            None => Place::Sqlite(self.path().join("invshop.db")),
            Some(name) => Place::Postgres(harness::url_of(name)),
        }
    }

    /// The same shop through the library, for what no verb does.
    async fn shop(&self) -> Shop {
        let files = std::fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        let key = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "key"));
        let opening = Opening {
            place: self.place(),
            key_file: KeyFile::new(key.unwrap()),
            clock: Arc::new(ManualClock::new(Timestamp::parse(harness::START).unwrap())),
            random: Arc::new(SeededRandom::new(0xc11)),
            orders: OrderPolicy { split: true, hold_ms: 900_000 },
            faults: None,
        };
        Shop::open(opening).await.unwrap()
    }

    async fn end(self) {
        if let Some(name) = self.database {
            harness::drop_database(&name).await;
        }
    }
}

fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
