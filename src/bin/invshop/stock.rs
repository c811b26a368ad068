//! `stock …`: levels, their history, and what moves them.

mod explain;

use clap::{Args, Subcommand};
use invshop::clock::Timestamp;
use invshop::domain::{Delta, LocationCode, Quantity, Reason, Refusal, Sku};
use invshop::ledger::stock::{Basis, Change, Place, StockCommand};
use invshop::reports::{
    self, EntryView, HistoryFilter, ItemFilter, ItemView, LevelView, Order, TotalsView,
};
use invshop::shop::Shop;
use invshop::writer::Command;
use serde_json::json;

use crate::app::App;
use crate::arguments::{KeyArgument, LocationArgument, PageArguments, delta, moment, quantity};
use crate::failure::Failure;
use crate::output::{Reply, Table, Text};

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The levels of one item
    Show {
        /// The item
        sku: Sku,
    },
    /// The levels of all items
    List(List),
    /// What moved, the newest first
    History(History),
    /// What the levels were at a moment
    AsOf {
        /// The item
        sku: Sku,
        /// The moment, as 2026-03-01T12:00:00Z
        #[arg(value_name = "T", value_parser = moment)]
        moment: Timestamp,
    },
    /// Why the available-to-promise is what it is: the terms that add up to it
    Explain(Explain),
    /// Correct a level by some units; bounded by what no order has a claim to
    Adjust {
        #[command(flatten)]
        at: Level,
        /// Units to add, or to take away when negative
        #[arg(long, value_name = "N", value_parser = delta, allow_negative_numbers = true)]
        by: Delta,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
        #[command(flatten)]
        terms: Terms,
    },
    /// Record a physical count: the units on hand are N from then on
    Count {
        #[command(flatten)]
        at: Level,
        /// Units counted
        #[arg(value_parser = quantity)]
        units: Quantity,
        /// When it was counted; what moved since is added [default: now]
        #[arg(long, value_name = "T", value_parser = moment)]
        observed_at: Option<Timestamp>,
        /// What was counted: all units, or only those no open order has a claim to
        #[arg(long, value_enum, default_value_t = BasisArgument::Physical)]
        basis: BasisArgument,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<Reason>,
        #[command(flatten)]
        terms: Terms,
    },
    /// Record goods that came in; they fill what is owed to orders first
    Receive {
        #[command(flatten)]
        at: Level,
        /// Units
        #[arg(value_parser = quantity)]
        units: Quantity,
        #[command(flatten)]
        moved: Moved,
        #[command(flatten)]
        terms: Terms,
    },
    /// Move units to another location
    Transfer {
        /// The item
        sku: Sku,
        /// Units
        #[arg(value_parser = quantity)]
        units: Quantity,
        /// Where they are
        #[arg(long, value_name = "L")]
        from: LocationCode,
        /// Where they go
        #[arg(long, value_name = "L")]
        to: LocationCode,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<Reason>,
        #[command(flatten)]
        terms: Terms,
    },
    /// Record goods that were lost or broken
    WriteOff {
        #[command(flatten)]
        at: Level,
        /// Units
        #[arg(value_parser = quantity)]
        units: Quantity,
        #[command(flatten)]
        moved: Moved,
        #[command(flatten)]
        terms: Terms,
    },
    /// Withhold units from sale from now on
    Safety {
        #[command(flatten)]
        at: Level,
        /// Units to withhold
        #[arg(value_parser = quantity)]
        units: Quantity,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<Reason>,
        #[command(flatten)]
        terms: Terms,
    },
}

/// What to explain.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The item
    sku: Sku,
    /// What this channel is told of it, and what it is known to show
    #[arg(long, value_name = "NAME")]
    pub(crate) channel: Option<String>,
}

/// Which items.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only items whose SKU or title contains this, or with this barcode
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Only this location
    #[arg(long, value_name = "L")]
    location: Option<LocationCode>,
    /// Only items at or below their reorder point
    #[arg(long)]
    low: bool,
    #[command(flatten)]
    page: PageArguments,
}

/// Whose movements.
#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    at: Level,
    /// The oldest first
    #[arg(long)]
    oldest_first: bool,
    #[command(flatten)]
    page: PageArguments,
}

/// One level.
#[derive(Debug, Args)]
pub(crate) struct Level {
    /// The item
    sku: Sku,
    #[command(flatten)]
    at: LocationArgument,
}

/// When and why something moved.
#[derive(Debug, Args)]
pub(crate) struct Moved {
    /// When it happened [default: now]
    #[arg(long, value_name = "T", value_parser = moment)]
    at: Option<Timestamp>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
}

/// On what terms a level is written.
#[derive(Debug, Args)]
pub(crate) struct Terms {
    /// Refuse when the level is not at this version
    #[arg(long, value_name = "V")]
    if_version: Option<i64>,
    #[command(flatten)]
    key: KeyArgument,
}

/// What a counted number means.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum BasisArgument {
    /// Units on the shelf
    Physical,
    /// Units on the shelf that no open order has a claim to
    Available,
}

impl From<BasisArgument> for Basis {
    fn from(basis: BasisArgument) -> Self {
        match basis {
            BasisArgument::Physical => Self::Physical,
            BasisArgument::Available => Self::Available,
        }
    }
}

/// A movement as it was asked for.
struct Asked {
    at: Level,
    change: Change,
    moved: Moved,
    terms: Terms,
}

impl Asked {
    fn new(at: Level, change: Change, moved: Moved, terms: Terms) -> Self {
        Self { at, change, moved, terms }
    }
}

pub(crate) use explain::on_channel;

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    let reasoned = |reason| Moved { at: None, reason };
    let asked = match verb {
        Verb::Show { sku } => return show(app, shop, &sku).await,
        Verb::List(list) => return list_levels(app, shop, &list).await,
        Verb::History(asked) => return show_history(app, shop, asked).await,
        Verb::Explain(asked) => return explain::run(app, shop, &asked.sku).await,
        Verb::AsOf { sku, moment } => return show_as_of(shop, &sku, moment).await,
        Verb::Adjust { at, by, reason, terms } => {
            Asked::new(at, Change::Adjust(by), reasoned(Some(reason)), terms)
        }
        Verb::Count { at, units, observed_at, basis, reason, terms } => {
            let change = Change::Count { quantity: units, basis: basis.into(), observer: None };
            Asked::new(at, change, Moved { at: observed_at, reason }, terms)
        }
        Verb::Receive { at, units, moved, terms } => {
            Asked::new(at, Change::Receive(units), moved, terms)
        }
        Verb::Transfer { sku, units, from, to, reason, terms } => {
            let at = Level { sku, at: LocationArgument { location: Some(from) } };
            let change = Change::Transfer { quantity: units, to };
            Asked::new(at, change, reasoned(reason), terms)
        }
        Verb::WriteOff { at, units, moved, terms } => {
            Asked::new(at, Change::WriteOff(units), moved, terms)
        }
        Verb::Safety { at, units, reason, terms } => {
            Asked::new(at, Change::Safety(units), reasoned(reason), terms)
        }
    };
    movement(app, shop, asked).await
}

/// Has one movement done and shows the item after it.
async fn movement(app: &App<'_>, shop: &Shop, asked: Asked) -> Result<Reply, Failure> {
    let Asked { at, change, moved, terms } = asked;
    let line = said(&at, &change);
    let command = Command::Stock(StockCommand {
        place: Place { sku: at.sku.clone(), location: at.at.location },
        change,
        reason: moved.reason,
        effective_at: moved.at.map(Timestamp::as_millis),
        if_version: terms.if_version,
    });
    let answer = shop.submit(command, terms.key.key).await?;
    let item = item(app, shop, &at.sku).await?;
    Ok(Reply::written(&answer, &line, levels(&item), json!({ "item": item })))
}

/// What happened, in words.
fn said(at: &Level, change: &Change) -> String {
    let sku = &at.sku;
    let place = at.at.location.as_ref().map(|code| format!(" at {code}")).unwrap_or_default();
    match change {
        Change::Receive(units) => format!("received {units} of {sku}{place}"),
        Change::Adjust(delta) => format!("adjusted {sku}{place} by {:+}", delta.get()),
        Change::Count { quantity, .. } => format!("counted {quantity} of {sku}{place}"),
        Change::Transfer { quantity, to } => format!("moved {quantity} of {sku}{place} to {to}"),
        Change::WriteOff(units) => format!("wrote off {units} of {sku}{place}"),
        Change::Safety(units) => format!("safety of {sku}{place} is {units}"),
    }
}

async fn item(app: &App<'_>, shop: &Shop, sku: &Sku) -> Result<ItemView, Failure> {
    let found = reports::item(&shop.db, sku, app.policy()?).await?;
    found.ok_or_else(|| Refusal::UnknownSku { sku: sku.clone() }.into())
}

async fn show(app: &App<'_>, shop: &Shop, sku: &Sku) -> Result<Reply, Failure> {
    let item = item(app, shop, sku).await?;
    let head = format!("{}: {} ({})", item.sku, item.title, item.status);
    Ok(Reply::one(Text::Both(head, levels(&item)), json!(item)))
}

const TOTALS: [&str; 5] = ["#on_hand", "#reserved", "#shortfall", "#safety", "#available"];

fn totals(totals: &TotalsView) -> impl Iterator<Item = String> {
    let TotalsView { on_hand, reserved, shortfall, safety, available_to_promise } = *totals;
    [on_hand, reserved, shortfall, safety, available_to_promise]
        .into_iter()
        .map(|units| units.to_string())
}

/// Levels, one a row.
fn level_rows(levels: &[LevelView], none: &'static str) -> Table {
    let names = [&["location"], &TOTALS[..], &["#version"]].concat();
    let mut table = Table::new(&names, none);
    for level in levels {
        let mut cells = vec![level.location.clone()];
        cells.extend(totals(&level.totals));
        cells.push(level.version.to_string());
        table.row(cells);
    }
    table
}

/// The levels of an item, with their sum where there are several.
pub(crate) fn levels(item: &ItemView) -> Table {
    let mut table = level_rows(&item.levels, "never moved");
    if item.levels.len() > 1 {
        let mut cells = vec!["(all)".to_owned()];
        cells.extend(totals(&item.totals));
        cells.push(String::new());
        table.row(cells);
    }
    table
}

async fn list_levels(app: &App<'_>, shop: &Shop, list: &List) -> Result<Reply, Failure> {
    let policy = app.policy()?;
    let filter = ItemFilter {
        q: list.q.clone(),
        location: list.location.clone(),
        low_stock: list.low,
        ..ItemFilter::default()
    };
    let read = async |cursor: Option<&str>, limit| {
        reports::items(&shop.db, &filter, policy, cursor, limit).await
    };
    let page = list.page.gather(app, read).await?;
    let names = [&["sku", "title"], &TOTALS[..]].concat();
    let mut table = Table::new(&names, "no items");
    for item in &page.data {
        let at = |code: &LocationCode| item.levels.iter().find(|one| one.location == code.as_str());
        let shown = match list.location.as_ref().and_then(at) {
            Some(level) => &level.totals,
            None => &item.totals,
        };
        let mut cells = vec![item.sku.clone(), item.title.clone()];
        cells.extend(totals(shown));
        table.row(cells);
    }
    Ok(Reply::page(table, &page))
}

async fn show_history(app: &App<'_>, shop: &Shop, asked: History) -> Result<Reply, Failure> {
    let order = if asked.oldest_first { Order::OldestFirst } else { Order::NewestFirst };
    let filter = HistoryFilter { location: asked.at.at.location, order };
    let read = async |cursor: Option<&str>, limit| {
        reports::history(&shop.db, &asked.at.sku, &filter, cursor, limit).await
    };
    let page = asked.page.gather(app, read).await?;
    Ok(Reply::page(entries(&page.data), &page))
}

/// Entries of the journal: what each changed, and the totals after it.
pub(crate) fn entries(entries: &[EntryView]) -> Table {
    let names = [
        &["#seq", "at", "kind", "location", "#on_hand", "#reserved", "#shortfall", "#safety"][..],
        &["#then_on_hand", "#then_reserved", "#then_available", "order", "reason"],
    ]
    .concat();
    let mut table = Table::new(&names, "no movements");
    for entry in entries {
        let change = entry.change.map(|change| {
            [change.on_hand, change.reserved, change.shortfall, change.safety]
                .map(|units| if units == 0 { String::new() } else { format!("{units:+}") })
        });
        let after = entry.totals.map(|after| {
            [after.on_hand, after.reserved, after.available_to_promise]
                .map(|units| units.to_string())
        });
        let mut cells = vec![
            entry.seq.to_string(),
            entry.at.to_string(),
            entry.kind.clone(),
            entry.location.clone().unwrap_or_default(),
        ];
        cells.extend(change.unwrap_or_default());
        cells.extend(after.unwrap_or_default());
        cells.push(entry.order_id.clone().unwrap_or_default());
        cells.push(entry.reason.clone().unwrap_or_default());
        table.row(cells);
    }
    table
}

async fn show_as_of(shop: &Shop, sku: &Sku, at: Timestamp) -> Result<Reply, Failure> {
    let then = reports::as_of(&shop.db, sku, at, shop.clock.now()).await?;
    let table = level_rows(&then.levels, "had not moved by then");
    let settled = if then.is_final { "final" } else { "not final: nothing later is recorded yet" };
    let head = format!("{} as of {} (seq {}, {settled})", then.sku, then.at, then.seq);
    Ok(Reply::one(Text::Both(head, table), json!(then)))
}
