//! `init`: a new shop, or none at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use invshop::config::{Config, DatabaseUrl};
use invshop::secret::ApiKey;
use invshop::shop::{Opening, Shop};
use serde_json::json;

use crate::app::App;
use crate::failure::Failure;
use crate::output::Reply;

/// The configuration's name in the directory of the shop.
const CONFIG_FILE: &str = "invshop.toml";
/// The setting that `--database-url` takes the place of.
const URL_SETTING: &str = "#url = \"sqlite:invshop.db\"";
/// What SQLite and the writer's turn keep beside the database file.
const BESIDE_DATABASE: [&str; 5] = ["", "-wal", "-shm", ".turn", ".write"];

/// Where and how.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The directory of the configuration and the database; made when it is missing.
    /// With --config the configuration is used as it is, and must exist
    #[arg(default_value = ".")]
    directory: PathBuf,
    #[arg(
        long,
        value_name = "URL",
        help = "A database to use: postgres://USER@HOST/DATABASE or env:NAME [default: an SQLite file]"
    )]
    database_url: Option<String>,
}

/// Creates it.
pub(crate) async fn run(app: &App<'_>, init: Init) -> Result<Reply, Failure> {
    let mut made = Made::default();
    let result = Box::pin(create(app, &init, &mut made)).await;
    match result {
        Ok(reply) => Ok(reply),
        Err(failure) => Err(made.remove(failure)),
    }
}

async fn create(app: &App<'_>, init: &Init, made: &mut Made) -> Result<Reply, Failure> {
    let file = configuration(app, init, made)?;
    let config = Config::from_process(Some(&file), &[])?;
    for warning in &config.warnings {
        app.output.warn(&warning.to_string());
    }
    refuse_existing(&config)?;
    made.expect(&config)?;
    let (shop, key) = Shop::create(Opening::of(&config)).await?;
    let located = shop.create_configured(&config.locations).await;
    let database = shop.db.place();
    shop.close().await;
    located?;
    Ok(created(&config, &file, &database, &key))
}

fn created(config: &Config, file: &Path, database: &str, key: &ApiKey) -> Reply {
    let (file, key_file) = (file.display(), config.database.key_file.path().display());
    let line = format!(
        "created a shop with the location main\n\
         configuration: {file}\n\
         database: {database}\n\
         instance key: {key_file} (keep a copy apart from the backups)\n\
         admin API key, shown only now: {}",
        key.expose()
    );
    let document = json!({ "config": file.to_string(), "database": database, "key": key.expose() });
    Reply::one(line, document)
}

/// The file of the configuration: the one of `--config` as it is, else a new one.
fn configuration(app: &App<'_>, init: &Init, made: &mut Made) -> Result<PathBuf, Failure> {
    if let Some(given) = &app.global.config {
        if init.database_url.is_some() || init.directory != Path::new(".") {
            let message = "--config names a configuration that exists; \
                           it says where the database is";
            return Err(Failure::usage(message));
        }
        return Ok(given.clone());
    }
    made.directory(&init.directory)?;
    let file = init.directory.join(CONFIG_FILE);
    let text = text(init.database_url.as_deref());
    write_new(&file, &text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(&file).hint(format!(
            "to create the database of that configuration: invshop --config {} init",
            file.display()
        )),
        _ => Failure::io(&file.display().to_string(), &error),
    })?;
    made.files.push(file.clone());
    Ok(file)
}

/// The commented example, with the URL where one was given.
fn text(url: Option<&str>) -> String {
    let example = Config::example_text();
    match url {
        None => example.to_owned(),
        Some(url) => {
            let setting = format!("url = {}", toml::Value::String(url.to_owned()));
            example.replacen(URL_SETTING, &setting, 1)
        }
    }
}

/// Others may not read it: a password may stand in it, now or later.
fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(file)?;
    let written = open.write_all(text.as_bytes()).and_then(|()| open.sync_all());
    written.inspect_err(|_| {
        // The first error matters, so one from the removal is dropped.
        fs::remove_file(file).ok();
    })
}

fn exists(path: &Path) -> Failure {
    let path = path.display().to_string();
    Failure::refused("already_exists", format!("{path} exists already"))
        .field("path", json!(path))
        .hint("init never overwrites; name another directory, or remove it first")
}

fn refuse_existing(config: &Config) -> Result<(), Failure> {
    let key_file = config.database.key_file.path();
    let database = match &config.database.url {
        DatabaseUrl::Sqlite(file) => Some(file.as_path()),
        DatabaseUrl::Postgres(_) => None,
    };
    let present = database.into_iter().chain([key_file]).find(|path| path.exists());
    present.map_or(Ok(()), |path| Err(exists(path)))
}

/// What did not exist before and must not stay behind a failure.
#[derive(Debug, Default)]
struct Made {
    files: Vec<PathBuf>,
    /// The database and its key: somebody else's where they turn out to exist.
    database: Vec<PathBuf>,
    directories: Vec<PathBuf>,
    /// Whether a server holds tables that only a person may drop.
    server: bool,
}

impl Made {
    /// Makes a directory and those above it that are missing.
    fn directory(&mut self, wanted: &Path) -> Result<(), Failure> {
        let missing =
            wanted.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        self.directories.extend(missing.map(Path::to_owned));
        fs::create_dir_all(wanted)
            .map_err(|error| Failure::io(&wanted.display().to_string(), &error))
    }

    /// The database and its key are made next, in places that can be written to:
    /// a server would keep the tables of a shop whose key could not be stored.
    fn expect(&mut self, config: &Config) -> Result<(), Failure> {
        let key_file = config.database.key_file.path();
        let beside = key_file.parent().filter(|path| !path.as_os_str().is_empty());
        let beside = beside.unwrap_or(Path::new("."));
        tempfile::tempfile_in(beside)
            .map_err(|error| Failure::io(&beside.display().to_string(), &error))?;
        self.database.push(key_file.to_owned());
        match &config.database.url {
            DatabaseUrl::Sqlite(file) => {
                self.database.extend(BESIDE_DATABASE.iter().map(|end| {
                    let mut name = file.clone().into_os_string();
                    name.push(end);
                    PathBuf::from(name)
                }));
            }
            DatabaseUrl::Postgres(_) => self.server = true,
        }
        Ok(())
    }

    /// Takes back what was made; what cannot be removed is named.
    fn remove(&self, mut failure: Failure) -> Failure {
        // Two that create at once: the one that comes second made none of it.
        let others = failure.code.ends_with("_exists");
        let database = self.database.iter().rev().filter(|_| !others);
        let files = database.chain(self.files.iter().rev());
        let files = files.map(|path| (path, fs::remove_file(path)));
        let directories = self.directories.iter().map(|path| (path, fs::remove_dir(path)));
        for (path, removed) in files.chain(directories) {
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                failure = failure.hint(format!("{} could not be removed: {error}", path.display()));
            }
        }
        if self.server && !matches!(failure.code, "database_exists" | "database_foreign") {
            let hint = "if the database has tables now, drop and create it before the next try";
            failure = failure.hint(hint);
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_the_setting_that_a_url_replaces() {
        let url = "postgres://shop@db.example.com/shop";
        let text = text(Some(url));
        assert!(text.lines().any(|line| line == format!("url = \"{url}\"")), "{text}");
        assert_eq!(super::text(None), Config::example_text());
    }
}
