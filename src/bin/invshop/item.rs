//! `item …`: the catalogue.

use clap::{Args, Subcommand};
use invshop::clock::Timestamp;
use invshop::domain::{
    Barcode, Currency, ItemStatus, LocationCode, Money, Quantity, Refusal, Sku, Title,
};
use invshop::ledger::catalogue::{ItemRow, Upsert};
use invshop::reports::{self, AmountView, ItemDetail, ItemFilter, ItemView};
use invshop::shop::Shop;
use invshop::writer::{Answer, Command, Detail};
use serde_json::{Value, json};

use crate::app::App;
use crate::arguments::{KeyArgument, PageArguments, SkuUnits, moment, quantity, sku_units};
use crate::failure::Failure;
use crate::output::{Reply, Table, Text};
use crate::stock::levels;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// One item with its levels
    Show {
        /// Its SKU, or one it had before
        sku: Sku,
    },
    /// All items
    List(List),
    /// Add an item
    Create(Box<Write>),
    /// Change what is named of an item; all else stays
    Update(Box<Write>),
    /// Take an item out of sale; refused while units are promised to orders
    Discontinue {
        /// Its SKU
        sku: Sku,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        key: KeyArgument,
    },
    /// Give an item another SKU; the old one keeps leading to it
    Rename {
        /// The SKU it has
        old: Sku,
        /// The SKU it gets
        new: Sku,
        #[command(flatten)]
        key: KeyArgument,
    },
}

/// Which items.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only items whose SKU or title contains this, or with this barcode
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Only active, stopped or discontinued ones
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<ItemStatus>,
    /// Only items that changed or moved at or after
    #[arg(long, value_name = "T", value_parser = moment)]
    updated_since: Option<Timestamp>,
    #[command(flatten)]
    page: PageArguments,
}

fn status(text: &str) -> Result<ItemStatus, String> {
    ItemStatus::parse(text).ok_or_else(|| "expected active, stopped or discontinued".to_owned())
}

/// An item and what is said of it.
#[derive(Debug, Args)]
pub(crate) struct Write {
    /// Its SKU, kept byte for byte
    sku: Sku,
    /// What it is called [default for a new item: its SKU]
    #[arg(long, value_name = "TEXT")]
    title: Option<Title>,
    /// Its barcode
    #[arg(long, value_name = "CODE")]
    barcode: Option<Barcode>,
    /// Selling price, as 12.90
    #[arg(long, value_name = "AMOUNT")]
    price: Option<String>,
    /// What it costs, as 4.10
    #[arg(long, value_name = "AMOUNT")]
    cost: Option<String>,
    /// Currency of price and cost, as EUR [default: the one the item has]
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Where --on-hand and --safety are meant; needed where more than one location exists
    #[arg(long, value_name = "L")]
    location: Option<LocationCode>,
    /// Opening stock: used only while the level has no movement
    #[arg(long, value_name = "N", value_parser = quantity)]
    on_hand: Option<Quantity>,
    /// Units to withhold from sale
    #[arg(long, value_name = "N", value_parser = quantity)]
    safety: Option<Quantity>,
    /// At or below this available-to-promise the item is low
    #[arg(long, value_name = "N", value_parser = quantity)]
    reorder_point: Option<Quantity>,
    /// Further fields, a JSON object
    #[arg(long, value_name = "JSON")]
    attributes: Option<String>,
    /// A component of a bundle with its units in one bundle (repeatable)
    #[arg(long = "component", value_name = "SKU:N", value_parser = sku_units)]
    components: Vec<SkuUnits>,
    #[command(flatten)]
    key: KeyArgument,
}

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    match verb {
        Verb::Show { sku } => show(app, shop, &sku).await,
        Verb::List(list) => list_items(app, shop, &list).await,
        Verb::Create(write) => save(app, shop, *write, Upsert::Create).await,
        Verb::Update(write) => save(app, shop, *write, Upsert::Update).await,
        Verb::Discontinue { sku, dry_run, key } => discontinue(app, shop, sku, dry_run, key).await,
        Verb::Rename { old, new, key } => {
            let line = format!("renamed {old} to {new}");
            let command = Command::Rename { from: old, to: new.clone() };
            let answer = shop.submit(command, key.key).await?;
            answered(app, shop, &answer, &line, &new).await
        }
    }
}

async fn detail(app: &App<'_>, shop: &Shop, sku: &Sku) -> Result<ItemDetail, Failure> {
    let found = reports::item_detail(&shop.db, sku, app.policy()?).await?;
    found.ok_or_else(|| Refusal::UnknownSku { sku: sku.clone() }.into())
}

async fn show(app: &App<'_>, shop: &Shop, sku: &Sku) -> Result<Reply, Failure> {
    let item = detail(app, shop, sku).await?;
    Ok(Reply::one(Text::Both(facts(&item), levels(&item.item)), json!(item)))
}

/// The catalogue's facts of an item, one a line.
fn facts(item: &ItemDetail) -> String {
    let ItemView { sku, title, status, version, .. } = &item.item;
    let mut lines = vec![format!("{sku}: {title} ({status}, version {version})")];
    let mut fact = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("{name}: {value}")));
    };
    fact("barcode", item.barcode.clone());
    fact("price", item.item.price.as_ref().map(money));
    fact("cost", item.cost.as_ref().map(money));
    let low = if item.low { " (low)" } else { "" };
    fact("reorder point", item.reorder_point.map(|units| format!("{units}{low}")));
    let attributes = &item.item.attributes;
    fact("attributes", Some(attributes.to_string()).filter(|_| !attributes.is_null()));
    let parts = item.components.iter().map(|part| format!("{} × {}", part.quantity, part.sku));
    let parts: Vec<String> = parts.collect();
    fact("bundle of", Some(parts.join(", ")).filter(|text| !text.is_empty()));
    fact("formerly", Some(item.aliases.join(", ")).filter(|text| !text.is_empty()));
    lines.join("\n")
}

/// An amount as people write it, with its currency.
pub(crate) fn money(amount: &AmountView) -> String {
    let AmountView { amount, currency } = amount;
    let known = Currency::parse(currency).and_then(|currency| Money::new(*amount, currency));
    match known {
        Ok(money) => format!("{money} {currency}"),
        // What was stored before this program knew better is shown as it is.
        Err(_) => format!("{amount} (minor units) {currency}"),
    }
}

async fn list_items(app: &App<'_>, shop: &Shop, list: &List) -> Result<Reply, Failure> {
    let policy = app.policy()?;
    let filter = ItemFilter {
        q: list.q.clone(),
        status: list.status,
        updated_since: list.updated_since,
        ..ItemFilter::default()
    };
    let read = async |cursor: Option<&str>, limit| {
        reports::items(&shop.db, &filter, policy, cursor, limit).await
    };
    let page = list.page.gather(app, read).await?;
    let mut table =
        Table::new(&["sku", "title", "status", "#price", "#on_hand", "#available"], "no items");
    for item in &page.data {
        table.row(vec![
            item.sku.clone(),
            item.title.clone(),
            item.status.clone(),
            item.price.as_ref().map(money).unwrap_or_default(),
            item.totals.on_hand.to_string(),
            item.totals.available_to_promise.to_string(),
        ]);
    }
    Ok(Reply::page(table, &page))
}

async fn save(app: &App<'_>, shop: &Shop, write: Write, mode: Upsert) -> Result<Reply, Failure> {
    let sku = write.sku.clone();
    let key = write.key.key.clone();
    let row = Box::new(row(app, shop, write, &mode).await?);
    let done = if mode == Upsert::Create { "created" } else { "updated" };
    let answer = shop.submit(Command::Item { sku: sku.clone(), row, mode }, key).await?;
    let mut line = format!("{done} {sku}");
    if let Detail::Rows(rows) = &answer.detail
        && rows.iter().any(|row| row.opening_ignored)
    {
        line += "; --on-hand was ignored, because the level has moved before";
    }
    answered(app, shop, &answer, &line, &sku).await
}

async fn row(app: &App<'_>, shop: &Shop, write: Write, mode: &Upsert) -> Result<ItemRow, Failure> {
    let currency = currency(app, shop, &write, mode).await?;
    let amount = |text: &Option<String>| -> Result<Option<i64>, Failure> {
        let (Some(text), Some(currency)) = (text, currency) else {
            return Ok(None);
        };
        Ok(Some(Money::parse(text, currency)?.amount()))
    };
    if let Some(text) = &write.attributes
        && !matches!(serde_json::from_str(text), Ok(Value::Object(_)))
    {
        return Err(Failure::usage(format!("--attributes: '{text}' is not a JSON object")));
    }
    let parts = write.components.into_iter().map(|part| (part.sku, part.units));
    let parts: Vec<_> = parts.collect();
    Ok(ItemRow {
        price: amount(&write.price)?,
        cost: amount(&write.cost)?,
        currency: currency.map(|currency| currency.code().to_owned()),
        title: write.title,
        barcode: write.barcode,
        location: write.location,
        on_hand: write.on_hand,
        safety: write.safety,
        reorder_point: write.reorder_point,
        attributes: write.attributes,
        components: Some(parts).filter(|parts| !parts.is_empty()),
    })
}

/// The currency named, or the one the item has; money needs one of them.
async fn currency(
    app: &App<'_>,
    shop: &Shop,
    write: &Write,
    mode: &Upsert,
) -> Result<Option<Currency>, Failure> {
    if let Some(code) = &write.currency {
        return Ok(Some(Currency::parse(code)?));
    }
    if write.price.is_none() && write.cost.is_none() {
        return Ok(None);
    }
    if *mode == Upsert::Update {
        let item = detail(app, shop, &write.sku).await?;
        if let Some(amount) = item.item.price.as_ref().or(item.cost.as_ref()) {
            return Ok(Some(Currency::parse(&amount.currency)?));
        }
    }
    let message = format!("the money of {} needs a currency", write.sku);
    Err(Failure::usage(message).hint("add --currency, as --currency EUR"))
}

async fn discontinue(
    app: &App<'_>,
    shop: &Shop,
    sku: Sku,
    dry_run: bool,
    key: KeyArgument,
) -> Result<Reply, Failure> {
    let item = detail(app, shop, &sku).await?;
    let promised = item.item.totals.reserved + item.item.totals.shortfall;
    if dry_run {
        let line = match promised {
            0 => format!("{sku} would be taken out of sale"),
            units => format!("refused: {units} units of {sku} are promised to open orders"),
        };
        let document = json!({ "dry_run": true, "refused": promised > 0, "item": item });
        let text = Text::Both(line, levels(&item.item));
        return Ok(Reply::one(text, document).with_findings(promised > 0));
    }
    app.confirm(&format!("taking {sku} ({}) out of sale", item.item.title)).await?;
    let answer = shop.submit(Command::Discontinue(sku.clone()), key.key).await?;
    answered(app, shop, &answer, &format!("took {sku} out of sale"), &sku).await
}

/// What a command led to, with the item as it is now.
pub(crate) async fn answered(
    app: &App<'_>,
    shop: &Shop,
    answer: &Answer,
    line: &str,
    sku: &Sku,
) -> Result<Reply, Failure> {
    let item = detail(app, shop, sku).await?;
    Ok(Reply::written(answer, line, levels(&item.item), json!({ "item": item })))
}
