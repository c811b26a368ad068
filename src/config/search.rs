//! Where a configuration comes from: the files searched, the environment, the flags.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::ConfigError;

/// The file of the machine, searched last.
pub const SYSTEM_FILE: &str = "/etc/invshop/config.toml";

/// The file in the directory one works in.
const LOCAL_FILE: &str = "invshop.toml";
/// The variable that names the file.
const FILE_VARIABLE: &str = "INVSHOP_CONFIG";
/// What all of our variables begin with.
const VARIABLE_PREFIX: &str = "INVSHOP";
/// Far more than any shop needs, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Everything outside the program that a configuration depends on.
///
/// The first file of this order counts: [`file`](Self::file), the one that
/// `$INVSHOP_CONFIG` names, `invshop.toml` in [`directory`](Self::directory),
/// [`system_file`](Self::system_file). The first two must exist when given.
#[derive(Clone, Default)]
pub struct Inputs {
    /// The file of `--config`.
    pub file: Option<PathBuf>,
    /// The current directory.
    pub directory: PathBuf,
    /// The file of the machine; none to leave the machine out.
    pub system_file: Option<PathBuf>,
    /// The environment variables by name, for `INVSHOP_…` and for `env:NAME`.
    pub environment: BTreeMap<String, String>,
    /// What flags set: `server.listen` and the text of its value.
    pub overrides: BTreeMap<String, String>,
}

impl Inputs {
    /// The inputs of this process.
    pub(super) fn from_process(file: Option<&Path>, overrides: &[(&str, String)]) -> Self {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            if name.starts_with(VARIABLE_PREFIX) {
                // One of ours that is not Unicode is to be refused, not passed over.
                return Some((name, value.to_string_lossy().into_owned()));
            }
            Some((name, value.into_string().ok()?))
        });
        let overrides = overrides.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        Self {
            file: file.map(Path::to_owned),
            directory: PathBuf::from("."),
            system_file: Some(PathBuf::from(SYSTEM_FILE)),
            environment: environment.collect(),
            overrides: overrides.collect(),
        }
    }

    /// The file that counts and its text; none when there is none.
    pub(super) fn find_file(&self) -> Result<Option<(PathBuf, String)>, ConfigError> {
        let named = self.environment.get(FILE_VARIABLE).filter(|name| !name.is_empty());
        let required = self.file.clone().or_else(|| named.map(|name| self.directory.join(name)));
        if let Some(path) = required {
            return match read(&path) {
                Ok(text) => Ok(Some((path, text))),
                Err(source) => Err(ConfigError::Unreadable { path, source }),
            };
        }
        let local = self.directory.join(LOCAL_FILE);
        for path in [Some(local), self.system_file.clone()].into_iter().flatten() {
            match read(&path) {
                Ok(text) => return Ok(Some((path, text))),
                Err(source) if source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ConfigError::Unreadable { path, source }),
            }
        }
        Ok(None)
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("longer than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

impl fmt::Debug for Inputs {
    /// Leaves out the values of variables and flags: any of them may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs")
            .field("file", &self.file)
            .field("directory", &self.directory)
            .field("system_file", &self.system_file)
            .field("overrides", &self.overrides.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// A directory with a file of this hold time for each name.
    fn files(names: &[(&str, u32)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, hold_seconds) in names {
            let text = format!("orders.hold_seconds = {hold_seconds}");
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    #[test]
    fn the_first_file_of_the_search_order_counts() {
        let all = [("flag", 1), ("variable", 2), ("invshop.toml", 3), ("system", 4)];
        let directory = files(&all);
        let at = |name: &str| directory.path().join(name);
        let mut inputs = Inputs {
            file: Some(at("flag")),
            directory: directory.path().to_owned(),
            system_file: Some(at("system")),
            environment: BTreeMap::from([("INVSHOP_CONFIG".to_owned(), "variable".to_owned())]),
            ..Inputs::default()
        };
        let found = |inputs: &Inputs| {
            let config = Config::load(inputs).unwrap();
            (config.file, config.orders.hold_seconds)
        };
        assert_eq!(found(&inputs), (Some(at("flag")), 1));
        inputs.file = None;
        assert_eq!(found(&inputs), (Some(at("variable")), 2));
        inputs.environment.clear();
        assert_eq!(found(&inputs), (Some(at("invshop.toml")), 3));
        std::fs::remove_file(at("invshop.toml")).unwrap();
        assert_eq!(found(&inputs), (Some(at("system")), 4));
        std::fs::remove_file(at("system")).unwrap();
        assert_eq!(found(&inputs), (None, 900));
    }

    #[test]
    fn a_file_that_was_asked_for_must_be_there() {
        let directory = files(&[("invshop.toml", 3)]);
        let missing = directory.path().join("missing.toml");
        let mut inputs = Inputs {
            file: Some(missing.clone()),
            directory: directory.path().to_owned(),
            ..Inputs::default()
        };
        let unreadable = |inputs: &Inputs| match Config::load(inputs).unwrap_err() {
            ConfigError::Unreadable { path, .. } => path,
            other => panic!("{other}"),
        };
        assert_eq!(unreadable(&inputs), missing);
        inputs.file = None;
        inputs.environment.insert("INVSHOP_CONFIG".to_owned(), missing.display().to_string());
        assert_eq!(unreadable(&inputs), missing);
    }

    #[test]
    fn a_file_that_is_there_but_unusable_is_not_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("invshop.toml");
        let inputs = Inputs { directory: directory.path().to_owned(), ..Inputs::default() };
        std::fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(matches!(Config::load(&inputs), Err(ConfigError::Unreadable { .. })));
        std::fs::write(&file, "#".repeat(1024 * 1024 + 1)).unwrap();
        assert!(matches!(Config::load(&inputs), Err(ConfigError::Unreadable { .. })));
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(matches!(Config::load(&inputs), Err(ConfigError::Unreadable { .. })));
    }

    #[test]
    fn inputs_show_no_values_in_debug() {
        let mut inputs = Inputs::default();
        inputs.environment.insert("INVSHOP__DATABASE__URL".to_owned(), "hunter2".to_owned());
        inputs.overrides.insert("database.url".to_owned(), "hunter2".to_owned());
        assert!(!format!("{inputs:?}").contains("hunter2"));
    }

    #[test]
    fn the_process_gives_its_own_environment_and_the_flags() {
        let inputs = Inputs::from_process(
            Some(Path::new("a.toml")),
            &[("server.listen", "127.0.0.1:0".to_owned())],
        );
        assert_eq!(inputs.file.as_deref(), Some(Path::new("a.toml")));
        assert_eq!(inputs.system_file.as_deref(), Some(Path::new(SYSTEM_FILE)));
        assert_eq!(inputs.overrides["server.listen"], "127.0.0.1:0");
        assert!(inputs.environment.contains_key("PATH"));
    }
}
