//! Why a command was not done, in the form it is told: exit code, stable code,
//! message, hints and fields.

use invshop::backup::BackupError;
use invshop::config::ConfigError;
use invshop::domain::{MoneyError, Refusal, TextError};
use invshop::people::{PeopleError, ProfileError};
use invshop::rekey::RekeyError;
use invshop::reports::{ReportError, ResolveError};
use invshop::secret::KeyFileError;
use invshop::shop::ShopError;
use invshop::store::StoreError;
use invshop::sync::{MapError, OpenError, StockingError, SyncError};
use invshop::writer::WriteError;
use serde_json::{Map, Value, json};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All was done, nothing was found.
    Done = 0,
    /// It was refused, or there are findings.
    Refused = 1,
    /// It was misused, or something failed.
    Failed = 2,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why a command was not done.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What scripts match on.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hints: Vec<String>,
    /// What else a script may want to know, by name.
    pub(crate) fields: Map<String, Value>,
}

impl Failure {
    /// The command was refused: nothing was written.
    pub(crate) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, code, &message.into())
    }

    /// The command was misused, or something failed.
    pub(crate) fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, &message.into())
    }

    /// The wrong words were used.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::failed("usage", message)
    }

    /// A file or stream could not be used.
    pub(crate) fn io(what: &str, error: &std::io::Error) -> Self {
        Self::failed("io", format!("{what}: {error}"))
    }

    fn unknown_outcome() -> Self {
        Self::failed("unknown_outcome", "the outcome of the command is not known")
    }

    /// A step of a longer command was not done. The step's key is its own, and
    /// is none that the command could be repeated with.
    pub(crate) fn of_step(error: WriteError) -> Self {
        match error {
            WriteError::Unknown(_) => Self::unknown_outcome()
                .hint("run the same command again; what was done is not done twice"),
            error => error.into(),
        }
    }

    /// With advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// With a field for scripts.
    #[must_use]
    pub(crate) fn field(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Lines that begin with `hint: ` become hints, the rest is the message.
    fn new(exit: Exit, code: &'static str, text: &str) -> Self {
        let mut hints = Vec::new();
        let mut message = Vec::new();
        for line in text.lines() {
            match line.strip_prefix("hint: ") {
                Some(hint) => hints.push(hint.to_owned()),
                None => message.push(line),
            }
        }
        Self { exit, code, message: message.join("\n"), hints, fields: Map::new() }
    }

    /// The JSON document of the error.
    pub(crate) fn document(&self) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), json!(self.code));
        error.insert("message".to_owned(), json!(self.message));
        if !self.hints.is_empty() {
            error.insert("hint".to_owned(), json!(self.hints.join("\n")));
        }
        error.extend(self.fields.clone());
        json!({ "error": error })
    }
}

/// An error with its causes, where they say more than it does.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

impl From<RekeyError> for Failure {
    fn from(error: RekeyError) -> Self {
        match error {
            RekeyError::Store(error) => error.into(),
            RekeyError::KeyFile(error) => error.into(),
            error => Self::failed("rekey", error.to_string()),
        }
    }
}

impl From<PeopleError> for Failure {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Write(error) => error.into(),
            PeopleError::Store(error) => error.into(),
            PeopleError::Report(error) => error.into(),
            PeopleError::AfterCommit(error) => (*error).into(),
            PeopleError::Profile(ProfileError::Field { .. }) => {
                Self::refused("invalid", error.to_string())
            }
            PeopleError::Profile(_) | PeopleError::Unreadable { .. } => {
                Self::failed("unreadable", error.to_string())
            }
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let failure = Self::refused(refusal.code(), refusal.to_string());
        let failure = refusal_fields(&refusal)
            .into_iter()
            .fold(failure, |failure, (name, value)| failure.field(name, value));
        match refusal_hint(&refusal) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn refusal_fields(refusal: &Refusal) -> Vec<(&'static str, Value)> {
    match refusal {
        Refusal::InsufficientStock { shortages } => {
            let shortage = |one: &invshop::domain::Shortage| {
                json!({
                    "sku": one.sku.as_str(),
                    "requested": one.requested,
                    "available": one.available,
                })
            };
            vec![("shortages", shortages.iter().map(shortage).collect())]
        }
        Refusal::InsufficientUnreserved { sku, location, requested, available } => vec![
            ("sku", json!(sku.as_str())),
            ("location", json!(location)),
            ("requested", json!(requested)),
            ("available", json!(available)),
        ],
        Refusal::IdempotencyMismatch { key } => vec![("key", json!(key))],
        Refusal::UnknownSku { sku } | Refusal::BundleHasNoStock { sku } => {
            vec![("sku", json!(sku.as_str()))]
        }
        Refusal::UnknownLocation { location } => vec![("location", json!(location))],
        Refusal::UnknownOrder { order } | Refusal::AlreadyShipped { order } => {
            vec![("order_id", json!(order))]
        }
        Refusal::UnknownUser { user } => vec![("user_id", json!(user))],
        Refusal::UnknownLine { line } => vec![("line", json!(line))],
        Refusal::UnknownName { what, name } | Refusal::AlreadyExists { what, name } => {
            vec![("what", json!(what)), ("name", json!(name))]
        }
        Refusal::VersionConflict { expected, actual, on_hand, .. } => vec![
            ("expected", json!(expected)),
            ("actual", json!(actual)),
            ("on_hand", json!(on_hand)),
        ],
        Refusal::LocationRequired { locations } => vec![("locations", json!(locations))],
        Refusal::HasOpenReservations { sku, units } => {
            vec![("sku", json!(sku.as_str())), ("units", json!(units))]
        }
        Refusal::MirroredLocation { location, authority } => {
            vec![("location", json!(location)), ("authority", json!(authority))]
        }
        Refusal::BatchBlocked { blocked } => vec![("blocked", json!(blocked))],
        Refusal::QueueFull { waiting } => vec![("waiting", json!(waiting))],
        Refusal::AlreadyReverted { batch } => vec![("batch", json!(batch))],
        Refusal::Invalid { field, .. } => vec![("field", json!(field))],
    }
}

fn refusal_hint(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::LocationRequired { .. } => Some("name one with --location"),
        Refusal::UnknownLocation { .. } => Some("`invshop location list` shows them all"),
        Refusal::UnknownOrder { .. } => {
            Some("`invshop order list` shows orders by their full id, SOURCE:ID")
        }
        Refusal::IdempotencyMismatch { .. } => {
            Some("one key or id stands for one content; use another for another")
        }
        _ => None,
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let code = match error {
            WriteError::Refused(refusal) => return refusal.into(),
            WriteError::Store(ref store) => return store.as_ref().into(),
            WriteError::Busy => "busy",
            WriteError::Expired => "deadline",
            WriteError::Broken(_) => "broken_invariant",
            WriteError::Unknown(ref key) => {
                return Self::unknown_outcome()
                    .hint(format!(
                        "repeat it with --key {key}; it is done once, whatever became of it"
                    ))
                    .field("key", json!(key.as_str()));
            }
        };
        Self::failed(code, error.to_string())
    }
}

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        let code = match error {
            StoreError::Connection(_) | StoreError::Unreachable { .. } => "database_unreachable",
            StoreError::Full(_) => "disk_full",
            StoreError::Io(_) | StoreError::Unsynced(_) => "database_io",
            StoreError::ReadOnly(_) => "database_read_only",
            StoreError::Damaged(_) => "database_damaged",
            StoreError::Missing(_) => "database_missing",
            StoreError::Unfinished(_) => "database_unfinished",
            StoreError::Exists(_) => "database_exists",
            StoreError::Foreign(_) => "database_foreign",
            StoreError::Newer { .. } => "schema_newer",
            StoreError::Older { .. } => "schema_older",
            StoreError::Migration(_) => "migration",
            StoreError::NotDurable { .. } => "not_durable",
            StoreError::WrongKey { .. } => "wrong_key",
            StoreError::KeyExchanged => "key_exchanged",
            StoreError::NetworkDisk { .. } => "network_disk",
            StoreError::Create { .. } => "database_create",
            StoreError::LockFile { .. } => "lock_file",
            StoreError::DaemonRuns { .. } => "daemon_runs",
            StoreError::Moved { .. } => "moved",
            _ => "database",
        };
        Self::failed(code, chain(error))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        (&error).into()
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let code = match error {
            BackupError::Store(error) => return error.into(),
            BackupError::Report(error) => return error.into(),
            BackupError::Exists(_) => return Self::refused("already_exists", error.to_string()),
            BackupError::HasShop(_) => return Self::refused("has_shop", error.to_string()),
            BackupError::Differs(_) => return Self::refused("differs", error.to_string()),
            BackupError::KeyFile(_) => "key_file",
            BackupError::Io { .. } => "io",
            BackupError::Foreign(_) => "no_backup",
            BackupError::Damaged { .. } => "backup_damaged",
            BackupError::Version { .. } => "backup_version",
            BackupError::WrongKey { .. } => "wrong_key",
            BackupError::DaemonRuns { .. } => "daemon_runs",
            BackupError::Direction { .. } => "usage",
            BackupError::Interrupted => {
                return Self::new(Exit::Interrupted, "interrupted", &error.to_string());
            }
        };
        Self::failed(code, error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            OpenError::Problems(ref problems) => {
                let problems = json!(problems);
                Self::failed("config", error.to_string()).field("problems", problems)
            }
        }
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) => error.into(),
            SyncError::Write(error) => Self::of_step(error),
            SyncError::Channel(_) | SyncError::GoneAtOnce { .. } => {
                Self::failed("channel", error.to_string())
            }
            SyncError::Cannot { .. } => Self::refused("not_supported", error.to_string()),
            SyncError::Interrupted => {
                Self { exit: Exit::Interrupted, ..Self::failed("interrupted", error.to_string()) }
            }
        }
    }
}

impl From<MapError> for Failure {
    fn from(error: MapError) -> Self {
        let code = match error {
            MapError::Store(error) => return error.into(),
            MapError::Lines(error) => return error.into(),
            MapError::UnknownListing { .. } => "unknown_listing",
            MapError::UnknownSku(_) => "unknown_sku",
            MapError::NotSold { .. } => "not_sold",
            MapError::Uncounted(_) => "uncounted",
            MapError::UnfedPlace { .. } => "unfed_place",
            MapError::SharedStock { .. } => "shared_stock",
        };
        Self::refused(code, error.to_string())
    }
}

impl From<StockingError> for Failure {
    fn from(error: StockingError) -> Self {
        match error {
            StockingError::Sync(error) => error.into(),
            StockingError::Listing(error) => error.into(),
            StockingError::NotLive { .. } => Self::refused("not_live", error.to_string()),
        }
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        Self::failed("key_file", chain(&error))
    }
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ShopError> for Failure {
    fn from(error: ShopError) -> Self {
        match error {
            ShopError::Store(error) => error.into(),
            ShopError::KeyFile(error) => error.into(),
            ShopError::Write(error) => Self::of_step(error),
            ShopError::Name(error) => error.into(),
            ShopError::Location { .. } => Self::failed("config", error.to_string()),
            error @ (ShopError::Exchange(_) | ShopError::Hashes(_)) => {
                Self::failed("instance_key", error.to_string())
            }
            ShopError::Unfinished(_) => Self::failed("database_unfinished", error.to_string()),
        }
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::Refused(refusal) => refusal.into(),
            ReportError::Overflow { .. } => Self::failed("overflow", error.to_string()),
        }
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        let message = error.to_string();
        match error {
            ResolveError::Store(error) => error.into(),
            ResolveError::Unknown { text } => Refusal::UnknownOrder { order: text }.into(),
            ResolveError::Ambiguous { orders, .. } => {
                let orders: Vec<String> = orders.iter().map(ToString::to_string).collect();
                Self::refused("ambiguous_order", message)
                    .field("orders", json!(orders))
                    .hint("name one by its full id")
            }
        }
    }
}

impl From<MoneyError> for Failure {
    fn from(error: MoneyError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::failed("config", chain(&error));
        match error.problems() {
            [] => failure,
            problems => failure.field("problems", json!(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use invshop::domain::Key;

    use super::*;

    #[test]
    fn an_unknown_outcome_tells_the_key_to_repeat_with() {
        let unknown = || WriteError::Unknown(Key::new("auto:1f").unwrap());
        let failure = Failure::from(unknown());
        assert_eq!((failure.exit, failure.code), (Exit::Failed, "unknown_outcome"));
        assert!(failure.hints[0].contains("--key auto:1f;"), "{failure:?}");
        assert_eq!(failure.document()["error"]["key"], "auto:1f");
        assert!(!Failure::of_step(unknown()).hints[0].contains("--key"));
    }

    #[test]
    fn hints_leave_the_message_and_follow_it() {
        let failure = Failure::from(StoreError::Missing("shop.db".to_owned()));
        assert_eq!(failure.message, "there is no database at shop.db");
        assert_eq!(failure.hints, ["`invshop init` creates one"]);
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(failure.document()["error"]["code"], "database_missing");
    }

    #[test]
    fn a_refusal_names_what_is_short() {
        let sku = invshop::domain::Sku::new("MUG").unwrap();
        let shortage = invshop::domain::Shortage { sku, requested: 3, available: 1 };
        let failure = Failure::from(Refusal::InsufficientStock { shortages: vec![shortage] });
        assert_eq!(failure.exit, Exit::Refused);
        let document = failure.document();
        assert_eq!(document["error"]["shortages"][0]["available"], 1);
    }
}
