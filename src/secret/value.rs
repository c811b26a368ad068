//! A secret as the configuration gives it: plain, or where to find it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::REDACTED;

/// A file that is longer than this is not a secret but a mistake, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A secret value that shows itself only when asked to.
#[derive(Clone)]
pub struct Secret {
    value: SecretString,
    source: SecretSource,
}

impl Secret {
    /// Resolves `env:NAME`, `file:PATH` or the plain secret.
    ///
    /// `variable` looks a variable up, a relative path starts at `directory`.
    /// One line end at the end of a file is not part of the secret. An empty
    /// secret is an error, whatever the source.
    pub fn resolve(
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
        directory: &Path,
    ) -> Result<Self, SecretError> {
        let (value, source) = if let Some(name) = text.strip_prefix("env:") {
            let unset = || SecretError::Unset { name: name.to_owned() };
            (variable(name).ok_or_else(unset)?, SecretSource::Variable(name.to_owned()))
        } else if let Some(path) = text.strip_prefix("file:") {
            let path = directory.join(path);
            (read(&path)?, SecretSource::File(path))
        } else {
            (text.to_owned(), SecretSource::Plain)
        };
        if value.is_empty() {
            return Err(SecretError::Empty { origin: source });
        }
        Ok(Self { value: value.into(), source })
    }

    /// A secret that was given to us while we ran, as a token is.
    pub fn given(value: String) -> Self {
        Self { value: value.into(), source: SecretSource::Plain }
    }

    /// The secret itself. Must not reach a log, an error or a response.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// Where it came from.
    pub fn source(&self) -> &SecretSource {
        &self.source
    }
}

fn read(path: &Path) -> Result<String, SecretError> {
    let failed = |source| SecretError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("longer than {FILE_BYTES_MAX} bytes");
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, message)));
    }
    if text.ends_with('\n') {
        text.pop();
    }
    if text.ends_with('\r') {
        text.pop();
    }
    Ok(text)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({REDACTED}, from {})", self.source)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Where a [`Secret`] came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The environment variable of this name.
    Variable(String),
    /// This file.
    File(PathBuf),
    /// Written out where it is used; worth a warning in a file.
    Plain,
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Plain => f.write_str("the value"),
        }
    }
}

/// Why a secret could not be resolved; never contains the secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// `env:NAME` names a variable that is not set.
    #[error("the environment variable {name} is not set")]
    Unset {
        /// The variable.
        name: String,
    },
    /// `file:PATH` names a file that cannot be read.
    #[error("the file {} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a source, but nothing in it.
    #[error("{origin} is empty")]
    Empty {
        /// Where the secret should be.
        origin: SecretSource,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, directory: &Path) -> Result<Secret, SecretError> {
        let variable = |name: &str| match name {
            "SHOP_KEY" => Some("hunter2".to_owned()),
            "SHOP_EMPTY" => Some(String::new()),
            _ => None,
        };
        Secret::resolve(text, &variable, directory)
    }

    #[test]
    fn each_form_resolves_and_says_where_it_came_from() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "hunter2\r\n").unwrap();
        let absolute = format!("file:{}", path.display());
        for (text, source) in [
            ("env:SHOP_KEY", SecretSource::Variable("SHOP_KEY".to_owned())),
            ("file:key", SecretSource::File(path.clone())),
            (absolute.as_str(), SecretSource::File(path.clone())),
            ("hunter2", SecretSource::Plain),
        ] {
            let secret = resolve(text, directory.path()).unwrap();
            assert_eq!(secret.expose(), "hunter2");
            assert_eq!(secret.source(), &source);
        }
    }

    #[test]
    fn only_one_line_end_is_cut_off_a_file() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), " two\nlines\n\n").unwrap();
        assert_eq!(resolve("file:key", directory.path()).unwrap().expose(), " two\nlines\n");
    }

    #[test]
    fn what_is_missing_or_empty_is_named_in_the_error() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("empty"), "\n").unwrap();
        std::fs::write(directory.path().join("long"), "x".repeat(64 * 1024 + 1)).unwrap();
        for (text, named) in [
            ("env:NOT_THERE", "NOT_THERE is not set"),
            ("env:SHOP_EMPTY", "SHOP_EMPTY is empty"),
            ("file:not-there", "not-there cannot be read"),
            ("file:empty", "empty is empty"),
            ("file:long", "long cannot be read"),
            ("", "the value is empty"),
        ] {
            let error = resolve(text, directory.path()).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn neither_debug_nor_display_shows_the_secret() {
        let secret = resolve("hunter2", Path::new("")).unwrap();
        let shown = format!("{secret} {secret:?} {secret:#?}");
        assert!(shown.contains("[redacted]"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
