//! `init`: a new shop.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::app::App;
use crate::failure::Failure;
use crate::output::Reply;

/// Where and how.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The directory of the configuration and the database; made when it is missing
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// A PostgreSQL database to use: postgres://USER@HOST/DATABASE [default: an SQLite file]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

/// Creates it.
pub(crate) async fn run(app: &App<'_>, init: Init) -> Result<Reply, Failure> {
    app.config()?;
    Ok(Reply::one(format!("{init:?}"), json!({})))
}
