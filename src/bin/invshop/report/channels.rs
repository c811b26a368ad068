//! `report drift`, `report sync-latency`: how well channels are kept.

use invshop::reports::{self, DriftRow, SyncLatencyRow};
use invshop::shop::Shop;
use serde_json::json;

use super::{Period, shaped};
use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::{Reply, Table};

/// What nothing explained, row by row; for people with what is off now.
pub(super) async fn drift(shop: &Shop, period: Period, format: Format) -> Result<Reply, Failure> {
    let drift = reports::drift(&shop.db, period.days()).await?;
    let names = [
        "at",
        "date",
        "channel",
        "sku",
        "holder",
        "cause",
        "#shown",
        "#expected_least",
        "#expected_most",
        "#wanted",
    ];
    let mut rows = Table::new(&names, "nothing was noticed in those days");
    for row in &drift.data {
        rows.row(drift_cells(row));
    }
    let mut table = rows.clone();
    for now in drift.now.iter().filter(|now| now.listings > 0) {
        let listings = format!("{} numbers", now.listings);
        let cause = now.cause.clone().unwrap_or_default();
        let mut cells = vec![now.compared_at.to_string(), "(now)".to_owned(), now.channel.clone()];
        cells.extend([String::new(), listings, cause]);
        cells.resize(names.len(), String::new());
        table.row(cells);
    }
    Ok(shaped(format, table, rows, json!(drift)))
}

fn drift_cells(row: &DriftRow) -> Vec<String> {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let place = if row.place.is_empty() { String::new() } else { format!("@{}", row.place) };
    vec![
        row.at.to_string(),
        row.date.to_string(),
        row.channel.clone(),
        row.sku.clone().unwrap_or_default(),
        format!("{}{place}", row.holder),
        row.cause.clone(),
        number(row.shown),
        number(row.expected.map(|[low, _]| low)),
        number(row.expected.map(|[_, high]| high)),
        number(row.wanted),
    ]
}

/// How long sales waited, by channel and day; for people with all days together.
pub(super) async fn sync_latency(
    shop: &Shop,
    period: Period,
    format: Format,
) -> Result<Reply, Failure> {
    let latency = reports::sync_latency(&shop.db, period.days()).await?;
    let names = ["date", "channel", "#sales", "#p50_ms", "#p95_ms", "#p99_ms", "#max_ms"];
    let mut rows = Table::new(&names, "no sale reached a channel in those days");
    for row in &latency.data {
        rows.row(latency_cells(row));
    }
    let mut table = rows.clone();
    for row in &latency.totals {
        table.row(latency_cells(row));
    }
    Ok(shaped(format, table, rows, json!(latency)))
}

fn latency_cells(row: &SyncLatencyRow) -> Vec<String> {
    let date = row.date.map_or("(all)".to_owned(), |date| date.to_string());
    let figures = [row.sales, row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms];
    let mut cells = vec![date, row.channel.clone()];
    cells.extend(figures.map(|figure| figure.to_string()));
    cells
}
