//! `stock explain`: why a number is what it is.

use std::sync::Arc;

use invshop::domain::Sku;
use invshop::reports::{self, Claim, Explained, HoldPolicy, Term, TermName};
use invshop::shop::Shop;
use invshop::sync::{self, Channel, ExplainedListing, KnownView};
use serde_json::json;

use super::Explain;
use crate::app::App;
use crate::channel::find;
use crate::failure::Failure;
use crate::output::{Reply, Table, Text};

/// The terms of an item by location, claim by claim; of a bundle those of its parts.
pub(super) async fn run(app: &App<'_>, shop: &Shop, sku: &Sku) -> Result<Reply, Failure> {
    let explained = reports::explain(&shop.db, sku, app.policy()?).await?;
    let names = ["sku", "location", "#units", "term", "because"];
    let mut table = Table::new(&names, "nothing ever moved, and nothing is promised");
    rows(&mut table, &explained);
    let mut head = format!("{}: {} to promise", explained.sku, explained.available_to_promise);
    if let Some(best) = &explained.best_location {
        head = format!("{head}, all of it at {best}");
    }
    Ok(Reply::one(Text::Both(head, table), json!(explained)))
}

fn rows(table: &mut Table, explained: &Explained) {
    let mut row = |location: &str, units: i64, term: &str, because: String| {
        let sku = explained.sku.clone();
        table.row(vec![sku, location.to_owned(), format!("{units:+}"), term.to_owned(), because]);
    };
    for place in &explained.locations {
        for term in &place.terms {
            row(&place.location, term.units, &name(term), because(term));
        }
        row(&place.location, place.available_to_promise, "=", "to promise there".to_owned());
    }
    for part in &explained.parts {
        let because = format!("{} of {}, {} in each", part.available, part.item.sku, part.per_unit);
        row("", part.makes, "makes", because);
    }
    // The parts explain themselves below the bundle.
    for part in &explained.parts {
        rows(table, &part.item);
    }
}

fn name(term: &Term) -> String {
    let name = match term.name {
        TermName::OnHand => "on_hand",
        TermName::Reserved => "reserved",
        TermName::Safety => "safety",
        TermName::Shortfall => "shortfall",
        TermName::Floor => "never below 0",
        TermName::NotSoldHere => "not sold here",
        TermName::Stopped => "sale stopped",
        TermName::Discontinued => "discontinued",
        TermName::Components => "components",
    };
    term.kind.as_ref().map_or(name.to_owned(), |kind| format!("{name} by {kind}"))
}

fn because(term: &Term) -> String {
    match (&term.claim, &term.entries) {
        (Some(claim), _) => claimed(claim),
        (None, Some(entries)) if entries.count == 1 => format!("entry {}", entries.first_seq),
        (None, Some(entries)) => {
            let reports::Entries { count, first_seq, last_seq } = entries;
            format!("{count} entries, {first_seq} to {last_seq}")
        }
        (None, None) => String::new(),
    }
}

fn claimed(claim: &Claim) -> String {
    let until = match (claim.policy, claim.expires_at) {
        (HoldPolicy::UntilExpiry, Some(at)) => format!(", until {at} unless it is paid"),
        (HoldPolicy::Extended, _) => ", kept: fulfilment has begun".to_owned(),
        _ => String::new(),
    };
    format!("order {} line {}{until}", claim.order_id, claim.line)
}

/// What a channel is told of an item, step by step, and what it is known to show.
pub(crate) async fn on_channel(
    channels: &[Arc<Channel>],
    asked: &Explain,
) -> Result<Reply, Failure> {
    let channel = find(channels, asked.channel.as_deref().unwrap_or_default())?;
    let explained = sync::explain(channel, &asked.sku).await?;
    let names = ["listing", "#units", "term", "because"];
    let mut table = Table::new(&names, "");
    for number in &explained.numbers {
        number_rows(&mut table, number);
    }
    let head = format!("{} on {} ({})", explained.sku, explained.channel, explained.mode);
    Ok(Reply::one(Text::Both(head, table), json!(explained)))
}

fn number_rows(table: &mut Table, number: &ExplainedListing) {
    let place = if number.place.is_empty() { String::new() } else { format!("@{}", number.place) };
    let listing = format!("{}{place}", number.listings.join(", "));
    let mut row = |units: String, term: &str, because: String| {
        table.row(vec![listing.clone(), units, term.to_owned(), because]);
    };
    for term in &number.terms {
        let because = match (&term.location, term.rule, term.from) {
            (Some(location), ..) => format!("at {location}"),
            (None, Some(rule), Some(from)) => format!("{rule}, by the {from}"),
            (None, None, Some(_)) => "no bound".to_owned(),
            _ => "parts at different locations".to_owned(),
        };
        row(format!("{:+}", term.units), term.name, because);
    }
    row(number.published.to_string(), "=", "published".to_owned());
    let KnownView { baseline, confirmed_at, expected, sending, .. } = &number.known;
    if let Some(baseline) = baseline {
        let at = confirmed_at.map(|at| at.to_string()).unwrap_or_default();
        row(baseline.to_string(), "confirmed", format!("by the channel at {at}"));
    }
    if let Some([low, high]) = expected {
        let range = if low == high { low.to_string() } else { format!("{low}..{high}") };
        row(range, "expected", "with the orders that came in since".to_owned());
    }
    if let Some(sending) = sending {
        let until = sending.until.map(|until| until.to_string()).unwrap_or_default();
        row(sending.quantity.to_string(), "sending", format!("until {until}"));
    }
    match &number.reason {
        Some(reason) => row(String::new(), "not right", reason.clone()),
        None => row(String::new(), "right", format!("up to entry {}", number.known.pushed_seq)),
    }
}
