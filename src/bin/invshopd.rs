//! `invshopd`: the daemon. Flags, configuration, run, exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use invshop::config::{Config, ConfigError, LogFormat, LogLevel};
use invshop::daemon;
use invshop::telemetry::{self, Format, Level, Verbosity};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Orders are many small pieces of memory, made on one thread and freed on another.
/// `override` in Cargo.toml gives SQLite's C code the same allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The stock ledger's daemon: serves its REST API, and does what is due
#[derive(Debug, Parser)]
#[command(name = "invshopd", version, max_term_width = 100)]
struct Arguments {
    #[arg(
        long,
        value_name = "FILE",
        help = "Configuration file [default: $INVSHOP_CONFIG, ./invshop.toml, /etc/invshop/config.toml]"
    )]
    config: Option<PathBuf>,
    /// Check the configuration and the database, and exit
    #[arg(long)]
    check: bool,
}

#[expect(clippy::print_stderr, reason = "the last word before the exit code")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = read(arguments)?;
    let format = match config.telemetry.log_format {
        LogFormat::Human => Format::Human,
        LogFormat::Json => Format::Json,
    };
    let level = telemetry::init(verbosity(&config), format)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        if arguments.check {
            return Ok(daemon::check(&config).await?);
        }
        serve(arguments, &config, &level).await
    });
    // The thread that waits for other writers' locks may wait for long.
    runtime.shutdown_background();
    result
}

fn read(arguments: &Arguments) -> Result<Config, ConfigError> {
    Config::from_process(arguments.config.as_deref(), &[])
}

const fn verbosity(config: &Config) -> Verbosity {
    match config.telemetry.log_level {
        LogLevel::Error => Verbosity::Error,
        LogLevel::Warn => Verbosity::Warn,
        LogLevel::Info => Verbosity::Info,
        LogLevel::Debug => Verbosity::Debug,
        LogLevel::Trace => Verbosity::Trace,
    }
}

async fn serve(arguments: &Arguments, config: &Config, level: &Level) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let mut interrupts = signal(SignalKind::interrupt()).context("SIGINT")?;
    let mut terminations = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut hangups = signal(SignalKind::hangup()).context("SIGHUP")?;
    let listener = daemon::listen(config.server.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let work = daemon::run(config, listener, stop.clone());
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return Ok(result?),
            _ = hangups.recv() => {
                reload(arguments, config, level).await;
                continue;
            }
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
        anyhow::ensure!(!stop.is_cancelled(), "stopped at once by a second signal");
        tracing::info!("ending: requests under way are finished");
        stop.cancel();
    }
}

/// Reads the configuration again and takes over what can change while it runs. A
/// configuration with problems changes nothing.
async fn reload(arguments: &Arguments, running: &Config, level: &Level) {
    daemon::reloading().await;
    match read(arguments) {
        Ok(config) => {
            if let Err(error) = level.set(verbosity(&config)) {
                tracing::error!(error = %error, "the log level stays as it was");
            }
            for section in config.differs_from(running) {
                tracing::warn!(section, "changes of this section need a restart");
            }
            tracing::info!("the configuration was read again");
        }
        Err(error) => {
            tracing::error!(error = %error, "the configuration has problems; nothing was changed");
        }
    }
    daemon::reloaded().await;
}
