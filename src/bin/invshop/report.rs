//! `report …`: figures over many items or orders.

use clap::{Args, Subcommand};
use invshop::shop::Shop;

use crate::app::App;
use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::Reply;

/// Which report.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// What the stock is worth, at cost and at price
    StockValue {
        #[command(flatten)]
        shape: Shape,
    },
    /// Items at or below their reorder point
    LowStock {
        #[command(flatten)]
        shape: Shape,
    },
    /// What was sold between two days
    Sales {
        /// The first day, as 2026-03-01
        #[arg(long, value_name = "DAY")]
        from: String,
        /// The last day
        #[arg(long, value_name = "DAY")]
        to: String,
        /// The business's time zone, as Europe/Berlin
        #[arg(long, value_name = "ZONE", default_value = "UTC")]
        tz: String,
        #[command(flatten)]
        shape: Shape,
    },
}

/// How it is written.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Shape {
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Makes one report.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    let _ = (app, shop);
    Ok(Reply::one(format!("{verb:?}"), serde_json::json!({})))
}
