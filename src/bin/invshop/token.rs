//! `token …`: the short-lived tokens of the API, and the keys they are signed with.

use std::io::Read as _;

use clap::{Args, Subcommand};
use invshop::access::{self, Rotation, SigningError, SigningKeyView, TokenError, Tokens};
use invshop::shop::Shop;
use serde_json::{Value, json};

use crate::app::App;
use crate::failure::Failure;
use crate::output::{Reply, Table};

/// The most bytes that are read as a token.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// What a token says, and whether it is accepted; exit 1 when it is not
    Inspect(Inspect),
    /// The keys tokens are signed with
    Keys,
    /// Sign tokens with a new key from in ten minutes on; those there are stay good
    Rotate(Rotate),
}

/// Which token.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The token, or - to read it from standard input, where no history keeps it
    token: String,
}

/// How the new key takes over.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Sign with it now and end all tokens there are: for keys that somebody else may have
    #[arg(long)]
    now: bool,
}

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    match verb {
        Verb::Inspect(asked) => inspect(app, shop, &asked.token).await,
        Verb::Keys => {
            let keys = access::signing_keys(shop).await?;
            Ok(Reply::list(table(&keys), &keys))
        }
        Verb::Rotate(rotate) => {
            let rotation = if rotate.now { Rotation::AtOnce } else { Rotation::Smooth };
            if rotate.now {
                app.confirm("end all tokens there are").await?;
            }
            let kid = access::rotate(shop, rotation).await?;
            let mut keys = access::signing_keys(shop).await?;
            keys.retain(|key| key.kid == kid);
            let key = keys.first();
            let from = key.map(|key| key.signs_from.to_string()).unwrap_or_default();
            let line = format!("made signing key {kid}, which signs from {from}");
            Ok(Reply::one(line, json!({ "created": key })))
        }
    }
}

async fn inspect(app: &App<'_>, shop: &Shop, given: &str) -> Result<Reply, Failure> {
    let token = match given {
        "-" => {
            let mut text = String::new();
            let mut input = std::io::stdin().lock().take(TOKEN_BYTES_MAX);
            input.read_to_string(&mut text).map_err(|error| Failure::io("stdin", &error))?;
            text
        }
        token => token.to_owned(),
    };
    let token = token.trim();
    let (header, claims) = access::inspect(token).map_err(|_| {
        Failure::refused("malformed_token", "this is no JWT: three parts with dots")
    })?;
    let refusal = match Tokens::of(shop, app.config()?).verify(shop, token).await {
        Ok(_) => None,
        Err(TokenError::Keys(error)) => return Err(error.into()),
        Err(error) => Some(error.to_string()),
    };
    let mut table = Table::new(&["what", "says"], "nothing");
    let mut rows = |part: &str, of: &Value| {
        for (name, value) in of.as_object().into_iter().flatten().filter(|(_, one)| !one.is_null())
        {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            table.row(vec![format!("{part}.{name}"), value]);
        }
    };
    rows("header", &header);
    rows("claims", &claims);
    let verdict = refusal.as_deref().map_or("yes".to_owned(), |why| format!("no: {why}"));
    table.row(vec!["accepted".to_owned(), verdict]);
    let document = json!({ "header": header, "claims": claims, "accepted": refusal.is_none(),
                           "reason": refusal });
    Ok(Reply::one(table, document).with_findings(refusal.is_some()))
}

fn table(keys: &[SigningKeyView]) -> Table {
    let names = ["kid", "state", "created_at", "signs_from", "verifies_until"];
    let mut table = Table::new(&names, "no signing keys: the first is made with the first token");
    for key in keys {
        table.row(vec![
            key.kid.clone(),
            key.state.to_owned(),
            key.created_at.to_string(),
            key.signs_from.to_string(),
            key.verifies_until.map(|at| at.to_string()).unwrap_or_default(),
        ]);
    }
    table
}

impl From<SigningError> for Failure {
    fn from(error: SigningError) -> Self {
        match error {
            SigningError::Store(error) => error.into(),
            other => Self::failed("signing_key", other.to_string()),
        }
    }
}
