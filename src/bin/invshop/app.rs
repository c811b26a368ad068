//! What every command stands on: the configuration, the shop, Ctrl-C.

use std::cell::OnceCell;
use std::io::IsTerminal as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use invshop::config::{Config, DatabaseUrl};
use invshop::connectors::registry::KINDS;
use invshop::domain::AllocationPolicy;
use invshop::shop::{Opening, Shop};
use invshop::store::Place;
use invshop::sync::{self, Channel};
use invshop::telemetry::{self, Format, Verbosity};

use crate::failure::{Exit, Failure};
use crate::output::{Output, Reply};
use crate::{Global, Noun, interrupt};

/// Threads of the runtime: the writer and the reads of one command.
const WORKERS: usize = 2;

/// What a command is done with.
#[derive(Debug)]
pub(crate) struct App<'a> {
    pub(crate) global: &'a Global,
    pub(crate) output: &'a Output,
    interrupted: &'a AtomicBool,
    config: OnceCell<Config>,
}

/// Runs a command to its end. Ctrl-C lets what was begun finish, prints what
/// came of it and ends with 130; pressed again it ends at once, and what was not
/// committed by then was not done.
pub(crate) fn run(global: &Global, output: &Output, noun: Noun) -> Result<Reply, Failure> {
    let format = if output.is_json() { Format::Json } else { Format::Human };
    telemetry::init(Verbosity::from_count(global.verbose), format)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime", &error))?;
    let interrupted = AtomicBool::new(false);
    let app = App { global, output, interrupted: &interrupted, config: OnceCell::new() };
    let result = runtime.block_on(until_interrupted(&app, noun));
    // A read of a question that nobody answered may still wait on its thread.
    runtime.shutdown_background();
    result
}

async fn until_interrupted(app: &App<'_>, noun: Noun) -> Result<Reply, Failure> {
    // One listener for all presses: between two of them a press would be lost.
    let mut presses = interrupt::listen().ok();
    let mut work = pin!(Box::pin(crate::dispatch(app, noun)));
    loop {
        tokio::select! {
            biased;
            result = &mut work => {
                let exit = if app.is_interrupted() { Exit::Interrupted } else { Exit::Done };
                return result.map(|reply| match exit {
                    Exit::Interrupted => Reply { exit, ..reply },
                    _ => reply,
                });
            }
            () = interrupt::pressed(&mut presses) => {
                if app.interrupted.swap(true, Ordering::Relaxed) {
                    return Err(interrupted());
                }
                app.output.note("finishing what was begun; press Ctrl-C again to stop at once");
            }
        }
    }
}

fn interrupted() -> Failure {
    Failure { exit: Exit::Interrupted, ..Failure::failed("interrupted", "interrupted") }
}

impl<'a> App<'a> {
    /// What tells long work that Ctrl-C was pressed.
    pub(crate) fn interruption(&self) -> &'a AtomicBool {
        self.interrupted
    }
}

impl App<'_> {
    /// The configuration; its warnings are said when it is read first.
    pub(crate) fn config(&self) -> Result<&Config, Failure> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = Config::from_process(self.global.config.as_deref(), &[])?;
        for warning in &config.warnings {
            self.output.warn(&warning.to_string());
        }
        Ok(self.config.get_or_init(|| config))
    }

    /// How orders are allocated, which a bundle's available-to-promise depends on.
    pub(crate) fn policy(&self) -> Result<AllocationPolicy, Failure> {
        let split = self.config()?.orders.split;
        Ok(if split { AllocationPolicy::Split } else { AllocationPolicy::OneLocation })
    }

    /// Whether Ctrl-C was pressed: long work ends at its next transaction.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Opens the shop of the configuration, works on it, and closes it whatever happened.
    pub(crate) async fn with_shop<T>(
        &self,
        work: impl AsyncFnOnce(&Shop) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let config = self.config()?;
        let shop = Shop::open(Opening::of(config)).await?;
        let result = match shop.create_configured(&config.locations).await {
            Ok(()) => Box::pin(work(&shop)).await,
            Err(error) => Err(error.into()),
        };
        shop.close().await;
        result
    }

    /// The same with the configured channels, each with its row.
    pub(crate) async fn with_channels<T>(
        &self,
        work: impl AsyncFnOnce(&Shop, &[Arc<Channel>]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let config = self.config()?;
        let shop = Arc::new(Shop::open(Opening::of(config)).await?);
        let result = match sync::open_all(&shop, KINDS, &config.channels).await {
            Ok(channels) => Box::pin(work(&shop, &channels)).await,
            Err(error) => Err(error.into()),
        };
        if let Some(shop) = Arc::into_inner(shop) {
            shop.close().await;
        }
        result
    }

    /// Asks before something that is not easily taken back. `--yes` is an
    /// answer; where nobody can be asked it is the only one.
    pub(crate) async fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.global.yes {
            return Ok(());
        }
        if self.output.is_json() || !std::io::stdin().is_terminal() {
            return Err(Failure::usage(format!("{question} needs a yes")).hint("add --yes"));
        }
        let mut presses = interrupt::listen().ok();
        self.output.note(&format!("{question}? [y/N]"));
        let answer = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|_| line)
        });
        let line = tokio::select! {
            line = answer => line.map_err(|error| Failure::failed("io", error.to_string()))?,
            () = interrupt::pressed(&mut presses) => return Err(interrupted()),
        };
        let line = line.map_err(|error| Failure::io("stdin", &error))?;
        if matches!(line.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        Err(Failure::refused("declined", "nothing was done"))
    }
}

/// Where a database is that the command line names.
pub(crate) fn place_of(text: &str) -> Result<Place, Failure> {
    let url = DatabaseUrl::from_process(text).map_err(Failure::usage)?;
    Ok(match url {
        DatabaseUrl::Sqlite(path) => Place::Sqlite(path),
        DatabaseUrl::Postgres(url) => Place::Postgres(url.expose().to_owned()),
    })
}

/// Where the database of a configuration is.
pub(crate) fn place(config: &Config) -> Place {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) => Place::Sqlite(path.clone()),
        DatabaseUrl::Postgres(url) => Place::Postgres(url.expose().to_owned()),
    }
}
