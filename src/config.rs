//! The configuration: every setting read, checked and typed before anything starts.
//!
//! Defaults < the file < the environment (`INVSHOP__SECTION__KEY`) < flags. The
//! whole configuration is checked at once and every problem is reported, with
//! its line: an admin who repairs a file should not meet its errors one by one.
//! An unknown key is a problem too, since a setting with a slip in its name
//! would silently not be set.
//!
//! The settings are collected as given (`settings`), by the one list of names
//! (`keys`), and get their meaning here. Nothing here opens a database or a
//! socket.

mod access;
mod channel;
mod channels;
mod database;
mod error;
mod keys;
mod location;
mod schedule;
mod search;
mod server;
mod settings;
mod telemetry;

use std::fmt;
use std::path::{Path, PathBuf};

pub use access::{AuthConfig, Rate, RateLimitConfig};
pub use channel::{ChannelConfig, ChannelMode, RulesConfig, WebhookConfig};
pub use database::{DatabaseUrl, DatabaseUrlError, PostgresUrl};
pub use error::{ConfigError, Problem};
pub use location::{LocationConfig, LocationKind};
pub use schedule::{Schedule, ScheduleConfig};
pub use search::{Inputs, SYSTEM_FILE};
pub use server::{ServerConfig, TlsConfig};
pub use telemetry::{LogFormat, LogLevel, TelemetryConfig};

use crate::secret::{KeyFile, Secret, SecretSource};
use channels::channels_differ;
use keys::Key;
use schedule::schedule;
use settings::{Settings, SyntaxError, Value};
use telemetry::{log_format, log_level};

/// The database file when none is named.
const DATABASE_FILE: &str = "invshop.db";
/// The key file beside the configuration of a PostgreSQL database.
const POSTGRES_KEY_FILE: &str = "invshop.key";
/// A quarter of an hour: time enough to pay, short enough to free the last unit.
const HOLD_SECONDS: u32 = 900;
/// Thirty days.
const HOLD_SECONDS_MAX: u32 = 2_592_000;

/// When the whole database is proven each night, in UTC.
const VERIFY: &str = "0 30 3 * * *";
/// When all numbers of channels are compared by default: at night too, and not beside the proof.
const RECONCILE: &str = "0 45 4 * * *";
/// Where backups go, beside the configuration.
const BACKUP_DIRECTORY: &str = "backups";
/// A fortnight of nightly backups.
const BACKUP_KEEP: u32 = 14;
/// More backups than this is a slip.
const BACKUP_KEEP_MAX: u32 = 10_000;

/// The configuration of one shop, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from, unless everything is default.
    pub file: Option<PathBuf>,
    /// Where its relative paths start: the file's directory, else the current one.
    pub directory: PathBuf,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[orders]`
    pub orders: OrdersConfig,
    /// `[server]`
    pub server: ServerConfig,
    /// `[auth]`
    pub auth: AuthConfig,
    /// `[rate_limit]`
    pub rate_limit: RateLimitConfig,
    /// `[schedule]`
    pub schedule: ScheduleConfig,
    /// `[telemetry]`
    pub telemetry: TelemetryConfig,
    /// `[[location]]`, in the order of the file; their codes are distinct.
    pub locations: Vec<LocationConfig>,
    /// `[[channel]]`, in the order of the file; their names are distinct.
    pub channels: Vec<ChannelConfig>,
    /// What is allowed but unwise; to be logged once at the start.
    pub warnings: Vec<Problem>,
}

/// `[database]`: where the ledger lives.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseConfig {
    /// Which database.
    pub url: DatabaseUrl,
    /// The file of the instance key that belongs to it.
    pub key_file: KeyFile,
}

/// `[orders]`: how orders are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrdersConfig {
    /// Whether a requested order may be served from several locations.
    pub split: bool,
    /// How long an unpaid order keeps its hold, in seconds, 1 to 2 592 000.
    pub hold_seconds: u32,
}

impl Config {
    /// The configuration of this process, the only place that reads its environment.
    ///
    /// `file` is that of `--config`; `overrides` are flags, as `server.listen`
    /// and the text of its value.
    pub fn from_process(
        file: Option<&Path>,
        overrides: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        Self::load(&Inputs::from_process(file, overrides))
    }

    /// The configuration that the inputs give; reads the file that they lead to.
    pub fn load(inputs: &Inputs) -> Result<Self, ConfigError> {
        match inputs.find_file()? {
            Some((path, text)) => Self::build(inputs, Some(path), &text),
            None => Self::build(inputs, None, ""),
        }
    }

    /// The sections in which another configuration differs so that only a new start
    /// takes it over: all but the log level.
    pub fn differs_from(&self, running: &Self) -> Vec<&'static str> {
        let sections = [
            ("database", self.database != running.database),
            ("orders", self.orders != running.orders),
            ("server", self.server != running.server),
            ("auth", self.auth != running.auth),
            ("rate_limit", self.rate_limit != running.rate_limit),
            ("schedule", self.schedule != running.schedule),
            ("telemetry", self.telemetry.log_format != running.telemetry.log_format),
            ("location", self.locations != running.locations),
            ("channel", channels_differ(&self.channels, &running.channels)),
        ];
        sections.into_iter().filter(|(_, differs)| *differs).map(|(section, _)| section).collect()
    }

    /// The configuration file that `invshop init` writes: every key, commented out.
    pub fn example_text() -> &'static str {
        include_str!("../config.example.toml")
    }

    fn build(inputs: &Inputs, file: Option<PathBuf>, text: &str) -> Result<Self, ConfigError> {
        let mut settings = Settings::default();
        if let Err(SyntaxError { line, column, message }) = settings.add_file(text) {
            return Err(ConfigError::Syntax { file, line, column, message });
        }
        settings.add_environment(&inputs.environment);
        settings.add_overrides(&inputs.overrides);
        Self::check(inputs, file, settings)
    }

    /// Types all settings; any problem with any of them refuses the whole.
    fn check(
        inputs: &Inputs,
        file: Option<PathBuf>,
        mut settings: Settings,
    ) -> Result<Self, ConfigError> {
        let parent = file.as_deref().and_then(Path::parent);
        let directory = parent.unwrap_or(&inputs.directory).to_owned();
        let mut problems = std::mem::take(&mut settings.problems);
        let mut reader = Reader { settings: &settings, problems: &mut problems };
        let database = reader.database(inputs, &directory);
        let orders = reader.orders();
        let server = reader.server(&directory);
        let auth = reader.auth();
        let rate_limit = reader.rate_limit();
        let schedule = reader.schedule(&directory);
        let telemetry = reader.telemetry();
        let locations = reader.locations();
        let (channels, plain) = reader.channels(inputs, &directory);
        let Some((database, mut warnings)) = database.filter(|_| problems.is_empty()) else {
            // What has no line comes from outside the file, and follows it.
            problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
            return Err(ConfigError::Invalid { file, problems });
        };
        warnings.extend(plain);
        Ok(Self {
            file,
            directory,
            database,
            orders,
            server,
            auth,
            rate_limit,
            schedule,
            telemetry,
            locations,
            channels,
            warnings,
        })
    }
}

/// Gives the settings their meaning and keeps every problem met on the way.
struct Reader<'a> {
    settings: &'a Settings,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// The value of a setting; none when it is not given, or when it is a problem.
    fn read<T, E: fmt::Display>(
        &mut self,
        path: &keys::Path,
        parse: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Option<T> {
        let given = self.settings.get(path)?;
        match parse(&given.value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problems.push(given.problem(path, message.to_string()));
                None
            }
        }
    }

    /// `[database]` with its warnings; none after a problem with the URL.
    fn database(
        &mut self,
        inputs: &Inputs,
        directory: &Path,
    ) -> Option<(DatabaseConfig, Vec<Problem>)> {
        let key_path = keys::DATABASE_KEY.path();
        let key_file = self.read(&key_path, |value| key_file(value.text()?, directory));
        let url_path = keys::DATABASE_URL.path();
        let mut warnings = Vec::new();
        let url = match self.settings.get(&url_path) {
            None => DatabaseUrl::Sqlite(directory.join(DATABASE_FILE)),
            Some(given) => {
                let (url, source) =
                    self.read(&url_path, |value| database_url(value.text()?, inputs, directory))?;
                if given.is_in_file() && source == SecretSource::Plain && url.has_password() {
                    warnings.push(given.problem(&url_path, PLAIN_PASSWORD.to_owned()));
                }
                url
            }
        };
        let key_file = key_file.unwrap_or_else(|| default_key_file(&url, directory));
        Some((DatabaseConfig { url, key_file }, warnings))
    }

    fn orders(&mut self) -> OrdersConfig {
        let split = self.read(&keys::ORDERS_SPLIT.path(), Value::boolean);
        let hold_seconds = self.read(&keys::ORDERS_HOLD_SECONDS.path(), |value| {
            value.integer(&(1..=HOLD_SECONDS_MAX))
        });
        OrdersConfig {
            split: split.unwrap_or(true),
            hold_seconds: hold_seconds.unwrap_or(HOLD_SECONDS),
        }
    }

    fn schedule(&mut self, directory: &Path) -> ScheduleConfig {
        let verify = self.read(&keys::SCHEDULE_VERIFY.path(), |value| schedule(value.text()?));
        let compare = self.read(&keys::SCHEDULE_RECONCILE.path(), |value| schedule(value.text()?));
        let backup = self.read(&keys::SCHEDULE_BACKUP.path(), |value| schedule(value.text()?));
        let backup_directory = self.read(&keys::SCHEDULE_BACKUP_DIRECTORY.path(), |value| {
            Ok::<_, String>(directory.join(value.text()?))
        });
        let backup_keep = self.read(&keys::SCHEDULE_BACKUP_KEEP.path(), |value| {
            value.integer(&(1..=BACKUP_KEEP_MAX))
        });
        ScheduleConfig {
            verify: verify.unwrap_or_else(|| VERIFY.parse().ok()),
            reconcile: compare.unwrap_or_else(|| RECONCILE.parse().ok()),
            backup: backup.flatten(),
            backup_directory: backup_directory.unwrap_or_else(|| directory.join(BACKUP_DIRECTORY)),
            backup_keep: backup_keep.unwrap_or(BACKUP_KEEP),
        }
    }

    fn telemetry(&mut self) -> TelemetryConfig {
        let format =
            self.read(&keys::TELEMETRY_LOG_FORMAT.path(), |value| log_format(value.text()?));
        let level = self.read(&keys::TELEMETRY_LOG_LEVEL.path(), |value| log_level(value.text()?));
        TelemetryConfig {
            log_format: format.unwrap_or_default(),
            log_level: level.unwrap_or_default(),
        }
    }

    fn locations(&mut self) -> Vec<LocationConfig> {
        let settings = self.settings;
        let mut locations = Vec::new();
        for (index, line) in settings.location_lines() {
            let location = self.location(index, line, &locations);
            locations.extend(location);
        }
        locations
    }

    /// One location; none when it has no code to be known by.
    fn location(
        &mut self,
        index: usize,
        line: usize,
        others: &[LocationConfig],
    ) -> Option<LocationConfig> {
        let path = |key: Key| key.path_at(Some(index));
        let code_path = path(keys::LOCATION_CODE);
        if self.settings.get(&code_path).is_none() {
            let message = "is missing: every location has a code".to_owned();
            self.problems.push(Problem { key: code_path.to_string(), line: Some(line), message });
        }
        let code = self.read(&code_path, |value| location::code(value.text()?, others));
        let name = self.read(&path(keys::LOCATION_NAME), |value| location::name(value.text()?));
        let kind = self.read(&path(keys::LOCATION_KIND), |value| value.text()?.parse());
        let code = code?;
        let name = name.unwrap_or_else(|| code.clone());
        Some(LocationConfig { code, name, kind: kind.unwrap_or_default() })
    }
}

const PLAIN_PASSWORD: &str = "contains a password in plain text; \
     move the URL to a variable or a file and write env:NAME or file:PATH";

fn database_url(
    text: &str,
    inputs: &Inputs,
    directory: &Path,
) -> Result<(DatabaseUrl, SecretSource), String> {
    let variable = |name: &str| inputs.environment.get(name).cloned();
    let secret = Secret::resolve(text, &variable, directory).map_err(|error| chain(&error))?;
    match DatabaseUrl::parse(secret.expose(), directory) {
        Ok(url) => Ok((url, secret.source().clone())),
        Err(error) => match secret.source() {
            SecretSource::Plain => Err(error.to_string()),
            source => Err(format!("{source}: {error}")),
        },
    }
}

impl DatabaseUrl {
    /// A database that the command line names: as in the configuration, with `env:NAME`
    /// and `file:PATH`, relative to the present folder.
    pub fn from_process(text: &str) -> Result<Self, String> {
        let inputs = Inputs::from_process(None, &[]);
        database_url(text, &inputs, Path::new("")).map(|(url, _)| url)
    }
}

fn key_file(text: &str, directory: &Path) -> Result<KeyFile, String> {
    match text.strip_prefix("file:") {
        None | Some("") => Err("expected file:PATH, the file of the instance key".to_owned()),
        Some(path) => Ok(KeyFile::new(directory.join(path))),
    }
}

/// `DATABASE.key` for SQLite, so that two shops in one directory keep two keys.
fn default_key_file(url: &DatabaseUrl, directory: &Path) -> KeyFile {
    match url {
        DatabaseUrl::Sqlite(file) => {
            let mut path = file.clone().into_os_string();
            path.push(".key");
            KeyFile::new(path)
        }
        DatabaseUrl::Postgres(_) => KeyFile::new(directory.join(POSTGRES_KEY_FILE)),
    }
}

/// An error with its causes, for a message of one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
