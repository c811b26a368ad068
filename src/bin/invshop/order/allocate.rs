//! `order allocate`: filling what is owed on purpose, and moving holds.

use std::collections::BTreeMap;

use invshop::domain::{OrderStatus, Sku};
use invshop::orders::Reassign;
use invshop::reports::{self, OrderFilter, OrderView, Viewer};
use invshop::shop::{CLI_ACCOUNT, Shop};
use invshop::writer::Command;
use serde_json::{Value, json};

use super::show::{read, resolve};
use super::write::answered;
use super::{Allocate, show};
use crate::app::App;
use crate::failure::Failure;
use crate::output::{Reply, Table, Text};

/// Statuses of orders that may be owed units.
const OWED: [OrderStatus; 3] =
    [OrderStatus::Backordered, OrderStatus::PartiallyShipped, OrderStatus::Pending];

pub(super) async fn run(app: &App<'_>, shop: &Shop, asked: Allocate) -> Result<Reply, Failure> {
    let Some(text) = &asked.order else {
        return all(app, shop, asked.dry_run).await;
    };
    let reference = resolve(shop, text).await?;
    if asked.dry_run {
        let order = read(shop, &reference).await?;
        let line = match (&asked.from, &asked.to) {
            (Some(from), Some(to)) => format!("would move its holds from {from} to {to}"),
            _ => format!("would try to fill {} units it is owed", owed(&order)),
        };
        let document = json!({ "dry_run": true, "order": order });
        return Ok(Reply::one(Text::Both(line, show::lines(&order)), document));
    }
    let (command, did) = match (asked.from, asked.to) {
        (Some(from), Some(to)) => {
            let line = asked.line.map(i64::from);
            let one = Reassign { reference: reference.clone(), line, from, to };
            (Command::Reassign(one), "moved holds of")
        }
        _ => (Command::Allocate(reference.clone()), "allocated"),
    };
    let answer = shop.submit(command, asked.key.key).await?;
    answered(shop, &answer, did, &reference, json!({})).await
}

/// Fills item by item, since the rule who comes first (the oldest order) is
/// kept where all orders of an item are seen together.
async fn all(app: &App<'_>, shop: &Shop, dry_run: bool) -> Result<Reply, Failure> {
    let before = short_orders(shop).await?;
    let mut items: BTreeMap<String, i64> = BTreeMap::new();
    for order in &before {
        for (sku, units) in owed_items(order) {
            *items.entry(sku).or_default() += units;
        }
    }
    if !dry_run {
        fill(app, shop, &items).await?;
    }
    let mut table =
        Table::new(&["order", "status", "#was_short", "#still_short"], "no order is short");
    let mut data: Vec<Value> = Vec::new();
    for was in &before {
        let reference = resolve(shop, &format!("{}:{}", was.channel, was.external_id)).await?;
        let now = read(shop, &reference).await?;
        let (was_short, still_short) = (owed(was), owed(&now));
        table.row(vec![
            now.order_id.clone(),
            now.status.clone(),
            was_short.to_string(),
            still_short.to_string(),
        ]);
        data.push(json!({ "was_short": was_short, "still_short": still_short, "order": now }));
    }
    Ok(Reply::list(table, &data))
}

async fn fill(app: &App<'_>, shop: &Shop, items: &BTreeMap<String, i64>) -> Result<(), Failure> {
    let bar = app.output.progress(items.len() as u64, "allocating");
    for sku in items.keys() {
        if app.is_interrupted() {
            break;
        }
        let fill = Command::FillItem(Sku::new(sku)?);
        shop.submit(fill, None).await.map_err(Failure::of_step)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// The orders that are owed units, the oldest first.
async fn short_orders(shop: &Shop) -> Result<Vec<OrderView>, Failure> {
    let mut short = Vec::new();
    for status in OWED {
        let filter = OrderFilter { status: Some(status), ..OrderFilter::default() };
        let viewer = Viewer { own_source: Some(CLI_ACCOUNT), key: None };
        let mut cursor = None;
        loop {
            let page =
                reports::orders(&shop.db, &filter, viewer, cursor.as_deref(), reports::LIMIT_MAX)
                    .await?;
            short.extend(page.data.into_iter().filter(|order| owed(order) > 0));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    short.sort_by_key(|order| order.placed_at);
    Ok(short)
}

fn owed(order: &OrderView) -> i64 {
    order.lines.iter().map(|line| line.shortfall).sum()
}

/// What an order is owed by the item's SKU of today, which need not be the one
/// that was ordered; of a bundle its parts. A line without an item is owed by
/// no stock.
fn owed_items(order: &OrderView) -> impl Iterator<Item = (String, i64)> {
    let mapped = order.lines.iter().filter_map(|line| Some((line, line.item.as_ref()?)));
    mapped.flat_map(|(line, item)| {
        let parts = line.parts.iter().map(|part| (part.sku.clone(), part.shortfall));
        let own = line.parts.is_empty().then(|| (item.clone(), line.shortfall));
        parts.chain(own).filter(|(_, units)| *units > 0).collect::<Vec<_>>()
    })
}
