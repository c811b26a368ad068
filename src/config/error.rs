//! What is wrong with a configuration, all of it at once.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::Serialize;

/// One thing that is wrong, or worth a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The setting or section, as `orders.hold_seconds` or `location[0].code`.
    pub key: String,
    /// Its line in the file, counted from 1; none when it is not in the file.
    pub line: Option<usize>,
    /// What is wrong with it; never contains a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// Why there is no usable configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file that was asked for, or is there, cannot be read.
    #[error("the configuration file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not TOML.
    #[error("{}, line {line}, column {column}: {message}", name(file.as_ref()))]
    Syntax {
        /// The file, unless the text came without one.
        file: Option<PathBuf>,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What was expected.
        message: String,
    },
    /// The text is TOML, but not a configuration.
    #[error("{} is not valid:{}", name(file.as_ref()), lines(problems))]
    Invalid {
        /// The file, unless there is none.
        file: Option<PathBuf>,
        /// Every problem there is, at least one, in the order of the file.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// The problems by key; empty when the file could not be read at all.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems, .. } => problems,
            Self::Unreadable { .. } | Self::Syntax { .. } => &[],
        }
    }
}

fn name(file: Option<&PathBuf>) -> String {
    match file {
        Some(path) => path.display().to_string(),
        None => "the configuration".to_owned(),
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |text, problem| text + "\n  " + &problem.to_string())
}
