//! `invshopd`: the daemon. Flags, configuration, run, exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use invshop::config::Config;
use invshop::daemon;
use invshop::shop::{Opening, Shop};
use invshop::telemetry::{self, Format, Verbosity};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Orders are many small pieces of memory, made on one thread and freed on another.
/// `override` in Cargo.toml gives SQLite's C code the same allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The stock ledger's daemon: serves its REST API
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
    telemetry::init(Verbosity::from_count(1), Format::Human)?;
    let config = Config::from_process(arguments.config.as_deref(), &[])?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(arguments, &config));
    // The thread that waits for other writers' locks may wait for long.
    runtime.shutdown_background();
    result
}

async fn serve(arguments: &Arguments, config: &Config) -> anyhow::Result<()> {
    let opening = Opening::of(config);
    if arguments.check {
        Shop::open(opening).await?.close().await;
        return Ok(());
    }
    let stop = CancellationToken::new();
    let mut interrupts = signal(SignalKind::interrupt()).context("SIGINT")?;
    let mut terminations = signal(SignalKind::terminate()).context("SIGTERM")?;
    let listener = daemon::listen(config.server.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let work = daemon::run(opening, &config.locations, listener, stop.clone());
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return Ok(result?),
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
        anyhow::ensure!(!stop.is_cancelled(), "stopped at once by a second signal");
        tracing::info!("ending: requests under way are finished");
        stop.cancel();
    }
}
