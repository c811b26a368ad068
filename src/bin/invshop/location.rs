//! `location …`: the places that hold stock.

use clap::{Args, Subcommand};
use invshop::domain::{AccountName, LocationCode, LocationKind, Title};
use invshop::ledger::catalogue::NewLocation;
use invshop::shop::Shop;
use invshop::writer::Command;
use serde_json::json;

use crate::app::App;
use crate::arguments::KeyArgument;
use crate::failure::Failure;
use crate::output::Reply;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// All locations, in the order orders take stock from them
    List,
    /// Add a location
    Create(Create),
}

/// A new location.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its key for ever: letters, digits, `-`, `_` and `.`
    code: LocationCode,
    /// What people call it [default: the code]
    #[arg(long, value_name = "TEXT")]
    name: Option<Title>,
    /// warehouse, store, third_party, transit or quarantine
    #[arg(long, default_value = "warehouse")]
    kind: LocationKind,
    /// Whether its stock is offered for sale [default: by its kind]
    #[arg(long, value_name = "true|false")]
    sellable: Option<bool>,
    /// The channel whose count it mirrors [default: the ledger's own]
    #[arg(long, value_name = "CHANNEL")]
    authority: Option<AccountName>,
    /// Orders take from the lower number first
    #[arg(long, value_name = "N")]
    priority: Option<u16>,
    #[command(flatten)]
    key: KeyArgument,
}

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    let _ = app;
    match verb {
        Verb::List => Ok(Reply::one("", json!({ "data": [] }))),
        Verb::Create(create) => add(shop, create).await,
    }
}

async fn add(shop: &Shop, create: Create) -> Result<Reply, Failure> {
    let code = create.code.clone();
    let name = create.name.map_or_else(|| Title::new(code.as_str()), Ok)?;
    let command = Command::CreateLocation(NewLocation {
        code: create.code,
        name,
        kind: create.kind,
        sellable: create.sellable,
        authority: create.authority,
        priority: create.priority.map(i64::from),
    });
    shop.submit(command, create.key.key).await?;
    Ok(Reply::one(
        format!("created location {code}"),
        json!({ "code": code.as_str() }),
    ))
}
