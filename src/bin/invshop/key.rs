//! `key …`: who may use the API.

use clap::{Args, Subcommand, ValueEnum};
use invshop::clock::Timestamp;
use invshop::domain::AccountName;
use invshop::ledger::catalogue::NewKey;
use invshop::reports::{self, KeyView};
use invshop::secret::ApiKey;
use invshop::shop::Shop;
use invshop::writer::Command;
use serde_json::json;

use crate::arguments::{KeyArgument, moment};
use crate::failure::Failure;
use crate::output::{Reply, Table};

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a key; it is shown once. A second key of the same name rotates the first
    Create(Create),
    /// All keys, without their secrets
    List,
    /// End a key at once
    Revoke(Revoke),
}

/// A new key.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Who holds it: also the source of the orders placed with it
    #[arg(long, value_name = "N")]
    name: AccountName,
    /// What it may do; a key holder keeps its role
    #[arg(long, value_name = "R")]
    role: Role,
    /// When it ends [default: never]
    #[arg(long, value_name = "T", value_parser = moment)]
    expires: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Everything
    Admin,
    /// Everything but keys
    Operator,
    /// Read stock; place, read and cancel its own orders
    Storefront,
    /// Read
    Reader,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Storefront => "storefront",
            Self::Reader => "reader",
        }
    }
}

/// Which key ends.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The eight characters after inv_ that name it
    prefix: String,
    #[command(flatten)]
    key: KeyArgument,
}

/// Does one verb.
pub(crate) async fn run(shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    match verb {
        Verb::Create(create) => make(shop, create).await,
        Verb::List => {
            let keys = reports::keys(&shop.db).await?;
            Ok(Reply::list(table(&keys), &keys))
        }
        Verb::Revoke(revoke) => end(shop, revoke).await,
    }
}

async fn make(shop: &Shop, create: Create) -> Result<Reply, Failure> {
    let key = ApiKey::generate(shop.random.as_ref());
    let command = Command::CreateKey(NewKey {
        account: create.name,
        role: create.role.as_str(),
        prefix: key.prefix().to_owned(),
        hash: key.hash(),
        expires_at: create.expires.map(Timestamp::as_millis),
    });
    let answer = shop.submit(command, None).await?;
    let keys = of_prefix(shop, key.prefix()).await?;
    let line = format!("created a key; it is shown only now: {}", key.expose());
    let document = json!({ "key": key.expose(), "created": keys.first() });
    Ok(Reply::written(&answer, &line, table(&keys), document))
}

async fn end(shop: &Shop, revoke: Revoke) -> Result<Reply, Failure> {
    let prefix = revoke.prefix.trim_start_matches("inv_");
    let prefix = prefix.split('_').next().unwrap_or_default().to_owned();
    let answer = shop.submit(Command::RevokeKey(prefix.clone()), revoke.key.key).await?;
    let keys = of_prefix(shop, &prefix).await?;
    let document = json!({ "revoked": keys.first() });
    Ok(Reply::written(&answer, &format!("revoked key {prefix}"), table(&keys), document))
}

async fn of_prefix(shop: &Shop, prefix: &str) -> Result<Vec<KeyView>, Failure> {
    let mut keys = reports::keys(&shop.db).await?;
    keys.retain(|key| key.prefix == prefix);
    Ok(keys)
}

fn table(keys: &[KeyView]) -> Table {
    let names =
        ["prefix", "name", "role", "created_at", "expires_at", "revoked_at", "last_used_at"];
    let mut table = Table::new(&names, "no keys");
    let shown = |time: Option<Timestamp>| time.map(|at| at.to_string()).unwrap_or_default();
    for key in keys {
        table.row(vec![
            key.prefix.clone(),
            key.name.clone(),
            key.role.clone(),
            key.created_at.to_string(),
            shown(key.expires_at),
            shown(key.revoked_at),
            shown(key.last_used_at),
        ]);
    }
    table
}
