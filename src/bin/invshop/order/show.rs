//! How orders are shown.

use invshop::domain::OrderRef;
use invshop::reports::{
    self, AllocationView, Caller, LineView, OrderFilter, OrderView, PartView, Viewer,
};
use invshop::shop::{CLI_ACCOUNT, Shop};
use serde_json::json;

use super::List;
use crate::app::App;
use crate::arguments::PageArguments;
use crate::failure::Failure;
use crate::item::money;
use crate::output::{Reply, Table, Text};
use crate::stock::entries;

/// The order a text names: in full, or a bare id that only one order has.
pub(super) async fn resolve(shop: &Shop, text: &str) -> Result<OrderRef, Failure> {
    let caller = Caller::Staff { own_source: CLI_ACCOUNT };
    Ok(reports::resolve_order(&shop.db, text, caller).await?)
}

/// An order that is known to be there. Personal data only where it was asked for.
pub(super) async fn read(shop: &Shop, reference: &OrderRef) -> Result<OrderView, Failure> {
    let viewer = Viewer { own_source: Some(CLI_ACCOUNT), key: None };
    read_as(shop, reference, viewer).await
}

/// The same with what is known of its customer.
pub(super) async fn read_whole(shop: &Shop, reference: &OrderRef) -> Result<OrderView, Failure> {
    let viewer = Viewer { own_source: Some(CLI_ACCOUNT), key: Some(&shop.key) };
    read_as(shop, reference, viewer).await
}

async fn read_as(
    shop: &Shop,
    reference: &OrderRef,
    viewer: Viewer<'_>,
) -> Result<OrderView, Failure> {
    let found = reports::order(&shop.db, reference, viewer).await?;
    let unknown = || invshop::domain::Refusal::UnknownOrder { order: reference.to_string() };
    found.ok_or_else(|| unknown().into())
}

/// `order show`: with the customer's data.
pub(super) async fn one(shop: &Shop, text: &str) -> Result<Reply, Failure> {
    let order = read_whole(shop, &resolve(shop, text).await?).await?;
    Ok(Reply::one(Text::Both(facts(&order), lines(&order)), json!(order)))
}

/// `order history`.
pub(super) async fn history(
    app: &App<'_>,
    shop: &Shop,
    text: &str,
    page: &PageArguments,
) -> Result<Reply, Failure> {
    let reference = resolve(shop, text).await?;
    let read = async |cursor: Option<&str>, limit| {
        reports::order_history(&shop.db, &reference, cursor, limit).await
    };
    let page = page.gather(app, read).await?;
    Ok(Reply::page(entries(&page.data), &page))
}

/// `order list`.
pub(super) async fn list(app: &App<'_>, shop: &Shop, list: &List) -> Result<Reply, Failure> {
    let filter = OrderFilter {
        status: list.status,
        channel: list.source.clone(),
        placed_since: list.placed_since,
        updated_since: list.updated_since,
        user: list.user,
    };
    let viewer = Viewer { own_source: Some(CLI_ACCOUNT), key: None };
    let read = async |cursor: Option<&str>, limit| {
        reports::orders(&shop.db, &filter, viewer, cursor, limit).await
    };
    let page = list.page.gather(app, read).await?;
    let names = [
        "order",
        "status",
        "placed_at",
        "#lines",
        "#units",
        "#held",
        "#short",
        "#shipped",
        "#total",
    ];
    let mut table = Table::new(&names, "no orders");
    for order in &page.data {
        let sum = |of: fn(&LineView) -> i64| order.lines.iter().map(of).sum::<i64>().to_string();
        table.row(vec![
            order.order_id.clone(),
            order.status.clone(),
            order.placed_at.to_string(),
            order.lines.len().to_string(),
            sum(|line| line.quantity),
            sum(|line| line.held),
            sum(|line| line.shortfall),
            sum(|line| line.shipped),
            order.total.as_ref().map(money).unwrap_or_default(),
        ]);
    }
    Ok(Reply::page(table, &page))
}

/// What is known of an order beside its lines, one fact a line.
fn facts(order: &OrderView) -> String {
    let mut lines = vec![headline(order), format!("placed: {}", order.placed_at)];
    let mut fact = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("{name}: {value}")));
    };
    fact("payment", Some(order.payment.clone()).filter(|payment| payment != "none"));
    fact("total", order.total.as_ref().map(money));
    fact("location", order.location.clone());
    fact("held until", order.expires_at.map(|at| at.to_string()));
    fact("cancelled because", order.cancel_reason.clone());
    let refusal = order.refusal.as_ref().and_then(|refusal| refusal.get("detail"));
    fact("refused because", refusal.and_then(|detail| detail.as_str()).map(str::to_owned));
    let email = order.customer.as_ref().and_then(|customer| customer.get("email"));
    fact("e-mail", email.and_then(|email| email.as_str()).map(str::to_owned));
    lines.join("\n")
}

fn headline(order: &OrderView) -> String {
    let accepted = if order.accepted { ", accepted" } else { "" };
    format!("order {}: {}{accepted} (version {})", order.order_id, order.status, order.version)
}

/// The lines of an order; the parts of a bundle follow their line.
pub(super) fn lines(order: &OrderView) -> Table {
    let names = [
        "line",
        "sku",
        "#ordered",
        "#held",
        "#short",
        "#shipped",
        "#cancelled",
        "#returned",
        "#price",
        "where",
    ];
    let mut table = Table::new(&names, "no lines");
    for line in &order.lines {
        table.row(line_cells(line));
        for part in &line.parts {
            table.row(part_cells(line, part));
        }
    }
    table
}

fn line_cells(line: &LineView) -> Vec<String> {
    let LineView { quantity, held, shortfall, shipped, cancelled, returned, .. } = *line;
    let mut cells = vec![line.line.to_string(), line.sku.clone()];
    let counts = [quantity, held, shortfall, shipped, cancelled, returned];
    cells.extend(counts.map(|units| units.to_string()));
    cells.push(line.unit_price.as_ref().map(money).unwrap_or_default());
    let unmapped = if line.mapped { "" } else { "no item has this SKU" };
    cells.push(match line.fulfilled_by.as_str() {
        "ledger" => places(&line.allocations, unmapped),
        _ => "shipped by the channel".to_owned(),
    });
    cells
}

fn part_cells(line: &LineView, part: &PartView) -> Vec<String> {
    let PartView { quantity, held, shortfall, shipped, cancelled, returned, .. } = *part;
    let mut cells = vec![format!("{}.{}", line.line, part.part), format!("· {}", part.sku)];
    let counts = [quantity, held, shortfall, shipped, cancelled, returned];
    cells.extend(counts.map(|units| units.to_string()));
    cells.push(String::new());
    cells.push(places(&part.allocations, ""));
    cells
}

/// Where units stand: `main: 2 held, 1 short`.
fn places(allocations: &[AllocationView], otherwise: &str) -> String {
    let place = |one: &AllocationView| {
        let counts = [(one.held, "held"), (one.shortfall, "short"), (one.shipped, "shipped")];
        let counts = counts.iter().filter(|(units, _)| *units > 0);
        let counts: Vec<String> = counts.map(|(units, what)| format!("{units} {what}")).collect();
        format!("{}: {}", one.location, counts.join(", "))
    };
    let places: Vec<String> = allocations.iter().map(place).collect();
    if places.is_empty() { otherwise.to_owned() } else { places.join("; ") }
}
