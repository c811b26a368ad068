//! The settings as they were given, layer upon layer, not yet understood.
//!
//! A later layer replaces single settings of an earlier one. Here a name is
//! known or a problem; what a value means is decided in `super`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::channel::CHANNEL;
use super::error::Problem;
use super::keys::{self, LOCATION, Path};

/// What names a setting in the environment: `INVSHOP__ORDERS__SPLIT`.
const VARIABLE_PREFIX: &str = "INVSHOP__";
const VARIABLE_SEPARATOR: &str = "__";

/// A value before its setting gives it a meaning.
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    Texts(Vec<String>),
    /// From outside the file, where everything is written as text.
    Untyped(String),
    /// Of a type that no setting has, in words.
    Other(&'static str),
}

/// Who gave a value.
enum Origin {
    File { line: usize },
    Variable { name: String },
    Override,
}

/// A value, and who gave it.
pub(super) struct Given {
    pub(super) value: Value,
    origin: Origin,
}

/// A section of the file, with its index when there are several of its name.
struct Place<'a> {
    section: &'a str,
    index: Option<usize>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}[{index}]", self.section),
            None => f.write_str(self.section),
        }
    }
}

/// All settings of all layers, and what was wrong with their names.
#[derive(Default)]
pub(super) struct Settings {
    values: BTreeMap<Path, Given>,
    /// The line of each `[[location]]` by its index.
    location_lines: BTreeMap<usize, usize>,
    /// The line of each `[[channel]]`, likewise.
    channel_lines: BTreeMap<usize, usize>,
    pub(super) problems: Vec<Problem>,
}

/// Where a text stops being TOML.
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

impl Settings {
    /// Adds the layer of the file.
    pub(super) fn add_file(&mut self, text: &str) -> Result<(), SyntaxError> {
        let lines = Lines::of(text);
        let root = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(text.len(), |span| span.start);
            let (line, column) = lines.position(text, offset);
            SyntaxError { line, column, message: error.message().to_owned() }
        })?;
        for (section, value) in root.into_inner() {
            let line = lines.line(&section);
            let section = section.get_ref();
            match keys::find_section(section) {
                Ok(()) if section == LOCATION => self.add_locations(value, line, &lines),
                Ok(()) if section == CHANNEL => self.add_channels(value, line, &lines),
                Ok(()) => self.add_section(section, value, line, &lines),
                Err(message) => self.problem(escape(section), Some(line), message),
            }
        }
        Ok(())
    }

    fn add_section(&mut self, section: &str, value: Spanned<DeValue<'_>>, line: usize, at: &Lines) {
        if let DeValue::Table(table) = value.into_inner() {
            return self.add_table(&Place { section, index: None }, table, at);
        }
        let message = format!("expected a section, written [{section}]");
        self.problem(section.to_owned(), Some(line), message);
    }

    fn add_locations(&mut self, value: Spanned<DeValue<'_>>, line: usize, at: &Lines) {
        let DeValue::Array(entries) = value.into_inner() else {
            let message = format!("expected a list of sections, each written [[{LOCATION}]]");
            return self.problem(LOCATION.to_owned(), Some(line), message);
        };
        for (index, entry) in entries.into_iter().enumerate() {
            let line = at.line(&entry);
            let place = Place { section: LOCATION, index: Some(index) };
            if let DeValue::Table(table) = entry.into_inner() {
                self.location_lines.insert(index, line);
                self.add_table(&place, table, at);
            } else {
                let message = format!("expected a section, written [[{LOCATION}]]");
                self.problem(place.to_string(), Some(line), message);
            }
        }
    }

    fn add_channels(&mut self, value: Spanned<DeValue<'_>>, line: usize, at: &Lines) {
        let DeValue::Array(entries) = value.into_inner() else {
            let message = format!("expected a list of sections, each written [[{CHANNEL}]]");
            return self.problem(CHANNEL.to_owned(), Some(line), message);
        };
        for (index, entry) in entries.into_iter().enumerate() {
            let line = at.line(&entry);
            if let DeValue::Table(table) = entry.into_inner() {
                self.channel_lines.insert(index, line);
                self.add_channel(index, "", table, at);
            } else {
                let message = format!("expected a section, written [[{CHANNEL}]]");
                self.problem(format!("{CHANNEL}[{index}]"), Some(line), message);
            }
        }
    }

    /// The settings of a channel, or of a section in it.
    fn add_channel(&mut self, index: usize, within: &str, table: DeTable<'_>, at: &Lines) {
        for (name, value) in table {
            let line = at.line(&name);
            let name = format!("{within}{}", escape(name.get_ref()));
            let value = value.into_inner();
            if let (DeValue::Table(inner), true) = (&value, within.is_empty()) {
                self.add_channel(index, &format!("{name}."), inner.clone(), at);
                continue;
            }
            let path = Path::of_channel(index, &name);
            match keys::find_of_channel(&name) {
                Ok(()) => {
                    let given = Given { value: value.into(), origin: Origin::File { line } };
                    self.values.insert(path, given);
                }
                Err(message) => self.problem(path.to_string(), Some(line), message),
            }
        }
    }

    fn add_table(&mut self, place: &Place<'_>, table: DeTable<'_>, at: &Lines) {
        for (name, value) in table {
            let line = at.line(&name);
            match keys::find(place.section, name.get_ref()) {
                Ok(key) => {
                    let given =
                        Given { value: value.into_inner().into(), origin: Origin::File { line } };
                    self.values.insert(key.path_at(place.index), given);
                }
                Err(message) => {
                    let key = format!("{place}.{}", escape(name.get_ref()));
                    self.problem(key, Some(line), message);
                }
            }
        }
    }

    /// Adds the layer of the environment; other variables are passed over.
    pub(super) fn add_environment(&mut self, environment: &BTreeMap<String, String>) {
        for (variable, text) in environment {
            let Some(name) = variable.strip_prefix(VARIABLE_PREFIX) else {
                continue;
            };
            let key = name.to_lowercase().replace(VARIABLE_SEPARATOR, ".");
            let origin = Origin::Variable { name: variable.clone() };
            self.add_untyped(&key, text, origin);
        }
    }

    /// Adds the last layer, in the form `orders.split` → `false`.
    pub(super) fn add_overrides(&mut self, overrides: &BTreeMap<String, String>) {
        for (key, text) in overrides {
            self.add_untyped(key, text, Origin::Override);
        }
    }

    fn add_untyped(&mut self, key: &str, text: &str, origin: Origin) {
        match find_untyped(key) {
            Ok(path) => {
                let value = Value::Untyped(text.to_owned());
                self.values.insert(path, Given { value, origin });
            }
            Err(message) => self.problem(escape(key), None, origin.note(message)),
        }
    }

    fn problem(&mut self, key: String, line: Option<usize>, message: String) {
        self.problems.push(Problem { key, line, message });
    }

    /// The value given for a setting by the last layer that has it.
    pub(super) fn get(&self, path: &Path) -> Option<&Given> {
        self.values.get(path)
    }

    /// Index and line of each location of the file, in its order.
    pub(super) fn location_lines(&self) -> impl Iterator<Item = (usize, usize)> + use<'_> {
        self.location_lines.iter().map(|(index, line)| (*index, *line))
    }

    /// Index and line of each channel of the file, in its order.
    pub(super) fn channel_lines(&self) -> impl Iterator<Item = (usize, usize)> + use<'_> {
        self.channel_lines.iter().map(|(index, line)| (*index, *line))
    }

    /// The names in a section of a channel that are the vendor's.
    pub(super) fn named(
        &self,
        index: usize,
        section: &'static str,
    ) -> impl Iterator<Item = (&Path, &str)> {
        let named = move |path| Path::within(path, index, section).map(|name| (path, name));
        self.values.keys().filter_map(named)
    }

    #[cfg(test)]
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.values.keys()
    }
}

fn find_untyped(key: &str) -> Result<Path, String> {
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    keys::find_section(section)?;
    if section == LOCATION {
        return Err("locations can only be given in the file".to_owned());
    }
    if section == CHANNEL {
        return Err("channels can only be given in the file".to_owned());
    }
    keys::find(section, name).map(keys::Key::path)
}

impl Given {
    /// A problem with this value, told with where it came from.
    pub(super) fn problem(&self, path: &Path, message: String) -> Problem {
        let line = match self.origin {
            Origin::File { line } => Some(line),
            Origin::Variable { .. } | Origin::Override => None,
        };
        Problem { key: path.to_string(), line, message: self.origin.note(message) }
    }

    /// Whether it is written in the file, where a plain secret should not be.
    pub(super) fn is_in_file(&self) -> bool {
        matches!(self.origin, Origin::File { .. })
    }
}

impl Origin {
    fn note(&self, message: String) -> String {
        match self {
            Self::File { .. } => message,
            Self::Variable { name } => {
                format!("{message} (environment variable {})", escape(name))
            }
            Self::Override => format!("{message} (command line)"),
        }
    }
}

impl Value {
    /// A text that is not empty.
    pub(super) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) | Self::Untyped(text) if text.is_empty() => {
                Err("is empty; leave it out to get the default".to_owned())
            }
            Self::Text(text) | Self::Untyped(text) => Ok(text),
            other => Err(format!("expected a text in quotes, found {}", other.kind())),
        }
    }

    /// A truth value, written `true` or `false`.
    pub(super) fn boolean(&self) -> Result<bool, String> {
        match self {
            Self::Boolean(boolean) => Ok(*boolean),
            Self::Untyped(text) if text == "true" => Ok(true),
            Self::Untyped(text) if text == "false" => Ok(false),
            other => Err(format!("expected true or false, found {}", other.kind())),
        }
    }

    /// A whole number within the bounds.
    pub(super) fn integer(&self, bounds: &RangeInclusive<u32>) -> Result<u32, String> {
        let integer = match self {
            Self::Integer(integer) => Some(*integer),
            Self::Untyped(text) => text.parse().ok(),
            _ => None,
        };
        let expected =
            format!("expected a whole number from {} to {}", bounds.start(), bounds.end());
        match integer {
            None => Err(format!("{expected}, found {}", self.kind())),
            Some(integer) => u32::try_from(integer)
                .ok()
                .filter(|integer| bounds.contains(integer))
                .ok_or_else(|| format!("{expected}, found {integer}")),
        }
    }

    /// The type in words; the content may be a secret and is not shown.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text in quotes",
            Self::Integer(_) => "a whole number",
            Self::Boolean(_) => "true or false",
            Self::Texts(_) => "a list",
            Self::Untyped(_) => "something else",
            Self::Other(kind) => kind,
        }
    }
}

impl From<DeValue<'_>> for Value {
    fn from(value: DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.into_owned()),
            DeValue::Integer(integer) => {
                match i64::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(integer) => Self::Integer(integer),
                    Err(_beyond) => Self::Other("a number beyond 64 bits"),
                }
            }
            DeValue::Boolean(boolean) => Self::Boolean(boolean),
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Datetime(_) => Self::Other("a date or time"),
            DeValue::Array(entries) => {
                let texts: Option<Vec<String>> = entries
                    .into_iter()
                    .map(|entry| match entry.into_inner() {
                        DeValue::String(text) => Some(text.into_owned()),
                        _ => None,
                    })
                    .collect();
                texts.map_or(Self::Other("a list"), Self::Texts)
            }
            DeValue::Table(_) => Self::Other("a section"),
        }
    }
}

/// A name from outside, fit for one line of a message.
fn escape(name: &str) -> String {
    name.escape_debug().to_string()
}

/// Where the lines of a text begin, in bytes.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { starts: std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect() }
    }

    /// The line on which something begins, counted from 1.
    fn line<T>(&self, spanned: &Spanned<T>) -> usize {
        self.number(spanned.span().start)
    }

    fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Line and column in characters, both counted from 1.
    fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.number(offset);
        let start = self.starts[line - 1];
        let column = text.get(start..offset).map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}
