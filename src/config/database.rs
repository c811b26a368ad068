//! Which database to use, with a password that does not show.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::secret::REDACTED;

/// The parts of a PostgreSQL URL's query that hold no secret; all others are hidden.
const QUERY_SHOWN: [&str; 7] =
    ["application_name", "dbname", "host", "hostaddr", "port", "sslmode", "user"];

/// The database of the shop. `Debug` and `Display` show no password.
#[derive(Clone, PartialEq)]
pub enum DatabaseUrl {
    /// The file of an SQLite database.
    Sqlite(PathBuf),
    /// The URL of a PostgreSQL database.
    Postgres(PostgresUrl),
}

impl DatabaseUrl {
    /// Reads `sqlite:FILE` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// A relative file starts at `directory`. `sqlite://FILE` and
    /// `postgresql://…` are accepted too.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, DatabaseUrlError> {
        if let Some(file) = text.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            return Ok(Self::Sqlite(directory.join(sqlite_file(file)?)));
        }
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest = rest.ok_or(DatabaseUrlError::Scheme)?;
        let shown = redact_postgres(rest)?;
        Ok(Self::Postgres(PostgresUrl { url: text.into(), shown }))
    }

    /// Whether the URL itself contains a password.
    pub fn has_password(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(url) => url.shown.contains(REDACTED),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// The URL of a PostgreSQL database. `Debug` and `Display` show no password.
#[derive(Clone)]
pub struct PostgresUrl {
    url: SecretString,
    shown: String,
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url.expose_secret() == other.url.expose_secret()
    }
}

impl PostgresUrl {
    /// The URL with its password, for connecting only.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

fn sqlite_file(file: &str) -> Result<&str, DatabaseUrlError> {
    if file.contains(":memory:") {
        return Err(DatabaseUrlError::SqliteMemory);
    }
    if file.contains('?') {
        return Err(DatabaseUrlError::SqliteOptions);
    }
    if file.is_empty() || file.ends_with('/') || file.contains(char::is_control) {
        return Err(DatabaseUrlError::SqliteFile);
    }
    Ok(file)
}

/// The URL after its scheme, fit for showing, or why it is not one.
///
/// Stricter than URL parsers, which read a password with a bare `/`, `?` or `#`
/// as a host or a path: such a part would not be recognised as secret.
fn redact_postgres(rest: &str) -> Result<String, DatabaseUrlError> {
    let bare = |c: char| c == '#' || c.is_whitespace() || c.is_control();
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path_and_query) = rest.split_at(authority_end);
    if rest.contains(bare) || path_and_query.contains('@') {
        return Err(DatabaseUrlError::Encoding);
    }
    let (login, host) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    if login.is_some_and(|login| login.contains('@')) {
        return Err(DatabaseUrlError::Encoding);
    }
    check_host(host)?;
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let named = path.len() > 1 || query.is_some_and(|query| query.contains("dbname="));
    if !named {
        return Err(DatabaseUrlError::NoDatabase);
    }
    let login = login.map(redact_login).unwrap_or_default();
    let query = query.map(redact_query).unwrap_or_default();
    Ok(format!("postgres://{login}{host}{path}{query}"))
}

/// Anything after the host's last colon must be a port, else it may be a password.
fn check_host(host: &str) -> Result<(), DatabaseUrlError> {
    let port = match host.rsplit_once(']') {
        Some((_, "")) => return Ok(()),
        Some((_, after_address)) => after_address.strip_prefix(':'),
        None => match host.split_once(':') {
            Some((_, port)) => Some(port),
            None => return Ok(()),
        },
    };
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) => Ok(()),
        _ => Err(DatabaseUrlError::Port),
    }
}

fn redact_login(login: &str) -> String {
    match login.split_once(':') {
        Some((user, _password)) => format!("{user}:{REDACTED}@"),
        None => format!("{login}@"),
    }
}

fn redact_query(query: &str) -> String {
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if QUERY_SHOWN.contains(&name) => pair.to_owned(),
        Some((name, _)) => format!("{name}={REDACTED}"),
        None => REDACTED.to_owned(),
    });
    format!("?{}", shown.collect::<Vec<_>>().join("&"))
}

/// Why a text is not the URL of a database; never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// Neither of the two databases.
    #[error("expected sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE")]
    Scheme,
    /// A database that ends with the process.
    #[error("a database in memory would forget every order; name a file: sqlite:FILE")]
    SqliteMemory,
    /// Options that SQLite's own URLs have.
    #[error("sqlite:FILE takes no options after '?'")]
    SqliteOptions,
    /// No usable file name.
    #[error("sqlite: needs the name of a file")]
    SqliteFile,
    /// A character that ends a part of a URL stands bare.
    #[error(
        "@ / ? # and blanks must be percent-encoded in a user name, a password or an option \
         (%40 %2F %3F %23 %20)"
    )]
    Encoding,
    /// What follows the host is no port.
    #[error(
        "the port is not a number up to 65535 (does the password contain @ or /? \
         percent-encode it: %40 %2F)"
    )]
    Port,
    /// The database itself is missing.
    #[error("the URL names no database: postgres://HOST/DATABASE")]
    NoDatabase,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
        DatabaseUrl::parse(text, Path::new("/shop"))
    }

    #[test]
    fn a_relative_sqlite_file_starts_at_the_directory() {
        for (text, file) in [
            ("sqlite:invshop.db", "/shop/invshop.db"),
            ("sqlite://data/my shop.db", "/shop/data/my shop.db"),
            ("sqlite:/srv/invshop.db", "/srv/invshop.db"),
            ("sqlite:///srv/invshop.db", "/srv/invshop.db"),
        ] {
            let url = parse(text).unwrap();
            assert!(matches!(&url, DatabaseUrl::Sqlite(found) if found == Path::new(file)));
            assert_eq!(url.to_string(), format!("sqlite:{file}"));
        }
    }

    #[test]
    fn a_postgres_url_is_kept_whole_and_shown_without_its_secrets() {
        for (text, shown) in [
            ("postgres://localhost/shop", "postgres://localhost/shop"),
            ("postgresql://ada@db:5432/shop", "postgres://ada@db:5432/shop"),
            ("postgres://ada:hunter2@db/shop", "postgres://ada:[redacted]@db/shop"),
            (
                "postgres://ada:hun:ter2@[::1]:5432/shop",
                "postgres://ada:[redacted]@[::1]:5432/shop",
            ),
            ("postgres://[::1]/shop", "postgres://[::1]/shop"),
            ("postgres:///shop?host=/run/postgresql", "postgres:///shop?host=/run/postgresql"),
            (
                "postgres://db/shop?sslmode=verify-full&password=hunter2",
                "postgres://db/shop?sslmode=verify-full&password=[redacted]",
            ),
            (
                "postgres://db/shop?p%61ssword=hunter2&hunter2",
                "postgres://db/shop?p%61ssword=[redacted]&[redacted]",
            ),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({shown})"));
            assert_eq!(url.has_password(), text.contains("ter2"), "{text}");
            assert!(matches!(&url, DatabaseUrl::Postgres(inner) if inner.expose() == text));
        }
    }

    #[test]
    fn what_is_no_database_is_refused_with_the_reason() {
        use DatabaseUrlError::{
            Encoding, NoDatabase, Port, Scheme, SqliteFile, SqliteMemory, SqliteOptions,
        };
        for (text, reason) in [
            ("", Scheme),
            ("invshop.db", Scheme),
            ("mysql://db/shop", Scheme),
            ("postgres:db/shop", Scheme),
            ("sqlite:", SqliteFile),
            ("sqlite://", SqliteFile),
            ("sqlite:data/", SqliteFile),
            ("sqlite::memory:", SqliteMemory),
            ("sqlite:shop.db?mode=ro", SqliteOptions),
            ("postgres://db", NoDatabase),
            ("postgres://db/", NoDatabase),
            ("postgres://db:port/shop", Port),
            ("postgres://db:70000/shop", Port),
            ("postgres://[::1]x/shop", Port),
        ] {
            assert_eq!(parse(text).unwrap_err(), reason, "{text}");
        }
        for password in ["hunter2/x", "hunter2?x", "hunter2#x", "hunter2@x", "hunter 2"] {
            let text = format!("postgres://ada:{password}@db/shop");
            assert_eq!(parse(&text).unwrap_err(), Encoding, "{text}");
        }
    }
}
