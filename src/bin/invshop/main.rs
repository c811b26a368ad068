//! `invshop`: the admin's command line over the library, with or without a daemon.
//!
//! What scripts may rely on:
//!
//! - **stdout** carries data and nothing else: a table or one line for people,
//!   with `--json` exactly one JSON document. Lists are `{"data": [...]}`. A stream
//!   (`events tail`) is one JSON document a line, with or without it.
//! - **stderr** carries the rest. An error is `error: …` with `hint: …` lines;
//!   with `--json` it is one line `{"error": {"code", "message", …}}`, whose
//!   `hint` and further fields (`shortages`, `problems`, …) appear where there
//!   are any. Warnings are `{"warning": …}` then, and log lines are JSON too.
//! - **Exit codes**: 0 done, 1 refused or findings, 2 misuse or failure, 130
//!   after Ctrl-C. A refusal wrote nothing.
//! - Every verb that writes takes `--key K`: the same command under the same
//!   key is done once, and answered again.

mod app;
mod arguments;
mod attention;
mod batch;
mod channel;
mod completions;
mod db;
mod demo;
mod doctor;
mod events;
mod export;
mod failure;
mod import;
mod init;
mod interrupt;
mod item;
mod key;
mod listing;
mod location;
mod man;
mod order;
mod output;
mod report;
mod sale;
mod stock;
mod token;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use app::App;
use failure::Failure;
use output::{Output, Reply};

/// Orders are many small pieces of memory, made on one thread and freed on another.
/// `override` in Cargo.toml gives SQLite's C code the same allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A stock ledger that does not oversell and can explain every number
#[derive(Debug, Parser)]
#[command(name = "invshop", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    noun: Noun,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
struct Global {
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "Configuration file [default: $INVSHOP_CONFIG, ./invshop.toml, /etc/invshop/config.toml]"
    )]
    config: Option<PathBuf>,
    /// One JSON document on stdout; errors as JSON on stderr
    #[arg(long, global = true)]
    json: bool,
    /// Answer yes to every question
    #[arg(long, short = 'y', global = true)]
    yes: bool,
    /// Say more on stderr (-vv, -vvv: still more)
    #[arg(long, short = 'v', global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Create a shop: its configuration, database, instance key and first API key
    Init(init::Init),
    /// The whole system against simulated shops, ending in a proof
    Demo(demo::Demo),
    /// Levels: what is there, promised, owed and offered
    #[command(subcommand)]
    Stock(stock::Verb),
    /// The catalogue
    #[command(subcommand)]
    Item(item::Verb),
    /// Offer nothing of an item any more, at once and everywhere, whatever the rules
    StopSale(sale::Stop),
    /// Offer an item again whose sale was stopped
    ResumeSale(sale::Resume),
    /// Orders and what happens to them
    #[command(subcommand)]
    Order(order::Verb),
    /// The places that hold stock
    #[command(subcommand)]
    Location(location::Verb),
    /// The shops that sell the stock
    #[command(subcommand)]
    Channel(channel::Verb),
    /// What channels sell, and which item each is
    #[command(subcommand)]
    Listing(listing::Verb),
    /// What came in from channels
    #[command(subcommand)]
    Inbox(listing::Inbox),
    /// Compare what channels show with the ledger; exit 1 when they differ
    Reconcile(channel::Reconcile),
    /// What is wrong right now, each with the command that solves it
    Attention,
    /// What happens, as those hear it who listen over REST
    #[command(subcommand)]
    Events(events::Verb),
    /// API keys: make, list and revoke them
    #[command(subcommand)]
    Key(key::Verb),
    /// Short-lived tokens of the API, and the keys they are signed with
    #[command(subcommand)]
    Token(token::Verb),
    /// People who order: register, see, change, hand over and erase what is known
    #[command(subcommand)]
    User(user::Verb),
    /// Figures over many items or orders
    #[command(subcommand)]
    Report(report::Verb),
    /// Read items, stock, listings or orders from a CSV file
    #[command(subcommand)]
    Import(import::Verb),
    /// Write items, stock, listings or orders to a CSV file
    Export(export::Export),
    /// Imports: see them, go on with one, take one back
    #[command(subcommand)]
    Batch(batch::Verb),
    /// The database itself
    #[command(subcommand)]
    Db(db::Verb),
    /// Check this installation; each line says ok, warn or fail
    Doctor,
    /// Print the completion script of a shell
    Completions(completions::Completions),
    /// Print the manual page, or write the pages of all commands
    Man(man::Man),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let output = Output::new(cli.global.json);
    let result = app::run(&cli.global, &output, cli.noun);
    output.finish(result)
}

/// Does what was asked for. Everything but [`Noun::Init`], `db migrate` and
/// `doctor` works on an opened shop, which is closed again whatever happened.
async fn dispatch(app: &App<'_>, noun: Noun) -> Result<Reply, Failure> {
    match noun {
        Noun::Init(init) => init::run(app, init).await,
        Noun::Demo(demo) => Box::pin(demo::run(app, demo)).await,
        Noun::Db(verb) => db::run(app, verb).await,
        Noun::Doctor => doctor::run(app).await,
        Noun::Completions(shell) => Ok(completions::run(&shell, Cli::command())),
        Noun::Man(man) => man::run(&man, Cli::command()),
        Noun::Stock(stock::Verb::Explain(asked)) if asked.channel.is_some() => {
            app.with_channels(async |_, channels| stock::on_channel(channels, &asked).await).await
        }
        Noun::Stock(verb) => app.with_shop(async |shop| stock::run(app, shop, verb).await).await,
        Noun::Item(verb) => app.with_shop(async |shop| item::run(app, shop, verb).await).await,
        Noun::Order(verb) => app.with_shop(async |shop| order::run(app, shop, verb).await).await,
        Noun::Location(verb) => app.with_shop(async |shop| location::run(shop, verb).await).await,
        Noun::StopSale(stop) => app.with_shop(async |shop| sale::stop(app, shop, stop).await).await,
        Noun::ResumeSale(resume) => {
            app.with_shop(async |shop| sale::resume(app, shop, resume).await).await
        }
        Noun::Channel(verb) => {
            app.with_channels(async |_, channels| channel::run(app, channels, verb).await).await
        }
        Noun::Listing(verb) => {
            app.with_channels(async |_, channels| listing::run(app, channels, verb).await).await
        }
        Noun::Inbox(verb) => {
            app.with_channels(async |shop, channels| listing::inbox(shop, channels, verb).await)
                .await
        }
        Noun::Reconcile(given) => {
            app.with_channels(async |shop, channels| {
                channel::reconcile(app, shop, channels, &given).await
            })
            .await
        }
        Noun::Events(verb) => events::run(app, verb).await,
        Noun::Attention => app.with_shop(async |shop| attention::run(shop).await).await,
        Noun::Key(verb) => app.with_shop(async |shop| key::run(shop, verb).await).await,
        Noun::Token(verb) => app.with_shop(async |shop| token::run(app, shop, verb).await).await,
        Noun::User(verb) => app.with_shop(async |shop| user::run(app, shop, verb).await).await,
        Noun::Import(import::Verb::Listings(given)) => {
            app.with_channels(async |_, channels| import::run_listings(app, channels, given).await)
                .await
        }
        Noun::Import(verb) => app.with_shop(async |shop| import::run(app, shop, verb).await).await,
        Noun::Export(export) => {
            app.with_shop(async |shop| export::run(app, shop, export).await).await
        }
        Noun::Batch(verb) => app.with_shop(async |shop| batch::run(app, shop, verb).await).await,
        Noun::Report(verb) => app.with_shop(async |shop| report::run(app, shop, verb).await).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_tree_is_sound() {
        super::Cli::command().debug_assert();
    }
}
