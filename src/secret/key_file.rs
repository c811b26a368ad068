//! The file that holds the instance key.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretBox;
use secrecy::zeroize::Zeroizing;

use super::InstanceKey;

/// The first word of the file; a later format gets another one.
const FORMAT: &str = "invshop-instance-key-v1";
/// Longer than the one line of the format, in bytes.
const FILE_BYTES_MAX: usize = 256;
/// Where systemd tells a service the directory of its credentials.
#[cfg(unix)]
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// The file of an [`InstanceKey`]: one line of text, readable by its owner only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// Names the file; touches nothing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the key; on Unix refuses a file that others than its owner may use, unless
    /// it is a credential of the service.
    pub fn read(&self) -> Result<InstanceKey, KeyFileError> {
        let file = File::open(&self.path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => KeyFileError::Missing { path: self.path.clone() },
            _ => self.io("opened", source),
        })?;
        // The open file is asked, not the path, which could be exchanged in between.
        #[cfg(unix)]
        self.refuse_shared(&file)?;
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
        file.take(FILE_BYTES_MAX as u64 + 1)
            .read_to_end(&mut text)
            .map_err(|source| self.io("read", source))?;
        decode(&text).map_err(|reason| KeyFileError::Malformed { path: self.path.clone(), reason })
    }

    /// Creates the file with the key in it, mode 0600, safe on disk on return.
    ///
    /// An existing file is never overwritten: the key in it may be the only way
    /// into a database.
    pub fn create(&self, key: &InstanceKey) -> Result<(), KeyFileError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&self.path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::AlreadyExists { path: self.path.clone() },
            _ => self.io("created", source),
        })?;
        self.write(file, key).map_err(|source| {
            // No database knows this key yet, and half a key would only be in the way.
            // The first error matters, so one from the removal is dropped.
            std::fs::remove_file(&self.path).ok();
            self.io("written", source)
        })
    }

    /// The file of the key that is to take this one's place.
    #[must_use]
    pub fn next(&self) -> Self {
        self.beside("next")
    }

    fn beside(&self, end: &str) -> Self {
        let mut path = self.path.clone().into_os_string();
        path.push(".");
        path.push(end);
        Self::new(path)
    }

    /// Keeps a key beside this file under its id: backups that were made under it open with
    /// it only. What is kept already must be the same key.
    pub fn keep(&self, key: &InstanceKey) -> Result<Self, KeyFileError> {
        let kept = self.beside(&key.id().to_string());
        match kept.create(key) {
            Ok(()) => self.give_to_owner(&kept)?,
            Err(KeyFileError::AlreadyExists { .. }) if kept.read()?.id() == key.id() => {}
            Err(error) => return Err(error),
        }
        Ok(kept)
    }

    /// Creates the file of the next key, for whoever this one belongs to.
    pub fn create_next(&self, key: &InstanceKey) -> Result<(), KeyFileError> {
        self.next().create(key)?;
        self.give_to_owner(&self.next())
    }

    #[cfg(unix)]
    fn give_to_owner(&self, other: &Self) -> Result<(), KeyFileError> {
        use std::os::unix::fs::{MetadataExt as _, chown};

        let owner = std::fs::metadata(&self.path).map_err(|source| self.io("examined", source))?;
        let made = std::fs::metadata(&other.path).map_err(|source| other.io("examined", source))?;
        if (owner.uid(), owner.gid()) == (made.uid(), made.gid()) {
            return Ok(());
        }
        chown(&other.path, Some(owner.uid()), Some(owner.gid()))
            .map_err(|source| other.io("given to the owner of the other", source))
    }

    #[cfg(not(unix))]
    fn give_to_owner(&self, _other: &Self) -> Result<(), KeyFileError> {
        Ok(())
    }

    /// Removes a file of the next key that holds half a key: its maker died.
    pub fn forget_next(&self) -> Result<(), KeyFileError> {
        let next = self.next();
        std::fs::remove_file(&next.path).map_err(|source| next.io("removed", source))
    }

    /// Puts the next key into this file's place, in one step: there is a key under this name
    /// at every moment.
    pub fn put_next(&self) -> Result<(), KeyFileError> {
        std::fs::rename(self.next().path, &self.path)
            .and_then(|()| File::open(directory_of(&self.path))?.sync_all())
            .map_err(|source| self.io("replaced", source))
    }

    fn write(&self, mut file: File, key: &InstanceKey) -> io::Result<()> {
        file.write_all(encode(key).as_bytes())?;
        file.sync_all()?;
        // Without this the name can be gone after a power cut, though not the content.
        #[cfg(unix)]
        File::open(directory_of(&self.path))?.sync_all()?;
        Ok(())
    }

    #[cfg(unix)]
    fn refuse_shared(&self, file: &File) -> Result<(), KeyFileError> {
        use std::os::unix::fs::PermissionsExt;

        let metadata = file.metadata().map_err(|source| self.io("examined", source))?;
        let mode = metadata.permissions().mode() & 0o7777;
        let shared = mode & 0o077;
        if shared != 0 && !self.is_credential() {
            return Err(KeyFileError::Permissions { path: self.path.clone(), mode });
        }
        Ok(())
    }

    /// Whether the service manager put the file there for this process alone
    /// (systemd.exec(5), `LoadCredential=`): it grants access by a list, which shows
    /// as rights of the group.
    #[cfg(unix)]
    fn is_credential(&self) -> bool {
        let directory = std::env::var_os(CREDENTIALS_VARIABLE);
        directory.is_some_and(|directory| self.path.parent() == Some(Path::new(&directory)))
    }

    fn io(&self, action: &'static str, source: io::Error) -> KeyFileError {
        KeyFileError::Io { path: self.path.clone(), action, source }
    }
}

#[cfg(unix)]
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn encode(key: &InstanceKey) -> Zeroizing<String> {
    // Reserved in full, so that growing leaves no copy of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX));
    text.push_str(FORMAT);
    text.push(' ');
    STANDARD.encode_string(key.expose_bytes(), &mut text);
    text.push('\n');
    text
}

fn decode(text: &[u8]) -> Result<InstanceKey, &'static str> {
    if text.len() > FILE_BYTES_MAX {
        return Err("it is longer than one key");
    }
    let text = str::from_utf8(text).map_err(|_not_utf8| "it is not text")?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let encoded = line
        .strip_prefix(FORMAT)
        .and_then(|rest| rest.strip_prefix(' '))
        .ok_or("it does not begin with \"invshop-instance-key-v1 \"")?;
    let bytes = STANDARD.decode(encoded).map(Zeroizing::new);
    let bytes = bytes.map_err(|_not_base64| "the key is not one line of base64")?;
    if bytes.len() != 32 {
        return Err("the key is not 32 bytes long");
    }
    Ok(InstanceKey::from_secret(SecretBox::init_with_mut(|root: &mut [u8; 32]| {
        root.copy_from_slice(&bytes);
    })))
}

/// Why the key file could not be read or created; never contains the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is no such file.
    #[error("the instance key file {} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file may be used by its group or by everyone.
    #[error(
        "the instance key file {path} has mode {mode:04o}: only its owner may have access \
         (chmod 600 {path})",
        path = path.display()
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{} is not an instance key file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file to be created exists.
    #[error("the instance key file {} already exists and is never overwritten", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// The system failed.
    #[error("the instance key file {} could not be {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: opened, read, created, written, replaced, …
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SeededRandom;

    fn key() -> InstanceKey {
        InstanceKey::generate(&SeededRandom::new(1))
    }

    fn directory_with(content: &[u8]) -> (tempfile::TempDir, KeyFile) {
        let directory = tempfile::tempdir().unwrap();
        let file = KeyFile::new(directory.path().join("shop.key"));
        file.create(&key()).unwrap();
        std::fs::write(file.path(), content).unwrap();
        (directory, file)
    }

    #[test]
    fn a_created_file_reads_back_as_the_same_key() {
        let directory = tempfile::tempdir().unwrap();
        let file = KeyFile::new(directory.path().join("shop.key"));
        file.create(&key()).unwrap();
        let read = file.read().unwrap();
        assert_eq!(read.id(), key().id());
        assert_eq!(read.expose_bytes(), key().expose_bytes());
    }

    #[test]
    fn the_format_is_one_line_of_text() {
        let text = encode(&InstanceKey::from_secret(SecretBox::new(Box::new([0; 32]))));
        assert_eq!(*text, format!("invshop-instance-key-v1 {}=\n", "A".repeat(43)));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_and_refused_when_it_is_not() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let file = KeyFile::new(directory.path().join("shop.key"));
        file.create(&key()).unwrap();
        let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), permissions).unwrap();
            let error = file.read().unwrap_err();
            assert!(matches!(error, KeyFileError::Permissions { mode: m, .. } if m == mode));
            assert!(error.to_string().contains(&format!("mode 0{mode:o}")), "{error}");
        }
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o400)).unwrap();
        file.read().unwrap();
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let (_directory, file) = directory_with(b"precious");
        let error = file.create(&key()).unwrap_err();
        assert!(matches!(error, KeyFileError::AlreadyExists { .. }), "{error}");
        assert_eq!(std::fs::read(file.path()).unwrap(), b"precious");
    }

    #[test]
    fn a_missing_file_is_told_apart_from_one_that_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let error = KeyFile::new(directory.path().join("none.key")).read().unwrap_err();
        assert!(matches!(error, KeyFileError::Missing { .. }), "{error}");
        let error = KeyFile::new(directory.path().join("no/such.key")).create(&key()).unwrap_err();
        assert!(matches!(error, KeyFileError::Io { action: "created", .. }), "{error}");
        assert!(error.to_string().contains("such.key"), "{error}");
    }

    #[test]
    fn other_content_is_refused_with_the_reason_and_not_repeated() {
        let good = encode(&key());
        let two_lines = format!("{}{}", *good, *good);
        for (content, reason) in [
            ("", "does not begin"),
            ("invshop-instance-key-v2 AAAA", "does not begin"),
            ("invshop-instance-key-v1 AAAA\n", "32 bytes"),
            ("invshop-instance-key-v1 !!!!\n", "base64"),
            (two_lines.as_str(), "base64"),
            (&"x".repeat(300), "longer"),
        ] {
            let (_directory, file) = directory_with(content.as_bytes());
            let error = file.read().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(error.contains("shop.key"), "{error}");
            assert!(!error.contains("AAAA"), "{error}");
        }
        let (_directory, file) = directory_with(&[0xff, 0xfe]);
        assert!(file.read().unwrap_err().to_string().contains("not text"));
    }

    #[test]
    fn the_line_end_may_be_missing_or_that_of_windows() {
        let good = encode(&key());
        for content in [good.trim_end().to_owned(), good.replace('\n', "\r\n")] {
            let (_directory, file) = directory_with(content.as_bytes());
            assert_eq!(file.read().unwrap().id(), key().id());
        }
    }
}
