//! What is wrong, or only strange, with the rows of a file.

use std::fmt;

/// Findings that are kept to be shown; the rest are only counted.
pub const FINDINGS_MAX: usize = 1000;
/// The most characters of a value that a finding repeats.
const QUOTE_CHARS_MAX: usize = 60;

/// One thing about one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line of the file the row begins at, from 1.
    pub line: u64,
    /// The column, where it is about one.
    pub column: Option<&'static str>,
    /// What it is.
    pub message: String,
}

impl Finding {
    /// About a column of a row.
    pub(super) fn at(line: u64, column: &'static str, message: impl fmt::Display) -> Self {
        Self { line, column: Some(column), message: message.to_string() }
    }

    /// About a row as a whole.
    pub(super) fn of(line: u64, message: impl fmt::Display) -> Self {
        Self { line, column: None, message: message.to_string() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "line {}, column {column}: {}", self.line, self.message),
            None => write!(f, "line {}: {}", self.line, self.message),
        }
    }
}

/// Findings in the order of the file: all counted, the first ones kept.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    count: u64,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        self.count += 1;
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(finding);
        }
    }

    pub(super) fn sort(&mut self) {
        self.kept.sort_by_key(|finding| finding.line);
    }

    /// The ones that are kept, at most [`FINDINGS_MAX`], by line.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many there are in all.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A value in quotes, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    let mut quote: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    if quote.len() < text.len() {
        quote.push('…');
    }
    format!("'{quote}'")
}
