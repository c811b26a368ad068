//! The daemon as a service: the unit's own command under the protocol of systemd,
//! its log, its key as a credential, and what it does on signals.

use std::io::{BufRead as _, BufReader, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use invshop::backup::{self, Watch};
use invshop::store::Place;
use serde_json::Value;

use crate::harness::{Backend, TestShop};
use crate::raw::Raw;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The file that operators install.
pub(crate) fn unit() -> &'static str {
    include_str!("../../deploy/invshopd.service")
}

/// The values of a setting of the unit.
fn settings(name: &str) -> Vec<&'static str> {
    let prefix = format!("{name}=");
    unit().lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

/// The unit's command with this build, a configuration and a directory of
/// credentials in place of the installed ones.
fn command(config: &Path, credentials: &Path) -> Process {
    let [line] = settings("ExecStart")[..] else { panic!("one command") };
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/invshopd"));
    let mut command = Process::new(env!("CARGO_BIN_EXE_invshopd"));
    for word in words {
        match word {
            "/etc/invshop/config.toml" => command.arg(config),
            other => command.arg(other),
        };
    }
    for setting in settings("Environment") {
        let (name, value) = setting.split_once('=').unwrap();
        command.env(name, value.replace("%d", credentials.to_str().unwrap()));
    }
    command.env("CREDENTIALS_DIRECTORY", credentials);
    command
}

/// A shop with a configuration and its key as a credential, as systemd shows one.
struct Installed {
    shop: TestShop,
}

impl Installed {
    async fn new() -> Self {
        let shop = TestShop::new(Backend::Sqlite).await;
        let credentials = shop.dir().join("credentials");
        std::fs::create_dir(&credentials).unwrap();
        let key = credentials.join("invshop.key");
        std::fs::copy(shop.key_path(), &key).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o440)).unwrap();
        let installed = Self { shop };
        installed.configure("info");
        installed
    }

    fn configure(&self, level: &str) {
        self.configure_with(level, "");
    }

    /// Writes the configuration, with something at its end.
    fn configure_with(&self, level: &str, more: &str) {
        let Place::Sqlite(file) = &self.shop.opening.place else { panic!("a file") };
        let config = format!(
            "[database]\nurl = \"sqlite:{}\"\n[server]\nlisten = \"127.0.0.1:0\"\n\
             [telemetry]\nlog_format = \"json\"\nlog_level = \"{level}\"\n{more}",
            file.display()
        );
        std::fs::write(self.shop.dir().join("config.toml"), config).unwrap();
    }

    fn command(&self) -> Process {
        let dir = self.shop.dir();
        let mut command = command(&dir.join("config.toml"), &dir.join("credentials"));
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

/// A service manager with one service.
struct Manager {
    socket: UnixDatagram,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Manager {
    fn start(installed: &Installed) -> Self {
        let path = installed.shop.dir().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut command = installed.command();
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, kept) =
            (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Self { socket, child, log }
    }

    /// Waits for a message with this line in it; all of it.
    fn told(&self, wanted: &str) -> String {
        let began = Instant::now();
        let mut buffer = [0; 4096];
        while began.elapsed() < PATIENCE {
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
                    if text.lines().any(|line| line == wanted) {
                        return text;
                    }
                }
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                    "{error}"
                ),
            }
        }
        panic!("{wanted} was not told: {:#?}", self.log.lock().unwrap());
    }

    /// Waits for a line of the log; each is one JSON object.
    fn logged(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let lines = self.log.lock().unwrap().clone();
            let found = lines.iter().map(|line| serde_json::from_str(line).unwrap()).find(&wanted);
            if let Some(line) = found {
                return line;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not in the log: {:#?}", self.log.lock().unwrap());
    }

    fn base(&self) -> String {
        let line = self.logged(|line| line["message"] == "listening");
        format!("http://{}", line["address"].as_str().unwrap())
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Process::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_unit_starts_watches_reloads_and_ends_the_daemon() {
    assert_eq!(settings("Type"), ["notify"]);
    assert_eq!(settings("ExecReload"), ["/bin/kill -HUP $MAINPID"]);
    let installed = Installed::new().await;
    let mut manager = Manager::start(&installed);
    manager.told("READY=1");
    let base = manager.base();
    let http = crate::harness::http().timeout(PATIENCE).build().unwrap();
    let ready = async || http.get(format!("{base}/readyz")).send().await.unwrap().status();
    assert_eq!(ready().await, 200, "it is ready when it says so");
    manager.told("WATCHDOG=1");
    manager.told("WATCHDOG=1");

    let is_debug = |line: &Value| line["level"] == "DEBUG";
    let lines = manager.log.lock().unwrap().clone();
    assert!(!lines.iter().any(|line| is_debug(&serde_json::from_str(line).unwrap())), "{lines:?}");
    installed.configure("debug");
    manager.signal("-HUP");
    let reloading = manager.told("RELOADING=1");
    let moment = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(moment.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
    manager.told("READY=1");
    assert_eq!(ready().await, 200);
    manager.logged(is_debug);

    installed.configure("loud");
    manager.signal("-HUP");
    manager.told("READY=1");
    let refused = manager.logged(|line| line["level"] == "ERROR");
    assert!(refused.to_string().contains("telemetry.log_level"), "{refused}");
    assert_eq!(ready().await, 200, "a configuration with problems changes nothing");

    manager.signal("-TERM");
    manager.told("STOPPING=1");
    assert!(manager.child.wait().unwrap().success());
    installed.shop.end().await;
}

// The rights of a group are those of the service's own access list there, and
// somebody else's anywhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_a_group_may_read_is_a_credential_or_refused() {
    let installed = Installed::new().await;
    let run = |command: &mut Process| command.arg("--check").output().unwrap();
    let good = run(&mut installed.command());
    assert!(good.status.success(), "{good:?}");
    let mut elsewhere = installed.command();
    elsewhere.env("CREDENTIALS_DIRECTORY", installed.shop.dir());
    for mut command in [elsewhere, { installed.command() }] {
        command.env_remove("CREDENTIALS_DIRECTORY");
        let bad = run(&mut command);
        let said = String::from_utf8_lossy(&bad.stderr).into_owned();
        assert_eq!(bad.status.code(), Some(2), "{said}");
        assert!(said.contains("invshop.key") && said.contains("mode 0440"), "{said}");
    }
    installed.shop.end().await;
}

#[test]
fn systemd_understands_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("invshopd.service");
    // The program need not be installed where the tests run.
    std::fs::write(&file, unit().replace("/usr/local/bin/invshopd", "/bin/true")).unwrap();
    let run = match Process::new("systemd-analyze").arg("verify").arg(&file).output() {
        Ok(run) => run,
        Err(error) => {
            assert!(std::env::var_os("INVSHOP_CI").is_none(), "systemd-analyze: {error}");
            return println!("SKIPPED: no systemd-analyze (run scripts/test)");
        }
    };
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success() && said.trim().is_empty(), "{said}");
}

// Every second here; in each of them one run, and the oldest file goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_are_made_on_schedule_and_the_oldest_deleted() {
    let installed = Installed::new().await;
    let shop = &installed.shop;
    shop.item("MUG", 5).await;
    let folder = shop.dir().join("kept");
    let schedule = format!(
        "[schedule]\nverify = \"never\"\nbackup = \"* * * * * *\"\n\
         backup_directory = \"{}\"\nbackup_keep = 2\n",
        folder.display()
    );
    installed.configure_with("info", &schedule);
    let mut manager = Manager::start(&installed);
    manager.told("READY=1");
    let done = |line: &Value| line["message"] == "a job is done";
    manager.logged(|line| done(line) && line["detail"].as_str().unwrap().contains("; 1 old"));
    manager.signal("-TERM");
    assert!(manager.child.wait().unwrap().success());

    let mut kept: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    kept.sort();
    kept.retain(|file| file.extension().is_some_and(|end| end == "gz"));
    assert!((2..=3).contains(&kept.len()), "{kept:?}");
    let unseen = Watch { rows: &|_, _| (), stop: &AtomicBool::new(false) };
    let newest = backup::inspect(kept.last().unwrap(), unseen).unwrap();
    assert!(newest.seq > 0);
    let runs = invshop::reports::last_runs(&shop.shop.db).await.unwrap();
    assert_eq!(runs.len(), 1, "verify is never due: {runs:?}");
    assert_eq!(runs[0].job, "backup");
    let mut raw = Raw::open(&shop.opening.place).await;
    let runs = raw.number("select count(*) from job_run where outcome = 'done'").await;
    assert!(runs >= 3, "{runs}");
    installed.shop.end().await;
}
