//! `location …`: the places that hold stock.

use clap::{Args, Subcommand};
use invshop::domain::{AccountName, Location, LocationCode, LocationKind, Title};
use invshop::ledger::catalogue::NewLocation;
use invshop::reports;
use invshop::shop::Shop;
use invshop::writer::Command;
use serde_json::{Value, json};

use crate::arguments::KeyArgument;
use crate::failure::Failure;
use crate::output::{Reply, Table};

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
    #[arg(
        long,
        default_value = "warehouse",
        help = "warehouse, store, third_party, transit or quarantine"
    )]
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
pub(crate) async fn run(shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    match verb {
        Verb::List => list(shop).await,
        Verb::Create(create) => add(shop, create).await,
    }
}

async fn list(shop: &Shop) -> Result<Reply, Failure> {
    let locations = reports::locations(&shop.db).await?;
    let data: Vec<Value> = locations.iter().map(document).collect();
    Ok(Reply::list(table(&locations), &data))
}

fn table(locations: &[Location]) -> Table {
    let names = ["code", "name", "kind", "authority", "sellable", "#priority"];
    let mut table = Table::new(&names, "no locations");
    for location in locations {
        table.row(vec![
            location.code.to_string(),
            location.name.clone(),
            location.kind.to_string(),
            location.authority.clone(),
            if location.sellable { "yes" } else { "no" }.to_owned(),
            location.priority.to_string(),
        ]);
    }
    table
}

fn document(location: &Location) -> Value {
    json!({
        "code": location.code.as_str(),
        "name": location.name,
        "kind": location.kind.as_str(),
        "authority": location.authority,
        "sellable": location.sellable,
        "priority": location.priority,
    })
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
    let answer = shop.submit(command, create.key.key).await?;
    let mut locations = reports::locations(&shop.db).await?;
    locations.retain(|location| location.code == code);
    let document = json!({ "location": locations.first().map(document) });
    Ok(Reply::written(&answer, &format!("created location {code}"), table(&locations), document))
}
