//! `report …`: figures over many items or orders.

mod audit;
mod channels;

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use invshop::domain::{Currency, Money};
use invshop::reports::{self, AmountView, SalesPeriod, SalesSum, StockValue, StockValueRow};
use invshop::shop::Shop;
use serde_json::{Value, json};

use crate::app::App;
use crate::arguments::Format;
use crate::failure::Failure;
use crate::item::money;
use crate::output::{Reply, Table, Text};

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
    /// What was sold between two days, by day
    Sales {
        #[command(flatten)]
        period: Period,
        #[command(flatten)]
        shape: Shape,
    },
    /// Numbers on channels that nothing explained, and what is off now
    Drift {
        #[command(flatten)]
        period: Period,
        #[command(flatten)]
        shape: Shape,
    },
    /// Who did what to the shop itself, and who was not let in
    Audit {
        #[command(flatten)]
        period: Period,
        #[command(flatten)]
        shape: Shape,
    },
    /// How long sales waited until each channel had the number, by day
    SyncLatency {
        #[command(flatten)]
        period: Period,
        #[command(flatten)]
        shape: Shape,
    },
}

/// Which days.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Period {
    /// The first day, as 2026-03-01
    #[arg(long, value_name = "DAY")]
    from: NaiveDate,
    /// The last day, which is part of it
    #[arg(long, value_name = "DAY")]
    to: NaiveDate,
    /// Whose calendar: a time zone as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: Tz,
}

impl Period {
    fn days(self) -> SalesPeriod {
        SalesPeriod { from: self.from, to: self.to, time_zone: self.tz }
    }
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
    match verb {
        Verb::StockValue { shape } => stock_value(app, shop, shape.format).await,
        Verb::LowStock { shape } => low_stock(app, shop, shape.format).await,
        Verb::Sales { period, shape } => sales(shop, period, shape.format).await,
        Verb::Drift { period, shape } => channels::drift(shop, period, shape.format).await,
        Verb::Audit { period, shape } => audit::audit(app, shop, period, shape.format).await,
        Verb::SyncLatency { period, shape } => {
            channels::sync_latency(shop, period, shape.format).await
        }
    }
}

/// The reply in the shape asked for; `--json` has the last word.
pub(crate) fn shaped(format: Format, table: Table, rows: Table, document: Value) -> Reply {
    let text = match format {
        Format::Table => Text::Table(table),
        Format::Csv => Text::Csv(rows),
        Format::Json => Text::Json,
    };
    Reply::one(text, document)
}

/// Minor units as people and spreadsheets read them; a currency that is not
/// known any more keeps its minor units.
fn decimal(amount: i64, currency: Option<&str>) -> String {
    let currency = currency.and_then(|code| Currency::parse(code).ok());
    let money = currency.and_then(|currency| Money::new(amount, currency).ok());
    money.map_or_else(|| amount.to_string(), |money| money.to_string())
}

/// A table of sums for people; every level for files and programs.
async fn stock_value(app: &App<'_>, shop: &Shop, format: Format) -> Result<Reply, Failure> {
    let names = ["sku", "location", "#on_hand", "currency", "#cost", "#price"];
    let mut rows = Table::new(&names, "no stock");
    let mut data: Vec<StockValueRow> = Vec::new();
    let as_json = app.output.is_json() || format == Format::Json;
    let mut each = |row: StockValueRow| {
        if as_json {
            data.push(row);
        } else if format == Format::Csv {
            rows.row(value_cells(&row));
        }
    };
    let value = reports::stock_value(&shop.db, &mut each).await?;
    let mut document = json!(value);
    document["data"] = json!(data);
    Ok(shaped(format, value_table(&value), rows, document))
}

fn value_cells(row: &StockValueRow) -> Vec<String> {
    let currency = row.currency.as_deref();
    let amount = |amount: Option<i64>| amount.map(|amount| decimal(amount, currency));
    vec![
        row.sku.clone(),
        row.location.clone(),
        row.on_hand.to_string(),
        currency.unwrap_or_default().to_owned(),
        amount(row.cost).unwrap_or_default(),
        amount(row.price).unwrap_or_default(),
    ]
}

fn value_table(value: &StockValue) -> Table {
    let names =
        ["location", "currency", "#on_hand", "#cost", "#without_cost", "#price", "#without_price"];
    let mut table = Table::new(&names, "no stock");
    for sum in value.locations.iter().chain(&value.totals) {
        let currency = sum.currency.as_deref();
        table.row(vec![
            sum.location.clone().unwrap_or_else(|| "(all)".to_owned()),
            currency.unwrap_or_default().to_owned(),
            sum.on_hand.to_string(),
            decimal(sum.cost, currency),
            sum.on_hand_without_cost.to_string(),
            decimal(sum.price, currency),
            sum.on_hand_without_price.to_string(),
        ]);
    }
    table
}

async fn low_stock(app: &App<'_>, shop: &Shop, format: Format) -> Result<Reply, Failure> {
    let low = reports::low_stock(&shop.db, app.policy()?).await?;
    let names = [
        "sku",
        "title",
        "#reorder_point",
        "#available_to_promise",
        "#on_hand",
        "#reserved",
        "#shortfall",
    ];
    let mut table = Table::new(&names, "no item is low");
    for row in &low {
        table.row(vec![
            row.sku.clone(),
            row.title.clone(),
            row.reorder_point.to_string(),
            row.available_to_promise.to_string(),
            row.on_hand.to_string(),
            row.reserved.to_string(),
            row.shortfall.to_string(),
        ]);
    }
    Ok(shaped(format, table.clone(), table, json!({ "data": low })))
}

async fn sales(shop: &Shop, period: Period, format: Format) -> Result<Reply, Failure> {
    let Period { from, to, tz } = period;
    let sales = reports::sales(&shop.db, SalesPeriod { from, to, time_zone: tz }).await?;
    let names = ["date", "#orders", "#units", "#without_price", "revenue"];
    let mut table = Table::new(&names, "no days");
    let names = ["date", "#orders", "#units", "#units_without_price", "currency", "#revenue"];
    let mut rows = Table::new(&names, "no days");
    for day in &sales.days {
        let date = day.date.to_string();
        table.row(sum_cells(date.clone(), &day.sum));
        revenue_rows(&mut rows, &date, &day.sum);
    }
    table.row(sum_cells("(all)".to_owned(), &sales.total));
    Ok(shaped(format, table, rows, json!(sales)))
}

fn sum_cells(name: String, sum: &SalesSum) -> Vec<String> {
    let counts = [sum.orders, sum.units, sum.units_without_price];
    let revenue: Vec<String> = sum.revenue.iter().map(money).collect();
    let mut cells = vec![name];
    cells.extend(counts.map(|count| count.to_string()));
    cells.push(revenue.join(", "));
    cells
}

/// One row a currency, so that a column of numbers can be added up; the counts
/// stand in the first of a day only, for the same reason.
fn revenue_rows(rows: &mut Table, date: &str, sum: &SalesSum) {
    let counts = [sum.orders, sum.units, sum.units_without_price].map(|count| count.to_string());
    let mut revenue = sum.revenue.iter();
    let first = revenue.next();
    let money = |amount: Option<&AmountView>| match amount {
        Some(AmountView { amount, currency }) => {
            [currency.clone(), decimal(*amount, Some(currency))]
        }
        None => [String::new(), String::new()],
    };
    rows.row([vec![date.to_owned()], counts.to_vec(), money(first).to_vec()].concat());
    for other in revenue {
        let nothing = vec!["0".to_owned(); counts.len()];
        rows.row([vec![date.to_owned()], nothing, money(Some(other)).to_vec()].concat());
    }
}
