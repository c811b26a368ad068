//! The versions that a change is meant for.

use std::fmt;

use serde_json::Value;

/// Versions that were read of something, one at least: it is changed where it is in one of
/// them, and a request that names the same ones is the same request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions(Vec<i64>);

impl Versions {
    /// These, in whatever order they are named; `None` where none is.
    pub fn new(mut versions: Vec<i64>) -> Option<Self> {
        versions.sort_unstable();
        versions.dedup();
        (!versions.is_empty()).then_some(Self(versions))
    }

    /// Whether a version is one of them.
    pub fn contains(&self, version: i64) -> bool {
        self.0.contains(&version)
    }

    /// The newest of them.
    pub fn newest(&self) -> i64 {
        self.0.last().copied().unwrap_or_default()
    }

    /// As they stand in what tells a repetition: one as a number, more as a list.
    pub fn content(&self) -> Value {
        match self.0.as_slice() {
            [one] => (*one).into(),
            several => several.into(),
        }
    }
}

impl From<i64> for Versions {
    fn from(version: i64) -> Self {
        Self(vec![version])
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, version) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { ", " };
            write!(f, "{between}{version}")?;
        }
        Ok(())
    }
}
