//! What to measure, and for how long.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::shops::Kind;
use crate::wanted::Pattern;

/// Measures the ledger against plain SQL on SQLite and PostgreSQL.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 1.5, env = "INVSHOP_BENCH_SECONDS")]
    pub(crate) seconds: f64,
    /// Measurements of each variant; medians are reported.
    #[arg(long, default_value_t = 3, env = "INVSHOP_BENCH_REPETITIONS")]
    pub(crate) repetitions: usize,
    /// Rows of the import.
    #[arg(long, default_value_t = 1_000_000, env = "INVSHOP_BENCH_ROWS")]
    pub(crate) rows: usize,
    /// Rows of the larger stock import (R65).
    #[arg(long, default_value_t = 100_000)]
    pub(crate) stock_rows: usize,
    /// A look in a minute: short measurements, small files. Its figures prove nothing.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Only these databases.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["sqlite", "postgres"])]
    pub(crate) database: Vec<Kind>,
    /// Only these numbers of callers.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64, 256])]
    pub(crate) callers: Vec<usize>,
    /// Seed of all that is random.
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Set in the processes that the bench starts of itself.
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// A part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The writer against a transaction per request.
    Orders,
    /// Two processes on one database.
    Nodes,
    /// A large import against plain SQL.
    Import,
    /// Orders during an import.
    Stall,
    /// How a stock import grows with its file.
    Growth,
    /// Orders over HTTP, and more of them than can be served.
    Http,
    /// What it costs to be known, and to read one item.
    Access,
    /// What reading many items at once saves.
    Reads,
    /// How soon a sale is shown on channels, alone and beside a bulk.
    Channels,
    /// Comparing a million listings, and the daemon's memory with 300 000.
    Listings,
    /// How soon a thousand who listen hear of an order.
    Events,
    /// How soon the daemon is ready, and what it needs when nothing happens.
    Idle,
}

/// What a process started by the bench does.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Places orders through a writer of its own.
    #[command(hide = true)]
    Node(NodeArguments),
    /// Imports a file.
    #[command(hide = true)]
    Import(ImportArguments),
    /// Has orders placed for whoever asks.
    #[command(hide = true)]
    Bare(ShopArguments),
    /// Answers every POST and stores nothing.
    #[command(hide = true)]
    Nothing,
}

/// Which shop a process opens.
#[derive(Clone, Debug, Args)]
pub(crate) struct ShopArguments {
    /// The SQLite file, or the PostgreSQL URL.
    #[arg(long)]
    pub(crate) place: String,
    /// The instance key's file.
    #[arg(long)]
    pub(crate) key: PathBuf,
}

/// What a placing process is told.
#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    #[command(flatten)]
    pub(crate) shop: ShopArguments,
    #[arg(long)]
    pub(crate) seconds: f64,
    #[arg(long)]
    pub(crate) callers: usize,
    #[arg(long)]
    pub(crate) first: u64,
    #[arg(long)]
    pub(crate) seed: u64,
    #[arg(long, value_enum)]
    pub(crate) pattern: Pattern,
}

/// What an importing process is told.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    #[command(flatten)]
    pub(crate) shop: ShopArguments,
    #[arg(long, value_enum)]
    pub(crate) kind: FileKind,
    #[arg(long)]
    pub(crate) file: PathBuf,
}

/// What the rows of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileKind {
    /// Items with opening stock.
    Items,
    /// Counts of levels.
    Stock,
}

impl FileKind {
    /// As the command line says it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Stock => "stock",
        }
    }
}

impl Arguments {
    /// Reads the command line; `--quick` shrinks everything.
    pub(crate) fn parse() -> Self {
        let mut arguments = <Self as Parser>::parse();
        if arguments.quick {
            arguments.seconds = arguments.seconds.min(0.3);
            arguments.repetitions = 1;
            arguments.rows = arguments.rows.min(20_000);
            arguments.stock_rows = arguments.stock_rows.min(20_000);
        }
        arguments
    }

    /// The parts to measure, in the order of the table.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let all = [
            Part::Orders,
            Part::Nodes,
            Part::Import,
            Part::Stall,
            Part::Growth,
            Part::Http,
            Part::Access,
            Part::Reads,
            Part::Channels,
            Part::Listings,
            Part::Events,
            Part::Idle,
        ];
        let wanted = |part: &Part| self.only.is_empty() || self.only.contains(part);
        all.into_iter().filter(wanted).collect()
    }
}
