//! `user …`: people who order, and what is known of them.

use clap::{Args, Subcommand};
use invshop::domain::{Email, UserId};
use invshop::people::{self, Asker, Change, Doing, Said, UserView, Written};
use invshop::reports::LIMIT_MAX;
use invshop::shop::{CLI_ACCOUNT, Shop};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::arguments::{KeyArgument, PageArguments};
use crate::failure::Failure;
use crate::output::{Reply, Table};

/// Tries to cut off the database's log after an erasure: a few seconds.
pub(crate) const LOG_TRIES: u32 = 30;
/// What is said where that was too short.
pub(crate) const LOG_REMAINS: &str = "the database's log still has the erased pages, sealed as \
                                      they were, because somebody reads an old state: run the \
                                      same again when that is over";

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Register somebody; what is known is stored sealed
    Create(Create),
    /// Users of all key holders, the first registered first
    List(List),
    /// What is known of somebody
    Show(Show),
    /// Change what is known; what is not named stays as it is
    Change(ChangeUser),
    /// Everything that is held on somebody, orders too, as one JSON document
    Export(Show),
    /// Erase what is known of somebody, here and in orders; the orders stay
    Erase(Erase),
}

/// Somebody new.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The e-mail address
    email: Email,
    #[command(flatten)]
    known: Known,
    #[command(flatten)]
    key: KeyArgument,
}

/// What else may be known.
#[derive(Debug, Args)]
struct Known {
    /// The name
    #[arg(long)]
    name: Option<String>,
    /// A telephone number
    #[arg(long)]
    phone: Option<String>,
    /// A postal address: a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    address: Option<Map<String, Value>>,
    /// Whatever else is to be kept: a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    attributes: Option<Map<String, Value>>,
}

/// A page of users.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    page: PageArguments,
}

/// Who is meant.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The user's id, or its e-mail address
    #[arg(value_name = "USER")]
    user: String,
}

/// What changes.
#[derive(Debug, Args)]
pub(crate) struct ChangeUser {
    /// The user's id, or its e-mail address
    #[arg(value_name = "USER")]
    user: String,
    /// Another e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<Email>,
    #[command(flatten)]
    known: Known,
    /// Take a field away: name, phone, address or attributes (repeatable)
    #[arg(long = "no", value_name = "FIELD", value_parser = ["name", "phone", "address", "attributes"])]
    none: Vec<String>,
    /// Only in this version; the present one otherwise
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
    #[command(flatten)]
    key: KeyArgument,
}

/// Who is erased.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The user's id, or its e-mail address
    #[arg(value_name = "USER")]
    user: String,
    /// Only in this version; the present one otherwise
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
    #[command(flatten)]
    key: KeyArgument,
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("is not a JSON object: {error}"))
}

impl Known {
    fn change(self, email: Option<Email>) -> Change {
        Change {
            email,
            name: self.name.into(),
            phone: self.phone.into(),
            address: self.address.into(),
            attributes: self.attributes.into(),
        }
    }
}

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    match verb {
        Verb::Create(create) => {
            let change = create.known.change(Some(create.email));
            let written = people::register(shop, doing(shop, create.key), change).await?;
            Ok(reply("registered", &written))
        }
        Verb::List(list) => {
            let read = async |cursor: Option<&str>, limit| {
                people::list(shop, asker(shop), cursor, limit).await
            };
            let page = list.page.gather(app, read).await?;
            Ok(Reply::page(table(&page.data), &page))
        }
        Verb::Show(show) => {
            let user = people::user(shop, asker(shop), named(shop, &show.user).await?).await?;
            Ok(Reply::one(facts(&user), json!(user)))
        }
        Verb::Change(change) => alter(shop, change).await,
        Verb::Export(show) => export(shop, &show.user).await,
        Verb::Erase(erase) => wipe(app, shop, erase).await,
    }
}

fn asker(shop: &Shop) -> Asker {
    Asker::Staff(shop.account)
}

fn doing(shop: &Shop, key: KeyArgument) -> Doing {
    Doing { asker: asker(shop), key: key.key, deadline: None }
}

/// The user that an id or an address names.
async fn named(shop: &Shop, text: &str) -> Result<UserId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let email = text.parse::<Email>().map_err(|_| {
        Failure::usage(format!("'{text}' is neither the id of a user nor an e-mail address"))
    })?;
    let found = people::find(shop, asker(shop), &email).await?;
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::refused("unknown_user", "no user has this e-mail address")),
        several => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            let message = "several key holders have a user with this e-mail address";
            let hint = format!("name one of {}", ids.join(", "));
            Err(Failure::refused("ambiguous_user", message).hint(hint))
        }
    }
}

async fn alter(shop: &Shop, given: ChangeUser) -> Result<Reply, Failure> {
    let mut change = given.known.change(given.email);
    for field in &given.none {
        let was_free = match field.as_str() {
            "name" => replace(&mut change.name),
            "phone" => replace(&mut change.phone),
            "address" => replace(&mut change.address),
            _ => replace(&mut change.attributes),
        };
        if !was_free {
            return Err(Failure::usage(format!("--no {field}: it is given a value too")));
        }
    }
    let id = named(shop, &given.user).await?;
    let written = people::change(
        shop,
        doing(shop, given.key),
        (id, given.if_version.map(Into::into)),
        change,
    );
    Ok(reply("changed", &written.await?))
}

/// Takes a field away; false where it is given a value.
fn replace<T>(field: &mut Said<T>) -> bool {
    !matches!(std::mem::replace(field, Said::Gone), Said::Is(_))
}

async fn export(shop: &Shop, user: &str) -> Result<Reply, Failure> {
    let id = named(shop, user).await?;
    let (mut cursor, mut whole) = (None::<String>, None);
    loop {
        let page = (CLI_ACCOUNT, cursor.as_deref(), LIMIT_MAX);
        let mut held = people::held(shop, asker(shop), id, page).await?;
        cursor = held.next_cursor.take();
        let orders = std::mem::take(&mut held.orders);
        whole.get_or_insert(held).orders.extend(orders);
        if cursor.is_none() {
            break;
        }
    }
    Ok(Reply::one(crate::output::Text::Json, json!(whole)))
}

async fn wipe(app: &App<'_>, shop: &Shop, erase: Erase) -> Result<Reply, Failure> {
    let id = named(shop, &erase.user).await?;
    app.confirm(&format!("erase what is known of {id}, for good")).await?;
    let erased =
        people::erase(shop, doing(shop, erase.key), (id, erase.if_version.map(Into::into))).await?;
    let log_remains = !shop.db.cut_off_log(LOG_TRIES).await?;
    if log_remains {
        app.output.note(LOG_REMAINS);
    }
    let orders = erased.orders;
    let line = match (erased.answer.replayed, orders) {
        (true, _) => format!("{id} was erased before"),
        (false, 1) => format!("erased {id}; its order is nobody's now"),
        (false, _) => format!("erased {id}; its {orders} orders are nobody's now"),
    };
    let document = json!({ "user_id": id.to_string(), "orders": orders,
                           "replayed": erased.answer.replayed,
                           "log_remains": log_remains });
    Ok(Reply::one(line, document))
}

fn reply(did: &str, Written { user, answer }: &Written) -> Reply {
    let line = format!("{did} {}", user.user_id);
    Reply::written(answer, &line, facts(user), json!({ "user": user }))
}

fn facts(user: &UserView) -> Table {
    let mut table = Table::new(&["field", "value"], "");
    let object = |object: &Option<Map<String, Value>>| {
        object.as_ref().map(|object| Value::Object(object.clone()).to_string())
    };
    for (name, value) in [
        ("user_id", Some(user.user_id.clone())),
        ("account", Some(user.account.clone())),
        ("email", Some(user.email.clone())),
        ("name", user.name.clone()),
        ("phone", user.phone.clone()),
        ("address", object(&user.address)),
        ("attributes", object(&user.attributes)),
        ("version", Some(user.version.to_string())),
        ("created_at", Some(user.created_at.to_string())),
        ("updated_at", Some(user.updated_at.to_string())),
    ] {
        if let Some(value) = value {
            table.row(vec![name.to_owned(), value]);
        }
    }
    table
}

fn table(users: &[UserView]) -> Table {
    let mut table = Table::new(&["user_id", "account", "email", "name", "created_at"], "no users");
    for user in users {
        table.row(vec![
            user.user_id.clone(),
            user.account.clone(),
            user.email.clone(),
            user.name.clone().unwrap_or_default(),
            user.created_at.to_string(),
        ]);
    }
    table
}
